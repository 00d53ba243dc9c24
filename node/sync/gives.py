"""Answering those who ask for blocks: from the disk, any stream, within what one member and all may take.

Not asking (`pulls`). Owns the out-queue: at most 256 answers that wait, 8 of one member; more are dropped and counted.
Nobody is given what is not on the disk, and a question to everybody is left alone once somebody else answered it.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import NamedTuple

from node.ledger.heads import BlockRange
from node.sync.limits import Budget
from node.sync.messages import BlockHashes, Ranges
from node.sync.vector import Heads

ANSWERS_MAX = 256
ANSWERS_PER_MEMBER_MAX = 8
LOADS_MAX = 2
ANSWER_BYTES_MAX = 256 * 1024
PULLS_PER_MINUTE_MAX = 64
BYTES_PER_MEMBER_PER_S = 1024 * 1024
BYTES_PER_S = 4 * 1024 * 1024
WAIT_FOR_OTHERS_S = 2.0
# A question to everybody is answered by about so many of those present; in a small group by all who have it.
ANSWERERS_EXPECTED = 4
# A reader that never answers must not stop all giving.
LOAD_WITHIN_S = 30.0


class Answer(NamedTuple):
    """An answer that waits for its turn. `is_to_any`: others may answer it too, and then it is silent if empty.

    `beyond` is asked in place of ranges: what lies beyond some blocks of a forked stream.
    """

    requester: bytes
    request: int
    ranges: tuple[BlockRange, ...]
    is_to_any: bool
    due_s: float
    beyond: BlockHashes | None = None


class _Member:
    __slots__ = ("bytes", "pulls")

    def __init__(self) -> None:
        self.pulls = Budget(PULLS_PER_MINUTE_MAX / 60, PULLS_PER_MINUTE_MAX)
        self.bytes = Budget(BYTES_PER_MEMBER_PER_S, BYTES_PER_MEMBER_PER_S)


class Gives:
    """The answers that wait, and the loads that are out."""

    def __init__(self, heads: Heads, rng: Random) -> None:
        self._heads = heads
        self._rng = rng
        self._waiting: list[Answer] = []
        self._loading: dict[int, tuple[Answer, float]] = {}
        # No answer has its turn before this.
        self._look_s = float("inf")
        self._members: dict[bytes, _Member] = {}
        self.bytes = Budget(BYTES_PER_S, BYTES_PER_S)

    def may_ask(self, requester: bytes, now_s: float) -> bool:
        """Count a pull of a member, and tell whether it is within its 64 a minute."""
        return self._member(requester).pulls.take(1, now_s)

    def asked(self, requester: bytes, ranges: Ranges, *, now_s: float) -> str | None:
        """Take a question in, or return why it is not answered. What is not here is left out of the answer."""
        return self._wait(requester, ranges, is_to_any=False, due_s=now_s)

    def asked_beyond(self, requester: bytes, hashes: BlockHashes, *, now_s: float) -> str | None:
        """Take in a question for the branches of a stream, or return why it is not answered."""
        if self._is_full(requester):
            return "out queue full"
        beyond = hashes if hashes.stream in self._heads.states else None
        self._waiting.append(Answer(requester, hashes.request, (), False, now_s, beyond))
        self._look_s = min(self._look_s, now_s)
        return None

    def asked_any(self, requester: bytes, ranges: Ranges, *, present: int, now_s: float) -> str | None:
        """Take in a question to everybody: wait for others by chance, and in a large group leave it to some of them."""
        if self._rng.random() * present > ANSWERERS_EXPECTED:
            return None
        return self._wait(requester, ranges, is_to_any=True, due_s=now_s + self._rng.uniform(0, WAIT_FOR_OTHERS_S))

    def _wait(self, requester: bytes, ranges: Ranges, *, is_to_any: bool, due_s: float) -> str | None:
        if self._is_full(requester):
            return "out queue full"
        here = tuple(
            BlockRange(one.stream, one.first, min(one.end, self._heads.blocks(one.stream)))
            for one in ranges.ranges
            if one.first < self._heads.blocks(one.stream)
        )
        if is_to_any and not here:
            return None
        self._waiting.append(Answer(requester, ranges.request, here, is_to_any, due_s))
        self._look_s = min(self._look_s, due_s)
        return None

    def _is_full(self, requester: bytes) -> bool:
        of_requester = sum(answer.requester == requester for answer in self._waiting)
        return len(self._waiting) >= ANSWERS_MAX or of_requester >= ANSWERS_PER_MEMBER_MAX

    def given(self, requester: bytes, blocks: Mapping[bytes, int]) -> None:
        """Leave out what a requester who had asked everybody has by now: its beacon shows these blocks of streams."""
        if not any(answer.is_to_any and answer.requester == requester for answer in self._waiting):
            return
        self._waiting = [
            kept
            for answer in self._waiting
            if (kept := _without(answer, blocks) if answer.requester == requester else answer) is not None
        ]

    def due_s(self) -> float:
        """Return when `next_answer` has something to do."""
        if len(self._loading) >= LOADS_MAX:
            return min(deadline_s for _answer, deadline_s in self._loading.values())
        return self._look_s

    def next_answer(self, now_s: float) -> Answer | None:
        """Take out the answer whose turn it is, if there is one; without ranges there is nothing to read for it."""
        if now_s < self._look_s:
            return None
        for lost in [name for name, (_answer, deadline_s) in self._loading.items() if deadline_s <= now_s]:
            del self._loading[lost]
        if len(self._loading) >= LOADS_MAX:
            return None
        for place, answer in enumerate(self._waiting):
            if self._ready_s(answer, now_s) <= now_s:
                del self._waiting[place]
                return answer
        self._look_s = min((self._ready_s(answer, now_s) for answer in self._waiting), default=float("inf"))
        return None

    def loading(self, token: int, answer: Answer, now_s: float) -> None:
        """Note that the blocks of an answer are being read."""
        self._loading[token] = (answer, now_s + LOAD_WITHIN_S)

    def loaded(self, token: int, size: int, now_s: float) -> Answer | None:
        """Return the answer that these frames belong to and charge its bytes, or None where it was given up."""
        found = self._loading.pop(token, None)
        if found is None:
            return None
        self.bytes.spend(size, now_s)
        self._member(found[0].requester).bytes.spend(size, now_s)
        return found[0]

    def _ready_s(self, answer: Answer, now_s: float) -> float:
        # Whoever has a byte left may have a whole answer; what it overdraws is waited for before the next one.
        wait_s = max(self.bytes.wait_s(1, now_s), self._member(answer.requester).bytes.wait_s(1, now_s))
        return max(answer.due_s, now_s + wait_s)

    def _member(self, origin: bytes) -> _Member:
        # Only members get here, so there are no more of these than of them.
        member = self._members.get(origin)
        if member is None:
            member = self._members[origin] = _Member()
        return member


def _without(answer: Answer, blocks: Mapping[bytes, int]) -> Answer | None:
    if not answer.is_to_any:
        return answer
    ranges = tuple(one for one in answer.ranges if blocks.get(one.stream, 0) <= one.first)
    return answer._replace(ranges=ranges) if ranges else None
