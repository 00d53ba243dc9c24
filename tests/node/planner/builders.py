"""Builders for planner tests: recipes, snapshots, plans, and a large instance drawn from a seed."""

from __future__ import annotations

import random
from typing import Any

import msgspec

from node.domain.recipes import Recipe, RecipeLine, Scale
from node.domain.words import Unit
from node.planner.plan import DietClass, Limits, Plan, PlannedDish, Snapshot, StockBucket, snapshot_id

DAY = "2026-11-22"


def a_line(item_id: str = "food/rice", quantity_milli: int | None = 400_000, **more: Any) -> RecipeLine:
    """A line of a recipe: 400 g for its portions, unless said otherwise."""
    return RecipeLine(text=item_id, item_id=item_id, quantity_milli=quantity_milli, **more)


def a_recipe(recipe_id: str = "r1", *lines: RecipeLine, **more: Any) -> Recipe:
    """A recipe for four portions."""
    fields: dict[str, Any] = {"title": recipe_id, "meal": "main", "portions": 4, "minutes": 30} | more
    return Recipe(recipe_id=recipe_id, lines=lines or (a_line(),), **fields)


def a_bucket(item_id: str = "food/rice", amount_milli: int = 4_000_000, last_day: int = 8, **more: Any) -> StockBucket:
    """Four kilograms of something, unless said otherwise."""
    return StockBucket(item_id, last_day, amount_milli, **more)


def a_class(label: str = "c1", people: int = 10, recipes: tuple[str, ...] = ("r1",)) -> DietClass:
    """Ten people who can eat the recipe r1."""
    return DietClass(label, people, recipes)


def a_snapshot(**more: Any) -> Snapshot:
    """One meal for ten people, one recipe, enough rice."""
    fields: dict[str, Any] = {
        "day": DAY,
        "days": (DAY,),
        "meals": ("main",),
        "people": 10,
        "stock": (a_bucket(),),
        "recipes": (a_recipe(),),
        "classes": (a_class(),),
        "limits": Limits(),
    } | more
    fields["people"] = more.get("people", sum(each.people for each in fields["classes"]))
    return Snapshot(**fields)


def a_dish(recipe_id: str = "r1", portions: dict[str, int] | None = None, **more: Any) -> PlannedDish:
    """Ten portions of r1 for the class c1."""
    fields: dict[str, Any] = {"day": DAY, "meal": "main"} | more
    return PlannedDish(recipe_id=recipe_id, portions={"c1": 10} if portions is None else portions, **fields)


def a_plan(snapshot: Snapshot, *dishes: PlannedDish) -> Plan:
    """A plan for a snapshot."""
    return Plan(snapshot_id(snapshot), "test/1", dishes or (a_dish(),))


def proposal_bytes(plan: Plan, **more: Any) -> bytes:
    """A plan as it comes over the wire."""
    value: dict[str, Any] = {
        "schema": "plan-proposal/1",
        "snapshot_id": plan.snapshot_id,
        "planner": plan.planner,
        "dishes": [
            {"day": dish.day, "meal": dish.meal, "recipe": dish.recipe_id, "portions": dish.portions}
            for dish in plan.dishes
        ],
        "reasons": list(plan.reasons),
    } | more
    return msgspec.json.encode(value)


def a_large_snapshot(
    seed: int, *, recipes: int = 300, lots: int = 1000, classes: int = 20, days: int = 1, kinds: int = 150
) -> Snapshot:
    """A market as large as they come: by default 300 recipes, 1,000 lots, 40 households in 20 classes."""
    draw = random.Random(seed)
    items = [f"food/i{number:03d}" for number in range(kinds)]
    book = []
    for number in range(recipes):
        chosen = draw.sample(items, draw.randint(3, 9))
        lines = tuple(
            a_line(
                item_id,
                draw.randrange(50, 900) * 1000,
                unit=Unit.EACH if item_id.endswith("7") else Unit.GRAM,
                scale=Scale.SQRT if draw.random() < 0.1 else Scale.LINEAR,
                optional=draw.random() < 0.05,
            )
            for item_id in chosen
        )
        lines = (msgspec.structs.replace(lines[0], optional=False), *lines[1:])
        book.append(
            a_recipe(
                f"r{number:03d}",
                *lines,
                minutes=draw.randrange(10, 90, 5),
                batch_min=draw.choice([1, 4, 8]),
                batch_max=draw.choice([20, 40, 80]),
                theme=draw.choice(["", "soup", "fish", "pasta"]),
                meal="main" if number % 4 else "breakfast",
            )
        )
    buckets = [
        a_bucket(draw.choice(items), draw.randrange(500, 40_000) * 1000, draw.choice([0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8]))
        for _lot in range(lots)
    ]
    ids = [recipe.recipe_id for recipe in book]
    groups = [
        a_class(
            f"c{number:02d}",
            draw.randint(1, 12),
            tuple(draw.sample(ids, draw.randint(max(1, len(ids) // 20), len(ids)))),
        )
        for number in range(classes)
    ]
    return a_snapshot(
        stock=tuple(buckets),
        recipes=tuple(book),
        classes=tuple(groups),
        days=tuple(f"2026-11-{22 + number}" for number in range(days)),
        piece_g={item_id: 120 for item_id in items if item_id.endswith("7")},
    )
