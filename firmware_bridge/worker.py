"""One port's thread: open it, run its session, hand on what was heard, and begin again for ever.

Not the protocol and not the store. Owns "no silent readers": however the thread's work ends, the state says so, and the
supervisor sees a thread that is not alive. LINK section 4.
"""

import random
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from firmware_bridge.asks import BUSY, CMD_STATUSES, DONE, NO_ANSWER, NOT_LINKED, UNSUPPORTED, Answer, Ask
from firmware_bridge.day_limit import ROWS_PER_DAY_MAX
from firmware_bridge.exchange import Committed, Reply
from firmware_bridge.language import _
from firmware_bridge.link.events import (
    CommandAnswered,
    DescriptionsHeard,
    HelloHeard,
    NamelessHeard,
    NewerLinkHeard,
    RecordsArrived,
    SessionEvent,
    StateChanged,
)
from firmware_bridge.link.identity import uid_text
from firmware_bridge.link.messages import Hello, Op
from firmware_bridge.link.session import LIVE_STATES, HostSession
from firmware_bridge.link.states import State
from firmware_bridge.ports import Port, PortLost, reopen_wait_ms
from firmware_bridge.session_protocol import LineSettings, Session
from firmware_bridge.store.store import Linked
from firmware_bridge.writer import Writer

REFUSED_RETRY_MS = 10_000  # a refused port is closed and looked at again, so that a moved cable heals by itself
REPLIES_MAX = 1_024  # replies of the writer that wait for this thread; more means that it is stuck in a write
ASKS_MAX = 64  # requests that wait for this thread (DESIGN "The parts")
READ_EACH_MS, READ_EACH_BYTES_MAX = 100, 30_000  # 3 Mbaud, the fastest line that is decoded (LINK section 10)
SEQ_BYTES = 4  # what a tare answers: the first record number it applies to (LINK section 2)
LINE_NATIVE = LineSettings()  # 115,200 8N1 (LINK section 2)


@dataclass(frozen=True, slots=True)
class PortStatus:
    """One look at a port, for the heartbeat."""

    path: str
    state: State
    device_uid: str | None
    name: str | None
    frames_good: int
    frames_bad: dict[str, int]
    records_waiting: int
    last_error: str


class Worker(threading.Thread):
    """Serve one path for ever; a daemon thread."""

    def __init__(
        self,
        path: str,
        writer: Writer,
        now_ms: Callable[[], int],
        source: random.Random,
        *,
        session: Session | None = None,
        line: LineSettings = LINE_NATIVE,
    ) -> None:
        """Prepare; now_ms tells CLOCK_BOOTTIME in milliseconds. session: an adapter's; None: the native link."""
        super().__init__(name=f"port {path}", daemon=True)
        self._path = path
        self._writer = writer
        self._now_ms = now_ms
        self._random = source
        self._session = session or HostSession(first_cmd_id=source.randrange(1 << 16))
        self._line = line
        self._asks: deque[Ask] = deque(maxlen=ASKS_MAX)
        self._asked: dict[str, Ask] = {}
        self._replies: deque[Reply] = deque(maxlen=REPLIES_MAX)
        self._port: Port | None = None
        self._pending: Hello | None = None
        self._retry = threading.Event()
        self._stopping = threading.Event()
        self._read_since_ms = self._read_bytes = 0
        self._could_take = True
        self._name: str | None = None
        self._last_error = ""
        self._refused_at_ms = 0

    @property
    def path(self) -> str:
        """Return the path this worker serves."""
        return self._path

    def deliver(self, reply: Reply) -> None:
        """Take a reply of the writer and wake the thread."""
        self._replies.append(reply)
        port = self._port
        if port is not None:
            port.wake()

    def reappeared(self) -> None:
        """Try to open at once: the port was plugged in (again)."""
        self._retry.set()

    def ask(self, ask: Ask) -> None:
        """Ask the board for something, from any thread; the answer becomes a row."""
        self._asks.append(ask)
        port = self._port
        if port is None:
            self._retry.set()
        else:
            port.wake()

    def stop(self) -> None:
        """Ask the thread to say what is committed, close its port and end."""
        self._stopping.set()
        self._retry.set()
        port = self._port
        if port is not None:
            port.wake()

    def status(self) -> PortStatus:
        """Look at the port; may be called from any thread."""
        session = self._session
        uid = session.uid if session.state in LIVE_STATES else None
        return PortStatus(
            path=self._path,
            state=session.state,
            device_uid=None if uid is None else uid_text(uid),
            name=self._name if uid is not None else None,
            frames_good=session.receiver.frames_good,
            frames_bad=dict(session.receiver.errors),
            records_waiting=session.records_waiting,
            last_error=self._too_much() if self._writer.is_too_much(self) else self._last_error,
        )

    def _too_much(self) -> str:
        return _("The board sends more than {rows} readings a day: only the extremes of each minute are kept.").format(
            rows=ROWS_PER_DAY_MAX
        )

    def run(self) -> None:
        """Open, serve, close, wait, again."""
        failures = 0
        while not self._stopping.is_set():
            self._retry.clear()
            try:
                self._port = Port(self._path, baud=self._line.baud, parity=self._line.parity)
            except PortLost as lost:
                self._last_error = str(lost)
                self._retry.wait(reopen_wait_ms(failures, self._random.random()) / 1000)
                failures += 1
                continue
            try:
                failures = 0
                self._serve(self._port)
            except PortLost as lost:
                self._last_error = str(lost)
            finally:
                self._lose(self._port)
            if not self._stopping.is_set():
                self._retry.wait(reopen_wait_ms(failures, self._random.random()) / 1000)

    def _serve(self, port: Port) -> None:
        session = self._session
        self._replies.clear()
        self._handle(session.opened(self._now_ms()))
        now_ms = self._now_ms()
        while True:
            self._take_replies()
            self._take_asks()
            output = session.take_output()
            if output:
                port.write(output)
            if self._stopping.is_set():
                return
            data = port.read(session.patience_ms(now_ms))
            now_ms = self._now_ms()
            may_take = self._writer.is_accepting
            if data or (may_take and not self._could_take):  # what waited for the disk waits for no byte
                self._could_take = may_take
                self._handle(session.receive(data, now_ms, may_take=may_take))
                self._hold_back(len(data), now_ms)
            self._handle(session.tick(now_ms))
            if session.state is State.REFUSED and now_ms - self._refused_at_ms >= REFUSED_RETRY_MS:
                raise PortLost(self._last_error)

    def _hold_back(self, count: int, now_ms: int) -> None:
        """Leave in the line what comes faster than the fastest line: one port's flood is no load for the others."""
        if now_ms - self._read_since_ms >= READ_EACH_MS:
            self._read_since_ms, self._read_bytes = now_ms, 0
        self._read_bytes += count
        if self._read_bytes > READ_EACH_BYTES_MAX:
            self._stopping.wait((self._read_since_ms + READ_EACH_MS - now_ms) / 1000)

    def _lose(self, port: Port) -> None:
        self._port = None
        port.close()
        self._writer.release(self)
        self._pending = None
        self._handle(self._session.lost())
        for ask in [*self._asked.values(), *self._asks]:
            self._writer.answer(Answer(ask.ask_id, ask.uid, ask.op_name, NO_ANSWER))
        self._asked.clear()
        self._asks.clear()

    def _take_replies(self) -> None:
        while self._replies:
            reply = self._replies.popleft()
            now_ms = self._now_ms()
            if isinstance(reply, Committed):
                self._session.committed(reply.next_seq, now_ms)
            elif isinstance(reply, Linked):
                if reply.hello is self._pending:
                    self._pending = None
                    self._name = reply.descriptions[0].name if reply.descriptions else None
                    self._session.describe(reply.descriptions)
                    self._last_error = ""
                    self._handle(self._session.reconciled(reply.hello, reply.next_seq, reply.desc_crc, now_ms))
            elif reply.hello.hello is self._pending:
                self._pending = None
                self._last_error = reply.reason
                self._refused_at_ms = now_ms
                self._handle(self._session.rejected())

    def _take_asks(self) -> None:
        while self._asks:
            ask = self._asks.popleft()
            session = self._session
            if not isinstance(session, HostSession):
                status = UNSUPPORTED
            elif session.state is not State.LINKED or session.uid is None or uid_text(session.uid) != ask.uid:
                status = NOT_LINKED
            elif session.command(ask.ask_id, ask.op, ask.args):
                self._asked[ask.ask_id] = ask
                self._handle(session.tick(self._now_ms()))
                continue
            else:
                status = BUSY
            self._writer.answer(Answer(ask.ask_id, ask.uid, ask.op_name, status))

    def _answered(self, event: CommandAnswered) -> None:
        ask = self._asked.pop(event.ask_id, None)
        if ask is None:
            if event.answer is None:
                self._last_error = _("The board does not answer a command.")
            return
        answer = event.answer
        status = NO_ANSWER if answer is None else CMD_STATUSES[answer.status]
        is_tared = answer is not None and status == DONE and event.op == Op.TARE and len(answer.data) == SEQ_BYTES
        detail = str(int.from_bytes(answer.data, "little")) if is_tared and answer is not None else ""
        self._writer.answer(Answer(ask.ask_id, ask.uid, ask.op_name, status, detail))

    def _handle(self, events: list[SessionEvent]) -> None:
        for event in events:
            if isinstance(event, RecordsArrived):
                self._writer.submit(self, event)
            elif isinstance(event, HelloHeard):
                self._pending = event.hello
                self._writer.submit(self, event)
            elif isinstance(event, DescriptionsHeard):
                self._session.describe(event.descriptions)
                self._name = event.descriptions[0].name if event.descriptions else None
                self._writer.submit(self, event)
            elif isinstance(event, NewerLinkHeard):
                self._last_error = _("The board speaks a newer link than this bridge knows.")
            elif isinstance(event, NamelessHeard):
                self._last_error = _("The board has no name of its own: its uid is all 0 or all F.")
                self._refused_at_ms = self._now_ms()
            elif isinstance(event, CommandAnswered):
                self._answered(event)
            elif not isinstance(event, StateChanged):
                self._writer.submit(self, event)
