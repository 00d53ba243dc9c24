"""What people ask of a board: small files in `telemetry/ask/`, put there by the staff's process, judged here.

Not the asking and not the answer (a row of `answer`). Owns invariant 7 for this folder: whoever can write a file here
gets at most a refusal. Each file is taken away before it is acted upon, so that nothing is done twice.

The file `ask/ID.json`, made elsewhere and renamed into place, at most 4 KiB; ID: 1 to 64 of `0-9 a-z -`:

    {"format": "larder-ask/1", "host_boot_id": "<32 hex digits>", "boottime_ms": 123456,
     "uid": "01eeffc042000001", "op": "tare", "channel": 0}

op: `tare` (channel), `period` (channel, tenths_s 1 to 65535), `blink` (seconds 1 to 255), `describe`, `reboot`.
host_boot_id, boottime_ms: when it was asked, on this computer's CLOCK_BOOTTIME; older than a minute it is refused as
`late`, since nobody waits for it any more. The words of the answer's status are `STATUSES`. DESIGN "The parts", LINK
section 2 (CMD).
"""

import json
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from firmware_bridge.clock import HostNow
from firmware_bridge.link.messages import CHANNELS_MAX, Op

FORMAT: Final = "larder-ask/1"
ASK_BYTES_MAX = 4 * 1024  # DESIGN "The parts"
ASKS_WAITING_MAX = 64  # DESIGN "The parts"; of one look, the rest waits for the next
ASK_AGE_MS_MAX = 60_000  # who asked has gone by then
PERIOD_DS_MAX, BLINK_S_MAX = 0xFFFF, 0xFF  # CMD arguments (LINK section 2)

DONE, UNKNOWN_OP, BAD_ARGS, BUSY, FAILED = "done", "unknown_op", "bad_args", "busy", "failed"
NO_ANSWER, NOT_LINKED, UNSUPPORTED, LATE, REFUSED = "no_answer", "not_linked", "unsupported", "late", "refused"
CMD_STATUSES: Final = (DONE, UNKNOWN_OP, BAD_ARGS, BUSY, FAILED)  # CMD_RSP status 0 to 4 (LINK section 2)
STATUSES: Final = (*CMD_STATUSES, NO_ANSWER, NOT_LINKED, UNSUPPORTED, LATE, REFUSED)

OPS: Final = {
    "tare": Op.TARE,
    "period": Op.SET_PERIOD,
    "describe": Op.SEND_DESC,
    "blink": Op.BLINK,
    "reboot": Op.REBOOT,
}
_ID = re.compile(r"([0-9a-z-]{1,64})\.json")
_UID = re.compile(r"[0-9a-z._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, checked: op of the link and its arguments as bytes."""

    ask_id: str
    uid: str
    op_name: str
    op: int
    args: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request; status is one of STATUSES. detail: of a tare the first record number it applies to."""

    ask_id: str
    uid: str | None
    op_name: str
    status: str
    detail: str = ""


def take_asks(folder: Path, now: HostNow) -> list[Ask | Answer]:
    """Take the requests that wait out of the folder: those to carry out, and the answers to those refused.

    At most 64, oldest name first. Anything that is no request of ours is removed without a word, but a folder stays.
    """
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if not entry.name.startswith("."))
    except FileNotFoundError:
        return []
    taken: list[Ask | Answer] = []
    for name in names[:ASKS_WAITING_MAX]:
        content = _take(folder / name)
        match = _ID.fullmatch(name)
        if content is not None and match is not None:
            taken.append(judge_ask(match.group(1), content, now))
    return taken


def judge_ask(ask_id: str, content: bytes, now: HostNow) -> Ask | Answer:
    """Read one request, or say why it is refused. Never raises."""
    try:
        asked = json.loads(content) if len(content) <= ASK_BYTES_MAX else None
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict) or asked.get("format") != FORMAT:
        return Answer(ask_id, None, "", REFUSED)
    uid, op_name = asked.get("uid"), asked.get("op")
    if not (isinstance(uid, str) and _UID.fullmatch(uid) and isinstance(op_name, str) and op_name in OPS):
        return Answer(ask_id, None, "", REFUSED)
    args = _args(op_name, asked)
    if args is None:
        return Answer(ask_id, uid, op_name, BAD_ARGS)
    if not _is_young(asked, now):
        return Answer(ask_id, uid, op_name, LATE)
    return Ask(ask_id, uid, op_name, OPS[op_name], args)


def _take(path: Path) -> bytes | None:
    """Remove a file and return what it held, None for what is no plain file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            is_plain = stat.S_ISREG(os.fstat(descriptor).st_mode)
            content = os.read(descriptor, ASK_BYTES_MAX + 1) if is_plain else None
        finally:
            os.close(descriptor)
    except OSError:
        content = None  # a link, or nothing we may read
    try:
        path.unlink()
    except OSError:
        return None  # a folder, or not ours to remove: what cannot be taken away would be done again and again
    return content


def _args(op_name: str, asked: dict[str, Any]) -> bytes | None:
    channel = _number(asked, "channel", 0, CHANNELS_MAX - 1)
    if op_name == "tare":
        return None if channel is None else bytes([channel])
    if op_name == "period":
        tenths_s = _number(asked, "tenths_s", 1, PERIOD_DS_MAX)
        return None if channel is None or tenths_s is None else bytes([channel]) + tenths_s.to_bytes(2, "little")
    if op_name == "blink":
        seconds = _number(asked, "seconds", 1, BLINK_S_MAX)
        return None if seconds is None else bytes([seconds])
    return b""


def _number(asked: dict[str, Any], key: str, least: int, most: int) -> int | None:
    value = asked.get(key)
    return value if type(value) is int and least <= value <= most else None


def _is_young(asked: dict[str, Any], now: HostNow) -> bool:
    at_ms = _number(asked, "boottime_ms", 0, now.boottime_ms)
    return (
        asked.get("host_boot_id") == now.host_boot_id
        and at_ms is not None
        and (now.boottime_ms - at_ms <= ASK_AGE_MS_MAX)
    )
