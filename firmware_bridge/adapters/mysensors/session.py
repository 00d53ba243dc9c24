"""The conversation with a MySensors gateway: what nodes send is booked, what they ask is answered. Sans-IO.

Not a radio. A node that asks for an id gets a free one, told only after it is on disk (the event that it was given is
committed first), so that no two nodes are ever given the same. The time is told only while our clock is set. A value
of a child that was not presented as that kind lies on a channel of its own, marked `?`, and is SUSPECT: without a check
sum one flipped bit makes another child's reading of it. LINK section 5.
"""

from collections.abc import Callable

from firmware_bridge.adapters.lines import LineReader, Malformed
from firmware_bridge.adapters.mysensors.messages import (
    BATTERY,
    BROADCAST,
    CONFIG,
    GATEWAY,
    ID_MAX,
    ID_MIN,
    ID_REQUEST,
    ID_RESPONSE,
    INTERNAL,
    LINE_BYTES_MAX,
    LOG_MESSAGE,
    MEASURES,
    NODE_CHILD,
    PRESENT_YOURSELF,
    PRESENTATION,
    PRESENTED,
    SET,
    SKETCH_NAME,
    SKETCH_VERSION,
    TIME,
    VERSION,
    Message,
    decode_line,
    internal,
)
from firmware_bridge.adapters.session import LIVE_STATES, AdapterSession, ChannelFacts, facts_of_kind
from firmware_bridge.adapters.values import NoValue, as_milli
from firmware_bridge.clock import HostNow
from firmware_bridge.link.messages import Kind
from firmware_bridge.session_protocol import LineSettings

# Is the gateway there: our choice, about as often as a board of ours says how it is.
VERSION_EACH_MS, VERSION_PROBING_MS = 30_000, 5_000
VALUE_PERIOD_MS = 300_000  # how often nodes usually report; battery nodes sleep for minutes
ASK_TO_PRESENT_MS = 600_000  # a node that sleeps may not hear it the first time
ID_EACH_MS = 1_000  # a network that asks for more is broken
PRESENT_WAIT_MS = 5_000  # so long a value waits for the presentation that was asked for
UNPRESENTED_MAX = 64  # values that wait so; more are booked with their doubt at once
EARLY_MAX = 256  # messages that wait for the store to say which channels it knows
NODE_WORD, BATTERY_WORD, DOUBT_MARK = "node", "battery", "?"


class MySensorsSession(AdapterSession):
    """Book what a gateway forwards; channels are named `NODE.CHILD WORD`."""

    protocol = "mysensors"

    def __init__(self, uid: str, line: LineSettings, now: Callable[[], HostNow]) -> None:
        super().__init__(uid, now, period_ms=VERSION_EACH_MS)
        self.line = line
        self._lines = LineReader(LINE_BYTES_MAX, self.receiver.errors)
        self._presented: dict[tuple[int, int], set[str]] = {}
        self._early: list[tuple[Message, int]] = []
        self._unpresented: list[tuple[Message, int]] = []
        self._asked_to_present: dict[int, int] = {}
        self._version_at_ms = 0
        self._id_waiting: tuple[int, int] | None = None
        self._id_at_ms: int | None = None

    @property
    def held_bytes(self) -> int:
        """Return how many bytes of an unfinished line are held."""
        return self._lines.held_bytes

    def on_opened(self, now_ms: int) -> None:
        """Begin with a whole line and ask whether a gateway is there."""
        self._lines.clear()
        self._early.clear()
        self._unpresented.clear()
        self._asked_to_present.clear()
        self._id_waiting = None
        self._version_at_ms = now_ms
        self.say(internal(GATEWAY, VERSION))

    def on_bytes(self, data: bytes, now_ms: int) -> None:
        """Hear lines."""
        for line in self._lines.receive(data):
            try:
                message = decode_line(line)
            except Malformed as malformed:
                self.refuse(malformed.kind)
                continue
            self.heard(now_ms)
            if self.state in LIVE_STATES:
                self._take(message, now_ms)
            elif len(self._early) < EARLY_MAX:
                self._early.append((message, now_ms))
            else:
                self.refuse("not_taken")

    def on_linked(self, now_ms: int) -> None:  # noqa: ARG002 - the hook is every adapter's
        """Take what came before: who was presented before a restart is known only now."""
        self._id_waiting = None  # its number was one of the session before; the node asks again
        early, self._early = self._early, []
        for message, at_ms in early:
            self._take(message, at_ms)

    def on_tick(self, now_ms: int) -> None:
        """Ask now and then whether the gateway is there, and give up waiting for presentations."""
        if now_ms >= self._version_due_at_ms():
            self._version_at_ms = now_ms
            self.say(internal(GATEWAY, VERSION))
        while self._unpresented and now_ms >= self._wait_ends_at_ms():
            message, at_ms = self._unpresented.pop(0)
            self._book_value(message, at_ms, is_presented=False)

    def next_at_ms(self, now_ms: int) -> int:  # noqa: ARG002 - the hook is every adapter's
        """Return when the gateway is asked again, or a value has waited long enough."""
        return min(self._version_due_at_ms(), self._wait_ends_at_ms())

    def on_committed(self, next_seq: int) -> None:
        """Tell a new node its id, now that it can never be given again."""
        if self._id_waiting is None or self._id_waiting[1] >= next_seq:
            return
        free = self._id_waiting[0]
        self._id_waiting = None
        if node_channel(free).name not in self.known_names():
            return  # it gave way to what came behind it and was never stored; the node asks again
        self.say(internal(BROADCAST, ID_RESPONSE, str(free)))

    def _take(self, message: Message, now_ms: int) -> None:
        if message.is_ack:
            return  # the echo of something that was sent: never booked
        if message.command == PRESENTATION:
            self._present(message, now_ms)
        elif message.command == SET:
            self._set(message, now_ms)
        elif message.command == INTERNAL:
            self._internal(message, now_ms)

    def _present(self, message: Message, now_ms: int) -> None:
        if message.child == NODE_CHILD:
            if ID_MIN <= message.node <= ID_MAX:
                self.book(node_channel(message.node), 1, now_ms)
            return
        self._presented[message.node, message.child] = set(PRESENTED.get(message.type, ()))
        waiting, self._unpresented = self._unpresented, []
        for each, at_ms in waiting:
            if (each.node, each.child) == (message.node, message.child):
                self._set(each, at_ms)
            else:
                self._unpresented.append((each, at_ms))

    def _set(self, message: Message, now_ms: int) -> None:
        measure = MEASURES.get(message.type)
        if measure is None:
            return  # a kind of value that nothing here needs
        is_presented = measure.word in self._words_of(message.node, message.child)
        if not is_presented:
            asked_at_ms = self._ask_to_present(message.node, now_ms)
            may_come = (message.node, message.child) not in self._presented and now_ms - asked_at_ms < PRESENT_WAIT_MS
            if may_come and len(self._unpresented) < UNPRESENTED_MAX:
                self._unpresented.append((message, now_ms))
                return
        self._book_value(message, now_ms, is_presented=is_presented)

    def _book_value(self, message: Message, at_ms: int, *, is_presented: bool) -> None:
        """Book a value; what was not presented is of no kind, or a damaged line would make a fridge of its own."""
        measure = MEASURES[message.type]
        mark, doubt = ("", "") if is_presented else (DOUBT_MARK, "unpresented")
        kind = measure.kind if is_presented else Kind.OTHER
        channel = facts_of_kind(
            f"{message.node}.{message.child} {measure.word}{mark}", kind, measure.unit, VALUE_PERIOD_MS
        )
        number = message.number()
        raw = int(number) if channel.exp10 == 0 else as_milli(number)
        if isinstance(raw, NoValue):
            self.refuse("number")
        else:
            self.book(channel, raw, at_ms, doubt=doubt)

    def _internal(self, message: Message, now_ms: int) -> None:
        if message.type == ID_REQUEST:
            self._give_id(now_ms)
        elif message.type == CONFIG:
            self.say(internal(message.node, CONFIG, "M"))
        elif message.type == TIME:
            now = self._now()
            if now.is_clock_trusted:
                self.say(internal(message.node, TIME, str(now.wall_us // 1_000_000)))
        elif message.type == BATTERY:
            milli = int(message.number()) * 1000
            channel = ChannelFacts(f"{message.node} {BATTERY_WORD}", Kind.OTHER, "%EL", lo=0, hi=100_000, is_event=True)
            self.book(channel, milli, now_ms)
        elif message.type in (LOG_MESSAGE, SKETCH_NAME, SKETCH_VERSION) and message.payload:
            self.note(f"mysensors: node {message.node}: {message.payload}", now_ms)

    def _give_id(self, now_ms: int) -> None:
        """Book that an id is given; it is told when that is committed."""
        if self.state not in LIVE_STATES or self._id_waiting is not None:
            return  # the node asks again
        if self._id_at_ms is not None and now_ms - self._id_at_ms < ID_EACH_MS:
            return
        used = {name.split(" ")[0].split(".")[0] for name in self.known_names()}
        free = next((number for number in range(ID_MIN, ID_MAX + 1) if str(number) not in used), None)
        if free is None:
            self.refuse("no_free_id")
            return
        self._id_at_ms = now_ms
        seq = self.seen_seq + len(self._bookings)
        self._id_waiting = (free, seq)
        self.book(node_channel(free), 1, now_ms)

    def _words_of(self, node: int, child: int) -> set[str]:
        """Return what a child may send: as it was presented in this run, or as it was booked without doubt before."""
        known = self._presented.get((node, child))
        if known is not None:
            return known
        start = f"{node}.{child} "
        before = {name.removeprefix(start) for name in self.known_names() if name.startswith(start)}
        return {word for words in PRESENTED.values() if before & set(words) for word in words}

    def _ask_to_present(self, node: int, now_ms: int) -> int:
        """Ask a node to present itself unless that was done lately; returns when it was."""
        asked_at_ms = self._asked_to_present.get(node)
        if asked_at_ms is None or now_ms - asked_at_ms >= ASK_TO_PRESENT_MS:
            asked_at_ms = self._asked_to_present[node] = now_ms
            self.say(internal(node, PRESENT_YOURSELF))
        return asked_at_ms

    def _version_due_at_ms(self) -> int:
        return self._version_at_ms + (VERSION_EACH_MS if self.state in LIVE_STATES else VERSION_PROBING_MS)

    def _wait_ends_at_ms(self) -> int:
        """Return when the value that waits longest has waited long enough; the far future while none does."""
        return self._unpresented[0][1] + PRESENT_WAIT_MS if self._unpresented else self._version_due_at_ms()


def node_channel(node: int) -> ChannelFacts:
    """Return the channel of a node itself: an event each time it was given an id or has started."""
    return ChannelFacts(f"{node} {NODE_WORD}", Kind.OTHER, "", exp10=0, lo=0, hi=1, is_event=True)
