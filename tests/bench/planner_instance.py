"""A neighbourhood market drawn from a seed: what planners are measured on.

300 recipes, 400 foods (of which recipes use 145), 1,000 lots with more than half of the weight expiring within the
week, 40 households with allergies and ways of eating that come to about 20 diet classes, a week of two meals a day.
Not a model of any real market: proportions are plausible, names are numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import accumulate
from random import Random

from node.domain.allergens import ALLERGENS
from node.domain.recipes import Recipe, RecipeLine
from node.planner.plan import DietClass, Limits, Snapshot, StockBucket

DAY = date(2026, 11, 23)
DAYS = 7
FOODS, RECIPES, LOTS = 400, 300, 1000
# The foods that any recipe uses are the first so many, the first more often than the last.
RECIPE_FOODS = 145
MEALS = ("breakfast", "main")
BATCH_MIN = 8
# Of the weight in stock, how much can be used within the week, in lots of a hundred.
EXPIRING_PERCENT = 55
# The kinds of food, with how many of a hundred foods are of it; the ways of eating, and the kinds each leaves out.
KINDS = {"plant": 62, "dairy": 12, "egg": 2, "fish": 8, "pork": 5, "meat": 11}
LEFT_OUT: dict[str, frozenset[str]] = {
    "anything": frozenset(),
    "no pork": frozenset({"pork"}),
    "fish": frozenset({"pork", "meat"}),
    "vegetarian": frozenset({"pork", "meat", "fish"}),
    "vegan": frozenset({"pork", "meat", "fish", "dairy", "egg"}),
}
WAYS = ("anything",) * 22 + ("no pork",) * 5 + ("fish",) * 4 + ("vegetarian",) * 6 + ("vegan",) * 3
KIND_ALLERGEN = {"dairy": "milk", "egg": "eggs", "fish": "fish"}


def a_week(seed: int) -> Snapshot:
    """Draw the market of one seed."""
    draw = Random(seed)
    foods = [f"food/f{number:03d}" for number in range(FOODS)]
    kinds = dict(zip(foods, draw.choices(list(KINDS), list(KINDS.values()), k=FOODS), strict=True))
    allergens = {food: _allergens(draw, kinds[food]) for food in foods}
    recipes = tuple(_recipe(draw, number, foods) for number in range(RECIPES))
    classes = _classes(draw, recipes, kinds, allergens)
    return Snapshot(
        day=DAY.isoformat(),
        days=tuple((DAY + timedelta(days=number)).isoformat() for number in range(DAYS)),
        meals=MEALS,
        people=sum(each.people for each in classes),
        stock=tuple(_lot(draw, foods) for _ in range(LOTS)),
        recipes=recipes,
        classes=classes,
        limits=Limits(batch_min=BATCH_MIN, mains=8, breakfasts=3, repeats=2, themes=2, minutes=600),
        seed=seed,
    )


def _allergens(draw: Random, kind: str) -> frozenset[str]:
    found = {KIND_ALLERGEN[kind]} if kind in KIND_ALLERGEN else set()
    if draw.random() < 0.15:
        found.add(draw.choice(sorted(ALLERGENS)))
    return frozenset(found)


def _recipe(draw: Random, number: int, foods: Sequence[str]) -> Recipe:
    # A few foods are in many recipes and most in none, as in any kitchen.
    popular = list(accumulate(1 / (1 + rank) ** 0.45 for rank in range(RECIPE_FOODS)))
    chosen: dict[str, None] = {}
    while len(chosen) < draw.randint(4, 8):
        chosen[draw.choices(foods[:RECIPE_FOODS], cum_weights=popular)[0]] = None
    lines = tuple(
        RecipeLine(text=food, item_id=food, quantity_milli=draw.randrange(120, 520, 10) * 1000) for food in chosen
    )
    return Recipe(
        recipe_id=f"recipe/r{number:03d}",
        title=f"Dish {number}",
        meal="main" if number % 4 else "breakfast",
        portions=4,
        minutes=draw.randrange(15, 75, 5),
        lines=lines,
        batch_min=BATCH_MIN,
        batch_max=draw.choice([40, 60, 80]),
        theme=draw.choice(["", "", "soup", "pasta", "stew", "salad"]),
    )


def _lot(draw: Random, foods: Sequence[str]) -> StockBucket:
    last_day = draw.randrange(0, DAYS) if draw.randrange(100) < EXPIRING_PERCENT else 8
    return StockBucket(draw.choice(foods), last_day, draw.randrange(1_000, 12_000) * 1000)


def _classes(
    draw: Random, recipes: Sequence[Recipe], kinds: dict[str, str], allergens: dict[str, frozenset[str]]
) -> tuple[DietClass, ...]:
    sizes: dict[tuple[str, ...], int] = {}
    for way in WAYS:
        avoided = frozenset(draw.sample(sorted(ALLERGENS), draw.choice([0, 0, 0, 1, 1, 2])))
        menu = tuple(
            recipe.recipe_id
            for recipe in recipes
            if not any(
                kinds[line.item_id or ""] in LEFT_OUT[way] or allergens[line.item_id or ""] & avoided
                for line in recipe.lines
            )
        )
        sizes[menu] = sizes.get(menu, 0) + draw.randint(1, 6)
    return tuple(
        DietClass(f"c{number:02d}", people, menu)
        for number, (menu, people) in enumerate(sorted(sizes.items()), start=1)
    )
