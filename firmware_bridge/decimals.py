"""Numbers as a person writes them, as whole thousandths. Not a unit and not a rule: text in, integer out, no float."""

from decimal import Decimal

MILLI_MAX = 10**12  # beyond any unit a sensor may name


def milli_from_text(text: str) -> int:
    """Read a number of at most 3 decimals as a person types it, as thousandths. Raises ValueError."""
    try:
        milli = Decimal(text.replace(",", ".")) * 1000
        is_whole = abs(milli) < MILLI_MAX and milli == milli.to_integral_value()
    except ArithmeticError as error:
        raise ValueError(text) from error
    if not is_whole:
        raise ValueError(text)
    return int(milli)
