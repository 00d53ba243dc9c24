"""A market's disk as the simulator needs it: real frames, the real checks of a block, and no SQLite.

Not the real receiving. It obeys the same rule of order: a block goes on the head of its stream or not at all, and its
author must be in the roster by then. A roster is a stream whose bodies each enrol one key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from node.ledger.block import (
    NO_BLOCK_BEFORE,
    Block,
    BlockRefused,
    Header,
    body_hash,
    check_block,
    check_place,
    make_block,
    read_frame,
)
from node.ledger.fork_exchange import number_of
from node.ledger.forks import choose
from node.ledger.heads import BlockRange, StreamState
from node.ledger.names import origin_of
from node.sync.effects import Persisted
from node.sync.messages import HASHES_MAX

GROUP = bytes(range(16))


class CheapKey:
    """A signer for runs with millions of checks: a keyed hash. The simulator's opponents cannot read the secret."""

    def __init__(self, seed: int) -> None:
        self.public_key = blake2b(b"key %d" % seed, digest_size=32).digest()
        self.origin = origin_of(self.public_key)

    def sign(self, message: bytes) -> bytes:
        return blake2b(message, digest_size=64, key=self.public_key).digest()


def is_cheaply_signed(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """The counterpart of `node.ledger.keys.is_signed` for CheapKey."""
    return blake2b(message, digest_size=64, key=public_key).digest() == signature


class Stored(NamedTuple):
    """A stream on this disk: its state and its frames in order."""

    state: StreamState
    frames: tuple[bytes, ...]


Judged = dict[bytes, tuple[Block, StreamState]]
"""Frames that passed every check once, as read, with the state of their stream after them.

In a big run one such table serves all markets: a frame is the same bytes everywhere, so it is checked and kept once.
"""


class Store:
    """What is on the disk. Everything here survives a crash."""

    def __init__(
        self, founder: CheapKey, roster_stream: bytes, *, is_signed=is_cheaply_signed, judged: Judged | None = None
    ) -> None:
        self.roster_stream = roster_stream
        self.founder_key = founder.public_key
        self.streams: dict[bytes, list[bytes]] = {}
        self.states: dict[bytes, StreamState] = {}
        self.members: dict[bytes, bytes] = {founder.origin: founder.public_key}
        # Blocks of forked streams that are not of the branch in `streams`, by stream and hash.
        self.aside: dict[bytes, dict[bytes, Block]] = {}
        self._is_signed = is_signed
        self._judged = judged

    def append(self, signer: CheapKey, stream: bytes, body: bytes) -> bytes:
        """Seal one event of our own and return its frame."""
        state = self.states.get(stream, StreamState(signer.origin, False, 0, 0, NO_BLOCK_BEFORE))
        header = Header(signer.origin, stream, state.blocks, state.events, 1, 2, 0, state.block_hash, body_hash(body))
        block = make_block(header, body, GROUP, signer)
        self._keep(block)
        return block.frame

    def receive(self, token: int, frames: Sequence[bytes]) -> Persisted:
        """Check and store frames as one transaction and return what the driver would tell the engine."""
        refused: Counter[str] = Counter()
        moved: dict[bytes, StreamState] = {}
        new = known = early = 0
        diverged: set[bytes] = set()
        for block in sorted(map(self._read, frames), key=self._order):
            stream = block.header.stream
            here = self.states.get(stream, StreamState(block.header.origin, False, 0, 0, NO_BLOCK_BEFORE))
            if self.holds(block):
                known += 1
                continue
            try:
                if block.header.n > here.blocks and not self._is_place_on_branch(block):
                    early += 1
                    continue
                self._check(block)
                if block.header.origin != here.origin:
                    raise BlockRefused("owner")
                if self._is_place_on_branch(block):
                    if not self._keep_branch(block):
                        raise BlockRefused("fork")
                else:
                    if block.header.prev != here.block_hash:
                        diverged.add(stream)
                        raise BlockRefused("chain")
                    check_place(block, blocks=here.blocks, events=here.events, head_hash=here.block_hash)
                    self._keep(block)
            except BlockRefused as error:
                refused[error.check] += 1
                continue
            moved[stream] = self.states[stream]
            new += 1
        return Persisted(token, moved, new, known, early, dict(refused), frozenset(diverged))

    def load(self, ranges: Sequence[BlockRange], bytes_max: int) -> tuple[bytes, ...]:
        """Return frames as `node.ledger.heads.load_frames` does."""
        frames: list[bytes] = []
        for stream, first, end in ranges:
            for frame in self.streams.get(stream, [])[first : min(end, first + 1024)]:
                bytes_max -= len(frame)
                if bytes_max < 0:
                    return tuple(frames)
                frames.append(frame)
        return tuple(frames)

    def holds(self, block: Block) -> bool:
        """Tell whether a block is here, on any branch."""
        header = block.header
        on_chosen = self.streams.get(header.stream, [])[header.n : header.n + 1]
        return block.frame in on_chosen or block.block_hash in self.aside.get(header.stream, {})

    def locate(self, stream: bytes) -> tuple[bytes, ...]:
        """Return what `node.ledger.forks.locator` does: here simply all hashes, as long as they fit."""
        chosen = [read_frame(frame).block_hash for frame in reversed(self.streams.get(stream, []))]
        return (*self.aside.get(stream, {}), *chosen)[:HASHES_MAX]

    def load_beyond(self, stream: bytes, known: Sequence[bytes]) -> tuple[bytes, ...]:
        """Return the frames of all branches that somebody with these blocks lacks."""
        parents = {block.block_hash: block for block in self._all_blocks(stream)}
        had = set()
        for block_hash in known:
            while block_hash in parents and block_hash not in had:
                had.add(block_hash)
                block_hash = parents[block_hash].header.prev
        return tuple(block.frame for block_hash, block in parents.items() if block_hash not in had)

    def all_frames(self) -> set[bytes]:
        """Return every frame that is here, of all branches."""
        return {one.frame for stream in self.streams for one in self._all_blocks(stream)}

    def _all_blocks(self, stream: bytes) -> list[Block]:
        return [*map(read_frame, self.streams.get(stream, [])), *self.aside.get(stream, {}).values()]

    def _is_place_on_branch(self, block: Block) -> bool:
        """Tell whether a block of another branch than the chosen one follows what is here."""
        header = block.header
        state = self.states.get(header.stream)
        if state is None or (header.n, header.prev) == (state.blocks, state.block_hash):
            return False
        if header.n == 0:
            return header.prev == NO_BLOCK_BEFORE
        chosen = self.streams[header.stream][header.n - 1 : header.n]
        is_on_chosen = any(read_frame(frame).block_hash == header.prev for frame in chosen)
        return is_on_chosen or header.prev in self.aside.get(header.stream, {})

    def _keep_branch(self, block: Block) -> bool:
        """Keep a block of another branch and choose anew, by the rule of the real ledger."""
        stream = block.header.stream
        blocks = {one.block_hash: one for one in [*self._all_blocks(stream), block]}
        children: dict[bytes, list[bytes]] = {}
        for block_hash, one in blocks.items():
            children.setdefault(one.header.prev, []).append(block_hash)
        branches = choose(children, NO_BLOCK_BEFORE, 0)
        chosen = [blocks[block_hash] for block_hash in branches[0].hashes]
        self.streams[stream] = [one.frame for one in chosen]
        self.aside[stream] = {block_hash: blocks[block_hash] for branch in branches[1:] for block_hash in branch.hashes}
        self._set_state(chosen[-1])
        return self.holds(block)

    def _set_state(self, last: Block) -> StreamState:
        header = last.header
        aside = self.aside.get(header.stream, {})
        followed = {one.header.prev for one in aside.values()}
        tips = number_of({last.block_hash, *(aside.keys() - followed)}) if aside else 0
        is_roster = header.stream == self.roster_stream
        state = StreamState(header.origin, is_roster, header.n + 1, header.first_seq + 1, last.block_hash, tips)
        self.states[header.stream] = state
        return state

    def roll_back(self, stream: bytes, blocks: int) -> None:
        """Lose the newest blocks of a stream, as a restored backup does."""
        frames = self.streams.pop(stream, [])[:blocks]
        self.aside.pop(stream, None)
        self.states.pop(stream, None)
        for frame in frames:
            self._keep(read_frame(frame))

    def _read(self, frame: bytes) -> Block:
        known = None if self._judged is None else self._judged.get(frame)
        return read_frame(frame) if known is None else known[0]

    def _check(self, block: Block) -> None:
        if self._judged is None or block.frame not in self._judged:
            check_block(block, group=GROUP, roster=self.members, is_signed=self._is_signed)
        elif block.header.origin not in self.members:
            raise BlockRefused("origin")

    def _keep(self, block: Block) -> StreamState:
        header = block.header
        is_roster = header.stream == self.roster_stream
        self.streams.setdefault(header.stream, []).append(block.frame)
        known = None if self._judged is None else self._judged.get(block.frame)
        if known is None:
            state = StreamState(header.origin, is_roster, header.n + 1, header.first_seq + 1, block.block_hash)
            if self._judged is not None:
                self._judged[block.frame] = block, state
        else:
            state = known[1]
        self.states[header.stream] = state
        if self.aside.get(header.stream):
            state = self._set_state(block)
        if is_roster:
            self.members[origin_of(block.body)] = block.body
        return state

    def _order(self, block: Block) -> tuple[bool, bytes, int]:
        return (block.header.stream != self.roster_stream, block.header.stream, block.header.n)
