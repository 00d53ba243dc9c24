"""Who belongs to the group, folded from the roster's events.

Not pairing and not a connection. Owns the rule of who may enrol and retire.
"""

from __future__ import annotations

import sqlite3

from node.ledger.events import Event, MemberEnrolled, MemberRetired, StreamHead
from node.ledger.names import origin_of


def fold_enrolment(connection: sqlite3.Connection, event: Event, fact: MemberEnrolled, member: bytes) -> None:  # noqa: ARG001
    """Fold an enrolment written by `member`."""
    connection.execute(
        "INSERT INTO member (origin, public_key, name, roles, nonce, stream, seq) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET name = excluded.name, roles = excluded.roles, nonce = excluded.nonce,"
        " stream = excluded.stream, seq = excluded.seq WHERE (excluded.stream, excluded.seq) < (stream, seq)",
        (origin_of(fact.public_key), fact.public_key, fact.name, fact.roles, fact.nonce, *event.dot),
    )


def fold_retirement(connection: sqlite3.Connection, event: Event, fact: MemberRetired, member: bytes) -> None:  # noqa: ARG001
    """Fold a retirement written by `member`: one row for each stream with its cutoff."""
    connection.executemany(
        "INSERT INTO retirement (stream, seq, member, cut_stream, blocks, hash) VALUES (?, ?, ?, ?, ?, ?)",
        [(*event.dot, fact.member, *cut) for cut in fact.cutoffs or [StreamHead(b"", 0, b"")]],
    )
