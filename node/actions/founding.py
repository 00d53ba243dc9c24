"""Make a market: its folders, its key, its database, its group of one.

Not a restore and not a pairing. Safe to kill anywhere: the database gets its name last, a key that is there is kept.
"""

from __future__ import annotations

import os
import sqlite3

from node.actions.checks import NAME_CHARACTERS_MAX, checked_words
from node.clock import Moment
from node.domain.lots import Dot
from node.domain.words import StreamPurpose, StreamReason
from node.errors import N_, NotSavedNow, Refused
from node.ledger.append import write_pending
from node.ledger.ballast import make_ballast
from node.ledger.connection import connect, storage_fault
from node.ledger.events import ROLE_MARKET, ROLE_STEWARD, Event, MemberEnrolled
from node.ledger.fold import fold
from node.ledger.items import insert_starter_items
from node.ledger.keys import NodeKey, load_key, make_key
from node.ledger.names import NONCE_BYTES, group_of, origin_of
from node.ledger.read import MarketFacts, market
from node.ledger.schema import PAGE_BYTES, migrate
from node.ledger.seal import seal
from node.ledger.store import Transaction
from node.ledger.streams import keep_roster_writer, opened
from node.ledger.versions import keep_fold_version
from node.places import Places

_GROUP_FOLDER_MODE = 0o2770
_CLOSED_FOLDER_MODE = 0o700
_FILE_MODE = 0o660


def create_market(places: Places, *, name: str, moment: Moment) -> MarketFacts:
    """Make a market in a folder and return who it is. Raises Refused where there is one already."""
    words = checked_words(name, field="name", characters_max=NAME_CHARACTERS_MAX)
    if places.market_db.exists():
        raise Refused(
            "market.exists",
            N_("There is a market in {folder} already."),
            N_("Open it with: larder tui"),
            folder=str(places.root),
        )
    try:
        _make_folders(places)
        key = load_key(places.node_key) if places.node_key.exists() else make_key(places.node_key)
        _make_database(places, words, moment, key)
        make_ballast(places)
    except OSError as error:
        raise NotSavedNow(
            "market.not_made",
            N_("The market could not be made in {folder} ({reason})."),
            N_("Check the disk and your rights there, then run the same command again."),
            folder=str(places.root),
            reason=error.strerror or str(error),
        ) from error
    except sqlite3.Error as error:
        raise storage_fault(error, places) from error
    connection = connect(places, is_read_only=True)
    try:
        return market(connection)
    finally:
        connection.close()


def _make_folders(places: Places) -> None:
    places.root.mkdir(parents=True, exist_ok=True)
    for folder in (places.market_db.parent, places.telemetry_db.parent, places.run):
        folder.mkdir(exist_ok=True)
        folder.chmod(_GROUP_FOLDER_MODE)
    for lock in (places.market_lock, places.market_turn):
        lock.touch()
        lock.chmod(_FILE_MODE)
    places.node_key.parent.mkdir(exist_ok=True, mode=_CLOSED_FOLDER_MODE)


def _make_database(places: Places, name: str, moment: Moment, key: NodeKey) -> None:
    unfinished = places.market_db.with_suffix(".new")
    for leftover in places.market_db.parent.glob(f"{unfinished.name}*"):
        leftover.unlink()
    connection = sqlite3.connect(unfinished, isolation_level=None)
    try:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        migrate(connection)
        status = unfinished.stat()
        witness = f"{moment.boot_id}/{status.st_dev}:{status.st_ino}"
        connection.execute("BEGIN IMMEDIATE")
        _found(Transaction(connection, moment, witness), name, key)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.close()
    unfinished.chmod(_FILE_MODE)
    unfinished.rename(places.market_db)
    folder = os.open(places.market_db.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _found(tx: Transaction, name: str, key: NodeKey) -> None:
    """Write the founding facts: a roster stream that enrols this key, a market stream, both sealed at once."""
    origin, nonce = origin_of(key.public_key), os.urandom(NONCE_BYTES)
    group = group_of(key.public_key, nonce)
    settings = {"name": name, "group_id": group, "founder": origin, "public_key": key.public_key}
    tx.connection.executemany("INSERT INTO setting (key, value) VALUES (?, ?)", settings.items())
    keep_fold_version(tx.connection)
    insert_starter_items(tx.connection)
    clock = int(tx.moment.quality)
    hlc = tx.moment.wall_ms
    roster, opening = _opened(tx, origin, StreamPurpose.ROSTER, hlc)
    enrolment = MemberEnrolled(key.public_key, name, ROLE_MARKET | ROLE_STEWARD, nonce, None, [])
    enrolled = Event(Dot(roster, 1), hlc + 1, 0, enrolment)
    stream, first = _opened(tx, origin, StreamPurpose.MARKET, hlc + 2)
    for event in (opening, enrolled, first):
        write_pending(tx, event)
        fold(tx.connection, event, member=origin, clock=clock)
    tx.connection.execute(
        "INSERT INTO writer (id, origin, stream, witness) VALUES (1, ?, ?, ?)",
        (origin, stream, tx.witness),
    )
    keep_roster_writer(tx.connection, roster, tx.witness)
    seal(tx, key, blocks_max=2)


def _opened(tx: Transaction, origin: bytes, purpose: StreamPurpose, hlc: int) -> tuple[bytes, Event]:
    writer, event = opened(
        tx.connection,
        origin=origin,
        hlc=hlc,
        witness=tx.witness,
        purpose=purpose,
        reason=StreamReason.FIRST_START,
    )
    return writer.stream, event
