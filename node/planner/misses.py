"""The nearest misses: what could feed those a plan leaves hungry, if only a little more were here.

Not a plan and not an order to buy. Whole numbers from the snapshot and the plan alone; the sentences are in `words`.
"""

from __future__ import annotations

from dataclasses import dataclass

from node.domain.recipes import Recipe, amounts, is_plannable
from node.domain.words import Unit
from node.planner.kitchen import eaters, smallest_pot
from node.planner.plan import Plan, Snapshot
from node.planner.stock import FreeStock, grams

MISSES_MAX = 5
LACKS_MAX = 2  # what lacks three things is not near


@dataclass(frozen=True, slots=True)
class Lack:
    """An ingredient of which there is too little; `missing_milli` in thousandths of `unit`."""

    item_id: str
    name: str
    unit: Unit
    missing_milli: int


@dataclass(frozen=True, slots=True)
class Miss:
    """A recipe that nearly fits, for so many hungry people. `is_more`: the plan has the dish already, for others."""

    recipe_id: str
    title: str
    portions: int
    is_more: bool
    lacks: tuple[Lack, ...]


def nearest_misses(plan: Plan, snapshot: Snapshot) -> tuple[Miss, ...]:
    """Return the recipes nearest to feeding those without a portion, fewest and smallest gaps first, at most five."""
    shortage = _Shortage(plan, snapshot)
    found = [miss for recipe in snapshot.recipes if (miss := shortage.miss(recipe)) is not None]
    return tuple(sorted(found, key=lambda each: (*shortage.size(each), each.title, each.recipe_id))[:MISSES_MAX])


class _Shortage:
    """Who is hungry after a plan, what is left, and what the kitchen has time and room for."""

    def __init__(self, plan: Plan, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        recipes = {recipe.recipe_id: recipe for recipe in snapshot.recipes}
        days = len(snapshot.days)
        self._hungry = {(each.label, meal): each.people * days for each in snapshot.classes for meal in snapshot.meals}
        self._eaters = eaters(snapshot)
        self._planned: dict[str, int] = {}
        self._minutes = snapshot.limits.minutes * days
        self._dishes = {meal: snapshot.limits.dishes(meal) * days for meal in snapshot.meals}
        stock = FreeStock(snapshot.stock)
        for dish in sorted(plan.dishes, key=lambda each: each.day):
            self._planned[dish.recipe_id] = self._planned.get(dish.recipe_id, 0) + dish.total
            self._minutes -= recipes[dish.recipe_id].minutes
            self._dishes[dish.meal] -= 1
            for label, portions in dish.portions.items():
                self._hungry[label, dish.meal] -= portions
            for item_id, amount in amounts(recipes[dish.recipe_id], dish.total).items():
                stock.take(item_id, amount, snapshot.days.index(dish.day))
        self._free = stock.all_free(0)

    def miss(self, recipe: Recipe) -> Miss | None:
        """Return what a recipe lacks for the hungry who can eat it; None where it lacks nothing, or too much."""
        if not is_plannable(recipe) or recipe.meal not in self._snapshot.meals:
            return None
        planned = self._planned.get(recipe.recipe_id, 0)
        menus = (each.label for each in self._snapshot.classes if recipe.recipe_id in each.recipes)
        portions = min(sum(self._hungry[label, recipe.meal] for label in menus), recipe.batch_max - planned)
        if portions <= 0 or not (planned or self._has_room(recipe, portions)):
            return None
        before = amounts(recipe, planned) if planned else {}
        units = {line.item_id: line.unit for line in recipe.lines}
        lacks = []
        for item_id, amount in amounts(recipe, planned + portions).items():
            missing = amount - before.get(item_id, 0) - self._free.get(item_id, 0)
            if missing > 0:
                name = self._snapshot.names.get(item_id, item_id)
                lacks.append(Lack(item_id, name, units[item_id], missing))
        if not 0 < len(lacks) <= LACKS_MAX:
            return None
        return Miss(recipe.recipe_id, recipe.title, portions, bool(planned), tuple(lacks))

    def size(self, miss: Miss) -> tuple[int, int]:
        """Return how far a miss is: how many things it lacks, and about how many grams."""
        return len(miss.lacks), sum(grams(self._snapshot, each.item_id, each.missing_milli) for each in miss.lacks)

    def _has_room(self, recipe: Recipe, portions: int) -> bool:
        """Tell whether the kitchen could still cook another dish of this kind."""
        return (
            portions >= smallest_pot(recipe, self._snapshot, self._eaters.get(recipe.recipe_id, 0))
            and recipe.minutes <= self._minutes
            and self._dishes[recipe.meal] > 0
        )
