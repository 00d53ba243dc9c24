"""The one thread of the screen that writes: a queue of actions, taken in order, committed, then reported.

Not a widget and not a rule: an action is a function of `node.actions` with its arguments. Owns invariant 1 for the
screen: an outcome `Saved` is made only after the commit, and an entry that could not be saved is tried again, never
dropped.

Actions that wait together share one transaction, each under its own savepoint, so that one refusal does not touch the
others. Reports are handed to `deliver`, which must bring them to the thread that draws.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeVar

from node.clock import monotonic_s
from node.errors import N_, LarderError, LocalFault, NotSavedNow, Refused
from node.language import _
from node.ledger.connection import is_of_the_disk
from node.ledger.locks import LockHolder
from node.ledger.store import MarketStore, Transaction

QUEUE_ACTIONS_MAX = 100  # a full queue refuses the next entry with words
GROUP_ACTIONS_MAX = 20  # one scanner burst; a commit on a slow card may take 500 ms
RETRY_PAUSE_S = 1.0  # between two tries of an entry that could not be saved
CLOSE_WAIT_S = 10.0  # how long quitting waits for what is queued
SAY_SLOW_S = 0.3
SAY_HOLDER_S = 2.0
SAY_OTHER_S = 5.0
SAY_NOT_SAVED_S = 30.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Saved:
    """The commit has happened; `value` is what the action returned."""

    value: object


@dataclass(frozen=True, slots=True)
class Declined:
    """A rule said no, or something of ours is broken. Nothing was written, and it is not tried again."""

    error: LarderError


Outcome = Saved | Declined


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """One action to be written. `label` names it to a person; `replaces` marks a draft: only the newest one counts."""

    label: str
    work: Callable[[Transaction], object]
    done: Callable[[Outcome], None]
    replaces: str | None = None
    queued_at_s: float = field(default_factory=monotonic_s)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits to be saved: how many entries, since when the oldest, and what stands in the way."""

    count: int
    oldest_s: float
    holder: LockHolder | None
    fault: NotSavedNow | None


class Phase(Enum):
    """Whether the thread is wanted."""

    RUNNING = "running"
    CLOSING = "closing"  # the queue is still emptied
    ENDED = "ended"  # what is left stays unsaved


class Writer:
    """Own the writing connection of this process. `submit` from the drawing thread; outcomes come through `deliver`."""

    def __init__(
        self,
        open_store: Callable[[Callable[[LockHolder, float], None]], MarketStore],
        deliver: Callable[[Callable[[], None]], None],
    ) -> None:
        self._open_store = open_store
        self._deliver = deliver
        self._waiting: deque[Job] = deque()
        self._in_hand: list[Job] = []
        self._changed = threading.Condition()
        self._phase = Phase.RUNNING
        self._holder: LockHolder | None = None
        self._fault: NotSavedNow | None = None
        self._thread = threading.Thread(target=self._run, name="market-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue one action. Raises Refused where 100 wait already, or where the screen is closing."""
        with self._changed:
            if job.replaces is not None:
                self._waiting = deque(other for other in self._waiting if other.replaces != job.replaces)
            if len(self._waiting) + len(self._in_hand) >= QUEUE_ACTIONS_MAX or self._phase is not Phase.RUNNING:
                raise Refused(
                    "writer.full",
                    N_("{count} entries wait to be saved already; this one was not taken."),
                    N_("Wait until the line says saved, then enter it again."),
                    count=len(self._waiting) + len(self._in_hand),
                )
            self._waiting.append(job)
            self._changed.notify_all()

    def backlog(self) -> Backlog:
        """Say what is not saved yet. Drafts do not count: nobody waits for them."""
        with self._changed:
            entries = [job for job in (*self._in_hand, *self._waiting) if job.replaces is None]
            oldest_s = monotonic_s() - entries[0].queued_at_s if entries else 0.0
            return Backlog(len(entries), oldest_s, self._holder, self._fault)

    def close(self, wait_s: float = CLOSE_WAIT_S) -> list[str]:
        """Empty the queue for at most `wait_s`, end the thread and return the labels of what is not saved."""
        with self._changed:
            if self._phase is Phase.RUNNING:
                self._phase = Phase.CLOSING
            self._changed.notify_all()
        self._thread.join(wait_s)
        with self._changed:
            self._phase = Phase.ENDED
            self._changed.notify_all()
            return [job.label for job in (*self._in_hand, *self._waiting) if job.replaces is None]

    def _run(self) -> None:
        store: MarketStore | None = None
        try:
            while (group := self._next_group()) is not None:
                try:
                    store = store or self._open_store(self._lock_is_held)
                    outcomes = _write(store, group)
                except NotSavedNow as error:
                    self._put_back(error)
                except LarderError as error:
                    self._finish([(job, Declined(error)) for job in group])
                except Exception as error:  # noqa: BLE001 - the thread that saves outlives any fault; the store rolled back
                    self._finish([(job, Declined(unexpected(error))) for job in group])
                else:
                    self._finish(outcomes)
                    self._tidy(store)
        finally:
            if store is not None:
                _close(store)

    def _next_group(self) -> list[Job] | None:
        with self._changed:
            while not self._waiting and self._phase is Phase.RUNNING:
                self._changed.wait()
            if not self._waiting or self._phase is Phase.ENDED:
                return None
            self._in_hand = [self._waiting.popleft() for _n in range(min(GROUP_ACTIONS_MAX, len(self._waiting)))]
            return self._in_hand

    def _put_back(self, error: NotSavedNow) -> None:
        with self._changed:
            self._fault = error
            self._waiting.extendleft(reversed(self._in_hand))
            self._in_hand = []
            self._changed.wait_for(lambda: self._phase is Phase.ENDED, RETRY_PAUSE_S)

    def _finish(self, outcomes: list[tuple[Job, Outcome]]) -> None:
        with self._changed:
            self._in_hand = []
            self._holder = self._fault = None
            self._changed.notify_all()
        for job, outcome in outcomes:
            self._deliver(lambda job=job, outcome=outcome: job.done(outcome))  # type: ignore[misc]

    def _lock_is_held(self, holder: LockHolder, _waited_s: float) -> None:
        with self._changed:
            self._holder = holder

    def _tidy(self, store: MarketStore) -> None:
        """Keep the write-ahead log short while no daemon runs that does it. What is saved is safe either way."""
        with self._changed:
            if self._waiting:
                return
        try:
            store.checkpoint_if_due()
        except LarderError as error:
            if isinstance(error, NotSavedNow):
                return  # tried again after the next action
            with self._changed:
                self._fault = NotSavedNow(error.error_id, error.message, error.hint, **error.values)


def _write(store: MarketStore, group: list[Job]) -> list[tuple[Job, Outcome]]:
    """Commit a group in one transaction. Raises NotSavedNow or LocalFault, and then nothing of it is written."""

    def all_of_them(transaction: Transaction) -> list[tuple[Job, Outcome]]:
        return [(job, _one(transaction, job)) for job in group]

    return store.act(_("screen: {what}").format(what=group[0].label), all_of_them)


def _one(transaction: Transaction, job: Job) -> Outcome:
    try:
        with transaction.savepoint():
            return Saved(job.work(transaction))
    except NotSavedNow:
        raise  # not the entry: the group is tried again
    except sqlite3.Error as error:
        if is_of_the_disk(error):
            raise  # the store says it in words
        return Declined(unexpected(error))
    except LarderError as error:
        return Declined(error)
    except Exception as error:  # noqa: BLE001 - one faulty action must not end the thread that saves the others
        return Declined(unexpected(error))


def unexpected(error: Exception) -> LocalFault:
    """Put a fault of the program itself into words; the error stays its cause, for the report at the end."""
    fault = LocalFault(
        "screen.unexpected",
        N_("Something inside went wrong ({kind}); nothing was changed by it."),
        N_("Try again. Quit with Ctrl+Q to see the details."),
        kind=type(error).__name__,
    )
    fault.__cause__ = error
    return fault


def _close(store: MarketStore) -> None:
    try:
        store.close()
    except NotSavedNow:
        return  # the lock is held by another program: closing without the last checkpoint loses nothing
