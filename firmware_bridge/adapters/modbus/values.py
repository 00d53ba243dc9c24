"""Registers to numbers: whole numbers and IEEE 754 in the four byte orders that makers use. Exact, no float kept.

Not a unit. A value that means "no measurement", NaN and infinity are faults, never numbers. LINK section 5.
"""

import math
import struct
from decimal import Decimal
from typing import Final

from firmware_bridge.adapters.values import NoValue

INVALID, NOT_FINITE = "invalid_value", "not_finite"

# How the four bytes A B C D of a number lie on the line (LINK section 5).
ORDERS: Final = {"ABCD": (0, 1, 2, 3), "CDAB": (2, 3, 0, 1), "BADC": (1, 0, 3, 2), "DCBA": (3, 2, 1, 0)}
_LAYOUTS: Final = {"i16": ">h", "u16": ">H", "i32": ">i", "u32": ">I", "f32": ">f"}
TYPES: Final = ("i16", "u16", *(f"{name}_{order}" for name in ("i32", "u32", "f32") for order in ORDERS))


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
