"""How many rows of one board may live a day, and what is kept of a board that sends more: a pure rule.

Not the limit of a second (the session leaves those unacknowledged). Owns, against a board that floods, that the disk is
not filled by one port. LINK section 4: up to 1,000,000 rows a day all is kept; above that only the extremes of each
minute, and the screen says so.
"""

from dataclasses import dataclass, field, replace

from firmware_bridge.link.events import RecordsArrived
from firmware_bridge.link.messages import STATUS_FAULT, Record
from firmware_bridge.link.sequence import MODULUS

ROWS_PER_DAY_MAX = 1_000_000  # LINK section 4
DAY_MS, MINUTE_MS = 86_400_000, 60_000
STEPS_PER_MINUTE_MAX = 32  # of one channel that only climbs or falls: each step would be an extreme of its own


@dataclass(slots=True)
class _Minute:
    """The extremes of one channel so far in one minute of the board's uptime."""

    number: int
    lowest: int
    highest: int
    has_fault: bool
    kept: int = 1


@dataclass(slots=True)
class DayLimit:
    """Count the rows of one board. All times are CLOCK_BOOTTIME milliseconds."""

    rows_max: int = ROWS_PER_DAY_MAX
    _began_at_ms: int | None = None
    _rows: int = 0
    _minutes: dict[int, _Minute] = field(default_factory=dict)

    @property
    def is_exceeded(self) -> bool:
        """Say whether only extremes are kept now."""
        return self._rows >= self.rows_max

    def kept(self, base_ms: int, records: list[Record], now_ms: int) -> list[bool]:
        """Say of each record whether it is kept. A kept one may be beyond an extreme kept before in its minute."""
        if self._began_at_ms is None or now_ms - self._began_at_ms >= DAY_MS:
            self._began_at_ms, self._rows = now_ms, 0
            self._minutes.clear()
        if self._rows + len(records) <= self.rows_max:
            self._rows += len(records)
            return [True] * len(records)
        self._rows = self.rows_max
        return [self._is_extreme((base_ms + record[0]) % MODULUS // MINUTE_MS, record) for record in records]

    def _is_extreme(self, minute: int, record: Record) -> bool:
        _dt_ms, channel, status, value = record
        is_fault = bool(status & STATUS_FAULT)
        known = self._minutes.get(channel)
        if known is None or known.number != minute:
            self._minutes[channel] = _Minute(minute, value, value, is_fault)
            return True
        if is_fault:
            is_first, known.has_fault = not known.has_fault, True
            return is_first
        is_beyond = value < known.lowest or value > known.highest
        known.lowest, known.highest = min(known.lowest, value), max(known.highest, value)
        known.kept += is_beyond
        return is_beyond and known.kept <= STEPS_PER_MINUTE_MAX


def pieces(arrived: RecordsArrived, kept: list[bool]) -> list[RecordsArrived]:
    """Return what is kept of a frame as runs of records, and an empty end that carries the cursor over the rest."""
    if all(kept):
        return [arrived]
    found = []
    for index, is_kept in enumerate(kept):
        if is_kept:
            doubts = arrived.doubts[index : index + 1]
            seq, records = arrived.first_seq + index, arrived.records[index : index + 1]
            found.append(replace(arrived, first_seq=seq, records=records, doubts=doubts))
    return [*found, replace(arrived, first_seq=arrived.next_seq, records=[], doubts=())]
