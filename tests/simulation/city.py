"""A run of the size of a city, for figures: every market writes at once, messages are lost, then all must agree.

Not a test. `python -m tests.simulation.city 300 5000` prints one line.
"""

from __future__ import annotations

import gc
import sys
import time
from typing import NamedTuple

from tests.simulation.world import Knobs, World


class Figures(NamedTuple):
    """What a run took: beacon intervals from the end of faults to agreement, and what was sent in all."""

    nodes: int
    writes: int
    rounds: float
    messages: int
    megabytes: float
    wall_s: float


def run_city(nodes: int, writes: int, *, seed: int = 1, seconds: float = 20.0, loss: float = 0.2) -> Figures:
    """Let `nodes` markets write within `seconds` of simulated time while messages are lost, then heal."""
    began_s = time.perf_counter()
    # Nothing here refers to itself, and looking through millions of messages for what does takes longer than they do.
    gc.disable()
    world = World(seed, nodes, Knobs(loss=loss, duplicates=0.05, delay_s_max=0.3), is_enrolled=True, judged={})
    world.sent.clear()
    for _ in range(int(seconds)):
        for _ in range(int(writes / seconds)):
            world.write(world.rng.choice(world.nodes))
        world.run(1.0)
    world.run(2.0)
    rounds = world.heal()
    megabytes = sum(world.sent_bytes.values()) / 1e6
    return Figures(nodes, writes, rounds, sum(world.sent.values()), megabytes, time.perf_counter() - began_s)


if __name__ == "__main__":
    print(run_city(int(sys.argv[1]), int(sys.argv[2])))
