"""A board and a host joined by a line that loses, repeats, flips and cuts; time is a number. Deterministic from its
seed."""

import random
from dataclasses import dataclass, field

from firmware_bridge.link.device import DeviceSession
from firmware_bridge.link.events import DescriptionsHeard, HelloHeard, RecordsArrived, SessionEvent, StateChanged
from firmware_bridge.link.messages import Desc, Kind
from firmware_bridge.link.reconcile import Stored, reconcile
from firmware_bridge.link.ring import Ring, buffer_bytes
from firmware_bridge.link.session import HostSession

UID = bytes.fromhex("01eeffc042000000")
STEP_MS = 10


def a_temperature_desc(channel: int = 0, *, period_ds: int = 10, name: str = "fridge-1", flags: int = 0) -> Desc:
    return Desc(channel, Kind.TEMPERATURE, -3, flags, -55_000, 125_000, period_ds, 62, "Cel", name)


def a_door_desc(channel: int = 1) -> Desc:
    return Desc(channel, Kind.DOOR, 0, 1 | 2 << 2, 0, 1, 600, 0, "/", "door-1")


@dataclass
class Line:
    """One direction of a serial line; rates are per byte, except cuts, which are per write."""

    random: random.Random
    loss: float = 0.0
    duplicate: float = 0.0
    flip: float = 0.0
    cut: float = 0.0

    def carry(self, data: bytes) -> bytes:
        if self.cut and data and self.random.random() < self.cut:
            data = data[: self.random.randrange(len(data))]
        if not (self.loss or self.duplicate or self.flip):
            return data
        out = bytearray()
        for byte in data:
            if self.random.random() < self.loss:
                continue
            if self.random.random() < self.flip:
                byte ^= 1 << self.random.randrange(8)
            out.append(byte)
            if self.random.random() < self.duplicate:
                out.append(byte)
        return bytes(out)


@dataclass
class Host:
    """A host whose store is a list; commits what waits every commit_every_ms."""

    session: HostSession = field(default_factory=HostSession)
    commit_every_ms: int = 100
    rows: list[tuple[int, int, int]] = field(default_factory=list)  # boot, seq, value
    gaps: list[object] = field(default_factory=list)
    events: list[SessionEvent] = field(default_factory=list)
    stored: Stored | None = None
    desc_crc: int | None = None
    waiting: list[tuple[int, int, int]] = field(default_factory=list)
    waiting_next: int = 0
    is_committing: bool = True
    commit_at_ms: int = 0

    def take(self, events: list[SessionEvent], now_ms: int) -> None:
        for event in events:
            self.events.append(event)
            if isinstance(event, RecordsArrived):
                for index, (_, _, _, value) in enumerate(event.records):
                    self.waiting.append((event.boot, event.first_seq + index, value))
                self.waiting_next = event.next_seq
            elif isinstance(event, HelloHeard):
                self.commit(now_ms)
                self.link(event, now_ms)
            elif isinstance(event, DescriptionsHeard):
                self.session.describe(event.descriptions)
                self.desc_crc = event.desc_crc

    def link(self, heard: HelloHeard, now_ms: int) -> None:
        agreed = reconcile(self.stored, heard.hello)
        if agreed.gap is not None:
            self.gaps.append(agreed.gap)
        hello = heard.hello
        self.stored = Stored(hello.boot, agreed.next_seq, hello.now_ms, hello.dropped_total, elapsed_ms=0)
        self.waiting.clear()
        self.take(self.session.reconciled(hello, agreed.next_seq, self.desc_crc, now_ms), now_ms)

    def commit(self, now_ms: int) -> None:
        self.commit_at_ms = now_ms + self.commit_every_ms
        if not (self.waiting and self.is_committing and self.stored):
            return
        known = {(boot, seq) for boot, seq, _ in self.rows}
        self.rows += [row for row in self.waiting if row[:2] not in known]
        self.waiting.clear()
        self.stored = Stored(
            self.stored.boot, self.waiting_next, self.stored.last_now_ms, self.stored.dropped_total, elapsed_ms=0
        )
        self.session.committed(self.waiting_next, now_ms)


@dataclass
class World:
    """Both sides and the lines between them."""

    device: DeviceSession
    host: Host
    up: Line
    down: Line
    now_ms: int = 1000
    produced: list[int] = field(default_factory=list)

    def run(self, duration_ms: int, *, is_connected: bool = True, produce_every_ms: int = 0) -> None:
        """Let time pass; a board without a line speaks into the void."""
        end_ms = self.now_ms + duration_ms
        host = self.host
        while self.now_ms < end_ms:
            self.now_ms += STEP_MS
            if produce_every_ms and self.now_ms % produce_every_ms == 0:
                self.produce()
            self.device.poll(self.now_ms)
            sent = self.up.carry(self.device.take_output())
            if not is_connected:
                continue
            if sent:
                host.take(host.session.receive(sent, self.now_ms), self.now_ms)
            host.take(host.session.tick(self.now_ms), self.now_ms)
            if self.now_ms >= host.commit_at_ms:
                host.commit(self.now_ms)
            answer = self.down.carry(host.session.take_output())
            if answer:
                self.device.receive(answer, self.now_ms)

    def produce(self, value: int | None = None, *, channel: int = 0) -> None:
        number = len(self.produced) if value is None else value
        self.produced.append(number)
        self.device.put(channel, number, self.now_ms)

    def restart_host(self) -> None:
        """Kill the host: what it had not committed is gone, what it had is in the store."""
        old = self.host
        self.host = Host(rows=old.rows, gaps=old.gaps, stored=old.stored, commit_every_ms=old.commit_every_ms)
        self.host.take(self.host.session.opened(self.now_ms), self.now_ms)

    def states(self) -> list[str]:
        return [event.after.value for event in self.host.events if isinstance(event, StateChanged)]


def a_ring(size: int = 256, *, first_seq: int = 0, boot: int = 9) -> Ring:
    return Ring(bytearray(buffer_bytes(size)), boot=boot, first_seq=first_seq)


def a_world(
    seed: int = 1,
    *,
    ring_records: int = 4096,
    first_seq: int = 0,
    loss: float = 0.0,
    duplicate: float = 0.0,
    flip: float = 0.0,
    cut: float = 0.0,
    descriptions: tuple[Desc, ...] = (),
) -> World:
    source = random.Random(seed)
    descs = descriptions or (a_temperature_desc(), a_door_desc())
    device = DeviceSession(a_ring(ring_records, first_seq=first_seq), uid=UID, descriptions=descs)
    lines = [Line(source, loss, duplicate, flip, cut) for _ in range(2)]
    world = World(device, Host(), lines[0], lines[1])
    world.host.take(world.host.session.opened(world.now_ms), world.now_ms)
    return world
