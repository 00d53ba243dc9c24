"""One writer at a time: two `flock` files beside the database, and the word of who holds them.

Not a database lock. SQLite up to 3.51.2 can corrupt a WAL file when one connection checkpoints while another writes,
so every write transaction and every checkpoint of every process runs under `market.lock`. `market.turn` makes it fair:
staff hold it shared around an action, bulk writers take and drop it exclusively before each batch, so a batch never
overtakes staff who wait. The kernel releases both when a process dies.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from node.errors import N_, NotSavedNow

HOLDER_BYTES = 96
POLL_FIRST_S = 0.0005
POLL_LAST_S = 0.005
SAY_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class LockHolder:
    """Who wrote their name into the lock file last: a process id and what it was doing."""

    pid: int
    purpose: str


@dataclass(slots=True)
class Waiting:
    """How to wait: for how long at most, on which clock, and whom to tell about once a second."""

    wait_s: float
    monotonic_s: Callable[[], float]
    sleep: Callable[[float], None]
    tell: Callable[[LockHolder, float], None] | None = None


class MarketLocks:
    """The two lock files of one market, opened once per process."""

    def __init__(self, lock: Path, turn: Path, waiting: Waiting) -> None:
        self._lock = _opened(lock)
        self._turn = _opened(turn)
        self.waiting = waiting

    def close(self) -> None:
        """Close both files, which releases what is held."""
        os.close(self._lock)
        os.close(self._turn)

    @contextmanager
    def staff(self, purpose: str) -> Iterator[None]:
        """Hold both locks around one staff action. Raises NotSavedNow after the waiting time."""
        began_s = self.waiting.monotonic_s()
        self._take(self._turn, fcntl.LOCK_SH, began_s)
        try:
            with self._exclusive(purpose, began_s):
                yield
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)

    @contextmanager
    def bulk(self, purpose: str) -> Iterator[None]:
        """Hold the lock around one batch, after every staff action that waits now has had its turn."""
        began_s = self.waiting.monotonic_s()
        self._take(self._turn, fcntl.LOCK_EX, began_s)
        fcntl.flock(self._turn, fcntl.LOCK_UN)
        with self._exclusive(purpose, began_s):
            yield

    @contextmanager
    def _exclusive(self, purpose: str, began_s: float) -> Iterator[None]:
        self._take(self._lock, fcntl.LOCK_EX, began_s)
        try:
            # Whose name stands there is a courtesy; on a full disk the lock holds without it.
            with suppress(OSError):
                os.pwrite(self._lock, f"{os.getpid()} {purpose}\n".encode()[:HOLDER_BYTES].ljust(HOLDER_BYTES), 0)
            yield
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)

    def _take(self, descriptor: int, operation: int, began_s: float) -> None:
        pause_s = POLL_FIRST_S
        told_s = 0.0
        while True:
            try:
                fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
                return
            except OSError as error:
                if error.errno not in {errno.EAGAIN, errno.EACCES, errno.EINTR}:
                    raise
            waited_s = self.waiting.monotonic_s() - began_s
            holder = self.holder() if waited_s - told_s >= SAY_EVERY_S or waited_s >= self.waiting.wait_s else None
            if waited_s >= self.waiting.wait_s:
                raise _held(holder, waited_s)
            if holder is not None and self.waiting.tell is not None:
                told_s = waited_s
                self.waiting.tell(holder, waited_s)
            self.waiting.sleep(pause_s)
            pause_s = min(pause_s * 2, POLL_LAST_S)

    def holder(self) -> LockHolder | None:
        """Return who holds the lock, by their own word in the file, or None where nothing was written."""
        pid, _, purpose = os.pread(self._lock, HOLDER_BYTES, 0).decode("utf-8", "replace").strip().partition(" ")
        return LockHolder(int(pid), purpose) if pid.isascii() and pid.isdigit() else None


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
    except OSError as error:
        raise NotSavedNow(
            "lock.unavailable",
            N_("The lock file {path} cannot be opened ({reason})."),
            N_("Check that the disk is not read-only and that you belong to the group of this market."),
            path=str(path),
            reason=error.strerror or "",
        ) from error


def _held(holder: LockHolder | None, waited_s: float) -> NotSavedNow:
    return NotSavedNow(
        "lock.held",
        N_("Not saved: another program (process {pid}, {purpose}) has been writing for {waited} s."),
        N_("Try again; if it goes on, end that process."),
        pid=holder.pid if holder else "?",
        purpose=holder.purpose if holder else "?",
        waited=round(waited_s),
    )
