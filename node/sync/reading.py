"""What others say, read message by message: who may say what, where it belongs, and what is answered at once.

Not what follows in time (`engine`) and not the judge of a block. Owns the rule that nothing that arrives is believed: a
claim only decides whom to ask, a frame only goes to the disk's judgement, a bad message costs its sender a count.
"""

from __future__ import annotations

from collections.abc import Callable

from node.ledger.block import BlockRefused, read_frame
from node.ledger.names import node_id
from node.sync import effects as fx
from node.sync.beacon import decode_beacon
from node.sync.effects import Dropped, Effect, Kind, Publish
from node.sync.forks import Forks
from node.sync.gives import Gives
from node.sync.hearing import Hearing
from node.sync.intake import Intake
from node.sync.limits import Budget
from node.sync.messages import (
    ANY,
    Claim,
    Frames,
    Garbage,
    PayloadKind,
    Ranges,
    Topic,
    decode_block_hashes,
    decode_bucket_digests,
    decode_frames,
    decode_ranges,
    encode_bucket_digests,
    encode_heads,
    kind_of,
    parse_topic,
)
from node.sync.peers import BEACONS_BURST, BEACONS_PER_S, Peer, Peers
from node.sync.pulls import Pulls
from node.sync.stating import Stating
from node.sync.vector import Heads

# What somebody has before us is usually on its way to us too; only then it is asked for.
ON_ITS_WAY_S = 0.2

# What may arrive as what; everything else is garbage.
_PAYLOADS = {
    Kind.HEAD: (PayloadKind.BEACON,),
    Kind.BLOCKS: (PayloadKind.FRAMES,),
    Kind.PULL: (PayloadKind.RANGES, PayloadKind.BUCKET_DIGESTS, PayloadKind.BLOCK_HASHES),
    Kind.GIVE: (PayloadKind.FRAMES, PayloadKind.HEADS, PayloadKind.BEACON),
}


class Reading:
    """Reads messages into the parts of one engine. `own_key` is our public key once the roster knows us."""

    def __init__(
        self,
        *,
        me: bytes,
        group: bytes,
        is_signed: Callable[[bytes, bytes, bytes], bool],
        peers: Peers,
        heads: Heads,
        intake: Intake,
        pulls: Pulls,
        gives: Gives,
        hearing: Hearing,
        stating: Stating,
        forks: Forks,
    ) -> None:
        self._me, self._my_id, self._group = me, node_id(me), group
        self._is_signed = is_signed
        self._peers = peers
        self._heads = heads
        self._intake = intake
        self._pulls = pulls
        self._gives = gives
        self._hearing = hearing
        self._stating = stating
        self._forks = forks
        self._echoes = Budget(BEACONS_PER_S, BEACONS_BURST)
        self._out: list[Effect] = []
        self.own_key: bytes | None = None

    def read(self, event: fx.Received, now_s: float) -> list[Effect]:
        """Take a message in and return what is to be said about it at once."""
        self._out = []
        self._received(event, now_s)
        return self._out

    def _received(self, event: fx.Received, now_s: float) -> None:
        publisher: bytes | None = None
        try:
            topic = parse_topic(event.topic)
            publisher = topic.publisher
            self._read(topic, event, now_s)
        except Garbage as garbage:
            self._drop(garbage.reason, publisher)

    def _read(self, topic: Topic, event: fx.Received, now_s: float) -> None:
        """Hand a message on to the one place for its kind. Raises Garbage."""
        if topic.group != self._group:
            raise Garbage("group")
        if topic.publisher == self._me:
            self._read_own(topic, event.payload, now_s)
            return
        peer = self._peers.get(topic.publisher)
        if peer is None:
            raise Garbage("unknown publisher")
        if not peer.messages.take(1, now_s) or not peer.bytes.take(len(event.payload), now_s):
            raise Garbage("flood")
        if event.is_retained and topic.kind is not Kind.HEAD:
            raise Garbage("retained")
        if topic.to is not None and topic.to != ANY and topic.to != self._my_id:
            raise Garbage("not for us")
        if topic.kind is Kind.BYE:
            self._out.append(fx.PeerLeft(peer.origin))
            return
        kind = kind_of(event.payload)
        if kind not in _PAYLOADS[topic.kind]:
            raise Garbage("kind")
        self._read_payload(topic, kind, peer, event, now_s)

    def _read_payload(self, topic: Topic, kind: PayloadKind, peer: Peer, event: fx.Received, now_s: float) -> None:
        payload = event.payload
        if kind is PayloadKind.FRAMES:
            self._frames(decode_frames(payload), peer, is_answer=topic.kind is Kind.GIVE, now_s=now_s)
        elif kind is PayloadKind.HEADS:
            if self._hearing.listed(payload, peer):
                self._pulls.look_again(now_s + ON_ITS_WAY_S)
        elif kind is PayloadKind.BEACON and topic.kind is Kind.GIVE:
            self._own_beacon(payload, now_s)
        elif kind is PayloadKind.BEACON:
            self._beacon(payload, peer, is_live=not event.is_retained, now_s=now_s)
        elif not self._gives.may_ask(peer.origin, now_s):
            raise Garbage("too many pulls")
        elif kind is PayloadKind.RANGES:
            reason = self._asked(decode_ranges(payload), peer, is_to_any=topic.to == ANY, now_s=now_s)
            if reason is not None:
                raise Garbage(reason)
        elif kind is PayloadKind.BLOCK_HASHES:
            reason = self._gives.asked_beyond(peer.origin, decode_block_hashes(payload), now_s=now_s)
            if topic.to == ANY or reason is not None:
                raise Garbage(reason or "kind")
        else:
            self._publish_to(peer.origin, Kind.GIVE, encode_heads(self._heads.listed(decode_bucket_digests(payload))))

    def _asked(self, ranges: Ranges, peer: Peer, *, is_to_any: bool, now_s: float) -> str | None:
        if not is_to_any:
            return self._gives.asked(peer.origin, ranges, now_s=now_s)
        present = self._peers.present_count(now_s)
        return self._gives.asked_any(peer.origin, ranges, present=present, now_s=now_s)

    def _read_own(self, topic: Topic, payload: bytes, now_s: float) -> None:
        """Look at our own echo only for a beacon from before our last start, which a broker or a peer has kept."""
        if (
            topic.kind is Kind.HEAD
            and len(payload) > 10
            and int.from_bytes(payload[2:10], "little") > self._stating.counter
        ):
            self._own_beacon(payload, now_s)
        else:
            raise Garbage("own")

    def _own_beacon(self, payload: bytes, now_s: float) -> None:
        """Go on counting where an earlier run of ours stopped, or nobody would count our beacons as new."""
        if self.own_key is None:
            raise Garbage("own")
        if not self._echoes.take(1, now_s):
            # Whoever may write what looks like ours must not make us verify without end.
            raise Garbage("flood")
        beacon = decode_beacon(payload, group=self._group, public_key=self.own_key, is_signed=self._is_signed)
        if self._stating.catch_up(beacon.counter):
            self._stating.tell(self._peers.present_count(now_s), now_s)

    def _beacon(self, payload: bytes, peer: Peer, *, is_live: bool, now_s: float) -> None:
        told = self._hearing.beacon(payload, peer, is_live=is_live, now_s=now_s)
        if told.is_news:
            self._pulls.look_again(now_s + ON_ITS_WAY_S)
        if told.is_to_return:
            self._publish_to(peer.origin, Kind.GIVE, peer.beacon)
        if told.is_to_compare:
            self._publish_to(peer.origin, Kind.PULL, encode_bucket_digests(self._heads.bucket_digests()))
        if told.heard is not None:
            self._gives.given(peer.origin, {claim.stream: claim.blocks for claim in told.vector})
            self._out.append(told.heard)

    def _frames(self, message: Frames, peer: Peer, *, is_answer: bool, now_s: float) -> None:
        request = self._pulls.answered(peer.origin, message, now_s) if is_answer else 0
        is_of_fork = is_answer and self._forks.is_answer(
            message.request, peer.origin, is_last=message.is_last, is_cut=message.is_cut
        )
        dropped: set[str] = set()
        for frame in message.frames:
            try:
                block = read_frame(frame)
            except BlockRefused as refused:
                dropped.add(f"frame {refused.check}")
                continue
            is_branch = is_of_fork or block.header.stream in self._heads.forked
            reason = self._intake.offer(block, peer.origin, request, self._heads.states, now_s, is_branch=is_branch)
            if reason is None:
                self._pulls.queued(request)
            elif reason == "early":
                # What lies between is missing here, and whoever sends this has it.
                header = block.header
                state = self._heads.states.get(header.stream)
                claim = Claim(header.stream, header.n + 1, is_roster=state is not None and state.is_roster)
                if self._peers.learn(peer, [claim], self._heads):
                    self._pulls.look_again(now_s + ON_ITS_WAY_S)
            elif reason != "known":
                dropped.add(reason)
        for reason in sorted(dropped):
            self._drop(reason, peer.origin)

    def _publish_to(self, origin: bytes, kind: Kind, payload: bytes) -> None:
        peer = self._peers.get(origin)
        if peer is not None:
            self._out.append(Publish(kind, peer.node_id, payload, 1, is_retained=False))

    def _drop(self, reason: str, publisher: bytes | None) -> None:
        self._out.append(Dropped(reason, publisher))
