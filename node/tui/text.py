"""Words and columns for the screen: ages, temperatures, times of day, fixed-width cells.

Not `node.text`, which makes outside text safe, and which every function here that takes such text calls.
"""

from __future__ import annotations

from node.clock import ClockQuality
from node.language import _, decimal_mark
from node.text import cell_width, local_time_text, safe_text

MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400


def cells(text: str) -> int:
    """Return how many terminal cells a safe text takes."""
    return sum(cell_width(character) for character in text)


def column(text: str, width: int) -> str:
    """Return `text` made safe, cut to `width` cells and padded to exactly that."""
    shown = safe_text(text, width)
    return shown + " " * (width - cells(shown))


def both_ends(left: str, right: str, width: int) -> str:
    """Return `left` and `right` at the two ends of a line; the left side gives way."""
    end = safe_text(right, width)
    return column(left, width - cells(end)) + end


def age_text(age_s: float | None, later_s: float = 0.0) -> str:
    """Say an age, grown by `later_s` since it was read: `3 s`, `22 min`, `5 h`, `3 d`; `?` where unknown."""
    if age_s is None:
        return "?"
    seconds = max(0, int(age_s + later_s))
    if seconds < MINUTE_S:
        return _("{count} s").format(count=seconds)
    if seconds < HOUR_S:
        return _("{count} min").format(count=seconds // MINUTE_S)
    if seconds < DAY_S:
        return _("{count} h").format(count=seconds // HOUR_S)
    return _("{count} d").format(count=seconds // DAY_S)


def temperature_text(temperature_milli_c: int | None, *, with_unit: bool = True) -> str:
    """Show thousandths of a degree Celsius to a tenth, halves away from zero: `7.9C`; `?` where unknown."""
    if temperature_milli_c is None:
        return "?"
    tenths = (abs(temperature_milli_c) + 50) // 100
    sign = "-" if temperature_milli_c < 0 and tenths else ""
    return f"{sign}{tenths // 10}{decimal_mark()}{tenths % 10}{'C' if with_unit else ''}"


def time_of_day(wall_ms: int | None, quality: ClockQuality, *, seconds: bool = False) -> str:
    """Return the local time of day, or `--:--` where the clock was not set: such a time would be a guess."""
    if wall_ms is None or quality is ClockQuality.NOT_SET:
        return "--:--:--" if seconds else "--:--"
    return local_time_text(wall_ms, "%H:%M:%S" if seconds else "%H:%M")
