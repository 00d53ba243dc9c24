"""A hold is lifted by a named person with a reason, at one market, and no other hold goes with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node import clock
from node.actions import items
from node.actions.holds import Decided, lift_hold, put_back_hold
from node.actions.ids import new_action_id
from node.actions.people import person_named
from node.domain.lots import Dot
from node.domain.words import Unit
from node.errors import NeedsYes, Refused
from node.ledger.read import Item, held_lots, item, lots, stock, stock_at
from node.ledger.read.holds import held_here, holds_of
from node.ledger.read.plans import lot_states
from node.ledger.store import MarketStore, Transaction
from tests.node.builders import TODAY, a_moment, a_received_lot, a_sale
from tests.node.group import Market, a_group, meet
from tests.node.hand_over import offer, step

YES = frozenset({"hold.lift"})


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", a_moment)


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[Market, Market, Item, Dot]]:
    """Milk that came to Mill Rd without a temperature, and the lot it is there."""
    with a_group(tmp_path, "Harbour", "Mill Rd") as (harbour, mill):
        milk = harbour.store.act(
            "item",
            lambda tx: items.add_item(
                tx,
                action_id=new_action_id(),
                who=0,
                name="Milk 1 L",
                unit=Unit.EACH,
                gtin14="04006381333931",
                storage="fridge",
            ),
        )
        a_received_lot(harbour.store, milk, 10_000, batch="M-1")
        meet(harbour, mill)
        row = offer(harbour, mill, milk, 4_000)
        not_measured = frozenset({"transfer.not_measured"})
        step(harbour, "send", row.transfer_id, yes=not_measured)
        meet(harbour, mill)
        step(mill, "receive", row.transfer_id, yes=not_measured)
        meet(harbour, mill)
        (lot,) = lots(mill.store.reader, milk.item_id)
        yield harbour, mill, milk, lot.lot_id


def lift(store: MarketStore, lot_id: Dot, *, who: str = "Bo", reason: str | None = "cold", **more: Any) -> Decided:
    given = {"action_id": new_action_id(), "yes": YES} | more

    def work(tx: Transaction) -> Decided:
        person = person_named(tx, who).number if who else 0
        return lift_hold(tx, who=person, lot_id=lot_id, reason=reason, **given)

    return store.act("lift", work)


def put_back(store: MarketStore, lot_id: Dot) -> Decided:
    return store.act("hold", lambda tx: put_back_hold(tx, action_id=new_action_id(), who=0, lot_id=lot_id))


def test_a_lot_without_a_temperature_can_be_sold_once_somebody_answers_for_it(
    held: tuple[Market, Market, Item, Dot],
) -> None:
    _harbour, mill, milk, lot_id = held
    with pytest.raises(Refused) as refused:
        a_sale(mill.store, milk, lot_id=lot_id)
    assert refused.value.error_id == "lot.on_hold"
    assert [each.lot.lot_id for each in held_here(mill.store.reader)] == [lot_id]
    lift(mill.store, lot_id, reason="logger on the van says 3 C")
    assert held_here(mill.store.reader) == []
    assert held_lots(mill.store.reader, milk.item_id) == {}
    (row,) = stock(mill.store.reader, today=TODAY)
    assert (row.available_milli, row.state) == (4_000, "ok")
    (state,) = lot_states(mill.store.reader, TODAY, milk.item_id)
    assert state.usable_milli == 4_000
    assert a_sale(mill.store, milk, lot_id=lot_id).quantity_milli == 1_000


def test_lifting_needs_a_name_a_reason_and_a_yes(held: tuple[Market, Market, Item, Dot]) -> None:
    _harbour, mill, _milk, lot_id = held
    for who, reason in (("", "cold"), ("Bo", None), ("Bo", " ")):
        with pytest.raises(Refused) as refused:
            lift(mill.store, lot_id, who=who, reason=reason)
        assert refused.value.error_id == "hold.reason"
    with pytest.raises(NeedsYes) as question:
        lift(mill.store, lot_id, yes=frozenset())
    assert question.value.error_id == "hold.lift"
    assert "not measured" in str(question.value.values["reasons"])
    assert len(held_here(mill.store.reader)) == 1


def test_a_lift_acts_at_the_market_whose_word_it_is(held: tuple[Market, Market, Item, Dot]) -> None:
    harbour, mill, milk, lot_id = held
    with pytest.raises(Refused) as refused:
        lift(harbour.store, lot_id)
    assert refused.value.error_id == "lot.unknown"
    lift(mill.store, lot_id)
    back = offer(mill, harbour, milk, 4_000)
    step(mill, "send", back.transfer_id, departure_milli_c=3_000)
    meet(harbour, mill)
    step(harbour, "receive", back.transfer_id, arrival_milli_c=3_000)
    meet(harbour, mill)
    # The hold reaches what came of the lot, and what Mill Rd decided binds nobody at Harbour.
    (arrived,) = [each.lot.lot_id for each in held_here(harbour.store.reader)]
    assert [hold.lot_id for hold in holds_of(harbour.store.reader, arrived)] == [lot_id]
    lift(harbour.store, arrived, who="Ana")
    meet(harbour, mill)
    assert held_here(harbour.store.reader) == []
    (at_harbour,) = stock_at(mill.store.reader, harbour.origin, today=TODAY)
    assert at_harbour.usable_milli == 10_000
    assert harbour.digest() == mill.digest()


def test_a_hold_raised_meanwhile_stays(held: tuple[Market, Market, Item, Dot]) -> None:
    _harbour, mill, _milk, lot_id = held
    lift(mill.store, lot_id)
    insert = "INSERT INTO lot_hold VALUES (?, ?, 'recall')"
    mill.store.act("recall", lambda tx: tx.connection.execute(insert, lot_id))
    (each,) = held_here(mill.store.reader)
    assert [(hold.reason, hold.is_lifted) for hold in each.holds] == [("not_measured", True), ("recall", False)]
    with pytest.raises(Refused):
        a_sale(mill.store, each_item(mill), lot_id=lot_id)


def each_item(market: Market) -> Item:
    found = item(market.store.reader, "gtin/04006381333931")
    assert found is not None
    return found


def test_a_hold_is_put_back_without_being_asked(held: tuple[Market, Market, Item, Dot]) -> None:
    harbour, mill, _milk, lot_id = held
    with pytest.raises(Refused) as refused:
        put_back(mill.store, lot_id)
    assert refused.value.error_id == "hold.none_lifted"
    lift(mill.store, lot_id)
    assert [hold.reason for hold in put_back(mill.store, lot_id).holds] == ["not_measured"]
    assert len(held_here(mill.store.reader)) == 1
    lift(mill.store, lot_id)
    assert held_here(mill.store.reader) == []
    meet(harbour, mill)
    assert harbour.digest() == mill.digest()


def test_a_lift_sent_again_has_no_second_effect(held: tuple[Market, Market, Item, Dot]) -> None:
    _harbour, mill, _milk, lot_id = held
    action_id = new_action_id()
    lift(mill.store, lot_id, action_id=action_id)
    lift(mill.store, lot_id, action_id=action_id)
    assert mill.store.reader.execute("SELECT count(*) FROM action WHERE verb = 'lift'").fetchone() == (1,)
    with pytest.raises(Refused) as refused:
        lift(mill.store, lot_id)
    assert refused.value.error_id == "hold.none"
