"""A simulated shelf on a load cell, as LINK section 7 describes it: drift, creep, noise, hands. Seeded; not a board."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from node.domain.shelf_steps import Weight

HOURS_S = 8 * 3600
EVENTS = 60
PERIOD_MS = 1_000
DRIFT_MG_PER_H, CREEP_SHARE, CREEP_S, NOISE_MG = 20_000, 0.0008, 600.0, 300
UNITS_MIN, UNITS_FULL, UNITS_AT_ONCE_MAX = 8, 24, 4
HAND_S = (1.0, 4.0)


@dataclass(frozen=True, slots=True)
class Truth:
    """One weight, and how many units stand on the shelf at that moment."""

    weight: Weight
    units: int


def a_day(seed: int, *, unit_mg: int, spread_mg: int, events: int = EVENTS) -> Iterator[Truth]:
    """Weigh a shelf for 8 hours in which units are taken and put at random moments."""
    source = random.Random(seed)
    moments = sorted(source.uniform(60, HOURS_S - 60) for _ in range(events))
    on_shelf = [source.gauss(unit_mg, spread_mg) for _ in range(UNITS_FULL)]
    creep_mg, hand_until_s = CREEP_SHARE * sum(on_shelf), -1.0
    for seq in range(HOURS_S * 1000 // PERIOD_MS):
        at_s = seq * PERIOD_MS / 1000
        while moments and moments[0] <= at_s:
            moments.pop(0)
            _reach_in(on_shelf, source, unit_mg, spread_mg)
            hand_until_s = at_s + source.uniform(*HAND_S)
        load_mg = sum(on_shelf)
        creep_mg += (CREEP_SHARE * load_mg - creep_mg) * PERIOD_MS / 1000 / CREEP_S
        weight_mg = load_mg + creep_mg + DRIFT_MG_PER_H * at_s / 3600 + source.gauss(0.0, NOISE_MG)
        if at_s < hand_until_s:
            weight_mg += source.uniform(-3.0, 3.0) * unit_mg
        yield Truth(Weight(1, seq, seq * PERIOD_MS, round(weight_mg)), len(on_shelf))


def _reach_in(on_shelf: list[float], source: random.Random, unit_mg: int, spread_mg: int) -> None:
    """Take or put one to four units, always some."""
    units = source.randint(1, UNITS_AT_ONCE_MAX)
    takes = len(on_shelf) - units >= UNITS_MIN and (len(on_shelf) + units > UNITS_FULL or source.random() < 0.6)
    for _ in range(units):
        if takes:
            on_shelf.pop(source.randrange(len(on_shelf)))
        else:
            on_shelf.append(source.gauss(unit_mg, spread_mg))
