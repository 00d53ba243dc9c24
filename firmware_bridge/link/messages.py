"""The ten messages of Larder Link 1 and their bytes.

Not framing (the body here has no CRC) and not a session: whether a message makes sense now is decided elsewhere. Owns
the tables of LINK section 2: a value outside them never becomes a message. Integers are little-endian.
"""

import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final

import msgspec

from firmware_bridge.link.sequence import distance

VERSION: Final = 1
CHANNELS_MAX = 32
RECORDS_MAX = 29  # records in one DATA frame
RECORD_BYTES = 8
UID_BYTES = 8
RESET_CAUSE_MAX = 6
CMD_ARGS_BYTES_MAX = 16
CMD_RSP_DATA_BYTES_MAX = 32
CMD_RSP_STATUS_MAX = 4

STATUS_FAULT = 0x01
STATUS_CLIPPED = 0x02
STATUS_MERGED = 0x04
STATUS_UNSTABLE = 0x08
STATUS_EARLIER_BOOT = 0x10
STATUS_FAULT_CODE_SHIFT = 5

FLAG_EVENT = 0x01
FLAG_CUMULATIVE = 0x02
FLAGS_MERGE_SHIFT = 2
FLAGS_MAX = 0x0F
RING_KEPT = 0x80

Record = tuple[int, int, int, int]  # dt_ms, channel, status, raw value


class Kind(IntEnum):
    """What a channel measures."""

    OTHER = 0
    TEMPERATURE = 1
    HUMIDITY = 2
    WEIGHT = 3
    DOOR = 4
    VOLTAGE = 5
    COUNT = 6


class Op(IntEnum):
    """What the host can ask of a board."""

    TARE = 1
    SET_PERIOD = 2
    SEND_DESC = 3
    BLINK = 4
    REBOOT = 5


class FrameRefused(ValueError):
    """A checked body that is no message of ours; `reason` is version, type, direction, length or field."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UidRefused(FrameRefused):
    """A good HELLO of a board without a name of its own: all 00 or all FF (LINK section 2)."""

    def __init__(self) -> None:
        super().__init__("field")


class Hello(msgspec.Struct, frozen=True, gc=False):
    """Board to host: who I am and what I hold. tail is the oldest kept record, head the next to be given."""

    boot: int
    tail: int
    head: int
    now_ms: int
    dropped_total: int
    uid: bytes
    firmware: int
    channels: int
    reset_cause: int
    is_ring_kept: bool
    desc_crc: int
    ring_records: int


class TimeRsp(msgspec.Struct, frozen=True, gc=False):
    """Board to host: uptime now_ms, in answer to the request with this token."""

    boot: int
    token: int
    now_ms: int


class Data(msgspec.Struct, frozen=True, gc=False):
    """Board to host: records first_seq, first_seq + 1, ... of one boot; record time is base_ms + dt_ms modulo 2^32."""

    boot: int
    first_seq: int
    base_ms: int
    records: list[Record]


class Desc(msgspec.Struct, frozen=True, gc=False):
    """Board to host: what one channel is. Value in unit = raw value x 10^exp10; lo..hi and noise are raw."""

    channel: int
    kind: int
    exp10: int
    flags: int
    lo: int
    hi: int
    period_ds: int
    noise: int
    unit: str
    name: str


class Stat(msgspec.Struct, frozen=True, gc=False):
    """Board to host, every 60 s: its own counters and health."""

    boot: int
    rx_crc_err: int
    retx: int
    dropped: int
    ring_used: int
    vcc_mv: int
    mcu_temp_c10: int


class CmdRsp(msgspec.Struct, frozen=True, gc=False):
    """Board to host: the answer to one command."""

    boot: int
    cmd_id: int
    status: int
    data: bytes


class HelloReq(msgspec.Struct, frozen=True, gc=False):
    """Host to board: say HELLO."""


class Ack(msgspec.Struct, frozen=True, gc=False):
    """Host to board: everything before next_seq is committed, everything before seen_seq has arrived."""

    boot: int
    next_seq: int
    seen_seq: int


class TimeReq(msgspec.Struct, frozen=True, gc=False):
    """Host to board: tell your uptime."""

    boot: int
    token: int


class Cmd(msgspec.Struct, frozen=True, gc=False):
    """Host to board: do this; the same cmd_id again only repeats the answer."""

    boot: int
    cmd_id: int
    op: int
    args: bytes = b""


FromDevice = Hello | TimeRsp | Data | Desc | Stat | CmdRsp
FromHost = HelloReq | Ack | TimeReq | Cmd
Message = FromDevice | FromHost

_HELLO = struct.Struct("<BBHIIII8sHBBIH")
_TIME_RSP = struct.Struct("<BBHII")
_DATA = struct.Struct("<BBHII")
_RECORD = struct.Struct("<HBBi")
_DESC = struct.Struct("<BBBBbBiiHH8s16s")
_STAT = struct.Struct("<BBHIIIHHh")
_CMD_RSP = struct.Struct("<BBHHB")
_HELLO_REQ = struct.Struct("<BBH")
_ACK = struct.Struct("<BBHII")
_TIME_REQ = struct.Struct("<BBHI")
_CMD = struct.Struct("<BBHHB")

_DATA_TYPE = 0x03
_CHANNELS = bytes(range(CHANNELS_MAX))
_DATA_LENGTHS = frozenset(_DATA.size + RECORD_BYTES * n for n in range(1, RECORDS_MAX + 1))


def decode_from_device(body: bytes) -> FromDevice:
    """Read one body that a board sent.

    Raises FrameRefused with the first reason that fits. DATA goes first and apart: it is nearly all of the traffic.
    """
    if body[1] == _DATA_TYPE and body[0] == VERSION:
        return _decode_data(body)
    message: FromDevice = _decode(body, _FROM_DEVICE, _FROM_HOST)
    return message


def decode_from_host(body: bytes) -> FromHost:
    """Read one body that a host sent. Raises FrameRefused with the first reason that fits."""
    message: FromHost = _decode(body, _FROM_HOST, _FROM_DEVICE)
    return message


def encode(message: Message) -> bytes:
    """Return the body of a message, without CRC. Raises struct.error when a number does not fit its field."""
    return _ENCODERS[type(message)](message)


def _decode(body: bytes, ours: dict[int, Callable[[bytes], Any]], theirs: dict[int, Callable[[bytes], Any]]) -> Any:
    if body[0] != VERSION:
        raise FrameRefused("version")
    decoder = ours.get(body[1])
    if decoder is None:
        raise FrameRefused("direction" if body[1] in theirs else "type")
    return decoder(body)


def _unpack(layout: struct.Struct, body: bytes) -> tuple[Any, ...]:
    if len(body) != layout.size:
        raise FrameRefused("length")
    return layout.unpack(body)


def _unpack_with_tail(layout: struct.Struct, body: bytes, tail_bytes_max: int) -> tuple[Any, ...]:
    if not layout.size <= len(body) <= layout.size + tail_bytes_max:
        raise FrameRefused("length")
    return (*layout.unpack_from(body), body[layout.size :])


def _must(is_inside: bool) -> None:
    if not is_inside:
        raise FrameRefused("field")


def _text(field: bytes) -> str:
    text = field.rstrip(b"\x00")
    _must(all(0x20 <= byte < 0x7F for byte in text))
    return text.decode("ascii")


def _decode_data(body: bytes) -> Data:
    if len(body) not in _DATA_LENGTHS:
        raise FrameRefused("length")
    _, _, boot, first_seq, base_ms = _DATA.unpack_from(body)
    if body[14::8].translate(None, _CHANNELS):
        raise FrameRefused("field")
    return Data(boot, first_seq, base_ms, list(_RECORD.iter_unpack(body[12:])))


def _decode_hello(body: bytes) -> Hello:
    _, _, boot, tail, head, now_ms, dropped, uid, firmware, channels, cause, desc_crc, ring = _unpack(_HELLO, body)
    _must(channels <= CHANNELS_MAX)
    _must(0 <= distance(tail, head) <= ring)
    reset_cause = cause & ~RING_KEPT
    _must(reset_cause <= RESET_CAUSE_MAX)
    is_kept = bool(cause & RING_KEPT)
    if uid in (bytes(UID_BYTES), b"\xff" * UID_BYTES):
        raise UidRefused
    return Hello(boot, tail, head, now_ms, dropped, uid, firmware, channels, reset_cause, is_kept, desc_crc, ring)


def _decode_time_rsp(body: bytes) -> TimeRsp:
    return TimeRsp(*_unpack(_TIME_RSP, body)[2:])


def _decode_desc(body: bytes) -> Desc:
    _, _, channel, kind, exp10, flags, lo, hi, period_ds, noise, unit, name = _unpack(_DESC, body)
    _must(channel < CHANNELS_MAX and kind <= max(Kind) and flags <= FLAGS_MAX and lo <= hi)
    return Desc(channel, kind, exp10, flags, lo, hi, period_ds, noise, _text(unit), _text(name))


def _decode_stat(body: bytes) -> Stat:
    return Stat(*_unpack(_STAT, body)[2:])


def _decode_cmd_rsp(body: bytes) -> CmdRsp:
    _, _, boot, cmd_id, status, data = _unpack_with_tail(_CMD_RSP, body, CMD_RSP_DATA_BYTES_MAX)
    _must(status <= CMD_RSP_STATUS_MAX)
    return CmdRsp(boot, cmd_id, status, data)


def _decode_hello_req(body: bytes) -> HelloReq:
    _must(_unpack(_HELLO_REQ, body)[2] == 0)
    return HelloReq()


def _decode_ack(body: bytes) -> Ack:
    _, _, boot, next_seq, seen_seq = _unpack(_ACK, body)
    _must(distance(next_seq, seen_seq) >= 0)
    return Ack(boot, next_seq, seen_seq)


def _decode_time_req(body: bytes) -> TimeReq:
    return TimeReq(*_unpack(_TIME_REQ, body)[2:])


def _decode_cmd(body: bytes) -> Cmd:
    _, _, boot, cmd_id, op, args = _unpack_with_tail(_CMD, body, CMD_ARGS_BYTES_MAX)
    _must(cmd_id >= 1)  # an op we do not know is the board's to answer with "unknown op", not a bad frame
    return Cmd(boot, cmd_id, op, args)


def _encode_hello(m: Hello) -> bytes:
    cause = m.reset_cause | (RING_KEPT if m.is_ring_kept else 0)
    numbers = (m.boot, m.tail, m.head, m.now_ms, m.dropped_total, m.uid, m.firmware, m.channels)
    return _HELLO.pack(VERSION, 0x01, *numbers, cause, m.desc_crc, m.ring_records)


def _encode_data(m: Data) -> bytes:
    head = _DATA.pack(VERSION, _DATA_TYPE, m.boot, m.first_seq, m.base_ms)
    return head + b"".join(_RECORD.pack(*record) for record in m.records)


def _encode_desc(m: Desc) -> bytes:
    numbers = (m.channel, m.kind, m.exp10, m.flags, m.lo, m.hi, m.period_ds, m.noise)
    return _DESC.pack(VERSION, 0x04, *numbers, m.unit.encode("ascii"), m.name.encode("ascii"))


def _encode_stat(m: Stat) -> bytes:
    counts = (m.boot, m.rx_crc_err, m.retx, m.dropped, m.ring_used, m.vcc_mv, m.mcu_temp_c10)
    return _STAT.pack(VERSION, 0x05, *counts)


_FROM_DEVICE: dict[int, Callable[[bytes], Any]] = {
    0x01: _decode_hello,
    0x02: _decode_time_rsp,
    _DATA_TYPE: _decode_data,
    0x04: _decode_desc,
    0x05: _decode_stat,
    0x06: _decode_cmd_rsp,
}
_FROM_HOST: dict[int, Callable[[bytes], Any]] = {
    0x80: _decode_hello_req,
    0x81: _decode_ack,
    0x82: _decode_time_req,
    0x83: _decode_cmd,
}
_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    Hello: _encode_hello,
    TimeRsp: lambda m: _TIME_RSP.pack(VERSION, 0x02, m.boot, m.token, m.now_ms),
    Data: _encode_data,
    Desc: _encode_desc,
    Stat: _encode_stat,
    CmdRsp: lambda m: _CMD_RSP.pack(VERSION, 0x06, m.boot, m.cmd_id, m.status) + m.data,
    HelloReq: lambda _: _HELLO_REQ.pack(VERSION, 0x80, 0),
    Ack: lambda m: _ACK.pack(VERSION, 0x81, m.boot, m.next_seq, m.seen_seq),
    TimeReq: lambda m: _TIME_REQ.pack(VERSION, 0x82, m.boot, m.token),
    Cmd: lambda m: _CMD.pack(VERSION, 0x83, m.boot, m.cmd_id, m.op) + m.args,
}
