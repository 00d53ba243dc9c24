"""What one channel's value is worth, judged by itself: a pure rule.

Not a second opinion: what needs another probe, the door or learning is judged where readings are read. Owns, for the
bridge, invariant 5: an implausible value is SUSPECT, is kept with its reason, and is never shown as 0 or as good.
Sources: LINK section 7, SAFETY section 1.2 item 8.
"""

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final, Protocol

GOOD: Final = "GOOD"
SUSPECT: Final = "SUSPECT"

# Small integers of the tables; a number is never used again for something else.
# Unchecked: good as far as one can see, from a line without a check sum (LINK section 5).
QUALITY_UNJUDGED, QUALITY_GOOD, QUALITY_SUSPECT, QUALITY_UNCHECKED = 0, 1, 2, 3
QUALITY_FAULT = 4  # of buckets alone: suspect, and without a value; a reading says so in its status
REASONS: Final = (
    "",
    "fault",
    "open",
    "short",
    "crc",
    "power_on",
    "stuck",
    "saturated",
    "clipped",
    "range",
    "scale",
    "no_description",
    "slope",
    "special",
    "silence",
    "unpresented",
    "overload",
    "underload",
    "unstable",
    "invalid",
    "unit",
    "time",
)
REASON_CODES: Final = {reason: code for code, reason in enumerate(REASONS)}

# Lines without a check sum: what comes over them is unchecked at best (LINK section 5).
UNCHECKED_PROTOCOLS: Final = ("mysensors", "senml", "mt-sics")

# DATA status bits 5-7 (LINK section 2): 0 none given, 7 other.
_FAULT_REASONS = ("fault", "open", "short", "crc", "power_on", "stuck", "saturated", "fault")
_STATUS_FAULT, _STATUS_CLIPPED, _FAULT_CODE_SHIFT = 0x01, 0x02, 5
_KIND_TEMPERATURE = 1

POWER_ON_MILLI_C = 85_000  # what a DS18B20 says before its first conversion (SAFETY section 1.2 item 8)
# What chilled, frozen and ambient probes can show; the bridge does not know which of them one is (LINK section 7).
LOWEST_MILLI_C, HIGHEST_MILLI_C = -45_000, 60_000
EXP10_ABS_MAX = 12  # beyond pico and tera a description is nonsense; keeps numbers bounded


class Scale(Protocol):
    """What judging needs of a channel description; lo, hi are raw, value in unit = raw x 10^exp10."""

    @property
    def kind(self) -> int: ...
    @property
    def exp10(self) -> int: ...
    @property
    def lo(self) -> int: ...
    @property
    def hi(self) -> int: ...


def to_milli(raw: int, exp10: int) -> int | None:
    """Return raw x 10^exp10 in thousandths, exact in integers, half to even (LINK section 2); None beyond 10^+-12."""
    if abs(exp10) > EXP10_ABS_MAX:
        return None
    exponent = exp10 + 3
    if exponent >= 0:
        return raw * int(10**exponent)
    return int(Decimal(raw).scaleb(exponent).to_integral_value(rounding=ROUND_HALF_EVEN))


def judge(status: int, raw: int, scale: Scale | None) -> tuple[int, int]:
    """Return (quality, reason) as the small integers of the tables for one record of a channel.

    scale None: no description is known yet, so the record is not judged.
    """
    if status & _STATUS_FAULT:
        return QUALITY_SUSPECT, REASON_CODES[_FAULT_REASONS[status >> _FAULT_CODE_SHIFT]]
    if scale is None:
        return QUALITY_UNJUDGED, REASON_CODES["no_description"]
    milli = to_milli(raw, scale.exp10)
    reason = ""
    if milli is None:
        reason = "scale"
    elif status & _STATUS_CLIPPED:
        reason = "clipped"
    elif scale.kind == _KIND_TEMPERATURE and milli == POWER_ON_MILLI_C:
        reason = "power_on"
    elif not (scale.lo <= raw <= scale.hi and _is_possible(scale.kind, milli)):
        reason = "range"
    return (QUALITY_SUSPECT if reason else QUALITY_GOOD), REASON_CODES[reason]


def _is_possible(kind: int, milli: int) -> bool:
    return kind != _KIND_TEMPERATURE or LOWEST_MILLI_C <= milli <= HIGHEST_MILLI_C
