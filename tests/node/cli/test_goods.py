"""Goods in and out by verbs: what is printed, what is kept, what is asked, and that nothing happens twice."""

from __future__ import annotations

import os
from datetime import date, timedelta

import pytest

from node.places import Places
from tests.node.cli.verbs import MILK, answer, lines, process, refusal, run

IN_A_WEEK = (date.today() + timedelta(days=7)).isoformat()
YESTERDAY = (date.today() - timedelta(days=1)).isoformat()
pytestmark = pytest.mark.usefixtures("set_clock")


def on_hand(places: Places, item: str = f"gtin/0{MILK}") -> int:
    """What the stock list says, in thousandths."""
    (row,) = [row for row in answer(places, "stock")["rows"] if row["item"]["item_id"] == item]
    return int(row["on_hand_milli"])


def with_milk(places: Places, quantity: str = "24", *more: str) -> str:
    """Take milk in and return its lot's id."""
    return str(answer(places, "receive", MILK, quantity, "--name", "Milk 1 L", *more)["lot_id"])


def test_a_delivery_of_a_known_food_is_saved_and_named(harbour: Places) -> None:
    said = lines(
        harbour, "receive", "food/milk-whole", "1.5", "--batch", "M-1", "--supplier", "Dairy", "--use-by", IN_A_WEEK
    )
    assert said[:2] == [f"saved: received Milk (whole) 1.5 l, lot M-1, use by {IN_A_WEEK}", "on hand 1.5 l"]
    assert said[2].startswith("action ")


def test_the_answer_to_a_delivery_has_every_fact_of_it(harbour: Places) -> None:
    told = answer(
        harbour, "receive", "milk (WHOLE)", "750ml", "--best-before", "+30", "--batch", "B", "--supplier", "S"
    )
    assert told["format"] == "larder-receive/1"
    assert told["saved"] is True
    assert len(bytes.fromhex(told["action_id"])) == 16
    assert told["item"]["item_id"] == "food/milk-whole"
    assert (told["quantity_milli"], told["on_hand_after_milli"]) == (750_000, 750_000)
    assert told["best_before"] == (date.today() + timedelta(days=30)).isoformat()
    assert (told["use_by"], told["batch"], told["lot"], told["supplier"]) == (None, "B", "B", "S")
    assert told["is_new_item"] is False


def test_an_unknown_number_is_refused_with_the_way_to_add_it(harbour: Places) -> None:
    fault = refusal(harbour, "receive", MILK, "24")
    assert fault["error"] == "item.unknown_code"
    assert "--name NAME" in fault["hint"]
    assert lines(harbour, "stock") == ["No items yet. Receive one with: larder receive CODE_OR_NAME QUANTITY"]


def test_an_unknown_number_with_a_name_becomes_an_item_in_the_same_transaction(harbour: Places) -> None:
    told = answer(
        harbour, "receive", MILK, "24", "--name", "Milk 1 L", "--like", "food/milk-whole", "--unit", "each",
        "--storage", "fridge", "--allergens", "milk,soy",
    )  # fmt: skip
    assert told["is_new_item"] is True
    assert told["item"]["item_id"] == f"gtin/0{MILK}"
    assert (told["item"]["unit"], told["item"]["storage"], told["item"]["shelf_life_days"]) == ("each", "fridge", None)
    assert told["item"]["allergens"] == ["soy", "milk"]
    assert on_hand(harbour) == 24_000


@pytest.mark.parametrize(("said", "kept"), [((), None), (("--allergens", "none"), [])])
def test_no_declaration_is_kept_apart_from_none_declared(
    harbour: Places, said: tuple[str, ...], kept: list[str] | None
) -> None:
    assert answer(harbour, "receive", MILK, "1", "--name", "Milk 1 L", *said)["item"]["allergens"] == kept


def test_a_delivery_that_is_refused_adds_no_item_either(harbour: Places) -> None:
    assert refusal(harbour, "receive", MILK, "1", "--name", "Milk", "--batch", "x" * 21)["error"] == "text.too_long"
    assert refusal(harbour, "receive", MILK, "1")["error"] == "item.unknown_code"


def test_what_has_no_number_can_be_added_by_name(harbour: Places) -> None:
    told = answer(harbour, "receive", "quince jelly", "6", "--name", "Quince jelly", "--unit", "each")
    assert told["is_new_item"] is True
    assert answer(harbour, "receive", "QUINCE JELLY", "2")["on_hand_after_milli"] == 8_000


def test_a_name_for_a_number_that_is_known_must_be_its_own(harbour: Places) -> None:
    with_milk(harbour)
    assert refusal(harbour, "receive", MILK, "1", "--name", "Oat drink")["error"] == "item.exists"
    assert answer(harbour, "receive", MILK, "1", "--name", "milk 1 l")["is_new_item"] is False


def test_goods_already_past_their_date_ask_first(harbour: Places) -> None:
    fault = refusal(harbour, "receive", "food/milk-whole", "1", "--use-by", YESTERDAY)
    assert fault["error"] == "receive.past_use_by"
    assert "--yes" in fault["hint"]
    assert answer(harbour, "receive", "food/milk-whole", "1", "--use-by", YESTERDAY, "--yes")["saved"] is True


def test_a_sale_takes_the_lot_that_expires_first(harbour: Places) -> None:
    with_milk(harbour, "10", "--use-by", "+9", "--batch", "LATE")
    with_milk(harbour, "3", "--use-by", "+2", "--batch", "EARLY")
    told = answer(harbour, "sell", MILK, "4")
    assert told["format"] == "larder-sell/1"
    assert [(take["lot"], take["quantity_milli"]) for take in told["takes"]] == [("EARLY", 3_000), ("LATE", 1_000)]
    assert told["lot"] == "EARLY"
    assert (told["quantity_milli"], told["on_hand_after_milli"], told["oversold_milli"]) == (4_000, 9_000, 0)


def test_a_sale_says_what_it_took(harbour: Places) -> None:
    with_milk(harbour, "24", "--use-by", IN_A_WEEK, "--batch", "M-2291")
    said = lines(harbour, "sell", MILK)
    assert said[:3] == ["saved: sold Milk 1 L 1", f"lot M-2291 1, use by {IN_A_WEEK}", "on hand 23"]


def test_goods_for_the_kitchen_are_issued_and_not_sold(harbour: Places) -> None:
    with_milk(harbour)
    assert lines(harbour, "issue", "Milk 1 L", "2")[0] == "saved: issued Milk 1 L 2"
    assert answer(harbour, "issue", "Milk 1 L")["format"] == "larder-issue/1"
    assert [movement["kind"] for movement in answer(harbour, "history")["movements"]] == ["issue", "issue", "receive"]


def test_a_lot_can_be_chosen_by_its_label_and_by_its_id(harbour: Places) -> None:
    early = with_milk(harbour, "5", "--use-by", "+2", "--batch", "EARLY")
    with_milk(harbour, "5", "--use-by", "+9", "--batch", "LATE")
    said = lines(harbour, "sell", MILK, "--lot", "late")
    assert any(line.startswith("LATER LOT taken: EARLY") for line in said)
    told = answer(harbour, "sell", MILK, "--lot", early)
    assert told["lot"] == "EARLY"
    assert {movement["basis"] for movement in answer(harbour, "history", "--limit", "2")["movements"]} == {"chosen"}


def test_two_lots_of_one_name_are_told_apart_by_their_ids(harbour: Places) -> None:
    first, second = with_milk(harbour, "1", "--batch", "SAME"), with_milk(harbour, "1", "--batch", "SAME")
    fault = refusal(harbour, "sell", MILK, "--lot", "SAME")
    assert fault["error"] == "lot.several"
    assert first in fault["hint"]
    assert second in fault["hint"]


def test_a_lot_past_its_date_is_not_sold_even_with_yes(harbour: Places) -> None:
    lot = with_milk(harbour, "5", "--use-by", YESTERDAY, "--yes")
    assert refusal(harbour, "sell", MILK, "--lot", lot, "--yes")["error"] == "lot.past_use_by"
    assert on_hand(harbour) == 5_000


def test_where_only_expired_lots_are_on_the_books_a_sale_asks_for_the_label(harbour: Places) -> None:
    with_milk(harbour, "5", "--use-by", YESTERDAY, "--yes")
    assert refusal(harbour, "sell", MILK)["error"] == "sale.only_expired"
    told = answer(harbour, "sell", MILK, "--yes")
    assert told["oversold_milli"] == 1_000
    assert answer(harbour, "lots", MILK)["lots"][0]["on_hand_milli"] == 5_000


def test_a_sale_beyond_what_is_on_hand_is_recorded_and_flagged_after_a_yes(harbour: Places) -> None:
    with_milk(harbour, "2")
    assert refusal(harbour, "sell", MILK, "5")["error"] == "sale.beyond_on_hand"
    assert on_hand(harbour) == 2_000
    said = lines(harbour, "sell", MILK, "5", "--yes")
    assert "OVERSOLD 3 more than the books have; count this item" in said
    assert "on hand -3" in said
    assert [row["state"] for row in answer(harbour, "stock")["rows"]] == ["OVERSOLD"]


def test_discarding_without_a_yes_does_nothing(harbour: Places) -> None:
    lot = with_milk(harbour, "5")
    fault = refusal(harbour, "discard", MILK, "--lot", lot, "--reason", "damaged")
    assert fault["error"] == "discard.confirm"
    assert "--yes" in fault["hint"]
    assert on_hand(harbour) == 5_000


def test_a_part_of_a_lot_and_then_all_of_it_can_be_discarded(harbour: Places) -> None:
    lot = with_milk(harbour, "5", "--batch", "M-1")
    said = lines(harbour, "discard", MILK, "2", "--lot", "M-1", "--reason", "quality", "--yes")
    assert said[:2] == ["saved: discarded Milk 1 L 2, lot M-1, reason quality", "on hand 3"]
    told = answer(harbour, "discard", MILK, "all", "--lot", lot, "--reason", "use_by", "--yes")
    assert told["format"] == "larder-discard/1"
    assert (told["quantity_milli"], told["reason"], told["on_hand_after_milli"]) == (3_000, "use_by", 0)
    assert refusal(harbour, "discard", MILK, "--lot", lot, "--reason", "other", "--yes")["error"]


def test_a_reason_that_is_not_on_the_list_is_a_usage_error(harbour: Places) -> None:
    assert refusal(harbour, "discard", MILK, "--lot", "x", "--reason", "none", "--yes", code=2)["error"] == "usage"
    assert refusal(harbour, "discard", MILK, "--lot", "x", "--yes", code=2)["error"] == "usage"


def test_undo_takes_back_the_last_action_by_an_opposite_entry(harbour: Places) -> None:
    with_milk(harbour, "5")
    sold = answer(harbour, "sell", MILK, "2")
    told = answer(harbour, "undo")
    assert told["format"] == "larder-undo/1"
    assert (told["verb"], told["undone_action_id"]) == ("sell", sold["action_id"])
    assert [movement["quantity_milli"] for movement in told["movements"]] == [-2_000]
    assert on_hand(harbour) == 5_000
    history = answer(harbour, "history")["movements"]
    assert [movement["quantity_milli"] for movement in history] == [2_000, -2_000, 5_000]
    assert history[0]["takes_back"] == history[1]["movement_id"]
    assert [movement["is_taken_back"] for movement in history] == [False, True, False]


def test_undo_of_a_named_action_says_what_it_took_back_and_does_it_once(harbour: Places) -> None:
    with_milk(harbour, "5", "--batch", "M-1")
    first = answer(harbour, "sell", MILK, "2")["action_id"]
    answer(harbour, "sell", MILK, "1")
    assert lines(harbour, "undo", "--action", first)[0] == "saved: taken back: sold Milk 1 L 2, lot M-1"
    assert refusal(harbour, "undo", "--action", first)["error"] == "undo.already"
    assert on_hand(harbour) == 4_000


def test_undo_is_refused_where_the_goods_have_gone_on(harbour: Places) -> None:
    received = answer(harbour, "receive", "food/milk-whole", "5")["action_id"]
    answer(harbour, "sell", "food/milk-whole", "1")
    fault = refusal(harbour, "undo", "--action", received)
    assert fault["error"] == "undo.gone_since"
    assert fault["message"] == "1 l of 5 l of Milk (whole) have gone out since."


def test_undo_reaches_only_what_the_same_person_did(harbour: Places) -> None:
    answer(harbour, "receive", "food/milk-whole", "5")
    assert run(harbour, "--who", "Ana", "undo").exit_code == 1
    run(harbour, "--who", "Ana", "sell", "food/milk-whole", "1")
    assert [movement["who_name"] for movement in answer(harbour, "history")["movements"]] == ["Ana", ""]
    undone = run(harbour, "--who", "Ana", "undo")
    assert undone.stdout.startswith("saved: taken back: sold Milk (whole) 1 l")


@pytest.mark.parametrize(
    "arguments",
    [
        ("receive", MILK, "24", "--name", "Milk 1 L"),
        ("receive", "plum jam", "24", "--name", "Plum jam"),
        ("sell", "food/milk-whole", "2", "--lot", "M-1"),
        ("sell", "food/milk-whole", "5"),
        ("issue", "food/milk-whole", "2"),
        ("discard", "food/milk-whole", "all", "--lot", "M-1", "--reason", "spill", "--yes"),
        ("undo",),
        ("par", "food/milk-whole", "20"),
    ],
)
def test_the_same_action_sent_twice_happens_once_and_answers_the_same(
    harbour: Places, arguments: tuple[str, ...]
) -> None:
    answer(harbour, "receive", "food/milk-whole", "5", "--batch", "M-1")
    action_id = os.urandom(16).hex()
    first = answer(harbour, *arguments, "--action-id", action_id)
    history, stock = answer(harbour, "history"), answer(harbour, "stock")
    again = answer(harbour, *arguments, "--action-id", action_id)
    first.pop("is_new_item", None)
    again.pop("is_new_item", None)
    assert again == first
    assert (answer(harbour, "history"), answer(harbour, "stock")) == (history, stock)


def test_an_action_id_that_is_none_is_a_usage_error(harbour: Places) -> None:
    assert refusal(harbour, "sell", MILK, "--action-id", "12", code=2)["error"] == "usage"
    assert refusal(harbour, "undo", "--action", "zz", code=2)["error"] == "usage"


def test_the_person_at_work_can_come_from_the_environment(harbour: Places) -> None:
    done = process(harbour, "receive", "food/milk-whole", "5", LARDER_WHO="Musa")
    assert (done.returncode, done.stderr) == (0, "")
    assert answer(harbour, "history")["movements"][0]["who_name"] == "Musa"


def test_a_count_changes_the_books_by_the_difference_and_asks_when_it_is_large(harbour: Places) -> None:
    answer(harbour, "receive", "food/apples", "24", "--batch", "A-1")
    told = answer(harbour, "count", "food/apples", "22", "--lot", "A-1")
    assert (told["counted_milli"], told["change_milli"]) == (22_000, -2_000)
    refused = process(harbour, "count", "food/apples", "0", "--lot", "A-1")
    assert refused.returncode == 1
    assert "The books have 22 in lot A-1, and the count is 0." in refused.stderr
    assert lines(harbour, "count", "food/apples", "0", "--lot", "A-1", "--yes")[:2] == [
        "saved: counted Apples 0, lot A-1",
        "changed by -22",
    ]
    assert answer(harbour, "undo")["verb"] == "count"
