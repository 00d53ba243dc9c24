"""When a node goes on with its stream and when it opens a new one.

Not the events themselves. Owns the rule that a sequence number is never used twice: the stream goes on only under the
boot and in the database file it was last written under (`witness`). A copied, restored or cloned card changes the
file, a new boot changes the boot id, and then the first act opens a new stream at once; nobody waits.
"""

from __future__ import annotations

import os
import sqlite3
from typing import NamedTuple

from node import VERSION
from node.domain.lots import Dot
from node.domain.words import StreamPurpose, StreamReason
from node.ledger.block import NO_BLOCK_BEFORE, Block, BlockRefused, body_of, read_frame
from node.ledger.codec import Body
from node.ledger.events import Event, StreamHead, StreamOpened, StreamOpenedUnbound
from node.ledger.names import NONCE_BYTES, stream_of


class Writer(NamedTuple):
    """Where our own log stands: the stream, its next number, and the last clock value used."""

    origin: bytes
    stream: bytes
    next_seq: int
    hlc: int
    witness: str


def load_writer(connection: sqlite3.Connection) -> Writer:
    """Return the row that says where our log stands."""
    origin, stream, witness = connection.execute("SELECT origin, stream, witness FROM writer WHERE id = 1").fetchone()
    return Writer(origin, stream, *_end_of(connection, stream), witness)


def load_roster_writer(connection: sqlite3.Connection) -> Writer | None:
    """Return where our own roster stream stands, None where we have none that may go on."""
    rows = dict(
        connection.execute("SELECT key, value FROM setting WHERE key IN ('roster_stream', 'roster_witness')").fetchall()
    )
    if len(rows) < 2:
        return None
    (origin,) = connection.execute("SELECT origin FROM writer WHERE id = 1").fetchone()
    stream = rows["roster_stream"]
    return Writer(origin, stream, *_end_of(connection, stream), rows["roster_witness"])


def keep_roster_writer(connection: sqlite3.Connection, stream: bytes, witness: str) -> None:
    """Note in which stream our roster goes on, and under which boot and in which file."""
    rows = {"roster_stream": stream, "roster_witness": witness}
    connection.executemany("INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)", rows.items())


def leave_roster_stream(connection: sqlite3.Connection) -> None:
    """Let the next roster event open a new stream."""
    connection.execute("DELETE FROM setting WHERE key IN ('roster_stream', 'roster_witness')")


def _end_of(connection: sqlite3.Connection, stream: bytes) -> tuple[int, int]:
    """Return the next number of a stream of ours, and the last clock value used in it."""
    last = connection.execute(
        "SELECT seq + 1, hlc FROM pending WHERE stream = ? ORDER BY seq DESC LIMIT 1", (stream,)
    ).fetchone()
    if last is None:
        last = connection.execute("SELECT events, hlc FROM head WHERE stream = ?", (stream,)).fetchone()
    next_seq, hlc = last
    return next_seq, hlc


def opened(
    connection: sqlite3.Connection,
    *,
    origin: bytes,
    hlc: int,
    witness: str,
    purpose: StreamPurpose,
    reason: StreamReason,
) -> tuple[Writer, Event]:
    """Begin a new stream, named by our origin and chance: its head row, and the event that must be its first.

    The caller appends the event. Names the heads of the node's earlier streams, so that none can be hidden.
    """
    nonce = os.urandom(NONCE_BYTES)
    stream = stream_of(origin, nonce)
    previous = [
        StreamHead(*row)
        for row in connection.execute(
            "SELECT stream, blocks, hash FROM head WHERE origin = ? AND purpose = ?"
            " AND stream NOT IN (SELECT stream FROM home_stream) ORDER BY stream",
            (origin, purpose),
        )
    ]
    connection.execute(
        "INSERT INTO head (stream, origin, purpose, blocks, events, hash, hlc) VALUES (?, ?, ?, 0, 0, ?, ?)",
        (stream, origin, purpose, NO_BLOCK_BEFORE, hlc),
    )
    fact = StreamOpened(int(purpose), int(reason), VERSION, previous[-_PREVIOUS_MAX:], nonce)
    return Writer(origin, stream, 1, hlc, witness), Event(Dot(stream, 0), hlc, 0, fact)


# One stream a boot, closed ones leave the list once a checkpoint covers them; bounded by what a block may reference.
_PREVIOUS_MAX = 64


def opening_of(body: Body, origin: bytes, stream: bytes) -> StreamOpened:
    """Return the event by which a stream of another market opens.

    Raises BlockRefused("opening") where its first block does not begin with one, BlockRefused("binding") where the
    stream's name was not made from its writer's: the name is somebody else's.
    """
    first = body.others[0] if body.others else None
    if first is None or first.dot.seq != 0 or not isinstance(first.fact, StreamOpened):
        raise BlockRefused("opening")
    nonce = first.fact.nonce
    if len(nonce) != NONCE_BYTES or stream_of(origin, nonce) != stream:
        raise BlockRefused("binding")
    return first.fact


def check_own_opening(body: Body, origin: bytes, stream: bytes) -> None:
    """Check the first block of a stream of ours; one of before names were bound may stay. Raises BlockRefused."""
    first = body.others[0] if body.others else None
    if first is None or first.dot.seq != 0 or not isinstance(first.fact, StreamOpenedUnbound):
        opening_of(body, origin, stream)


def unbound_streams(connection: sqlite3.Connection, us: bytes) -> list[bytes]:
    """Return our own streams in this group whose names were not made from ours: the first schema's."""
    rows = connection.execute(
        "SELECT b.stream, b.frame FROM block b JOIN head h USING (stream) WHERE h.origin = ? AND b.n = 0"
        " AND b.stream NOT IN (SELECT stream FROM home_stream) ORDER BY b.stream",
        (us,),
    )
    return [stream for stream, frame in rows if _is_unbound(read_frame(frame))]


def _is_unbound(block: Block) -> bool:
    return isinstance(body_of(block).events[0].fact, StreamOpenedUnbound)
