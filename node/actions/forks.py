"""Say that a stream is forked, and settle what is not counted of our own: said again, or let go with a reason.

Not the choice of a branch (`ledger.forks`). Owns the bound on what a node says of forks by itself: once a stream,
and of so many streams of one member at most.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from node.ledger.append import Appender
from node.ledger.events import ForkSeen
from node.ledger.forks import branches_of
from node.ledger.store import Transaction

# A member with more forked streams has said enough about itself.
FORKS_NOTED_PER_MEMBER_MAX = 16


def note_forks(tx: Transaction, streams: Iterable[bytes]) -> int:
    """Append `fork seen` for those of these streams of which nobody here said it yet; return how many."""
    appender: Appender | None = None
    noted = 0
    for stream in sorted(streams):
        branches = branches_of(tx.connection, stream)
        if len(branches) < 2 or not _is_worth_noting(tx.connection, stream):
            continue
        # Where the first two part: both blocks follow the same one.
        other = next((one for one in branches[1:] if one.first_n == branches[0].first_n), branches[1])
        place = other.first_n - branches[0].first_n
        appender = appender or Appender(tx)
        appender.append(ForkSeen(stream, other.first_n, branches[0].hashes[place], other.hashes[0]), 0)
        noted += 1
    return noted


def _is_worth_noting(connection: sqlite3.Connection, stream: bytes) -> bool:
    if connection.execute("SELECT 1 FROM fork_seen WHERE forked = ?", (stream,)).fetchone() is not None:
        return False
    (noted,) = connection.execute(
        "SELECT count(DISTINCT f.forked) FROM fork_seen f JOIN head h ON h.stream = f.forked"
        " WHERE h.origin = (SELECT origin FROM head WHERE stream = ?)",
        (stream,),
    ).fetchone()
    return int(noted) < FORKS_NOTED_PER_MEMBER_MAX
