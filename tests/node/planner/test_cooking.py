"""A dish is judged again before it is cooked: what was declared, held or gone past its date since then counts."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from node import clock
from node.actions.ids import new_action_id
from node.actions.plans import Cooked
from node.domain.diets import Need
from node.domain.lots import Dot
from node.errors import NeedsYes, Refused
from node.ledger.append import Appender
from node.ledger.events import RegisterSet
from node.ledger.items import item_key
from node.ledger.read import item, lots
from node.ledger.read.plans import accepted_plans
from node.ledger.store import MarketStore, Transaction
from node.places import Places
from node.planner.cooking import cook_planned
from node.planner.drafts import offered_draft
from node.planner.making import accept_draft, keep_proposal, propose
from node.planner.private import forget_needs, keep_served, load_served
from tests.node.builders import a_moment, a_received_lot, an_open_market

FOOD = ("rice-white", "carrots", "onions", "frozen-peas", "oil-sunflower", "garlic", "salt")
NUTS = [Need(2, ("allergen:nuts",))]


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", a_moment)


def an_accepted_dish(store: MarketStore, places: Places, needs: list[Need]) -> Dot:
    """Accept a plan for twenty of food without allergens and return its only dish."""
    for name in FOOD:
        found = item(store.reader, f"food/{name}")
        assert found is not None
        a_received_lot(store, found, 9_000_000)
    proposal = propose(store.reader, needs, people=20, moment=a_moment())
    store.act("plan", lambda tx: keep_proposal(tx, proposal, ask_central=False))
    draft = offered_draft(store.reader)
    assert draft is not None
    keep = partial(keep_served, places)
    store.act("plan", lambda tx: accept_draft(tx, draft, needs, action_id=new_action_id(), who=0, keep=keep))
    ((dish,),) = [plan.dishes for plan in accepted_plans(store.reader)]
    return dish.dish_id


def cook(store: MarketStore, places: Places, dish: Dot, action_id: bytes | None = None) -> Cooked:
    (plan,) = accepted_plans(store.reader)
    avoided = [each.avoid for each in load_served(places, plan.plan_id)]
    named = action_id or new_action_id()
    return store.act("plan", lambda tx: cook_planned(tx, action_id=named, who=0, dish=dish, avoided=avoided))


def declare(store: MarketStore, item_id: str, *allergens: str) -> None:
    fact = RegisterSet(item_key(item_id, "allergens"), list(allergens), [])

    def work(tx: Transaction) -> None:
        Appender(tx).append(fact, 0)

    store.act("item", work)


def test_an_allergen_declared_since_stops_the_dish(tmp_path: Path) -> None:
    places = Places(tmp_path)
    with an_open_market(tmp_path) as store:
        dish = an_accepted_dish(store, places, NUTS)
        declare(store, "food/rice-white", "nuts")
        with pytest.raises(Refused) as refused:
            cook(store, places, dish)
        assert refused.value.error_id == "dish.unsafe_now"
        rice = item(store.reader, "food/rice-white")
        assert rice is not None
        assert [lot.on_hand_milli for lot in lots(store.reader, rice.item_id)] == [9_000_000]


@pytest.mark.parametrize("needs", [[], [Need(2, ("allergen:milk",))]])
def test_an_allergen_that_nobody_of_the_dish_avoids_stops_nothing(tmp_path: Path, needs: list[Need]) -> None:
    places = Places(tmp_path)
    with an_open_market(tmp_path) as store:
        dish = an_accepted_dish(store, places, needs)
        declare(store, "food/rice-white", "nuts")
        assert cook(store, places, dish).portions == 20


def test_cooking_twice_under_one_name_is_once_even_where_it_became_unsafe(tmp_path: Path) -> None:
    places, action_id = Places(tmp_path), new_action_id()
    with an_open_market(tmp_path) as store:
        dish = an_accepted_dish(store, places, NUTS)
        cook(store, places, dish, action_id)
        declare(store, "food/rice-white", "nuts")
        assert cook(store, places, dish, action_id).portions == 20


def test_food_put_on_hold_since_stays_out_of_the_pot_and_is_named(tmp_path: Path) -> None:
    places = Places(tmp_path)
    with an_open_market(tmp_path) as store:
        dish = an_accepted_dish(store, places, NUTS)
        (rice,) = lots(store.reader, "food/rice-white")
        store.act("hold", lambda tx: tx.connection.execute("INSERT INTO lot_hold VALUES (?, ?, 'x')", rice.lot_id))
        with pytest.raises(NeedsYes) as question:
            cook(store, places, dish)
        assert question.value.error_id == "dish.beyond_on_hand"
        assert "on hold" in str(question.value.values["missing"])


def test_who_a_dish_was_for_is_erased_with_the_needs(tmp_path: Path) -> None:
    places = Places(tmp_path)
    with an_open_market(tmp_path) as store:
        an_accepted_dish(store, places, NUTS)
        (plan,) = accepted_plans(store.reader)
        assert {each.avoid for each in load_served(places, plan.plan_id)} == {("allergen:nuts",)}
        forget_needs(places)
        assert load_served(places, plan.plan_id) == []
        assert b"allergen" not in places.private_db.read_bytes()
