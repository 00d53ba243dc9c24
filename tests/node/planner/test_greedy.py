"""The greedy planner: feeds whoever it can, uses what expires first, and gives the same bytes everywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.domain.recipes import Recipe
from node.planner.gathering import gather_small_dishes
from node.planner.greedy import greedy
from node.planner.plan import Limits, Plan, snapshot_id
from node.planner.score import score
from node.planner.validator import validate
from tests.node.planner.builders import (
    a_bucket,
    a_class,
    a_dish,
    a_large_snapshot,
    a_line,
    a_recipe,
    a_snapshot,
)
from tests.node.planner.test_plan import shuffled

CHECKOUT = Path(__file__).resolve().parents[3]
PRINT_PLAN = """
import msgspec, sys
from node.planner.greedy import greedy
from tests.node.planner.builders import a_large_snapshot
print(msgspec.json.encode(greedy(a_large_snapshot(7, recipes=60, lots=120, classes=8, kinds=30, days=2))).decode())
"""


def soup(recipe_id: str, item_id: str, **more: object) -> Recipe:
    return a_recipe(recipe_id, a_line(item_id), **more)


def test_everybody_is_fed_where_there_is_enough() -> None:
    plan = greedy(a_snapshot())
    assert [(dish.recipe_id, dish.portions) for dish in plan.dishes] == [("r1", {"c1": 10})]


def test_what_expires_first_is_cooked_first() -> None:
    snapshot = a_snapshot(
        recipes=(soup("r1", "food/rice"), soup("r2", "food/spinach")),
        stock=(a_bucket("food/rice"), a_bucket("food/spinach", last_day=1)),
        classes=(a_class(recipes=("r1", "r2")),),
    )
    assert greedy(snapshot).dishes[0].recipe_id == "r2"


def test_the_class_with_one_dish_gets_it_before_anybody_takes_it_away() -> None:
    snapshot = a_snapshot(
        recipes=(soup("r1", "food/rice"), soup("r2", "food/spinach")),
        # Enough for ten portions of each, and the spinach is urgent: tempting for everybody.
        stock=(a_bucket("food/rice", 1_000_000), a_bucket("food/spinach", 1_000_000, 0)),
        classes=(a_class("c1", 10, ("r1", "r2")), a_class("c2", 10, ("r2",))),
    )
    plan = greedy(snapshot)
    assert {dish.recipe_id: dish.portions for dish in plan.dishes} == {"r1": {"c1": 10}, "r2": {"c2": 10}}


def test_people_no_recipe_is_for_count_as_missing_and_do_not_hide_how_the_others_fare() -> None:
    classes = (a_class("c1", 10, ("r1",)), a_class("c2", 2, ()))
    snapshot = a_snapshot(stock=(a_bucket("food/rice", 500_000),), classes=classes)
    plan = greedy(snapshot)
    assert [dish.portions for dish in plan.dishes] == [{"c1": 5}]
    assert score(plan, snapshot)[:2] == (500, 7)
    assert [fault.values for fault in validate(plan, snapshot).faults] == [{"count": 7}]


def test_nothing_is_planned_from_an_empty_store() -> None:
    assert greedy(a_snapshot(stock=())).dishes == ()


def test_a_recipe_with_unknown_amounts_is_never_planned() -> None:
    assert greedy(a_snapshot(recipes=(a_recipe("r1", a_line(quantity_milli=None)),))).dishes == ()


def test_the_kitchen_has_only_so_many_minutes_dishes_and_pots() -> None:
    recipes = tuple(soup(f"r{number}", f"food/i{number}", minutes=50, batch_max=4) for number in range(5))
    stock = tuple(a_bucket(f"food/i{number}") for number in range(5))
    classes = (a_class("c1", 40, tuple(recipe.recipe_id for recipe in recipes)),)
    for limits, dishes in ((Limits(minutes=120), 2), (Limits(mains=3), 3), (Limits(), 5)):
        snapshot = a_snapshot(recipes=recipes, stock=stock, classes=classes, limits=limits)
        assert dishes == len(greedy(snapshot).dishes)


def test_a_small_pot_is_filled_up_with_others_who_like_it() -> None:
    snapshot = a_snapshot(
        recipes=(soup("r1", "food/rice"), soup("r2", "food/spinach", batch_min=6)),
        stock=(a_bucket("food/rice", 700_000), a_bucket("food/spinach", 600_000)),
        classes=(a_class("c1", 10, ("r1", "r2")), a_class("c2", 2, ("r2",))),
    )
    portions = {dish.recipe_id: dish.portions for dish in greedy(snapshot).dishes}
    assert portions["r2"]["c2"] == 2
    assert sum(portions["r2"].values()) >= 6


def test_a_pot_for_two_goes_where_a_larger_dish_feeds_them_too() -> None:
    dishes = (soup("r1", "food/rice", batch_max=60), soup("r2", "food/spinach"), soup("r3", "food/peas", batch_max=30))
    stock = (a_bucket("food/rice", 50_000_000), a_bucket("food/spinach", 300_000), a_bucket("food/peas", 50_000_000))
    snapshot = a_snapshot(
        recipes=dishes, stock=stock, classes=(a_class("c1", 60, ("r1", "r3")), a_class("c2", 2, ("r1", "r2", "r3")))
    )
    plan = Plan(
        snapshot_id(snapshot),
        "test/1",
        (a_dish("r1", {"c1": 40}), a_dish("r2", {"c2": 2}), a_dish("r3", {"c1": 20})),
    )
    gathered = gather_small_dishes(plan, snapshot)
    assert [(dish.recipe_id, dish.portions) for dish in gathered.dishes] == [
        ("r1", {"c1": 40, "c2": 2}),
        ("r3", {"c1": 20}),
    ]


@pytest.mark.parametrize(
    "more",
    [
        {"stock": (a_bucket("food/rice", 4_000_000), a_bucket("food/spinach"))},  # not enough to feed them as well
        {"recipes": (soup("r1", "food/rice", batch_max=40), soup("r2", "food/spinach"))},  # the pot is full
        {"classes": (a_class("c1", 40, ("r1",)), a_class("c2", 2, ("r2",)))},  # they cannot eat it
        {"stock": (a_bucket("food/rice", 50_000_000), a_bucket("food/spinach", 40_000_000, 0))},  # spinach is urgent
    ],
)
def test_a_small_pot_stays_where_gathering_it_would_cost_somebody_something(more: dict[str, Any]) -> None:
    fields: dict[str, Any] = {
        "recipes": (soup("r1", "food/rice"), soup("r2", "food/spinach")),
        "stock": (a_bucket("food/rice", 50_000_000), a_bucket("food/spinach", 300_000)),
        "classes": (a_class("c1", 40, ("r1", "r2")), a_class("c2", 2, ("r1", "r2"))),
    }
    snapshot = a_snapshot(**(fields | more))
    plan = Plan(snapshot_id(snapshot), "test/1", (a_dish("r1", {"c1": 40}), a_dish("r2", {"c2": 2})))
    assert gather_small_dishes(plan, snapshot) == plan
    without = a_snapshot(**fields)
    moved = gather_small_dishes(msgspec.structs.replace(plan, snapshot_id=snapshot_id(without)), without)
    assert len(moved.dishes) == 1


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), days=st.integers(1, 3))
def test_gathering_costs_nothing_breaks_nothing_and_feeds_the_same_people(seed: int, days: int) -> None:
    snapshot = a_large_snapshot(seed, recipes=25, lots=60, classes=6, days=days, kinds=20)
    with patch("node.planner.greedy.gather_small_dishes", lambda plan, _snapshot: plan):
        before = greedy(snapshot)
    after = greedy(snapshot)
    assert score(after, snapshot) <= score(before, snapshot)
    assert _eaten(after) == _eaten(before)
    assert validate(after, snapshot).word == validate(before, snapshot).word


def _eaten(plan: Plan) -> dict[tuple[str, str, str], int]:
    eaten: dict[tuple[str, str, str], int] = {}
    for dish in plan.dishes:
        for label, portions in dish.portions.items():
            key = dish.day, dish.meal, label
            eaten[key] = eaten.get(key, 0) + portions
    return eaten


def test_another_day_leaves_what_is_expired() -> None:
    snapshot = a_snapshot(
        days=("2026-11-22", "2026-11-23"), stock=(a_bucket(amount_milli=2_000_000, last_day=0),), people=10
    )
    assert [dish.day for dish in greedy(snapshot).dishes] == ["2026-11-22"]


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), days=st.integers(1, 3))
def test_a_greedy_plan_has_no_hard_fault(seed: int, days: int) -> None:
    snapshot = a_large_snapshot(seed, recipes=25, lots=60, classes=6, days=days, kinds=20)
    plan = greedy(snapshot)
    verdict = validate(plan, snapshot, baseline=plan)
    assert verdict.word != "reject", verdict.faults
    assert verdict.score == score(plan, snapshot)
    assert {fault.code for fault in verdict.faults} <= {"COVERAGE"}


def test_the_order_of_the_input_changes_no_byte() -> None:
    snapshot = a_large_snapshot(3, recipes=60, lots=120, classes=8, kinds=30)
    first = msgspec.json.encode(greedy(snapshot))
    for seed in range(5):
        assert first == msgspec.json.encode(greedy(shuffled(snapshot, seed)))


def test_twenty_processes_with_other_hash_seeds_give_the_same_bytes() -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", PRINT_PLAN],
            cwd=CHECKOUT,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            stdout=subprocess.PIPE,
        )
        for seed in range(20)
    ]
    printed = {process.communicate(timeout=100)[0] for process in running}
    assert all(process.returncode == 0 for process in running)
    assert len(printed) == 1
    assert b'"dishes":[{' in printed.pop()
