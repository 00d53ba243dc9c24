"""What the kitchen can cook of a snapshot: which recipes a class can eat, the smallest and the largest pot.

Not a planner and not a judge: both ask here, so that they mean the same by a pot.
"""

from __future__ import annotations

from collections.abc import Mapping

from node.domain.recipes import Recipe, is_plannable, portions_possible
from node.planner.plan import Snapshot
from node.planner.stock import FreeStock


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


def only_dishes(snapshot: Snapshot) -> dict[str, str]:
    """Return the classes that have a single recipe for which there is enough here, with that recipe."""
    free = FreeStock(snapshot.stock).all_free(0)
    people = eaters(snapshot)
    possible = {
        recipe.recipe_id
        for recipe in snapshot.recipes
        if recipe.meal in snapshot.meals
        and is_plannable(recipe)
        and people.get(recipe.recipe_id)
        and _fills_a_pot(recipe, free, smallest_pot(recipe, snapshot, people[recipe.recipe_id]))
    }
    found = {}
    for each in snapshot.classes:
        choices = [recipe_id for recipe_id in each.recipes if recipe_id in possible]
        if len(choices) == 1:
            found[each.label] = choices[0]
    return found


def _fills_a_pot(recipe: Recipe, free: Mapping[str, int], pot: int) -> bool:
    return portions_possible(recipe, free, pot) == pot
