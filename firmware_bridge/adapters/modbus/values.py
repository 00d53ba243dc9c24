"""Registers to numbers: whole numbers and IEEE 754 in the four byte orders that makers use. Exact, no float kept.

Not a unit. A value that means "no measurement", NaN and infinity are faults, never numbers. LINK section 5.
"""

import math
import struct
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

INVALID, NOT_FINITE, TOO_LARGE = "invalid_value", "not_finite", "too_large"
MILLI_MAX = 10**12  # beyond any unit a probe may name

# How the four bytes A B C D of a number lie on the line (LINK section 5).
ORDERS: Final = {"ABCD": (0, 1, 2, 3), "CDAB": (2, 3, 0, 1), "BADC": (1, 0, 3, 2), "DCBA": (3, 2, 1, 0)}
_LAYOUTS: Final = {"i16": ">h", "u16": ">H", "i32": ">i", "u32": ">I", "f32": ">f"}
TYPES: Final = ("i16", "u16", *(f"{name}_{order}" for name in ("i32", "u32", "f32") for order in ORDERS))


@dataclass(frozen=True, slots=True)
class NoValue:
    """The registers hold no measurement; the reason is invalid_value, not_finite or too_large."""

    reason: str


def registers_of(type_name: str) -> int:
    """Return how many registers one number of this type takes."""
    return 1 if type_name in ("i16", "u16") else 2


def read_value(type_name: str, data: bytes, *, scale: Decimal, invalid: frozenset[int]) -> Decimal | NoValue:
    """Return one number times scale, exact; invalid: register values (unsigned) that mean no measurement."""
    kind, _separator, order = type_name.partition("_")
    if order:
        data = bytes(data[place] for place in ORDERS[order])
    if int.from_bytes(data, "big") in invalid:
        return NoValue(INVALID)
    number = struct.unpack(_LAYOUTS[kind], data)[0]
    if isinstance(number, float) and not math.isfinite(number):
        return NoValue(NOT_FINITE)
    return Decimal(number) * scale  # a number of 32 bits is exact as a double, and a double is exact as a Decimal


def as_milli(value: Decimal) -> int | NoValue:
    """Return a number as thousandths, half to even."""
    if abs(value) * 1000 >= MILLI_MAX:
        return NoValue(TOO_LARGE)
    return int((value * 1000).to_integral_value(rounding=ROUND_HALF_EVEN))
