"""The nearest misses: who stays hungry, and how little more would feed them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from node.domain.recipes import Recipe, amounts, portions_possible
from node.domain.words import Unit
from node.planner.greedy import greedy
from node.planner.misses import LACKS_MAX, MISSES_MAX, nearest_misses
from node.planner.plan import Limits
from node.planner.words import miss_line
from tests.node.planner.builders import (
    a_bucket,
    a_class,
    a_large_snapshot,
    a_line,
    a_recipe,
    a_snapshot,
)

OIL = a_line("food/oil", 30_000, unit=Unit.MILLILITRE)
STEW = a_recipe("stew", a_line("food/lentils", 280_000), OIL, title="Lentil stew")
EMPTY = {"people": 40, "classes": (a_class(people=40, recipes=("stew",)),), "recipes": (STEW,)}
NAMES = {"food/oil": "Olive oil", "food/lentils": "Lentils"}


def test_what_only_lacks_its_oil_says_how_much_for_everybody_who_is_hungry() -> None:
    snapshot = a_snapshot(**EMPTY, stock=(a_bucket("food/lentils"),), names=NAMES)
    (miss,) = nearest_misses(greedy(snapshot), snapshot)
    assert miss_line(miss) == "Lentil stew for 40 lacks Olive oil 0.3 l"


def test_a_dish_that_ran_out_says_what_the_rest_would_need() -> None:
    stock = (a_bucket("food/lentils", 20_000_000), a_bucket("food/oil", 225_000))
    snapshot = a_snapshot(**EMPTY, stock=stock, names=NAMES)
    plan = greedy(snapshot)
    assert [dish.total for dish in plan.dishes] == [30]
    (miss,) = nearest_misses(plan, snapshot)
    assert miss_line(miss) == "Lentil stew for 10 more lacks Olive oil 0.075 l"


def test_nothing_is_missing_where_everybody_eats() -> None:
    snapshot = a_snapshot(recipes=(a_recipe(), STEW), classes=(a_class(recipes=("r1", "stew")),))
    assert nearest_misses(greedy(snapshot), snapshot) == ()


def test_the_nearest_come_first_and_at_most_five() -> None:
    def lacking(name: str, grams: int, more: int = 0) -> Recipe:
        lines = [a_line(f"food/{name}{number}", 1000) for number in range(more)]
        return a_recipe(name, a_line("food/rice"), a_line(f"food/{name}", grams * 1000), *lines)

    recipes = (
        lacking("b", 40),
        lacking("a", 80),
        lacking("two", 1, 1),
        lacking("three", 1, 2),
        *(lacking(f"z{number}", 900 + number) for number in range(6)),
    )
    names = tuple(recipe.recipe_id for recipe in recipes)
    snapshot = a_snapshot(recipes=recipes, classes=(a_class(people=4, recipes=names),))
    assert [each.recipe_id for each in nearest_misses(greedy(snapshot), snapshot)] == ["b", "a", "z0", "z1", "z2"]


def test_what_nobody_hungry_eats_or_no_kitchen_has_time_for_is_no_near_miss() -> None:
    stock = (a_bucket("food/lentils"),)
    for more in (
        {"classes": (a_class(people=40, recipes=()),)},
        {"limits": Limits(minutes=20)},
        {"meals": ("breakfast",)},
        {"recipes": (a_recipe("stew", a_line("food/lentils"), a_line("food/oil", None)),)},
    ):
        snapshot = a_snapshot(**(EMPTY | {"stock": stock} | more))
        assert nearest_misses(greedy(snapshot), snapshot) == ()


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000))
def test_with_what_a_miss_lacks_it_could_be_cooked(seed: int) -> None:
    snapshot = a_large_snapshot(seed, recipes=40, lots=25, classes=4, kinds=25)
    plan = greedy(snapshot)
    recipes = {recipe.recipe_id: recipe for recipe in snapshot.recipes}
    found = nearest_misses(plan, snapshot)
    assert len(found) <= MISSES_MAX
    for miss in found:
        assert 0 < len(miss.lacks) <= LACKS_MAX
        free: dict[str, int] = {}
        for bucket in snapshot.stock:
            free[bucket.item_id] = free.get(bucket.item_id, 0) + bucket.amount_milli
        others = [dish for dish in plan.dishes if dish.recipe_id != miss.recipe_id]
        for dish in others:
            for item_id, amount in amounts(recipes[dish.recipe_id], dish.total).items():
                free[item_id] -= amount
        wanted = miss.portions + sum(dish.total for dish in plan.dishes if dish not in others)
        assert portions_possible(recipes[miss.recipe_id], free, wanted) < wanted
        for lack in miss.lacks:
            free[lack.item_id] = free.get(lack.item_id, 0) + lack.missing_milli
        assert portions_possible(recipes[miss.recipe_id], free, wanted) == wanted
