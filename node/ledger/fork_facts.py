"""Fold what is said about forked streams: who saw a fork, and what its owner did about a branch that is not counted.

Not the branches themselves (`forks`): these facts change no stock and no choice.
"""

from __future__ import annotations

import sqlite3

from node.ledger.events import Event, ForkSeen, ForkSettled


def fold_fork_seen(connection: sqlite3.Connection, event: Event, fact: ForkSeen, member: bytes) -> None:
    """Keep who says that a stream is forked."""
    connection.execute(
        "INSERT INTO fork_seen (forked, stream, seq, n, one, other, member, hlc) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (fact.stream, *event.dot, fact.n, fact.one, fact.other, member, event.hlc),
    )


def fold_fork_settled(connection: sqlite3.Connection, event: Event, fact: ForkSettled, member: bytes) -> None:
    """Keep what somebody says became of a branch; only its owner's word is read."""
    connection.execute(
        "INSERT INTO fork_settled (forked, tip, stream, seq, is_taken, reason, member, hlc, who)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (fact.stream, fact.tip, *event.dot, fact.is_taken, fact.reason, member, event.hlc, event.who),
    )
