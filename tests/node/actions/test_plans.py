"""Accepted plans: they reserve and block nobody; food leaves when a dish is cooked; the sums always hold."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node import clock
from node.actions.goods import discard
from node.actions.ids import new_action_id
from node.actions.plans import Cooked, DishToPlan, accept_plan, cook_dish, withdraw_plan
from node.actions.recipes import add_recipe
from node.clock import Moment
from node.domain.lots import Dot
from node.domain.recipes import RecipeLine
from node.domain.words import DiscardReason, Unit
from node.errors import NeedsYes, Refused
from node.ledger.events import PlanAccepted
from node.ledger.read import Item, item, lots
from node.ledger.read.goods import to_day
from node.ledger.read.plans import (
    accepted_plans,
    find_dish,
    item_stock,
    open_dishes,
    plan_share,
    reserved_by_plans,
    short_items,
)
from node.ledger.read.recipes import market_recipes
from node.ledger.store import MarketStore
from node.planner.cookbook import all_recipes
from tests.node.builders import TODAY, a_moment, a_received_lot, a_sale, an_open_market
from tests.node.planner.builders import a_line, a_recipe

RICE = "food/rice-white"
LENTILS = "food/lentils"


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", a_moment)


def food(store: MarketStore, item_id: str) -> Item:
    found = item(store.reader, item_id)
    assert found is not None
    return found


def an_accepted_plan(store: MarketStore, *dishes: DishToPlan, day: date = TODAY) -> Dot:
    days = to_day(day)
    assert days is not None
    fact = PlanAccepted(bytes(32), "test/1", "1", days, 0, "ok", [0])
    return store.act("plan", lambda tx: accept_plan(tx, action_id=new_action_id(), who=0, accepted=fact, dishes=dishes))


def rice_dish(milli: int = 400_000, portions: int = 4) -> DishToPlan:
    return DishToPlan("r1", "main", portions, {RICE: milli})


def cooked(store: MarketStore, dish: Dot, *, yes: frozenset[str] = frozenset(), portions: int | None = None) -> Cooked:
    return store.act(
        "cook",
        lambda tx: cook_dish(tx, action_id=new_action_id(), who=0, dish=dish, portions=portions, yes=yes),
    )


def test_a_plan_reserves_and_takes_nothing(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        a_received_lot(store, food(store, RICE), 1_000_000)
        an_accepted_plan(store, rice_dish())
        stock = item_stock(store.reader, TODAY)[RICE]
        assert (stock.on_hand_milli, stock.reserved_milli, stock.free_milli, stock.short_milli) == (
            1_000_000,
            400_000,
            600_000,
            0,
        )


def test_cooking_takes_the_lot_that_expires_first_and_ends_the_reservation(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        later = a_received_lot(store, food(store, RICE), 1_000_000, use_by=TODAY + timedelta(days=9)).lot
        sooner = a_received_lot(store, food(store, RICE), 300_000, use_by=TODAY + timedelta(days=2)).lot
        an_accepted_plan(store, rice_dish())
        (dish,) = open_dishes(store.reader, TODAY)
        takes = [(take.lot.lot_id, take.quantity_milli) for take in cooked(store, dish.dish_id).takes]
        assert takes == [(sooner.lot_id, 300_000), (later.lot_id, 100_000)]
        assert reserved_by_plans(store.reader, TODAY) == {}
        found = find_dish(store.reader, dish.dish_id)
        assert found is not None
        assert found.cooked_portions == 4


def test_food_past_its_date_is_never_cooked(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        rice = food(store, RICE)
        a_received_lot(store, rice, 1_000_000, use_by=TODAY)
        an_accepted_plan(store, rice_dish(), day=TODAY + timedelta(days=1))
        tomorrow: Moment = a_moment(day=TODAY + timedelta(days=1))
        monkey = pytest.MonkeyPatch()
        monkey.setattr(clock, "now", lambda: tomorrow)
        try:
            (dish,) = open_dishes(store.reader, tomorrow.today)
            with pytest.raises(NeedsYes) as question:
                cooked(store, dish.dish_id)
            assert question.value.error_id == "dish.beyond_on_hand"
            assert cooked(store, dish.dish_id, yes=frozenset({"dish.beyond_on_hand"})).takes == ()
        finally:
            monkey.undo()


def test_selling_what_is_reserved_is_allowed_and_marks_the_plan_short(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        a_received_lot(store, food(store, RICE), 500_000)
        an_accepted_plan(store, rice_dish())
        a_sale(store, food(store, RICE), 300_000)
        assert short_items(store.reader, TODAY) == {RICE: 200_000}
        stock = item_stock(store.reader, TODAY)[RICE]
        assert (stock.free_milli, stock.reserved_milli) == (0, 200_000)


def test_a_dish_is_cooked_once(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        a_received_lot(store, food(store, RICE), 1_000_000)
        an_accepted_plan(store, rice_dish())
        (dish,) = open_dishes(store.reader, TODAY)
        action_id = new_action_id()
        for _time in range(2):
            store.act("cook", lambda tx: cook_dish(tx, action_id=action_id, who=0, dish=dish.dish_id))
        assert item_stock(store.reader, TODAY)[RICE].on_hand_milli == 600_000
        with pytest.raises(Refused) as refused:
            cooked(store, dish.dish_id)
        assert refused.value.error_id == "dish.cooked"


def test_half_of_the_portions_take_half_of_the_food(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        a_received_lot(store, food(store, RICE), 1_000_000)
        an_accepted_plan(store, rice_dish())
        (dish,) = open_dishes(store.reader, TODAY)
        cooked(store, dish.dish_id, portions=2)
        assert item_stock(store.reader, TODAY)[RICE].on_hand_milli == 800_000


def test_a_withdrawn_plan_reserves_nothing_and_is_withdrawn_once(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        a_received_lot(store, food(store, RICE), 1_000_000)
        plan = an_accepted_plan(store, rice_dish())

        def withdraw() -> None:
            store.act("plan", lambda tx: withdraw_plan(tx, action_id=new_action_id(), who=0, plan=plan))

        withdraw()
        assert item_stock(store.reader, TODAY)[RICE].free_milli == 1_000_000
        assert [each.is_withdrawn for each in accepted_plans(store.reader)] == [True]
        with pytest.raises(Refused):
            withdraw()


def test_a_reservation_ends_with_its_day(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        an_accepted_plan(store, rice_dish())
        assert reserved_by_plans(store.reader, TODAY) == {RICE: 400_000}
        assert reserved_by_plans(store.reader, TODAY + timedelta(days=1)) == {}
        assert reserved_by_plans(store.reader, None) == {RICE: 400_000}  # an unset clock ends no day


def test_an_empty_plan_is_not_accepted(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store, pytest.raises(Refused) as refused:
        an_accepted_plan(store)
    assert refused.value.error_id == "plan.empty"


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["receive", "expired", "plan", "sell", "discard", "cook", "withdraw"]),
        st.sampled_from([RICE, LENTILS]),
        st.integers(1, 900),
    ),
    max_size=12,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_on_hand_is_free_and_reserved_and_blocked_whatever_happens(steps: list[tuple[str, str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder, an_open_market(Path(folder)) as store:
        plans: list[Dot] = []
        for what, item_id, grams in steps:
            with suppress(Refused):  # then nothing was done, and the sums hold all the same
                _step(store, plans, what, item_id, grams * 1000)
            stock = item_stock(store.reader, TODAY)
            for each in stock.values():
                held = [lot.on_hand_milli for lot in lots(store.reader, each.item_id) if lot.on_hand_milli > 0]
                assert each.on_hand_milli == sum(held)
                assert each.on_hand_milli == each.free_milli + each.reserved_milli + each.blocked_milli
                assert min(each.free_milli, each.reserved_milli, each.blocked_milli, each.short_milli) >= 0
                assert not (each.free_milli and each.short_milli)
            wanted = reserved_by_plans(store.reader, TODAY)
            assert all(stock[name].reserved_milli + stock[name].short_milli == milli for name, milli in wanted.items())


def _step(store: MarketStore, plans: list[Dot], what: str, item_id: str, milli: int) -> None:
    if what == "receive":
        a_received_lot(store, food(store, item_id), milli, use_by=TODAY + timedelta(days=milli % 5))
    elif what == "expired":
        old = a_moment(day=TODAY - timedelta(days=9))
        patch = pytest.MonkeyPatch()
        patch.setattr(clock, "now", lambda: old)
        a_received_lot(store, food(store, item_id), milli, use_by=TODAY - timedelta(days=1))
        patch.undo()
    elif what == "plan":
        plans.append(an_accepted_plan(store, DishToPlan("r1", "main", 4, {item_id: milli})))
    elif what == "sell":
        a_sale(store, food(store, item_id), milli, yes=frozenset({"sale.beyond_on_hand"}))
    elif what == "discard":
        for lot in lots(store.reader, item_id)[:1]:
            throw = partial(discard, action_id=new_action_id(), who=0, lot_id=lot.lot_id, reason=DiscardReason.QUALITY)
            store.act("discard", throw)
    elif what == "cook":
        for dish in open_dishes(store.reader, TODAY)[:1]:
            cooked(store, dish.dish_id, yes=frozenset({"dish.beyond_on_hand"}))
    elif plans:
        plan = plans.pop()
        store.act("plan", lambda tx: withdraw_plan(tx, action_id=new_action_id(), who=0, plan=plan))


def added(store: MarketStore, *lines: RecipeLine, **more: object) -> str:
    recipe = a_recipe("", *lines, title="Rice", **more)
    return store.act("recipe", lambda tx: add_recipe(tx, action_id=new_action_id(), who=0, recipe=recipe))


def test_a_recipe_of_the_market_is_read_as_it_was_written(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        line = a_line(RICE, 400_000, group="grain")
        recipe_id = added(store, line, steps=("Boil it.",), theme="rice", batch_min=2, batch_max=30)
        (found,) = market_recipes(store.reader)
        assert found == a_recipe(
            recipe_id, line, title="Rice", steps=("Boil it.",), theme="rice", batch_min=2, batch_max=30
        )
        assert recipe_id in all_recipes(store.reader)


@pytest.mark.parametrize(
    ("line", "more", "error_id"),
    [
        (a_line("food/nothing"), {}, "recipe.item"),
        (a_line(RICE, unit=Unit.EACH), {}, "recipe.unit"),
        (a_line(RICE, 0), {}, "recipe.quantity"),
        (a_line(RICE, 10**12), {}, "recipe.quantity"),
        (a_line(RICE), {"portions": 0}, "recipe.portions"),
        (a_line(RICE), {"batch_min": 9, "batch_max": 3}, "recipe.portions"),
        (a_line(RICE), {"meal": "feast"}, "recipe.meal"),
        (a_line(RICE), {"minutes": 100_000}, "recipe.minutes"),
        (a_line(RICE), {"steps": ("\x1b[2J",)}, "text.control"),
        (a_line(RICE), {"steps": ("x" * 500,) * 64}, "recipe.size"),
        (a_line(RICE), {"theme": "\u202erice"}, "text.control"),
    ],
)
def test_a_recipe_that_cannot_be_right_is_refused_and_nothing_is_written(
    tmp_path: Path, line: RecipeLine, more: dict[str, object], error_id: str
) -> None:
    with an_open_market(tmp_path) as store:
        with pytest.raises(Refused) as refused:
            added(store, line, **more)
        assert refused.value.error_id == error_id
        assert market_recipes(store.reader) == []


def test_too_many_lines_are_refused(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store, pytest.raises(Refused) as refused:
        added(store, *[a_line(RICE)] * 65)
    assert refused.value.error_id == "recipe.size"


def test_a_sale_of_what_a_plan_needs_is_made_and_says_what_the_plan_lacks(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        a_received_lot(store, food(store, RICE), 1_000_000)
        a_received_lot(store, food(store, LENTILS), 1_000_000)
        before = a_sale(store, food(store, RICE), 100_000)
        assert (before.plan_needs_milli, before.plan_lacks_milli) == (0, 0)
        an_accepted_plan(store, rice_dish(400_000))
        enough = a_sale(store, food(store, RICE), 500_000)
        assert (enough.plan_needs_milli, enough.plan_lacks_milli) == (400_000, 0)
        action_id = new_action_id()
        short = a_sale(store, food(store, RICE), 150_000, action_id=action_id)
        assert (short.plan_needs_milli, short.plan_lacks_milli) == (400_000, 150_000)
        again = a_sale(store, food(store, RICE), 150_000, action_id=action_id)
        assert (again.plan_needs_milli, again.plan_lacks_milli) == (400_000, 150_000)
        assert short.plan_lacks_milli == short_items(store.reader, TODAY)[RICE]
        other = a_sale(store, food(store, LENTILS), 900_000)
        assert (other.plan_needs_milli, other.plan_lacks_milli) == (0, 0)
        (dish,) = open_dishes(store.reader, TODAY)
        cooked(store, dish.dish_id, yes=frozenset({"dish.beyond_on_hand"}))
        a_received_lot(store, food(store, RICE), 1_000_000)
        assert a_sale(store, food(store, RICE), 900_000).plan_needs_milli == 0


def test_what_a_plan_lacks_is_what_no_lot_that_may_be_used_holds(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        a_received_lot(store, food(store, RICE), 1_000_000, use_by=TODAY)
        an_accepted_plan(store, rice_dish(800_000), day=TODAY + timedelta(days=1))
        assert plan_share(store.reader, TODAY, RICE) == (800_000, 0)
        assert plan_share(store.reader, TODAY + timedelta(days=1), RICE) == (800_000, 800_000)
