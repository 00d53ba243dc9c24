"""Items are renamed and declared by anybody; an allergen is taken off by a named person with a reason, here alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.actions.declaring import declare_allergens, rename_item
from node.actions.ids import new_action_id
from node.actions.people import person_named
from node.domain.allergens import Declaration
from node.errors import LarderError, NeedsYes, Refused
from node.ledger.read import Item, item
from node.ledger.read.questions import differing_names, undeclared_here, weakened_elsewhere
from node.ledger.store import MarketStore
from tests.node.builders import MILK_GTIN, a_received_lot, an_item, an_open_market
from tests.node.group import Market, a_group, meet

YES = frozenset({"item.allergens_weaker"})


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Market, Market]]:
    """Two markets that know the same milk."""
    with a_group(tmp_path, "Harbour", "Mill Rd") as (harbour, mill):
        an_item(harbour.store)
        meet(harbour, mill)
        yield harbour, mill


def declare(store: MarketStore, said: Declaration, *, who: str = "", **more: Any) -> Item:
    return store.act(
        "declare",
        lambda tx: declare_allergens(
            tx,
            action_id=new_action_id(),
            who=person_named(tx, who).number if who else 0,
            item_id=f"gtin/{MILK_GTIN}",
            allergens=said,
            **more,
        ),
    )


def rename(store: MarketStore, item_id: str, name: str) -> Item:
    return store.act("rename", lambda tx: rename_item(tx, action_id=new_action_id(), who=0, item_id=item_id, name=name))


def counting(market: Market) -> Declaration:
    found = item(market.store.reader, f"gtin/{MILK_GTIN}")
    assert found is not None
    return found.allergens


def test_an_allergen_is_taken_off_by_a_named_person_with_a_reason_and_a_yes(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        an_item(store)
        assert declare(store, ("nuts", "milk")).allergens == ("milk", "nuts")
        for who, reason in (("", "new recipe"), ("Ana", None), ("Ana", "  ")):
            with pytest.raises(Refused) as refused:
                declare(store, ("milk",), who=who, reason=reason, yes=YES)
            assert refused.value.error_id == "item.allergens_reason"
        with pytest.raises(NeedsYes) as question:
            declare(store, ("milk",), who="Ana", reason="new recipe on the label")
        assert question.value.values["markets"] == "Harbour"
        assert declare(store, ("milk",), who="Ana", reason="new recipe on the label", yes=YES).allergens == ("milk",)


def test_adding_and_not_knowing_ask_nobody(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        an_item(store)
        assert declare(store, ()).allergens == ()
        assert declare(store, ("soy",)).allergens == ("soy",)
        assert declare(store, None).allergens is None
        assert declare(store, ()).allergens == ()


@pytest.mark.parametrize("said", [("dust",), ("milk", ""), ("\x1b[2J",)])
def test_a_word_that_is_no_allergen_is_refused(tmp_path: Path, said: tuple[str, ...]) -> None:
    with an_open_market(tmp_path) as store:
        an_item(store)
        with pytest.raises(Refused) as refused:
            declare(store, said)
        assert refused.value.error_id == "item.bad_allergen"


def test_what_the_starter_catalogue_declares_is_not_taken_off(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store, pytest.raises(Refused) as refused:
        store.act(
            "declare",
            lambda tx: declare_allergens(
                tx,
                action_id=new_action_id(),
                who=person_named(tx, "Ana").number,
                item_id="food/milk-whole",
                allergens=(),
                reason="none seen",
                yes=YES,
            ),
        )
    assert refused.value.error_id == "item.allergens_fixed"


def test_another_market_takes_nothing_off_here_and_asks_instead(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    declare(harbour.store, ("milk", "nuts"))
    meet(harbour, mill)
    declare(mill.store, ("milk",), who="Bo", reason="the mill changed", yes=YES)
    meet(harbour, mill)
    assert counting(mill) == ("milk",)
    assert counting(harbour) == ("milk", "nuts")
    (asked,) = weakened_elsewhere(harbour.store.reader)
    assert (asked.allergens, asked.origin, asked.reason) == (("nuts",), mill.origin, "the mill changed")
    assert weakened_elsewhere(mill.store.reader) == []
    declare(harbour.store, ("milk",), who="Ana", reason="read the label", yes=YES)
    meet(harbour, mill)
    assert counting(harbour) == counting(mill) == ("milk",)
    assert weakened_elsewhere(harbour.store.reader) == []
    assert harbour.digest() == mill.digest()


def test_what_is_on_hand_and_undeclared_is_a_question(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        milk = an_item(store)
        assert undeclared_here(store.reader) == []
        a_received_lot(store, milk)
        assert [each.name for each in undeclared_here(store.reader)] == ["Milk 1 L"]
        declare(store, ())
        assert undeclared_here(store.reader) == []


def test_an_item_is_renamed_everywhere(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    rename(mill.store, f"gtin/{MILK_GTIN}", "Whole milk 1 L")
    meet(harbour, mill)
    for market in pair:
        found = item(market.store.reader, f"gtin/{MILK_GTIN}")
        assert found is not None
        assert found.name == "Whole milk 1 L"


def test_two_names_given_at_once_are_a_question_until_one_is_chosen(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    rename(mill.store, f"gtin/{MILK_GTIN}", "Mill milk")
    rename(harbour.store, f"gtin/{MILK_GTIN}", "Harbour milk")
    meet(harbour, mill)
    (asked,) = differing_names(harbour.store.reader)
    assert set(asked.names) == {"Mill milk", "Harbour milk"}
    rename(harbour.store, f"gtin/{MILK_GTIN}", "Milk")
    meet(harbour, mill)
    assert differing_names(harbour.store.reader) == differing_names(mill.store.reader) == []
    assert harbour.digest() == mill.digest()


@pytest.mark.parametrize(
    ("name", "error"), [("", "text.empty"), ("x\x1b[2J", "text.control"), ("a" * 61, "text.too_long")]
)
def test_a_name_that_cannot_be_shown_is_refused(tmp_path: Path, name: str, error: str) -> None:
    with an_open_market(tmp_path) as store:
        an_item(store)
        with pytest.raises(LarderError) as refused:
            rename(store, f"gtin/{MILK_GTIN}", name)
        assert refused.value.error_id == error


def test_a_loose_item_does_not_take_the_name_of_another(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        with pytest.raises(Refused) as refused:
            rename(store, "food/carrots", "garlic")
        assert refused.value.error_id == "item.name_taken"
        assert rename(store, "food/carrots", "carrots").name == "carrots"
