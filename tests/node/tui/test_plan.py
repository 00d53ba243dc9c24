"""Plan: made here at once, explained from the snapshot, accepted by a person with a lone `y`, whoever proposed it."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from node.domain.diets import Need
from node.ledger.store import Transaction
from node.planner.central.health import PlannerHealth, write_planner_health
from node.planner.drafts import CENTRAL, keep_draft, newest_draft
from node.planner.plan import Plan, Verdict
from node.tui.app import LarderApp
from tests.node.tui.builders import HOSTILE, a_moment, an_empty_market, rows
from tests.node.tui.driving import press, say_yes, scan, settled, shows, text_of, the_screen, until, write
from tests.node.tui.kitchens import a_kitchen
from tests.node.tui.test_writer import the_lock_held_elsewhere

PRIVATE_WORDS = ("milk", "mushroom")
NEEDS = (Need(4, ("allergen:milk",)), Need(2, ("word:mushroom",)))


async def planned(app: LarderApp, portions: str = "60") -> None:
    """Go to Plan, type for how many, and wait until the plan is saved."""
    await press(app, "f6")
    await until(lambda: isinstance(app.field_in_focus, Input))
    await write(app, portions)
    await press(app, "enter")
    await settled(app)
    await shows(app, "made by: THIS NODE at 19:07")


def offer_from_the_centre(app: LarderApp) -> None:
    """Put what larder-node keeps of a better plan of the central planner: one dish less, and words that steer."""

    def work(tx: Transaction) -> None:
        local = newest_draft(tx.connection)
        assert local is not None and local.plan is not None
        plan = Plan(local.plan.snapshot_id, "city/9", local.plan.dishes[:1], (f"cheap today {HOSTILE}",))
        better = Verdict("ok", (), tuple(max(0, term - 1) for term in local.verdict.score))
        keep_draft(tx, source=CENTRAL, snapshot=local.snapshot, plan=plan, verdict=better)

    app.write("central", work, lambda _nothing: None)


async def test_an_empty_market_says_what_to_do(tmp_path: Path) -> None:
    async with the_screen(an_empty_market(tmp_path)) as app:
        await press(app, "f6")
        await shows(app, "Nothing is planned. e portions: type for how many people, then Enter.")
        await until(lambda: app.field_in_focus is not None)
        await press(app, "0", "enter")
        await shows(app, "Type for how many people, from 1 to 10000.")
        await press(app, "4", "enter")
        await settled(app)
        await shows(app, "No food that a recipe needs is here; receive some with F2.")
        await press(app, "escape", "f6", "x")
        await shows(app, "x withdraw - no plan is accepted")


async def test_the_plan_made_here_has_its_dishes_reasons_and_what_was_left_out(tmp_path: Path) -> None:
    places = a_kitchen(tmp_path, *NEEDS)
    async with the_screen(places) as app:
        await planned(app)
        await shows(app, "(no central planner is set)")
        await shows(app, "Feeds 60 of 60   6 people leave something out; what, stays on this node")
        await shows(app, " > Carrot soup")
        await shows(app, "WHY Carrot soup: feeds")
        await shows(app, "uses first: Carrots")
        await press(app, "w")
        await shows(app, "Why these dishes, and why no other")
        await press(app, "pagedown")
        await shows(app, "missing: need")
        text = text_of(app).lower()
        assert not any(word in text for word in PRIVATE_WORDS if word != "mushroom")
    drafts = b"".join(bytes(value) for (value,) in rows(places, "SELECT snapshot FROM plan_draft"))
    assert b"allergen" not in drafts


async def test_a_plan_is_accepted_and_withdrawn_by_a_lone_y_and_by_no_scan(tmp_path: Path) -> None:
    places = a_kitchen(tmp_path)
    count = "SELECT (SELECT count(*) FROM plan), (SELECT count(*) FROM plan_withdrawn)"
    async with the_screen(places) as app:
        await planned(app)
        await press(app, "enter")
        await shows(app, "Accept this plan for 2026-11-22")
        await scan(app, "yyyyyyyyyyyy")
        await press(app, "enter", "1")
        assert rows(places, count) == [(0, 0)]
        await say_yes(app)
        await settled(app)
        await shows(app, "ACCEPTED for 2026-11-22: its food is reserved.")
        assert rows(places, count) == [(1, 0)]
        await press(app, "enter")
        await shows(app, "Enter accept - nothing is planned, or it is accepted already")
        await press(app, "x")
        await shows(app, "Why is the plan for 2026-11-22 withdrawn?")
        await write(app, "no gas")
        await press(app, "enter")
        await shows(app, "Withdraw the accepted plan for 2026-11-22?")
        await say_yes(app)
        await settled(app)
        assert rows(places, "SELECT reason FROM plan_withdrawn") == [("no gas",)]


async def test_a_dish_of_the_accepted_plan_is_cooked_and_its_food_leaves_the_stock(tmp_path: Path) -> None:
    places = a_kitchen(tmp_path, *NEEDS)
    async with the_screen(places) as app:
        await planned(app)
        await press(app, "i")
        await shows(app, "i cooked - no dish of an accepted plan")
        await press(app, "enter")
        await say_yes(app)
        await settled(app)
        await press(app, "i")
        await shows(app, "How many portions of Carrot soup were cooked?")
        await write(app, "abc")
        await press(app, "enter")
        await shows(app, "That is not a whole number of portions.")
        await press(app, "backspace", "backspace", "backspace")
        await write(app, "20")
        await press(app, "enter")
        await shows(app, "Was Carrot soup cooked, 20 portions?")
        await say_yes(app)
        await settled(app)
        await shows(app, "cooked 20")
        assert rows(places, "SELECT portions FROM dish_cooked") == [(20,)]
        assert rows(places, "SELECT count(*) > 3 FROM movement WHERE kind = 3") == [(1,)]


async def test_a_dish_is_cooked_after_midnight_also_behind_a_newer_plan(tmp_path: Path) -> None:
    places, moments = a_kitchen(tmp_path), [a_moment()]
    async with the_screen(places, now=lambda: moments[-1]) as app:
        await planned(app)
        await press(app, "enter")
        await say_yes(app)
        await settled(app)
        moments.append(a_moment(later_ms=6 * 3_600_000, days_later=1))  # 01:07 of the next day
        await press(app, "escape", "f6")
        await shows(app, "2026-11-22 is over; until 12:00 i records what was cooked then.")
        await press(app, "n")
        await settled(app)
        await shows(app, "for 2026-11-23")
        await press(app, "i")
        if "Which dish was cooked?" in text_of(app):
            await press(app, "enter")
        await shows(app, "How many portions of ")
        await press(app, "enter")
        await say_yes(app)
        await settled(app)
        assert rows(places, "SELECT count(*) FROM dish_cooked") == [(1,)]


async def test_portions_that_were_typed_are_there_again(tmp_path: Path) -> None:
    places = a_kitchen(tmp_path)
    async with the_screen(places) as app:
        await press(app, "f6")
        await until(lambda: app.field_in_focus is not None)
        await write(app, "75")
        await until(lambda: rows(places, "SELECT count(*) FROM draft WHERE form = 'plan'") == [(1,)])
    async with the_screen(places) as app:
        await press(app, "f6")
        await shows(app, "Here is what was typed before.")
        await shows(app, "for portions [75")
        await press(app, "enter")
        await settled(app)
        assert rows(places, "SELECT count(*) FROM draft WHERE form = 'plan'") == [(0,)]


async def test_a_better_plan_from_the_centre_is_a_line_until_somebody_looks_at_it(tmp_path: Path) -> None:
    places = a_kitchen(tmp_path)
    async with the_screen(places) as app:
        await planned(app)
        dishes = text_of(app).count(" all ")
        offer_from_the_centre(app)
        await settled(app)
        await shows(app, "The central planner city/9 offers another that leaves less of what expires")
        await shows(app, "made by: THIS NODE")
        assert text_of(app).count(" all ") == dishes
        await press(app, "p")
        await shows(app, "made by: central planner city/9, just now")
        await shows(app, 'the planner says: "cheap today [red]x[/]?[2J?"')
        assert "\x1b" not in text_of(app) and "\u202e" not in text_of(app)
        await press(app, "enter")
        await say_yes(app)
        await shows(app, "Before this plan is accepted: 7 portions are missing.")
        await say_yes(app)
        await settled(app)
        await shows(app, "ACCEPTED for 2026-11-22")
        assert rows(places, "SELECT planner FROM plan") == [("city/9",)]


async def test_the_plan_is_on_the_screen_while_another_program_holds_the_lock(tmp_path: Path) -> None:
    places = a_kitchen(tmp_path)
    async with the_screen(places) as app:
        await press(app, "f6")
        await until(lambda: app.field_in_focus is not None)
        with the_lock_held_elsewhere(places):
            await write(app, "60")
            await press(app, "enter")
            await shows(app, " > Carrot soup")
            await shows(app, "saving...")
            assert rows(places, "SELECT count(*) FROM plan_draft") == [(0,)]
        await settled(app)
        assert rows(places, "SELECT count(*) FROM plan_draft") == [(1,)]


async def test_what_was_sold_meanwhile_stops_the_plan_in_words(tmp_path: Path) -> None:
    places = a_kitchen(tmp_path)
    async with the_screen(places) as app:
        await planned(app)
        app.write(
            "spoil",
            lambda tx: tx.connection.execute("UPDATE lot SET on_hand_milli = 0 WHERE item_id = 'food/carrots'"),
            lambda _done: None,
        )
        await settled(app)
        await press(app, "enter")
        await say_yes(app)
        await settled(app)
        await shows(app, "! The plan cannot be accepted:")
        assert rows(places, "SELECT count(*) FROM plan") == [(0,)]


async def test_needs_that_cannot_be_read_are_said_and_nothing_is_planned(tmp_path: Path) -> None:
    places = a_kitchen(tmp_path, *NEEDS)
    places.private_db.write_bytes(b"this is no database at all" * 100)
    async with the_screen(places) as app:
        await press(app, "f6")
        await shows(app, "! No needs are known here: ")
        await until(lambda: app.field_in_focus is not None)
        await write(app, "60")
        await press(app, "enter")
        await settled(app)
        await shows(app, "! What people leave out cannot be read or kept")
        assert rows(places, "SELECT count(*) FROM plan_draft") == [(0,)]


async def test_a_planner_that_fails_is_away_in_the_row_and_says_why(tmp_path: Path) -> None:
    places = a_kitchen(tmp_path)
    places.settings.write_text('[planner]\nurl = "http://127.0.0.1:9/"\n', encoding="utf-8")
    asked = "SELECT kind, state FROM request"
    health = PlannerHealth("failing", a_moment().wall_ms - 1_500_000, "no answer within 30 s", None, "acknowledge")
    write_planner_health(places, health)
    async with the_screen(places) as app:
        await shows(app, "| Planner away")
        await planned(app)
        await shows(app, "The central planner is asked")
        assert rows(places, asked) == [("plan", "open")]
        await shows(app, "no answer within 30 s")
        await press(app, "k")
        await settled(app)
        await shows(app, "The central planner may be asked again.")


@pytest.mark.parametrize("portions", ["3", "10001"])
async def test_portions_that_cannot_be_planned_are_refused_in_words(portions: str, tmp_path: Path) -> None:
    async with the_screen(a_kitchen(tmp_path, Need(4, ("allergen:milk",)))) as app:
        await press(app, "f6")
        await until(lambda: app.field_in_focus is not None)
        await write(app, portions)
        await press(app, "enter")
        await settled(app)
        words = {"3": "More people leave something out than there are portions.", "10001": "from 1 to 10000"}
        await shows(app, words[portions])
