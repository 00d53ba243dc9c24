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
from node.ledger import chain, forks
from node.ledger.append import Appender
from node.ledger.block import NO_BLOCK_BEFORE, Block, BlockRefused, Header, check_block, check_place, read_frame
from node.ledger.bulk import Bulk
from node.ledger.codec import Body, BodyRefused, decode_body
from node.ledger.connection import is_of_the_disk
from node.ledger.displaced import Displaced, say_again, take_displaced, take_lost
from node.ledger.events import ForkSettled, MemberEnrolled, MemberRetired
from node.ledger.fold import fold_unknown
from node.ledger.fork_exchange import tips_of
from node.ledger.heads import StreamState
from node.ledger.keys import is_signed
from node.ledger.partings import Partings
from node.ledger.retiring import cut_back, drop_strangers, keep_aside
from node.ledger.roster import Roster, cutoffs, load_roster, retired_members
from node.ledger.seal import store_block
from node.ledger.store import Transaction
from node.ledger.streams import leave_roster_stream, load_roster_writer, opening_of

# One call is one transaction: larger ones would hold up a sale.
BLOCKS_PER_BATCH_MAX = 50


class Intake(NamedTuple):
    """What became of some frames: counts of blocks, refusals by reason, and where the streams that moved stand now.

    `early_blocks` were well signed but do not follow what is stored here; they were not kept. Our own events that
    waited for a signature and gave their names up to a block of our own stream are counted under `pending replaced`.
    `diverged` are streams of which a block came whose place is on a branch that is not here; `forked` those that have
    more than one branch now and had one before.
    """

    new_blocks: int
    known_blocks: int
    early_blocks: int
    refused: dict[str, int]
    heads: dict[bytes, StreamState]
    is_roster_changed: bool
    diverged: frozenset[bytes] = frozenset()
    forked: frozenset[bytes] = frozenset()


def receive_blocks(
    tx: Transaction, frames: Sequence[bytes], *, founder_key: bytes | None = None, partings: Partings | None = None
) -> Intake:
    """Check, store and fold at most 50 frames of any streams, in any order, inside the caller's transaction.

    `founder_key` is given by a market that joins and has no roster yet; `partings` by whoever receives again and again,
    and then nobody else's blocks can make the tables be made again without end. Raises ValueError for more frames than
    that, LocalFault where the database does not say which group it belongs to; a wrong frame raises nothing, it is
    counted.
    """
    if len(frames) > BLOCKS_PER_BATCH_MAX:
        raise ValueError(f"at most {BLOCKS_PER_BATCH_MAX} blocks in one transaction")
    roster = load_roster(tx.connection)
    if founder_key is not None:
        roster.keys.setdefault(roster.founder, founder_key)
    try:
        with tx.savepoint():
            taking = _Intake(tx, roster, Bulk(tx.connection), partings)
            intake = taking.take(frames)
    except _NotFolded:
        # One of the bodies breaks the rules. Block by block, each in a savepoint of its own, it alone is refused.
        taking = _Intake(tx, roster, None, partings)
        intake = taking.take(frames)
    if partings is not None:
        for origin in taking.parted.elements():
            partings.note(origin, tx.moment.boottime_ms)
    return intake


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

    def __init__(self, tx: Transaction, roster: Roster, bulk: Bulk | None, partings: Partings | None) -> None:
        self._tx = tx
        self._partings = partings
        self.parted: Counter[bytes] = Counter()
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
        self._settled: list[ForkSettled] = []
        self._diverged: set[bytes] = set()
        self._forked: set[bytes] = set()
        self._is_roster_switched = False

    def take(self, frames: Sequence[bytes]) -> Intake:
        for block in self._in_order(frames):
            try:
                self._take(block)
            except BlockRefused as error:
                self._refused[error.check] += 1
        self._cut_back(sorted(self._retired))
        if self._bulk is not None:
            with self._folding():
                self._bulk.write()
        if self._must_refold:
            with self._folding() if self._bulk is not None else nullcontext():
                chain.refold(self._connection, self._connection)
        if self._is_roster_switched:
            self._follow_roster()
        say_again(self._tx, self._displaced)
        for fact in self._settled:
            Appender(self._tx).append(fact, 0)
        heads = {stream: self._state(stream) for stream in self._moved}
        refused = {reason: count for reason, count in self._refused.items() if count}
        return Intake(
            self._new,
            self._known,
            self._early,
            refused,
            heads,
            self._is_roster_changed,
            frozenset(self._diverged),
            frozenset(self._forked),
        )

    def _cut_back(self, members: Sequence[bytes]) -> None:
        for member in members:
            cut = cut_back(self._tx, member)
            self._refused["retired"] += cut.blocks
            self._moved.update(cut.streams)
            self._must_refold = self._must_refold or bool(cut.streams)

    def _follow_roster(self) -> None:
        """Let blocks count by the branch of a forked roster that is folded now: who is a member, who was retired."""
        self._must_refold = False
        for stream in drop_strangers(self._connection, self._us):
            self._moved.add(stream)
            self._must_refold = True
        self._cut_back(sorted(retired_members(self._connection) - {self._us}))
        if self._must_refold:
            chain.refold(self._connection, self._connection)

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
        if self._is_known(block):
            self._known += 1
            return
        check_block(block, group=self._roster.group, roster=self._roster.keys, is_signed=is_signed)
        self._check_not_retired(block)
        body = _decoded(block)
        head = self._head(header.stream)
        if head is not None and head.origin != header.origin:
            raise BlockRefused("owner")
        if header.n == 0:
            purpose = opening_of(body, header.origin, header.stream).purpose
        if head is not None and (header.n, header.prev) != (head.blocks, head.block_hash):
            self._take_branch(block, head)
            return
        if head is None and header.n > 0:
            self._early += 1
            return
        check_place(
            block,
            blocks=head.blocks if head else 0,
            events=head.events if head else 0,
            head_hash=head.block_hash if head else NO_BLOCK_BEFORE,
        )
        self._store(block, body, head.purpose if head else purpose, is_new=head is None)

    def _is_known(self, block: Block) -> bool:
        header = block.header
        stored = self._connection.execute(
            "SELECT hash FROM block WHERE stream = ? AND n = ?", (header.stream, header.n)
        ).fetchone()
        if stored is not None and stored[0] == block.block_hash:
            return True
        return forks.is_branch_block(self._connection, header.stream, header.n, block.block_hash)

    def _check_not_retired(self, block: Block) -> None:
        """Keep a block beyond its member's retirement aside. Ours stay ours: nobody takes our own acts from us."""
        origin, stream, n = block.header.origin, block.header.stream, block.header.n
        if origin not in self._cutoffs:
            self._cutoffs[origin] = None if origin == self._us else cutoffs(self._connection, origin)
        allowed = self._cutoffs[origin]
        if allowed is not None and n >= allowed.get(stream, 0):
            keep_aside(self._connection, block, "retired")
            raise BlockRefused("retired")

    def _take_branch(self, block: Block, head: _Head) -> None:
        """Take a block that does not follow what is folded of its stream: it is early, or of another branch."""
        header = block.header
        events = forks.end_of(self._connection, header.stream, header.n - 1, header.prev)
        if events is None and header.n > head.blocks:
            self._early += 1
            return
        if events is None:
            self._diverged.add(header.stream)
            raise BlockRefused("chain")
        if events != header.first_seq:
            raise BlockRefused("first event number")
        self._check_partings(block)
        was_forked = forks.is_forked(self._connection, header.stream)
        with self._folding():
            settled = forks.keep_branch_block(self._connection, block)
            displaced = self._lost_of_ours(header, settled, is_roster=head.purpose == StreamPurpose.ROSTER)
            if settled.is_switched and self._bulk is None:
                chain.refold(self._connection, self._connection)
        self._heads.pop(header.stream, None)
        self._moved.add(header.stream)
        self._must_refold = self._must_refold or settled.is_switched
        if settled.is_switched and (head.purpose == StreamPurpose.ROSTER or header.n == 0):
            self._is_roster_switched = self._is_roster_changed = True
        if displaced is not None:
            self._displaced.append(displaced)
            self._settled.append(ForkSettled(header.stream, head.block_hash, 1, None))
        self._leave_our_stream(block)
        is_kept = self._is_kept(block)
        self.parted[header.origin] += settled.is_switched or not is_kept
        if not is_kept:
            raise BlockRefused("fork")
        self._new += 1
        if not was_forked:
            self._forked.add(header.stream)

    def _check_partings(self, block: Block) -> None:
        """Raise BlockRefused where a block parts its stream whose member did so too often lately."""
        origin = block.header.origin
        if self._partings is None or origin == self._us:
            return
        if self._partings.left(origin, self._tx.moment.boottime_ms) > self.parted[origin]:
            return
        if not forks.follows_an_end(self._connection, block):
            self._diverged.add(block.header.stream)  # asked for again, ever less often
            raise BlockRefused("fork too often")

    def _is_kept(self, block: Block) -> bool:
        header = block.header
        n, block_hash = header.n, block.block_hash
        return forks.end_of(self._connection, header.stream, n, block_hash) is not None

    def _lost_of_ours(self, header: Header, settled: forks.Settled, *, is_roster: bool) -> Displaced | None:
        """Take out what was folded of a stream of ours and is not any more: what staff saw saved is said again."""
        if header.origin != self._us or not settled.is_switched:
            return None
        lost = [event for frame in settled.lost_frames for event in _decoded(read_frame(frame)).events]
        return take_lost(self._connection, header.stream, lost, is_roster=is_roster)

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
        tips = tips_of(self._connection, stream)
        is_roster = head.purpose == StreamPurpose.ROSTER
        return StreamState(head.origin, is_roster, head.blocks, head.events, head.block_hash, tips)


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
