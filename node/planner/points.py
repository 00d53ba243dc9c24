"""Why one dish rather than another: whole points by term, the same where it is chosen and where it is explained.

Not the score of a plan. The terms of a dish sum to its points, always.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from node.domain.recipes import Recipe
from node.planner.plan import LATER_DAY, Snapshot
from node.planner.stock import FreeStock, grams

POINTS_PER_PORTION = 10
# A kilogram that expires today is worth as much as feeding four people more.
GRAM_DAYS_PER_POINT = 200
POINTS_ONLY_DISH = 50
MINUTES_PER_POINT = 5


class Points(NamedTuple):
    """The terms of one dish: people fed, food that expires soon, the only dish of a class, minutes at work (a cost)."""

    people: int
    expiry: int
    only_dish: int
    minutes: int

    @property
    def total(self) -> int:
        """Return the sum that is shown."""
        return sum(self)


def dish_points(
    snapshot: Snapshot,
    recipe: Recipe,
    portions: Mapping[str, int],
    needed: Mapping[str, int],
    stock: FreeStock,
    day: int,
    only_for: Iterable[str],
) -> Points:
    """Return the points of a dish before `stock` gives its food. `only_for` are classes without another dish."""
    urgency = 0
    for item_id, amount in needed.items():
        for use in stock.uses(item_id, amount, day)[0]:
            urgency += grams(snapshot, item_id, use.amount_milli) * (LATER_DAY - use.bucket.last_day)
    return Points(
        people=POINTS_PER_PORTION * sum(portions.values()),
        expiry=urgency // GRAM_DAYS_PER_POINT,
        only_dish=POINTS_ONLY_DISH * sum(1 for label in only_for if portions.get(label)),
        minutes=-(recipe.minutes // MINUTES_PER_POINT),
    )
