"""The planner that always works: greedy, standard library, whole numbers, the same bytes everywhere.

Not the best plan there is. It feeds the class with the fewest dishes left first, prefers what expires first, and leaves
the rest to better planners. Tried in two styles; the better score wins, and its smallest pots are gathered into others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from node.domain.recipes import Recipe, amounts, is_plannable, portions_possible
from node.planner.gathering import gather_small_dishes
from node.planner.kitchen import eaters, only_dishes, smallest_pot
from node.planner.plan import Plan, PlannedDish, Snapshot, canonical, snapshot_id
from node.planner.points import dish_points
from node.planner.score import score
from node.planner.stock import FreeStock

PLANNER = "greedy/2"


def greedy(snapshot: Snapshot) -> Plan:
    """Return a plan for a snapshot, without any dish where nothing can be cooked."""
    ordered = canonical(snapshot)
    identity = snapshot_id(ordered)
    plans = [
        Plan(identity, PLANNER, tuple(dishes))
        for dishes in (_Kitchen(ordered, is_wide=wide).cook() for wide in (True, False))
    ]
    return gather_small_dishes(min(plans, key=lambda plan: score(plan, ordered)), ordered)


@dataclass(slots=True)
class _Meal:
    """What is still open of one meal: portions by class, minutes and dishes left."""

    day: int
    meal: str
    hungry: dict[str, int]
    dishes_left: int
    cooked: set[str] = field(default_factory=set)


class _Kitchen:
    """One attempt. Wide: a dish goes to everybody who can eat it; narrow: only to those it was chosen for."""

    def __init__(self, snapshot: Snapshot, *, is_wide: bool) -> None:
        self._snapshot = snapshot
        self._is_wide = is_wide
        self._stock = FreeStock(snapshot.stock)
        self._people = eaters(snapshot)
        self._recipes = {
            recipe.recipe_id: recipe
            for recipe in snapshot.recipes
            if is_plannable(recipe) and self._people.get(recipe.recipe_id)
        }
        self._only = only_dishes(snapshot)
        self._menu = {each.label: [name for name in each.recipes if name in self._recipes] for each in snapshot.classes}
        self._eaters: dict[str, list[str]] = {name: [] for name in self._recipes}
        for label in sorted(self._menu):
            for name in self._menu[label]:
                self._eaters[name].append(label)
        self._items = {
            name: {line.item_id for line in recipe.lines if line.item_id} for name, recipe in self._recipes.items()
        }
        self._times: dict[str, int] = {}
        self._caps: dict[str, int] = {}
        self._free: dict[str, int] = {}
        self._pots = {name: smallest_pot(each, snapshot, self._people[name]) for name, each in self._recipes.items()}
        self._minutes = 0
        self._themes: dict[str, int] = {}

    def cook(self) -> Iterable[PlannedDish]:
        """Yield the dishes, day by day and meal by meal."""
        limits = self._snapshot.limits
        for day in range(len(self._snapshot.days)):
            self._minutes, self._themes = limits.minutes, {}
            today: set[str] = set()
            self._caps.clear()  # what expired yesterday is not there any more
            self._free = self._stock.all_free(day)
            for meal in self._snapshot.meals:
                people = {each.label: each.people for each in self._snapshot.classes if each.people > 0}
                open_meal = _Meal(day, meal, people, limits.dishes(meal), today)
                yield from self._serve(open_meal)

    def _serve(self, meal: _Meal) -> Iterable[PlannedDish]:
        while meal.hungry and meal.dishes_left:
            fitting = {name for name in self._recipes if self._fits(name, meal)}
            options = {label: [name for name in self._menu[label] if name in fitting] for label in meal.hungry}
            label = min(meal.hungry, key=lambda each: (len(options[each]), each))
            if not options[label]:
                del meal.hungry[label]  # nothing is left that these people can eat
                continue
            order = sorted(meal.hungry, key=lambda each: (each != label, len(options[each]), each))
            name = max(options[label], key=self._worth(meal, order))
            yield self._cook(name, meal, self._portions(name, meal, order))

    def _fits(self, name: str, meal: _Meal) -> bool:
        recipe = self._recipes[name]
        if recipe.meal != meal.meal or name in meal.cooked or recipe.minutes > self._minutes:
            return False
        if self._times.get(name, 0) >= self._snapshot.limits.repeats:
            return False
        if recipe.theme and self._themes.get(recipe.theme, 0) >= self._snapshot.limits.themes:
            return False
        pot = self._pots[name]
        return self._cap(name) >= pot and sum([meal.hungry.get(label, 0) for label in self._eaters[name]]) >= pot

    def _cap(self, name: str) -> int:
        known = self._caps.get(name)
        if known is None:
            recipe = self._recipes[name]
            known = portions_possible(recipe, self._free, min(recipe.batch_max, self._people[name]))
            self._caps[name] = known
        return known

    def _portions(self, name: str, meal: _Meal, order: list[str]) -> dict[str, int]:
        eating = [label for label in order if label in self._eaters[name]]
        rest = self._cap(name)
        if not self._is_wide:
            rest = min(rest, max(meal.hungry[eating[0]], self._pots[name]))
        portions = {}
        for label in eating:
            portions[label] = min(rest, meal.hungry[label])
            rest -= portions[label]
        return {label: count for label, count in portions.items() if count}

    def _worth(self, meal: _Meal, order: list[str]) -> Callable[[str], tuple[int, int, int]]:
        def worth(name: str) -> tuple[int, int, int]:
            recipe: Recipe = self._recipes[name]
            portions = self._portions(name, meal, order)
            needed = amounts(recipe, sum(portions.values()))
            only_for = [label for label, only in self._only.items() if only == name]
            points = dish_points(self._snapshot, recipe, portions, needed, self._stock, meal.day, only_for)
            # Ties go to the first name in the alphabet: max takes the first of equals, and the menu is sorted.
            return portions.get(order[0], 0), points.total, -self._times.get(name, 0)

        return worth

    def _cook(self, name: str, meal: _Meal, portions: dict[str, int]) -> PlannedDish:
        recipe = self._recipes[name]
        needed = amounts(recipe, sum(portions.values()))
        for item_id, amount in needed.items():
            self._stock.take(item_id, amount, meal.day)
            self._free[item_id] -= amount
        for other, items in self._items.items():
            if not items.isdisjoint(needed):
                self._caps.pop(other, None)
        meal.cooked.add(name)
        meal.dishes_left -= 1
        self._minutes -= recipe.minutes
        self._times[name] = self._times.get(name, 0) + 1
        if recipe.theme:
            self._themes[recipe.theme] = self._themes.get(recipe.theme, 0) + 1
        for label, count in portions.items():
            meal.hungry[label] -= count
            if meal.hungry[label] == 0:
                del meal.hungry[label]
        return PlannedDish(self._snapshot.days[meal.day], meal.meal, name, dict(sorted(portions.items())))
