"""The branches of forked streams that are kept and not counted: whose, how much, and what became of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from node.clock import ClockQuality
from node.ledger.block import Header, read_frame
from node.ledger.forks import Branch, branches_of
from node.ledger.names import node_id
from node.ledger.read.members import NAME_CELLS_MAX
from node.text import safe_text

FORKED_STREAMS_MAX = 64
OPEN, TAKEN, DISMISSED = "open", "taken", "dismissed"


@dataclass(frozen=True, slots=True)
class UncountedBranch:
    """One branch of a forked stream that is not folded. `tip` is the hash of its last block.

    `part` is what this is about: all of the branch, or what was written since its owner last did something about it,
    and then `facts_settled` came before in this branch.
    `wall_ms` is its first fact's time by its writer's clock, as good as `clock`. `state`: what its owner did about it.
    """

    stream: bytes
    tip: bytes
    part: Branch
    origin: bytes
    name: str
    node_id: str
    is_ours: bool
    is_roster: bool
    blocks: int
    facts: int
    facts_settled: int
    wall_ms: int
    clock: ClockQuality
    state: str
    reason: str | None


def uncounted_branches(connection: sqlite3.Connection) -> list[UncountedBranch]:
    """Return every branch that is not counted, our own first, then by market; of 64 streams at most."""
    (us,) = connection.execute("SELECT origin FROM writer WHERE id = 1").fetchone()
    rows = connection.execute(
        "SELECT h.stream, h.origin, h.purpose, coalesce(m.name, '') FROM head h LEFT JOIN member m USING (origin)"
        " WHERE h.stream IN (SELECT stream FROM quarantine WHERE reason = 'branch')"
        " AND h.stream NOT IN (SELECT stream FROM home_stream) ORDER BY h.origin <> ?, m.name, h.stream LIMIT ?",
        (us, FORKED_STREAMS_MAX),
    ).fetchall()
    return [
        _branch(connection, stream, origin, name, branch, is_ours=origin == us, is_roster=purpose == 1)
        for stream, origin, purpose, name in rows
        for branch in branches_of(connection, stream)[1:]
    ]


def frames_of(connection: sqlite3.Connection, stream: bytes, branch: Branch) -> Iterator[bytes]:
    """Return the frames of a branch that is not counted, oldest first."""
    for n, block_hash in enumerate(branch.hashes, start=branch.first_n):
        yield _frame(connection, stream, n, block_hash)


def _frame(connection: sqlite3.Connection, stream: bytes, n: int, block_hash: bytes) -> bytes:
    (frame,) = connection.execute(
        "SELECT frame FROM quarantine WHERE stream = ? AND n = ? AND hash = ?", (stream, n, block_hash)
    ).fetchone()
    return bytes(frame)


def _ends(connection: sqlite3.Connection, stream: bytes, branch: Branch) -> tuple[Header, Header]:
    """Return what the first and the last block say of themselves: a branch may have any number between."""
    last_n = branch.first_n + len(branch.hashes) - 1
    first = read_frame(_frame(connection, stream, branch.first_n, branch.hashes[0]))
    return first.header, read_frame(_frame(connection, stream, last_n, branch.tip)).header


def _branch(
    connection: sqlite3.Connection,
    stream: bytes,
    origin: bytes,
    name: str,
    branch: Branch,
    *,
    is_ours: bool,
    is_roster: bool,
) -> UncountedBranch:
    settled = _settled(connection, stream, origin)
    part = _since(branch, settled.keys() - {branch.tip})
    first, last = _ends(connection, stream, part)
    is_taken, reason = settled.get(branch.tip, (None, None))
    return UncountedBranch(
        stream=stream,
        tip=branch.tip,
        part=part,
        origin=origin,
        name=safe_text(name, NAME_CELLS_MAX),
        node_id=node_id(origin),
        is_ours=is_ours,
        is_roster=is_roster,
        blocks=len(part.hashes),
        facts=last.first_seq + last.event_count - first.first_seq,
        facts_settled=first.first_seq - _ends(connection, stream, branch)[0].first_seq,
        wall_ms=first.hlc_base,
        clock=ClockQuality(first.clock),
        state=OPEN if is_taken is None else TAKEN if is_taken else DISMISSED,
        reason=reason,
    )


def _settled(connection: sqlite3.Connection, stream: bytes, origin: bytes) -> dict[bytes, tuple[int, str | None]]:
    """Return what became of branches of a stream, by their last block then. Only its owner's word counts, the first."""
    rows = connection.execute(
        "SELECT tip, is_taken, reason FROM fork_settled WHERE forked = ? AND member = ?"
        " ORDER BY hlc DESC, stream DESC, seq DESC",
        (stream, origin),
    )
    return {tip: (is_taken, reason) for tip, is_taken, reason in rows}


def _since(branch: Branch, settled: Collection[bytes]) -> Branch:
    """Return what follows the last of these blocks: what was said again once must not be said again with the rest."""
    done = max((place + 1 for place, block_hash in enumerate(branch.hashes) if block_hash in settled), default=0)
    return Branch(branch.first_n + done, branch.hashes[done:])
