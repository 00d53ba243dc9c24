"""What two nodes tell each other of a forked stream: a number for its ends, hashes of what is here, what lies beyond.

Not the choice among the branches (`forks`), and not the asking (`node.sync.forks`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from hashlib import blake2b

from node.ledger.forks import PREV_IN_FRAME, branches_of

# What a question about a forked stream names; with steps that double, 24 hashes cover a branch of any length.
LOCATOR_HASHES_MAX = 255
# What a claim has room for beside its two flags (`node.sync.messages`).
TIPS_BITS = 30


def tips_of(connection: sqlite3.Connection, stream: bytes) -> int:
    """Return the number of `tips_of_all` for one stream, 0 where it has one branch."""
    return _tips(connection, "reason = 'branch' AND stream = ?", (stream,)).get(stream, 0)


def tips_of_all(connection: sqlite3.Connection) -> dict[bytes, int]:
    """Return a number for every forked stream, equal at nodes that keep the same branches up to the same blocks."""
    return _tips(connection, "reason = 'branch'", ())


def _tips(connection: sqlite3.Connection, which: str, values: tuple[bytes, ...]) -> dict[bytes, int]:
    aside: dict[bytes, tuple[set[bytes], set[bytes]]] = {}
    for stream, block_hash, prev in connection.execute(
        f"SELECT stream, hash, {PREV_IN_FRAME} FROM quarantine WHERE {which}", values
    ):
        hashes, followed = aside.setdefault(stream, (set(), set()))
        hashes.add(block_hash)
        followed.add(prev)
    numbers = {}
    for stream, (hashes, followed) in aside.items():
        row = connection.execute("SELECT hash FROM head WHERE stream = ?", (stream,)).fetchone()
        numbers[stream] = number_of((hashes - followed) | ({row[0]} if row else set()))
    return numbers


def number_of(tips: Iterable[bytes]) -> int:
    """Return the number of 30 bits, never 0, that stands for the ends of the branches of a stream."""
    digest = blake2b(b"".join(sorted(tips)), digest_size=8).digest()
    return max(1, int.from_bytes(digest, "little") % (1 << TIPS_BITS))


def locator(connection: sqlite3.Connection, stream: bytes) -> tuple[bytes, ...]:
    """Return hashes that tell another node what is here of a stream: each branch's tip, and back in doubling steps."""
    (blocks,) = connection.execute("SELECT count(*) FROM block WHERE stream = ?", (stream,)).fetchone()
    places = [blocks - 1 - step for step in _doubling_steps(blocks)]
    named = [
        row[0]
        for n in places
        for row in connection.execute("SELECT hash FROM block WHERE stream = ? AND n = ?", (stream, n))
    ]
    for branch in branches_of(connection, stream)[1:]:
        named += [branch.hashes[-1 - step] for step in _doubling_steps(len(branch.hashes))]
    return tuple(named[:LOCATOR_HASHES_MAX])


def frames_beyond(
    connection: sqlite3.Connection, stream: bytes, known: Collection[bytes], bytes_max: int
) -> tuple[list[bytes], bool]:
    """Return the frames of a stream that somebody who has the blocks `known` lacks, and whether more than fit.

    The chosen branch first, then the others, each block after the one before it.
    """
    aside = connection.execute(
        f"SELECT n, hash, {PREV_IN_FRAME} FROM quarantine WHERE stream = ? AND reason = 'branch' ORDER BY n DESC",
        (stream,),
    ).fetchall()
    had = set(known)
    # From the newest back: whoever has a block has those before it.
    for _n, block_hash, prev in aside:
        if block_hash in had:
            had.add(prev)
    had_n = -1
    for n, block_hash in connection.execute("SELECT n, hash FROM block WHERE stream = ? ORDER BY n", (stream,)):
        if block_hash in had:
            had_n = n
    frames: list[bytes] = []
    size = 0
    wanted = [("block", "n > ? ORDER BY n", (had_n,))] + [
        ("quarantine", "n = ? AND hash = ?", (n, block_hash))
        for n, block_hash, _prev in reversed(aside)
        if block_hash not in had
    ]
    for table, which, values in wanted:
        for (frame,) in connection.execute(
            f"SELECT frame FROM {table} WHERE stream = ? AND {which}", (stream, *values)
        ):
            size += len(frame)
            if size > bytes_max:
                return frames, True
            frames.append(frame)
    return frames, False


def _doubling_steps(count: int) -> list[int]:
    steps, step = [], 0
    while step < count:
        steps.append(step)
        step = 2 * step + 1
    return [*steps, count - 1] if count and steps[-1] != count - 1 else steps
