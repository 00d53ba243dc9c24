"""The outbox: how many facts of ours no other market has confirmed. A count, not a table.

Not the sending. What counts is a peer's own word about the stream that we write now; an older stream of ours was
closed before it, and its blocks travel like any others.
"""

from __future__ import annotations

import sqlite3


def outbox_count(connection: sqlite3.Connection) -> int:
    """Return how many of our facts nobody else is known to have: those not signed yet, and blocks nobody confirmed."""
    stream, blocks, events = connection.execute(
        "SELECT w.stream, h.blocks, h.events FROM writer w JOIN head h ON h.stream = w.stream WHERE w.id = 1"
    ).fetchone()
    (pending,) = connection.execute("SELECT count(*) FROM pending").fetchone()
    (confirmed,) = connection.execute(
        "SELECT coalesce(max(our_blocks), 0) FROM peer_seen WHERE our_stream = ?", (stream,)
    ).fetchone()
    if confirmed >= blocks:
        return int(pending)
    row = connection.execute("SELECT first_seq FROM block WHERE stream = ? AND n = ?", (stream, confirmed)).fetchone()
    # A block that is not kept any more was folded long ago; all that is known then is the whole stream.
    first_seq = row[0] if row is not None else 0
    return int(pending + events - first_seq)
