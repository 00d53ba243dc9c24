"""The real engine in a simulated city: whatever the faults, what is on a disk reaches all disks once they end.

A failure names its seed; `World(seed, nodes).run(...)` then replays it exactly.
"""

from __future__ import annotations

import pytest

from node.ledger.block import read_frame
from node.ledger.heads import StreamState
from node.sync import effects as fx
from node.sync.engine import Engine
from tests.simulation.world import Broken, Knobs, World


@pytest.mark.parametrize("seed", range(24))
def test_three_markets_agree_within_twenty_rounds_after_any_faults(seed: int) -> None:
    world = World(seed, 3)
    world.run(90, writes_per_s=2)
    world.heal()


@pytest.mark.parametrize("seed", range(100, 103))
def test_ten_markets_agree_within_twenty_rounds_after_any_faults(seed: int) -> None:
    world = World(seed, 10)
    world.run(60, writes_per_s=3)
    world.heal()


@pytest.mark.slow
def test_thirty_markets_agree_within_twenty_rounds_after_any_faults() -> None:
    world = World(200, 30)
    world.run(20, writes_per_s=5)
    world.heal()


@pytest.mark.slow
def test_more_streams_than_a_beacon_can_list_are_compared_by_buckets() -> None:
    world = World(300, 4, Knobs(loss=0.2))
    for node in world.nodes:
        for _ in range(40):
            node.stream = world.rng.randbytes(8)
            world.act(node)
    world.run(30)
    world.heal()
    assert len(world.nodes[0].store.states) > 64
    assert world.sent["pull"] > 0


def test_the_same_seed_gives_the_same_run() -> None:
    runs = []
    for _ in range(2):
        world = World(7, 4)
        world.run(40, writes_per_s=2)
        runs.append((world.heal(), dict(world.sent), dict(world.sent_bytes), world.nodes[0].store.states))
    assert runs[0] == runs[1]


def test_a_market_put_back_from_a_backup_gets_its_own_blocks_back() -> None:
    world = World(8, 3, Knobs())
    node = world.nodes[1]
    for _ in range(5):
        world.act(node)
    world.run(20)
    world.crash(node)
    node.store.roll_back(node.stream, 2)
    world.start(node)
    world.run(30)
    assert node.store.states[node.stream].blocks == 5
    assert node.counts["rolled back"] > 0


def test_clocks_two_hundred_years_apart_change_nothing() -> None:
    world = World(9, 3, Knobs(clock_skew_years=200, crashes_per_s=0.1))
    world.run(60, writes_per_s=2)
    assert world.heal() < 3


@pytest.mark.parametrize("lengths", [(2, 4), (3, 3), (5, 1)])
def test_the_branches_of_a_cloned_market_reach_everybody_and_then_cost_nothing(lengths: tuple[int, int]) -> None:
    world = World(13, 4, Knobs())
    world.run(5)
    cloned, *others = world.nodes
    stream = b"cloned!!"
    for node, blocks in zip(others, lengths, strict=False):
        # A cloned card: the same key writes the same numbers of the same stream twice.
        frames = [node.store.append(cloned.key, stream, bytes([world.nodes.index(node)])) for _ in range(blocks)]
        world.appended.update(frames)
        world._tell(node, fx.Appended(tuple(frames), {stream: node.store.states[stream]}, node.stream))
    world.heal()
    assert cloned.store.states[stream].tips > 0
    world.run(60)
    before = world.sent["pull"]
    world.run(3_600)
    assert world.sent["pull"] - before == 0
    world.act(others[0])
    world.run(10)
    assert len({node.store.states[others[0].stream] for node in world.nodes}) == 1


@pytest.mark.parametrize("seed", range(300, 312))
def test_markets_whose_disks_lie_agree_on_every_branch(seed: int) -> None:
    knobs = Knobs(loss=0.2, duplicates=0.1, delay_s_max=1.0, crashes_per_s=0.1, forks=0.7, partitions_per_s=0.03)
    world = World(seed, 4, knobs)
    world.run(60, writes_per_s=2)
    world.heal()
    assert any(state.tips for state in world.nodes[0].store.states.values())


# The simulator must see the faults it is there for.


class _ForgetsToPull(Engine):
    def _publish(self, kind: fx.Kind, payload: bytes, *, qos: int, to: str | None = None) -> None:
        if kind is not fx.Kind.PULL:
            super()._publish(kind, payload, qos=qos, to=to)


class _ClaimsBeforeItIsStored(Engine):
    def _persist(self, now_s: float) -> None:
        before = len(self._out)
        super()._persist(now_s)
        for effect in self._out[before:]:
            assert isinstance(effect, fx.Persist)
            states = {waiting.stream: self._claimed(waiting) for waiting in self._storing.batch}
            self._move_heads(states, now_s)

    def _claimed(self, waiting) -> object:

        block = read_frame(waiting.frame)
        return StreamState(block.header.origin, False, block.header.n + 1, block.header.first_seq + 1, block.block_hash)


class _NeverTells(Engine):
    def _send_beacon(self, now_s: float) -> None:
        self._stating.next_counter(now_s)


def test_the_simulator_notices_an_engine_that_forgets_to_pull() -> None:
    world = World(10, 3, Knobs(loss=0.3), engine=_ForgetsToPull)
    world.run(60, writes_per_s=2)
    with pytest.raises(Broken, match="no agreement"):
        world.heal()


def test_the_simulator_notices_an_engine_that_claims_what_is_not_stored() -> None:
    world = World(11, 3, Knobs(loss=0.3), engine=_ClaimsBeforeItIsStored)
    with pytest.raises(Broken, match="not on the disk"):
        world.run(60, writes_per_s=2)


def test_the_simulator_notices_an_engine_that_never_tells_where_it_stands() -> None:
    world = World(12, 3, Knobs(loss=0.3), engine=_NeverTells)
    world.run(60, writes_per_s=2)
    with pytest.raises(Broken, match="no agreement"):
        world.heal()
