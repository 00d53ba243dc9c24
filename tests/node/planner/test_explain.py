"""Why and why not: the terms shown sum to the points shown, and every recipe has its reason."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from node.domain.recipes import amounts
from node.planner.explain import Explainer
from node.planner.greedy import greedy
from node.planner.plan import Blocked, Limits
from node.planner.words import points_text, uses_first, why_lines, why_not_line, why_not_lines
from tests.node.planner.builders import (
    a_bucket,
    a_class,
    a_dish,
    a_large_snapshot,
    a_line,
    a_plan,
    a_recipe,
    a_snapshot,
)


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000))
def test_the_terms_shown_sum_to_the_points_shown(seed: int) -> None:
    snapshot = a_large_snapshot(seed, recipes=25, lots=60, classes=5, kinds=20)
    plan = greedy(snapshot)
    explainer = Explainer(plan, snapshot)
    shown = [points_text(explainer.why(dish).points) for dish in plan.dishes]
    shown += [points_text(each.difference) for each in explainer.others() if each.difference is not None]
    for text in shown:
        total, *terms = [int(number) for number in re.findall(r"[+-]?\d+", text)]
        assert total == sum(terms), text


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000))
def test_every_recipe_is_planned_or_has_a_reason(seed: int) -> None:
    snapshot = a_large_snapshot(seed, recipes=25, lots=60, classes=5, kinds=20)
    plan = greedy(snapshot)
    planned = {dish.recipe_id for dish in plan.dishes}
    others = Explainer(plan, snapshot).others()
    assert {recipe.recipe_id for recipe in snapshot.recipes} - planned == {each.recipe.recipe_id for each in others}
    for each in others:
        assert why_not_line(each)
        for line in each.lines:
            assert line.missing_milli == max(0, line.need_milli - line.have_milli)
        if each.largest:
            needed = amounts(each.recipe, each.largest)
            assert all(line.have_milli >= needed[line.item_id] for line in each.lines)


def test_the_lot_that_expires_first_is_named_with_its_date() -> None:
    snapshot = a_snapshot(
        stock=(a_bucket(amount_milli=600_000, last_day=5, lots=("T-1107",)), a_bucket(amount_milli=900_000)),
        names={"food/rice": "Rice"},
    )
    found = Explainer(a_plan(snapshot), snapshot).why(a_dish())
    assert uses_first(found, snapshot) == "Rice 0.6 kg by 2026-11-27 (T-1107)"
    assert "r1: feeds 10 people." in why_lines(found, snapshot)


def test_the_only_dish_of_somebody_says_so() -> None:
    snapshot = a_snapshot(classes=(a_class("c1", 7), a_class("c2", 3)))
    dish = a_dish(portions={"c1": 7, "c2": 3})
    assert Explainer(a_plan(snapshot, dish), snapshot).why(dish).only_for == 10


def test_a_second_dish_sees_what_the_first_left() -> None:
    # 500 g of mince, two dishes of 400 g: the second has 100 g and misses 300 g.
    mince = a_line("food/mince", 400_000)
    snapshot = a_snapshot(
        recipes=(a_recipe("r1", mince), a_recipe("r2", mince)),
        stock=(a_bucket("food/mince", 500_000),),
        classes=(a_class("c1", 4, ("r1", "r2")),),
    )
    explainer = Explainer(a_plan(snapshot, a_dish(portions={"c1": 4})), snapshot)
    (line,) = explainer.why_not(snapshot.recipes[1], 4).lines
    assert (line.need_milli, line.have_milli, line.missing_milli) == (400_000, 100_000, 300_000)


def test_the_reason_is_the_first_that_holds() -> None:
    rice = a_line()
    recipes = {
        "missing": a_recipe("r2", a_line("food/gold")),
        "other_meal": a_recipe("r3", rice, meal="breakfast"),
        "not_quantified": a_recipe("r4", a_line(quantity_milli=None)),
        "nobody": a_recipe("r5", rice),
        "minutes": a_recipe("r6", rice, minutes=999),
        "outranked": a_recipe("r7", rice, minutes=60),
        "planned": a_recipe("r1"),
    }
    edible = tuple(sorted(recipe.recipe_id for recipe in recipes.values() if recipe.recipe_id != "r5"))
    snapshot = a_snapshot(recipes=tuple(recipes.values()), classes=(a_class(recipes=edible),), limits=Limits())
    explainer = Explainer(a_plan(snapshot), snapshot)
    assert {reason: explainer.why_not(recipe).reason for reason, recipe in recipes.items()} == {
        reason: reason for reason in recipes
    }


def test_what_is_there_but_blocked_is_said_with_its_reason() -> None:
    snapshot = a_snapshot(
        recipes=(a_recipe("r1"), a_recipe("r2", a_line("food/milk"))),
        classes=(a_class(recipes=("r1", "r2")),),
        blocked=(Blocked("food/milk", "held", 2_000_000), Blocked("food/milk", "elsewhere", 9_000_000)),
    )
    lines = why_not_lines(Explainer(a_plan(snapshot), snapshot).why_not(snapshot.recipes[1]))
    assert "food/milk: need 1 kg, free 0 kg, missing 1 kg (2 kg on hold, 9 kg at other markets)" in lines


def test_a_shared_answer_says_how_many_cannot_eat_it_and_never_why() -> None:
    snapshot = a_snapshot(
        recipes=(a_recipe("r1"), a_recipe("r2")),
        classes=(a_class("c1", 7, ("r1", "r2")), a_class("c2", 3, ("r1",))),
        stock=(a_bucket(amount_milli=9_000_000),),
    )
    plan = a_plan(snapshot, a_dish(portions={"c1": 7, "c2": 3}))
    assert "3 people here cannot eat it." in why_not_lines(Explainer(plan, snapshot).why_not(snapshot.recipes[1]))
