"""What the sync driver must know of this node itself, and the two small things it writes about itself.

Not the engine's view. Reads and rows of one database, and the room on its disk.
"""

from __future__ import annotations

import os
import sqlite3
from typing import NamedTuple

from node.ledger.seal import group_id
from node.ledger.store import Transaction
from node.places import Places
from node.sync.effects import FreeSpace

FREE_LOW, FREE_SCARCE = 0.05, 0.15


class Identity(NamedTuple):
    """Who we are: with another group, everything starts anew."""

    me: bytes
    group: bytes


def identity(connection: sqlite3.Connection) -> Identity:
    """Return our origin and our group."""
    (me,) = connection.execute("SELECT origin FROM writer WHERE id = 1").fetchone()
    return Identity(me, group_id(connection))


def current_stream(connection: sqlite3.Connection) -> bytes:
    """Return the stream that we write now."""
    (stream,) = connection.execute("SELECT stream FROM writer WHERE id = 1").fetchone()
    return bytes(stream)


def free_space(places: Places) -> FreeSpace:
    """Return how much room the disk of the market has, as a class."""
    try:
        status = os.statvfs(places.market_db.parent)
    except OSError:
        return FreeSpace.UNKNOWN
    if status.f_blocks <= 0:
        return FreeSpace.UNKNOWN
    free = status.f_bavail / status.f_blocks
    if free < FREE_LOW:
        return FreeSpace.LOW
    return FreeSpace.SCARCE if free < FREE_SCARCE else FreeSpace.PLENTY


def leave_stream(tx: Transaction, *, stream: bytes) -> None:
    """Let the next act open a new stream, since others have more of this one than we do."""
    tx.connection.execute("UPDATE writer SET witness = '' WHERE id = 1 AND stream = ?", (stream,))


def keep_addresses(tx: Transaction, *, origin: bytes, texts: str) -> None:
    """Keep the addresses of a market (a JSON list) in the order in which they are tried."""
    tx.connection.execute("UPDATE peer SET addresses = ? WHERE origin = ?", (texts, origin))
