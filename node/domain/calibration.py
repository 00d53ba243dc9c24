"""What a calibration makes of a reading, and when the next one is due. Integers in thousandths of the channel's unit.

Not a judge of readings and not a record (`node.ledger.calibrations`). Owns the rule that a raw value is never altered:
a correction is applied to what is read, and what was read before it began is read as it was then. Source: the bounds
below are engineering choices; 365 days, shown from day 335, and six months for scales are the food-safety plan's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from node.errors import N_, NeedsYes, Refused

POINTS_MAX = 2
VALUE_MILLI_MAX = 1_000_000_000  # a million of any unit: more is a slip of the keyboard
# Two points nearer to each other than this say nothing about the slope between them.
SPAN_MILLI_MIN = {"temperature": 5_000}
SPAN_MILLI_MIN_OTHER = 100
# A probe or a load cell whose slope is off by more than a half is broken or of another kind.
SLOPE_MAX = 2
# A probe that is off by more than this is rather in another place than its reference.
FAR_MILLI_C = 2_000

DAY_MS = 24 * 3600 * 1000
DUE_AFTER_DAYS = 365
SHOWN_FROM_DAYS = {"weight": 182}
SHOWN_FROM_DAYS_OTHER = 335

OK, SOON, DUE, NEVER = "ok", "soon", "due", "never"
_NUMBER = re.compile(r"([+-]?)([0-9]{1,6})(?:[.,]([0-9]{1,3}))?\Z")
_SHOWN_CHARACTERS = 40


@dataclass(frozen=True, slots=True)
class Correction:
    """An offset in thousandths, or one or two points (what the channel showed, what the reference said)."""

    offset_milli: int | None = None
    points: tuple[tuple[int, int], ...] = ()


class Dated(Protocol):
    """Something that holds from a time on, in milliseconds since 1970 UTC, and may have been taken back."""

    @property
    def from_ms(self) -> int: ...
    @property
    def is_withdrawn(self) -> bool: ...


D = TypeVar("D", bound=Dated)


def corrected(value_milli: int, correction: Correction | None) -> int:
    """Return what a value means: as it is without a correction, else by offset or by the line through two points.

    Exact in integers, half to even.
    """
    if correction is None:
        return value_milli
    if correction.offset_milli is not None:
        return value_milli + correction.offset_milli
    shown, reference = correction.points[0]
    if len(correction.points) == 1:
        return value_milli + reference - shown
    shown_2, reference_2 = correction.points[1]
    return reference + _rounded((value_milli - shown) * (reference_2 - reference), shown_2 - shown)


def in_force(found: Sequence[D], at_ms: int | None) -> D | None:
    """Return what held at a time (milliseconds since 1970 UTC): the last to begin by then; `found` in written order.

    None for the time means that nobody knows it: then the last of all, since what is read now is read with that.
    """
    best: D | None = None
    for one in found:
        if one.is_withdrawn or (at_ms is not None and one.from_ms > at_ms):
            continue
        if best is None or one.from_ms >= best.from_ms:
            best = one
    return best


def due_state(from_ms: int | None, kind: str, now_ms: int | None) -> str:
    """Return `ok`, `soon`, `due` or `never` for a channel of that kind; `ok` while the clock is not set (None)."""
    if from_ms is None:
        return NEVER
    if now_ms is None:
        return OK
    days = (now_ms - from_ms) / DAY_MS
    if days >= DUE_AFTER_DAYS:
        return DUE
    return SOON if days >= SHOWN_FROM_DAYS.get(kind, SHOWN_FROM_DAYS_OTHER) else OK


def due_ms(from_ms: int) -> int:
    """Return when the next calibration is due."""
    return from_ms + DUE_AFTER_DAYS * DAY_MS


def parse_milli(text: str) -> int:
    """Read a typed number of the channel's unit, such as `4.2`, `-18` or `+0,4`, as thousandths. Raises Refused."""
    match = _NUMBER.match(text.strip())
    if match is None:
        raise Refused(
            "calibration.number",
            N_("'{text}' is not a number of the sensor's unit."),
            N_("Type it such as 4.2 or -18, with at most three digits after the point."),
            text=text[:_SHOWN_CHARACTERS],
        )
    sign, whole, part = match.groups()
    milli = int(whole) * 1000 + int((part or "").ljust(3, "0"))
    return -milli if sign == "-" else milli


def parse_point(text: str) -> tuple[int, int]:
    """Read `SHOWN=REFERENCE`, such as `0.4=0`. Raises Refused."""
    shown, mark, reference = text.partition("=")
    if not mark:
        raise Refused(
            "calibration.point",
            N_("'{text}' is not a point."),
            N_("Type what the sensor shows, =, and what the reference says, such as 0.4=0."),
            text=text[:_SHOWN_CHARACTERS],
        )
    return parse_milli(shown), parse_milli(reference)


def check_correction(correction: Correction, *, kind: str, yes: frozenset[str] = frozenset()) -> None:
    """Refuse what no sensor of this kind can need. Raises Refused, and NeedsYes `calibration.far`."""
    offset_milli, points = correction.offset_milli, correction.points
    if (offset_milli is None) == (not points) or len(points) > POINTS_MAX:
        raise Refused(
            "calibration.shape",
            N_("A calibration is one offset, or one or two points."),
            N_("Give an offset, or each point as what the sensor shows and what the reference says."),
        )
    if any(
        abs(value) > VALUE_MILLI_MAX for value in (offset_milli or 0, *(each for point in points for each in point))
    ):
        raise Refused(
            "calibration.number_range",
            N_("The numbers of a calibration are at most a million."),
            N_("Type them again in the sensor's unit."),
        )
    if len(points) == POINTS_MAX:
        _check_line(points, SPAN_MILLI_MIN.get(kind, SPAN_MILLI_MIN_OTHER))
    by_milli = max((abs(each) for each in _changes(correction)), default=0)
    if kind == "temperature" and by_milli > FAR_MILLI_C and "calibration.far" not in yes:
        raise NeedsYes(
            "calibration.far",
            N_("That moves what this sensor shows by {degrees} degrees."),
            N_("Say yes only if sensor and reference lay in the same place for long enough."),
            degrees=f"{by_milli / 1000:.1f}",
        )


def _check_line(points: Iterable[tuple[int, int]], span_milli_min: int) -> None:
    (shown, reference), (shown_2, reference_2) = points
    span, rise = shown_2 - shown, reference_2 - reference
    if abs(span) < span_milli_min:
        raise Refused(
            "calibration.near",
            N_("The two points are too near to each other."),
            N_("Take them at least {least} apart, one at each end of what is measured."),
            least=f"{span_milli_min / 1000:g}",
        )
    if not 0 < abs(span) <= SLOPE_MAX * abs(rise) or abs(rise) > SLOPE_MAX * abs(span) or (span > 0) != (rise > 0):
        raise Refused(
            "calibration.slope",
            N_("The two points do not fit one sensor: no line through them is near to what it shows."),
            N_("Measure both again; if it stays so, replace the sensor."),
        )


def _changes(correction: Correction) -> list[int]:
    if correction.offset_milli is not None:
        return [correction.offset_milli]
    return [reference - shown for shown, reference in correction.points]


def _rounded(numerator: int, denominator: int) -> int:
    """Divide, half to even."""
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1))
