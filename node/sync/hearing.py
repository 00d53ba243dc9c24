"""What the beacons of others tell: who is there, what they have beyond us, and who has lost count.

Not our own beacon (`stating`) and not asking for blocks (`pulls`). Owns the rule that only a live beacon with a higher
counter was heard; an old or retained one, which anybody may have kept, only adds to what its author is known to have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from node.sync.beacon import Beacon, decode_beacon
from node.sync.effects import PeerHeard
from node.sync.forks import Forks
from node.sync.messages import Claim, Garbage, decode_heads
from node.sync.peers import Difference, Peer, Peers, difference
from node.sync.vector import Heads, bucket_of

COMPARE_EVERY_S = 5.0
# The same two digests are compared again only after a while: the answer may have been lost, or a stream has forked.
COMPARE_AGAIN_S = 60.0
RETURN_BEACON_EVERY_S = 5.0


class Told(NamedTuple):
    """What follows from a message: is there news to ask for, who was heard, what is to be said in return."""

    is_news: bool = False
    heard: PeerHeard | None = None
    vector: tuple[Claim, ...] = ()
    is_to_compare: bool = False
    is_to_return: bool = False


class Hearing:
    """Reads the beacons of members against our heads."""

    def __init__(
        self,
        *,
        me: bytes,
        group: bytes,
        is_signed: Callable[[bytes, bytes, bytes], bool],
        peers: Peers,
        heads: Heads,
        forks: Forks,
    ) -> None:
        self._me = me
        self._group = group
        self._is_signed = is_signed
        self._peers = peers
        self._heads = heads
        self._forks = forks
        self._compare_next_s = -float("inf")
        self.current_stream = b""

    def beacon(self, payload: bytes, peer: Peer, *, is_live: bool, now_s: float) -> Told:
        """Read a beacon of a member. Raises Garbage."""
        if payload == peer.beacon:
            return Told()  # the same one by way of another broker
        if not peer.beacons.take(1, now_s):
            raise Garbage("flood")
        beacon = decode_beacon(payload, group=self._group, public_key=peer.public_key, is_signed=self._is_signed)
        if beacon.counter <= peer.counter:
            # Live and yet not new: it is replayed, or its author has lost count, as after a start with an unset clock.
            is_news = self._add(_claims(beacon), peer)
            return Told(is_news, is_to_return=is_live and self._is_return_due(peer, now_s))
        peer.counter, peer.beacon = beacon.counter, payload
        if not is_live:
            return Told(self._add(_claims(beacon), peer))
        peer.heard_at_s = now_s
        is_news = self._learn(beacon, peer)
        heard = self._heard(beacon, peer)
        return Told(is_news, heard, beacon.vector, is_to_compare=self._is_compare_due(beacon, peer, now_s))

    def listed(self, payload: bytes, peer: Peer) -> bool:
        """Read the heads that a peer lists after a comparison, and tell whether there is news. Raises Garbage."""
        listed = decode_heads(payload)
        if peer.compared_at_s is None:
            raise Garbage("unasked")
        ours = self._heads.in_buckets(listed.buckets)
        peer.difference = difference(listed.claims, ours, sum(state.blocks for state in ours.values()))
        if self.current_stream in ours:
            theirs = {claim.stream: claim.blocks for claim in listed.claims}
            peer.our_blocks = theirs.get(self.current_stream, 0)
        self._suspect_forks(listed.claims, listed.buckets, peer)
        return self._add(listed.claims, peer)

    def _suspect_forks(self, claims: tuple[Claim, ...], buckets: frozenset[int], peer: Peer) -> None:
        """Suspect streams where two digests differ although the counts of a whole bucket are the same."""
        for bucket in sorted(buckets):
            theirs = {claim.stream: claim for claim in claims if bucket_of(claim.stream) == bucket}
            ours = self._heads.in_buckets([bucket])
            if any(claim.tips for claim in theirs.values()) or theirs.keys() != ours.keys():
                continue
            if all(claim.blocks == ours[stream].blocks and not ours[stream].tips for stream, claim in theirs.items()):
                for stream in sorted(theirs):
                    self._forks.suspect(stream, peer.origin)

    def _add(self, claims: tuple[Claim, ...], peer: Peer) -> bool:
        """Add to what a peer has; that it has more of ours than we do must not be forgotten before it is heard."""
        is_news = self._peers.learn(peer, self._forks.plain(peer.origin, claims), self._heads)
        peer.was_ahead_of_us |= self._is_ahead(peer)
        return is_news

    def _is_ahead(self, peer: Peer) -> bool:
        states = self._heads.states
        return any(stream in states and states[stream].origin == self._me for stream in peer.ahead)

    def _learn(self, beacon: Beacon, peer: Peer) -> bool:
        """Take over what a live beacon says its sender has, and tell whether some of it is news to ask for."""
        claims = _claims(beacon)
        peer.our_stream = self.current_stream
        if beacon.digest == self._heads.digest():
            peer.difference = Difference(0, 0)
            self._forks.even(peer.origin)
            peer.our_blocks = self._heads.blocks(self.current_stream)
            return self._peers.replace(peer, (), self._heads)
        plain = self._forks.plain(peer.origin, claims)
        if not beacon.vector:
            return self._peers.learn(peer, plain, self._heads)
        peer.difference = difference(claims, self._heads.states, self._heads.total_blocks)
        peer.our_blocks = next((claim.blocks for claim in claims if claim.stream == self.current_stream), 0)
        return self._peers.replace(peer, plain, self._heads)

    def _heard(self, beacon: Beacon, peer: Peer) -> PeerHeard:
        is_ahead = peer.was_ahead_of_us or self._is_ahead(peer)
        peer.was_ahead_of_us = False
        return PeerHeard(
            origin=peer.origin,
            counter=beacon.counter,
            clock=beacon.clock,
            version=beacon.version,
            our_stream=peer.our_stream,
            our_blocks=peer.our_blocks,
            missing_here=peer.difference.missing_here,
            missing_there=peer.difference.missing_there,
            is_ahead_of_us=is_ahead,
        )

    def _is_compare_due(self, beacon: Beacon, peer: Peer, now_s: float) -> bool:
        """Tell whether to ask for the heads that differ: the streams were too many to list, or all counts are equal."""
        pair = (beacon.digest, self._heads.digest())
        if pair[0] == pair[1] or now_s < self._compare_next_s:
            return False
        if beacon.vector and peer.difference != Difference(0, 0):
            return False
        if peer.compared == pair and peer.compared_at_s is not None and now_s - peer.compared_at_s < COMPARE_AGAIN_S:
            return False
        self._compare_next_s = now_s + COMPARE_EVERY_S
        peer.compared, peer.compared_at_s = pair, now_s
        return True

    def _is_return_due(self, peer: Peer, now_s: float) -> bool:
        if peer.returned_at_s is not None and now_s - peer.returned_at_s < RETURN_BEACON_EVERY_S:
            return False
        peer.returned_at_s = now_s
        return True


def _claims(beacon: Beacon) -> tuple[Claim, ...]:
    """Return all that a beacon says its sender has: the vector, and the stream it writes now."""
    if not beacon.blocks or beacon.current_stream in {claim.stream for claim in beacon.vector}:
        return beacon.vector
    return (*beacon.vector, Claim(beacon.current_stream, beacon.blocks, is_roster=False))
