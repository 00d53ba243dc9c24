"""Where the streams of this group stand here: what a beacon claims, and what a peer can be given.

Not the receiving of blocks (`receive`). Only sealed and committed blocks are counted: what is pending is in nobody's
claim. Streams of a group that this market left stay at home and are in no answer.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from node.domain.words import StreamPurpose
from node.ledger.fork_exchange import tips_of_all


class StreamState(NamedTuple):
    """Where a stream stands at a node: sealed blocks and events, and the hash of the last block (32 zeros if none).

    `tips` is 0 for a stream of one branch. Of a forked one the counts are those of the branch that is folded, and
    `tips` is a number of 30 bits made of the ends of all branches.
    """

    origin: bytes
    is_roster: bool
    blocks: int
    events: int
    block_hash: bytes
    tips: int = 0


class BlockRange(NamedTuple):
    """Blocks `first` up to and not including `end` of a stream."""

    stream: bytes
    first: int
    end: int


def stream_states(connection: sqlite3.Connection) -> dict[bytes, StreamState]:
    """Return every stream of the group that has a sealed block here."""
    rows = connection.execute(
        "SELECT stream, origin, purpose, blocks, events, hash FROM head WHERE blocks > 0"
        " AND stream NOT IN (SELECT stream FROM home_stream)"
    )
    tips = tips_of_all(connection)
    return {
        stream: StreamState(origin, purpose == StreamPurpose.ROSTER, blocks, events, block_hash, tips.get(stream, 0))
        for stream, origin, purpose, blocks, events, block_hash in rows.fetchall()
    }


def load_frames(connection: sqlite3.Connection, ranges: list[BlockRange], bytes_max: int) -> list[bytes]:
    """Return the frames of these ranges in order, until the next one would pass `bytes_max`."""
    frames: list[bytes] = []
    size = 0
    for stream, first, end in ranges:
        rows = connection.execute(
            "SELECT frame FROM block WHERE stream = ? AND n >= ? AND n < ?"
            " AND stream NOT IN (SELECT stream FROM home_stream) ORDER BY n LIMIT ?",
            (stream, first, end, _FRAMES_PER_LOAD_MAX),
        )
        for (frame,) in rows.fetchall():
            size += len(frame)
            if size > bytes_max:
                return frames
            frames.append(frame)
    return frames


# A frame has at least 173 bytes, so this many never pass what one answer may hold.
_FRAMES_PER_LOAD_MAX = 1024
