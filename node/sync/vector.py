"""How far our own log and everybody else's reach here, and short digests by which two nodes compare that.

Not what a peer has (`peers`). Only blocks on the disk are counted. A digest covers the hash of each last block, so it
also differs where two nodes have other branches of a forked stream.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b

from node.ledger.heads import StreamState
from node.sync.beacon import HEADS_DIGEST_BYTES, VECTOR_STREAMS_MAX
from node.sync.messages import BUCKET_DIGEST_BYTES, BUCKETS, HEADS_PER_MESSAGE_MAX, Claim, ListedHeads

_BUCKET_SHIFT = 2  # the top 6 of 8 bits


def bucket_of(stream: bytes) -> int:
    """Return the bucket of a stream: its top 6 bits."""
    return stream[0] >> _BUCKET_SHIFT


class Heads:
    """The streams stored here, by name."""

    __slots__ = ("_bucket_digests", "_buckets", "_digest", "_dirty", "forked", "states", "total_blocks")

    def __init__(self, states: Mapping[bytes, StreamState]) -> None:
        self.states: dict[bytes, StreamState] = {}
        self.total_blocks = 0
        # Streams with more than one branch.
        self.forked: set[bytes] = set()
        self._buckets: list[set[bytes]] = [set() for _ in range(BUCKETS)]
        self._bucket_digests = [b""] * BUCKETS
        self._digest = b""
        self._dirty = set(range(BUCKETS))
        self.move(states)

    def move(self, states: Mapping[bytes, StreamState]) -> list[bytes]:
        """Take over where these streams stand now and return those that changed; one without blocks is gone."""
        moved = []
        for stream, state in states.items():
            if self.states.get(stream) == state or (state.blocks == 0 and stream not in self.states):
                continue
            bucket = bucket_of(stream)
            self.total_blocks += state.blocks - self.blocks(stream)
            if state.blocks == 0:
                del self.states[stream]
                self._buckets[bucket].discard(stream)
            else:
                self.states[stream] = state
                self._buckets[bucket].add(stream)
            if state.blocks and state.tips:
                self.forked.add(stream)
            else:
                self.forked.discard(stream)
            self._dirty.add(bucket)
            moved.append(stream)
        return moved

    def blocks(self, stream: bytes) -> int:
        """Return how many blocks of a stream are here."""
        state = self.states.get(stream)
        return 0 if state is None else state.blocks

    def tips(self, stream: bytes) -> int:
        """Return the number made of the ends of all branches of a forked stream, 0 for any other."""
        return self.states[stream].tips if stream in self.forked else 0

    def digest(self) -> bytes:
        """Return the digest of all heads."""
        self._make_digests()
        return self._digest

    def bucket_digests(self) -> tuple[bytes, ...]:
        """Return one digest for each bucket."""
        self._make_digests()
        return tuple(self._bucket_digests)

    def _make_digests(self) -> None:
        """Make again what changed, once for any number of beacons to compare with."""
        if self._digest and not self._dirty:
            return
        for bucket in self._dirty:
            state = blake2b(digest_size=BUCKET_DIGEST_BYTES)
            for stream in sorted(self._buckets[bucket]):
                head = self.states[stream]
                state.update(stream + head.blocks.to_bytes(4, "little") + head.block_hash)
                if head.tips:
                    state.update(head.tips.to_bytes(4, "little"))
            self._bucket_digests[bucket] = state.digest()
        self._dirty.clear()
        self._digest = blake2b(b"".join(self._bucket_digests), digest_size=HEADS_DIGEST_BYTES).digest()

    def vector(self) -> tuple[Claim, ...]:
        """Return all heads if a beacon can list them, else nothing."""
        if len(self.states) > VECTOR_STREAMS_MAX:
            return ()
        return tuple(self._claims(sorted(self.states)))

    def listed(self, theirs: Iterable[bytes]) -> ListedHeads:
        """Return the heads of the buckets whose digest differs from theirs, as many whole buckets as fit."""
        buckets: set[int] = set()
        claims: list[Claim] = []
        for bucket, (ours, digest) in enumerate(zip(self.bucket_digests(), theirs, strict=True)):
            room = HEADS_PER_MESSAGE_MAX - len(claims)
            streams = sorted(self._buckets[bucket])
            if ours == digest or (claims and len(streams) > room):
                continue
            if len(streams) <= room:
                buckets.add(bucket)
            claims.extend(self._claims(streams[:room]))
        return ListedHeads(frozenset(buckets), tuple(claims))

    def in_buckets(self, buckets: Iterable[int]) -> dict[bytes, StreamState]:
        """Return the heads of these buckets."""
        return {stream: self.states[stream] for bucket in buckets for stream in self._buckets[bucket]}

    def _claims(self, streams: Iterable[bytes]) -> Iterable[Claim]:
        for stream in streams:
            state = self.states[stream]
            yield Claim(stream, 0 if state.tips else state.blocks, state.is_roster, state.tips)
