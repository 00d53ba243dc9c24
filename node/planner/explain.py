"""Why a dish is in a plan, and why any other recipe is not: facts and whole numbers from the snapshot and the plan.

Not sentences (`words`) and never a planner's own words. Owns that displayed terms sum to the displayed points.
"""

from __future__ import annotations

from dataclasses import dataclass

from node.domain.recipes import Recipe, amounts, is_plannable, portions_possible
from node.domain.words import Unit
from node.planner.kitchen import eaters, fillable_pots, only_dishes, smallest_pot
from node.planner.plan import Blocked, Plan, PlannedDish, Snapshot
from node.planner.points import Points, dish_points
from node.planner.stock import FreeStock, Use


@dataclass(frozen=True, slots=True)
class Used:
    """Food a dish takes: how much (thousandths of `unit`), last usable in how many days (8: later), from which lots."""

    item_id: str
    name: str
    unit: Unit
    amount_milli: int
    last_day: int
    lots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Why:
    """Why a dish is there. `points` are its terms, `only_for` how many people have no other dish."""

    dish: PlannedDish
    title: str
    points: Points
    uses: tuple[Used, ...]
    people: int
    only_for: int


@dataclass(frozen=True, slots=True)
class LineNeed:
    """One ingredient of a recipe for some portions: need, what the plan leaves of it, what is missing, thousandths.

    `blocked` is what is there and may not be used, with its reason.
    """

    item_id: str
    name: str
    unit: Unit
    need_milli: int
    have_milli: int
    missing_milli: int
    blocked: tuple[Blocked, ...]


@dataclass(frozen=True, slots=True)
class WhyNot:
    """Why a recipe is not in a plan.

    `reason` is the first that holds: `planned`, `other_meal`, `not_quantified`, `nobody` (nobody here can eat it),
    `missing`, `minutes`, `outranked`. `portions` is for how many people was asked, `largest` for how many there is
    enough after what the plan takes, `left_out` how many people cannot eat it. `limiting` names the scarcest line.
    `instead` is the dish of the plan with the most points in its place and `difference` what that one has more of.
    """

    recipe: Recipe
    reason: str
    portions: int
    largest: int
    left_out: int
    lines: tuple[LineNeed, ...]
    limiting: str | None
    instead: str | None
    difference: Points | None


class Explainer:
    """Explains one valid plan. What all explanations share is worked out once."""

    def __init__(self, plan: Plan, snapshot: Snapshot) -> None:
        self._plan = plan
        self._snapshot = snapshot
        self._recipes = {recipe.recipe_id: recipe for recipe in snapshot.recipes}
        self._only = only_dishes(snapshot, fillable_pots(snapshot))
        self._eaters = eaters(snapshot)
        self._start = FreeStock(snapshot.stock)
        self._left = FreeStock(snapshot.stock)
        for dish in plan.dishes:
            _take(self._left, self._recipes[dish.recipe_id], dish.total, self._day(dish))
        self._free = self._left.all_free(0)
        self._rivals: dict[str, tuple[str, Points] | None] = {}

    def why(self, dish: PlannedDish) -> Why:
        """Explain one dish of the plan, its food taken after that of the dishes before it."""
        recipe, day = self._recipes[dish.recipe_id], self._day(dish)
        items = {line.item_id for line in recipe.lines}
        stock = FreeStock(bucket for bucket in self._snapshot.stock if bucket.item_id in items)
        for earlier in self._plan.dishes[: self._plan.dishes.index(dish)]:
            _take(stock, self._recipes[earlier.recipe_id], earlier.total, self._day(earlier))
        units = _units(recipe)
        uses = [
            self._used(item_id, units[item_id], use)
            for item_id, amount in amounts(recipe, dish.total).items()
            for use in stock.uses(item_id, amount, day)[0]
        ]
        uses.sort(key=lambda use: (use.last_day, -use.amount_milli, use.item_id))
        alone = sum(dish.portions.get(label, 0) for label in self._only_for(dish.recipe_id))
        points = self._points(recipe, dish.portions, stock, day)
        return Why(dish, recipe.title, points, tuple(uses), dish.total, alone)

    def why_not(self, recipe: Recipe, portions: int | None = None) -> WhyNot:
        """Explain why a recipe of the snapshot is not in the plan, for all who can eat it or for so many portions."""
        can_eat = self._eaters.get(recipe.recipe_id, 0)
        asked = portions or max(1, min(can_eat or self._snapshot.people, recipe.batch_max))
        lines = self._lines(recipe, asked) if is_plannable(recipe) else ()
        most = min(recipe.batch_max, max(1, self._snapshot.people))
        largest = portions_possible(recipe, self._free, most) if lines else 0
        short = [line for line in lines if line.missing_milli]
        limiting = min(short, key=lambda line: (line.have_milli * 1000 // line.need_milli, line.item_id), default=None)
        reason = self._reason(recipe, can_eat, largest)
        rival = self._rival(recipe.meal) if reason == "outranked" else None
        difference = None
        if rival is not None:
            own = self._points(recipe, {"": min(largest, can_eat)}, self._start, 0)
            difference = Points(*(theirs - ours for theirs, ours in zip(rival[1], own, strict=True)))
        return WhyNot(
            recipe,
            reason,
            asked,
            largest,
            self._snapshot.people - can_eat,
            lines,
            limiting.name if limiting else None,
            rival[0] if rival else None,
            difference,
        )

    def others(self) -> list[WhyNot]:
        """Explain every recipe that is not in the plan, by title."""
        planned = {dish.recipe_id for dish in self._plan.dishes}
        rest = [recipe for recipe in self._snapshot.recipes if recipe.recipe_id not in planned]
        return [self.why_not(recipe) for recipe in sorted(rest, key=lambda each: (each.title, each.recipe_id))]

    def _reason(self, recipe: Recipe, can_eat: int, largest: int) -> str:
        if any(dish.recipe_id == recipe.recipe_id for dish in self._plan.dishes):
            return "planned"
        if recipe.meal not in self._snapshot.meals:
            return "other_meal"
        if not is_plannable(recipe):
            return "not_quantified"
        if can_eat == 0:
            return "nobody"
        if largest < smallest_pot(recipe, self._snapshot, can_eat):
            return "missing"
        return "minutes" if recipe.minutes > self._snapshot.limits.minutes else "outranked"

    def _lines(self, recipe: Recipe, portions: int) -> tuple[LineNeed, ...]:
        units = _units(recipe)
        found = []
        for item_id, need in amounts(recipe, portions).items():
            have = self._free.get(item_id, 0)
            blocked = tuple(each for each in self._snapshot.blocked if each.item_id == item_id)
            name = self._snapshot.names.get(item_id, item_id)
            found.append(LineNeed(item_id, name, units[item_id], need, have, max(0, need - have), blocked))
        return tuple(found)

    def _rival(self, meal: str) -> tuple[str, Points] | None:
        """Return the dish of a meal with the most points, each judged as if it were the first."""
        if meal not in self._rivals:
            found = []
            for dish in self._plan.dishes:
                if dish.meal == meal:
                    recipe = self._recipes[dish.recipe_id]
                    points = self._points(recipe, dish.portions, self._start, 0)
                    found.append((points.total, recipe.title, points))
            self._rivals[meal] = max(found)[1:] if found else None
        return self._rivals[meal]

    def _points(self, recipe: Recipe, portions: dict[str, int], stock: FreeStock, day: int) -> Points:
        total = sum(portions.values())
        urgency = stock.gram_days(amounts(recipe, total), day, self._snapshot.piece_g)
        alone = sum(1 for label in self._only_for(recipe.recipe_id) if portions.get(label))
        return dish_points(recipe, total, urgency, alone)

    def _only_for(self, recipe_id: str) -> list[str]:
        return [label for label, only in self._only.items() if only == recipe_id]

    def _day(self, dish: PlannedDish) -> int:
        return self._snapshot.days.index(dish.day)

    def _used(self, item_id: str, unit: Unit, use: Use) -> Used:
        name = self._snapshot.names.get(item_id, item_id)
        return Used(item_id, name, unit, use.amount_milli, use.bucket.last_day, use.bucket.lots)


def _take(stock: FreeStock, recipe: Recipe, portions: int, day: int) -> None:
    for item_id, amount in amounts(recipe, portions).items():
        stock.take(item_id, amount, day)


def _units(recipe: Recipe) -> dict[str, Unit]:
    return {line.item_id: line.unit for line in recipe.lines if line.item_id is not None}
