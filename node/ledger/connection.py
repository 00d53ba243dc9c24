"""`market.db` opened, for reading or writing, with the settings every process must share; its faults put into words.

Not the locks and not a transaction. A reader never writes a byte, and can read a card that takes no writes at all.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

from node.errors import N_, LarderError, LocalFault, NotSavedNow
from node.ledger.ballast import release_ballast
from node.ledger.schema import PAGE_BYTES, SCHEMA_VERSION, schema_version
from node.places import Places

# A WAL of this size is checkpointed after the next commit: 800 pages of 1 KiB with their 24-byte frame headers.
WAL_BYTES_CHECKPOINT = 800 * (PAGE_BYTES + 24)
WAL_BYTES_KEPT = 1024 * 1024
# Our own writers never wait in SQLite (the lock is outside it); this is for foreign tools such as a backup.
BUSY_MS = 2000
STATEMENTS_CACHED = 256


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
    mode = "ro" if is_read_only else "rw"
    try:
        return _checked(places, f"mode={mode}", is_read_only=is_read_only)
    except NotSavedNow as fault:
        if fault.error_id != "disk.read_only" or not is_read_only or not _is_at_rest(places):
            raise
    # A read-only card has no room for the index beside the WAL; at rest, the file alone holds everything.
    return _checked(places, "mode=ro&immutable=1", is_read_only=True)


def _is_at_rest(places: Places) -> bool:
    """Tell whether nobody can be writing: the file system is mounted read-only, and the WAL holds nothing."""
    if not os.statvfs(places.market_db).f_flag & os.ST_RDONLY:
        return False
    try:
        return Path(f"{places.market_db}-wal").stat().st_size == 0
    except FileNotFoundError:
        return True


def _checked(places: Places, options: str, *, is_read_only: bool) -> sqlite3.Connection:
    uri = f"{places.market_db.absolute().as_uri()}?{options}"
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
    if not 0 < version <= SCHEMA_VERSION:  # an older one is migrated by whoever opens the market for writing
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
    # Drafts and classes are dropped when people ask to be forgotten: no byte of them may stay in a free page.
    connection.execute("PRAGMA secure_delete = ON")
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


_OF_THE_DISK = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PROTOCOL,
    }
)


def is_of_the_disk(error: sqlite3.Error) -> bool:
    """Tell whether an error is the disk's or a lock's, and not a mistake in what was asked of the database."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _OF_THE_DISK


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
    if not is_of_the_disk(error):
        raise error  # a mistake of ours (a constraint, wrong SQL), not the disk's
    return NotSavedNow(
        "disk.error",
        N_("The disk reported an error ({reason}); this was not saved."),
        N_("Try again; if it stays, look at the card and at {folder}."),
        reason=str(error),
        folder=folder,
    )
