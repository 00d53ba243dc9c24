"""What a change of weight on a shelf means: how many units of which item, and how sure that is. Pure.

Not the watching of a scale (`shelf_steps`) and not a booking. Owns the rule that a scale proposes only what is probable
and asks about everything else. Weights in milligrams; sources: LINK section 7 (HX711 shelf), SAFETY section 2.4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

PROBABILITY_MIN = 0.95  # propose above this (LINK section 7)
FRACTION_MAX = 0.35  # of a unit beside a whole number of them (LINK section 7)
NEIGHBOURS = 2  # whole numbers looked at on either side of the nearest one
UNITS_MAX = 1_000  # of one step; beyond it the unit weight is wrong
CANDIDATES_MAX = 4  # told to a person
# Two items are alike when three spreads or a tenth of their weight is all that tells them apart: an engineering choice.
ALIKE_SPREADS, ALIKE_SHARE = 3.0, 0.10
# Zero drifts, by 20 g an hour in the simulated shelf of LINK section 7, and comes back; creep is 0.1 % of the load.
DRIFT_MG_PER_H, DRIFT_H_MAX, CREEP_SHARE = 20_000, 8, 0.001

NOTHING = ""
"""The item of the candidate that says nothing was taken or put."""


@dataclass(frozen=True, slots=True)
class ShelfItem:
    """An item on a shelf: what a unit of it weighs, and how much units differ (one standard deviation)."""

    item_id: str
    unit_mg: int
    spread_mg: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """What may have happened: so many units of an item, out is negative. Probability in thousandths."""

    item_id: str
    units: int
    probability_milli: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """The likeliest things first, at most four; `is_clear` where the first is sure enough to be proposed."""

    candidates: tuple[Candidate, ...]
    is_clear: bool

    @property
    def is_nothing(self) -> bool:
        """Say whether it is clear that no unit moved."""
        return self.is_clear and self.candidates[0].item_id == NOTHING


@dataclass(frozen=True, slots=True)
class CountByWeight:
    """How many units the whole weight stands for, give or take: a cross-check, never a count."""

    units: int
    plus_minus: int


def weigh_up(change_mg: int, items: Sequence[ShelfItem], noise_mg: int) -> Judgement:
    """Say what a settled change of weight may mean, as P(k) ~ N(change; k mean, |k| spread^2 + 2 noise^2).

    noise_mg: one standard deviation of a settled weight. Every item and number of units is as likely beforehand as
    every other; a step that moves two items at once is not thought of, and mostly fits none.
    """
    weights: dict[tuple[str, int], float] = {(NOTHING, 0): _log_density(change_mg, 0, 0.0, 2.0 * noise_mg**2)}
    for item in items:
        nearest = round(change_mg / item.unit_mg)
        for units in range(nearest - NEIGHBOURS, nearest + NEIGHBOURS + 1):
            if units != 0 and abs(units) <= UNITS_MAX:
                variance = abs(units) * item.spread_mg**2 + 2.0 * noise_mg**2
                weights[item.item_id, units] = _log_density(change_mg, units, item.unit_mg, variance)
    highest = max(weights.values())
    shares = {key: math.exp(weight - highest) for key, weight in weights.items()}
    total = sum(shares.values())
    ranked = sorted(shares, key=lambda key: (-shares[key], key))
    best = ranked[0]
    is_clear = shares[best] / total > PROBABILITY_MIN and _fraction(change_mg, best, items) < FRACTION_MAX
    told = tuple(Candidate(*key, int(1000 * shares[key] / total)) for key in ranked[:CANDIDATES_MAX])
    return Judgement(told, is_clear)


def are_alike(items: Sequence[ShelfItem], noise_mg: int) -> bool:
    """Say whether two of the items weigh so nearly the same that no step can tell them apart."""
    for one, other in combinations(items, 2):
        spread_mg = math.sqrt(one.spread_mg**2 + other.spread_mg**2 + 2.0 * noise_mg**2)
        apart_mg = abs(one.unit_mg - other.unit_mg)
        if apart_mg <= max(ALIKE_SPREADS * spread_mg, ALIKE_SHARE * max(one.unit_mg, other.unit_mg)):
            return True
    return False


def lightest_mg(items: Sequence[ShelfItem]) -> int:
    """Return the weight of the lightest unit on the shelf."""
    return min(item.unit_mg for item in items)


def count_by_weight(
    net_mg: int, items: Sequence[ShelfItem], noise_mg: int, since_zero_h: float | None
) -> CountByWeight | None:
    """Return how many units the weight above zero stands for; None for a shelf of several items.

    since_zero_h: hours since somebody tared the empty shelf; None: longer than drift is followed. Two standard
    deviations, and what drift and creep may have added meanwhile.
    """
    if len(items) != 1:
        return None
    item = items[0]
    units = round(net_mg / item.unit_mg)
    drifted_h = DRIFT_H_MAX if since_zero_h is None else min(max(0.0, since_zero_h), DRIFT_H_MAX)
    spread_mg = 2.0 * math.sqrt(abs(units) * item.spread_mg**2 + 2.0 * noise_mg**2)
    apart_mg = spread_mg + drifted_h * DRIFT_MG_PER_H + CREEP_SHARE * abs(net_mg)
    return CountByWeight(units, math.ceil(apart_mg / item.unit_mg - 0.5) if apart_mg > item.unit_mg / 2 else 0)


def _log_density(change_mg: int, units: int, unit_mg: float, variance: float) -> float:
    """Return the logarithm of the normal density; only differences of it matter, so no constant."""
    variance = max(variance, 1.0)
    return -0.5 * math.log(variance) - (change_mg - units * unit_mg) ** 2 / (2.0 * variance)


def _fraction(change_mg: int, key: tuple[str, int], items: Sequence[ShelfItem]) -> float:
    """Return how far beside the whole number of units the change lies, in units (of the lightest for nothing)."""
    item_id, units = key
    unit_mg = next((item.unit_mg for item in items if item.item_id == item_id), lightest_mg(items))
    return abs(change_mg / unit_mg - units)
