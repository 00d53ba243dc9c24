"""Frames that arrived and wait to be stored: known ones are dropped cheaply, the rest go to the disk in batches.

Not the check of a block (`ledger.receive`, inside the transaction). Owns the in-queue: at most 4 MiB in all and 1 MiB
from one publisher; a full queue drops and says so, and what was dropped is asked for again once there is room.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
from hashlib import blake2b
from typing import NamedTuple

from node.ledger.block import Block
from node.ledger.heads import StreamState

QUEUE_BYTES_MAX = 4 * 1024 * 1024
QUEUE_BYTES_PER_PUBLISHER_MAX = 1024 * 1024
# What a waiting frame costs beside its bytes.
_OVERHEAD_BYTES = 256
BLOCKS_PER_BATCH_MAX = 50
RECENT_FRAMES_MAX = 2_048
# A frame that was refused is not judged again for so long, however often it comes.
REFUSED_S = 30.0
_FOR_NOW = float("inf")
_FRAME_HASH_BYTES = 16


class Waiting(NamedTuple):
    """A frame on its way to the disk, who sent it, and the request it answers (0: none)."""

    frame: bytes
    frame_hash: bytes
    publisher: bytes
    stream: bytes
    n: int
    request: int

    @property
    def cost(self) -> int:
        return len(self.frame) + _OVERHEAD_BYTES


class Intake:
    """The in-queue."""

    def __init__(self) -> None:
        self._queues: dict[bytes, deque[Waiting]] = {}
        self._costs: dict[bytes, int] = {}
        self._cost = 0
        self._waiting = 0
        # By stream: how many frames wait or are being stored, and the number after the last of them.
        self._counts: dict[bytes, int] = {}
        self._next: dict[bytes, int] = {}
        self._recent: OrderedDict[bytes, float] = OrderedDict()

    def expected(self, stream: bytes, heads: Mapping[bytes, StreamState]) -> int:
        """Return the number of the next block of a stream that would go on what is here or waits."""
        state = heads.get(stream)
        return max(0 if state is None else state.blocks, self._next.get(stream, 0))

    def offer(
        self,
        block: Block,
        publisher: bytes,
        request: int,
        heads: Mapping[bytes, StreamState],
        now_s: float,
        *,
        is_branch: bool = False,
    ) -> str | None:
        """Take a frame into the queue, or return why not: "known", "early" or "in queue full".

        `is_branch`: it may be of another branch than the one that is counted, so only the disk can tell.
        """
        header = block.header
        state = heads.get(header.stream)
        here = 0 if state is None else state.blocks
        # Another last block is evidence of a fork and goes to the disk's judgement; older ones break the chain there.
        is_fork = state is not None and header.n == here - 1 and block.block_hash != state.block_hash
        if header.n < here and not is_fork and not is_branch:
            return "known"
        frame_hash = blake2b(block.frame, digest_size=_FRAME_HASH_BYTES).digest()
        if self._recent.get(frame_hash, 0.0) > now_s:
            return "known"
        if header.n > self.expected(header.stream, heads) and not is_branch:
            return "early"
        waiting = Waiting(block.frame, frame_hash, publisher, header.stream, header.n, request)
        if not self._has_room(waiting):
            return "in queue full"
        self._queues.setdefault(publisher, deque()).append(waiting)
        self._costs[publisher] = self._costs.get(publisher, 0) + waiting.cost
        self._cost += waiting.cost
        self._waiting += 1
        self._counts[header.stream] = self._counts.get(header.stream, 0) + 1
        self._next[header.stream] = max(self._next.get(header.stream, 0), header.n + 1)
        self._remember(frame_hash, _FOR_NOW)
        return None

    @property
    def is_batch_full(self) -> bool:
        """Tell whether as much waits as one transaction takes."""
        return self._waiting >= BLOCKS_PER_BATCH_MAX

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing waits."""
        return not self._waiting

    def next_batch(self) -> list[Waiting]:
        """Take out the next frames to store: the publishers take turns, so that a flood delays itself alone."""
        batch: list[Waiting] = []
        for publisher in list(self._queues):
            queue = self._queues.pop(publisher)
            while queue and len(batch) < BLOCKS_PER_BATCH_MAX:
                waiting = queue.popleft()
                self._costs[publisher] -= waiting.cost
                self._cost -= waiting.cost
                batch.append(waiting)
            if queue:
                # Behind everybody else for the next turn.
                self._queues[publisher] = queue
                break
            del self._costs[publisher]
            if len(batch) == BLOCKS_PER_BATCH_MAX:
                break
        self._waiting -= len(batch)
        return batch

    def stored(self, batch: list[Waiting], heads: Mapping[bytes, StreamState], now_s: float) -> None:
        """Close a batch whose transaction is on the disk.

        What would be next on its head and is not was refused; what lies beyond only came too early, and may come again.
        """
        for waiting in batch:
            state = heads.get(waiting.stream)
            if waiting.n > (0 if state is None else state.blocks):
                self._recent.pop(waiting.frame_hash, None)
            else:
                self._remember(waiting.frame_hash, now_s + REFUSED_S)
        self._release(batch)

    def failed(self, batch: list[Waiting]) -> None:
        """Close a batch whose transaction did not happen; the frames may come again at once."""
        for waiting in batch:
            self._recent.pop(waiting.frame_hash, None)
        self._release(batch)

    def forgive(self) -> None:
        """Judge refused frames anew: the roster may know their author now."""
        for frame_hash in [name for name, until_s in self._recent.items() if until_s != _FOR_NOW]:
            del self._recent[frame_hash]

    def _has_room(self, waiting: Waiting) -> bool:
        of_publisher = self._costs.get(waiting.publisher, 0) + waiting.cost
        return of_publisher <= QUEUE_BYTES_PER_PUBLISHER_MAX and self._cost + waiting.cost <= QUEUE_BYTES_MAX

    def _remember(self, frame_hash: bytes, until_s: float) -> None:
        self._recent[frame_hash] = until_s
        self._recent.move_to_end(frame_hash)
        while len(self._recent) > RECENT_FRAMES_MAX:
            self._recent.popitem(last=False)

    def _release(self, batch: list[Waiting]) -> None:
        for waiting in batch:
            left = self._counts[waiting.stream] - 1
            if left:
                self._counts[waiting.stream] = left
            else:
                del self._counts[waiting.stream]
                del self._next[waiting.stream]
