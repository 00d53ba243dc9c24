"""Gather small pots: a dish for a few people goes, where other dishes of the same meal can feed them as well.

Not a planner: it only takes dishes out of a plan. Owns the rule that the score never gets worse by it.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from node.domain.recipes import Recipe, amounts, portions_possible
from node.planner.plan import Plan, PlannedDish, Snapshot
from node.planner.score import score
from node.planner.stock import FreeStock

USEFUL_PORTIONS = 8
"""Fewer portions than this are hardly worth a pot, a shelf and a label of their own."""


def gather_small_dishes(plan: Plan, snapshot: Snapshot) -> Plan:
    """Return the plan without the small dishes whose people others can feed from what is there; else the plan."""
    kitchen = _Gathering(snapshot)
    best = plan
    for small in sorted(plan.dishes, key=lambda each: (each.total, each.day, each.meal, each.recipe_id)):
        # What was enlarged for another small dish may have grown out of being small.
        dish = next(each for each in best.dishes if _place(each) == _place(small))
        fuller = kitchen.without(best, dish) if kitchen.is_small(dish) else None
        if fuller is not None and score(fuller, snapshot) <= score(best, snapshot):
            best = fuller
    return best


class _Gathering:
    """The recipes, menus and days of one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._recipes = {recipe.recipe_id: recipe for recipe in snapshot.recipes}
        self._menus = {each.label: frozenset(each.recipes) for each in snapshot.classes}
        self._day_of = {day: number for number, day in enumerate(snapshot.days)}

    def is_small(self, dish: PlannedDish) -> bool:
        """Tell whether a dish has fewer portions than are worth a pot."""
        return dish.total < max(USEFUL_PORTIONS, self._recipes[dish.recipe_id].batch_min)

    def without(self, plan: Plan, small: PlannedDish) -> Plan | None:
        """Return the plan with the people of `small` fed by other dishes of its meal; None where some would not be."""
        others = {_place(dish): dish for dish in plan.dishes if dish != small}
        free = self._free(others.values(), small.day)
        # The largest pots first: fewest of them change.
        fillable = sorted(
            (dish for dish in others.values() if (dish.day, dish.meal) == (small.day, small.meal)),
            key=lambda each: (-each.total, each.recipe_id),
        )
        for label, portions in sorted(small.portions.items()):
            rest = portions
            for place in map(_place, fillable):
                dish = others[place]
                if rest and dish.recipe_id in self._menus[label]:
                    more = min(rest, self._room(self._recipes[dish.recipe_id], dish.total, free))
                    others[place] = self._enlarged(dish, label, more, free)
                    rest -= more
            if rest:
                return None
        return msgspec.structs.replace(
            plan, dishes=tuple(others[_place(dish)] for dish in plan.dishes if dish != small)
        )

    def _free(self, dishes: Iterable[PlannedDish], day: str) -> dict[str, int]:
        """Return what these dishes leave that is good on a day: using it earlier takes nothing from a later dish."""
        stock = FreeStock(self._snapshot.stock)
        for dish in sorted(dishes, key=lambda each: (self._day_of[each.day], each.meal, each.recipe_id)):
            for item_id, amount in amounts(self._recipes[dish.recipe_id], dish.total).items():
                stock.take(item_id, amount, self._day_of[dish.day])
        return stock.all_free(self._day_of[day])

    def _room(self, recipe: Recipe, total: int, free: dict[str, int]) -> int:
        """Return how many portions more of a dish there is enough for."""
        reachable = dict(free)
        for item_id, amount in amounts(recipe, total).items():
            reachable[item_id] = reachable.get(item_id, 0) + amount
        return max(0, portions_possible(recipe, reachable, recipe.batch_max) - total)

    def _enlarged(self, dish: PlannedDish, label: str, more: int, free: dict[str, int]) -> PlannedDish:
        if not more:
            return dish
        recipe = self._recipes[dish.recipe_id]
        before = amounts(recipe, dish.total)
        for item_id, amount in amounts(recipe, dish.total + more).items():
            free[item_id] = free.get(item_id, 0) - amount + before.get(item_id, 0)
        portions = dish.portions | {label: dish.portions.get(label, 0) + more}
        return msgspec.structs.replace(dish, portions=dict(sorted(portions.items())))


def _place(dish: PlannedDish) -> tuple[str, str, str]:
    return dish.day, dish.meal, dish.recipe_id
