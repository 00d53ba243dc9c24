"""Work for the one thread that writes: a bounded queue of batches, each one transaction, each answered.

Not the store and not a thread. Within larder-node only the keeper writes to `market.db`; everybody else hands a job in
and is told what became of it. Owns the rule that a job which fails, fails alone.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from node.errors import N_, LarderError, LocalFault, NotSavedNow
from node.ledger.store import MarketStore, Transaction

# Batches of at most 50 blocks or one row: what is beyond this is refused, and whoever asked asks again.
JOBS_MAX = 64


class Outcome(NamedTuple):
    """What became of a job: what its work returned, or why nothing of it was written."""

    result: Any
    error: Exception | None


class Job(NamedTuple):
    """One transaction to do. `done` is called in the writing thread, once, and must only pass the outcome on."""

    purpose: str
    work: Callable[[Transaction], Any]
    done: Callable[[Outcome], None]


class Jobs:
    """The queue. Any thread hands in; the writing thread takes out."""

    def __init__(self) -> None:
        self._waiting: deque[Job] = deque()
        self._changed = threading.Condition()

    def submit(self, purpose: str, work: Callable[[Transaction], Any], done: Callable[[Outcome], None]) -> bool:
        """Hand a job in; return False where the queue is full, and then `done` is never called."""
        with self._changed:
            if len(self._waiting) >= JOBS_MAX:
                return False
            self._waiting.append(Job(purpose, work, done))
            self._changed.notify_all()
            return True

    def wait(self, within_s: float) -> bool:
        """Wait until there is a job, or for so long; return whether there is one."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._waiting), within_s)

    def do_next(self, store: MarketStore) -> bool:
        """Do the oldest job in one batch and answer it; return False where there was none."""
        job = self._next()
        if job is None:
            return False
        try:
            outcome = Outcome(store.batch(job.purpose, job.work), None)
        except Exception as error:  # noqa: BLE001 - it is told to whoever asked, and the next job has its turn
            outcome = Outcome(None, error)
        job.done(outcome)
        return True

    def refuse_all(self, error: Exception) -> None:
        """Answer everything that waits with this error: nobody can write now."""
        while (job := self._next()) is not None:
            job.done(Outcome(None, error))

    def _next(self) -> Job | None:
        with self._changed:
            return self._waiting.popleft() if self._waiting else None


def do_now(jobs: Jobs, purpose: str, work: Callable[[Transaction], Any], *, within_s: float) -> Any:
    """Hand a job in and wait for it: for a thread with nothing else to do. Never called in the writing thread.

    Returns what `work` returned. Raises what it raised, and NotSavedNow where it was not done in time; it may then
    still be done later, so it must be harmless twice.
    """
    answered = threading.Event()
    outcomes: list[Outcome] = []

    def done(outcome: Outcome) -> None:
        outcomes.append(outcome)
        answered.set()

    if not jobs.submit(purpose, work, done) or not answered.wait(within_s):
        raise NotSavedNow(
            "node.busy", N_("larder-node is busy; this was not saved."), N_("It is tried again by itself.")
        )
    outcome = outcomes[0]
    if outcome.error is not None:
        raise outcome.error
    return outcome.result


def cannot_write(error: Exception) -> LarderError:
    """Return the error of jobs that nobody can do since the writing thread could not start or go on."""
    if isinstance(error, LarderError):
        return error
    return LocalFault("node.writer", N_("Nothing can be written ({reason})."), reason=str(error))
