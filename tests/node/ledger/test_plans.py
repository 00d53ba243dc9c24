"""Plans and recipes folded from anybody's events: the same in any order, and others move nothing of ours."""

from __future__ import annotations

import random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from node.domain.lots import Dot
from node.domain.recipes import is_plannable
from node.ledger.events import (
    DishCooked,
    DishPlanned,
    Event,
    Fact,
    PlanAccepted,
    PlanWithdrawn,
    RegisterSet,
    RegisterValue,
    VerdictReached,
)
from node.ledger.fold import fold
from node.ledger.read.plans import accepted_plans, open_dishes, reserved_by_plans
from node.ledger.read.recipes import LINE_CHARACTERS_MAX, RECIPES_MAX, line_word, market_recipes, recipe_key
from tests.node.ledger.test_fold import MEMBERS, STREAMS, tables
from tests.node.planner.builders import a_line

TABLES = ("plan", "plan_withdrawn", "dish", "dish_use", "dish_cooked", "verdict")
DOTS = st.builds(Dot, st.sampled_from(STREAMS), st.integers(0, 5))
NUMBERS = st.one_of(st.integers(0, 9), st.sampled_from([2**62, -(2**62)]))
FACTS: st.SearchStrategy[Fact] = st.one_of(
    st.builds(
        PlanAccepted,
        st.just(bytes(32)),
        st.just("x"),
        st.just("1"),
        st.integers(0, 40_000),
        NUMBERS,
        st.just("ok"),
        st.lists(NUMBERS, max_size=2),
    ),
    st.builds(
        DishPlanned,
        DOTS,
        st.just("r1"),
        st.just("main"),
        NUMBERS,
        st.lists(st.sampled_from(["food/a", "food/b"]), max_size=3),
        st.lists(NUMBERS, max_size=3),
    ),
    st.builds(PlanWithdrawn, DOTS, st.none()),
    st.builds(DishCooked, DOTS, NUMBERS),
    st.builds(VerdictReached, st.just(b""), st.just("x"), st.just("1"), st.just("ok"), st.lists(st.just("STOCK"))),
)


def folded(events: list[Event]) -> list[list[tuple[object, ...]]]:
    with tables() as connection:
        connection.execute("INSERT INTO writer VALUES (1, ?, ?, 'w')", (MEMBERS[STREAMS[0]], STREAMS[0]))
        for event in events:
            fold(connection, event, member=MEMBERS[event.dot.stream], clock=2)
        open_dishes(connection, None)
        accepted_plans(connection)
        reserved_by_plans(connection, None)
        return [sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr) for table in TABLES]


@settings(max_examples=60)
@given(facts=st.lists(st.tuples(st.sampled_from(STREAMS), FACTS), max_size=12), seed=st.integers(0, 99))
def test_plans_fold_to_the_same_rows_in_any_order(facts: list[tuple[bytes, Fact]], seed: int) -> None:
    events = [Event(Dot(stream, number), number, 0, fact) for number, (stream, fact) in enumerate(facts)]
    assert folded(events) == folded(random.Random(seed).sample(events, len(events)))


def test_nobody_else_withdraws_or_cooks_our_plan() -> None:
    ours, theirs = STREAMS[0], STREAMS[1]
    with tables() as connection:
        connection.execute("INSERT INTO writer VALUES (1, ?, ?, 'w')", (MEMBERS[ours], ours))
        plan = PlanAccepted(bytes(32), "x", "1", 20_000, 0, "ok", [])
        dish = DishPlanned(Dot(ours, 0), "r1", "main", 4, ["food/a"], [1_000])
        for dot, fact in (
            (Dot(ours, 0), plan),
            (Dot(ours, 1), dish),
            (Dot(theirs, 0), PlanWithdrawn(Dot(ours, 0), None)),
            (Dot(theirs, 1), DishCooked(Dot(ours, 1), 4)),
            (Dot(theirs, 2), dish),  # a dish of theirs in a plan of ours
        ):
            fold(connection, Event(dot, 1, 0, fact), member=MEMBERS[dot.stream], clock=2)
        assert reserved_by_plans(connection, None) == {"food/a": 1_000}
        fold(connection, Event(Dot(ours, 2), 2, 0, DishCooked(Dot(ours, 1), 4)), member=MEMBERS[ours], clock=2)
        assert reserved_by_plans(connection, None) == {}


def recipes_of(*writes: tuple[bytes, str, RegisterValue]) -> list[object]:
    with tables() as connection:
        for number, (stream, field, value) in enumerate(writes):
            event = Event(Dot(stream, number), number, 0, RegisterSet(recipe_key("x:1", field), value, []))
            fold(connection, event, member=MEMBERS[stream], clock=2)
        return list(market_recipes(connection))


GOOD: dict[str, RegisterValue] = {"title": "Rice", "meal": "main", "portions": 4, "lines": [line_word(a_line())]}


def test_two_versions_written_apart_are_not_planned_with_until_somebody_chooses() -> None:
    ours = [(STREAMS[0], field, value) for field, value in GOOD.items()]
    (one,) = recipes_of(*ours)
    assert is_plannable(one)  # type: ignore[arg-type]
    for field, other in (("lines", [line_word(a_line("food/walnuts"))]), ("portions", 8)):
        (two,) = recipes_of(*ours, (STREAMS[1], field, other))  # type: ignore[arg-type]
        assert not is_plannable(two)  # type: ignore[arg-type]


def test_a_hostile_recipe_is_bounded_and_inert() -> None:
    hostile: dict[str, RegisterValue] = {
        "title": "\x1b[2JSoup" + "x" * 500,
        "meal": ["main"],
        "portions": 2**60,
        "minutes": -5,
        "lines": [b"\x00".decode(), "{}", "[", '{"text":"\\u001b[2J","item_id":"food/a","quantity_milli":-1}'] * 20,
        "steps": ["\u202e" * 9_000],
        "batch_min": True,
        "batch_max": -1,
        "parent": 7,
    }
    (recipe,) = recipes_of(*((STREAMS[1], field, value) for field, value in hostile.items()))
    raw = msgspec.json.encode(recipe).decode()
    assert not is_plannable(recipe)  # type: ignore[arg-type]
    assert "\\u001b" not in raw and "\u202e" not in raw
    assert len(raw) < 100 * LINE_CHARACTERS_MAX


def test_a_flood_of_recipes_is_cut() -> None:
    with tables() as connection:
        for number in range(RECIPES_MAX + 50):
            event = Event(Dot(STREAMS[1], number), 1, 0, RegisterSet(recipe_key(f"x:{number}", "title"), "Rice", []))
            fold(connection, event, member=MEMBERS[STREAMS[1]], clock=2)
        assert len(market_recipes(connection)) == RECIPES_MAX
