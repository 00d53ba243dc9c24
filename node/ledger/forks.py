"""Forked streams: which branches are kept, and which one is folded.

Not the check of a block (`receive`) and not what other nodes lack (`fork_exchange`). A fork is two valid blocks with
the same number of one stream: a cloned card or a lying disk makes it. The chosen branch stands in `block`; the others
in `quarantine` under the reason `branch`. Owns the rule that every node with the same blocks keeps and chooses alike:
at each fork the lowest hash goes on, unless a retirement names another; beyond eight branches those whose first
differing block has the highest hash go.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from node.ledger.block import NO_BLOCK_BEFORE, Block, body_of, read_frame
from node.ledger.roster import cutoff_hash
from node.ledger.seal import store_block
from node.ledger.streams import opening_of

BRANCHES_PER_STREAM_MAX = 8
# Evidence of what was left out: first blocks of further branches. More of them prove nothing more.
LEFT_OUT_PER_STREAM_MAX = 8
# The hash of the block before, in a frame: 2 bytes of length and 45 of header stand before it (SQL counts from 1).
PREV_IN_FRAME = "substr(frame, 48, 32)"


class Branch(NamedTuple):
    """One way through a forked stream: the number of its first differing block, and all hashes from there on."""

    first_n: int
    hashes: tuple[bytes, ...]

    @property
    def tip(self) -> bytes:
        """Return the hash of its last block."""
        return self.hashes[-1]


class Settled(NamedTuple):
    """What settling did: whether another branch is chosen now, and the frames that were chosen before it."""

    is_switched: bool = False
    lost_frames: tuple[bytes, ...] = ()


def is_branch_block(connection: sqlite3.Connection, stream: bytes, n: int, block_hash: bytes) -> bool:
    """Tell whether a block of a branch that is not folded is kept here."""
    row = connection.execute(
        "SELECT 1 FROM quarantine WHERE stream = ? AND n = ? AND hash = ? AND reason = 'branch'",
        (stream, n, block_hash),
    ).fetchone()
    return row is not None


def is_forked(connection: sqlite3.Connection, stream: bytes) -> bool:
    """Tell whether a stream has more than one branch here."""
    row = connection.execute(
        "SELECT 1 FROM quarantine WHERE stream = ? AND reason = 'branch' LIMIT 1", (stream,)
    ).fetchone()
    return row is not None


def end_of(connection: sqlite3.Connection, stream: bytes, n: int, block_hash: bytes) -> int | None:
    """Return how many events there are up to a block of any branch, itself included; None where it is not here."""
    if n < 0:
        return 0 if block_hash == NO_BLOCK_BEFORE else None
    row = connection.execute(
        "SELECT first_seq + event_count FROM block WHERE stream = ? AND n = ? AND hash = ?", (stream, n, block_hash)
    ).fetchone()
    if row is not None:
        return int(row[0])
    row = connection.execute(
        "SELECT frame FROM quarantine WHERE stream = ? AND n = ? AND hash = ? AND reason = 'branch'",
        (stream, n, block_hash),
    ).fetchone()
    if row is None:
        return None
    header = read_frame(row[0]).header
    return header.first_seq + header.event_count


def keep_branch_block(connection: sqlite3.Connection, block: Block) -> Settled:
    """Keep a block that does not follow the chosen branch, whose place was checked, and settle its stream."""
    is_end_of_branch = follows_an_end(connection, block)
    _put_aside(connection, block)
    # A longer branch is no other branch, and looking at all of them for each block would make a long one quadratic.
    return Settled() if is_end_of_branch else settle(connection, block.header.stream)


def follows_an_end(connection: sqlite3.Connection, block: Block) -> bool:
    """Tell whether a block goes on with a branch that is kept and not folded, at its end, where no retirement decides.

    The choice is made by the hashes where branches part alone: then it is what it was.
    """
    header = block.header
    if not is_branch_block(connection, header.stream, header.n - 1, header.prev):
        return False
    other = connection.execute(
        f"SELECT 1 FROM quarantine WHERE stream = ? AND n = ? AND {PREV_IN_FRAME} = ? AND reason = 'branch'",
        (header.stream, header.n, header.prev),
    ).fetchone()
    return other is None and cutoff_hash(connection, header.stream) is None


def settle(connection: sqlite3.Connection, stream: bytes) -> Settled:
    """Choose again among the branches of a stream, and let go of those that are too many.

    The caller makes the tables again where another branch is chosen now.
    """
    branches = branches_of(connection, stream)
    if not branches:
        return Settled()
    chosen = branches[0]
    lost = _switch(connection, stream, chosen)
    _leave_out(connection, stream, {block_hash for branch in branches for block_hash in branch.hashes})
    return Settled(bool(lost), lost)


def is_settled(connection: sqlite3.Connection, stream: bytes) -> bool:
    """Tell whether the right branch of a forked stream is folded, and no branch is kept beyond the eight."""
    branches = branches_of(connection, stream)
    rows = connection.execute(
        "SELECT hash FROM block WHERE stream = ? AND n >= ? ORDER BY n", (stream, branches[0].first_n)
    ).fetchall()
    (aside,) = connection.execute(
        "SELECT count(*) FROM quarantine WHERE stream = ? AND reason = 'branch'", (stream,)
    ).fetchone()
    is_chosen = tuple(block_hash for (block_hash,) in rows) == branches[0].hashes
    return is_chosen and sum(len(branch.hashes) for branch in branches[1:]) == aside


def branches_of(connection: sqlite3.Connection, stream: bytes) -> list[Branch]:
    """Return the branches of a stream that are to be kept, the one to be folded first; nothing where none differ."""
    aside = connection.execute(
        f"SELECT n, hash, {PREV_IN_FRAME} FROM quarantine WHERE stream = ? AND reason = 'branch'", (stream,)
    ).fetchall()
    if not aside:
        return []
    first_n = min(n for n, _hash, _prev in aside)
    rows = connection.execute(
        "SELECT n, hash FROM block WHERE stream = ? AND n >= ? ORDER BY n", (stream, first_n - 1)
    ).fetchall()
    root = NO_BLOCK_BEFORE
    if first_n > 0:
        root = rows.pop(0)[1]
    children: dict[bytes, list[bytes]] = {}
    parents: dict[bytes, bytes] = {}
    before = root
    for _n, block_hash in rows:
        children.setdefault(before, []).append(block_hash)
        parents[block_hash] = before
        before = block_hash
    for _n, block_hash, prev in aside:
        children.setdefault(prev, []).append(block_hash)
        parents[block_hash] = prev
    named = cutoff_hash(connection, stream)
    return choose(children, root, first_n, _line(parents, named))


def choose(
    children: Mapping[bytes, Iterable[bytes]], root: bytes, first_n: int, named: Collection[bytes] = frozenset()
) -> list[Branch]:
    """Return at most eight ways from `root` to a leaf, the chosen one first. A function of the set.

    `children` maps a block to those that follow it, `named` are the blocks that a retirement says are the right ones.
    Each further branch is the one with the lowest first hash among those that leave a branch kept already. What is left
    out once is left out with any more blocks, too, since those only add to what goes before it.
    """
    waiting: list[tuple[bool, bytes, int]] = []

    def follow(first: bytes, n: int) -> Branch:
        hashes, at = [first], n
        while kids := sorted((one not in named, one) for one in children.get(hashes[-1], ())):
            at += 1
            for kid in kids[1:]:
                heapq.heappush(waiting, (*kid, at))
            hashes.append(kids[0][1])
        return Branch(n, tuple(hashes))

    for one in children.get(root, ()):
        heapq.heappush(waiting, (one not in named, one, first_n))
    kept: list[Branch] = []
    while waiting and len(kept) < BRANCHES_PER_STREAM_MAX:
        _is_other, first, n = heapq.heappop(waiting)
        kept.append(follow(first, n))
    return kept


def _line(parents: Mapping[bytes, bytes], tip: bytes | None) -> frozenset[bytes]:
    line = set()
    while tip is not None and tip in parents:
        line.add(tip)
        tip = parents[tip]
    return frozenset(line)


def _switch(connection: sqlite3.Connection, stream: bytes, chosen: Branch) -> tuple[bytes, ...]:
    """Put the chosen branch in place of what is folded; return the frames that make room, oldest first."""
    rows = connection.execute(
        "SELECT hash FROM block WHERE stream = ? AND n >= ? ORDER BY n", (stream, chosen.first_n)
    ).fetchall()
    now = [block_hash for (block_hash,) in rows]
    same = 0
    while same < min(len(now), len(chosen.hashes)) and now[same] == chosen.hashes[same]:
        same += 1
    if same == len(chosen.hashes):
        return ()
    first_n = chosen.first_n + same
    lost = [
        frame
        for (frame,) in connection.execute(
            "SELECT frame FROM block WHERE stream = ? AND n >= ? ORDER BY n", (stream, first_n)
        ).fetchall()
    ]
    for frame in lost:
        _put_aside(connection, read_frame(frame))
    connection.execute("DELETE FROM block WHERE stream = ? AND n >= ?", (stream, first_n))
    (hlc,) = connection.execute("SELECT hlc FROM head WHERE stream = ?", (stream,)).fetchone()
    for n, block_hash in enumerate(chosen.hashes[same:], start=first_n):
        (frame,) = connection.execute(
            "SELECT frame FROM quarantine WHERE stream = ? AND n = ? AND hash = ?", (stream, n, block_hash)
        ).fetchone()
        block = read_frame(frame)
        store_block(connection, block, last_hlc=hlc)
        if n == 0:
            connection.execute("UPDATE head SET purpose = ? WHERE stream = ?", (_purpose_of(block), stream))
        connection.execute("DELETE FROM quarantine WHERE stream = ? AND n = ? AND hash = ?", (stream, n, block_hash))
    return tuple(lost)


def _leave_out(connection: sqlite3.Connection, stream: bytes, kept: Collection[bytes]) -> None:
    """Let go of blocks of branches beyond the eight; a few first ones stay as evidence."""
    rows = connection.execute(
        "SELECT n, hash FROM quarantine WHERE stream = ? AND reason = 'branch' ORDER BY n", (stream,)
    ).fetchall()
    for n, block_hash in rows:
        if block_hash in kept:
            continue
        (evidence,) = connection.execute(
            "SELECT count(*) FROM quarantine WHERE stream = ? AND reason = 'fork'", (stream,)
        ).fetchone()
        what = (
            "UPDATE quarantine SET reason = 'fork'" if evidence < LEFT_OUT_PER_STREAM_MAX else "DELETE FROM quarantine"
        )
        connection.execute(f"{what} WHERE stream = ? AND n = ? AND hash = ?", (stream, n, block_hash))


def _put_aside(connection: sqlite3.Connection, block: Block) -> None:
    header = block.header
    connection.execute(
        "INSERT INTO quarantine (stream, n, hash, origin, reason, frame) VALUES (?, ?, ?, ?, 'branch', ?)"
        " ON CONFLICT DO UPDATE SET reason = excluded.reason",
        (header.stream, header.n, block.block_hash, header.origin, block.frame),
    )


def _purpose_of(block: Block) -> int:
    return opening_of(body_of(block), block.header.origin, block.header.stream).purpose
