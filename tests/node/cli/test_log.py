"""`larder log` shows what people decided beside what moved: plans with their dishes and reasons, names, recipes."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from node.actions.keeping import open_market
from node.ledger.append import Appender
from node.ledger.events import RegisterSet, RegisterValue, VerdictReached
from node.ledger.holds import LIFT_KEY_PREFIX
from node.ledger.items import item_key
from node.ledger.store import Transaction
from node.places import Places
from tests.node.cli.verbs import answer, lines

FOOD = {"rice-white": "10", "carrots": "8", "onions": "5", "frozen-peas": "6", "oil-sunflower": "2", "garlic": "1"}


@pytest.fixture
def kitchen(harbour: Places, set_clock: None) -> Places:  # noqa: ARG001 - the clock counts as set
    """A market with food for a dish."""
    for name, quantity in {**FOOD, "salt": "1"}.items():
        lines(harbour, "receive", f"food/{name}", quantity, "--use-by", "+5", "--yes")
    return harbour


def set_register(places: Places, key: str, value: RegisterValue) -> None:
    """Write what any member may write."""

    def work(tx: Transaction) -> None:
        Appender(tx).append(RegisterSet(key, value, []), 0)

    with closing(open_market(places)) as store:
        store.act("register", work)


def said(places: Places, count: int) -> list[str]:
    """Return the last lines without their time."""
    return [line.split("Harbour: ", 1)[1] for line in lines(places, "log", "--limit", str(count))[:count]]


def test_a_plan_is_in_the_log_from_its_acceptance_to_its_end(kitchen: Places) -> None:
    day = answer(kitchen, "plan", "--portions", "20")["day"]
    lines(kitchen, "plan", "--accept")
    (dish,) = answer(kitchen, "plan")["accepted"]
    (accepted,) = said(kitchen, 1)
    assert accepted.startswith(f"accepted the plan for {day} of ")
    assert accepted.endswith(f": 20 {dish['title']}")
    lines(kitchen, "plan", "--withdraw", "--reason", "the gas is off")
    assert said(kitchen, 1) == [f"withdrew the plan for {day}, because: the gas is off"]
    lines(kitchen, "plan", "--accept")
    lines(kitchen, "plan", "--cook", dish["title"], "--portions", "12")
    told = [line for line in said(kitchen, 12) if line.startswith("cooked")]
    assert told == [f"cooked 12 {dish['title']}, planned were 20"]
    what = [fact["what"] for fact in answer(kitchen, "log")["facts"]]
    assert [what.count(word) for word in ("plan accepted", "plan withdrawn", "dish cooked")] == [2, 1, 1]
    lines(kitchen, "verify")


def test_a_refused_plan_is_in_the_log_with_its_codes(kitchen: Places) -> None:
    fact = VerdictReached(bytes(32), "liar/1 \x1b[2J", "1", "reject", ["ALLERGEN", "STOCK"])

    def work(tx: Transaction) -> None:
        Appender(tx).append(fact, 0)

    with closing(open_market(kitchen)) as store:
        store.act("verdict", work)
    assert said(kitchen, 1) == ["judged the plan of liar/1 ?[2J: REFUSED (ALLERGEN, STOCK)"]


def test_names_recipes_and_allergens_are_in_the_log(harbour: Places, tmp_path: Path) -> None:
    lines(harbour, "receive", "4006381333931", "3", "--name", "Plum jam")
    file = tmp_path / "soup.json"
    line = {"text": "1 kg onions", "item": "food/onions", "quantity": 1, "unit": "kg"}
    file.write_text(json.dumps({"title": "Onion soup", "portions": 4, "lines": [line]}))
    lines(harbour, "recipe", "add", str(file))
    set_register(harbour, item_key("gtin/04006381333931", "allergens"), ["sulphites"])
    told = said(harbour, 4)
    assert told[0] == "declared for Plum jam the allergens: sulphites"
    assert told[1] == "wrote down the recipe Onion soup"
    assert "named gtin/04006381333931: Plum jam" in told


VALUES: list[RegisterValue] = [None, True, 7, "x\x1b[2J", [], ["Ana"], ["\x1b"] * 60]
KEYS = [
    "item/food/rice-white/name",
    "item/food/rice-white/allergens",
    "item/food/rice-white/allergens_reason",
    "item//allergens",
    "lift/zz/too_warm",
    "lift/00ff:1/too_warm",
    f"lift/00:{'9' * 60}/x",
    "lift/",
    "recipe/x/title",
]


def test_what_any_member_may_write_is_shown_without_harm(harbour: Places) -> None:
    def work(tx: Transaction) -> None:
        appender = Appender(tx)
        for key in KEYS:
            for value in VALUES:
                appender.append(RegisterSet(key, value, []), 0)

    with closing(open_market(harbour)) as store:
        store.act("registers", work)
    told = lines(harbour, "log", "--limit", "500")
    assert len(told) == len(KEYS) * len(VALUES)
    assert all("Harbour: " in line and "\x1b" not in line for line in told)
    assert len(answer(harbour, "log", "--limit", "500")["facts"]) == len(told)
    lines(harbour, "item", "questions")
    lines(harbour, "verify")


def test_a_hold_of_a_lot_nobody_knows_is_not_named_after_an_item_without_an_id(harbour: Places) -> None:
    set_register(harbour, "item//name", "Poison")
    set_register(harbour, f"{LIFT_KEY_PREFIX}00:7/widened", "said so")
    assert said(harbour, 1) == ["lifted the hold on a lot not known here, lot #7, because: said so"]
