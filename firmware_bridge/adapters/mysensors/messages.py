"""The lines of the MySensors serial protocol 2.x: text to messages and back. Sans-IO.

Not a network and not a judge of who was presented as what. Owns, for MySensors, invariant 7: a line has six fields,
plain ASCII digits within their ranges, printable text, at most 120 bytes, or it is malformed. Numbers of types follow
the MySensors serial API 2.x.
"""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from firmware_bridge.adapters.lines import Malformed
from firmware_bridge.link.messages import Kind

LINE_BYTES_MAX = 120  # LINK section 5
GATEWAY, BROADCAST = 0, 255
NODE_CHILD = 255  # the child that stands for the node itself
ID_MIN, ID_MAX = 1, 254

PRESENTATION, SET, REQUEST, INTERNAL, STREAM = range(5)
BATTERY, TIME, VERSION, ID_REQUEST, ID_RESPONSE = 0, 1, 2, 3, 4
CONFIG, LOG_MESSAGE, SKETCH_NAME, SKETCH_VERSION, GATEWAY_READY, PRESENT_YOURSELF = 6, 9, 11, 12, 14, 19
HEARTBEAT = 22
TYPE_MAX = {PRESENTATION: 39, SET: 56, REQUEST: 56, INTERNAL: 33, STREAM: 5}  # the last number of each table

_FIELD = re.compile(r"(?:0|[1-9][0-9]{0,2})")
_NUMBER = re.compile(r"-?[0-9]{1,12}(?:\.[0-9]{1,9})?")  # LINK section 5, bounded
_RANGES = (255, 255, 4, 1, 255)


@dataclass(frozen=True, slots=True)
class Measure:
    """What one type of value is: its word here, kind and unit (SenML)."""

    word: str
    kind: int
    unit: str


# V_ types that are booked. V_WEIGHT is in kilograms, V_KWH in kWh, V_CURRENT in A (serial API 2.x).
MEASURES: Final = {
    0: Measure("temperature", Kind.TEMPERATURE, "Cel"),
    1: Measure("humidity", Kind.HUMIDITY, "%RH"),
    12: Measure("weight", Kind.WEIGHT, "kg"),
    16: Measure("door", Kind.DOOR, "/"),
    17: Measure("power", Kind.OTHER, "W"),
    18: Measure("energy", Kind.OTHER, "kWh"),
    38: Measure("voltage", Kind.VOLTAGE, "V"),
    39: Measure("current", Kind.OTHER, "A"),
}

# S_ types: the word of their main measure, and which words a child presented so may send (serial API 2.x).
PRESENTED: Final = {
    0: ("door",),
    1: ("door",),
    6: ("temperature",),
    7: ("humidity",),
    12: ("weight",),
    13: ("power", "energy"),
    14: ("temperature",),
    29: ("temperature",),
    30: ("voltage", "current"),
}


@dataclass(frozen=True, slots=True)
class Message:
    """One line: node, child, command, ack, type, payload."""

    node: int
    child: int
    command: int
    is_ack: bool
    type: int
    payload: str

    def encode(self) -> bytes:
        """Return the line for the port."""
        fields = (self.node, self.child, self.command, int(self.is_ack), self.type)
        return (";".join(map(str, fields)) + f";{self.payload}\n").encode("ascii")

    def number(self) -> Decimal:
        """Return the payload as a number. Raises Malformed."""
        if _NUMBER.fullmatch(self.payload) is None:
            raise Malformed("number")
        return Decimal(self.payload)


def decode_line(line: bytes) -> Message:
    """Read one line without its end. Raises Malformed with the first kind that fits."""
    if len(line) > LINE_BYTES_MAX:
        raise Malformed("oversize")
    if any(not 0x20 <= byte < 0x7F for byte in line):
        raise Malformed("text")
    fields = line.decode("ascii").split(";", 5)
    if len(fields) != 6:
        raise Malformed("fields")
    numbers = []
    for text, highest in zip(fields, _RANGES, strict=False):
        if _FIELD.fullmatch(text) is None or int(text) > highest:
            raise Malformed("field")
        numbers.append(int(text))
    node, child, command, ack, type_number = numbers
    if type_number > TYPE_MAX[command]:
        raise Malformed("type")
    message = Message(node, child, command, bool(ack), type_number, fields[5])
    _check_payload(message)
    return message


def _check_payload(message: Message) -> None:
    """Check what must be a number; what a text is, anybody may choose."""
    if message.is_ack:
        return
    if message.command == SET and message.type in MEASURES:
        value = message.number()
        if MEASURES[message.type].kind == Kind.DOOR and value not in (0, 1):
            raise Malformed("number")
    elif message.command == INTERNAL and message.type == BATTERY:
        if not 0 <= message.number() <= 100:
            raise Malformed("number")
    elif message.command == INTERNAL and message.type == HEARTBEAT and message.payload:
        message.number()


def internal(node: int, type_number: int, payload: str = "") -> bytes:
    """Return an internal message to a node, as bytes."""
    return Message(node, NODE_CHILD, INTERNAL, False, type_number, payload).encode()
