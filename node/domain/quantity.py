"""Quantities as integers in thousandths of a gram, millilitre or piece; typed and shown in kg, l and pieces.

Not a number formatter for anything else. Owns the rule that no float ever holds a quantity, and that a barcode typed
into a quantity is never sold as one.
"""

from __future__ import annotations

import re

from node.domain.words import Unit
from node.errors import N_, Refused

# At most 5 digits before the mark and 3 after: more digits are a scan, not a quantity.
_QUANTITY = re.compile(r"([0-9]+)(?:([.,])([0-9]*))?\s*([A-Za-z]*)\Z")
DIGITS_BEFORE_MAX = 5
DIGITS_AFTER_MAX = 3
# 99,999.999 of the typed unit is the most one entry can say; kg and l are 1000 g and 1000 ml.
QUANTITY_MILLI_MAX = 99_999_999 * 1000

_TYPED_UNITS: dict[str, tuple[Unit, int]] = {
    "kg": (Unit.GRAM, 1_000_000),
    "g": (Unit.GRAM, 1_000),
    "l": (Unit.MILLILITRE, 1_000_000),
    "ml": (Unit.MILLILITRE, 1_000),
    "cl": (Unit.MILLILITRE, 10_000),
    "each": (Unit.EACH, 1_000),
    "pcs": (Unit.EACH, 1_000),
}
_BARE_UNIT = {Unit.EACH: "each", Unit.GRAM: "kg", Unit.MILLILITRE: "l"}


def parse_quantity(text: str, unit: Unit, mark: str = ".") -> int:
    """Read a typed quantity and return it in thousandths of `unit` (g, ml, piece), always above zero.

    A bare number means kg, l or pieces. Both `1.5` and `1,5` are read as one and a half, since a person at a till types
    either; but `1,000` where the decimal `mark` is a point may mean a thousand, and is refused. Raises Refused with one
    sentence for anything else.
    """
    if not text.strip():
        raise Refused("quantity.empty", N_("No quantity was typed."), N_("Type how much, such as 24 or 1.5 kg."))
    match = _QUANTITY.match(text.strip())
    if match is None:
        raise Refused(
            "quantity.unreadable",
            N_("'{text}' is not a quantity."),
            N_("Type a number such as 24 or 1.5, with kg, g, l or ml behind it if you like."),
            text=text[:40],
        )
    whole, typed_mark, part, word = match.groups()
    part = part or ""
    if len(part) > DIGITS_AFTER_MAX:
        raise Refused(
            "quantity.too_exact",
            N_("'{text}' has more than {most} digits after the decimal mark."),
            N_("Type at most {most}, or a smaller unit such as g."),
            text=text[:40],
            most=DIGITS_AFTER_MAX,
        )
    if typed_mark not in {None, mark} and len(part) == DIGITS_AFTER_MAX:
        raise Refused(
            "quantity.ambiguous",
            N_("'{text}' can be read in two ways: as thousands, or as a part of one."),
            N_("Type it with '{mark}' as the decimal mark, or without any mark."),
            text=text[:40],
            mark=mark,
        )
    if len(whole) > DIGITS_BEFORE_MAX:
        raise Refused(
            "quantity.too_many_digits",
            N_("'{text}' has too many digits for a quantity; it looks like a barcode."),
            N_("Type at most {most} digits before the decimal mark."),
            most=DIGITS_BEFORE_MAX,
            text=text[:40],
        )
    typed_unit, factor = _TYPED_UNITS.get(word.lower() or _BARE_UNIT[unit], (None, 0))
    if typed_unit is not unit:
        raise Refused(
            "quantity.wrong_unit",
            N_("'{text}' is not in a unit of this item, which is counted in {unit}."),
            N_("Type the quantity in {unit}."),
            text=text[:40],
            unit=_BARE_UNIT[unit],
        )
    thousandths = int(whole) * 1000 + int(part.ljust(3, "0") or "0")
    milli, rest = divmod(thousandths * factor, 1000)
    if rest or milli == 0 or (unit is Unit.EACH and milli % 1000):
        raise Refused(
            "quantity.not_possible",
            N_("'{text}' is not a quantity that can be handed over."),
            N_("Type more than zero; pieces are whole."),
            text=text[:40],
        )
    return milli


def format_quantity(quantity_milli: int, unit: Unit, mark: str = ".") -> str:
    """Show thousandths of a unit as a person writes them: `24`, `1.2 kg`, `0.75 l`, trailing zeros left out."""
    scale = 1_000 if unit is Unit.EACH else 1_000_000
    sign = "-" if quantity_milli < 0 else ""
    whole, part = divmod(abs(quantity_milli), scale)
    digits = f"{part:0{len(str(scale)) - 1}d}".rstrip("0")
    number = f"{sign}{whole}{mark}{digits}" if digits else f"{sign}{whole}"
    return number if unit is Unit.EACH else f"{number} {_BARE_UNIT[unit]}"
