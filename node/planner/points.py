"""Why one dish rather than another: whole points by term, the same where it is chosen and where it is explained.

Not the score of a plan. The terms of a dish sum to its points, always.
"""

from __future__ import annotations

from typing import NamedTuple

from node.domain.recipes import Recipe

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


def dish_points(recipe: Recipe, portions: int, urgency_gram_days: int, classes_without_another: int) -> Points:
    """Return the points of a dish of so many portions, its urgency judged before `stock` gives its food."""
    return Points(
        people=POINTS_PER_PORTION * portions,
        expiry=urgency_gram_days // GRAM_DAYS_PER_POINT,
        only_dish=POINTS_ONLY_DISH * classes_without_another,
        minutes=-(recipe.minutes // MINUTES_PER_POINT),
    )
