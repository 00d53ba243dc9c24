"""One engine on a bench: the test plays the disk, the brokers and the other members. Nothing here checks anything."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from node.ledger.heads import BlockRange, StreamState
from node.sync import effects as fx
from node.sync.beacon import Beacon, encode_beacon
from node.sync.effects import FreeSpace, Kind
from node.sync.engine import Engine
from node.sync.messages import Claim, Ranges, build_topic, decode_ranges, encode_frames, encode_ranges
from node.sync.vector import Heads
from tests.simulation.store import GROUP, CheapKey, Store, is_cheaply_signed

ROSTER = b"roster!!"
OURS = b"our-one!"
WALL_MS = 1_795_348_800_000


class Member:
    """Another market, as far as the test speaks for it."""

    def __init__(self, number: int, founder: CheapKey) -> None:
        self.key = CheapKey(number)
        self.store = Store(founder, ROSTER)
        self.stream = b"member%02d" % number
        self.counter = 0

    def seal(self, count: int = 1, *, stream: bytes | None = None, size: int = 20) -> list[bytes]:
        """Add blocks to its own log and return their frames."""
        stream = stream or self.stream
        return [self.store.append(self.key, stream, bytes([n % 256]) * size) for n in range(count)]

    def beacon(self, *, claims: Sequence[Claim] | None = None, counter: int | None = None, clock: int = 2) -> bytes:
        """A beacon that tells the truth, or claims what the test says."""
        self.counter = self.counter + 1 if counter is None else counter
        states = dict(self.store.states)
        for claim in claims or ():
            states[claim.stream] = StreamState(self.key.origin, claim.is_roster, claim.blocks, claim.blocks, bytes(32))
        heads = Heads(states)
        ours = self.store.states.get(self.stream, StreamState(b"", False, 0, 0, bytes(32)))
        beacon = Beacon(
            self.counter,
            clock,
            FreeSpace.PLENTY,
            "0.1.0",
            self.stream,
            ours.blocks,
            ours.block_hash,
            heads.digest(),
            heads.vector(),
        )
        return encode_beacon(beacon, group=GROUP, sign=self.key.sign)


class Bench:
    """The engine under test with a disk that keeps what it is given, unless the test says otherwise."""

    def __init__(self, members: int = 2, *, free_space: FreeSpace = FreeSpace.PLENTY, start: bool = True) -> None:
        self.key = CheapKey(0)
        self.now_s = 100.0
        self.members = [Member(number, self.key) for number in range(1, members + 1)]
        self.store = Store(self.key, ROSTER)
        for key in (self.key, *(member.key for member in self.members)):
            self.store.append(self.key, ROSTER, key.public_key)
        for member in self.members:
            member.store.receive(0, self.store.streams[ROSTER])
        self.store.append(self.key, OURS, b"opened")
        self.effects: list[fx.Effect] = []
        self.is_storing = True
        self.engine = Engine(
            me=self.key.origin, group=GROUP, sign=self.key.sign, is_signed=is_cheaply_signed, rng=Random(1)
        )
        if start:
            members_now = dict(self.store.members)
            self.tell(fx.Started(dict(self.store.states), members_now, OURS, 2, free_space, "0.1.0"))
            self.tell(fx.LinkUp("shared"))

    def tell(self, event: fx.Event) -> list[fx.Effect]:
        """Hand an event to the engine, let the disk do its part, and return all effects since."""
        effects = self.engine.handle(event, self.now_s, WALL_MS)
        self.effects.extend(effects)
        for effect in list(effects):
            if isinstance(effect, fx.Persist) and self.is_storing:
                before = len(self.store.members)
                answer = self.store.receive(effect.token, effect.frames)
                if len(self.store.members) != before:
                    effects += self.tell(fx.MembersChanged(dict(self.store.members)))
                effects += self.tell(answer)
            elif isinstance(effect, fx.Load):
                effects += self.tell(fx.Loaded(effect.token, self.store.load(effect.ranges, effect.bytes_max)))
        return effects

    def after(self, seconds: float) -> list[fx.Effect]:
        """Let time pass in steps, as the timer would, and return all effects since."""
        effects: list[fx.Effect] = []
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s = min(end_s, self.now_s + 0.1)
            effects += self.tell(fx.TimerDue("sync"))
        return effects

    def receive(
        self, member: Member, kind: Kind, payload: bytes, *, to: str | None = None, is_retained: bool = False
    ) -> list[fx.Effect]:
        """Let a message of a member arrive."""
        topic = build_topic(GROUP, kind, member.key.origin, to)
        return self.tell(fx.Received("shared", topic, payload, is_retained))

    def hear(self, member: Member, **beacon: object) -> list[fx.Effect]:
        """Let a live beacon of a member arrive, and the moment after it in which a question may follow."""
        return self.receive(member, Kind.HEAD, member.beacon(**beacon)) + self.after(0.3)  # type: ignore[arg-type]

    def give(self, member: Member, frames: Sequence[bytes], request: int, **flags: bool) -> list[fx.Effect]:
        """Let a member answer us."""
        return self.receive(member, Kind.GIVE, encode_frames(frames, request=request, **flags), to=self.my_id)

    def pull(self, member: Member, *ranges: BlockRange, to: str | None = None, request: int = 5) -> list[fx.Effect]:
        """Let a member ask us."""
        payload = encode_ranges(Ranges(request, ranges))
        return self.receive(member, Kind.PULL, payload, to=to or self.my_id)

    @property
    def my_id(self) -> str:
        return build_topic(GROUP, Kind.HEAD, self.key.origin).rsplit("/", 1)[1]


def claim(stream: bytes, blocks: int, *, is_roster: bool = False) -> Claim:
    """A claim on a stream that is no roster, unless said otherwise."""
    return Claim(stream, blocks, is_roster)


def published(effects: Sequence[fx.Effect], kind: Kind) -> list[fx.Publish]:
    """What was sent of a kind."""
    return [effect for effect in effects if isinstance(effect, fx.Publish) and effect.kind is kind]


def questions(effects: Sequence[fx.Effect]) -> list[tuple[str | None, Ranges]]:
    """Whom the engine asked for what ranges."""
    return [
        (effect.to, decode_ranges(effect.payload)) for effect in published(effects, Kind.PULL) if effect.payload[0] == 3
    ]


def dropped(effects: Sequence[fx.Effect]) -> list[str]:
    """The reasons of what was not taken."""
    return [effect.reason for effect in effects if isinstance(effect, fx.Dropped)]


def heard(effects: Sequence[fx.Effect]) -> list[fx.PeerHeard]:
    """What the screen is told of peers."""
    return [effect for effect in effects if isinstance(effect, fx.PeerHeard)]
