"""How staff ask a sensor board for something: a small file for the bridge, and its answer read from the log.

Not a port: only the bridge opens ports. The file's format is documented, and judged, in `firmware_bridge/asks.py`; the
answer is a row of telemetry.db, `done` or why not.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from node.clock import Moment
from node.errors import N_, LocalFault, NotSavedNow, Refused
from node.places import Places

FORMAT = "larder-ask/1"
ASKS_WAITING_MAX = 64  # DESIGN "The parts"
ANSWER_WAIT_S = 15.0  # 5 tries of 1 s behind at most one other command, and the bridge's own looks (LINK section 3)
OPS = ("tare", "period", "describe", "blink", "reboot")
FILE_MODE = 0o660  # the bridge is of the same group (OPS section 3)


def ask_board(places: Places, moment: Moment, *, ask_id: str, uid: str, op: str, **arguments: int) -> None:
    """Ask the board `uid` for something under `ask_id` (1 to 64 of 0-9 a-z -); look for the answer under that name.

    op and arguments: tare (channel), period (channel, tenths_s), describe, blink (seconds), reboot. Raises Refused
    when it is none of these, NotSavedNow when too much waits, LocalFault where no bridge ever ran.
    """
    if op not in OPS:
        raise Refused(
            "ask.op", N_("A board cannot be asked for {op}."), N_("Use one of {ops}."), op=op, ops=" ".join(OPS)
        )
    folder = places.root / "telemetry" / "ask"
    asked = {
        "format": FORMAT,
        "host_boot_id": moment.boot_id.replace("-", ""),
        "boottime_ms": moment.boottime_ms,
        "uid": uid,
        "op": op,
        **arguments,
    }
    try:
        waiting = sum(1 for entry in os.scandir(folder) if entry.name.endswith(".json"))
        if waiting >= ASKS_WAITING_MAX:
            raise NotSavedNow(
                "ask.full",
                N_("{count} requests wait for the bridge already."),
                N_("Is larder-bridge running? Try again in a moment."),
                count=waiting,
            )
        _put(folder / f"{ask_id}.json", json.dumps(asked).encode("ascii"))
    except OSError as error:
        raise LocalFault(
            "ask.folder",
            N_("The bridge cannot be asked: {reason}"),
            N_("Start larder-bridge once; it makes the folder for requests."),
            reason=error.strerror or str(error),
        ) from error


def _put(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)
    temporary.replace(path)
