"""Take other nodes' blocks in: check each one, store it, fold it, move the head of its stream.

Not the asking for blocks (`node.sync`). Owns the rule that a refused block changes nothing but a counter, and that the
stored set of blocks, not the order of their arrival, decides what the tables say.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import NamedTuple

from node.domain.words import StreamPurpose
from node.ledger import chain
from node.ledger.block import NO_BLOCK_BEFORE, Block, BlockRefused, check_block, check_place, read_frame
from node.ledger.bulk import Bulk
from node.ledger.codec import Body, BodyRefused, decode_body
from node.ledger.connection import is_of_the_disk
from node.ledger.displaced import Displaced, say_again, take_displaced
from node.ledger.events import MemberEnrolled, MemberRetired
from node.ledger.fold import fold_unknown
from node.ledger.heads import StreamState
from node.ledger.keys import is_signed
from node.ledger.retiring import cut_back, keep_aside
from node.ledger.roster import Roster, cutoffs, load_roster
from node.ledger.seal import store_block
from node.ledger.store import Transaction
from node.ledger.streams import leave_roster_stream, load_roster_writer, opening_of

# One call is one transaction: larger ones would hold up a sale.
BLOCKS_PER_BATCH_MAX = 50
# Evidence of a forked stream; more branches prove nothing more.
FORKED_BLOCKS_PER_STREAM_MAX = 8


class Intake(NamedTuple):
    """What became of some frames: counts of blocks, refusals by reason, and where the streams that moved stand now.

    `early_blocks` were well signed but do not follow what is stored here; they were not kept. Our own events that
    waited for a signature and gave their names up to a block of our own stream are counted under `pending replaced`.
    """

    new_blocks: int
    known_blocks: int
    early_blocks: int
    refused: dict[str, int]
    heads: dict[bytes, StreamState]
    is_roster_changed: bool


def receive_blocks(tx: Transaction, frames: Sequence[bytes], *, founder_key: bytes | None = None) -> Intake:
    """Check, store and fold at most 50 frames of any streams, in any order, inside the caller's transaction.

    `founder_key` is given by a market that joins and has no roster yet. Raises ValueError for more frames than that,
    LocalFault where the database does not say which group it belongs to; a wrong frame raises nothing, it is counted.
    """
    if len(frames) > BLOCKS_PER_BATCH_MAX:
        raise ValueError(f"at most {BLOCKS_PER_BATCH_MAX} blocks in one transaction")
    roster = load_roster(tx.connection)
    if founder_key is not None:
        roster.keys.setdefault(roster.founder, founder_key)
    try:
        with tx.savepoint():
            return _Intake(tx, roster, Bulk(tx.connection)).take(frames)
    except _NotFolded:
        # One of the bodies breaks the rules. Block by block, each in a savepoint of its own, it alone is refused.
        return _Intake(tx, roster, None).take(frames)


class _NotFolded(Exception):
    """A body could not be folded while others of its batch wait to be written with it."""


class _Head(NamedTuple):
    origin: bytes
    purpose: int
    blocks: int
    events: int
    block_hash: bytes


class _Intake:
    """One batch: what was read of the database for it, and what it counted.

    With `bulk` the movements of all its blocks are written together, and a body that cannot be folded ends the batch.
    """

    def __init__(self, tx: Transaction, roster: Roster, bulk: Bulk | None) -> None:
        self._tx = tx
        self._bulk = bulk
        self._connection = tx.connection
        self._roster = roster
        self._us, self._our_stream = tx.connection.execute("SELECT origin, stream FROM writer WHERE id = 1").fetchone()
        self._heads: dict[bytes, _Head | None] = {}
        self._cutoffs: dict[bytes, dict[bytes, int] | None] = {}
        self._moved: set[bytes] = set()
        self._retired: set[bytes] = set()
        self._new = self._known = self._early = 0
        self._refused: Counter[str] = Counter()
        self._is_roster_changed = False
        self._must_refold = False
        self._displaced: list[Displaced] = []

    def take(self, frames: Sequence[bytes]) -> Intake:
        for block in self._in_order(frames):
            try:
                self._take(block)
            except BlockRefused as error:
                self._refused[error.check] += 1
        for member in sorted(self._retired):
            cut = cut_back(self._tx, member)
            self._refused["retired"] += cut.blocks
            self._moved.update(cut.streams)
            self._must_refold = self._must_refold or cut.blocks > 0
        if self._bulk is not None:
            with self._folding():
                self._bulk.write()
        if self._must_refold:
            chain.refold(self._connection, self._connection)
        say_again(self._tx, self._displaced)
        heads = {stream: self._state(stream) for stream in self._moved}
        refused = {reason: count for reason, count in self._refused.items() if count}
        return Intake(self._new, self._known, self._early, refused, heads, self._is_roster_changed)

    def _in_order(self, frames: Sequence[bytes]) -> list[Block]:
        blocks = []
        for frame in frames:
            try:
                blocks.append(read_frame(frame))
            except BlockRefused as error:
                self._refused[error.check] += 1
        # The founder first: who else may write is in the founder's roster.
        founder = self._roster.founder
        return sorted(blocks, key=lambda one: (one.header.origin != founder, one.header.stream, one.header.n))

    def _take(self, block: Block) -> None:
        header = block.header
        stored = self._connection.execute(
            "SELECT hash FROM block WHERE stream = ? AND n = ?", (header.stream, header.n)
        ).fetchone()
        if stored is not None and stored[0] == block.block_hash:
            self._known += 1
            return
        check_block(block, group=self._roster.group, roster=self._roster.keys, is_signed=is_signed)
        self._check_not_retired(block)
        body = _decoded(block)
        head = self._head(header.stream)
        if head is not None and head.origin != header.origin:
            raise BlockRefused("owner")
        if stored is not None:
            self._keep_fork(block)
        if header.n > (head.blocks if head else 0):
            self._early += 1
            return
        check_place(
            block,
            blocks=head.blocks if head else 0,
            events=head.events if head else 0,
            head_hash=head.block_hash if head else NO_BLOCK_BEFORE,
        )
        purpose = head.purpose if head else opening_of(body, header.origin, header.stream).purpose
        self._store(block, body, purpose, is_new=head is None)

    def _check_not_retired(self, block: Block) -> None:
        """Keep a block beyond its member's retirement aside. Ours stay ours: nobody takes our own acts from us."""
        origin, stream, n = block.header.origin, block.header.stream, block.header.n
        if origin not in self._cutoffs:
            self._cutoffs[origin] = None if origin == self._us else cutoffs(self._connection, origin)
        allowed = self._cutoffs[origin]
        if allowed is not None and n >= allowed.get(stream, 0):
            keep_aside(self._connection, block, "retired")
            raise BlockRefused("retired")

    def _keep_fork(self, block: Block) -> None:
        """Keep the other branch of a stream as evidence; it is never folded."""
        (kept,) = self._connection.execute(
            "SELECT count(*) FROM quarantine WHERE stream = ? AND reason = 'fork'", (block.header.stream,)
        ).fetchone()
        if kept < FORKED_BLOCKS_PER_STREAM_MAX:
            keep_aside(self._connection, block, "fork")
        self._leave_our_stream(block)
        raise BlockRefused("fork")

    def _store(self, block: Block, body: Body, purpose: int, *, is_new: bool) -> None:
        header = block.header
        with self._folding():
            if is_new:
                self._connection.execute(
                    "INSERT INTO head (stream, origin, purpose, blocks, events, hash, hlc)"
                    " VALUES (?, ?, ?, 0, 0, ?, 0)",
                    (header.stream, header.origin, purpose, NO_BLOCK_BEFORE),
                )
            store_block(self._connection, block, last_hlc=body.last_hlc(header.hlc_base))
            replaced = self._replace_pending(block, body, purpose) if header.origin == self._us else 0
            if not replaced:
                self._fold(block, body)
        self._heads[header.stream] = _Head(
            header.origin, purpose, header.n + 1, header.first_seq + header.event_count, block.block_hash
        )
        self._new += 1
        self._moved.add(header.stream)
        self._refused["pending replaced"] += replaced
        self._must_refold = self._must_refold or replaced > 0
        self._leave_our_stream(block)
        self._note_roster(header.origin, body)

    @contextmanager
    def _folding(self) -> Iterator[None]:
        """Let a body of a member who does not keep to the rules change nothing here. A fault of the disk is ours."""
        try:
            with nullcontext() if self._bulk is not None else self._tx.savepoint():
                yield
        except (sqlite3.Error, OverflowError, ValueError) as error:
            if isinstance(error, sqlite3.Error) and is_of_the_disk(error):
                raise
            if self._bulk is not None:
                raise _NotFolded from error
            raise BlockRefused("fold") from error

    def _fold(self, block: Block, body: Body) -> None:
        member, clock = block.header.origin, block.header.clock
        if self._bulk is not None:
            self._bulk.fold(body, member=member, clock=clock)
        else:
            alone = Bulk(self._connection)
            alone.fold(body, member=member, clock=clock)
            alone.write()
        for unknown in body.unknown:
            fold_unknown(self._connection, unknown)

    def _replace_pending(self, block: Block, body: Body, purpose: int) -> int:
        """Free the names that a block of ours uses from our pending events; return how many of these there were."""
        gone, displaced = take_displaced(self._connection, block, body, is_roster=purpose == StreamPurpose.ROSTER)
        if displaced.events:
            self._displaced.append(displaced)
        return gone

    def _leave_our_stream(self, block: Block) -> None:
        """Open a new stream with the next act where others have more of ours than we do: we were rolled back."""
        if block.header.origin != self._us:
            return
        if block.header.stream == self._our_stream:
            self._connection.execute("UPDATE writer SET witness = '' WHERE id = 1")
        roster_writer = load_roster_writer(self._connection)
        if roster_writer is not None and roster_writer.stream == block.header.stream:
            leave_roster_stream(self._connection)

    def _note_roster(self, origin: bytes, body: Body) -> None:
        if origin != self._roster.founder:
            return
        facts = [event.fact for event in body.others if isinstance(event.fact, MemberEnrolled | MemberRetired)]
        if not facts:
            return
        self._is_roster_changed = True
        self._roster = self._roster._replace(keys={**self._roster.keys, **load_roster(self._connection).keys})
        self._cutoffs.clear()
        self._retired.update(
            fact.member for fact in facts if isinstance(fact, MemberRetired) and fact.member != self._us
        )

    def _head(self, stream: bytes) -> _Head | None:
        if stream not in self._heads:
            row = self._connection.execute(
                "SELECT origin, purpose, blocks, events, hash FROM head WHERE stream = ?", (stream,)
            ).fetchone()
            self._heads[stream] = None if row is None else _Head(*row)
        return self._heads[stream]

    def _state(self, stream: bytes) -> StreamState:
        row = self._connection.execute(
            "SELECT origin, purpose, blocks, events, hash FROM head WHERE stream = ?", (stream,)
        ).fetchone()
        if row is None:
            return StreamState(b"", False, 0, 0, NO_BLOCK_BEFORE)
        head = _Head(*row)
        return StreamState(head.origin, head.purpose == StreamPurpose.ROSTER, head.blocks, head.events, head.block_hash)


def _decoded(block: Block) -> Body:
    header = block.header
    try:
        return decode_body(
            block.body,
            stream=header.stream,
            first_seq=header.first_seq,
            count=header.event_count,
            hlc_base=header.hlc_base,
        )
    except BodyRefused as error:
        raise BlockRefused("body") from error
