"""The other markets as a person asks about them: heard when, behind by how much, and who has seen our facts.

Never "in step with everybody": nobody can know that. What is here is what a peer's own word covers.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import NamedTuple

from node.clock import ClockQuality, Moment
from node.ledger.names import node_id
from node.ledger.read.members import MEMBERS_MAX, NAME_CELLS_MAX, Member, members
from node.text import safe_text

VERSION_CELLS_MAX = 20


@dataclass(frozen=True, slots=True)
class PeerRow:
    """One other market. Times: `heard_ms` on the wall clock, `heard_age_s` only where it was heard since this start.

    `missing_here` and `missing_there` are blocks, None where it was never heard; `is_member` is False for a market
    that was paired and that nobody has let in yet, as far as is known here.
    """

    origin: bytes
    name: str
    node_id: str
    is_member: bool
    is_paired: bool
    is_steward: bool
    is_retired: bool
    heard_ms: int | None
    heard_age_s: int | None
    missing_here: int | None
    missing_there: int | None
    clock: ClockQuality | None
    version: str


class SeenBy(NamedTuple):
    """How many of the other markets have all that we sealed, and whether anything still waits to be sealed."""

    have: int
    of: int
    is_pending: bool


class _Seen(NamedTuple):
    heard_ms: int
    boot_id: str
    heard_boottime_ms: int
    clock: int
    version: str
    missing_here: int
    missing_there: int


def peers(connection: sqlite3.Connection, moment: Moment) -> list[PeerRow]:
    """Return every other market of the group and every paired one, by name."""
    paired = {
        origin: (name, bool(is_active))
        for origin, name, is_active in connection.execute(
            "SELECT origin, name, is_active FROM peer ORDER BY origin LIMIT ?", (MEMBERS_MAX,)
        ).fetchall()
    }
    seen = {
        origin: _Seen(*row)
        for origin, *row in connection.execute(
            "SELECT origin, heard_ms, boot_id, heard_boottime_ms, clock, version, missing_here, missing_there"
            " FROM peer_seen ORDER BY origin LIMIT ?",
            (MEMBERS_MAX,),
        ).fetchall()
    }
    others = [member for member in members(connection) if not member.is_us]
    known = {member.origin for member in others}
    strangers = [
        Member(origin, safe_text(name, NAME_CELLS_MAX), node_id(origin), False, False, False)
        for origin, (name, is_active) in paired.items()
        if is_active and origin not in known
    ]
    return [
        _row(member, member.origin in known, paired.get(member.origin, ("", False))[1], seen.get(member.origin), moment)
        for member in [*others, *strangers]
    ]


def seen_by(connection: sqlite3.Connection) -> SeenBy:
    """Count the other markets that have every sealed block of the stream that we write now."""
    others = [member.origin for member in members(connection) if not member.is_us and not member.is_retired]
    stream, blocks = connection.execute(
        "SELECT w.stream, h.blocks FROM writer w JOIN head h ON h.stream = w.stream WHERE w.id = 1"
    ).fetchone()
    rows = connection.execute(
        "SELECT origin FROM peer_seen WHERE our_stream = ? AND our_blocks >= ?", (stream, blocks)
    ).fetchall()
    (pending,) = connection.execute("SELECT EXISTS (SELECT 1 FROM pending)").fetchone()
    return SeenBy(len({origin for (origin,) in rows} & set(others)), len(others), bool(pending))


def _row(member: Member, is_member: bool, is_paired: bool, seen: _Seen | None, moment: Moment) -> PeerRow:
    age_s = None
    if seen is not None and seen.boot_id == moment.boot_id:
        age_s = max(0, moment.boottime_ms - seen.heard_boottime_ms) // 1000
    return PeerRow(
        origin=member.origin,
        name=member.name,
        node_id=member.node_id,
        is_member=is_member,
        is_paired=is_paired,
        is_steward=member.is_steward,
        is_retired=member.is_retired,
        heard_ms=seen.heard_ms if seen else None,
        heard_age_s=age_s,
        missing_here=seen.missing_here if seen else None,
        missing_there=seen.missing_there if seen else None,
        clock=_quality(seen.clock) if seen else None,
        version=safe_text(seen.version, VERSION_CELLS_MAX) if seen else "",
    )


def _quality(value: int) -> ClockQuality:
    return ClockQuality(value) if value in set(ClockQuality) else ClockQuality.NOT_SET
