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

from firmware_bridge.link.device import STATUS_BAD_ARGS, STATUS_DONE, STATUS_UNKNOWN_OP, DeviceSession
from firmware_bridge.link.messages import FLAG_EVENT, FLAGS_MERGE_SHIFT, Desc, Kind, Op
from firmware_bridge.link.ring import Ring, buffer_bytes
from firmware_bridge.link.sequence import MODULUS
from firmware_bridge.link.thinning import KEEP_FARTHEST, KEEP_HIGHEST, KEEP_LATEST
from firmware_bridge.virtual.physics import Place, a_place
from firmware_bridge.virtual.replay import Replay

FIRMWARE = 0x0100
CAUSE_POWER_ON, CAUSE_SOFTWARE, CAUSE_COMMAND = 1, 5, 6  # HELLO reset_cause (LINK section 2)
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
        self._period_s = plan.period_s
        self._tare = 0
        self._is_rebooting = False
        self._booted_at_ms = 0
        self.session = self._start(cause)
        self._due_ms = 0.0
        self._row = self._last = 0
        self._was_open: bool | None = None
        self._door_at_ms = 0

    def step(self, data: bytes, now_ms: int) -> bytes:
        """Take bytes of the host, measure what is due, and return the bytes to send."""
        now_ms -= self._booted_at_ms
        if self._is_rebooting:
            self._reboot(now_ms)
            now_ms = 0
        if data:
            self.session.receive(data, now_ms)
        self._measure(now_ms)
        self.session.poll(now_ms)
        return self.session.take_output()

    def _start(self, reset_cause: int) -> DeviceSession:
        described = descriptions(self._plan, self._period_s)
        uid = self._plan.uid
        return DeviceSession(
            self._ring, uid=uid, descriptions=described, firmware=FIRMWARE, reset_cause=reset_cause, do=self._do
        )

    def _do(self, op: int, args: bytes) -> tuple[int, bytes]:
        """Do what a host asks; LINK section 2, CMD."""
        if op == Op.BLINK and len(args) == 1:
            return STATUS_DONE, b""
        if op == Op.REBOOT and not args:
            self._is_rebooting = True  # once the answer is on the line
            return STATUS_DONE, b""
        if op == Op.SET_PERIOD and len(args) == 3 and args[0] == 0 and (tenths_s := int.from_bytes(args[1:], "little")):
            self._period_s = tenths_s / 10
            self.session.describe(descriptions(self._plan, self._period_s))
            return STATUS_DONE, b""
        if op == Op.TARE and args == b"\x00" and self._plan.kind == "shelf":
            self._tare += self._last
            return STATUS_DONE, (self._ring.head % MODULUS).to_bytes(4, "little")
        return (STATUS_BAD_ARGS if op in set(Op) else STATUS_UNKNOWN_OP), b""

    def _reboot(self, now_ms: int) -> None:
        """Begin again with the ring as `.noinit` RAM keeps it; settings made by command are gone."""
        self._is_rebooting = False
        self._booted_at_ms += now_ms
        self._ring.begin_boot()
        self._period_s, self._tare, self._due_ms, self._door_at_ms = self._plan.period_s, 0, 0.0, 0
        self.session = self._start(CAUSE_COMMAND)

    def _measure(self, now_ms: int) -> None:
        if self._plan.replay is not None:
            self._replay(self._plan.replay, now_ms)
            return
        if now_ms < self._due_ms:
            return
        self._due_ms = max(self._due_ms + self._period_s * 1000, now_ms - self._period_s * 1000)
        sample = self._place.sample(now_ms / 1000 * self._plan.speed)
        self._last = sample.value - self._tare
        self._put(0, self._last, now_ms)
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


def descriptions(plan: BoardPlan, period_s: float | None = None) -> list[Desc]:
    """Return what the board says of its channels: the measured one, and the door if there is one.

    period_s: of the measured channel, where a command has changed it.
    """
    if plan.replay is not None:
        period_s = plan.replay.period_s / plan.speed
    elif period_s is None:
        period_s = plan.period_s
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
