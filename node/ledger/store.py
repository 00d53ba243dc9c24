"""`market.db` opened for writing: one connection, the two locks, FULL commits, checkpoints made by hand.

Not what is written: that is `append` and the actions. Owns invariant 1 on this file: `act` returns only after its
commit with `synchronous=FULL`, and an error leaves nothing half-written.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from node import clock
from node.errors import LarderError, NotSavedNow
from node.ledger.ballast import release_ballast
from node.ledger.connection import WAL_BYTES_CHECKPOINT, connect, storage_fault
from node.ledger.locks import LockHolder, MarketLocks, Waiting
from node.places import Places

LOCK_WAIT_S = 30.0
CLOSE_WAIT_S = 1.0

T = TypeVar("T")


@dataclass(slots=True)
class Transaction:
    """An open write transaction: the connection, and the moment at which it began."""

    connection: sqlite3.Connection
    moment: clock.Moment
    witness: str
    _depth: int = field(default=0)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Let what is inside fail alone: its writes are taken back, the transaction goes on."""
        self._depth += 1
        name = f"part_{self._depth}"
        self.connection.execute(f"SAVEPOINT {name}")
        try:
            yield
        except BaseException:
            self.connection.execute(f"ROLLBACK TO {name}")
            raise
        finally:
            self.connection.execute(f"RELEASE {name}")
            self._depth -= 1


class MarketStore:
    """The one way to write to `market.db`. Belongs to one thread; a process that holds it never forks."""

    def __init__(self, places: Places, connection: sqlite3.Connection, locks: MarketLocks) -> None:
        self._places = places
        self._connection = connection
        self._locks = locks
        self._wal = Path(f"{places.market_db}-wal")
        self._file = str(places.market_db)

    @staticmethod
    def open(
        places: Places,
        *,
        lock_wait_s: float = LOCK_WAIT_S,
        on_wait: Callable[[LockHolder, float], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> MarketStore:
        """Open the market for writing. Raises LocalFault (missing, newer, damaged) or NotSavedNow (read-only)."""
        connection = connect(places, is_read_only=False)
        try:
            locks = MarketLocks(
                places.market_lock,
                places.market_turn,
                Waiting(wait_s=lock_wait_s, monotonic_s=clock.monotonic_s, sleep=sleep, tell=on_wait),
            )
        except LarderError:
            connection.close()
            raise
        return MarketStore(places, connection, locks)

    @property
    def reader(self) -> sqlite3.Connection:
        """Return the connection for reads of the thread that owns this store; never write through it."""
        return self._connection

    def act(self, purpose: str, work: Callable[[Transaction], T]) -> T:
        """Run one staff action in one transaction and return its result once it is on the disk.

        A full disk is answered once by giving up the ballast file. Raises what `work` raises, with nothing written;
        NotSavedNow where the lock is held for too long or the disk refuses.
        """
        with self._locks.staff(purpose):
            try:
                return self._run(work)
            except sqlite3.Error as error:
                fault = storage_fault(error, self._places)
                if fault.error_id != "disk.full" or not release_ballast(self._places):
                    raise fault from error
            try:
                self._checkpoint()
                return self._run(work)
            except sqlite3.Error as error:
                raise storage_fault(error, self._places) from error

    def batch(self, purpose: str, work: Callable[[Transaction], T]) -> T:
        """Run one batch of bulk work (about 20 ms) after the staff who wait. Raises like `act`."""
        with self._locks.bulk(purpose):
            try:
                return self._run(work)
            except sqlite3.Error as error:
                raise storage_fault(error, self._places) from error

    def checkpoint_if_due(self, *, is_idle: bool = False) -> bool:
        """Move the WAL into the database where it has grown, or at idle; return whether it was tried."""
        try:
            size = self._wal.stat().st_size
        except FileNotFoundError:
            return False
        if size == 0 or (size < WAL_BYTES_CHECKPOINT and not is_idle):
            return False
        with self._locks.bulk("checkpoint"):
            try:
                self._checkpoint()
            except sqlite3.Error as error:
                raise storage_fault(error, self._places) from error
        return True

    def close(self) -> None:
        """Close the connection under the lock, since SQLite checkpoints when the last one closes.

        Waits for it a second at most. Without it the close is safe as well: whoever holds the lock has the database
        open, so this is not the last connection, and the last one checkpoints only while SQLite lets nobody else in.
        """
        self._locks.waiting.wait_s = min(self._locks.waiting.wait_s, CLOSE_WAIT_S)
        try:
            with self._locks.bulk("close"):
                self._connection.close()
        except NotSavedNow:
            self._connection.close()
        finally:
            self._locks.close()

    def _run(self, work: Callable[[Transaction], T]) -> T:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(Transaction(self._connection, clock.now(), self._witness()))
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return result

    def _checkpoint(self) -> None:
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def _witness(self) -> str:
        """Say under which boot and in which file we write: another one means the stream may not go on."""
        status = os.stat(self._file)  # noqa: PTH116 - on the path of every sale
        return f"{clock.boot_id()}/{status.st_dev}:{status.st_ino}"
