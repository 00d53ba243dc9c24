"""A recorded log as a place that can be measured.

Not a parser of any one maker's files: a CSV with a header, a time in the first column, and a value in a named one. The
file is hostile until read: sizes are bounded and a row that makes no sense is left out and counted.
"""

import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

ROWS_MAX = 1_000_000
COLUMNS_TRIED = ("value", "temperature", "weight")


@dataclass(frozen=True, slots=True)
class Replay:
    """Rows (seconds since the first one, thousandths of the unit), in order of time; skipped counts the unreadable."""

    rows: list[tuple[float, int]]
    skipped: int

    @property
    def period_s(self) -> float:
        """Return the median step between rows, for the board's description."""
        steps = sorted(after - before for (before, _), (after, _) in zip(self.rows, self.rows[1:], strict=False))
        return steps[len(steps) // 2] if steps else 1.0


def read_replay(path: Path, column: str | None) -> Replay:
    """Read a recorded log.

    column: the value's column; the first of value, temperature, weight when None. Times are ISO 8601 or seconds.
    Raises OSError, and ValueError when there is no such column or no row that can be read.
    """
    rows: list[tuple[float, int]] = []
    skipped = 0
    with path.open(newline="", encoding="utf-8", errors="replace") as lines:
        reader = csv.DictReader(lines)
        names = reader.fieldnames or []
        chosen = column or next((name for name in COLUMNS_TRIED if name in names), None)
        if chosen is None or chosen not in names:
            raise ValueError(f"no column {chosen or ' or '.join(COLUMNS_TRIED)} in {path.name}")
        for row in reader:
            if len(rows) >= ROWS_MAX:
                break
            try:
                rows.append((_seconds(row[names[0]]), int((Decimal(row[chosen]) * 1000).to_integral_value())))
            except (ValueError, TypeError, InvalidOperation, OverflowError):
                skipped += 1
    if not rows:
        raise ValueError(f"no row of {path.name} can be read")
    rows.sort(key=lambda row: row[0])
    first_s = rows[0][0]
    return Replay([(at_s - first_s, value) for at_s, value in rows], skipped)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
