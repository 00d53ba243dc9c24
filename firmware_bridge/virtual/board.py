"""A virtual sensor board: places measured on schedule, the board's side of the link, a ring that may outlive a restart.

Not a terminal and not a command line: bytes and uptimes are arguments, so that a board can also live in a test or a
benchmark without a process.
"""

import mmap
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.link.device import DeviceSession
from firmware_bridge.link.messages import FLAG_EVENT, FLAGS_MERGE_SHIFT, Desc, Kind
from firmware_bridge.link.ring import Ring, buffer_bytes
from firmware_bridge.link.thinning import KEEP_FARTHEST, KEEP_HIGHEST, KEEP_LATEST
from firmware_bridge.virtual.physics import Place, a_place
from firmware_bridge.virtual.replay import Replay

FIRMWARE = 0x0100
CAUSE_POWER_ON, CAUSE_SOFTWARE = 1, 5  # HELLO reset_cause (LINK section 2)
DOOR_HEARTBEAT_S = 60.0  # level of a door when no edge came (LINK section 7)
PERIOD_DS_MAX = 0xFFFF

Produced = Callable[[int, int, int, int, int, int], None]  # boot, seq, channel, status, value, uptime in ms


@dataclass(frozen=True, slots=True)
class BoardPlan:
    """What a virtual board is: uid of 8 bytes, name of channel 0, kind of place, and how fast its time runs.

    speed: seconds of the place for each real second; the records keep their period. replay: a recorded log instead.
    """

    uid: bytes
    name: str
    kind: str
    has_door: bool = False
    period_s: float = 1.0
    speed: float = 1.0
    seed: int = 0
    replay: Replay | None = None


class Board:
    """Measure when due and keep the session going. Uptimes are milliseconds since this board started."""

    def __init__(self, plan: BoardPlan, ring: Ring, produced: Produced | None = None) -> None:
        self._plan = plan
        self._produced = produced
        self._ring = ring
        source = random.Random(f"{plan.seed} {plan.uid.hex()} {ring.boot}")
        self._place: Place = a_place(plan.kind, source)
        cause = CAUSE_SOFTWARE if ring.was_kept else CAUSE_POWER_ON
        described = descriptions(plan)
        self.session = DeviceSession(ring, uid=plan.uid, descriptions=described, firmware=FIRMWARE, reset_cause=cause)
        self._due_ms = 0.0
        self._row = 0
        self._was_open: bool | None = None
        self._door_at_ms = 0

    def step(self, data: bytes, now_ms: int) -> bytes:
        """Take bytes of the host, measure what is due, and return the bytes to send."""
        if data:
            self.session.receive(data, now_ms)
        self._measure(now_ms)
        self.session.poll(now_ms)
        return self.session.take_output()

    def _measure(self, now_ms: int) -> None:
        if self._plan.replay is not None:
            self._replay(self._plan.replay, now_ms)
            return
        if now_ms < self._due_ms:
            return
        self._due_ms = max(self._due_ms + self._plan.period_s * 1000, now_ms - self._plan.period_s * 1000)
        sample = self._place.sample(now_ms / 1000 * self._plan.speed)
        self._put(0, sample.value, now_ms)
        if self._plan.has_door:
            is_due = now_ms - self._door_at_ms >= DOOR_HEARTBEAT_S * 1000
            if sample.is_door_open is not self._was_open or is_due:
                self._was_open, self._door_at_ms = sample.is_door_open, now_ms
                self._put(1, int(sample.is_door_open), now_ms)

    def _replay(self, replay: Replay, now_ms: int) -> None:
        place_s = now_ms / 1000 * self._plan.speed
        while self._row < len(replay.rows) and replay.rows[self._row][0] <= place_s:
            self._put(0, replay.rows[self._row][1], now_ms)
            self._row += 1

    def _put(self, channel: int, value: int, now_ms: int) -> None:
        self.session.put(channel, value, now_ms)
        if self._produced is not None:
            self._produced(self._ring.boot, self._ring.head - 1, channel, 0, value, now_ms)


def descriptions(plan: BoardPlan) -> list[Desc]:
    """Return what the board says of its channels: the measured one, and the door if there is one."""
    period_s = plan.period_s if plan.replay is None else plan.replay.period_s / plan.speed
    period_ds = max(1, min(PERIOD_DS_MAX, round(period_s * 10)))
    if plan.kind == "shelf":
        first = Desc(
            0, Kind.WEIGHT, -3, KEEP_LATEST << FLAGS_MERGE_SHIFT, -2_000, 30_000, period_ds, 1, "kg", plan.name
        )
    else:
        keep = KEEP_FARTHEST if plan.kind == "ambient" else KEEP_HIGHEST
        bounds = (-55_000, 125_000, period_ds, 62)
        first = Desc(0, Kind.TEMPERATURE, -3, keep << FLAGS_MERGE_SHIFT, *bounds, "Cel", plan.name)
    if not plan.has_door:
        return [first]
    flags = FLAG_EVENT | KEEP_LATEST << FLAGS_MERGE_SHIFT
    return [first, Desc(1, Kind.DOOR, 0, flags, 0, 1, int(DOOR_HEARTBEAT_S * 10), 0, "/", f"door {plan.name}"[:16])]


def open_ring(path: Path | None, ring_records: int, boot: int) -> Ring:
    """Return the board's memory: kept in a file over restarts and kills as `.noinit` RAM is over resets, or lost."""
    size = buffer_bytes(ring_records)
    if path is None:
        return Ring(bytearray(size), boot=boot)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    try:
        if os.fstat(descriptor).st_size != size:
            os.ftruncate(descriptor, 0)
            os.ftruncate(descriptor, size)
        return Ring(mmap.mmap(descriptor, size), boot=boot)
    finally:
        os.close(descriptor)
