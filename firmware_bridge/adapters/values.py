"""Decimals to whole thousandths, bounded. Not a unit; the same rule for every adapter. LINK section 5: never float."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

MILLI_MAX = 10**12  # beyond any unit a sensor may name
TOO_LARGE = "too_large"


@dataclass(frozen=True, slots=True)
class NoValue:
    """There is no measurement; the reason is invalid_value, not_finite or too_large."""

    reason: str


def as_milli(value: Decimal) -> int | NoValue:
    """Return a number as thousandths, half to even."""
    if value and value.adjusted() > 12:
        return NoValue(TOO_LARGE)
    milli = int((value * 1000).to_integral_value(rounding=ROUND_HALF_EVEN))
    return NoValue(TOO_LARGE) if abs(milli) >= MILLI_MAX else milli
