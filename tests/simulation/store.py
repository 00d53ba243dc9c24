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
from node.ledger.heads import BlockRange, StreamState
from node.ledger.names import origin_of
from node.sync.effects import Persisted

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
        for block in sorted(map(self._read, frames), key=self._order):
            stream = block.header.stream
            here = self.states.get(stream, StreamState(block.header.origin, False, 0, 0, NO_BLOCK_BEFORE))
            if block.header.n < here.blocks:
                known += block.frame == self.streams[stream][block.header.n]
                refused["fork"] += block.frame != self.streams[stream][block.header.n]
            elif block.header.n > here.blocks:
                early += 1
            else:
                try:
                    self._check(block)
                    check_place(block, blocks=here.blocks, events=here.events, head_hash=here.block_hash)
                    if block.header.origin != here.origin:
                        raise BlockRefused("owner")
                except BlockRefused as error:
                    refused[error.check] += 1
                    continue
                moved[stream] = self._keep(block)
                new += 1
        return Persisted(token, moved, new, known, early, dict(refused))

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

    def roll_back(self, stream: bytes, blocks: int) -> None:
        """Lose the newest blocks of a stream, as a restored backup does."""
        frames = self.streams.pop(stream, [])[:blocks]
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
        if is_roster:
            self.members[origin_of(block.body)] = block.body
        return state

    def _order(self, block: Block) -> tuple[bool, bytes, int]:
        return (block.header.stream != self.roster_stream, block.header.stream, block.header.n)
