"""Requests and replies of Modbus RTU: bytes to registers and back. Sans-IO.

Not a bus and not a meaning of any register. Owns, for Modbus, invariant 7: a reply is searched for by the header that
the request makes it have, at every offset, and only a frame whose CRC holds is one; so stray bytes in front, an echo of
our own request or a neighbour's reply cost nothing. Modbus Application Protocol 1.1b3, Modbus over Serial Line 1.02.
"""

import struct
from array import array

import msgspec

BUFFER_BYTES_MAX = 320  # LINK section 5: the longest reply is 256 bytes, and some noise
REQUEST_BYTES = 8
EXCEPTION_BYTES = 5
EXCEPTION_FLAG = 0x80
READ_HOLDING, READ_INPUT = 3, 4
REGISTERS_MAX = 125  # Modbus Application Protocol 1.1b3, section 6.3
FUNCTIONS = range(1, 7)  # whose requests have 8 bytes: the reads, and writing one coil or register

CONFIG_ERROR, DEVICE_FAILURE, BUSY, ABSENT, UNKNOWN = "config_error", "device_failure", "busy", "absent", "unknown"
# LINK section 5; Modbus Application Protocol 1.1b3, section 7.
EXCEPTION_MEANINGS = {
    1: CONFIG_ERROR,
    2: CONFIG_ERROR,
    3: CONFIG_ERROR,
    4: DEVICE_FAILURE,
    5: BUSY,
    6: BUSY,
    0x0B: ABSENT,
}


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _bit in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
        table.append(value)
    return tuple(table)


def _word_table(table: tuple[int, ...]) -> "array[int]":
    """Return the step for two bytes at once, 128 KiB: a CRC is linear, so it is made of the steps of its halves."""
    twice = [value >> 8 ^ table[value & 0xFF] for value in table]
    return array("H", (high ^ low for high in table for low in twice))


_CRC_TABLE = _crc_table()
_CRC_WORDS = _word_table(_CRC_TABLE)


def crc16(data: bytes, crc: int = 0xFFFF) -> int:
    """Return the CRC-16 of Modbus: reflected polynomial A001, beginning with FFFF; 0 for a frame with its own CRC.

    crc: that of the bytes before, to go on from.
    """
    table = _CRC_TABLE
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc


def with_crc(data: bytes) -> bytes:
    """Return a frame: the data and its CRC, low byte first."""
    return data + crc16(data).to_bytes(2, "little")


def read_request(unit: int, function: int, address: int, count: int) -> bytes:
    """Return the frame that asks one station for count registers from address (counted from 0) on."""
    return with_crc(bytes((unit, function)) + address.to_bytes(2, "big") + count.to_bytes(2, "big"))


def is_request(window: bytes) -> bool:
    """Say whether these 8 bytes are a whole request with a right CRC."""
    return window[1] in FUNCTIONS and crc16(window[:REQUEST_BYTES]) == 0


def foreign_request(data: bytes, own: bytes) -> bytes | None:
    """Return a request in these bytes that we did not send: another master is on the line."""
    for start in range(len(data) - REQUEST_BYTES + 1):
        window = data[start : start + REQUEST_BYTES]
        if window != own and is_request(window):
            return window
    return None


class Registers(msgspec.Struct, frozen=True, gc=False):
    """A reply: the registers' bytes in the order of the line, and how many stray bytes came in front."""

    data: bytes
    skipped: int


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """A station says why it does not answer: the exception code."""

    code: int
    skipped: int

    @property
    def meaning(self) -> str:
        """Return what the code means for us: config_error, device_failure, busy, absent or unknown."""
        return EXCEPTION_MEANINGS.get(self.code, UNKNOWN)

    @property
    def may_retry(self) -> bool:
        """Say whether asking again can help; what is configured wrongly stays wrong."""
        return self.meaning != CONFIG_ERROR


class ReplyReader:
    """Wait for the one reply to one question, again each time it is asked."""

    __slots__ = ("_dropped", "_head", "_head_crc", "_held", "_refusal_head", "_reply_bytes", "_words")

    def __init__(self, unit: int, function: int, count: int) -> None:
        """count: registers asked for, 1 to 125."""
        self._head = head = bytes((unit, function, 2 * count))
        self._head_crc = crc16(head)
        self._refusal_head = bytes((unit, function | EXCEPTION_FLAG))
        self._reply_bytes = 2 * count + 5
        self._words = struct.Struct(f"<{count + 1}H")  # behind the head: the registers and the CRC
        self._held = b""
        self._dropped = 0

    def begin(self) -> None:
        """Wait anew: what was heard before was no reply to what is asked now."""
        self._held = b""
        self._dropped = 0

    @property
    def held(self) -> bytes:
        """Return the bytes that were no reply so far, at most 320."""
        return self._held

    def receive(self, data: bytes) -> Registers | Refusal | None:
        """Take bytes as they came; returns the reply once it is there, None while there is nothing acceptable."""
        held = self._held + data if self._held else data
        if len(held) > BUFFER_BYTES_MAX:
            self._dropped += len(held) - BUFFER_BYTES_MAX
            held = held[-BUFFER_BYTES_MAX:]
        self._held = held
        head = self._head
        start = held.find(head)
        unfinished = len(held)
        while start >= 0:
            end = start + self._reply_bytes
            if end > len(held):
                unfinished = start
                break
            crc = self._head_crc
            for word in self._words.unpack_from(held, start + 3):
                crc = _CRC_WORDS[crc ^ word]
            if crc == 0:
                return Registers(held[start + 3 : end - 2], self._dropped + start)
            start = held.find(head, start + 1)
        return self._find_refusal(unfinished)

    def give_up(self) -> Refusal | None:
        """Look once more at the deadline: what began like a reply and never ended may hide a refusal."""
        return self._find_refusal(len(self._held))

    def _find_refusal(self, before: int) -> Refusal | None:
        """Find a refusal that begins before an unfinished reply: five bytes of its data could look like one."""
        held = self._held
        refusal_head = self._refusal_head
        start = held.find(refusal_head)
        while 0 <= start < before and start + EXCEPTION_BYTES <= len(held):
            frame = held[start : start + EXCEPTION_BYTES]
            if crc16(frame) == 0:
                return Refusal(frame[2], self._dropped + start)
            start = held.find(refusal_head, start + 1)
        return None
