"""What the kitchen can cook of a snapshot: which recipes a class can eat, the smallest and the largest pot.

Not a planner and not a judge: both ask here, so that they mean the same by a pot.
"""

from __future__ import annotations

from collections.abc import Container
from typing import NamedTuple

from node.domain.recipes import Recipe, amounts, is_plannable
from node.planner.plan import Snapshot
from node.planner.stock import FreeStock


class Pot(NamedTuple):
    """The smallest pot of a recipe that `people` can eat: for how many portions, and what it takes, thousandths."""

    recipe: Recipe
    people: int
    portions: int
    needs: dict[str, int]


def eaters(snapshot: Snapshot) -> dict[str, int]:
    """Return for every recipe how many people can eat it."""
    found: dict[str, int] = {}
    for each in snapshot.classes:
        for recipe_id in each.recipes:
            found[recipe_id] = found.get(recipe_id, 0) + each.people
    return found


def smallest_pot(recipe: Recipe, snapshot: Snapshot, people: int) -> int:
    """Return the fewest portions worth cooking: the recipe's or the kitchen's least, but no more than can eat it."""
    return max(1, min(max(recipe.batch_min, snapshot.limits.batch_min), people))


def fillable_pots(snapshot: Snapshot) -> dict[str, Pot]:
    """Return the smallest pot of each recipe that somebody can eat and for which there is enough on the first day."""
    free = FreeStock(snapshot.stock).all_free(0)
    people = eaters(snapshot)
    found = {}
    for recipe in snapshot.recipes:
        name = recipe.recipe_id
        if recipe.meal in snapshot.meals and people.get(name) and is_plannable(recipe):
            portions = smallest_pot(recipe, snapshot, people[name])
            needs = amounts(recipe, portions)
            if all(0 < amount <= free.get(item_id, 0) for item_id, amount in needs.items()):
                found[name] = Pot(recipe, people[name], portions, needs)
    return found


def only_dishes(snapshot: Snapshot, possible: Container[str]) -> dict[str, str]:
    """Return the classes that have a single recipe among those that are possible, with that recipe."""
    found = {}
    for each in snapshot.classes:
        choices = [recipe_id for recipe_id in each.recipes if recipe_id in possible]
        if len(choices) == 1:
            found[each.label] = choices[0]
    return found
