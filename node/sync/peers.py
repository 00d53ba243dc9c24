"""What the other members are known to have: only where they are ahead of us, so that a thousand streams stay small.

Not who they are (the roster) and not asking them (`pulls`). Owns the bound on what peers can make us remember. A claim
is hearsay: it decides whom to ask, never what is true; one that turns out empty is left alone for longer and longer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from random import Random
from typing import NamedTuple

from node.ledger.heads import StreamState
from node.ledger.names import node_id
from node.sync.limits import Budget
from node.sync.messages import BLOCKS_MAX, Claim
from node.sync.vector import Heads

CLAIMS_PER_PEER_MAX = 4_096
CLAIMS_MAX = 16_384  # about 130 B each
ROSTER_STREAMS_MAX = 16
FAILURES_KEPT_PER_PEER_MAX = 256
# A peer that was heard within this counts as present.
PRESENT_S = 60.0
# After each answer without the block: 1, 2, 4 ... 60 s; who goes on promising is asked once an hour.
RETRY_S_MAX = 60.0
RETRIES_BEFORE_GIVING_UP = 12
GIVEN_UP_S = 3_600.0
# One verification of a beacon costs about 60 µs; honest ones come at most once a second and broker.
BEACONS_PER_S, BEACONS_BURST = 4.0, 20.0
MESSAGES_PER_S, MESSAGES_BURST = 200.0, 400.0
BYTES_PER_S, BYTES_BURST = 4_194_304.0, 8_388_608.0


class Failure(NamedTuple):
    """How often in a row a peer did not give a block it claimed, and until when it is not asked for it again."""

    in_a_row: int
    until_s: float


class Difference(NamedTuple):
    """A vector against our heads, in blocks."""

    missing_here: int
    missing_there: int


def difference(claims: Iterable[Claim], ours: Mapping[bytes, StreamState], our_blocks: int) -> Difference:
    """Count what a vector has beyond these heads of ours, which have `our_blocks` in all, and they beyond it."""
    here = shared = 0
    for claim in claims:
        state = ours.get(claim.stream)
        blocks = 0 if state is None else state.blocks
        tips = 0 if state is None else state.tips
        if claim.tips or tips:
            # Branches are not counted in blocks: one is missing here, or nothing is.
            here += claim.tips not in (0, tips)
            shared += blocks
            continue
        here += max(0, claim.blocks - blocks)
        shared += min(claim.blocks, blocks)
    return Difference(here, our_blocks - shared)


class Peer:
    """One member as heard: its newest beacon, and where it is ahead of us."""

    __slots__ = (
        "ahead",
        "beacon",
        "beacons",
        "bytes",
        "compared",
        "compared_at_s",
        "counter",
        "difference",
        "failures",
        "heard_at_s",
        "messages",
        "node_id",
        "origin",
        "our_blocks",
        "our_stream",
        "public_key",
        "returned_at_s",
        "was_ahead_of_us",
    )

    def __init__(self, origin: bytes, public_key: bytes) -> None:
        self.origin = origin
        self.public_key = public_key
        self.node_id = node_id(origin)
        self.counter = -1
        self.beacon = b""
        self.heard_at_s: float | None = None
        self.ahead: dict[bytes, Claim] = {}
        self.failures: dict[bytes, Failure] = {}
        self.difference = Difference(0, 0)
        self.our_stream, self.our_blocks = b"", 0
        self.compared: tuple[bytes, bytes] | None = None
        self.compared_at_s: float | None = None
        self.returned_at_s: float | None = None
        self.was_ahead_of_us = False
        self.beacons = Budget(BEACONS_PER_S, BEACONS_BURST)
        self.messages = Budget(MESSAGES_PER_S, MESSAGES_BURST)
        self.bytes = Budget(BYTES_PER_S, BYTES_BURST)

    def is_present(self, now_s: float) -> bool:
        """Tell whether a live beacon came within the last minute."""
        return self.heard_at_s is not None and now_s - self.heard_at_s <= PRESENT_S

    def may_be_asked(self, stream: bytes, now_s: float) -> bool:
        """Tell whether its claim on a stream is worth asking for now."""
        failure = self.failures.get(stream)
        return failure is None or failure.until_s <= now_s


class Peers:
    """All members but ourselves."""

    def __init__(self, members: Mapping[bytes, bytes], me: bytes) -> None:
        self._me = me
        self._by_origin: dict[bytes, Peer] = {}
        self._claimers: set[bytes] = set()
        # Who is ahead of us in which stream: what moves here is looked up, not searched for in everybody's claims.
        self._claimers_of: dict[bytes, set[bytes]] = {}
        self._claim_count = 0
        self._present, self._count_again_s = 0, 0.0
        # One bytes object for each stream, however many peers name it.
        self._names: dict[bytes, bytes] = {}
        # Streams that somebody calls a roster and that we are behind in.
        self.roster_streams: set[bytes] = set()
        self.change(members)

    def change(self, members: Mapping[bytes, bytes]) -> None:
        """Take over who the members are; what those who are gone had said is forgotten."""
        for origin in [origin for origin in self._by_origin if origin not in members]:
            self._forget_claims(self._by_origin.pop(origin))
        for origin, public_key in members.items():
            if origin != self._me and origin not in self._by_origin:
                self._by_origin[origin] = Peer(origin, public_key)

    def get(self, origin: bytes) -> Peer | None:
        """Return a member other than us."""
        return self._by_origin.get(origin)

    def present_count(self, now_s: float) -> int:
        """Count those heard within the last minute, as of at most a second ago."""
        if now_s >= self._count_again_s:
            self._present = sum(peer.is_present(now_s) for peer in self._by_origin.values())
            self._count_again_s = now_s + 1.0
        return self._present

    def claimers(self) -> list[Peer]:
        """Return those who are ahead of us somewhere, in an order that depends on nothing but their names."""
        return [self._by_origin[origin] for origin in sorted(self._claimers)]

    def learn(self, peer: Peer, claims: Iterable[Claim], heads: Heads) -> bool:
        """Add what a peer claims to have beyond us, and tell whether that was news."""
        is_news = False
        for claim in claims:
            known = peer.ahead.get(claim.stream)
            if claim.blocks <= heads.blocks(claim.stream) or (known is not None and _covers(known, claim)):
                continue
            if known is None:
                if len(peer.ahead) >= CLAIMS_PER_PEER_MAX or self._claim_count >= CLAIMS_MAX:
                    continue
                self._claim_count += 1
            stream = self._names.setdefault(claim.stream, claim.stream)
            if claim.is_roster and stream not in self.roster_streams:
                # One for each steward is honest; whoever names more only loses its precedence.
                claim = claim._replace(is_roster=len(self.roster_streams) < ROSTER_STREAMS_MAX)
                if claim.is_roster:
                    self.roster_streams.add(stream)
            peer.ahead[stream] = claim._replace(stream=stream)
            self._claimers_of.setdefault(stream, set()).add(peer.origin)
            is_news = True
        if peer.ahead:
            self._claimers.add(peer.origin)
        return is_news

    def replace(self, peer: Peer, claims: Iterable[Claim], heads: Heads) -> bool:
        """Take over a whole vector in place of what was known, and tell whether it holds news."""
        known = set(peer.ahead.values())
        self._forget_claims(peer)
        self.learn(peer, claims, heads)
        return not known.issuperset(peer.ahead.values())

    @property
    def has_claims(self) -> bool:
        """Tell whether anybody is ahead of us anywhere."""
        return bool(self._claimers)

    def moved(self, streams: Iterable[bytes], heads: Heads) -> list[bytes]:
        """Forget what we have caught up with, and return the members who are ahead of us nowhere any more."""
        caught_up = []
        for stream in streams:
            # Of a forked stream no count says anything; whoever is ahead there is asked by `forks`.
            blocks = BLOCKS_MAX if stream in heads.forked else heads.blocks(stream)
            for origin in sorted(self._claimers_of.get(stream, ())):
                peer = self._by_origin[origin]
                if peer.ahead[stream].blocks > blocks:
                    continue
                self._forget_claim(peer, stream)
                peer.failures.pop(stream, None)
                if not peer.ahead:
                    peer.difference = peer.difference._replace(missing_here=0)
                    caught_up.append(origin)
        if not self._claimers:
            self._names.clear()
            self.roster_streams.clear()
        return caught_up

    def failed(self, peer: Peer, stream: bytes, now_s: float, rng: Random) -> None:
        """Remember that a peer did not give what it claims of a stream."""
        before = peer.failures.pop(stream, None)
        count = 1 if before is None else before.in_a_row + 1
        wait_s = min(2.0 ** (count - 1), RETRY_S_MAX) if count <= RETRIES_BEFORE_GIVING_UP else GIVEN_UP_S
        if len(peer.failures) >= FAILURES_KEPT_PER_PEER_MAX:
            # So many empty claims are no accident: the claim goes, and with it the reason to ask.
            if stream in peer.ahead:
                self._forget_claim(peer, stream)
            return
        peer.failures[stream] = Failure(count, now_s + wait_s * rng.uniform(0.8, 1.2))

    def gave(self, peer: Peer, stream: bytes) -> None:
        """Remember that a peer gave something new of a stream."""
        peer.failures.pop(stream, None)

    def forgive(self) -> None:
        """Let everybody be asked for everything again: the roster grew, or a person wants it now."""
        for peer in self._by_origin.values():
            peer.failures.clear()

    def _forget_claims(self, peer: Peer) -> None:
        for stream in list(peer.ahead):
            self._forget_claim(peer, stream)

    def _forget_claim(self, peer: Peer, stream: bytes) -> None:
        del peer.ahead[stream]
        self._claim_count -= 1
        others = self._claimers_of[stream]
        others.discard(peer.origin)
        if not others:
            del self._claimers_of[stream]
        if not peer.ahead:
            self._claimers.discard(peer.origin)


def _covers(known: Claim, claim: Claim) -> bool:
    return known.blocks >= claim.blocks and (known.is_roster or not claim.is_roster)
