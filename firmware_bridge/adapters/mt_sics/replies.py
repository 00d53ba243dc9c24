"""The replies of an MT-SICS scale: lines to weights, faults and answers. Sans-IO, pure.

Not a poll. Only a stable weight may ever be booked, and only in units whose factor is exact; every other line is named
for what it is or malformed. MT-SICS reference manual, level 0 and 1: a weight is ten characters, right aligned.
"""

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from firmware_bridge.adapters.lines import Malformed

LINE_BYTES_MAX = 80  # the longest reply that we ask for is the serial number
OVERLOAD, UNDERLOAD = "overload", "underload"
BELOW_ZERO = "below_zero"
_WEIGHT = re.compile(r"([ST]) ([SD]) ([ 0-9.+-]{10}) (\S{1,5})")
_FIELD = re.compile(r" *([+-]?[0-9]{1,9}(?:\.[0-9]{1,6})?)")
_SERIAL = re.compile(r'I4 A "([ -!#-~]{1,40})"')

# Milligrams in one; the pound is exactly 0.45359237 kg and an ounce a sixteenth of it (NIST SP 811, appendix B.8).
MG_PER_UNIT: Final = {
    "g": Decimal(1_000),
    "kg": Decimal(1_000_000),
    "lb": Decimal("453592.37"),
    "oz": Decimal("28349.523125"),
}


@dataclass(frozen=True, slots=True)
class Weight:
    """A weight on the scale, net if somebody pressed tare."""

    mg: int
    is_stable: bool

    @property
    def may_book(self) -> bool:
        """Say whether this is a weight to keep: stable and not below zero."""
        return self.is_stable and self.mg >= 0


@dataclass(frozen=True, slots=True)
class Tare:
    """The scale was tared: the weight taken off."""

    mg: int


@dataclass(frozen=True, slots=True)
class OutOfRange:
    """Too much or too little lies on the scale."""

    reason: str


@dataclass(frozen=True, slots=True)
class NotNow:
    """The scale cannot do it at this moment: asking again helps."""


@dataclass(frozen=True, slots=True)
class Error:
    """ES: unknown command; ET: damaged on the way; EL: not allowed."""

    code: str


@dataclass(frozen=True, slots=True)
class Serial:
    """The serial number of the scale."""

    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """A command was carried out, one that we did not send: staff at the scale."""

    command: str


Reply = Weight | Tare | OutOfRange | NotNow | Error | Serial | Done


def read_reply(line: bytes) -> Reply:
    """Read one line without its end. Raises Malformed with the first kind that fits."""
    if len(line) > LINE_BYTES_MAX:
        raise Malformed("oversize")
    if any(not 0x20 <= byte < 0x7F for byte in line):
        raise Malformed("text")
    text = line.decode("ascii")
    if text in ("ES", "ET", "EL"):
        return Error(text)
    if text in ("S I", "Z I", "T I", "I4 I"):
        return NotNow()
    if text in ("S +", "S -"):
        return OutOfRange(OVERLOAD if text == "S +" else UNDERLOAD)
    if text in ("Z A", "Z S", "Z D"):
        return Done("Z")
    serial = _SERIAL.fullmatch(text)
    if serial is not None:
        return Serial(serial[1])
    found = _WEIGHT.fullmatch(text)
    if found is None:
        raise Malformed("line")
    mg = _milligrams(found[3], found[4])
    return Tare(mg) if found[1] == "T" else Weight(mg, found[2] == "S")


def _milligrams(field: str, unit: str) -> int:
    number = _FIELD.fullmatch(field)
    if number is None:
        raise Malformed("number")
    if unit not in MG_PER_UNIT:
        raise Malformed("unit")
    return int((Decimal(number[1]) * MG_PER_UNIT[unit]).to_integral_value(rounding=ROUND_HALF_EVEN))
