"""Forked streams between nodes: whom to ask for the branches that are not here, and how often.

Not the choice of a branch (`ledger.forks`). Counts of blocks say nothing of a forked stream: a claim on one names the
ends of all its branches by one number. A stream that only may have forked is suspected: a block came that fits no
branch here, or two nodes count the same and their digests differ. The question carries hashes of what is here, and the
answer is what lies beyond them. Owns the bound on these questions: two at a time, one of a member, and of whoever has
nothing new ever less often; so no member with made-up claims keeps the others' branches from being asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from random import Random
from typing import NamedTuple

from node.sync.messages import REQUEST_MAX, Claim
from node.sync.vector import Heads

QUESTIONS_MAX = 2
SUSPICIONS_MAX = 256
SUSPICIONS_PER_MEMBER_MAX = 16
ANSWER_WITHIN_S = 6.0
# After each answer without anything new: 5, 10, 20 ... s, an hour at most.
RETRY_S, RETRY_S_MAX = 5.0, 3_600.0
_NEVER = float("inf")


class Suspicion(NamedTuple):
    """A stream that a member may have more of; how often it was asked in vain, and until when it is not again."""

    in_vain: int
    until_s: float


class ForkAsked(NamedTuple):
    """A question to send, once the hashes of what is here of the stream are read."""

    request: int
    origin: bytes
    stream: bytes


class Forks:
    """What may have forked, and the questions that are out."""

    def __init__(self, heads: Heads, rng: Random) -> None:
        self._heads = heads
        self._rng = rng
        self._request: int | None = None
        self._suspicions: dict[tuple[bytes, bytes], Suspicion] = {}
        self._open: dict[int, tuple[ForkAsked, float]] = {}

    def plain(self, origin: bytes, claims: tuple[Claim, ...]) -> tuple[Claim, ...]:
        """Return the claims that count blocks of streams of one branch; the others say whom to ask for branches."""
        if not self._heads.forked and not any(claim.tips for claim in claims):
            return claims
        plain = []
        for claim in claims:
            ours = self._heads.tips(claim.stream)
            if claim.tips and claim.tips != ours:
                self.suspect(claim.stream, origin)
            elif claim.tips:
                self._suspicions.pop((claim.stream, origin), None)
            elif not ours:
                plain.append(claim)
        return tuple(plain)

    def suspect(self, stream: bytes, origin: bytes) -> None:
        """Ask this member for branches of a stream when it may be asked."""
        of_member = sum(pair[1] == origin for pair in self._suspicions)
        if len(self._suspicions) < SUSPICIONS_MAX and of_member < SUSPICIONS_PER_MEMBER_MAX:
            self._suspicions.setdefault((stream, origin), Suspicion(0, -_NEVER))

    def even(self, origin: bytes) -> None:
        """Forget what a member was suspected of: its digest is ours."""
        if self._suspicions:
            for pair in [pair for pair in self._suspicions if pair[1] == origin]:
                del self._suspicions[pair]

    def moved(self, streams: Iterable[bytes]) -> None:
        """Forget what was suspected of streams that have changed here; the next beacons tell what is still missing."""
        if self._suspicions:
            changed = set(streams)
            for pair in [pair for pair in self._suspicions if pair[0] in changed]:
                del self._suspicions[pair]

    def due_s(self) -> float:
        """Return when `ask` has something to do."""
        if not self._open and not self._suspicions:
            return _NEVER  # asked at every event of the engine, and almost always so
        due_s = min((deadline_s for _asked, deadline_s in self._open.values()), default=_NEVER)
        if len(self._open) < QUESTIONS_MAX:
            due_s = min(due_s, min((one.until_s for _pair, one in self._unasked()), default=_NEVER))
        return due_s

    def _unasked(self) -> list[tuple[tuple[bytes, bytes], Suspicion]]:
        """Return the suspicions of members of whom nothing is asked now, those that may be asked first in front."""
        asked = {question.origin for question, _deadline_s in self._open.values()}
        waiting = [(pair, one) for pair, one in self._suspicions.items() if pair[1] not in asked]
        return sorted(waiting, key=lambda item: (item[1].until_s, item[0]))

    def ask(self, now_s: float) -> list[ForkAsked]:
        """Give up what was not answered in time, and return what to ask now."""
        for request in [request for request, (_asked, deadline_s) in self._open.items() if deadline_s <= now_s]:
            del self._open[request]
        asked: list[ForkAsked] = []
        for (stream, origin), suspicion in self._unasked():
            if len(self._open) >= QUESTIONS_MAX or suspicion.until_s > now_s:
                break
            if any(question.origin == origin for question in asked):
                continue
            # 0 means that nobody asked.
            begin = self._rng.randrange(REQUEST_MAX) if self._request is None else self._request
            self._request = begin % REQUEST_MAX + 1
            question = ForkAsked(self._request, origin, stream)
            self._open[self._request] = (question, now_s + ANSWER_WITHIN_S)
            wait_s = min(RETRY_S * 2.0**suspicion.in_vain, RETRY_S_MAX)
            self._suspicions[stream, origin] = Suspicion(suspicion.in_vain + 1, now_s + wait_s)
            asked.append(question)
        return asked

    def is_answer(self, request: int, origin: bytes, *, is_last: bool, is_cut: bool) -> bool:
        """Tell whether frames answer one of these questions; where there is more, it is asked for at once."""
        question = self._open.get(request)
        if question is None or question[0].origin != origin:
            return False
        if is_last:
            del self._open[request]
            if is_cut:
                self._suspicions[question[0].stream, origin] = Suspicion(0, -_NEVER)
        return True

    def asked_of(self, request: int) -> ForkAsked | None:
        """Return a question that is out."""
        found = self._open.get(request)
        return None if found is None else found[0]
