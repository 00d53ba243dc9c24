"""The branches of forked streams that are kept and not counted: whose, how much, and what became of them."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from node.clock import ClockQuality
from node.ledger.block import read_frame
from node.ledger.forks import branches_of
from node.ledger.names import node_id
from node.ledger.read.members import NAME_CELLS_MAX
from node.text import safe_text

FORKED_STREAMS_MAX = 64
OPEN, TAKEN, DISMISSED = "open", "taken", "dismissed"


@dataclass(frozen=True, slots=True)
class UncountedBranch:
    """One branch of a forked stream that is not folded. `tip` is the hash of its last block.

    `wall_ms` is its first fact's time by its writer's clock, as good as `clock`. `state`: what its owner did about it.
    """

    stream: bytes
    tip: bytes
    origin: bytes
    name: str
    node_id: str
    is_ours: bool
    is_roster: bool
    blocks: int
    facts: int
    wall_ms: int
    clock: ClockQuality
    state: str
    reason: str | None


def uncounted_branches(connection: sqlite3.Connection) -> list[UncountedBranch]:
    """Return every branch that is not counted, by market."""
    (us,) = connection.execute("SELECT origin FROM writer WHERE id = 1").fetchone()
    rows = connection.execute(
        "SELECT h.stream, h.origin, h.purpose, coalesce(m.name, '') FROM head h LEFT JOIN member m USING (origin)"
        " WHERE h.stream IN (SELECT stream FROM quarantine WHERE reason = 'branch')"
        " AND h.stream NOT IN (SELECT stream FROM home_stream) ORDER BY m.name, h.stream LIMIT ?",
        (FORKED_STREAMS_MAX,),
    ).fetchall()
    return [
        _branch(connection, stream, origin, name, hashes, is_ours=origin == us, is_roster=purpose == 1)
        for stream, origin, purpose, name in rows
        for hashes in (branch.hashes for branch in branches_of(connection, stream)[1:])
    ]


def frames_of(connection: sqlite3.Connection, stream: bytes, hashes: tuple[bytes, ...]) -> list[bytes]:
    """Return the frames of a branch that is not counted, oldest first."""
    return [
        frame
        for block_hash in hashes
        for (frame,) in connection.execute(
            "SELECT frame FROM quarantine WHERE stream = ? AND hash = ?", (stream, block_hash)
        )
    ]


def _branch(
    connection: sqlite3.Connection,
    stream: bytes,
    origin: bytes,
    name: str,
    hashes: tuple[bytes, ...],
    *,
    is_ours: bool,
    is_roster: bool,
) -> UncountedBranch:
    headers = [read_frame(frame).header for frame in frames_of(connection, stream, hashes)]
    # Only the owner's word counts, and its first one.
    settled = connection.execute(
        "SELECT is_taken, reason FROM fork_settled WHERE forked = ? AND tip = ? AND member = ?"
        " ORDER BY hlc, stream, seq LIMIT 1",
        (stream, hashes[-1], origin),
    ).fetchone()
    return UncountedBranch(
        stream=stream,
        tip=hashes[-1],
        origin=origin,
        name=safe_text(name, NAME_CELLS_MAX),
        node_id=node_id(origin),
        is_ours=is_ours,
        is_roster=is_roster,
        blocks=len(headers),
        facts=sum(header.event_count for header in headers),
        wall_ms=headers[0].hlc_base,
        clock=ClockQuality(headers[0].clock),
        state=OPEN if settled is None else TAKEN if settled[0] else DISMISSED,
        reason=None if settled is None else settled[1],
    )
