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

from node.ledger.block import NO_BLOCK_BEFORE
from node.ledger.heads import StreamState
from node.ledger.names import STREAM_BYTES
from node.sync import effects as fx
from node.sync.beacon import Beacon, encode_beacon
from node.sync.effects import Dropped, Effect, Event, FreeSpace, Kind, Publish
from node.sync.forks import Forks
from node.sync.gives import ANSWER_BYTES_MAX, BYTES_PER_S, Gives
from node.sync.hearing import Hearing
from node.sync.intake import Intake
from node.sync.limits import Budget
from node.sync.messages import (
    BlockHashes,
    encode_block_hashes,
    encode_frames,
    encode_ranges,
    pack_frames,
)
from node.sync.peers import Peers
from node.sync.pulls import Pulls
from node.sync.reading import Reading
from node.sync.stating import Stating
from node.sync.storing import Storing
from node.sync.vector import Heads

# The timer never fires more often, whatever is due.
TIMER_GAP_S = 0.005
TIMER = "sync"
_NEVER = float("inf")
_NOTHING_YET = StreamState(b"", False, 0, 0, NO_BLOCK_BEFORE)


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
        self._clock = started.clock
        self._version = started.version
        self._heads = Heads(started.heads)
        self._peers = Peers(started.members, self._me)
        self._intake = Intake()
        self._pulls = Pulls(self._peers, self._heads, self._intake, self._rng)
        self._gives = Gives(self._heads, self._rng)
        self._forks = Forks(self._heads, self._rng)
        self._own_bytes = Budget(BYTES_PER_S, BYTES_PER_S)
        self._links: set[str] = set()
        self._stating = Stating(self._rng, wall_ms=wall_ms)
        self._hearing = Hearing(
            me=self._me,
            group=self._group,
            is_signed=self._is_signed,
            peers=self._peers,
            heads=self._heads,
            forks=self._forks,
        )
        self._hearing.current_stream = started.current_stream
        self._reading = Reading(
            me=self._me,
            group=self._group,
            is_signed=self._is_signed,
            peers=self._peers,
            heads=self._heads,
            intake=self._intake,
            pulls=self._pulls,
            gives=self._gives,
            hearing=self._hearing,
            stating=self._stating,
            forks=self._forks,
        )
        self._reading.own_key = started.members.get(self._me)
        self._token = 0
        self._storing = Storing(self._intake, self._peers)
        self._timer_s = _NEVER
        self._set_free_space(started.free_space)

    def _dispatch(self, event: Event, now_s: float) -> None:
        match event:
            case fx.Received():
                self._out.extend(self._reading.read(event, now_s))
            case fx.TimerDue():
                self._timer_s = _NEVER
            case fx.Persisted():
                self._persisted(event, now_s)
            case fx.PersistFailed():
                self._persist_failed(event.token, now_s)
            case fx.Loaded():
                self._loaded(event, now_s)
            case fx.Located():
                self._located(event)
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
        self._reading.own_key = event.members.get(self._me)
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
        batch = self._storing.stored(event.token)
        for waiting in batch:
            if waiting.stream in event.diverged:
                self._forks.suspect(waiting.stream, waiting.publisher)
        self._intake.stored(batch, self._heads.states, now_s)
        self._pulls.stored([waiting.request for waiting in batch], moved)

    def _persist_failed(self, token: int, now_s: float) -> None:
        batch = self._storing.failed(token, now_s)
        self._intake.failed(batch)
        self._pulls.forget([waiting.request for waiting in batch])

    def _loaded(self, event: fx.Loaded, now_s: float) -> None:
        answer = self._gives.loaded(event.token, sum(map(len, event.frames)), now_s)
        if answer is None or (answer.is_to_any and not event.frames):
            return
        is_cut = event.is_cut or len(event.frames) < sum(one.end - one.first for one in answer.ranges)
        messages = pack_frames(event.frames) or [[]]
        for frames in messages:
            is_last = frames is messages[-1]
            payload = encode_frames(frames, request=answer.request, is_last=is_last, is_cut=is_last and is_cut)
            self._publish_to(answer.requester, Kind.GIVE, payload)

    def _located(self, event: fx.Located) -> None:
        asked = self._forks.asked_of(event.request)
        if asked is not None:
            hashes = BlockHashes(event.request, asked.stream, event.hashes)
            self._publish_to(asked.origin, Kind.PULL, encode_block_hashes(hashes))

    # What is to be done.

    def _work(self, now_s: float) -> None:
        """Do what is due and set the timer for what will be."""
        overdue = self._storing.overdue(now_s)
        if overdue is not None:
            self._persist_failed(overdue, now_s)
        self._persist(now_s)
        self._pulls.close_done(now_s)
        if self._links:
            if self._pulls.is_due(now_s):
                self._ask(now_s)
            if self._forks.due_s() <= now_s:
                self._out.extend(fx.Locate(asked.request, asked.stream) for asked in self._forks.ask(now_s))
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
        due_s = self._storing.due_s(now_s)
        if self._links:
            asking_s = max(self._pulls.due_s(), self._storing.paused_until_s)
            due_s = min(due_s, asking_s, self._forks.due_s(), self._gives.due_s(), self._stating.due_s)
        return due_s

    def _persist(self, now_s: float) -> None:
        persist = self._storing.begin(self._token + 1, now_s)
        if persist is not None:
            self._token = persist.token
            self._out.append(persist)

    def _ask(self, now_s: float) -> None:
        if now_s < self._storing.paused_until_s:
            return
        for question in self._pulls.ask(now_s):
            self._publish(Kind.PULL, encode_ranges(question.ranges), qos=1, to=question.to)

    def _give(self, now_s: float) -> None:
        while (answer := self._gives.next_answer(now_s)) is not None:
            if answer.ranges or answer.beyond:
                token = self._next_token()
                self._gives.loading(token, answer, now_s)
                if answer.beyond is None:
                    self._out.append(fx.Load(token, answer.ranges, ANSWER_BYTES_MAX))
                else:
                    self._out.append(fx.LoadBeyond(token, answer.beyond.stream, answer.beyond.hashes, ANSWER_BYTES_MAX))
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
            # A stream without a block is nobody's business yet: there is nothing of it to ask for.
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
            self._forks.moved(moved)
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
