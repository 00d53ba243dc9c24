"""Recipes: amounts grow by their own rule, are never rounded down, and what is not a number is never planned."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.domain.recipes import Recipe, RecipeLine, Scale, amounts, is_plannable, portions_possible, scaled
from node.domain.words import Unit
from tests.node.planner.builders import a_line, a_recipe

QUANTITIES = st.integers(1, 5_000_000)
LINES = st.builds(
    RecipeLine,
    item_id=st.sampled_from(["food/a", "food/b", "food/c"]),
    quantity_milli=QUANTITIES,
    unit=st.sampled_from(list(Unit)),
    scale=st.sampled_from(list(Scale)),
    optional=st.booleans(),
)
RECIPES = st.builds(a_recipe, st.just("r1"), LINES, LINES, LINES, portions=st.integers(1, 30))


@given(recipe=RECIPES, factor=st.integers(1, 50))
def test_scaling_up_and_down_again_gives_the_same_linear_amounts(recipe: Recipe, factor: int) -> None:
    back = scaled(scaled(recipe, recipe.portions * factor), recipe.portions)
    for before, after in zip(recipe.lines, back.lines, strict=True):
        if before.scale is Scale.LINEAR:
            assert before == after


@given(recipe=RECIPES, portions=st.integers(1, 200))
def test_more_portions_never_need_less(recipe: Recipe, portions: int) -> None:
    now, more = amounts(recipe, portions), amounts(recipe, portions + 1)
    assert all(more[item_id] >= amount for item_id, amount in now.items())


@given(
    recipe=RECIPES,
    free=st.dictionaries(st.sampled_from(["food/a", "food/b", "food/c"]), st.integers(0, 20_000_000)),
    most=st.integers(1, 60),
)
def test_the_portions_possible_are_the_most_for_which_there_is_enough(
    recipe: Recipe, free: dict[str, int], most: int
) -> None:
    def is_enough(portions: int) -> bool:
        return all(free.get(item_id, 0) >= amount for item_id, amount in amounts(recipe, portions).items())

    assert max((count for count in range(1, most + 1) if is_enough(count)), default=0) == portions_possible(
        recipe, free, most
    )


def test_an_amount_is_rounded_up_to_a_whole_gram_or_piece() -> None:
    recipe = a_recipe("r1", a_line("food/eggs", 1_000, unit=Unit.EACH), a_line("food/salt", 3_000))
    assert amounts(recipe, 5) == {"food/eggs": 2_000, "food/salt": 4_000}


def test_salt_grows_with_the_root_and_a_pan_of_water_not_at_all() -> None:
    recipe = a_recipe(
        "r1", a_line("food/salt", 10_000, scale=Scale.SQRT), a_line("food/oil", 20_000, scale=Scale.FIXED)
    )
    assert amounts(recipe, 16) == {"food/salt": 20_000, "food/oil": 20_000}


def test_an_optional_line_is_not_needed_from_the_stock() -> None:
    recipe = a_recipe("r1", a_line(), a_line("food/parsley", 1_000, optional=True))
    assert amounts(recipe, 4) == {"food/rice": 400_000}


@pytest.mark.parametrize(
    "change",
    [
        {"portions": 0},
        {"meal": "feast"},
        {"lines": ()},
        {"lines": (a_line(quantity_milli=None),)},
        {"lines": (a_line(quantity_milli=0),)},
        {"lines": (a_line(), RecipeLine(text="a pinch of something"))},
        {"lines": (a_line(), RecipeLine(text="something", optional=True))},
        {"lines": (a_line(optional=True),)},
    ],
)
def test_a_recipe_with_something_unknown_is_not_planned(change: dict[str, object]) -> None:
    assert is_plannable(a_recipe())
    assert not is_plannable(msgspec.structs.replace(a_recipe(), **change))
