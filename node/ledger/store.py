"""`market.db` opened for writing: one connection, the two locks, FULL commits, checkpoints made by hand.

Not what is written: that is `append` and the actions. Owns invariant 1 on this file: `act` returns only after its
commit with `synchronous=FULL`, and an error leaves nothing half-written.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from node import clock
from node.errors import N_, LarderError, LocalFault, NotSavedNow
from node.ledger.ballast import release_ballast
from node.ledger.locks import LockHolder, MarketLocks, Waiting
from node.ledger.schema import PAGE_BYTES, SCHEMA_VERSION, schema_version
from node.places import Places

LOCK_WAIT_S = 30.0
# A WAL of this size is checkpointed after the next commit: 800 pages of 1 KiB with their 24-byte frame headers.
WAL_BYTES_CHECKPOINT = 800 * (PAGE_BYTES + 24)
WAL_BYTES_KEPT = 1024 * 1024
# Our own writers never wait in SQLite (the lock is outside it); this is for foreign tools such as a backup.
BUSY_MS = 2000
STATEMENTS_CACHED = 256

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
        """Close the connection under the lock, since SQLite checkpoints when the last one closes."""
        try:
            with self._locks.bulk("close"):
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


def connect(places: Places, *, is_read_only: bool) -> sqlite3.Connection:
    """Open `market.db` with the settings every process must share; checks that the schema is one we know.

    Even a reader needs room for the index beside the WAL, so a full disk is answered here, too, by giving up the
    ballast file once. Raises LocalFault (missing, newer, damaged) or NotSavedNow (full, read-only).
    """
    try:
        return _connect(places, is_read_only=is_read_only)
    except NotSavedNow as fault:
        if fault.error_id != "disk.full" or not release_ballast(places):
            raise
    return _connect(places, is_read_only=is_read_only)


def _connect(places: Places, *, is_read_only: bool) -> sqlite3.Connection:
    if not places.market_db.exists():
        raise LocalFault(
            "market.missing",
            N_("There is no market in {folder}."),
            N_("Make one with: larder init --name NAME"),
            folder=str(places.root),
        )
    uri = f"{places.market_db.absolute().as_uri()}?mode={'ro' if is_read_only else 'rw'}"
    try:
        connection = sqlite3.connect(
            uri, uri=True, isolation_level=None, timeout=BUSY_MS / 1000, cached_statements=STATEMENTS_CACHED
        )
    except sqlite3.Error as error:
        raise storage_fault(error, places) from error
    try:
        _set_up(connection, is_read_only=is_read_only)
        version = schema_version(connection)
    except sqlite3.Error as error:
        connection.close()
        raise storage_fault(error, places) from error
    if version != SCHEMA_VERSION:
        connection.close()
        raise _schema_fault(version)
    return connection


def _set_up(connection: sqlite3.Connection, *, is_read_only: bool) -> None:
    connection.execute("PRAGMA trusted_schema = OFF")
    if is_read_only:
        connection.execute("PRAGMA query_only = ON")
        return
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")


def _schema_fault(version: int) -> LocalFault:
    if version > SCHEMA_VERSION:
        return LocalFault(
            "market.newer",
            N_("This market was written by newer software (schema {found}, known here {known})."),
            N_("Update Larder on this computer; nothing was changed."),
            found=version,
            known=SCHEMA_VERSION,
        )
    return LocalFault(
        "market.unfinished",
        N_("The market's database was never finished (schema {found})."),
        N_("Move the folder aside and run larder init again."),
        found=version,
    )


def storage_fault(error: sqlite3.Error, places: Places) -> LarderError:
    """Put an SQLite error into words: the disk, a lock, damage. Raises it again where it is a mistake of ours."""
    extended = getattr(error, "sqlite_errorcode", 0)
    code = extended & 0xFF
    folder = str(places.market_db.parent)
    # SHMSIZE: no room for the index beside the WAL. SQLite calls it an I/O error, a person calls it a full disk.
    if code == sqlite3.SQLITE_FULL or extended == sqlite3.SQLITE_IOERR_SHMSIZE:
        return NotSavedNow(
            "disk.full",
            N_("The disk is full; this was not saved."),
            N_("Free space in {folder}, then try again. What was saved before is safe."),
            reason=os.strerror(errno.ENOSPC),
            folder=folder,
        )
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
        return NotSavedNow(
            "disk.read_only",
            N_("The disk does not take writes ({reason}); this was not saved."),
            N_("Check the card and the rights of {folder}, then try again."),
            reason=str(error),
            folder=folder,
        )
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return LocalFault(
            "market.damaged",
            N_("The market's database is damaged ({reason})."),
            N_("Keep {folder} as it is and put back the last backup beside it."),
            reason=str(error),
            folder=folder,
        )
    if code not in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}:
        raise error  # a mistake of ours (a constraint, wrong SQL), not the disk's
    return NotSavedNow(
        "disk.error",
        N_("The disk reported an error ({reason}); this was not saved."),
        N_("Try again; if it stays, look at the card and at {folder}."),
        reason=str(error),
        folder=folder,
    )
