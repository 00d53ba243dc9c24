"""A plan's day ends at midnight for the stock, and later for those who cooked."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest

from node import clock
from node.actions.ids import new_action_id
from node.actions.plans import DishToPlan, accept_plan, cook_dish, withdraw_plan
from node.clock import ClockQuality, Moment
from node.domain.lots import Dot
from node.ledger.events import PlanAccepted
from node.ledger.read import item
from node.ledger.read.goods import to_day
from node.ledger.read.plans import accepted_plans, reserved_by_plans
from node.ledger.store import MarketStore
from node.planner.current import current_plans, is_late
from tests.node.builders import TODAY, a_received_lot, an_open_market

RICE = "food/rice-white"
TOMORROW = TODAY + timedelta(days=1)
EVENING, NIGHT, LAST_MINUTE, NOON = time(23, 30), time(0, 30), time(11, 59), time(12)


def at(day: date, hour: time) -> Moment:
    """A local time of a day."""
    wall_ms = int(datetime.combine(day, hour).timestamp() * 1000)
    return Moment(wall_ms, ClockQuality.TRUSTED, day, clock.boot_id(), 1_000_000)


@pytest.fixture
def market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MarketStore:  # type: ignore[misc]
    """A market with rice, in the evening of the plan's day."""
    monkeypatch.setattr(clock, "now", lambda: at(TODAY, EVENING))
    with an_open_market(tmp_path) as store:
        rice = item(store.reader, RICE)
        assert rice is not None
        a_received_lot(store, rice, 9_000_000)
        yield store


def accept(store: MarketStore, day: date) -> Dot:
    days = to_day(day)
    assert days is not None
    fact = PlanAccepted(bytes(32), "test/1", "1", days, 0, "ok", [0])
    dishes = [DishToPlan("r1", "main", 4, {RICE: 400_000})]
    return store.act("plan", lambda tx: accept_plan(tx, action_id=new_action_id(), who=0, accepted=fact, dishes=dishes))


def named(store: MarketStore, moment: Moment) -> list[Dot]:
    return [plan.plan_id for plan in current_plans(store.reader, moment)]


def test_yesterdays_dish_is_recorded_until_noon_and_reserves_nothing(market: MarketStore) -> None:
    plan = accept(market, TODAY)
    assert named(market, at(TOMORROW, NIGHT)) == [plan]
    assert named(market, at(TOMORROW, LAST_MINUTE)) == [plan]
    assert named(market, at(TOMORROW, NOON)) == []
    assert named(market, at(TOMORROW + timedelta(days=1), NIGHT)) == []
    assert reserved_by_plans(market.reader, TOMORROW) == {}
    (late,) = current_plans(market.reader, at(TOMORROW, NIGHT))
    assert is_late(late, at(TOMORROW, NIGHT))
    assert not is_late(late, at(TODAY, EVENING))


def test_a_plan_accepted_after_midnight_ends_the_day_before(
    market: MarketStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept(market, TODAY)
    monkeypatch.setattr(clock, "now", lambda: at(TOMORROW, NIGHT))
    today = accept(market, TOMORROW)
    assert named(market, at(TOMORROW, NIGHT)) == [today]


def test_a_plan_accepted_ahead_leaves_the_evening_before_to_be_recorded(market: MarketStore) -> None:
    evening, ahead = accept(market, TODAY), accept(market, TOMORROW)
    assert set(named(market, at(TOMORROW, NIGHT))) == {evening, ahead}


def test_what_was_cooked_or_withdrawn_is_not_asked_about_after_midnight(market: MarketStore) -> None:
    cooked, withdrawn = accept(market, TODAY), accept(market, TODAY)
    market.act("plan", lambda tx: withdraw_plan(tx, action_id=new_action_id(), who=0, plan=withdrawn))
    (dish,) = next(plan for plan in accepted_plans(market.reader) if plan.plan_id == cooked).dishes
    market.act("cook", lambda tx: cook_dish(tx, action_id=new_action_id(), who=0, dish=dish.dish_id, portions=3))
    assert named(market, at(TOMORROW, NIGHT)) == []


def test_an_unset_clock_ends_no_day(market: MarketStore) -> None:
    plan = accept(market, TODAY)
    unset = Moment(0, ClockQuality.NOT_SET, date(1970, 1, 1), clock.boot_id(), 1)
    assert named(market, unset) == [plan]
