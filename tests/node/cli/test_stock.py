"""What is here and what could be: stock, items, lots, par and history, as lines and as JSON."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from node.actions import goods, items
from node.actions.ids import new_action_id
from node.actions.keeping import open_market
from node.domain.words import Unit
from node.ledger.read.goods import ROWS_MAX
from node.ledger.store import Transaction
from node.places import Places
from tests.node.cli.verbs import MILK, answer, lines, refusal

pytestmark = pytest.mark.usefixtures("set_clock")
NO_ITEMS = ["No items yet. Receive one with: larder receive CODE_OR_NAME QUANTITY"]


def test_an_empty_market_says_what_to_do(harbour: Places) -> None:
    assert lines(harbour, "stock") == NO_ITEMS
    assert answer(harbour, "stock") == {"format": "larder-stock/1", "count": 0, "rows": []}
    assert lines(harbour, "history") == ["Nothing has moved yet."]


def test_a_stock_line_begins_with_its_state(harbour: Places) -> None:
    answer(harbour, "receive", "food/milk-whole", "20", "--use-by", "+1")
    answer(harbour, "receive", "food/milk-whole", "4.5", "--use-by", "+30")
    answer(harbour, "par", "food/milk-whole", "30")
    tomorrow = (date.today() + timedelta(days=1)).isoformat()
    assert lines(harbour, "stock") == [f"LOW Milk (whole) 24.5 l, par 30 l, use by {tomorrow}, 2 lots", "1 item"]


def test_what_is_past_its_date_is_on_hand_and_not_available(harbour: Places) -> None:
    answer(harbour, "receive", "food/milk-whole", "20", "--use-by", (date.today() - timedelta(1)).isoformat(), "--yes")
    assert lines(harbour, "stock")[0].startswith("PAST USE-BY Milk (whole) 20 l, available 0 l")


def test_stock_is_narrowed_by_words_and_by_what_it_needs(harbour: Places) -> None:
    answer(harbour, "receive", "food/milk-whole", "20", "--use-by", "+30")
    answer(harbour, "receive", "food/apples", "2", "--use-by", "+2")
    answer(harbour, "par", "food/milk-whole", "30")
    names = {show: [row["item"]["name"] for row in answer(harbour, "stock", "--show", show)["rows"]] for show in
             ("all", "low", "expiring")}  # fmt: skip
    assert len(names["all"]) == 2
    assert names["low"] == ["Milk (whole)"]
    assert names["expiring"] == [name for name in names["all"] if name != "Milk (whole)"]
    assert answer(harbour, "stock", "whole", "MILK")["count"] == 1
    assert lines(harbour, "stock", "zzz") == ["Nothing in stock matches that."]


def test_lots_are_shown_first_expired_first_with_their_ids(harbour: Places) -> None:
    late = answer(harbour, "receive", "food/milk-whole", "20", "--use-by", "+30", "--batch", "L", "--supplier", "Dairy")
    early = answer(harbour, "receive", "food/milk-whole", "2", "--use-by", "+0")
    day = (date.today() + timedelta(days=30)).isoformat()
    said = lines(harbour, "lots", "food/milk-whole")
    assert said[0].startswith("USE BY TODAY lot #")
    assert said[0].endswith(f"id {early['lot_id']}")
    assert said[1] == f"ok lot L 20 l, use by {day}, from Dairy, id {late['lot_id']}"
    told = answer(harbour, "lots", "food/milk-whole")
    assert [lot["lot_id"] for lot in told["lots"]] == [early["lot_id"], late["lot_id"]]
    assert [lot["state"] for lot in told["lots"]] == ["USE BY TODAY", "ok"]
    (row,) = answer(harbour, "stock", "--lots")["rows"]
    assert row["lots"] == told["lots"]
    assert lines(harbour, "stock", "--lots")[1:3] == said


def test_an_item_without_lots_is_out(harbour: Places) -> None:
    assert lines(harbour, "lots", "food/milk-whole") == ["out Milk (whole): no lot with anything on hand"]
    assert answer(harbour, "lots", "food/milk-whole")["lots"] == []


def test_items_are_found_among_the_starter_foods(harbour: Places) -> None:
    said = lines(harbour, "items", "milk", "whole")
    assert said == ["starter Milk (whole), in ml, fridge, allergens: milk, id food/milk-whole"]
    (item,) = answer(harbour, "items", "milk", "whole")["items"]
    assert item["item_id"] == "food/milk-whole"
    assert item["is_starter"] is True


def test_what_is_not_declared_is_never_said_to_be_free_from_anything(harbour: Places) -> None:
    answer(harbour, "receive", MILK, "1", "--name", "Pie")
    assert lines(harbour, "items", "pie") == [f"item Pie, in each, allergens not declared, id gtin/0{MILK}"]


def test_long_answers_are_cut_and_say_so(harbour: Places) -> None:
    said = lines(harbour, "items")
    assert len(said) == 51
    assert said[-1] == "50 shown and there are more, add words to narrow"
    assert answer(harbour, "items")["is_cut"] is True
    for _n in range(3):
        answer(harbour, "receive", "food/apples", "1")
    assert lines(harbour, "history", "--limit", "2")[-1] == "the last 2; there are more"
    assert answer(harbour, "history", "--limit", "3")["is_cut"] is False


def test_a_stock_list_beyond_the_limit_says_how_many_there_are(harbour: Places) -> None:
    store = open_market(harbour)

    def many(tx: Transaction) -> None:
        for number in range(ROWS_MAX + 3):
            name = f"Thing {number:04}"
            made = items.add_item(tx, action_id=new_action_id(), who=0, name=name, unit=Unit.EACH)
            goods.receive(tx, action_id=new_action_id(), who=0, item_id=made.item_id, quantity_milli=1000)

    store.act("many", many)
    store.close()
    said = lines(harbour, "stock")
    assert len(said) == ROWS_MAX + 1
    assert said[-1] == f"{ROWS_MAX} of {ROWS_MAX + 3}, add words to narrow"
    told = answer(harbour, "stock")
    assert (told["count"], len(told["rows"])) == (ROWS_MAX + 3, ROWS_MAX)


def test_history_is_of_one_item_or_of_all_newest_first(harbour: Places) -> None:
    answer(harbour, "receive", "food/milk-whole", "20", "--batch", "M")
    answer(harbour, "receive", "food/apples", "2")
    assert [movement["item_id"] for movement in answer(harbour, "history")["movements"]] == [
        "food/apples",
        "food/milk-whole",
    ]
    (said,) = lines(harbour, "history", "food/milk-whole")
    assert said.startswith("received Milk (whole) 20 l, lot M, by nobody named, 20")


def test_a_par_level_is_set_and_taken_off(harbour: Places) -> None:
    assert lines(harbour, "par", "food/milk-whole", "20") == ["saved: par level of Milk (whole) is 20 l"]
    assert lines(harbour, "stock", "--show", "low")[0] == "LOW Milk (whole) 0 l, par 20 l, 0 lots"
    told = answer(harbour, "par", "food/milk-whole", "0")
    assert told["format"] == "larder-par/1"
    assert told["item"]["par_milli"] == 0
    assert lines(harbour, "stock", "--show", "low") == ["Nothing in stock matches that."]


def test_a_name_that_could_be_several_items_is_refused_with_their_ids(harbour: Places) -> None:
    fault = refusal(harbour, "sell", "milk")
    assert fault["error"] == "item.several"
    assert "food/milk-whole (Milk (whole))" in fault["hint"]


def test_a_single_hit_and_an_exact_name_are_enough(harbour: Places) -> None:
    answer(harbour, "receive", MILK, "1", "--name", "Milk")
    assert answer(harbour, "lots", "MILK")["item"]["item_id"] == f"gtin/0{MILK}"
    assert answer(harbour, "lots", "buttermil")["item"]["item_id"] == "food/buttermilk"


@pytest.mark.parametrize("typed", ["zzz", "food/nothing", "gtin/00000000000000", "0011223344556677:5", " "])
def test_what_nothing_is_known_by_is_refused(harbour: Places, typed: str) -> None:
    assert refusal(harbour, "lots", typed)["error"] == "item.unknown_name"
