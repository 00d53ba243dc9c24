"""The ten messages of Larder Link 1, their layouts, and how each becomes bytes; the way back is `decoding.py`.

Not framing (the body here has no CRC) and not a session: whether a message makes sense now is decided elsewhere. Owns
the tables of LINK section 2. Integers are little-endian.
"""

import struct
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final

import msgspec

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

HELLO_LAYOUT = struct.Struct("<BBHIIII8sHBBIH")
TIME_RSP_LAYOUT = struct.Struct("<BBHII")
DATA_LAYOUT = struct.Struct("<BBHII")
RECORD_LAYOUT = struct.Struct("<HBBi")
DESC_LAYOUT = struct.Struct("<BBBBbBiiHH8s16s")
STAT_LAYOUT = struct.Struct("<BBHIIIHHh")
CMD_RSP_LAYOUT = struct.Struct("<BBHHB")
HELLO_REQ_LAYOUT = struct.Struct("<BBH")
ACK_LAYOUT = struct.Struct("<BBHII")
TIME_REQ_LAYOUT = struct.Struct("<BBHI")
CMD_LAYOUT = struct.Struct("<BBHHB")

DATA_TYPE = 0x03


def encode(message: Message) -> bytes:
    """Return the body of a message, without CRC. Raises struct.error when a number does not fit its field."""
    return _ENCODERS[type(message)](message)


def _encode_hello(m: Hello) -> bytes:
    cause = m.reset_cause | (RING_KEPT if m.is_ring_kept else 0)
    numbers = (m.boot, m.tail, m.head, m.now_ms, m.dropped_total, m.uid, m.firmware, m.channels)
    return HELLO_LAYOUT.pack(VERSION, 0x01, *numbers, cause, m.desc_crc, m.ring_records)


def _encode_data(m: Data) -> bytes:
    head = DATA_LAYOUT.pack(VERSION, DATA_TYPE, m.boot, m.first_seq, m.base_ms)
    return head + b"".join(RECORD_LAYOUT.pack(*record) for record in m.records)


def _encode_desc(m: Desc) -> bytes:
    numbers = (m.channel, m.kind, m.exp10, m.flags, m.lo, m.hi, m.period_ds, m.noise)
    return DESC_LAYOUT.pack(VERSION, 0x04, *numbers, m.unit.encode("ascii"), m.name.encode("ascii"))


def _encode_stat(m: Stat) -> bytes:
    counts = (m.boot, m.rx_crc_err, m.retx, m.dropped, m.ring_used, m.vcc_mv, m.mcu_temp_c10)
    return STAT_LAYOUT.pack(VERSION, 0x05, *counts)


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    Hello: _encode_hello,
    TimeRsp: lambda m: TIME_RSP_LAYOUT.pack(VERSION, 0x02, m.boot, m.token, m.now_ms),
    Data: _encode_data,
    Desc: _encode_desc,
    Stat: _encode_stat,
    CmdRsp: lambda m: CMD_RSP_LAYOUT.pack(VERSION, 0x06, m.boot, m.cmd_id, m.status) + m.data,
    HelloReq: lambda _: HELLO_REQ_LAYOUT.pack(VERSION, 0x80, 0),
    Ack: lambda m: ACK_LAYOUT.pack(VERSION, 0x81, m.boot, m.next_seq, m.seen_seq),
    TimeReq: lambda m: TIME_REQ_LAYOUT.pack(VERSION, 0x82, m.boot, m.token),
    Cmd: lambda m: CMD_LAYOUT.pack(VERSION, 0x83, m.boot, m.cmd_id, m.op) + m.args,
}
