"""The thread that owns telemetry.db: takes what ports heard, commits it by the rule, tells what may be acknowledged.

Not the ports and not the tables. One thread, one connection. Owns, for the process, that nothing is lost while the disk
refuses: what waits keeps waiting, new frames stay unacknowledged, and the state says why. LINK sections 3, 4 and 8.
"""

import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from firmware_bridge.clock import HostNow
from firmware_bridge.language import _
from firmware_bridge.link.events import (
    DescriptionsHeard,
    HelloHeard,
    RecordsArrived,
    StatHeard,
    TextHeard,
    UptimeHeard,
)
from firmware_bridge.link.messages import FLAG_EVENT, STATUS_FAULT
from firmware_bridge.store import moves
from firmware_bridge.store.commit_rule import INTERVAL_MS_DEFAULT, CommitRule
from firmware_bridge.store.descriptions import Description
from firmware_bridge.store.quality import to_milli
from firmware_bridge.store.store import Linked, Store, TooManyDevices

QUEUE_EVENTS_MAX = 4_096  # of all ports together; beyond it records stay on the board, all else is dropped
RETRY_FIRST_MS, RETRY_MAX_MS = 250, 5_000  # while the disk refuses
BOUND_MILLI_MAX = 10**12  # beyond any unit a board may name
IDLE_CHECKPOINT_MS = 60_000  # so long without a commit: bring the log into the file (OPS section 4)

Heard = HelloHeard | RecordsArrived | DescriptionsHeard | UptimeHeard | StatHeard | TextHeard


@dataclass(frozen=True, slots=True)
class Committed:
    """Everything before next_seq (unbounded) of the port's board is on disk."""

    next_seq: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """The board must not be used on this port; `reason` is for a person."""

    hello: HelloHeard
    reason: str


Reply = Linked | Committed | Rejected


class Listener(Protocol):
    """A port as the writer sees it."""

    @property
    def path(self) -> str: ...

    def deliver(self, reply: Reply) -> None:
        """Take a reply; called on the writer's thread, must not block."""


@dataclass(frozen=True, slots=True)
class AlarmBounds:
    """Beyond these a value of the channel with this name is committed at once; thousandths of its unit."""

    above: dict[str, int]
    below: dict[str, int]

    def is_beyond(self, description: Description, raw: int) -> bool:
        """Say whether a raw value lies beyond a bound of its channel."""
        milli = to_milli(raw, description.exp10)
        if milli is None:
            return False
        above, below = self.above.get(description.name), self.below.get(description.name)
        return (above is not None and milli > above) or (below is not None and milli < below)


NO_BOUNDS = AlarmBounds({}, {})


class Writer(threading.Thread):
    """Serve one store. Ends only by `stop` or by a fault that no retry can mend, which is then in `failure`."""

    def __init__(
        self,
        store: Store,
        now: Callable[[], HostNow],
        *,
        interval_ms: int = INTERVAL_MS_DEFAULT,
        bounds: AlarmBounds = NO_BOUNDS,
    ) -> None:
        super().__init__(name="writer", daemon=True)
        self.failure: Exception | None = None
        self.refusal = ""
        self._store = store
        self._now = now
        self._bounds = bounds
        self._rule = CommitRule(interval_ms=interval_ms)
        self._queue: deque[tuple[Listener, Heard, HostNow]] = deque()
        self._changed = threading.Condition()
        self._owners: dict[bytes, Listener] = {}
        self._is_stopping = False
        self._flushes: list[threading.Event] = []
        self._retry_at_ms: int | None = None
        self._retries = 0
        self._move_at_ms = 0
        self._last_commit_ms = 0

    @property
    def is_accepting(self) -> bool:
        """Say whether records may be taken; when not, they stay unacknowledged on their boards."""
        return not self.refusal and len(self._queue) < QUEUE_EVENTS_MAX and self.failure is None

    @property
    def records_waiting(self) -> int:
        """Return how many records wait for a commit, about."""
        return self._store.records_waiting

    def submit(self, listener: Listener, heard: Heard) -> None:
        """Hand over what a port heard. Never blocks; beyond the limit text and counters are dropped."""
        with self._changed:
            if len(self._queue) >= QUEUE_EVENTS_MAX and isinstance(heard, TextHeard | StatHeard | UptimeHeard):
                return
            self._queue.append((listener, heard, self._now()))
            self._changed.notify()

    def release(self, listener: Listener) -> None:
        """Note that a port lost its board, so that the board may appear on another port."""
        with self._changed:
            for uid in [uid for uid, owner in self._owners.items() if owner is listener]:
                del self._owners[uid]

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
            now_ms = self._now().boottime_ms
            if self._is_stopping or self._flushes or (self._queue and self._retry_at_ms is None):
                return
            if self._retry_at_ms is not None:
                due_ms = self._retry_at_ms
            else:
                due_ms = min(self._rule.due_at_ms() or self._idle_at_ms(), self._move_at_ms)
            if due_ms > now_ms:
                self._changed.wait((due_ms - now_ms) / 1000)

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
        while self._queue:
            listener, heard, heard_at = self._queue[0]
            self._take(listener, heard, heard_at)
            self._queue.popleft()
            due_ms = self._rule.due_at_ms()
            if due_ms is not None and due_ms <= heard_at.boottime_ms:
                self._commit(now)
        due_ms = self._rule.due_at_ms()
        if due_ms is not None and (due_ms <= now.boottime_ms or self._flushes or self.refusal):
            self._commit(now)
        elif now.boottime_ms >= self._move_at_ms:
            self._tidy(now)
        elif now.boottime_ms >= self._idle_at_ms():
            self._last_commit_ms = now.boottime_ms
            self._store.checkpoint()

    def _take(self, listener: Listener, heard: Heard, now: HostNow) -> None:
        store = self._store
        if isinstance(heard, HelloHeard):
            self._reconcile(listener, heard, now)
            return
        uid = next((uid for uid, owner in self._owners.items() if owner is listener), None)
        if isinstance(heard, TextHeard):
            store.text(listener.path, uid, heard.line, now)
            self._rule.fact_arrived(now.boottime_ms)
            return
        if uid is None:
            return  # the port was lost meanwhile; the board still holds what it sent
        if isinstance(heard, RecordsArrived):
            taken = store.records(uid, heard, now)
            is_urgent = any(self._is_urgent(*record) for record in taken)
            self._rule.records_arrived(listener.path, len(heard.records), now.boottime_ms, is_urgent=is_urgent)
        elif isinstance(heard, DescriptionsHeard):
            store.descriptions(uid, heard)
            self._rule.fact_arrived(now.boottime_ms)
        elif isinstance(heard, UptimeHeard):
            store.uptime(uid, heard, now)
            self._rule.fact_arrived(now.boottime_ms)
        else:
            store.stat(uid, heard.stat, listener.path, now)

    def _is_urgent(self, status: int, raw: int, description: Description | None) -> bool:
        if status & STATUS_FAULT:
            return True
        if description is None:
            return False
        return bool(description.flags & FLAG_EVENT) or self._bounds.is_beyond(description, raw)

    def _reconcile(self, listener: Listener, heard: HelloHeard, now: HostNow) -> None:
        owner = self._owners.get(heard.hello.uid)
        if owner is not None and owner is not listener:
            listener.deliver(Rejected(heard, _("The same board is in use on {port}.").format(port=owner.path)))
            return
        self._commit(now)
        try:
            linked = self._store.hello(heard.hello, listener.path, now)
        except TooManyDevices:
            listener.deliver(Rejected(heard, _("There are too many boards for one bridge.")))
            return
        with self._changed:
            for uid in [uid for uid, known in self._owners.items() if known is listener]:
                del self._owners[uid]
            self._owners[heard.hello.uid] = listener
        self._last_commit_ms = now.boottime_ms
        listener.deliver(linked)

    def _commit(self, now: HostNow) -> None:
        arrived = self._store.commit()
        self._rule.committed()
        self._last_commit_ms = now.boottime_ms
        for uid, next_seq in arrived.items():
            owner = self._owners.get(uid)
            if owner is not None:
                owner.deliver(Committed(next_seq))
        self._store.checkpoint_if_large()

    def _tidy(self, now: HostNow) -> None:
        """Do one bounded step of the hourly work; the next step follows when nothing more urgent waits."""
        if moves.move_some(self._store.conn) or moves.date_some(self._store.conn):
            self._store.checkpoint_if_large()
            return
        moves.trim_log(self._store.conn)
        self._store.keep_stats()
        if self._store.has_waiting:
            self._rule.fact_arrived(now.boottime_ms)
        self._move_at_ms = now.boottime_ms + moves.EACH_MS

    def _idle_at_ms(self) -> int:
        return self._last_commit_ms + IDLE_CHECKPOINT_MS

    def _finish_flushes(self) -> None:
        with self._changed:
            if self._queue and not self.refusal:
                return
            for done in self._flushes:
                done.set()
            self._flushes.clear()


def milli_from_text(text: str) -> int:
    """Read a number of at most 3 decimals as a person types it, as thousandths. Raises ValueError."""
    try:
        milli = Decimal(text.replace(",", ".")) * 1000
        is_whole = abs(milli) < BOUND_MILLI_MAX and milli == milli.to_integral_value()
    except ArithmeticError as error:
        raise ValueError(text) from error
    if not is_whole:
        raise ValueError(text)
    return int(milli)
