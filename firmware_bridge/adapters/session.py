"""What all adapters share: the session with the store, the channels by name, the records that wait. Sans-IO.

Not a protocol of any hardware: a subclass hears and speaks. What is booked before the store has answered, or while the
writer cannot take it, waits here, bounded. The hardware keeps nothing, so each time it falls silent and speaks again,
or more came than could wait, is a new session, and the hole between two sessions is a gap of the store. LINK sections
3 and 5.
"""

import zlib
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from firmware_bridge.clock import HostNow
from firmware_bridge.link.events import (
    DescriptionsHeard,
    HelloHeard,
    RecordsArrived,
    SessionEvent,
    StateChanged,
    TextHeard,
    UptimeHeard,
)
from firmware_bridge.link.identity import uid_bytes
from firmware_bridge.link.messages import FLAG_EVENT, STATUS_FAULT, STATUS_FAULT_CODE_SHIFT, Desc, Hello, Kind
from firmware_bridge.link.sequence import MODULUS
from firmware_bridge.link.states import TRANSITIONS, Happening, State

RECORDS_WAITING_MAX = 512  # records of one port that wait for the writer or their commit (LINK section 4)
RECORDS_PER_SECOND_MAX = 2_000  # of one port (LINK section 4); more is counted and not booked
CHANNELS_MAX = 1_024  # names one device may have here: a MySensors network has up to 254 nodes
EVENTS_TEXT_PER_MINUTE_MAX = 20  # lines kept as device_log (LINK section 1)
UPTIME_EACH_MS = 60_000  # a sample of our own clocks, as the native link asks its boards (LINK section 3)
SESSION_MS_MIN = (
    60_000  # between two sessions for what gave way: a flood that lasts writes a gap a minute, not each second
)
STALE_PERIODS, SILENT_PERIODS = 2, 3  # LINK section 3
STALE_MS_MIN, SILENT_MS_MIN = 5_000, 7_500  # LINK section 3, and the same floor kept in step
PATIENCE_MS_MAX = 500  # LINK section 4: a read never waits longer
LIVE_STATES = frozenset({State.LINKED, State.STALE})
MILLI_EXP10 = -3  # raw values are thousandths of the unit where nothing else is said

# DATA status bits 5-7 (LINK section 2).
FAULT_SATURATED, FAULT_OTHER = 6, 7


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    """What one channel is: a DESC without its number. lo, hi are raw; period_ms 0: nobody knows."""

    name: str
    kind: int
    unit: str
    exp10: int = MILLI_EXP10
    lo: int = -(10**12)
    hi: int = 10**12
    period_ms: int = 0
    is_event: bool = False


@dataclass(frozen=True, slots=True)
class Booking:
    """One value on its way to the store. at_ms: CLOCK_BOOTTIME of the moment it stands for."""

    channel: ChannelFacts
    status: int
    raw: int
    at_ms: int
    doubt: str


class Ear:
    """Counts: what was understood, and what was malformed by kind."""

    def __init__(self) -> None:
        self.frames_good = 0
        self.errors: Counter[str] = Counter()


class AdapterSession:
    """Hold one conversation with hardware of others; a subclass gives `protocol` and the hooks below."""

    protocol: ClassVar[str] = ""

    def __init__(self, uid: str, now: Callable[[], HostNow], *, period_ms: int) -> None:
        """uid: the configured label. now: the clocks of this computer. period_ms: how often something is heard."""
        self.state = State.ABSENT
        self.uid: bytes | None = None
        self.next_seq = 0
        self.seen_seq = 0
        self.receiver = Ear()
        self.period_ms = period_ms
        self._label = uid_bytes(uid)
        self._now = now
        self._numbers: dict[str, int] = {}
        self._known: dict[int, Desc] = {}
        self._bookings: deque[Booking] = deque()
        self._events: list[SessionEvent] = []
        self._output = bytearray()
        self._is_reconciling = False
        self._may_take = True
        self._has_lost = False
        self._linked_at_ms = 0
        self._heard_at_ms = 0
        self._uptime_at_ms = 0
        self._second = self._records_this_second = 0
        self._minute = self._lines_this_minute = 0

    # What a subclass does.

    def on_opened(self, now_ms: int) -> None:
        """Begin: forget what was half heard."""

    def on_bytes(self, data: bytes, now_ms: int) -> None:
        """Hear bytes: call `heard` for what is valid and `book` for what is measured."""
        raise NotImplementedError

    def on_tick(self, now_ms: int) -> None:
        """Do what time asks for: poll, give up waiting."""

    @property
    def held_bytes(self) -> int:
        """Return how many bytes of something unfinished are held."""
        raise NotImplementedError

    def on_linked(self, now_ms: int) -> None:
        """Begin to book: the names of the channels that the store knows are known now."""

    def on_committed(self, next_seq: int) -> None:
        """Note that all booked before next_seq is on disk."""

    def next_at_ms(self, now_ms: int) -> int:
        """Return when `on_tick` has something to do."""
        return now_ms + PATIENCE_MS_MAX

    # What a subclass calls.

    def heard(self, now_ms: int) -> None:
        """Note that the hardware said something valid; the first time in a session the store is asked."""
        self.receiver.frames_good += 1
        self._heard_at_ms = now_ms
        if self.state is State.REFUSED:
            return
        self._move(Happening.HEARD)
        if self.state is State.PROBING and not self._is_reconciling:
            self._is_reconciling = True
            hello = Hello(0, 0, 0, now_ms % MODULUS, 0, self._label, 0, 0, 0, False, 0, 0)
            self._events.append(HelloHeard(hello, now_ms, self.protocol))

    def book(
        self,
        channel: ChannelFacts,
        raw: int,
        at_ms: int,
        *,
        fault: int | None = None,
        doubt: str = "",
    ) -> None:
        """Book one value of a channel. fault: a code of DATA status, then raw means nothing; doubt: a reason."""
        now_ms = max(at_ms, self._heard_at_ms)
        if not self._may_book(channel, now_ms):
            return
        if len(self._bookings) >= RECORDS_WAITING_MAX:
            self._bookings.popleft()
            self._has_lost = self.state in LIVE_STATES  # before, the gap of the session that begins says it
            self.receiver.errors["not_taken"] += 1
        status = 0 if fault is None else STATUS_FAULT | fault << STATUS_FAULT_CODE_SHIFT
        self._bookings.append(Booking(channel, status, raw, at_ms, doubt))

    def refuse(self, kind: str) -> None:
        """Count something malformed by its kind."""
        self.receiver.errors[kind] += 1

    def say(self, data: bytes) -> None:
        """Write bytes to the port."""
        self._output += data

    def note(self, line: str, now_ms: int) -> None:
        """Keep one line in the log of the device, printable ASCII only and bounded."""
        minute = now_ms // 60_000
        if minute != self._minute:
            self._minute, self._lines_this_minute = minute, 0
        self._lines_this_minute += 1
        if self._lines_this_minute <= EVENTS_TEXT_PER_MINUTE_MAX:
            self._events.append(TextHeard("".join(c if " " <= c <= "~" else "?" for c in line)))

    def known_names(self) -> set[str]:
        """Return the names of all channels this device ever had."""
        return set(self._numbers)

    # What the thread of the port calls.

    @property
    def records_waiting(self) -> int:
        """Return how many records are not committed."""
        return len(self._bookings) + (self.seen_seq - self.next_seq if self.state in LIVE_STATES else 0)

    def opened(self, now_ms: int) -> list[SessionEvent]:
        """Begin with a freshly opened port."""
        self._output.clear()
        self._is_reconciling = False
        self._heard_at_ms = now_ms
        self._move(Happening.OPENED)
        self.on_opened(now_ms)
        return self.tick(now_ms)

    def receive(self, data: bytes, now_ms: int, *, may_take: bool = True) -> list[SessionEvent]:
        """Take bytes from the port; while the writer cannot take records they wait here, the oldest give way."""
        self._may_take = may_take
        if self._has_lost and may_take and now_ms - self._linked_at_ms >= SESSION_MS_MIN:
            self._has_lost = False
            self._move(Happening.SILENT)  # what is heard next begins a session, and the store writes the gap before it
        if data and self.state is not State.REFUSED:
            self.on_bytes(data, now_ms)
        return self._done(now_ms)

    def tick(self, now_ms: int) -> list[SessionEvent]:
        """Do what time asks for."""
        quiet_ms = now_ms - self._heard_at_ms
        if self.state in LIVE_STATES:
            if quiet_ms > max(SILENT_PERIODS * self.period_ms, SILENT_MS_MIN):
                self._move(Happening.SILENT)
            elif quiet_ms > max(STALE_PERIODS * self.period_ms, STALE_MS_MIN):
                self._move(Happening.QUIET)
        if self.state not in (State.ABSENT, State.REFUSED):
            self.on_tick(now_ms)
        return self._done(now_ms)

    def take_output(self) -> bytes:
        """Return what is to be written to the port now."""
        output = bytes(self._output)
        self._output.clear()
        return output

    def patience_ms(self, now_ms: int) -> int:
        """Return how long the port may be listened to before `tick` has something to do."""
        return max(1, min(PATIENCE_MS_MAX, self.next_at_ms(now_ms) - now_ms))

    def committed(self, next_seq: int, now_ms: int) -> None:  # noqa: ARG002 - the interface is every session's
        """Note that everything before next_seq is on disk."""
        if self.next_seq < next_seq <= self.seen_seq:
            self.next_seq = next_seq
            self.on_committed(next_seq)

    def reconciled(
        self,
        hello: Hello,
        next_seq: int,
        known_desc_crc: int | None,  # noqa: ARG002 - the interface is every session's
        now_ms: int,
    ) -> list[SessionEvent]:
        """Link: the store gave this session its number; records are numbered from next_seq."""
        self._is_reconciling = False
        self._move(Happening.RECONCILED)
        if self.state is State.LINKED:
            self._has_lost, self._linked_at_ms = False, now_ms
            self.uid = hello.uid
            self.next_seq = self.seen_seq = next_seq
            self._tell_uptime(now_ms)
            self.on_linked(now_ms)
        return self._done(now_ms)

    def rejected(self) -> list[SessionEvent]:
        """Give up: the same uid is in use on another port."""
        self._is_reconciling = False
        self._bookings.clear()
        self._move(Happening.REJECTED)
        return self._take_events()

    def describe(self, descriptions: tuple[Desc, ...]) -> None:
        """Learn what the store knows of the channels, so that a name keeps its number for ever."""
        self._known = {desc.channel: desc for desc in descriptions}
        self._numbers = {desc.name: desc.channel for desc in descriptions}

    def lost(self) -> list[SessionEvent]:
        """Note that the port is gone."""
        self._output.clear()
        self._bookings.clear()
        self._is_reconciling = False
        self.uid = None
        self._move(Happening.LOST)
        return self._take_events()

    # Own.

    def _may_book(self, channel: ChannelFacts, now_ms: int) -> bool:
        second = now_ms // 1000
        if second != self._second:
            self._second, self._records_this_second = second, 0
        self._records_this_second += 1
        if self._records_this_second > RECORDS_PER_SECOND_MAX:
            self.refuse("flood")
            return False
        if channel.name not in self._numbers and len(self._numbers) >= CHANNELS_MAX:
            self.refuse("too_many_channels")
            return False
        return True

    def _done(self, now_ms: int) -> list[SessionEvent]:
        if self.state in LIVE_STATES and not self._is_reconciling:
            if now_ms - self._uptime_at_ms >= UPTIME_EACH_MS:
                self._tell_uptime(now_ms)
            self._hand_on(now_ms)
        return self._take_events()

    def _hand_on(self, now_ms: int) -> None:
        if not self._bookings or not self._may_take:
            return
        room = RECORDS_WAITING_MAX - (self.seen_seq - self.next_seq)
        bookings = [self._bookings.popleft() for _ in range(min(room, len(self._bookings)))]
        if not bookings:
            return
        has_news = [self._learn(booking.channel) for booking in bookings]
        if any(has_news):
            descriptions = tuple(desc for _number, desc in sorted(self._known.items()))
            crc = zlib.crc32(repr(descriptions).encode())
            self._events.append(DescriptionsHeard(crc, descriptions))
        base_ms = min(booking.at_ms for booking in bookings)
        records = [
            (booking.at_ms - base_ms, self._numbers[booking.channel.name], booking.status, booking.raw)
            for booking in bookings
        ]
        doubts = tuple(booking.doubt for booking in bookings) if any(booking.doubt for booking in bookings) else ()
        arrived = RecordsArrived(0, False, self.seen_seq, base_ms % MODULUS, records, now_ms, doubts)
        self._events.append(arrived)
        self.seen_seq += len(records)

    def _learn(self, facts: ChannelFacts) -> bool:
        """Give a channel its number and description; returns whether either is new."""
        number = self._numbers.setdefault(facts.name, len(self._numbers))
        desc = as_desc(number, facts)
        if self._known.get(number) == desc:
            return False
        self._known[number] = desc
        return True

    def _tell_uptime(self, now_ms: int) -> None:
        self._uptime_at_ms = now_ms
        self._events.append(UptimeHeard(0, now_ms % MODULUS, now_ms, now_ms))

    def _move(self, happening: Happening) -> None:
        before, after = self.state, TRANSITIONS[self.state, happening]
        if before is not after:
            self.state = after
            self._events.append(StateChanged(before, after))

    def _take_events(self) -> list[SessionEvent]:
        events, self._events = self._events, []
        return events


def as_desc(number: int, facts: ChannelFacts) -> Desc:
    """Return a channel as the native link describes it."""
    flags = FLAG_EVENT if facts.is_event else 0
    period_ds = facts.period_ms // 100
    return Desc(number, facts.kind, facts.exp10, flags, facts.lo, facts.hi, period_ds, 0, facts.unit, facts.name)


TEMPERATURE_LO_MILLI, TEMPERATURE_HI_MILLI = -55_000, 125_000  # what a DS18B20 can show; profiles may say better


def facts_of_kind(name: str, kind: int, unit: str, period_ms: int) -> ChannelFacts:
    """Return a channel whose bounds follow from what it measures, in thousandths of the unit."""
    if kind == Kind.TEMPERATURE:
        return ChannelFacts(name, kind, unit, lo=TEMPERATURE_LO_MILLI, hi=TEMPERATURE_HI_MILLI, period_ms=period_ms)
    if kind == Kind.HUMIDITY:
        return ChannelFacts(name, kind, unit, lo=0, hi=100_000, period_ms=period_ms)
    if kind == Kind.DOOR:
        return ChannelFacts(name, kind, unit, exp10=0, lo=0, hi=1, period_ms=period_ms, is_event=True)
    return ChannelFacts(name, kind, unit, period_ms=period_ms)
