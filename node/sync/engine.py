"""The sync engine: told what happened, it answers what to do. Sans-IO: no socket, file, thread, clock or global chance.

Not the driver that carries the effects out, and not the judge of a block (`ledger.receive`). Owns these rules:

- A beacon claims and an answer gives only what Persisted, Started or Appended said is on the disk.
- Nothing that arrives is believed: a claim only decides whom to ask, a frame only goes to the disk's judgement.
- A received frame is never published again as such; it is given to those who ask.
- A bad message costs its sender a count and changes nothing else. No clock of anybody decides anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from node.ledger.block import NO_BLOCK_BEFORE, BlockRefused, read_frame
from node.ledger.heads import StreamState
from node.ledger.names import STREAM_BYTES, node_id
from node.sync import effects as fx
from node.sync.beacon import Beacon, decode_beacon, encode_beacon
from node.sync.effects import Dropped, Effect, Event, FreeSpace, Kind, Publish
from node.sync.gives import ANSWER_BYTES_MAX, BYTES_PER_S, Gives
from node.sync.hearing import Hearing
from node.sync.intake import Intake, Waiting
from node.sync.limits import Budget
from node.sync.messages import (
    ANY,
    Claim,
    Frames,
    Garbage,
    PayloadKind,
    Ranges,
    Topic,
    decode_bucket_digests,
    decode_frames,
    decode_ranges,
    encode_bucket_digests,
    encode_frames,
    encode_heads,
    encode_ranges,
    kind_of,
    pack_frames,
    parse_topic,
)
from node.sync.peers import BEACONS_BURST, BEACONS_PER_S, Peer, Peers
from node.sync.pulls import LARGE_GROUP, Pulls
from node.sync.stating import Stating
from node.sync.vector import Heads

# What somebody has before us is usually on its way to us too; only then it is asked for.
ON_ITS_WAY_S = 0.2
# The timer never fires more often, whatever is due.
TIMER_GAP_S = 0.005
PERSIST_WITHIN_S = 60.0
# In a large group blocks come one by one without end. Each transaction waits for the card, so what comes within this
# time after the last one is gathered, by each member present beyond LARGE_GROUP; a full batch never waits.
PERSIST_GAP_PER_PRESENT_PEER_S = 0.002
PERSIST_PAUSE_S, PERSIST_PAUSE_S_MAX = 1.0, 60.0
TIMER = "sync"
_NEVER = float("inf")
_NOTHING_YET = StreamState(b"", False, 0, 0, NO_BLOCK_BEFORE)

# What may arrive as what; everything else is garbage.
_PAYLOADS = {
    Kind.HEAD: (PayloadKind.BEACON,),
    Kind.BLOCKS: (PayloadKind.FRAMES,),
    Kind.PULL: (PayloadKind.RANGES, PayloadKind.BUCKET_DIGESTS),
    Kind.GIVE: (PayloadKind.FRAMES, PayloadKind.HEADS, PayloadKind.BEACON),
}


class Engine:
    """One node's part in the replication of one group.

    `me` is our origin, `sign` signs as us, `is_signed(public_key, signature, message)` checks others, and `rng` is the
    only source of chance, so that a run can be repeated exactly. All times of `now_s` are of one monotonic clock.
    """

    def __init__(
        self,
        *,
        me: bytes,
        group: bytes,
        sign: Callable[[bytes], bytes],
        is_signed: Callable[[bytes, bytes, bytes], bool],
        rng: Random,
    ) -> None:
        self._me = me
        self._my_id = node_id(me)
        self._group = group
        self._sign = sign
        self._is_signed = is_signed
        self._rng = rng
        self._begin(fx.Started({}, {}, b"", 0, FreeSpace.UNKNOWN, ""), wall_ms=0)
        self._is_started = False

    def handle(self, event: Event, now_s: float, wall_ms: int) -> list[Effect]:
        """Return what to do about an event, in order.

        `now_s` never goes back; `wall_ms` only gives the first beacon a number that was probably not used before.
        """
        self._out: list[Effect] = []
        if isinstance(event, fx.Started):
            self._begin(event, wall_ms)
            self._is_started = True
        elif self._is_started:
            self._dispatch(event, now_s)
        if self._is_started:
            self._work(now_s)
        return self._out

    def _begin(self, started: fx.Started, wall_ms: int) -> None:
        self._out = []
        self._own_key = started.members.get(self._me)
        self._clock = started.clock
        self._version = started.version
        self._heads = Heads(started.heads)
        self._peers = Peers(started.members, self._me)
        self._intake = Intake()
        self._pulls = Pulls(self._peers, self._heads, self._intake, self._rng)
        self._gives = Gives(self._heads, self._rng)
        self._own_bytes = Budget(BYTES_PER_S, BYTES_PER_S)
        self._echoes = Budget(BEACONS_PER_S, BEACONS_BURST)
        self._links: set[str] = set()
        self._stating = Stating(self._rng, wall_ms=wall_ms)
        self._hearing = Hearing(
            me=self._me, group=self._group, is_signed=self._is_signed, peers=self._peers, heads=self._heads
        )
        self._hearing.current_stream = started.current_stream
        self._token = 0
        self._storing: tuple[int, list[Waiting], float] | None = None
        self._pause_s, self._paused_until_s = 0.0, -_NEVER
        self._gather_until_s = -_NEVER
        self._timer_s = _NEVER
        self._set_free_space(started.free_space)

    def _dispatch(self, event: Event, now_s: float) -> None:
        match event:
            case fx.Received():
                self._received(event, now_s)
            case fx.TimerDue():
                self._timer_s = _NEVER
            case fx.Persisted():
                self._persisted(event, now_s)
            case fx.PersistFailed():
                self._persist_failed(event.token, now_s)
            case fx.Loaded():
                self._loaded(event, now_s)
            case fx.Appended():
                self._appended(event, now_s)
            case fx.LinkUp():
                self._links.add(event.broker)
                self._tell(now_s)
            case fx.LinkDown():
                self._links.discard(event.broker)
            case fx.MembersChanged():
                self._members_changed(event, now_s)
            case fx.ConditionsChanged():
                self._clock = event.clock
                self._set_free_space(event.free_space)
                self._tell(now_s)
            case fx.SyncAsked():
                self._peers.forgive()
                self._pulls.look_again(now_s)
                self._tell(now_s)

    # What happened here.

    def _set_free_space(self, free_space: FreeSpace) -> None:
        self._free_space = free_space
        self._pulls.is_roster_only = free_space is FreeSpace.LOW

    def _members_changed(self, event: fx.MembersChanged, now_s: float) -> None:
        self._own_key = event.members.get(self._me)
        self._peers.change(event.members)
        # What was refused from an author nobody knew may be right now.
        self._peers.forgive()
        self._intake.forgive()
        self._pulls.look_again(now_s)

    def _appended(self, event: fx.Appended, now_s: float) -> None:
        self._hearing.current_stream = event.current_stream
        self._move_heads(event.heads, now_s)
        for frames in pack_frames(event.frames):
            payload = encode_frames(frames)
            if not self._links:
                return
            if not self._own_bytes.take(len(payload), now_s):
                # The beacon tells what was left out, and it is given to those who ask.
                self._drop("out queue full", self._me)
                return
            self._publish(Kind.BLOCKS, payload, qos=1)

    def _persisted(self, event: fx.Persisted, now_s: float) -> None:
        moved = self._move_heads(event.heads, now_s)
        if self._storing is None or self._storing[0] != event.token:
            return
        batch = self._storing[1]
        self._storing = None
        self._pause_s = 0.0
        self._intake.stored(batch, self._heads.states, now_s)
        self._pulls.stored([waiting.request for waiting in batch], moved)

    def _persist_failed(self, token: int, now_s: float) -> None:
        if self._storing is None or self._storing[0] != token:
            return
        batch = self._storing[1]
        self._storing = None
        self._pause_s = min(max(PERSIST_PAUSE_S, 2 * self._pause_s), PERSIST_PAUSE_S_MAX)
        self._paused_until_s = now_s + self._pause_s
        self._intake.failed(batch)
        self._pulls.forget([waiting.request for waiting in batch])

    def _loaded(self, event: fx.Loaded, now_s: float) -> None:
        answer = self._gives.loaded(event.token, sum(map(len, event.frames)), now_s)
        if answer is None or (answer.is_to_any and not event.frames):
            return
        is_cut = len(event.frames) < sum(one.end - one.first for one in answer.ranges)
        messages = pack_frames(event.frames) or [[]]
        for frames in messages:
            is_last = frames is messages[-1]
            payload = encode_frames(frames, request=answer.request, is_last=is_last, is_cut=is_last and is_cut)
            self._publish_to(answer.requester, Kind.GIVE, payload)

    # What others say.

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
        if self._own_key is None:
            raise Garbage("own")
        if not self._echoes.take(1, now_s):
            # Whoever may write what looks like ours must not make us verify without end.
            raise Garbage("flood")
        beacon = decode_beacon(payload, group=self._group, public_key=self._own_key, is_signed=self._is_signed)
        if self._stating.catch_up(beacon.counter):
            self._tell(now_s)

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
        dropped: set[str] = set()
        for frame in message.frames:
            try:
                block = read_frame(frame)
            except BlockRefused as refused:
                dropped.add(f"frame {refused.check}")
                continue
            reason = self._intake.offer(block, peer.origin, request, self._heads.states, now_s)
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

    # What is to be done.

    def _work(self, now_s: float) -> None:
        """Do what is due and set the timer for what will be."""
        if self._storing is not None and self._storing[2] <= now_s:
            self._persist_failed(self._storing[0], now_s)
        self._persist(now_s)
        self._pulls.close_done(now_s)
        if self._links:
            if self._pulls.is_due(now_s):
                self._ask(now_s)
            if self._gives.due_s() <= now_s:
                self._give(now_s)
            if self._stating.due_s <= now_s:
                self._send_beacon(now_s)
        # A timer that comes too early only looks again, so one that would come late is the only one to replace.
        due_s = max(self._due_s(now_s), now_s + TIMER_GAP_S)
        if due_s < self._timer_s:
            self._timer_s = due_s
            self._out.append(fx.SetTimer(TIMER, due_s))

    def _due_s(self, now_s: float) -> float:
        due_s = _NEVER
        if self._storing is not None:
            due_s = self._storing[2]
        elif self._paused_until_s > now_s:
            due_s = self._paused_until_s
        elif not self._intake.is_empty:
            due_s = self._gather_until_s
        if self._links:
            asking_s = max(self._pulls.due_s(), self._paused_until_s)
            due_s = min(due_s, asking_s, self._gives.due_s(), self._stating.due_s)
        return due_s

    def _persist(self, now_s: float) -> None:
        if self._storing is not None or self._intake.is_empty or now_s < self._paused_until_s:
            return
        if self._intake.is_batch_full or now_s >= self._gather_until_s:
            batch = self._intake.next_batch()
            crowd = max(0, self._peers.present_count(now_s) - LARGE_GROUP)
            self._gather_until_s = now_s + PERSIST_GAP_PER_PRESENT_PEER_S * crowd
            publishers = {waiting.publisher for waiting in batch}
            token = self._next_token()
            self._storing = (token, batch, now_s + PERSIST_WITHIN_S)
            publisher = publishers.pop() if len(publishers) == 1 else None
            self._out.append(fx.Persist(token, tuple(waiting.frame for waiting in batch), publisher))

    def _ask(self, now_s: float) -> None:
        if now_s < self._paused_until_s:
            return
        for question in self._pulls.ask(now_s):
            self._publish(Kind.PULL, encode_ranges(question.ranges), qos=1, to=question.to)

    def _give(self, now_s: float) -> None:
        while (answer := self._gives.next_answer(now_s)) is not None:
            if answer.ranges:
                token = self._next_token()
                self._gives.loading(token, answer, now_s)
                self._out.append(fx.Load(token, answer.ranges, ANSWER_BYTES_MAX))
            else:
                # Say at once that there is nothing, so that the other one asks somebody else.
                self._publish_to(answer.requester, Kind.GIVE, encode_frames([], request=answer.request))

    def _tell(self, now_s: float) -> None:
        self._stating.tell(self._peers.present_count(now_s), now_s)

    def _send_beacon(self, now_s: float) -> None:
        qos = 1 if self._stating.is_news else 0
        ours = self._heads.states.get(self._hearing.current_stream, _NOTHING_YET)
        beacon = Beacon(
            counter=self._stating.next_counter(now_s),
            clock=self._clock,
            free_space=self._free_space,
            version=self._version,
            # A stream without a block is not named yet: whoever saw the name first could sign a first block under it.
            current_stream=self._hearing.current_stream if ours.blocks else bytes(STREAM_BYTES),
            blocks=ours.blocks,
            block_hash=ours.block_hash,
            digest=self._heads.digest(),
            vector=self._heads.vector(),
        )
        payload = encode_beacon(beacon, group=self._group, sign=self._sign)
        self._out.append(Publish(Kind.HEAD, None, payload, qos, is_retained=True))

    def _move_heads(self, states: Mapping[bytes, StreamState], now_s: float) -> list[bytes]:
        moved = self._heads.move(states)
        if moved:
            self._out.extend(fx.CaughtUp(origin) for origin in self._peers.moved(moved, self._heads))
            self._pulls.look_again(now_s)
            self._tell(now_s)
        return moved

    def _publish_to(self, origin: bytes, kind: Kind, payload: bytes) -> None:
        peer = self._peers.get(origin)
        if peer is not None:
            self._publish(kind, payload, qos=1, to=peer.node_id)

    def _publish(self, kind: Kind, payload: bytes, *, qos: int, to: str | None = None) -> None:
        self._out.append(Publish(kind, to, payload, qos, is_retained=False))

    def _drop(self, reason: str, publisher: bytes | None) -> None:
        self._out.append(Dropped(reason, publisher))

    def _next_token(self) -> int:
        self._token += 1
        return self._token
