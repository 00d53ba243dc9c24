"""What a retirement does to stored blocks: beyond the cutoff they go aside, and the tables are made without them.

Not the right to retire (`roster`). Owns the bound of what is kept aside.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from node.ledger import forks
from node.ledger.block import Block, read_frame
from node.ledger.roster import cutoffs
from node.ledger.store import Transaction

# Shown to a person as what a retired member still wrote; the rest is dropped and counted.
QUARANTINED_PER_MEMBER_MAX = 256


class Cut(NamedTuple):
    """How many stored blocks a retirement took out, and of which streams; one whose branch changed is among them."""

    blocks: int
    streams: list[bytes]


def cut_back(tx: Transaction, member: bytes) -> Cut:
    """Move the blocks of a retired member that lie beyond its cutoffs aside. The caller then makes the tables again."""
    allowed = cutoffs(tx.connection, member)
    if allowed is None:
        return Cut(0, [])
    rows = tx.connection.execute("SELECT stream, blocks FROM head WHERE origin = ?", (member,)).fetchall()
    cut_blocks, streams = 0, []
    for stream, blocks in rows:
        keep = allowed.get(stream, 0)
        aside = _cut_branches(tx.connection, stream, keep)
        if blocks > keep:
            _cut_stream(tx.connection, stream, keep)
        # The retirement may name another branch of a forked stream as the one that counts.
        is_switched = forks.settle(tx.connection, stream).is_switched
        if blocks > keep or aside or is_switched:
            cut_blocks += max(0, blocks - keep) + aside
            streams.append(stream)
    return Cut(cut_blocks, streams)


def keep_aside(connection: sqlite3.Connection, block: Block, reason: str) -> None:
    """Keep a block that is not folded, as long as there is room for its member's."""
    header = block.header
    (kept,) = connection.execute(
        "SELECT count(*) FROM quarantine WHERE origin = ? AND reason = ?", (header.origin, reason)
    ).fetchone()
    if kept < QUARANTINED_PER_MEMBER_MAX:
        connection.execute(
            "INSERT INTO quarantine (stream, n, hash, origin, reason, frame) VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT DO NOTHING",
            (header.stream, header.n, block.block_hash, header.origin, reason, block.frame),
        )


def _cut_branches(connection: sqlite3.Connection, stream: bytes, keep: int) -> int:
    """Take what lies beyond the cutoff out of the branches that are not folded; return how many blocks."""
    rows = connection.execute(
        "SELECT frame FROM quarantine WHERE stream = ? AND n >= ? AND reason = 'branch' ORDER BY n, hash",
        (stream, keep),
    ).fetchall()
    connection.execute("DELETE FROM quarantine WHERE stream = ? AND n >= ? AND reason = 'branch'", (stream, keep))
    for (frame,) in rows:
        keep_aside(connection, read_frame(frame), "retired")
    return len(rows)


def _cut_stream(connection: sqlite3.Connection, stream: bytes, keep: int) -> None:
    rows = connection.execute(
        "SELECT frame FROM block WHERE stream = ? AND n >= ? ORDER BY n LIMIT ?",
        (stream, keep, QUARANTINED_PER_MEMBER_MAX),
    )
    for (frame,) in rows.fetchall():
        keep_aside(connection, read_frame(frame), "retired")
    connection.execute("DELETE FROM block WHERE stream = ? AND n >= ?", (stream, keep))
    last = connection.execute(
        "SELECT first_seq + event_count, hash FROM block WHERE stream = ? AND n = ?", (stream, keep - 1)
    ).fetchone()
    if last is None:
        connection.execute("DELETE FROM head WHERE stream = ?", (stream,))
        return
    events, block_hash = last
    connection.execute(
        "UPDATE head SET blocks = ?, events = ?, hash = ? WHERE stream = ?", (keep, events, block_hash, stream)
    )


def drop_strangers(connection: sqlite3.Connection, us: bytes) -> list[bytes]:
    """Take out the streams of whoever is no member by the roster folded now; return them.

    That happens where another branch of a forked roster is chosen. Whoever is let in again is asked for again.
    """
    rows = connection.execute(
        "SELECT stream FROM head WHERE origin NOT IN (SELECT origin FROM member) AND origin <> ?"
        " AND origin <> (SELECT value FROM setting WHERE key = 'founder')"
        " AND stream NOT IN (SELECT stream FROM home_stream) ORDER BY stream",
        (us,),
    )
    streams = [stream for (stream,) in rows.fetchall()]
    for stream in streams:
        for table in ("block", "head", "quarantine"):
            connection.execute(f"DELETE FROM {table} WHERE stream = ?", (stream,))
    return streams
