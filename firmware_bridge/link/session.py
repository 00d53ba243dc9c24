"""The host's side of one port: what to answer, what to ask, what to hand on. Sans-IO.

Not a port and not a store: bytes and times come in, events and bytes go out, and the caller brings the answers of the
store (`reconciled`, `committed`). Owns, for the link, invariant 1: `next` in an ACK never passes what `committed` was
told. Rules: LINK section 3.
"""

from firmware_bridge.link import cadence
from firmware_bridge.link.asking import Asking
from firmware_bridge.link.events import (
    HelloHeard,
    NamelessHeard,
    NewerLinkHeard,
    RecordsArrived,
    SessionEvent,
    StateChanged,
    StatHeard,
    TextHeard,
)
from firmware_bridge.link.framing import DELIMITER, encode_frame
from firmware_bridge.link.messages import (
    STATUS_EARLIER_BOOT,
    Ack,
    CmdRsp,
    Data,
    Desc,
    FromDevice,
    FromHost,
    Hello,
    HelloReq,
    Op,
    Stat,
    TimeRsp,
    encode,
)
from firmware_bridge.link.receiver import Receiver, host_receiver
from firmware_bridge.link.sequence import MODULUS, distance
from firmware_bridge.link.states import TRANSITIONS, Happening, State

RECORDS_WAITING_MAX = 512  # records of one port that may wait for their commit (LINK section 4)
RECORDS_PER_SECOND_MAX = 2_000  # a flooding board is held to this by not acknowledging (LINK section 4)
NEWER_LINK_ASK_MS = 10_000  # at most one HELLO_REQ in 10 s for version or type errors (LINK section 1)
HELLO_AGAIN_MS = 200  # a second HELLO of the boot just linked is the answer to our own question, not news
WAKE_AFTER_MS = 1_000  # one extra delimiter in front after more than 1 s of silence (LINK section 1)
PENDING_BYTES_MAX = 64 * 1024  # bytes waiting to be sent (LINK section 4); all that is dropped is asked or said again

PROBING_STATES = frozenset({State.PROBING, State.STALE})
LIVE_STATES = frozenset({State.LINKED, State.STALE})


class HostSession:
    """Hold one conversation with whatever is behind one port.

    first_cmd_id: any number; a board answers a repeated id from memory, so two runs of a host should begin differently.
    """

    def __init__(self, *, first_cmd_id: int = 0) -> None:
        self.state = State.ABSENT
        self.uid: bytes | None = None
        self.boot: int | None = None
        self.next_seq = 0
        self.seen_seq = 0
        self.receiver: Receiver[FromDevice] = host_receiver()
        self._asking = Asking(first_cmd_id)
        self._period_ms = cadence.PERIOD_DEFAULT_MS
        self._events: list[SessionEvent] = []
        self._output = bytearray()
        self._is_ack_due = False
        self._is_reconciling = False
        self._has_ever_answered = False
        self._opened_at_ms = 0
        self._heard_at_ms = self._linked_at_ms = 0
        self._sent_at_ms: int | None = None
        self._probed_at_ms: int | None = None
        self._newer_asked_at_ms: int | None = None
        self._newer_errors = 0
        self._second = 0
        self._records_this_second = 0

    @property
    def records_waiting(self) -> int:
        """Return how many records have arrived and are not committed."""
        return self.seen_seq - self.next_seq if self.state in LIVE_STATES else 0

    def opened(self, now_ms: int) -> list[SessionEvent]:
        """Begin with a freshly opened port."""
        self.receiver.receive(DELIMITER, now_ms)
        self._output.clear()
        self._opened_at_ms = now_ms
        self._sent_at_ms = self._probed_at_ms = None
        self._is_reconciling = self._has_ever_answered = False
        self._move(Happening.OPENED)
        return self.tick(now_ms)

    def lost(self) -> list[SessionEvent]:
        """Note that the port is gone. What was not committed stays with the writer and, if it must, on the board."""
        self._output.clear()
        self._is_reconciling = False
        self.uid = None
        self._asking.lost()
        self._move(Happening.LOST)
        return self._take_events()

    def receive(self, data: bytes, now_ms: int, *, may_take: bool = True) -> list[SessionEvent]:
        """Take bytes from the port.

        may_take False: the writer cannot take records now, so none is accepted or acknowledged.
        """
        for message in self.receiver.receive(data, now_ms):
            self._hear(message, now_ms, may_take=may_take)
        for line in self.receiver.take_text():
            self._events.append(TextHeard(line))
        self._note_newer_link(now_ms)
        if self.receiver.nameless:
            self.receiver.nameless = 0
            self._events.append(NamelessHeard())
            self._refuse()
        self._flush_ack(now_ms)
        return self._take_events()

    def reconciled(self, hello: Hello, next_seq: int, known_desc_crc: int | None, now_ms: int) -> list[SessionEvent]:
        """Link after the store compared this HELLO: go on at next_seq (unbounded); known_desc_crc is what is stored."""
        self._is_reconciling = False
        self._move(Happening.RECONCILED)
        if self.state is not State.LINKED:
            return self._take_events()
        self.uid, self.boot = hello.uid, hello.boot
        self.next_seq = self.seen_seq = next_seq
        self._heard_at_ms = self._linked_at_ms = now_ms
        # Descriptions are asked for before the first ACK lets the records flow, so that they are judged as they come.
        self._asking.linked(hello, known_desc_crc, now_ms)
        self._send_all(self._asking.take_requests(), now_ms)
        self._is_ack_due = True
        self._flush_ack(now_ms)
        return self._take_events()

    def rejected(self) -> list[SessionEvent]:
        """Refuse the board: its uid is in use on another port."""
        self._refuse()
        return self._take_events()

    def describe(self, descriptions: tuple[Desc, ...]) -> None:
        """Learn the periods of the channels: they decide when silence is silence."""
        self._period_ms = cadence.shortest_period_ms(descriptions)

    def command(self, ask_id: str, op: int, args: bytes) -> bool:
        """Ask the board to do something at the next tick; False when it is not linked or too much waits already."""
        return self.state is State.LINKED and self._asking.want(ask_id, op, args)

    def committed(self, next_seq: int, now_ms: int) -> None:
        """Note that everything before next_seq (unbounded) is on disk, and say so to the board."""
        if self.state in LIVE_STATES and self.next_seq < next_seq <= self.seen_seq:
            self.next_seq = next_seq
            self._is_ack_due = True
            self._flush_ack(now_ms)

    def tick(self, now_ms: int) -> list[SessionEvent]:
        """Do what time asks for: HELLO_REQ, TIME_REQ, repeated commands, silence."""
        quiet_ms = now_ms - self._heard_at_ms
        if self.state in LIVE_STATES:
            if quiet_ms > cadence.silent_after_ms(self._period_ms):
                self._move(Happening.SILENT)
                self._opened_at_ms = now_ms
            elif quiet_ms > cadence.stale_after_ms(self._period_ms):
                self._move(Happening.QUIET)
        if self.state in PROBING_STATES and self._is_probe_due(now_ms):
            self._probed_at_ms = now_ms
            self._send(HelloReq(), now_ms)
        if self.state is State.LINKED:
            self._events.extend(self._asking.tick(now_ms))
            self._send_all(self._asking.take_requests(), now_ms)
        else:
            self._events.extend(self._asking.give_up())
        return self._take_events()

    def take_output(self) -> bytes:
        """Return what is to be written to the port now; at most 64 KiB."""
        output = bytes(self._output)
        self._output.clear()
        return output

    def patience_ms(self, now_ms: int) -> int:
        """Return how long the port may be listened to before `tick` has something to do."""
        return cadence.patience_ms(self.state, now_ms - self._opened_at_ms)

    def _hear(self, message: FromDevice, now_ms: int, *, may_take: bool) -> None:
        if self.state is State.REFUSED:
            return
        if isinstance(message, Data):
            self._hear_data(message, now_ms, may_take=may_take)
            return
        if isinstance(message, Hello):
            self._hear_hello(message, now_ms)
            return
        if isinstance(message, Desc):
            self._heard(now_ms)
            self._events.extend(self._asking.hear_desc(message))
            return
        if message.boot != self.boot:
            self._other_boot(now_ms)
            return
        self._heard(now_ms)
        if isinstance(message, Stat):
            self._events.append(StatHeard(message))
        elif isinstance(message, TimeRsp):
            self._events.extend(self._asking.hear_time(message, now_ms))
        elif isinstance(message, CmdRsp):
            answered = self._asking.hear_answer(message)
            self._events.extend(answered)
            if answered and answered[0].op == Op.SET_PERIOD:
                self._send(HelloReq(), now_ms)  # what the board is has changed, and its HELLO says so

    def _hear_hello(self, hello: Hello, now_ms: int) -> None:
        self._has_ever_answered = True
        if self._is_reconciling:
            return
        if self.state in LIVE_STATES:
            if hello.boot != self.boot or hello.uid != self.uid:
                self._move(Happening.OTHER_BOOT)
            elif now_ms - self._linked_at_ms < HELLO_AGAIN_MS:
                return
        self._is_reconciling = True
        self._events.append(HelloHeard(hello, now_ms))

    def _hear_data(self, data: Data, now_ms: int, *, may_take: bool) -> None:
        if self.state not in LIVE_STATES or self._is_reconciling:
            return
        is_earlier_boot = data.boot != self.boot
        if is_earlier_boot and not all(status & STATUS_EARLIER_BOOT for _, _, status, _ in data.records):
            self._other_boot(now_ms)
            return
        self._heard(now_ms)
        count = len(data.records)
        offset = distance(self.seen_seq % MODULUS, data.first_seq)
        if offset > 0:
            # A hole. Progress made in this same read is said first: the repeated equal ACK is what sends the board
            # back.
            self._flush_ack(now_ms)
            self._is_ack_due = True
            return
        new = min(count, count + offset)
        if new > 0 and not (may_take and self._has_room(new, now_ms)):
            return  # unacknowledged: the board keeps them
        self._is_ack_due = True
        if new <= 0:
            return
        records = data.records if new == count else data.records[-new:]
        arrived = RecordsArrived(data.boot, is_earlier_boot, self.seen_seq, data.base_ms, records, now_ms)
        self._events.append(arrived)
        self.seen_seq += new

    def _has_room(self, count: int, now_ms: int) -> bool:
        if self.records_waiting + count > RECORDS_WAITING_MAX:
            return False
        second = now_ms // 1000
        if second != self._second:
            self._second, self._records_this_second = second, 0
        if self._records_this_second + count > RECORDS_PER_SECOND_MAX:
            return False
        self._records_this_second += count
        return True

    def _other_boot(self, now_ms: int) -> None:
        """The board has reset unseen, or was never linked: what it sent is dropped and HELLO is asked for."""
        if self.state in LIVE_STATES:
            self._move(Happening.OTHER_BOOT)
            self._opened_at_ms = self._probed_at_ms = now_ms
            self._send(HelloReq(), now_ms)

    def _note_newer_link(self, now_ms: int) -> None:
        errors = self.receiver.errors.get("version", 0) + self.receiver.errors.get("type", 0)
        if errors == self._newer_errors:
            return
        self._newer_errors = errors
        asked_at_ms = self._newer_asked_at_ms
        if asked_at_ms is None or now_ms - asked_at_ms >= NEWER_LINK_ASK_MS:
            self._newer_asked_at_ms = now_ms
            self._events.append(NewerLinkHeard())
            self._send(HelloReq(), now_ms)

    def _is_probe_due(self, now_ms: int) -> bool:
        if self._probed_at_ms is None:
            return True
        probing_ms = now_ms - self._opened_at_ms
        each_ms = cadence.probe_each_ms(self.state, probing_ms, has_ever_answered=self._has_ever_answered)
        return now_ms - self._probed_at_ms >= each_ms

    def _refuse(self) -> None:
        self._is_reconciling = False
        self._move(Happening.REJECTED)

    def _heard(self, now_ms: int) -> None:
        self._heard_at_ms = now_ms
        self._move(Happening.HEARD)

    def _move(self, happening: Happening) -> None:
        before, after = self.state, TRANSITIONS[self.state, happening]
        if before is not after:
            self.state = after
            self._events.append(StateChanged(before, after))

    def _flush_ack(self, now_ms: int) -> None:
        if self._is_ack_due and self.boot is not None and self.state in LIVE_STATES and not self._is_reconciling:
            self._send(Ack(self.boot, self.next_seq % MODULUS, self.seen_seq % MODULUS), now_ms)
        self._is_ack_due = False

    def _send_all(self, messages: list[FromHost], now_ms: int) -> None:
        for message in messages:
            self._send(message, now_ms)

    def _send(self, message: FromHost, now_ms: int) -> None:
        frame = encode_frame(encode(message))
        if self._sent_at_ms is None or now_ms - self._sent_at_ms > WAKE_AFTER_MS:
            frame = DELIMITER + frame
        self._sent_at_ms = now_ms
        if len(self._output) + len(frame) <= PENDING_BYTES_MAX:
            self._output += frame

    def _take_events(self) -> list[SessionEvent]:
        events, self._events = self._events, []
        return events
