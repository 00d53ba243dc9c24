"""What larder-bridge says of itself and of its ports, from its heartbeat file. Hints for people, never a condition.

Not the state of a sensor: that is judged from what is stored. Treats the file as hostile: bounded, every field checked,
text made safe, and anything unexpected left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from node.clock import Moment
from node.health import Heartbeat, heartbeat_content, read_heartbeat
from node.places import Places
from node.text import safe_text

PORT_STATES = ("absent", "probing", "linked", "stale", "refused")
PORTS_MAX = 64  # as many as the bridge serves
KINDS_MAX = 64  # of what came malformed through one port
COUNT_MAX = 2**63 - 1
PATH_CELLS, UID_CELLS, KIND_CELLS, SENTENCE_CELLS = 120, 32, 24, 200


@dataclass(frozen=True, slots=True)
class PortWord:
    """One port as the running bridge sees it. Counts are since the bridge was started; text is safe to draw."""

    path: str
    state: str
    device_uid: str
    frames_good: int
    frames_bad: tuple[tuple[str, int], ...]
    waiting_records: int
    last_error: str


@dataclass(frozen=True, slots=True)
class BridgeWord:
    """The bridge now; no ports where it is away, since nobody knows then."""

    heartbeat: Heartbeat
    ports: tuple[PortWord, ...]

    @property
    def is_here(self) -> bool:
        """Tell whether the bridge runs, as far as its file says."""
        return self.heartbeat.state == "here"


def bridge_word(places: Places, moment: Moment) -> BridgeWord:
    """Read the heartbeat of the bridge."""
    heartbeat = read_heartbeat(places.bridge_heartbeat, moment)
    if heartbeat.state != "here":
        return BridgeWord(heartbeat, ())
    ports = heartbeat_content(places.bridge_heartbeat).get("ports")
    found = [_port(entry) for entry in (ports if isinstance(ports, list) else [])[:PORTS_MAX]]
    return BridgeWord(heartbeat, tuple({port.path: port for port in found if port is not None}.values()))


def _port(entry: Any) -> PortWord | None:
    if not isinstance(entry, dict) or entry.get("state") not in PORT_STATES or not isinstance(entry.get("port"), str):
        return None
    bad = entry.get("frames_bad")
    counts = [
        (_text(kind, KIND_CELLS), _count(count)) for kind, count in (bad if isinstance(bad, dict) else {}).items()
    ]
    return PortWord(
        path=_text(entry["port"], PATH_CELLS),
        state=entry["state"],
        device_uid=_text(entry.get("device_uid"), UID_CELLS),
        frames_good=_count(entry.get("frames_good")),
        frames_bad=tuple(sorted(pair for pair in counts[:KINDS_MAX] if pair[1])),
        waiting_records=_count(entry.get("waiting_records")),
        last_error=_text(entry.get("last_error"), SENTENCE_CELLS),
    )


def _text(value: object, cells_max: int) -> str:
    return safe_text(value, cells_max) if isinstance(value, str) else ""


def _count(value: object) -> int:
    return value if type(value) is int and 0 <= value <= COUNT_MAX else 0
