"""`larder plan` and `larder recipe`: a plan at once, its reasons, the three decisions, and nothing private said."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from contextlib import closing
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest

from node import clock
from node.actions.keeping import open_market
from node.clock import ClockQuality
from node.places import Places
from node.planner.central.health import PlannerHealth, write_planner_health
from node.planner.central.judge import judge
from node.planner.central.record import keep_judged
from node.planner.central.request import make_request
from node.planner.drafts import newest_draft
from tests.node.cli.verbs import CHECKOUT, answer, command, environment, lines, process, refusal, run
from tests.node.tui.terminal import Terminal

FOOD = {
    "rice-white": "10",
    "carrots": "8",
    "onions": "5",
    "frozen-peas": "6",
    "oil-sunflower": "2",
    "garlic": "0.5",
    "salt": "1",
    "chicken-thighs": "4",
    "peppers": "20",
    "oil-olive": "2",
}


@pytest.fixture
def kitchen(harbour: Places, set_clock: None) -> Places:  # noqa: ARG001 - the clock counts as set
    """A market with food for one vegetable dish and one with chicken."""
    for name, quantity in FOOD.items():
        lines(harbour, "receive", f"food/{name}", quantity, "--use-by", "+5", "--yes")
    return harbour


def test_a_market_without_a_plan_says_what_to_do(harbour: Places) -> None:
    assert lines(harbour, "plan") == ["nothing is planned; make a plan with: larder plan --portions 40"]
    assert refusal(harbour, "plan", "--why", "soup")["error"] == "plan.none"
    assert refusal(harbour, "plan", "--accept")["error"] == "plan.none"
    assert refusal(harbour, "plan", "--withdraw")["error"] == "plan.none_accepted"
    assert refusal(harbour, "plan", "--cook", "soup")["error"] == "plan.none_accepted"


def test_an_empty_store_says_what_to_do(harbour: Places) -> None:
    said = lines(harbour, "plan", "--portions", "10")
    assert "no food that a recipe needs is here; receive some with: larder receive ITEM QUANTITY" in said


def test_a_store_without_a_dish_says_what_to_do(harbour: Places) -> None:
    lines(harbour, "receive", "food/salt", "1", "--yes")
    said = lines(harbour, "plan", "--portions", "10")
    assert any(line.startswith("no recipe fits what is here") for line in said)


def test_where_too_little_fits_the_nearest_misses_are_said(harbour: Places) -> None:
    for name, quantity in (("lentils", "25"), ("tomatoes", "18"), ("onions", "8"), ("carrots", "6")):
        lines(harbour, "receive", f"food/{name}", quantity, "--yes")
    said = lines(harbour, "plan", "--portions", "40")
    assert "nearly: Lentil and tomato stew for 40 lacks Olive oil 0.3 l" in said
    misses = answer(harbour, "plan")["misses"]
    assert 1 < len(misses) <= 5
    lack = {"item_id": "food/oil-olive", "name": "Olive oil", "unit": "ml", "missing_milli": 300_000}
    stew = next(each for each in misses if each["recipe_id"] == "book/lentil-tomato-stew")
    assert (stew["portions"], stew["is_more"], stew["lacks"]) == (40, False, [lack])


def test_a_plan_feeds_everybody_and_names_its_source(kitchen: Places) -> None:
    made = answer(kitchen, "plan", "--portions", "20", "--without", "nuts=2", "--without", "vegan=3")
    assert (made["source"], made["made_by"], made["reason"]) == ("here", "made here", "no central planner is set")
    assert (made["unserved"], made["verdict"], made["kept_private"]) == (0, "ok", 5)
    assert sum(dish["portions"] for dish in made["dishes"]) == 20
    assert " by 20" in made["dishes"][0]["uses_first"]
    again = answer(kitchen, "plan")
    assert (again["snapshot_id"], again["dishes"]) == (made["snapshot_id"], made["dishes"])


def test_what_is_left_out_is_said_to_whoever_typed_it_and_to_nobody_later(kitchen: Places) -> None:
    typed = lines(kitchen, "plan", "--portions", "20", "--without", "milk,eggs=2", "--without", "pepper")
    assert any("declares milk" in line for line in typed)
    assert any("'pepper'" in line for line in typed)
    shown = "\n".join([*lines(kitchen, "plan"), *lines(kitchen, "plan", "--why-not", "all")])
    assert "3 people leave something out (kept on this computer; erase with --forget)" in shown
    assert "milk" not in shown.replace("Milk", "")
    again = lines(kitchen, "plan", "--portions", "24")
    assert "3 people leave something out (kept on this computer; erase with --forget)" in again


def test_a_plan_is_accepted_cooked_and_taken_out_of_the_stock(kitchen: Places) -> None:
    lines(kitchen, "plan", "--portions", "20")
    done = answer(kitchen, "plan", "--accept")
    assert done["done"] == "accepted"
    (dish,) = answer(kitchen, "plan")["accepted"]
    before = {row["item"]["item_id"]: row["on_hand_milli"] for row in answer(kitchen, "stock")["rows"]}
    cooked = lines(kitchen, "plan", "--cook", dish["title"])
    assert cooked[0] == f"saved: cooked: 20 {dish['title']}"
    after = {row["item"]["item_id"]: row["on_hand_milli"] for row in answer(kitchen, "stock")["rows"]}
    assert before["food/onions"] - after["food/onions"] == 750_000
    assert answer(kitchen, "plan")["accepted"][0]["cooked_portions"] == 20
    assert refusal(kitchen, "plan", "--cook", dish["title"])["error"] == "dish.cooked"
    assert refusal(kitchen, "plan", "--withdraw")["error"] == "plan.cooked"


def test_fewer_portions_than_planned_are_recorded_and_less_food_leaves(kitchen: Places) -> None:
    lines(kitchen, "plan", "--portions", "20")
    lines(kitchen, "plan", "--accept")
    (dish,) = answer(kitchen, "plan")["accepted"]
    before = {row["item"]["item_id"]: row["on_hand_milli"] for row in answer(kitchen, "stock")["rows"]}
    refused = refusal(kitchen, "plan", "--cook", dish["title"], "--portions", "41")
    assert (refused["error"], refused["hint"].split(".")[0]) == (
        "dish.portions",
        "Type how many were cooked, from 1 to 40",
    )
    said = lines(kitchen, "plan", "--cook", dish["title"], "--portions", "10")
    assert said[0] == f"saved: cooked: 10 {dish['title']}, planned were 20"
    after = {row["item"]["item_id"]: row["on_hand_milli"] for row in answer(kitchen, "stock")["rows"]}
    assert before["food/onions"] - after["food/onions"] == 375_000
    (row,) = answer(kitchen, "plan")["accepted"]
    assert (row["portions"], row["cooked_portions"]) == (20, 10)


def test_a_dish_of_yesterday_is_recorded_after_midnight(kitchen: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    lines(kitchen, "plan", "--portions", "20")
    lines(kitchen, "plan", "--accept")
    (dish,) = answer(kitchen, "plan")["accepted"]
    day = date.fromisoformat(answer(kitchen, "plan")["day"])
    night = datetime.combine(day + timedelta(days=1), time(0, 40))
    moment = dataclasses.replace(
        clock.now(), today=night.date(), wall_ms=int(night.timestamp() * 1000), quality=ClockQuality.TRUSTED
    )
    monkeypatch.setattr(clock, "now", lambda: moment)
    told = f"to record by 12:00 if it was cooked: 20 {dish['title']}, planned for {day.isoformat()}"
    assert told in lines(kitchen, "plan")
    assert [row["is_late"] for row in answer(kitchen, "plan")["accepted"]] == [True]
    said = lines(kitchen, "plan", "--cook", dish["title"])
    assert said[0] == f"saved: cooked: 20 {dish['title']}"
    assert answer(kitchen, "plan")["accepted"] == []


def test_a_plan_short_of_stock_says_so(kitchen: Places) -> None:
    lines(kitchen, "plan", "--portions", "20")
    lines(kitchen, "plan", "--accept")
    sold = lines(kitchen, "sell", "food/rice-white", "9.5")
    assert "note: the accepted plan needs 1.6 kg of it and now lacks 1.1 kg" in sold
    issued = answer(kitchen, "issue", "food/rice-white", "0.1")
    assert (issued["plan_needs_milli"], issued["plan_lacks_milli"]) == (1_600_000, 1_200_000)
    lines(kitchen, "undo")
    said = "\n".join(lines(kitchen, "plan"))
    assert "SHORT: the accepted plan needs more than is here: White rice 1.1 kg" in said
    lines(kitchen, "plan", "--withdraw")
    assert "SHORT" not in "\n".join(lines(kitchen, "plan"))


def test_why_and_why_not(kitchen: Places) -> None:
    made = answer(kitchen, "plan", "--portions", "20")
    title = made["dishes"][0]["title"]
    assert any("points = " in line for line in lines(kitchen, "plan", "--why", title))
    assert refusal(kitchen, "plan", "--why", "Fish pie with peas")["error"] == "plan.not_in"
    said = lines(kitchen, "plan", "--why-not", "fish pie")
    assert any(line.startswith("Cod fillet: need 2.5 kg, free 0 kg, missing 2.5 kg") for line in said), said
    every = lines(kitchen, "plan", "--why-not", "all")
    assert len(every) == made["left_out"]


def test_who_avoids_what_nothing_here_knows_is_planned_nothing(kitchen: Places) -> None:
    said = lines(kitchen, "plan", "--portions", "20", "--without", "zebrafruit=2", "--without", "halal")
    start = "nothing here can tell which food holds"
    (two,) = [line for line in said if line.startswith(f"{start} 'zebrafruit': these 2 people are planned nothing;")]
    assert "known words are gluten, " in two
    assert any(line.startswith(f"{start} 'halal': this person is planned nothing;") for line in said)
    assert "look: 3 portions are missing." in said
    assert b"unknown:zebrafruit" in kitchen.private_db.read_bytes()
    files = [path for path in kitchen.root.rglob("*") if path.is_file() and path != kitchen.private_db]
    assert not [path for path in files if b"zebrafruit" in path.read_bytes()]
    again = answer(kitchen, "plan")
    assert (again["unserved"], again["kept_private"], again["planned_nothing"]) == (3, 3, 3)
    assert sum(dish["portions"] for dish in again["dishes"]) == 17
    shown = "\n".join(lines(kitchen, "plan"))
    assert "3 people of these are planned nothing" in shown
    assert "zebrafruit" not in shown


def test_forgetting_leaves_no_word(kitchen: Places) -> None:
    lines(kitchen, "plan", "--portions", "20", "--without", "lupin=2")
    assert b"lupin" in kitchen.private_db.read_bytes()
    lines(kitchen, "plan", "--forget")
    assert b"lupin" not in kitchen.private_db.read_bytes()
    assert lines(kitchen, "plan") == ["nothing is planned; make a plan with: larder plan --portions 40"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--without", "zebra\x1bfruit=2"], "need.unreadable"),
        (["--without", "nuts=0"], "need.people"),
        (["--without", "nuts=41"], "need.more_than_portions"),
        (["--day", "2020-01-01"], "plan.day"),
    ],
)
def test_what_cannot_be_planned_is_refused_in_words(kitchen: Places, arguments: list[str], error: str) -> None:
    assert refusal(kitchen, "plan", "--portions", "40", *arguments)["error"] == error
    assert not kitchen.private_db.exists()


def test_needs_are_read_from_the_terminal_and_stand_in_no_argument(kitchen: Places) -> None:
    said = run(kitchen, "plan", "--portions", "20", "--without", "-", typed="milk,eggs=2\npepper\n\nnot read\n")
    assert said.exit_code == 0
    assert any("for 2 people: no food that declares eggs" in line for line in said.stdout.splitlines())
    assert answer(kitchen, "plan")["kept_private"] == 3
    for typed, error in (("", "need.none_typed"), ("\n", "need.none_typed"), ("x" * 2_000, "need.too_much")):
        refused = run(kitchen, "plan", "--portions", "20", "--without", "-", "--json", typed=typed)
        assert json.loads(refused.stderr)["error"] == error
    assert answer(kitchen, "plan")["kept_private"] == 3


def test_needs_are_asked_for_at_a_terminal_and_end_with_an_empty_line(kitchen: Places) -> None:
    with Terminal(command(kitchen, "plan", "--portions", "20", "--without", "-"), environment()) as terminal:
        terminal.wait_for(b"an empty line ends:")
        terminal.press(b"lupin=2\r")
        terminal.press(b"\r")
        terminal.wait_for(b"for 2 people: no food that declares lupin")
    assert b"lupin" in kitchen.private_db.read_bytes()


def test_one_thing_at_a_time(kitchen: Places) -> None:
    assert run(kitchen, "plan", "--accept", "--portions", "4").exit_code == 2
    assert run(kitchen, "plan", "--without", "nuts").exit_code == 2


def test_broken_settings_do_not_stop_a_plan(kitchen: Places) -> None:
    kitchen.settings.write_text("[planner\n")
    made = answer(kitchen, "plan", "--portions", "20")
    assert made["unserved"] == 0
    assert "cannot be used" in made["reason"]


def test_a_central_planner_is_asked_and_the_plan_is_there_at_once(kitchen: Places) -> None:
    kitchen.settings.write_text('[planner]\nurl = "http://127.0.0.1:9"\n')
    made = answer(kitchen, "plan", "--portions", "20")
    assert (made["unserved"], made["reason"]) == (0, "the central planner was asked; no answer yet")
    # What was said of an earlier plan is not said of this one.
    write_planner_health(kitchen, PlannerHealth(state="failing", reason="It lied about the leeks."))
    again = answer(kitchen, "plan", "--portions", "30")["reason"]
    assert again == "the central planner was asked; no answer yet (last time: It lied about the leeks.)"


def test_a_recipe_file_is_added_listed_and_shown(kitchen: Places, tmp_path: Path) -> None:
    file = tmp_path / "soup.json"
    soup = {
        "title": "Onion soup",
        "portions": 4,
        "minutes": 40,
        "lines": [{"text": "1 kg onions", "item": "food/onions", "quantity": 1, "unit": "kg"}],
        "steps": ["Cook them slowly."],
        "parent": "book/pumpkin-soup",
    }
    file.write_text(json.dumps(soup))
    added = answer(kitchen, "recipe", "add", str(file))
    recipe_id = added["recipe"]["recipe_id"]
    assert added["is_plannable"]
    assert recipe_id in {each["recipe"]["recipe_id"] for each in answer(kitchen, "recipe", "list")["recipes"]}
    shown = lines(kitchen, "recipe", "show", "onion soup", "--portions", "10")
    assert "- 1 kg onions: 2.5 kg" in shown
    assert lines(kitchen, "plan", "--portions", "4", "--without", "meat=4")
    file.write_text(json.dumps(soup | {"parent": "book/nothing"}))
    assert refusal(kitchen, "recipe", "add", str(file))["error"] == "recipe.parent_unknown"
    file.write_text("{}")
    assert refusal(kitchen, "recipe", "add", str(file))["error"] == "recipe.file"


def test_planning_loads_no_network(kitchen: Places) -> None:
    code = (
        "import sys; sys.argv = ['larder', '--data', sys.argv[1], 'plan', '--portions', '4'];\n"
        "from node.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'httpx', 'paho', 'textual', 'pybreaker', 'serial'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(kitchen.root)],
        cwd=CHECKOUT,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert process(kitchen, "plan").returncode == 0


def test_undo_passes_over_what_was_decided_about_a_plan_and_says_so(kitchen: Places) -> None:
    lines(kitchen, "sell", "food/garlic", "0.1")
    lines(kitchen, "plan", "--portions", "20")
    accepted = answer(kitchen, "plan", "--accept")
    named = refusal(kitchen, "undo", "--action", accepted["action_id"])
    assert (named["error"], named["hint"]) == ("undo.plan", "Take the accepted plan back with: larder plan --withdraw")
    undone = answer(kitchen, "undo")
    assert undone["verb"] == "sell"
    assert undone["kept"] == "the plan accepted since then stays; take it back with: larder plan --withdraw"
    assert answer(kitchen, "plan")["accepted_plan"] is not None
    lines(kitchen, "sell", "food/garlic", "0.1")
    assert answer(kitchen, "undo")["kept"] == ""
    lines(kitchen, "sell", "food/garlic", "0.1")
    lines(kitchen, "plan", "--withdraw")
    said = lines(kitchen, "undo")
    assert said[0].startswith("saved: taken back: sold Garlic 0.1 kg")
    assert said[1] == "the plan withdrawn since then stays so; accept one again with: larder plan --accept"


def test_undo_says_how_to_take_back_what_was_cooked_and_takes_nothing_older(kitchen: Places) -> None:
    lines(kitchen, "plan", "--portions", "20")
    lines(kitchen, "plan", "--accept")
    (dish,) = answer(kitchen, "plan")["accepted"]
    before = answer(kitchen, "plan", "--cook", dish["title"])
    for arguments in ([], ["--action", before["action_id"]]):
        said = refusal(kitchen, "undo", *arguments)
        assert said["error"] == "undo.plan"
        assert "larder count" in said["hint"]
        assert "larder receive" in said["hint"]


def test_undo_with_nothing_before_the_plan_says_how_to_take_the_plan_back(kitchen: Places) -> None:
    lines(kitchen, "plan", "--portions", "20")
    lines(kitchen, "plan", "--accept")
    for _food in FOOD:
        assert answer(kitchen, "undo")["verb"] == "receive"
    assert refusal(kitchen, "undo")["error"] == "undo.plan"


def test_forgetting_leaves_no_byte_of_a_class_in_any_file(kitchen: Places) -> None:
    """Also not of the classes and drafts that newer ones had replaced."""
    for people in (17, 18, 19):
        lines(kitchen, "plan", "--portions", str(people), "--without", "chicken=3", "--without", "vegan=1")
    traces = (b'"people":3', b'"c2"', b'"label"', b"word:chicken")

    def found() -> list[bytes]:
        raw = b"".join(path.read_bytes() for path in kitchen.root.rglob("*") if path.is_file())
        return [trace for trace in traces if trace in raw]

    assert found() == list(traces)
    lines(kitchen, "plan", "--forget")
    assert found() == []


def test_every_verdict_is_listed_with_its_code_and_the_lot_it_names(kitchen: Places) -> None:
    assert lines(kitchen, "plan", "--verdicts") == ["no plan of a central planner was judged yet"]
    lines(kitchen, "plan", "--portions", "20", "--without", "chicken=5")
    with closing(open_market(kitchen)) as store:
        local = newest_draft(store.reader)
        assert local is not None and local.plan is not None
        asked = make_request(local.snapshot)
        assert asked is not None
        day, wrong = local.snapshot.day, "book/chicken-pepper-rice"
        label = next(each.label for each in asked.snapshot.classes if wrong not in each.recipes)
        raw = json.dumps(
            {
                "schema": "plan-proposal/1",
                "snapshot_id": asked.snapshot_id,
                "planner": "liar/1",
                "dishes": [{"day": day, "meal": "main", "recipe": wrong, "portions": {label: 5}}],
            }
        ).encode()
        judged = judge(raw, asked, local.snapshot, local.plan)
        store.act("planner", lambda tx: keep_judged(tx, judged, local.snapshot))
    (told,) = lines(kitchen, "plan", "--verdicts")
    assert told.startswith("REFUSED liar/1 at Harbour: DIET Chicken rice with peppers is nothing for class c")
    assert "(#" in told
    (value,) = answer(kitchen, "plan", "--verdicts")["verdicts"]
    assert (value["verdict"], value["codes"]) == ("reject", ["DIET"])
    lines(kitchen, "plan", "--forget")
    assert lines(kitchen, "plan", "--verdicts") == ["REFUSED liar/1 at Harbour: DIET"]


def test_every_dish_of_a_plan_says_why_at_once(kitchen: Places) -> None:
    dishes = answer(kitchen, "plan", "--portions", "30", "--without", "chicken=8")["dishes"]
    said = lines(kitchen, "plan", "--why", "all")
    assert dishes
    for dish in dishes:
        assert any(line.startswith(f"{dish['title']}: feeds {dish['portions']} ") for line in said)
