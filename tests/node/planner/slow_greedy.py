"""The greedy planner as its rules say it, slowly: nothing is kept from one dish to the next.

Not for use: it is what the fast one in `node.planner.greedy` is held against, plan by plan.
"""

from __future__ import annotations

from collections.abc import Iterator

from node.domain.recipes import Recipe, amounts, is_plannable, portions_possible
from node.planner.gathering import gather_small_dishes
from node.planner.greedy import PLANNER
from node.planner.kitchen import eaters, smallest_pot
from node.planner.plan import LATER_DAY, Plan, PlannedDish, Snapshot, canonical, snapshot_id
from node.planner.points import dish_points
from node.planner.score import score
from node.planner.stock import FreeStock, grams


def slow_greedy(snapshot: Snapshot) -> Plan:
    """Return the plan that `greedy` has to find."""
    ordered = canonical(snapshot)
    plans = [Plan(snapshot_id(ordered), PLANNER, tuple(Attempt(ordered, wide).dishes())) for wide in (True, False)]
    return gather_small_dishes(min(plans, key=lambda plan: score(plan, ordered)), ordered)


class Attempt:
    """One walk through days and meals, in one of the two styles."""

    def __init__(self, snapshot: Snapshot, is_wide: bool) -> None:
        self.snapshot = snapshot
        self.is_wide = is_wide
        self.stock = FreeStock(snapshot.stock)
        self.people = eaters(snapshot)
        self.recipes = [each for each in snapshot.recipes if is_plannable(each) and self.people.get(each.recipe_id)]
        self.menus = {each.label: each.recipes for each in snapshot.classes}
        self.only = {
            label: possible[0]
            for label, menu in self.menus.items()
            if len(possible := self.possible_at_first(menu)) == 1
        }
        self.day = 0
        self.cooked: list[Recipe] = []
        self.today: list[Recipe] = []
        self.hungry: dict[str, int] = {}

    def dishes(self) -> Iterator[PlannedDish]:
        for day, date in enumerate(self.snapshot.days):
            self.day, self.today = day, []
            for meal in self.snapshot.meals:
                self.hungry = {each.label: each.people for each in self.snapshot.classes if each.people > 0}
                for _ in range(self.snapshot.limits.dishes(meal)):
                    found = self.next_dish(meal)
                    if found is None:
                        break
                    recipe, portions = found
                    yield PlannedDish(date, meal, recipe.recipe_id, portions)
                    self.cook(recipe, portions)

    def next_dish(self, meal: str) -> tuple[Recipe, dict[str, int]] | None:
        fitting = [recipe for recipe in self.recipes if self.fits(recipe, meal)]
        options = {
            label: [recipe for recipe in fitting if recipe.recipe_id in self.menus[label]] for label in self.hungry
        }
        order = sorted((label for label in options if options[label]), key=lambda label: (len(options[label]), label))
        if not order:
            return None
        # The dish for most of the first class, then with most points, then cooked least, then first in the alphabet.
        ranked = []
        for recipe in options[order[0]]:
            portions = self.portions(recipe, order)
            times = self.cooked.count(recipe)
            ranked.append(
                (-portions[order[0]], -self.points(recipe, portions), times, recipe.recipe_id, portions, recipe)
            )
        best = min(ranked, key=lambda each: each[:4])
        return best[5], dict(sorted(best[4].items()))

    def fits(self, recipe: Recipe, meal: str) -> bool:
        limits = self.snapshot.limits
        pot = smallest_pot(recipe, self.snapshot, self.people[recipe.recipe_id])
        return (
            recipe.meal == meal
            and recipe not in self.today
            and recipe.minutes <= limits.minutes - sum(each.minutes for each in self.today)
            and self.cooked.count(recipe) < limits.repeats
            and (not recipe.theme or [each.theme for each in self.today].count(recipe.theme) < limits.themes)
            and self.most(recipe) >= pot
            and sum(count for label, count in self.hungry.items() if recipe.recipe_id in self.menus[label]) >= pot
        )

    def most(self, recipe: Recipe) -> int:
        free = {line.item_id: self.stock.free(line.item_id, self.day) for line in recipe.lines if line.item_id}
        return portions_possible(recipe, free, min(recipe.batch_max, self.people[recipe.recipe_id]))

    def portions(self, recipe: Recipe, order: list[str]) -> dict[str, int]:
        """Share a dish out among those who can eat it: wide to all of them, narrow to the first and a pot at least."""
        rest = self.most(recipe)
        if not self.is_wide:
            pot = smallest_pot(recipe, self.snapshot, self.people[recipe.recipe_id])
            rest = min(rest, max(self.hungry[order[0]], pot))
        shared = {}
        for label in order:
            if recipe.recipe_id in self.menus[label]:
                shared[label] = min(rest, self.hungry[label])
                rest -= shared[label]
        return {label: count for label, count in shared.items() if count}

    def points(self, recipe: Recipe, portions: dict[str, int]) -> int:
        urgency = 0
        for item_id, amount in amounts(recipe, sum(portions.values())).items():
            for use in self.stock.uses(item_id, amount, self.day)[0]:
                urgency += grams(self.snapshot, item_id, use.amount_milli) * (LATER_DAY - use.bucket.last_day)
        alone = sum(1 for label in portions if self.only.get(label) == recipe.recipe_id)
        return dish_points(recipe, sum(portions.values()), urgency, alone).total

    def cook(self, recipe: Recipe, portions: dict[str, int]) -> None:
        for item_id, amount in amounts(recipe, sum(portions.values())).items():
            self.stock.take(item_id, amount, self.day)
        self.cooked.append(recipe)
        self.today.append(recipe)
        self.hungry = {label: count - portions.get(label, 0) for label, count in self.hungry.items()}
        self.hungry = {label: count for label, count in self.hungry.items() if count}

    def possible_at_first(self, menu: tuple[str, ...]) -> list[str]:
        """Return what of a menu there is enough for on the first day, as long as nothing is cooked."""
        found = []
        for recipe in self.recipes:
            if recipe.recipe_id in menu and recipe.meal in self.snapshot.meals:
                pot = smallest_pot(recipe, self.snapshot, self.people[recipe.recipe_id])
                free = {line.item_id: self.stock.free(line.item_id, 0) for line in recipe.lines if line.item_id}
                if portions_possible(recipe, free, pot) == pot:
                    found.append(recipe.recipe_id)
        return found
