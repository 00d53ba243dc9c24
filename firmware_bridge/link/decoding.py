"""Bodies of Larder Link 1 to messages: the check of every field. The other direction is `messages.encode`.

Not framing (the body here has no CRC) and not a session. Owns, for the messages, invariant 7: a value outside the
tables of LINK section 2 never becomes a message. The first reason that fits names the refusal.
"""

import struct
from collections.abc import Callable
from typing import Any

from firmware_bridge.link.messages import (
    ACK_LAYOUT,
    CHANNELS_MAX,
    CMD_ARGS_BYTES_MAX,
    CMD_LAYOUT,
    CMD_RSP_DATA_BYTES_MAX,
    CMD_RSP_LAYOUT,
    CMD_RSP_STATUS_MAX,
    DATA_LAYOUT,
    DATA_TYPE,
    DESC_LAYOUT,
    FLAGS_MAX,
    HELLO_LAYOUT,
    HELLO_REQ_LAYOUT,
    RECORD_BYTES,
    RECORD_LAYOUT,
    RECORDS_MAX,
    RESET_CAUSE_MAX,
    RING_KEPT,
    STAT_LAYOUT,
    TIME_REQ_LAYOUT,
    TIME_RSP_LAYOUT,
    UID_BYTES,
    VERSION,
    Ack,
    Cmd,
    CmdRsp,
    Data,
    Desc,
    FrameRefused,
    FromDevice,
    FromHost,
    Hello,
    HelloReq,
    Kind,
    Stat,
    TimeReq,
    TimeRsp,
    UidRefused,
)
from firmware_bridge.link.sequence import distance

_CHANNELS = bytes(range(CHANNELS_MAX))
_DATA_LENGTHS = frozenset(DATA_LAYOUT.size + RECORD_BYTES * n for n in range(1, RECORDS_MAX + 1))


def decode_from_device(body: bytes) -> FromDevice:
    """Read one body that a board sent.

    Raises FrameRefused with the first reason that fits. DATA goes first and apart: it is nearly all of the traffic.
    """
    if body[1] == DATA_TYPE and body[0] == VERSION:
        return _decode_data(body)
    message: FromDevice = _decode(body, _FROM_DEVICE, _FROM_HOST)
    return message


def decode_from_host(body: bytes) -> FromHost:
    """Read one body that a host sent. Raises FrameRefused with the first reason that fits."""
    message: FromHost = _decode(body, _FROM_HOST, _FROM_DEVICE)
    return message


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
    _, _, boot, first_seq, base_ms = DATA_LAYOUT.unpack_from(body)
    if body[14::8].translate(None, _CHANNELS):
        raise FrameRefused("field")
    return Data(boot, first_seq, base_ms, list(RECORD_LAYOUT.iter_unpack(body[12:])))


def _decode_hello(body: bytes) -> Hello:
    _, _, boot, tail, head, now_ms, dropped, uid, firmware, channels, cause, desc_crc, ring = _unpack(
        HELLO_LAYOUT, body
    )
    _must(channels <= CHANNELS_MAX)
    _must(0 <= distance(tail, head) <= ring)
    reset_cause = cause & ~RING_KEPT
    _must(reset_cause <= RESET_CAUSE_MAX)
    is_kept = bool(cause & RING_KEPT)
    if uid in (bytes(UID_BYTES), b"\xff" * UID_BYTES):
        raise UidRefused
    return Hello(boot, tail, head, now_ms, dropped, uid, firmware, channels, reset_cause, is_kept, desc_crc, ring)


def _decode_time_rsp(body: bytes) -> TimeRsp:
    return TimeRsp(*_unpack(TIME_RSP_LAYOUT, body)[2:])


def _decode_desc(body: bytes) -> Desc:
    _, _, channel, kind, exp10, flags, lo, hi, period_ds, noise, unit, name = _unpack(DESC_LAYOUT, body)
    _must(channel < CHANNELS_MAX and kind <= max(Kind) and flags <= FLAGS_MAX and lo <= hi)
    return Desc(channel, kind, exp10, flags, lo, hi, period_ds, noise, _text(unit), _text(name))


def _decode_stat(body: bytes) -> Stat:
    return Stat(*_unpack(STAT_LAYOUT, body)[2:])


def _decode_cmd_rsp(body: bytes) -> CmdRsp:
    _, _, boot, cmd_id, status, data = _unpack_with_tail(CMD_RSP_LAYOUT, body, CMD_RSP_DATA_BYTES_MAX)
    _must(status <= CMD_RSP_STATUS_MAX)
    return CmdRsp(boot, cmd_id, status, data)


def _decode_hello_req(body: bytes) -> HelloReq:
    _must(_unpack(HELLO_REQ_LAYOUT, body)[2] == 0)
    return HelloReq()


def _decode_ack(body: bytes) -> Ack:
    _, _, boot, next_seq, seen_seq = _unpack(ACK_LAYOUT, body)
    _must(distance(next_seq, seen_seq) >= 0)
    return Ack(boot, next_seq, seen_seq)


def _decode_time_req(body: bytes) -> TimeReq:
    return TimeReq(*_unpack(TIME_REQ_LAYOUT, body)[2:])


def _decode_cmd(body: bytes) -> Cmd:
    _, _, boot, cmd_id, op, args = _unpack_with_tail(CMD_LAYOUT, body, CMD_ARGS_BYTES_MAX)
    _must(cmd_id >= 1)  # an op we do not know is the board's to answer with "unknown op", not a bad frame
    return Cmd(boot, cmd_id, op, args)


_FROM_DEVICE: dict[int, Callable[[bytes], Any]] = {
    0x01: _decode_hello,
    0x02: _decode_time_rsp,
    DATA_TYPE: _decode_data,
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
