"""A city of markets in one process: the real engine, a model of disks and brokers, simulated time, one seed.

Every chance is drawn from the seed, so a failure replays exactly. While it runs it checks what must hold at every
instant: nothing is claimed or given that is not on the disk. `heal` ends all faults and tells how long agreement took.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

from node.ledger.block import read_frame
from node.sync import effects as fx
from node.sync.beacon import decode_beacon
from node.sync.engine import Engine
from node.sync.messages import build_topic, decode_frames
from node.sync.stating import BEACON_EVERY_S
from tests.simulation.store import GROUP, CheapKey, Judged, Store, is_cheaply_signed

ROUNDS_MAX = 20
BROKER = "shared"
# What is due for a node whatever has become of its engine since.
_ANY_BOOT = -1


class Broken(AssertionError):
    """Something that must always hold did not; the message names the seed."""


@dataclass(frozen=True, slots=True)
class Knobs:
    """How strong each fault is. Probabilities are for one message or, for crashes and partitions, for one second."""

    loss: float = 0.0
    duplicates: float = 0.0
    delay_s_max: float = 0.05
    bit_flips: float = 0.0
    partitions_per_s: float = 0.0
    crashes_per_s: float = 0.0
    restores: float = 0.0
    forks: float = 0.0
    persist_failures: float = 0.0
    clock_skew_years: int = 0

    @staticmethod
    def drawn(rng: Random) -> Knobs:
        """Switch each fault on or off and draw its strength."""

        def maybe(strength: float) -> float:
            return rng.uniform(0, strength) if rng.random() < 0.6 else 0.0

        return Knobs(
            loss=maybe(0.4),
            duplicates=maybe(0.3),
            delay_s_max=0.02 + maybe(3.0),
            bit_flips=maybe(0.1),
            partitions_per_s=maybe(0.05),
            crashes_per_s=maybe(0.1),
            restores=maybe(0.5),
            persist_failures=maybe(0.1),
            clock_skew_years=rng.choice([0, 0, 200]),
            forks=maybe(0.5),
        )


@dataclass(slots=True)
class Node:
    """One market: what survives a crash, and the engine that does not."""

    key: CheapKey
    store: Store
    stream: bytes
    engine: Engine | None = None
    boot: int = 0
    side: int = 0
    wall_offset_ms: int = 0
    timer_s: float = 0.0
    unsealed: int = 0
    counts: Counter[str] = field(default_factory=Counter)


class World:
    """The markets, what is on its way between them, and the time."""

    def __init__(
        self,
        seed: int,
        nodes: int,
        knobs: Knobs | None = None,
        *,
        engine: Callable[..., Engine] = Engine,
        is_enrolled: bool = False,
        judged: Judged | None = None,
    ) -> None:
        self.seed = seed
        self.rng = Random(seed)
        self.knobs = knobs if knobs is not None else Knobs.drawn(self.rng)
        self.now_s = 1_000.0
        self.sent: Counter[str] = Counter()
        self.sent_bytes: Counter[str] = Counter()
        self.appended: set[bytes] = set()
        self._engine = engine
        self._queue: list[tuple[float, int, Node, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = count()
        self._retained: dict[str, tuple[Node, bytes]] = {}
        keys = [CheapKey(seed * 10_000 + number) for number in range(nodes)]
        roster = self.rng.randbytes(8)
        self.nodes = [Node(key, Store(keys[0], roster, judged=judged), self.rng.randbytes(8)) for key in keys]
        self._by_topic_end = {f"/{self._name(node)}": node for node in self.nodes}
        # The founder enrols everybody; each starts with the roster up to itself, as its card brings it, or all of it.
        founder = self.nodes[0].store
        for number, node in enumerate(self.nodes):
            self.appended.add(founder.append(keys[0], roster, node.key.public_key))
            if number and not is_enrolled:
                node.store.receive(0, founder.streams[roster])
        for node in self.nodes[1:] if is_enrolled else ():
            node.store.receive(0, founder.streams[roster])
        for node in self.nodes:
            self.start(node)

    # What happens to the markets.

    def act(self, node: Node, size: int | None = None) -> None:
        """Let a market seal a block of its own; it is on its disk from here on."""
        body = self.rng.randbytes(self.rng.randrange(20, 400) if size is None else size)
        frame = node.store.append(node.key, node.stream, body)
        self.appended.add(frame)
        if node.engine is not None:
            heads = {node.stream: node.store.states[node.stream]}
            self._tell(node, fx.Appended((frame,), heads, node.stream))

    def write(self, node: Node) -> None:
        """Let a market act; what it does within two seconds is sealed into one block of 25 bytes an act."""
        node.unsealed += 1
        if node.unsealed == 1:
            self._at(self.now_s + 2.0, node, self._seal, node, boot=_ANY_BOOT)

    def start(self, node: Node) -> None:
        """Start a market's engine on what its disk holds."""
        node.boot += 1
        node.wall_offset_ms = self._skew()
        node.engine = self._engine(
            me=node.key.origin,
            group=GROUP,
            sign=node.key.sign,
            is_signed=is_cheaply_signed,
            rng=Random(self.rng.random()),
        )
        store = node.store
        self._tell(
            node, fx.Started(dict(store.states), dict(store.members), node.stream, 2, fx.FreeSpace.PLENTY, "0.1.0")
        )
        self._tell(node, fx.LinkUp(BROKER))
        for topic, (sender, payload) in list(self._retained.items()):
            if sender.side == node.side:
                self._tell(node, fx.Received(BROKER, topic, payload, is_retained=True))

    def crash(self, node: Node) -> None:
        """Kill a market's engine; with some chance it comes back from a backup, and then on a new stream."""
        node.engine = None
        node.boot += 1
        if self.rng.random() < self.knobs.restores:
            stream, blocks = node.stream, node.store.states.get(node.stream)
            if blocks is not None:
                node.store.roll_back(stream, self.rng.randrange(blocks.blocks + 1))
            node.stream = self.rng.randbytes(8)
        elif self.knobs.forks and self.rng.random() < self.knobs.forks:
            # A lying disk: it goes on under numbers that others may have already.
            state = node.store.states.get(node.stream)
            if state is not None:
                node.store.roll_back(node.stream, self.rng.randrange(state.blocks + 1))
                node.counts["restored"] += 1

    def partition(self) -> None:
        """Cut the city in two at random, or heal it."""
        sides = self.rng.choice([1, 2, 3])
        for node in self.nodes:
            node.side = self.rng.randrange(sides)

    def run(self, seconds: float, *, writes_per_s: float = 0.0) -> None:
        """Let time pass, with faults and writes."""
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self._until(min(end_s, self.now_s + 1.0))
            for _ in range(self._drawn_count(writes_per_s)):
                self.act(self.rng.choice(self.nodes))
            self._faults()

    def heal(self, *, rounds_max: int = ROUNDS_MAX) -> float:
        """End all faults and return after how many beacon intervals all markets agreed. Raises Broken."""
        self.knobs = Knobs()
        began_s = self.now_s
        for node in self.nodes:
            node.side = 0
            if node.engine is None:
                self.start(node)
        while not self.is_converged():
            if self.now_s - began_s > rounds_max * BEACON_EVERY_S:
                raise Broken(f"seed {self.seed}: no agreement within {rounds_max} rounds")
            self._until(self.now_s + 0.25)
        # Whoever was rolled back before anybody heard it has lost what it never sent; everybody else's is there.
        held = self.nodes[0].store.all_frames()
        if not any(node.counts["restored"] for node in self.nodes) and not self.appended <= held:
            raise Broken(f"seed {self.seed}: a block was lost")
        return (self.now_s - began_s) / BEACON_EVERY_S

    def is_converged(self) -> bool:
        """Tell whether all disks hold the same."""
        first = self.nodes[0].store.states
        return all(node.store.states == first for node in self.nodes)

    def _seal(self, node: Node) -> None:
        writes, node.unsealed = node.unsealed, 0
        self.act(node, 60 + 25 * writes)

    # How effects become events.

    def _tell(self, node: Node, event: fx.Event) -> None:
        if node.engine is None:
            return
        wall_ms = int(self.now_s * 1000) + node.wall_offset_ms
        for effect in node.engine.handle(event, self.now_s, wall_ms):
            self._carry_out(node, effect)

    def _carry_out(self, node: Node, effect: fx.Effect) -> None:
        match effect:
            case fx.Persist():
                self._later(node, 0.02, self._commit, node, effect)
            case fx.Load():
                frames = node.store.load(effect.ranges, effect.bytes_max)
                self._later(node, 0.01, self._tell, node, fx.Loaded(effect.token, frames))
            case fx.LoadBeyond():
                frames = node.store.load_beyond(effect.stream, effect.known)
                self._later(node, 0.01, self._tell, node, fx.Loaded(effect.token, frames))
            case fx.Locate():
                located = fx.Located(effect.request, node.store.locate(effect.stream))
                self._later(node, 0.01, self._tell, node, located)
            case fx.SetTimer():
                node.timer_s = effect.at_s
                self._at(effect.at_s, node, self._timer_due, node, effect)
            case fx.Publish():
                self._publish(node, effect)
            case fx.Dropped():
                node.counts[effect.reason] += 1
            case fx.PeerHeard():
                node.counts["rolled back"] += effect.is_ahead_of_us

    def _timer_due(self, node: Node, timer: fx.SetTimer) -> None:
        # A later one of the same name has replaced it.
        if node.timer_s == timer.at_s:
            self._tell(node, fx.TimerDue(timer.name))

    def _commit(self, node: Node, effect: fx.Persist) -> None:
        if self.rng.random() < self.knobs.persist_failures:
            self._tell(node, fx.PersistFailed(effect.token, "disk full"))
            return
        members_before = len(node.store.members)
        answer = node.store.receive(effect.token, effect.frames)
        node.counts.update({f"refused {reason}": number for reason, number in answer.refused.items()})
        node.counts["known blocks"] += answer.known_blocks
        # The commit is done and its news not yet told: a crash may fall in between.
        self._later(node, 0.005, self._committed, node, answer, members_before)

    def _committed(self, node: Node, answer: fx.Persisted, members_before: int) -> None:
        if len(node.store.members) != members_before:
            self._tell(node, fx.MembersChanged(dict(node.store.members)))
        self._tell(node, answer)

    def _publish(self, node: Node, effect: fx.Publish) -> None:
        self._check_claims(node, effect)
        topic = build_topic(GROUP, effect.kind, node.key.origin, effect.to)
        self.sent[effect.kind.value] += 1
        self.sent_bytes[effect.kind.value] += len(effect.payload)
        if effect.is_retained:
            self._retained[topic] = (node, effect.payload)
        if effect.to is not None and effect.to != "any":
            receivers = [self._by_topic_end[f"/{effect.to}"]]
        else:
            receivers = self.nodes
        event = fx.Received(BROKER, topic, effect.payload, is_retained=False)
        for receiver in receivers:
            self._send(node, receiver, event)

    def _send(self, sender: Node, receiver: Node, event: fx.Received) -> None:
        knobs = self.knobs
        if sender.side != receiver.side or (knobs.loss and self.rng.random() < knobs.loss):
            return
        if receiver is sender and not self.knobs.duplicates:
            return
        copies = 1 + (knobs.duplicates > 0 and self.rng.random() < knobs.duplicates)
        for _ in range(copies):
            arriving = event
            if knobs.bit_flips and self.rng.random() < knobs.bit_flips:
                flipped = bytearray(event.payload or b"\0")
                flipped[self.rng.randrange(len(flipped))] ^= 1 << self.rng.randrange(8)
                arriving = event._replace(payload=bytes(flipped))
            self._later(receiver, knobs.delay_s_max, self._tell, receiver, arriving)

    def _check_claims(self, node: Node, effect: fx.Publish) -> None:
        """Nothing may be said that a power cut at this instant would make untrue."""
        states = node.store.states
        if effect.kind is fx.Kind.HEAD:
            beacon = decode_beacon(
                effect.payload, group=GROUP, public_key=node.key.public_key, is_signed=is_cheaply_signed
            )
            ours = states.get(beacon.current_stream)
            if (beacon.blocks, beacon.block_hash) != ((ours.blocks, ours.block_hash) if ours else (0, bytes(32))):
                raise Broken(f"seed {self.seed}: a beacon claims another head than is on the disk")
            for claim in beacon.vector:
                ours = states.get(claim.stream)
                if ours is None or claim.blocks > ours.blocks or claim.tips != ours.tips:
                    raise Broken(f"seed {self.seed}: a beacon claims what is not on the disk")
        elif effect.payload[0] == 1:
            for frame in decode_frames(effect.payload).frames:
                block = read_frame(frame)
                if not node.store.holds(block):
                    raise Broken(f"seed {self.seed}: a block was sent that is not on the disk")

    # Time and chance.

    def _faults(self) -> None:
        knobs = self.knobs
        if self.rng.random() < knobs.partitions_per_s:
            self.partition()
        if self.rng.random() < knobs.crashes_per_s:
            node = self.rng.choice(self.nodes)
            if node.engine is not None:
                before = node.stream
                self.crash(node)
                node.counts["restored"] += node.stream != before
                self._at(self.now_s + self.rng.uniform(0.0005, 20.0), node, self._start_again, node, boot=_ANY_BOOT)

    def _start_again(self, node: Node) -> None:
        if node.engine is None:
            self.start(node)

    def _later(self, node: Node, delay_s_max: float, act: Callable[..., None], *arguments: Any) -> None:
        self._at(self.now_s + self.rng.uniform(0.0005, delay_s_max), node, act, *arguments)

    def _at(self, at_s: float, node: Node, act: Callable[..., None], *arguments: Any, boot: int | None = None) -> None:
        if boot is None:
            boot = node.boot
        heapq.heappush(self._queue, (max(at_s, self.now_s), next(self._order), node, boot, act, arguments))

    def _until(self, end_s: float) -> None:
        while self._queue and self._queue[0][0] <= end_s:
            self.now_s, _order, node, boot, act, arguments = heapq.heappop(self._queue)
            if boot in (_ANY_BOOT, node.boot):
                act(*arguments)
        self.now_s = end_s

    def _drawn_count(self, per_s: float) -> int:
        return int(per_s) + (self.rng.random() < per_s % 1)

    def _skew(self) -> int:
        years = self.knobs.clock_skew_years
        return self.rng.choice([-1, 0, 1]) * years * 365 * 86_400_000 if years else 0

    @staticmethod
    def _name(node: Node) -> str:
        return build_topic(GROUP, fx.Kind.HEAD, node.key.origin).rsplit("/", 1)[1]
