"""Three markets, with hypothesis as the network: it decides what arrives, when, how often and in what order."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from node.ledger.block import NO_BLOCK_BEFORE, read_frame
from node.sync import effects as fx
from tests.simulation.world import Knobs, Node, World

ON_ITS_WAY_MAX = 200


class _HandWorld(World):
    """A world whose messages wait until somebody decides about them; healed, it delivers by itself."""

    def __init__(self) -> None:
        self.on_its_way: list[tuple[Node, fx.Received]] = []
        self.is_by_hand = True
        super().__init__(1, 3, Knobs(restores=0.0))

    def _send(self, sender: Node, receiver: Node, event: fx.Received) -> None:
        if not self.is_by_hand:
            super()._send(sender, receiver, event)
        elif sender is not receiver and sender.side == receiver.side and len(self.on_its_way) < ON_ITS_WAY_MAX:
            self.on_its_way.append((receiver, event))

    def deliver(self, message: tuple[Node, fx.Received]) -> None:
        self._tell(*message)


class ThreeMarkets(RuleBasedStateMachine):
    """Acts, faults and deliveries in any order; then all faults end and all must agree."""

    def __init__(self) -> None:
        super().__init__()
        self.world = _HandWorld()

    def node(self, number: int) -> Node:
        return self.world.nodes[number]

    @rule(number=st.integers(0, 2), count=st.integers(1, 4))
    def act(self, number: int, count: int) -> None:
        for _ in range(count):
            self.world.act(self.node(number), 30)

    @precondition(lambda self: self.world.on_its_way)
    @rule(place=st.integers(0, ON_ITS_WAY_MAX - 1), copies=st.integers(1, 2))
    def deliver(self, place: int, copies: int) -> None:
        message = self.world.on_its_way.pop(place % len(self.world.on_its_way))
        for _ in range(copies):
            self.world.deliver(message)

    @precondition(lambda self: self.world.on_its_way)
    @rule()
    def deliver_all_backwards(self) -> None:
        waiting, self.world.on_its_way = self.world.on_its_way, []
        for message in reversed(waiting):
            self.world.deliver(message)

    @precondition(lambda self: self.world.on_its_way)
    @rule(place=st.integers(0, ON_ITS_WAY_MAX - 1))
    def lose(self, place: int) -> None:
        self.world.on_its_way.pop(place % len(self.world.on_its_way))

    @precondition(lambda self: self.world.on_its_way)
    @rule(place=st.integers(0, ON_ITS_WAY_MAX - 1), bit=st.integers(0, 8 * 1024))
    def flip_a_bit(self, place: int, bit: int) -> None:
        place %= len(self.world.on_its_way)
        receiver, event = self.world.on_its_way[place]
        flipped = bytearray(event.payload)
        flipped[bit // 8 % len(flipped)] ^= 1 << bit % 8
        self.world.on_its_way[place] = (receiver, event._replace(payload=bytes(flipped)))

    @rule(number=st.integers(0, 2))
    def crash(self, number: int) -> None:
        if self.node(number).engine is not None:
            self.world.crash(self.node(number))

    @rule(number=st.integers(0, 2))
    def start(self, number: int) -> None:
        if self.node(number).engine is None:
            self.world.start(self.node(number))

    @rule(side=st.integers(0, 2))
    def cut_off(self, side: int) -> None:
        self.node(side).side = 1 - self.node(side).side

    @rule(seconds=st.sampled_from([0.05, 0.5, 4.0, 20.0]))
    def wait(self, seconds: float) -> None:
        self.world.run(seconds)

    @invariant()
    def every_stream_is_a_whole_chain_from_its_first_block(self) -> None:
        for node in self.world.nodes:
            for frames in node.store.streams.values():
                before = NO_BLOCK_BEFORE
                for number, block in enumerate(map(read_frame, frames)):
                    assert (block.header.n, block.header.prev) == (number, before)
                    before = block.block_hash

    def teardown(self) -> None:
        self.world.is_by_hand = False
        self.world.heal()


TestThreeMarkets = ThreeMarkets.TestCase
TestThreeMarkets.settings = settings(
    max_examples=80, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
