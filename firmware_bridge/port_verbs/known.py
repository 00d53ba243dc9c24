"""Every serial port here: its names, what the settings say of it, what the running bridge says, who holds it.

Nothing is opened here. bridge.json is treated as hostile: bounded, every field checked, and only believed while it is
fresh and its process lives. Text of devices is stripped again before it is shown.
"""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any

from firmware_bridge import clock
from firmware_bridge.plain_file import read_plain_file
from firmware_bridge.settings import AdapterSettings, BridgeSettings

# Where serial ports appear on Linux; the stable names first.
STABLE_PATTERNS = ("/dev/larder/*", "/dev/serial/by-id/*", "/dev/serial/by-path/*")
DEVICE_PATTERNS = ("/dev/ttyUSB*", "/dev/ttyACM*", "/dev/ttyAMA*", "/dev/serial[0-9]*")
HEARTBEAT_BYTES_MAX = 256 * 1024
HEARTBEAT_FRESH_MS = 30_000  # written each 10 s at least; three missed are a bridge that is gone
PORTS_MAX = 256
STATES = frozenset({"absent", "probing", "linked", "stale", "refused"})


@dataclass(frozen=True, slots=True)
class KnownPort:
    """One serial port. device: what it is now; names: stable ones first; state: '' while no bridge runs.

    holders: 'PROGRAM (PID)' of everybody who has it open, as far as this user may see.
    """

    device: str
    names: tuple[str, ...]
    adapter: AdapterSettings | None
    state: str
    uid: str
    error: str
    holders: tuple[str, ...]
    is_present: bool
    is_read: bool

    @property
    def name(self) -> str:
        """Return the name to use: the stable one where there is one."""
        return self.names[0] if self.names else self.device

    @property
    def protocol(self) -> str:
        """Return what is spoken there as far as the settings say: an adapter's protocol, ll1, or '' for not read."""
        if self.adapter is not None:
            return self.adapter.protocol
        return "ll1" if self.is_read else ""


def known_ports(settings: BridgeSettings, heartbeat: Path) -> list[KnownPort]:
    """Return every port that is there or is named in the settings, in order of their names."""
    said = read_heartbeat(heartbeat)
    adapters = {adapter.port: adapter for adapter in settings.adapters}
    patterns = (*STABLE_PATTERNS, *settings.ports, *DEVICE_PATTERNS)
    # What is excluded by one of its names is left alone under every other, and is not even listed.
    excluded = {os.path.realpath(name) for name in _matching(settings.exclude)}
    found: dict[str, list[str]] = {}
    # What the running bridge reads is here too, wherever its command line told it to look.
    for name in (*adapters, *_matching(patterns), *said):
        device = os.path.realpath(name)
        if device in excluded:
            continue
        names = found.setdefault(device, [])
        if name != device and name not in names:
            names.append(name)
        if len(found) >= PORTS_MAX:
            break
    read = {os.path.realpath(name) for name in _matching(settings.ports)}
    holding = holders(found)
    ports = []
    for device, names in found.items():
        adapter = next((adapters[name] for name in (*names, device) if name in adapters), None)
        entry: dict[str, Any] = next((said[name] for name in (*names, device) if name in said), {})
        ports.append(
            KnownPort(
                device=device,
                names=tuple(names),
                adapter=adapter,
                state=entry.get("state", ""),
                uid=entry.get("device_uid", ""),
                error=entry.get("last_error", ""),
                holders=tuple(holding.get(device, ())),
                is_present=Path(device).exists(),
                is_read=device in read or bool(entry),
            )
        )
    return sorted(ports, key=lambda port: port.name)


def read_heartbeat(path: Path) -> dict[str, dict[str, str]]:
    """Return by port what the running bridge says; empty when none runs, or when the file is not to be trusted."""
    try:
        content = json.loads(read_plain_file(path, HEARTBEAT_BYTES_MAX))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(content, dict) or content.get("state") == "stopped" or not _is_alive(content):
        return {}
    said = {}
    ports = content.get("ports")
    for entry in ports if isinstance(ports, list) else []:
        if not isinstance(entry, dict) or entry.get("state") not in STATES:
            continue
        port = entry.get("port")
        if not isinstance(port, str) or not port.startswith("/") or port != printable(port):
            continue
        said[port] = {key: printable(str(entry.get(key) or "")) for key in ("state", "device_uid", "last_error")}
    return said


def holders(devices: Iterable[str]) -> dict[str, list[str]]:
    """Return by device who has it open: 'PROGRAM (PID)', as far as this user may look."""
    wanted = set(devices)
    found: dict[str, list[str]] = {}
    for folder in glob("/proc/[0-9]*/fd"):  # noqa: PTH207 - Path.glob refuses absolute patterns
        process = Path(folder).parent
        try:
            open_files = {os.readlink(entry) for entry in os.scandir(folder)}  # noqa: PTH115 - many, and only the text
            program = printable((process / "comm").read_text("utf-8", errors="replace").strip())
        except OSError:
            continue  # it has ended, or is another user's
        for device in wanted & open_files:
            found.setdefault(device, []).append(f"{program} ({process.name})")
    return found


def is_terminal_line(device: str) -> bool:
    """Say whether this can be a serial port. It is not opened: only looking at a watchdog would start it."""
    path = Path(device)
    return path.is_char_device() and (path.parent == Path("/dev/pts") or Path("/sys/class/tty", path.name).exists())


def printable(text: str) -> str:
    """Return text of a device as it may be shown: no control characters, bounded."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:200])


def _matching(patterns: Sequence[str]) -> list[str]:
    return [name for pattern in patterns for name in sorted(glob(pattern))]  # noqa: PTH207 - as above


def _is_alive(content: dict[str, Any]) -> bool:
    said_at_ms, pid = content.get("boottime_ms"), content.get("pid")
    now = clock.now()
    if type(said_at_ms) is not int or type(pid) is not int or content.get("host_boot_id") != now.host_boot_id:
        return False
    return abs(now.boottime_ms - said_at_ms) <= HEARTBEAT_FRESH_MS and Path(f"/proc/{pid}").exists()
