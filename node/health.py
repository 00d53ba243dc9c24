"""Whether the other processes are there, from their heartbeat files. Hints for a screen, never a condition.

Not a supervisor. Treats the files as hostile: bounded, and anything unexpected reads as away.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.clock import Moment
from node.text import safe_text

NODE_FORMAT = "larder-node-heartbeat/1"
# The node replaces its file every 10 s; three missed beats read as away.
AWAY_AFTER_S = 30
HEARTBEAT_BYTES_MAX = 64 * 1024
SENTENCE_CELLS_MAX = 200


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A process as another sees it: `here` or `away`, how old its word is, and its own sentence."""

    state: str
    age_s: int | None
    sentence: str
    pid: int | None


def read_heartbeat(path: Path, moment: Moment) -> Heartbeat:
    """Read a heartbeat of this boot; anything else (absent, older, of another boot, unreadable) reads as away."""
    content = heartbeat_content(path)
    written_ms = content.get("boottime_ms")
    same_boot = str(content.get("host_boot_id", "")).replace("-", "") == moment.boot_id.replace("-", "")
    if not isinstance(written_ms, int) or not same_boot or content.get("state") == "stopped":
        return Heartbeat("away", None, "", None)
    age_s = max(0, (moment.boottime_ms - written_ms) // 1000)
    pid = content.get("pid")
    return Heartbeat(
        "here" if age_s <= AWAY_AFTER_S else "away",
        age_s,
        safe_text(str(content.get("message", "")), SENTENCE_CELLS_MAX),
        pid if isinstance(pid, int) else None,
    )


def write_heartbeat(path: Path, moment: Moment, *, state: str, message: str) -> None:
    """Replace the node's heartbeat in one step."""
    content = {
        "format": NODE_FORMAT,
        "pid": os.getpid(),
        "host_boot_id": moment.boot_id,
        "boottime_ms": moment.boottime_ms,
        "state": state,
        "message": message,
    }
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(content), encoding="utf-8")
    temporary.replace(path)


def heartbeat_content(path: Path) -> dict[str, Any]:
    """Return what a heartbeat file says, bounded and not judged; empty for anything unexpected."""
    try:
        with path.open("rb") as file:
            content = json.loads(file.read(HEARTBEAT_BYTES_MAX))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
