"""A session under a clock of the test, and a store that says yes to everything. Builders, no fixtures."""

from firmware_bridge.adapters.session import AdapterSession
from firmware_bridge.clock import HostNow
from firmware_bridge.link.events import DescriptionsHeard, HelloHeard, RecordsArrived, SessionEvent
from firmware_bridge.link.messages import Desc

WALL_US = 1_790_000_000_000_000
Stored = tuple[str, int, int, str, int]  # channel name, status, raw value, doubt, at_ms


class Clock:
    """Time that moves only when told."""

    def __init__(self, now_ms: int = 1_000_000_000, *, is_trusted: bool = True) -> None:
        self.now_ms = now_ms
        self.is_trusted = is_trusted
        self._start_ms = now_ms

    def __call__(self) -> HostNow:
        return HostNow("a" * 32, self.now_ms, WALL_US + (self.now_ms - self._start_ms) * 1000, self.is_trusted)


class Talk:
    """Drive a session as the thread of a port does, and keep what it books."""

    def __init__(self, session: AdapterSession, clock: Clock, *, known: tuple[Desc, ...] = ()) -> None:
        self.session, self.clock = session, clock
        self.events: list[SessionEvent] = []
        self.stored: list[Stored] = []
        self.descriptions = known
        self.written = bytearray()
        self.sessions = 0
        self.commits = True
        self.next_seq = 0
        self.handle(session.opened(clock.now_ms))

    def handle(self, events: list[SessionEvent]) -> None:
        for event in events:
            self.events.append(event)
            if isinstance(event, HelloHeard):
                self.sessions += 1
                self.session.describe(self.descriptions)
                self.handle(self.session.reconciled(event.hello, 0, None, self.clock.now_ms))
            elif isinstance(event, DescriptionsHeard):
                self.descriptions = event.descriptions
            elif isinstance(event, RecordsArrived):
                self._store(event)
        self.written += self.session.take_output()

    def _store(self, event: RecordsArrived) -> None:
        names = {desc.channel: desc.name for desc in self.descriptions}
        doubts = event.doubts or ("",) * len(event.records)
        for (dt_ms, channel, status, raw), doubt in zip(event.records, doubts, strict=True):
            self.stored.append((names[channel], status, raw, doubt, event.base_ms + dt_ms))
        self.next_seq = event.next_seq
        if self.commits:
            self.commit()

    def commit(self) -> None:
        """Say that all that arrived is on disk."""
        self.session.committed(self.next_seq, self.clock.now_ms)
        self.written += self.session.take_output()

    def hear(self, data: bytes | str, *, may_take: bool = True) -> bytes:
        """Bring bytes; returns what the session wrote because of them."""
        before = len(self.written)
        raw = data.encode("utf-8") if isinstance(data, str) else data
        self.handle(self.session.receive(raw, self.clock.now_ms, may_take=may_take))
        return bytes(self.written[before:])

    def wait(self, ms: int) -> bytes:
        """Let time pass as the thread does, in steps of its patience; returns what was written meanwhile."""
        before = len(self.written)
        end_ms = self.clock.now_ms + ms
        while self.clock.now_ms < end_ms:
            self.clock.now_ms = min(end_ms, self.clock.now_ms + self.session.patience_ms(self.clock.now_ms))
            self.handle(self.session.tick(self.clock.now_ms))
        return bytes(self.written[before:])

    @property
    def values(self) -> list[tuple[str, int]]:
        """Return channel name and raw value of what was booked without a fault."""
        return [(name, raw) for name, status, raw, _doubt, _at_ms in self.stored if not status]
