"""The file telemetry.db and the lock beside it: who may write, what is damaged, what is too new.

Not the tables. A damaged file is moved aside with a number and never deleted; a file of a newer version is never
touched. LINK section 8, OPS sections 3 and 4.
"""

import fcntl
import os
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.errors import LocalFault
from firmware_bridge.language import _
from firmware_bridge.store.schema import PAGE_BYTES, prepare
from firmware_bridge.store.version import SCHEMA_VERSION

FILE_MODE = 0o660  # readers of the group must be able to use -wal and -shm, which take this mode (OPS section 3)
FOLDER_MODE = 0o2770  # setgid, so that the group goes on to what SQLite makes (OPS section 3)
BUSY_MS = 100  # a reader recovering a WAL holds its locks for moments; nobody else writes
JOURNAL_BYTES_MAX = 1024 * 1024  # OPS section 4
MOVED_ASIDE_MAX = 1000  # numbers tried for a damaged file; so many would fill the card long before


@dataclass(frozen=True, slots=True)
class Opened:
    """An open store; moved_to names the damaged file that was put aside, if any."""

    conn: sqlite3.Connection
    moved_to: str | None


def make_folder(folder: Path) -> None:
    """Make a folder that the group shares. Raises OSError."""
    if not folder.is_dir():
        folder.mkdir(parents=True)
        folder.chmod(FOLDER_MODE)


def take_lock(path: Path) -> int:
    """Take the lock that lets one bridge write, for as long as this process lives; returns its descriptor.

    Raises LocalFault when another bridge holds it, OSError when the file cannot be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 64).decode("ascii", "replace").strip()
        os.close(descriptor)
        raise LocalFault(
            "bridge.second",
            _("Another bridge is already writing this folder (process {pid}).").format(pid=holder or "?"),
            _("Stop it first, or use it: one bridge reads all ports."),
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
    return descriptor


def open_store(path: Path) -> Opened:
    """Open telemetry.db for writing, made or migrated as needed; the caller holds the lock.

    Raises LocalFault (newer version), sqlite3.Error or OSError (disk full, read-only, no permission).
    """
    try:
        return Opened(_open(path), None)
    except sqlite3.DatabaseError as error:
        if not _is_damage(error):
            raise
    moved_to = _move_aside(path)
    return Opened(_open(path), moved_to)


def is_ready(path: Path) -> bool:
    """Say whether the file has all tables of this version; a missing or damaged one has not."""
    if not path.exists():
        return False
    try:
        conn = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            return bool(conn.execute("pragma user_version").fetchone()[0] == SCHEMA_VERSION)
        finally:
            conn.close()
    except sqlite3.Error:
        return False


def wal_bytes(path: Path) -> int:
    """Return the size of the write-ahead log, 0 when there is none."""
    try:
        return path.with_name(path.name + "-wal").stat().st_size
    except FileNotFoundError:
        return 0


def _open(path: Path) -> sqlite3.Connection:
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))
        path.chmod(FILE_MODE)  # whatever the umask says
    conn = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_MS / 1000)
    try:
        version = conn.execute("pragma user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise LocalFault(
                "telemetry.newer",
                _("telemetry.db was written by a newer Larder (version {found}, this one knows {known}).").format(
                    found=version, known=SCHEMA_VERSION
                ),
                _("Install the newer Larder again, or move the file away to start a new one."),
            )
        _check_intact(conn)
        conn.execute(f"pragma page_size = {PAGE_BYTES}")
        conn.execute("pragma journal_mode = wal")
        conn.execute("pragma synchronous = full")
        conn.execute("pragma wal_autocheckpoint = 0")
        conn.execute("pragma secure_delete = off")  # nothing private is here; zeroing what goes wears the card out
        conn.execute(f"pragma journal_size_limit = {JOURNAL_BYTES_MAX}")
        prepare(conn)
    except BaseException:
        conn.close()
        raise
    return conn


def _check_intact(conn: sqlite3.Connection) -> None:
    finding = conn.execute("pragma quick_check(1)").fetchone()[0]
    if finding != "ok":
        raise sqlite3.DatabaseError(f"database disk image is malformed: {finding}")


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Say whether the file itself is broken: not a database, or malformed. A full or read-only disk is not damage."""
    if isinstance(error, sqlite3.OperationalError | sqlite3.ProgrammingError | sqlite3.NotSupportedError):
        return False
    text = str(error)
    return "not a database" in text or "malformed" in text


def _move_aside(path: Path) -> str:
    for number in range(1, MOVED_ASIDE_MAX):
        target = path.with_name(f"{path.name}.damaged-{number}")
        if not target.exists():
            break
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(target.with_name(target.name + suffix))
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return target.name
