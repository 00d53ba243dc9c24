"""`larder item` and `larder hold`: names, allergens, holds, and the questions that a plan asks about food."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.places import Places
from tests.node.builders import MILK_GTIN
from tests.node.cli.verbs import MILK, answer, lines, refusal, run
from tests.node.group import Market, a_group, meet

ITEM = f"gtin/{MILK_GTIN}"


@pytest.fixture
def shop(harbour: Places, set_clock: None) -> Places:  # noqa: ARG001 - the clock counts as set
    """A market with one package whose allergens nobody declared."""
    lines(harbour, "receive", MILK, "12", "--name", "Oat milk")
    return harbour


def test_an_item_is_renamed_and_the_log_says_so(shop: Places) -> None:
    told = answer(shop, "item", "rename", MILK, "Oat drink 1 L")
    assert (told["saved"], told["item"]["name"]) == (True, "Oat drink 1 L")
    assert lines(shop, "stock")[0].startswith("ok Oat drink 1 L 12")
    assert f"named {ITEM}: Oat drink 1 L" in lines(shop, "log", "--limit", "1")[0]
    assert refusal(shop, "item", "rename", "nothing", "x")["error"] == "item.unknown_name"
    assert refusal(shop, "item", "rename", MILK, "\x1b[2J")["error"] == "text.control"


def test_undo_passes_over_a_decision_and_says_how_to_take_it_back(shop: Places) -> None:
    lines(shop, "sell", MILK, "1")
    named = answer(shop, "item", "rename", MILK, "Oat drink")
    refused = refusal(shop, "undo", "--action", named["action_id"])
    assert (refused["error"], refused["hint"]) == ("undo.decision", "Rename it again with: larder item rename")
    undone = answer(shop, "undo")
    assert (undone["verb"], undone["kept"]) == (
        "sell",
        "the name given since then stays; rename again with: larder item rename",
    )
    lines(shop, "undo")
    assert refusal(shop, "undo")["error"] == "undo.decision"


def test_what_is_here_undeclared_is_a_question_until_somebody_reads_the_label(shop: Places) -> None:
    (question,) = lines(shop, "item", "questions")
    assert question == (
        "Oat milk: no allergens are declared, so it is unsafe for whoever has one; read the label, then"
        f" larder item allergens {ITEM} LIST"
    )
    assert answer(shop, "item", "allergens", MILK, "gluten")["item"]["allergens"] == ["gluten"]
    assert lines(shop, "item", "questions") == ["nothing about the catalogue needs a person"]
    assert answer(shop, "item", "allergens", MILK, "unknown")["item"]["allergens"] is None
    assert answer(shop, "item", "allergens", MILK, "none")["item"]["allergens"] == []
    assert refusal(shop, "item", "allergens", MILK, "dust")["error"] == "item.bad_allergen"


def test_an_allergen_is_taken_off_by_somebody_with_a_name_and_a_reason(shop: Places) -> None:
    lines(shop, "item", "allergens", MILK, "gluten,nuts")
    taken = ("item", "allergens", MILK, "gluten")
    assert refusal(shop, *taken, "--yes")["error"] == "item.allergens_reason"
    named = ("--who", "Ana", *taken, "--reason", "new recipe")
    assert refusal(shop, *named)["error"] == "item.allergens_weaker"
    assert answer(shop, *named, "--yes")["item"]["allergens"] == ["gluten"]
    said = lines(shop, "log", "--limit", "2")[0]
    assert said.endswith("Harbour: took off Oat milk: nuts, because: new recipe (Ana)")
    lines(shop, "verify")


@pytest.fixture
def pair(tmp_path: Path, set_clock: None) -> Iterator[tuple[Market, Market]]:  # noqa: ARG001 - a fixture
    """Two markets; Harbour has cheese that needs to be kept cold."""
    with a_group(tmp_path, "Harbour", "Mill Rd") as (harbour, mill):
        lines(harbour.places, "receive", "food/cheddar", "4", "--use-by", "+9", "--batch", "C-1")
        meet(harbour, mill)
        yield harbour, mill


def test_a_lot_without_a_temperature_is_lifted_off_its_hold(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    assert lines(mill.places, "hold", "list") == ["no lot is on hold"]
    offered = answer(harbour.places, "transfer", "offer", "food/cheddar", "2", "--to", "Mill Rd")
    number = offered["transfer"]["number"]
    meet(harbour, mill)
    lines(harbour.places, "transfer", "send", number, "--yes")
    meet(harbour, mill)
    lines(mill.places, "transfer", "receive", number, "--yes")
    (line,) = lines(mill.places, "hold", "list")
    assert line.startswith("HOLD Cheddar cheese 2 kg, lot C-1, use by ")
    assert "temperature on the way not measured; id " in line
    refused = refusal(mill.places, "sell", "food/cheddar", "1", "--lot", "C-1")
    assert refused["hint"].endswith("lift the hold: larder hold lift --help")
    lift = ("hold", "lift", "food/cheddar", "--lot", "C-1")
    assert refusal(mill.places, *lift)["error"] == "hold.reason"
    named = ("--who", "Bo", *lift, "--reason", "logger says 3 C")
    assert refusal(mill.places, *named)["error"] == "hold.lift"
    told = answer(mill.places, *named, "--yes")
    assert (told["done"], told["reasons"]) == ("lifted", ["not_measured"])
    lines(mill.places, "sell", "food/cheddar", "1", "--lot", "C-1")
    said = [line for line in lines(mill.places, "log") if "hold" in line]
    assert said[0].endswith("Mill Rd: lifted the hold on Cheddar cheese, lot C-1, because: logger says 3 C (Bo)")
    lines(mill.places, "hold", "back", "food/cheddar", "--lot", "C-1")
    assert any("put Cheddar cheese, lot C-1, on hold again" in line for line in lines(mill.places, "log"))
    assert len(lines(mill.places, "hold", "list")) == 1
    meet(harbour, mill)
    for market in pair:
        lines(market.places, "verify")
    # Names of people stay where they work.
    assert not any("Bo" in line for line in lines(harbour.places, "log"))


def test_another_markets_weaker_word_is_a_question_here(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    lines(harbour.places, "receive", MILK, "2", "--name", "Pie", "--allergens", "milk,nuts")
    meet(harbour, mill)
    weaker = ("item", "allergens", MILK, "milk", "--reason", "new [2J recipe", "--yes")
    lines(mill.places, "--who", "Bo", *weaker)
    meet(harbour, mill)
    (question,) = lines(harbour.places, "item", "questions")
    assert question == (
        "Pie: Mill Rd took off nuts (new [2J recipe); it counts here until somebody says so with"
        f" larder item allergens {ITEM} milk --reason TEXT"
    )
    assert answer(harbour.places, "items", "pie")["items"][0]["allergens"] == ["milk", "nuts"]


def test_a_plan_names_the_food_that_is_left_out_for_want_of_a_declaration(harbour: Places, set_clock: None) -> None:  # noqa: ARG001
    for name, quantity in (
        ("lentils", "25"),
        ("tomatoes", "18"),
        ("onions", "8"),
        ("carrots", "6"),
        ("oil-olive", "2"),
    ):
        lines(harbour, "receive", f"food/{name}", quantity, "--yes")
    asked = "allergens not declared: Lentils (dried); read the label, then larder item allergens food/lentils LIST"
    assert not any(asked in line for line in lines(harbour, "plan", "--portions", "20"))
    made = lines(harbour, "plan", "--portions", "20", "--without", "nuts=2")
    assert f"look: {asked}" in made
    assert answer(harbour, "plan")["undeclared"] == ["food/lentils"]
    assert asked in lines(harbour, "plan", "--why-not", "all")
    assert asked in lines(harbour, "plan", "--why-not", "lentil and tomato")
    lines(harbour, "item", "allergens", "food/lentils", "none")
    again = run(harbour, "plan", "--portions", "20")
    assert "allergens not declared" not in again.stdout
    assert answer(harbour, "plan")["unserved"] == 0
