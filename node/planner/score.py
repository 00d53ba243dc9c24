"""The score of a plan: costs in stages, whole numbers, compared in order. Computed here and believed from nobody.

Not a judgement (`validator`). Plans are compared by this vector, never by who made them. Nutrition has no stage yet.
"""

from __future__ import annotations

from node.domain.recipes import amounts
from node.planner.plan import LATER_DAY, Plan, Snapshot
from node.planner.stock import FreeStock, grams

SCORE_TERMS = ("worst_unserved_permille", "unserved", "wasted_g", "at_risk_kg_days", "dishes", "minutes")
"""Stage by stage: the share (per mille) the worst class goes without that has any dish, portions nobody gets, grams
that expire unused within the plan's days, what is left that expires soon (kilograms times days of urgency), dishes,
minutes at work."""

PERMILLE = 1000


def score(plan: Plan, snapshot: Snapshot) -> tuple[int, ...]:
    """Return the costs of a plan whose references are valid; smaller is better, stage by stage."""
    recipes = {recipe.recipe_id: recipe for recipe in snapshot.recipes}
    day_of = {day: number for number, day in enumerate(snapshot.days)}
    served: dict[str, int] = {}
    stock = FreeStock(snapshot.stock)
    minutes = 0
    for dish in sorted(plan.dishes, key=lambda each: (day_of[each.day], each.meal, each.recipe_id)):
        recipe = recipes[dish.recipe_id]
        minutes += recipe.minutes
        for label, portions in dish.portions.items():
            served[label] = served.get(label, 0) + portions
        for item_id, amount in amounts(recipe, dish.total).items():
            stock.take(item_id, amount, day_of[dish.day])
    meals = len(snapshot.days) * len(snapshot.meals)
    unserved = {each.label: each.people * meals - served.get(each.label, 0) for each in snapshot.classes}
    shares = [
        unserved[each.label] * PERMILLE // (each.people * meals)
        for each in snapshot.classes
        # Where no recipe is for a class, no plan is better: it must not hide how the others are treated.
        if each.people and each.recipes
    ]
    wasted, at_risk = _left_over(snapshot, stock)
    return (max(shares, default=0), sum(unserved.values()), wasted, at_risk, len(plan.dishes), minutes)


def _left_over(snapshot: Snapshot, stock: FreeStock) -> tuple[int, int]:
    wasted = at_risk = 0
    for item_id, last_day, amount_milli in stock.left():
        left_g = grams(snapshot, item_id, amount_milli)
        if last_day < len(snapshot.days):
            wasted += left_g
        at_risk += left_g * (LATER_DAY - last_day)
    return wasted, at_risk // 1000
