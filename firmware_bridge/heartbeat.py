"""bridge.json: what the bridge is doing, for anybody who looks.

Not a log and not the truth about any reading: a hint, replaced atomically, treated as hostile by its readers. OPS
section 3.
"""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from firmware_bridge.clock import HostNow
from firmware_bridge.worker import PortStatus

FORMAT = "larder-bridge-heartbeat/1"
CHANGED_MS = 2_000  # a change shows within this
UNCHANGED_MS = 10_000  # and this is the longest silence
FILE_MODE = 0o660


class Heartbeat:
    """Write bridge.json when it is due."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._said: dict[str, Any] = {}
        self._said_at_ms: int | None = None
        self.last_error = ""

    def say(
        self,
        state: str,
        message: str,
        records_waiting: int,
        ports: Iterable[PortStatus],
        now: HostNow,
        *,
        is_last: bool,
    ) -> None:
        """Write the file when its content changed and 2 s have passed, after 10 s anyway, and at the end.

        A disk that refuses keeps the old file; its age tells.
        """
        content: dict[str, Any] = {
            "state": state,
            "message": message,
            "waiting_records": records_waiting,
            "ports": [_port(status) for status in ports],
        }
        if not is_last and not self._is_due(content, now.boottime_ms):
            return
        self._said, self._said_at_ms = content, now.boottime_ms
        head = {
            "format": FORMAT,
            "pid": os.getpid(),
            "host_boot_id": now.host_boot_id,
            "boottime_ms": now.boottime_ms,
            "wall_us": now.wall_us,
        }
        try:
            self._replace(json.dumps(head | content, ensure_ascii=True) + "\n")
        except OSError as error:
            self.last_error = str(error)
        else:
            self.last_error = ""

    def _is_due(self, content: dict[str, Any], now_ms: int) -> bool:
        if self._said_at_ms is None:
            return True
        since_ms = now_ms - self._said_at_ms
        # Counters move with every frame: only what a person would call news is a change.
        is_news = _news(content) != _news(self._said)
        return since_ms >= UNCHANGED_MS or (is_news and since_ms >= 500) or (content != self._said and since_ms >= 2000)

    def _replace(self, text: str) -> None:
        temporary = self._path.with_name(f".{self._path.name}.new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
        try:
            os.write(descriptor, text.encode("ascii"))
        finally:
            os.close(descriptor)
        temporary.replace(self._path)


def _port(status: PortStatus) -> dict[str, Any]:
    return {
        "port": status.path,
        "state": status.state.value,
        "device_uid": status.device_uid,
        "name": status.name,
        "frames_good": status.frames_good,
        "frames_bad": status.frames_bad,
        "waiting_records": status.records_waiting,
        "last_error": status.last_error,
    }


def _news(content: dict[str, Any]) -> list[Any]:
    ports = content.get("ports", [])
    return [content.get("state"), *((port["port"], port["state"], port["device_uid"], port["name"]) for port in ports)]
