"""A small graph of a temperature over time, drawn with `.`, `:` and `#`.

Not a chart library: one series, one window, plain lines of text, so that it reads the same on every terminal. A gap in
the record is a gap in the picture.
"""

from __future__ import annotations

from collections.abc import Sequence

from node.tui.text import temperature_text

_THIRDS = ".:#"  # how high in its row a value lies
_LABEL_CELLS = 7
_SPAN_MILLI_MIN = 3_000  # so that a steady fridge does not look like a storm


def draw_graph(
    recent: Sequence[tuple[float, int | None]],
    *,
    width: int,
    rows: int,
    window_s: float,
    limit_milli_c: int | None = None,
) -> list[str]:
    """Return `rows` lines of at most `width` cells.

    `recent` holds (age in seconds, thousandths of a degree Celsius or None where there was no value). Each column shows
    the highest value of its share of the window. The row of the limit is marked with `-` where nothing is drawn.
    """
    columns = width - _LABEL_CELLS
    if columns < 1 or rows < 2:
        return []
    values = _highest_per_column(recent, columns, window_s)
    known = [value for value in values if value is not None]
    if not known:
        return []
    low, high = _bounds(known, limit_milli_c)
    step = (high - low) / rows
    return [
        _row(row, rows, low, step, values, limit_milli_c)
        for row in range(rows)  # the top row first
    ]


def _highest_per_column(recent: Sequence[tuple[float, int | None]], columns: int, window_s: float) -> list[int | None]:
    values: list[int | None] = [None] * columns
    for age_s, value in recent:
        if value is None or not 0 <= age_s < window_s:
            continue
        column = columns - 1 - int(age_s / window_s * columns)
        best = values[column]
        values[column] = value if best is None else max(best, value)
    return values


def _bounds(known: Sequence[int], limit_milli_c: int | None) -> tuple[int, int]:
    shown = [*known, limit_milli_c] if limit_milli_c is not None else list(known)
    low, high = min(shown), max(shown)
    missing = max(0, _SPAN_MILLI_MIN - (high - low))
    return low - missing // 2 - 1, high + missing - missing // 2 + 1


def _row(row: int, rows: int, low: int, step: float, values: Sequence[int | None], limit_milli_c: int | None) -> str:
    bottom = low + step * (rows - 1 - row)
    has_limit = limit_milli_c is not None and bottom <= limit_milli_c < bottom + step
    blank = "-" if has_limit else " "
    cells = [
        _THIRDS[min(2, int((value - bottom) / step * 3))]
        if value is not None and bottom <= value < bottom + step
        else blank
        for value in values
    ]
    label = temperature_text(round(bottom + step / 2), with_unit=False)
    return f"{label:>{_LABEL_CELLS - 2}}|" + " " + "".join(cells).rstrip()
