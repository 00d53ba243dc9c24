"""The thread that owns telemetry.db: takes what ports heard, commits it by the rule, tells what may be acknowledged.

Not the ports and not the tables. One thread, one connection. Owns, for the process, that nothing is lost while the disk
refuses: what waits keeps waiting, new frames stay unacknowledged, and the state says why. LINK sections 3, 4 and 8.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from firmware_bridge.asks import Answer
from firmware_bridge.clock import HostNow
from firmware_bridge.day_limit import DayLimit, pieces
from firmware_bridge.exchange import Committed, Heard, Listener, Noted, PortLetGo, Rejected
from firmware_bridge.language import _
from firmware_bridge.link.events import (
    DescriptionsHeard,
    HelloHeard,
    RecordsArrived,
    StatHeard,
    TextHeard,
    UptimeHeard,
)
from firmware_bridge.store import moves
from firmware_bridge.store.commit_rule import INTERVAL_MS_DEFAULT, CommitRule
from firmware_bridge.store.notes import Statement, answer_rows, error_rows
from firmware_bridge.store.room import Thinner
from firmware_bridge.store.store import Store, TooManyDevices
from firmware_bridge.urgency import NO_BOUNDS, AlarmBounds, Urgency

QUEUE_EVENTS_MAX = 4_096  # of all ports together; beyond it records stay on the board, all else is dropped
TAKEN_AT_ONCE_MAX = 512  # events between two looks at what is due: a flood cannot put a commit off
RETRY_FIRST_MS, RETRY_MAX_MS = 250, 5_000  # while the disk refuses
IDLE_CHECKPOINT_MS = 60_000  # so long without a commit: bring the log into the file (OPS section 4)


class Writer(threading.Thread):
    """Serve one store. Ends only by `stop` or by a fault that no retry can mend, which is then in `failure`."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], HostNow],
        *,
        interval_ms: int = INTERVAL_MS_DEFAULT,
        bounds: AlarmBounds = NO_BOUNDS,
        thinner: Thinner | None = None,
    ) -> None:
        super().__init__(name="writer", daemon=True)
        self.failure: Exception | None = None
        self.refusal = ""
        self._store = store
        self._now = now
        self._thinner = thinner
        self._urgency = Urgency(bounds)
        self._rule = CommitRule(interval_ms=interval_ms)
        self._queue: deque[tuple[Listener | None, Heard | Noted | PortLetGo, HostNow]] = (
            deque()
        )  # None: no port sent it
        self._greeted: set[Listener] = set()  # ports whose letting go is still to be said
        self._queued_records = 0
        self._changed = threading.Condition()
        self._wakes_at_ms = 0  # when the thread looks by itself; only what is due before is worth waking it
        self._owners: dict[bytes, Listener] = {}
        self._uids: dict[Listener, bytes] = {}
        self._limits: dict[bytes, DayLimit] = {}
        self._is_wanted = self._is_stopping = False
        self._flushes: list[threading.Event] = []
        self._retry_at_ms: int | None = None
        self._retries = 0
        self._move_at_ms = 0
        self._last_commit_ms = 0

    @property
    def raw_hours_for_want_of_room(self) -> int | None:
        """Return how many hours of readings are still whole where room is short, None where the settings hold."""
        thinner = self._thinner
        return thinner.raw_hours if thinner is not None and thinner.is_early else None

    @property
    def is_accepting(self) -> bool:
        """Say whether records may be taken; when not, they stay unacknowledged on their boards."""
        return not self.refusal and len(self._queue) < QUEUE_EVENTS_MAX and self.failure is None

    @property
    def records_waiting(self) -> int:
        """Return how many records wait for a commit, about."""
        return self._queued_records + self._store.records_waiting

    def submit(self, listener: Listener, heard: Heard) -> None:
        """Hand over what a port heard. Never blocks; beyond the limit text and counters are dropped, boards refused.

        The thread is left asleep until something is due: nothing that can wait costs a switch of threads.
        """
        with self._changed:
            if len(self._queue) >= QUEUE_EVENTS_MAX:
                if isinstance(heard, TextHeard | StatHeard | UptimeHeard):
                    return
                if isinstance(heard, HelloHeard):  # a loose plug while the disk refuses: it says HELLO all night
                    listener.deliver(Rejected(heard, _("Too much waits for the disk.")))
                    return
            now = self._now()
            self._queue.append((listener, heard, now))
            self._count(listener, heard, now.boottime_ms)
            self._wake()

    def note(self, statements: Sequence[Statement], *, is_urgent: bool = False) -> None:
        """Hand over rows that are no readings; beyond the limit they are dropped."""
        with self._changed:
            if not statements or len(self._queue) >= QUEUE_EVENTS_MAX:
                return
            now = self._now()
            self._queue.append((None, Noted(tuple(statements)), now))
            self._rule.fact_arrived(now.boottime_ms, is_urgent=is_urgent)
            self._wake()

    def answer(self, answer: Answer) -> None:
        """Write down at once what became of a request: somebody waits for it."""
        self.note(answer_rows(answer, self._now().wall_us), is_urgent=True)

    def count_errors(self, more: Mapping[tuple[str, str], int]) -> None:
        """Add to the counts of what was malformed, by (port, kind)."""
        self.note(error_rows(more, self._now().wall_us))

    def _wake(self) -> None:
        due_ms = self._rule.due_at_ms()
        if self._is_wanted or (due_ms is not None and due_ms < self._wakes_at_ms):
            self._changed.notify()

    def _count(self, listener: Listener, heard: Heard, now_ms: int) -> None:
        """Tell the commit rule what has come."""
        if isinstance(heard, RecordsArrived):
            count = len(heard.records)
            self._queued_records += count
            is_urgent = self._urgency.is_urgent(listener, heard.records)
            self._rule.records_arrived(listener.path, count, now_ms, is_urgent=is_urgent)
        elif isinstance(heard, HelloHeard):
            self._is_wanted = True
            self._greeted.add(listener)
        elif not isinstance(heard, StatHeard):
            if isinstance(heard, DescriptionsHeard):
                self._urgency.describe(listener, heard.descriptions)
            self._rule.fact_arrived(now_ms)

    def release(self, listener: Listener) -> None:
        """Note that a port lost its board, so that the board may appear on another port.

        In its turn: what the port heard before is kept, since other hardware has it no more, and a HELLO that still
        waits cannot claim the board for a port that is gone.
        """
        with self._changed:
            if listener in self._greeted:
                self._greeted.discard(listener)
                self._queue.append((listener, PortLetGo(), self._now()))

    def is_too_much(self, listener: Listener) -> bool:
        """Say whether the board on a port sends so much that only the extremes of each minute are kept."""
        limit = self._limits.get(self._uids.get(listener, b""))
        return limit is not None and limit.is_exceeded

    def flush(self, timeout_s: float) -> bool:
        """Commit all that was submitted before; returns whether that happened in time."""
        done = threading.Event()
        with self._changed:
            self._flushes.append(done)
            self._changed.notify()
        return done.wait(timeout_s)

    def stop(self, timeout_s: float) -> None:
        """End the thread; what waits was flushed before or stays on the boards."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        self.join(timeout_s)

    def run(self) -> None:
        """Serve until stopped. Any end but `stop` leaves its cause in `failure` for the supervisor."""
        try:
            while not self._is_stopping:
                self._wait()
                self._serve()
        except Exception as error:  # noqa: BLE001 - the boundary of this thread; the supervisor ends the process
            self.failure = error
        finally:
            with self._changed:
                for done in self._flushes:
                    done.set()

    def _wait(self) -> None:
        with self._changed:
            if self._is_stopping or self._flushes or (self._is_wanted and self._retry_at_ms is None):
                return
            if self._retry_at_ms is not None:
                due_ms = self._retry_at_ms
            else:
                times = [self._rule.due_at_ms(), self._idle_at_ms(), self._move_at_ms]
                due_ms = min(each for each in times if each is not None)
            now_ms = self._now().boottime_ms
            if due_ms > now_ms:
                self._wakes_at_ms = due_ms
                self._changed.wait((due_ms - now_ms) / 1000)
            self._wakes_at_ms = 0  # awake: it looks again before it sleeps

    def _serve(self) -> None:
        now = self._now()
        if self._retry_at_ms is not None and now.boottime_ms < self._retry_at_ms and not self._flushes:
            return
        try:
            self._serve_once(now)
        except sqlite3.DatabaseError as error:
            if not isinstance(error, sqlite3.OperationalError):
                raise  # a damaged file or a fault of ours: the next start looks at the file
            self.refusal = str(error)
            self._retry_at_ms = now.boottime_ms + min(RETRY_MAX_MS, RETRY_FIRST_MS << min(self._retries, 10))
            self._retries += 1
        else:
            self.refusal, self._retry_at_ms, self._retries = "", None, 0
        self._finish_flushes()

    def _serve_once(self, now: HostNow) -> None:
        for _number in range(TAKEN_AT_ONCE_MAX):
            if not self._queue:
                break
            listener, heard, heard_at = self._queue[0]
            if isinstance(heard, Noted):
                self._store.note(heard.statements)
            elif listener is not None:
                self._take(listener, heard, heard_at)
            self._queue.popleft()
            if isinstance(heard, RecordsArrived):
                self._queued_records -= len(heard.records)
        with self._changed:
            due_ms = self._rule.due_at_ms()
            is_due = due_ms is not None and due_ms <= now.boottime_ms
            is_all_taken = not self._queue
            self._is_wanted = not is_all_taken and any(isinstance(heard, HelloHeard) for _, heard, _ in self._queue)
            if is_all_taken and (is_due or self._flushes or self.refusal):
                self._rule.committed()  # all it counted is with the store; what comes from here on counts anew
                is_due = True
        if is_due:
            self._commit(now)
        elif now.boottime_ms >= self._move_at_ms:
            self._tidy(now)
        elif now.boottime_ms >= self._idle_at_ms():
            self._last_commit_ms = now.boottime_ms
            self._store.checkpoint()

    def _take(self, listener: Listener, heard: Heard | PortLetGo, now: HostNow) -> None:
        store = self._store
        if isinstance(heard, PortLetGo):
            with self._changed:
                self._let_go(listener)
            return
        if isinstance(heard, HelloHeard):
            self._reconcile(listener, heard, now)
            return
        uid = self._uids.get(listener)
        if isinstance(heard, TextHeard):
            store.text(listener.path, uid, heard.line, now)
        elif uid is None:
            return  # the port was lost meanwhile; the board still holds what it sent
        elif isinstance(heard, RecordsArrived):
            limit = self._limits.setdefault(uid, DayLimit())
            for piece in pieces(heard, limit.kept(heard.base_ms, heard.records, now.boottime_ms)):
                store.records(uid, piece, now)
        elif isinstance(heard, DescriptionsHeard):
            store.descriptions(uid, heard)
        elif isinstance(heard, UptimeHeard):
            store.uptime(uid, heard, now)
        else:
            store.stat(uid, heard.stat, listener.path, now)

    def _reconcile(self, listener: Listener, heard: HelloHeard, now: HostNow) -> None:
        owner = self._owners.get(heard.hello.uid)
        if owner is not None and owner is not listener:
            listener.deliver(Rejected(heard, _("The same board is in use on {port}.").format(port=owner.path)))
            return
        self._commit(now)
        try:
            linked = self._store.hello(heard.hello, listener.path, now, protocol=heard.protocol)
        except TooManyDevices:
            listener.deliver(Rejected(heard, _("There are too many boards for one bridge.")))
            return
        with self._changed:
            self._let_go(listener)
            self._owners[heard.hello.uid], self._uids[listener] = listener, heard.hello.uid
            self._urgency.describe(listener, linked.descriptions)
        self._last_commit_ms = now.boottime_ms
        # Other hardware is linked under a session number of the store; its port knows the HELLO it asked about.
        listener.deliver(replace(linked, hello=heard.hello))

    def _commit(self, now: HostNow) -> None:
        arrived = self._store.commit()
        self._last_commit_ms = now.boottime_ms
        for uid, next_seq in arrived.items():
            owner = self._owners.get(uid)
            if owner is not None:
                owner.deliver(Committed(next_seq))
        self._store.checkpoint_if_large()

    def _tidy(self, now: HostNow) -> None:
        """Do one bounded step of the hourly work; the next step follows when nothing more urgent waits."""
        if moves.move_some(self._store.conn) or moves.date_some(self._store.conn) or self._thin(now):
            self._store.checkpoint_if_large()
            return
        moves.trim_log(self._store.conn)
        self._store.keep_stats()
        if self._store.has_waiting:
            self._rule.fact_arrived(now.boottime_ms)
        self._move_at_ms = now.boottime_ms + moves.EACH_MS

    def _thin(self, now: HostNow) -> bool:
        return self._thinner is not None and self._thinner.step(now)

    def _let_go(self, listener: Listener) -> None:
        uid = self._uids.pop(listener, None)
        if uid is not None:
            del self._owners[uid]
        self._urgency.forget(listener)

    def _idle_at_ms(self) -> int:
        return self._last_commit_ms + IDLE_CHECKPOINT_MS

    def _finish_flushes(self) -> None:
        with self._changed:
            if self._queue and not self.refusal:
                return
            for done in self._flushes:
                done.set()
            self._flushes.clear()
