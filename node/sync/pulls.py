"""Asking for blocks that others have: whom, for what, how much at once, and what then.

Not giving (`gives`). The life of one question:

1. one member, drawn by lot from those whose beacons cover the most urgent streams, is asked;
2. where nothing comes for 3 s, another one who covers it is asked; in a large group up to three others, one by one;
3. where nothing comes again or nobody is left, everybody is (`any`), which every member has to read;
4. whoever answered without a block that they claim, or did not answer, is not asked for that stream for a while.

A roster goes before everything else: who may write must be known before what they wrote can be judged.
"""

from __future__ import annotations

from random import Random
from typing import NamedTuple

from node.ledger.heads import BlockRange
from node.sync.intake import Intake
from node.sync.limits import Budget
from node.sync.messages import ANY, RANGES_PER_PULL_MAX, REQUEST_MAX, Frames, Ranges
from node.sync.peers import Peer, Peers
from node.sync.vector import Heads

QUESTIONS_MAX = 4
# What one range may ask for; an answer holds 256 KiB, and the smallest frame has about 200 bytes.
BLOCKS_PER_RANGE_MAX = 1_024
ANSWER_WITHIN_S = 3.0
ANSWER_JITTER_S = 1.0
# Holders wait up to 2 s before they answer everybody's question.
ANY_ANSWER_WITHIN_S = 6.0
# While somebody is ahead of us and not all questions are out.
LOOK_EVERY_S = 1.0
# However much changes: a look walks through all claims. In a large group something changes all the time, and what is
# missing is better gathered into few questions than asked for block by block.
LOOK_GAP_S = 0.05
LOOK_GAP_PER_PRESENT_PEER_S = 0.005
# A question to everybody is read by everybody: above so many present, more are asked alone before it.
LARGE_GROUP = 20
ASKED_ALONE_MAX, ASKED_ALONE_MAX_IN_LARGE_GROUP = 2, 4
# A peer refuses more than 64 pulls a minute of one member; we stay below what it would count.
PULLS_PER_S, PULLS_BURST = 0.8, 12.0
_NEVER = float("inf")


class Question(NamedTuple):
    """A pull to send: to a node id or ANY."""

    to: str
    ranges: Ranges


class _Open:
    """A question that is out. `waiting` are the frames of its answers that are not on the disk yet."""

    __slots__ = ("asked", "deadline_s", "is_answered", "is_cut", "moved", "peer", "ranges", "waiting")

    def __init__(self, peer: Peer | None, ranges: dict[bytes, BlockRange], asked: list[bytes]) -> None:
        self.peer = peer
        self.ranges = ranges
        self.asked = asked
        self.deadline_s = 0.0
        self.is_answered = False
        self.is_cut = False
        self.moved: set[bytes] = set()
        self.waiting = 0


class Pulls:
    """The questions that are out."""

    def __init__(self, peers: Peers, heads: Heads, intake: Intake, rng: Random) -> None:
        self._peers = peers
        self._heads = heads
        self._intake = intake
        self._rng = rng
        self._open: dict[int, _Open] = {}
        self._request = rng.randrange(REQUEST_MAX)
        self._budgets: dict[bytes, Budget] = {}
        self._next_look_s = 0.0
        self._looked_s = -_NEVER
        self._gap_s = LOOK_GAP_S
        # The first deadline of those that are out and not answered.
        self._deadline_s = _NEVER
        # Whether an answer may be complete since the last look at them.
        self._is_any_done = False
        self.is_roster_only = False

    def due_s(self) -> float:
        """Return when `ask` has something to do by itself: an answer overdue, or somebody who may be asked again."""
        if len(self._open) < QUESTIONS_MAX and self._peers.has_claims:
            return min(self._deadline_s, self._next_look_s)
        return self._deadline_s

    def is_due(self, now_s: float) -> bool:
        """Tell whether `ask` has something to look at now."""
        return self._next_look_s <= now_s or self._deadline_s <= now_s

    def look_again(self, at_s: float) -> None:
        """Something changed: look at this time whether there is something to ask for."""
        self._next_look_s = min(self._next_look_s, max(at_s, self._looked_s + self._gap_s))

    def ask(self, now_s: float) -> list[Question]:
        """Ask again what is overdue and as much new as may be out at once."""
        questions: list[Question] = []
        if self._deadline_s <= now_s:
            for request, question in list(self._open.items()):
                if not question.is_answered and question.deadline_s <= now_s:
                    questions.extend(self._give_up(request, question, now_s))
            self._find_deadline()
        if now_s >= self._next_look_s and len(self._open) < QUESTIONS_MAX:
            questions.extend(self._ask_new(now_s))
        return questions

    def answered(self, publisher: bytes, frames: Frames, now_s: float) -> int:
        """Note an answer and return the request its frames belong to, or 0 where nobody asked for it."""
        question = self._open.get(frames.request)
        if question is None or (question.peer is not None and question.peer.origin != publisher):
            return 0
        if question.peer is None and not frames.frames:
            # Nobody can say for everybody that there is nothing.
            return 0
        question.deadline_s = now_s + ANSWER_WITHIN_S
        question.is_answered |= frames.is_last
        question.is_cut |= frames.is_cut
        self._is_any_done = True
        self._find_deadline()
        return frames.request

    def queued(self, request: int) -> None:
        """Count a frame of an answer that went into the in-queue."""
        if request in self._open:
            self._open[request].waiting += 1

    def stored(self, requests: list[int], moved: list[bytes]) -> None:
        """Note that these frames left the in-queue, and which streams moved by their transaction."""
        for request in requests:
            question = self._open.get(request)
            if question is not None:
                question.waiting -= 1
                self._is_any_done = True
                question.moved.update(stream for stream in moved if stream in question.ranges)

    def forget(self, requests: list[int]) -> None:
        """Drop the questions whose answers could not be stored here: that is nobody else's fault."""
        for request in requests:
            self._open.pop(request, None)
        self._find_deadline()

    def close_done(self, now_s: float) -> None:
        """Close the questions whose last answer is on the disk, and judge who answered them."""
        if not self._is_any_done:
            return
        self._is_any_done = False
        for request, question in list(self._open.items()):
            if question.is_answered and question.waiting == 0:
                del self._open[request]
                self._judge(question, now_s)
                self.look_again(now_s)

    def _judge(self, question: _Open, now_s: float) -> None:
        peer = question.peer
        if peer is None or self._peers.get(peer.origin) is not peer:
            return
        for stream, asked in question.ranges.items():
            if stream in question.moved or self._heads.blocks(stream) > asked.first:
                self._peers.gave(peer, stream)
            elif not (question.is_cut and question.moved):
                self._peers.failed(peer, stream, now_s, self._rng)

    def _give_up(self, request: int, question: _Open, now_s: float) -> list[Question]:
        """Ask somebody else for what did not come, then everybody, then nobody."""
        del self._open[request]
        self._judge(question, now_s)
        self.look_again(now_s)
        ranges = {
            stream: asked for stream, asked in question.ranges.items() if self._heads.blocks(stream) <= asked.first
        }
        if question.peer is None or not ranges or question.moved:
            return []
        is_large = self._peers.present_count(now_s) > LARGE_GROUP
        if len(question.asked) < (ASKED_ALONE_MAX_IN_LARGE_GROUP if is_large else ASKED_ALONE_MAX):
            others = [
                peer
                for peer in self._peers.claimers()
                if peer.origin not in question.asked and any(stream in peer.ahead for stream in ranges)
            ]
            if is_large and not others:
                # What is lost is lost by chance: only the author may have told that it has this.
                others = [question.peer] if any(stream in question.peer.ahead for stream in ranges) else []
            if others:
                peer = self._rng.choice(others)
                theirs = {stream: asked for stream, asked in ranges.items() if stream in peer.ahead}
                return self._send(peer, theirs, [*question.asked, peer.origin], now_s)
        return self._send(None, ranges, question.asked, now_s)

    def _ask_new(self, now_s: float) -> list[Question]:
        questions: list[Question] = []
        taken = {stream for question in self._open.values() for stream in question.ranges}
        claimers = self._peers.claimers()
        # By lot, but who has more of what is missing is drawn sooner: one question instead of many.
        claimers.sort(key=lambda peer: self._rng.random() ** (1 / len(peer.ahead)), reverse=True)
        is_roster_turn = self.is_roster_only or any(
            claim.is_roster and (stream in taken or peer.may_be_asked(stream, now_s))
            for peer in claimers
            for stream in self._peers.roster_streams
            if (claim := peer.ahead.get(stream)) is not None
        )
        for peer in claimers:
            if len(self._open) >= QUESTIONS_MAX:
                break
            ranges = self._ranges_of(peer, taken, is_roster_turn, now_s)
            if ranges and self._budget(peer).has(1, now_s):
                taken.update(ranges)
                questions.extend(self._send(peer, ranges, [peer.origin], now_s))
        self._gap_s = max(LOOK_GAP_S, LOOK_GAP_PER_PRESENT_PEER_S * self._peers.present_count(now_s))
        self._looked_s, self._next_look_s = now_s, now_s + max(LOOK_EVERY_S, self._gap_s)
        return questions

    def _ranges_of(self, peer: Peer, taken: set[bytes], is_roster_turn: bool, now_s: float) -> dict[bytes, BlockRange]:
        ranges: dict[bytes, BlockRange] = {}
        for stream, claim in peer.ahead.items():
            if stream in taken or (is_roster_turn and not claim.is_roster) or not peer.may_be_asked(stream, now_s):
                continue
            first = self._intake.expected(stream, self._heads.states)
            if first < claim.blocks:
                ranges[stream] = BlockRange(stream, first, min(claim.blocks, first + BLOCKS_PER_RANGE_MAX))
            if len(ranges) == RANGES_PER_PULL_MAX:
                break
        return ranges

    def _send(
        self, peer: Peer | None, ranges: dict[bytes, BlockRange], asked: list[bytes], now_s: float
    ) -> list[Question]:
        if peer is not None and not self._budget(peer).take(1, now_s):
            return []
        # 0 means that nobody asked.
        self._request = self._request % REQUEST_MAX + 1
        question = _Open(peer, ranges, asked)
        within_s = ANSWER_WITHIN_S if peer is not None else ANY_ANSWER_WITHIN_S
        question.deadline_s = now_s + within_s + self._rng.uniform(-1, 1) * ANSWER_JITTER_S
        self._open[self._request] = question
        self._deadline_s = min(self._deadline_s, question.deadline_s)
        to = ANY if peer is None else peer.node_id
        return [Question(to, Ranges(self._request, tuple(ranges.values())))]

    def _find_deadline(self) -> None:
        waiting = [question.deadline_s for question in self._open.values() if not question.is_answered]
        self._deadline_s = min(waiting, default=_NEVER)

    def _budget(self, peer: Peer) -> Budget:
        return self._budgets.setdefault(peer.origin, Budget(PULLS_PER_S, PULLS_BURST))
