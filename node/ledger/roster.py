"""Who belongs to the group, folded from the roster's events: a function of their set.

Not pairing and not a connection. Owns the rule of who may enrol and retire: the founder, whose key makes the group's
id, and nobody else yet. What others wrote about members is kept in their blocks and counts for nothing.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from node.errors import N_, LocalFault
from node.ledger.events import ROLE_STEWARD, Event, MemberEnrolled, MemberRetired, StreamHead
from node.ledger.names import PUBLIC_KEY_BYTES, group_of, origin_of


class Roster(NamedTuple):
    """The group, who founded it, and the public key by which each origin signs."""

    group: bytes
    founder: bytes
    keys: dict[bytes, bytes]


def load_roster(connection: sqlite3.Connection) -> Roster:
    """Return who may write here: every member, and this node itself, enrolled already or not yet."""
    group, founder = group_and_founder(connection)
    keys = dict(connection.execute("SELECT origin, public_key FROM member").fetchall())
    own = connection.execute("SELECT value FROM setting WHERE key = 'public_key'").fetchone()
    if own is not None:
        keys.setdefault(origin_of(own[0]), own[0])
    return Roster(group, founder, keys)


def group_and_founder(connection: sqlite3.Connection) -> tuple[bytes, bytes]:
    """Return the group's id and its founder's origin. Raises LocalFault where the database does not say."""
    rows = dict(connection.execute("SELECT key, value FROM setting WHERE key IN ('group_id', 'founder')").fetchall())
    group, founder = rows.get("group_id"), rows.get("founder")
    if founder is None:
        # Made by the first schema, which knew no group but the market's own.
        writer = connection.execute("SELECT origin FROM writer WHERE id = 1").fetchone()
        founder = None if writer is None else writer[0]
    if not isinstance(group, bytes) or not isinstance(founder, bytes):
        raise no_market_row()
    return group, founder


def no_market_row() -> LocalFault:
    """Return the fault of a database that has lost what says whose market it is."""
    return LocalFault(
        "market.nameless",
        N_("The database does not say any more whose market it is."),
        N_("Put back the last backup beside this folder, and tell who looks after this market."),
    )


def fold_enrolment(connection: sqlite3.Connection, event: Event, fact: MemberEnrolled, member: bytes) -> None:
    """Fold an enrolment written by `member`. A second steward is not supported yet: that role is dropped."""
    group, founder = group_and_founder(connection)
    if member != founder or len(fact.public_key) != PUBLIC_KEY_BYTES:
        return
    origin, roles, nonce = origin_of(fact.public_key), fact.roles & ~ROLE_STEWARD, None
    if origin == founder:
        if fact.nonce is None or group_of(fact.public_key, fact.nonce) != group:
            return
        roles, nonce = fact.roles | ROLE_STEWARD, fact.nonce
    connection.execute(
        "INSERT INTO member (origin, public_key, name, roles, nonce, stream, seq) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET name = excluded.name, roles = excluded.roles, nonce = excluded.nonce,"
        " stream = excluded.stream, seq = excluded.seq WHERE (excluded.stream, excluded.seq) < (stream, seq)",
        (origin, fact.public_key, fact.name, roles, nonce, *event.dot),
    )


def fold_retirement(connection: sqlite3.Connection, event: Event, fact: MemberRetired, member: bytes) -> None:
    """Fold a retirement written by `member`: one row for each stream with its cutoff, one without where none is."""
    _group, founder = group_and_founder(connection)
    if member != founder or fact.member == founder:
        return
    connection.executemany(
        "INSERT INTO retirement (stream, seq, member, cut_stream, blocks, hash) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET blocks = min(blocks, excluded.blocks)",
        [
            (*event.dot, fact.member, cut.stream, max(0, cut.blocks), cut.block_hash)
            for cut in fact.cutoffs or [StreamHead(b"", 0, b"")]
        ],
    )


def cutoffs(connection: sqlite3.Connection, origin: bytes) -> dict[bytes, int] | None:
    """Return how many blocks of each stream of a member count, None where it is not retired.

    A stream that is not in the answer counts not at all. Of several retirements the lowest position holds.
    """
    rows = connection.execute("SELECT stream, seq, cut_stream, blocks FROM retirement WHERE member = ?", (origin,))
    by_retirement: dict[tuple[bytes, int], dict[bytes, int]] = {}
    for stream, seq, cut_stream, blocks in rows.fetchall():
        by_retirement.setdefault((stream, seq), {})[cut_stream] = blocks
    if not by_retirement:
        return None
    first, *others = by_retirement.values()
    return {
        stream: min(blocks, *(other[stream] for other in others)) if others else blocks
        for stream, blocks in first.items()
        if all(stream in other for other in others)
    }


def cutoff_hash(connection: sqlite3.Connection, stream: bytes) -> bytes | None:
    """Return the hash of the last block of a stream that counts, as the lowest retirement of its owner names it."""
    row = connection.execute(
        "SELECT r.hash FROM retirement r JOIN head h ON h.stream = r.cut_stream AND h.origin = r.member"
        " WHERE r.cut_stream = ? AND r.blocks > 0 ORDER BY r.blocks, r.hash LIMIT 1",
        (stream,),
    ).fetchone()
    return None if row is None else bytes(row[0])


def retired_members(connection: sqlite3.Connection) -> frozenset[bytes]:
    """Return the origins that were retired."""
    return frozenset(origin for (origin,) in connection.execute("SELECT DISTINCT member FROM retirement").fetchall())
