"""The outbox: how many facts of ours no other market has confirmed. A count, not a table.

Not the sending. What counts is a peer's own word about the stream that we write now; an older stream of ours was
closed before it, and its blocks travel like any others.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from node.ledger.read.members import MEMBERS_MAX


class OwnStream(NamedTuple):
    """The stream that we write now: its sealed blocks and events, and how many facts wait for their signature."""

    stream: bytes
    blocks: int
    events: int
    pending: int


def own_stream(connection: sqlite3.Connection) -> OwnStream:
    """Return where our stream stands."""
    stream, blocks, events = connection.execute(
        "SELECT w.stream, h.blocks, h.events FROM writer w JOIN head h ON h.stream = w.stream WHERE w.id = 1"
    ).fetchone()
    (pending,) = connection.execute("SELECT count(*) FROM pending").fetchone()
    return OwnStream(stream, blocks, events, pending)


def confirmed_blocks(connection: sqlite3.Connection, stream: bytes) -> dict[bytes, int]:
    """Return how many blocks of a stream of ours each market said it has, as the database remembers it."""
    rows = connection.execute(
        "SELECT origin, our_blocks FROM peer_seen WHERE our_stream = ? ORDER BY origin LIMIT ?", (stream, MEMBERS_MAX)
    )
    return dict(rows.fetchall())


def outbox_count(connection: sqlite3.Connection, ours: OwnStream, confirmed: int) -> int:
    """Return how many of our facts nobody else is known to have, where `confirmed` blocks are the most anybody has."""
    if confirmed >= ours.blocks:
        return ours.pending
    row = connection.execute(
        "SELECT first_seq FROM block WHERE stream = ? AND n = ?", (ours.stream, confirmed)
    ).fetchone()
    # A block that is not kept any more was folded long ago; all that is known then is the whole stream.
    first_seq: int = row[0] if row is not None else 0
    return ours.pending + ours.events - first_seq
