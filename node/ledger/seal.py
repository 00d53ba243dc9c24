"""Seal pending events into signed, chained blocks. Not their publication.

Whoever holds the write lock and can read the key may seal. Sealing again after a crash may give other bytes: harmless,
since nothing was sent before the commit.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple

import msgspec

from node.domain.lots import Dot
from node.errors import N_, LocalFault
from node.ledger.block import Block, Header, Signer, body_hash, make_block
from node.ledger.codec import EVENTS_PER_BLOCK_MAX, encode_body
from node.ledger.events import BY_NUMBER, Event
from node.ledger.roster import group_and_founder
from node.ledger.store import Transaction


class Backlog(NamedTuple):
    """What waits to be sealed: how many events, and the clock value of the oldest."""

    event_count: int
    oldest_hlc: int | None


class _Head(NamedTuple):
    origin: bytes
    blocks: int
    events: int
    block_hash: bytes


def backlog(connection: sqlite3.Connection) -> Backlog:
    """Count what is pending."""
    return Backlog(*connection.execute("SELECT count(*), min(hlc) FROM pending").fetchone())


def seal(tx: Transaction, signer: Signer, *, blocks_max: int) -> list[Block]:
    """Seal up to `blocks_max` blocks of pending events, oldest stream first, and return them.

    One call is one batch of bulk work. Returns an empty list where nothing is pending.
    """
    group = group_id(tx.connection)
    sealed: list[Block] = []
    for (stream,) in tx.connection.execute("SELECT stream FROM pending GROUP BY stream ORDER BY min(hlc)").fetchall():
        while len(sealed) < blocks_max:
            rows = _next_rows(tx.connection, stream)
            if not rows:
                break
            sealed.append(_seal_block(tx.connection, stream, rows, group, signer))
    return sealed


def group_id(connection: sqlite3.Connection) -> bytes:
    """Return the id of the group this market belongs to (16 bytes)."""
    group, _founder = group_and_founder(connection)
    return group


def store_block(connection: sqlite3.Connection, block: Block, *, last_hlc: int) -> None:
    """Keep a block and move the head of its stream; `last_hlc` is the clock value of its last event."""
    header = block.header
    connection.execute(
        "INSERT INTO block (stream, n, first_seq, event_count, origin, hash, frame) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            header.stream,
            header.n,
            header.first_seq,
            header.event_count,
            header.origin,
            block.block_hash,
            block.frame,
        ),
    )
    connection.execute(
        "UPDATE head SET blocks = ?, events = ?, hash = ?, hlc = ? WHERE stream = ?",
        (header.n + 1, header.first_seq + header.event_count, block.block_hash, last_hlc, header.stream),
    )


def sealed_block(
    head: tuple[bytes, int, int, bytes], events: Sequence[Event], clock: int, group: bytes, signer: Signer
) -> Block:
    """Make the block that follows a head (origin, blocks, events, hash) from events of one stream."""
    origin, blocks, first_seq, head_hash = head
    body = encode_body(events)
    header = Header(
        origin, events[0].dot.stream, blocks, first_seq, len(events), clock, events[0].hlc, head_hash, body_hash(body)
    )
    return make_block(header, body, group, signer)


def pending_event(row: tuple[bytes, int, int, int, int, int, bytes]) -> Event:
    """Return the event kept in a pending row (stream, seq, type, version, hlc, who, fact). Raises LocalFault."""
    stream, seq, type_id, version, hlc, who, fact = row
    try:
        value = BY_NUMBER[type_id, version].value
        return Event(Dot(stream, seq), hlc, who, msgspec.msgpack.decode(fact, type=value))
    except (KeyError, msgspec.DecodeError) as error:
        raise LocalFault(
            "pending.damaged",
            N_("Event {seq} of stream {stream} waits for its signature and cannot be read any more."),
            N_("Put back the last backup beside this folder, and tell who looks after this market."),
            seq=seq,
            stream=stream.hex(),
        ) from error


def _next_rows(connection: sqlite3.Connection, stream: bytes) -> list[tuple[int, Event]]:
    """Return the pending events that may share the next block: consecutive, under one clock quality."""
    rows = connection.execute(
        "SELECT clock, stream, seq, type, version, hlc, who, fact FROM pending WHERE stream = ? ORDER BY seq LIMIT ?",
        (stream, EVENTS_PER_BLOCK_MAX),
    ).fetchall()
    return [(row[0], pending_event(row[1:])) for row in takewhile(lambda row: row[0] == rows[0][0], rows)]


def _seal_block(
    connection: sqlite3.Connection, stream: bytes, rows: list[tuple[int, Event]], group: bytes, signer: Signer
) -> Block:
    head = _Head(
        *connection.execute("SELECT origin, blocks, events, hash FROM head WHERE stream = ?", (stream,)).fetchone()
    )
    events = [event for _clock, event in rows]
    if events[0].dot.seq != head.events:
        raise _gap(stream, head.events)
    while True:
        try:
            block = sealed_block(head, events, rows[0][0], group, signer)
            break
        except ValueError:
            # Too large for one block: half as many. One event always fits, since the actions bound its texts.
            if len(events) == 1:
                raise
            events = events[: len(events) // 2]
    store_block(connection, block, last_hlc=events[-1].hlc)
    connection.execute("DELETE FROM pending WHERE stream = ? AND seq < ?", (stream, head.events + len(events)))
    return block


def _gap(stream: bytes, seq: int) -> LocalFault:
    return LocalFault(
        "pending.gap",
        N_("Event {seq} of stream {stream} is missing, so what follows it cannot be signed."),
        N_("Run larder verify, and put back the last backup beside this folder."),
        seq=seq,
        stream=stream.hex(),
    )
