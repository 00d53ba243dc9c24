"""The fast greedy planner finds the plan that the slow, obvious one finds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.domain.recipes import Scale
from node.planner.greedy import greedy
from node.planner.plan import Limits, Snapshot
from tests.node.planner.builders import a_bucket, a_class, a_large_snapshot, a_line, a_recipe, a_snapshot
from tests.node.planner.slow_greedy import slow_greedy

ITEMS = st.sampled_from([f"food/{letter}" for letter in "abcde"])
NAMES = [f"r{number}" for number in range(10)]
LINES = st.builds(
    a_line,
    ITEMS,
    st.integers(1, 600_000) | st.integers(1, 600).map(lambda grams: grams * 1000),
    scale=st.sampled_from([Scale.LINEAR] * 4 + [Scale.SQRT, Scale.FIXED]),
    optional=st.sampled_from([False] * 5 + [True]),
)
BUCKETS = st.builds(
    a_bucket,
    ITEMS,
    st.integers(0, 9_000_000) | st.integers(1, 9_000).map(lambda grams: grams * 1000),
    st.integers(0, 8),
    state=st.sampled_from(["", "past_best_before", "not_judged"]),
)
LIMITS = st.builds(
    Limits,
    batch_min=st.integers(1, 6),
    mains=st.integers(0, 5),
    breakfasts=st.integers(0, 2),
    repeats=st.integers(1, 3),
    themes=st.integers(1, 3),
    minutes=st.sampled_from([30, 90, 600]),
)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    recipes = tuple(
        a_recipe(
            name,
            *draw(st.lists(LINES, min_size=1, max_size=4)),
            meal=draw(st.sampled_from(["main", "main", "breakfast"])),
            portions=draw(st.sampled_from([1, 3, 4, 4, 0])),
            minutes=draw(st.integers(0, 60)),
            batch_min=draw(st.integers(1, 9)),
            batch_max=draw(st.integers(1, 40)),
            theme=draw(st.sampled_from(["", "soup", "pasta"])),
        )
        for name in names
    )
    menus = st.lists(st.sampled_from([*names, "gone"]), unique=True).map(tuple)
    sizes = st.integers(0, 15)
    classes = tuple(a_class(f"c{number}", draw(sizes), draw(menus)) for number in range(draw(st.integers(0, 4))))
    return a_snapshot(
        days=tuple(f"2026-11-{22 + number}" for number in range(draw(st.sampled_from([1, 2, 3, 7])))),
        meals=draw(st.sampled_from([("main",), ("breakfast", "main"), ("main", "breakfast")])),
        stock=tuple(draw(st.lists(BUCKETS, max_size=15))),
        recipes=recipes,
        classes=classes,
        limits=draw(LIMITS),
        piece_g=draw(st.dictionaries(ITEMS, st.integers(1, 150), max_size=2)),
    )


@settings(max_examples=300)
@given(snapshot=snapshots())
def test_the_fast_plan_is_the_slow_plan_in_any_corner(snapshot: Snapshot) -> None:
    assert slow_greedy(snapshot) == greedy(snapshot)


def test_of_two_equal_dishes_the_one_cooked_less_comes_first() -> None:
    snapshot = a_snapshot(
        days=("2026-11-22", "2026-11-23"),
        recipes=(a_recipe("r1"), a_recipe("r2")),
        classes=(a_class(recipes=("r1", "r2")),),
    )
    assert [dish.recipe_id for dish in greedy(snapshot).dishes] == ["r1", "r2"]
    assert slow_greedy(snapshot) == greedy(snapshot)


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), days=st.integers(1, 7))
def test_the_fast_plan_is_the_slow_plan_in_a_small_market(seed: int, days: int) -> None:
    snapshot = a_large_snapshot(seed, recipes=25, lots=60, classes=6, days=days, kinds=20)
    assert slow_greedy(snapshot) == greedy(snapshot)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_fast_plan_is_the_slow_plan_in_a_large_market(seed: int) -> None:
    snapshot = a_large_snapshot(seed, recipes=120, lots=400, classes=12, days=3, kinds=60)
    assert slow_greedy(snapshot) == greedy(snapshot)
