"""The card of an item: staff declare what a label says and lift a hold; weakening takes a name, a reason and a `y`."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from unittest.mock import patch

from node import clock
from node.actions.keeping import open_market
from node.actions.people import person_named
from node.places import Places
from tests.node.tui.builders import MILK, a_market, a_moment, rows
from tests.node.tui.driving import press, say_yes, scan, settled, shows, the_screen, write

COUNTS = "SELECT allergens FROM item WHERE item_id = 'gtin/04006381333931'"


def a_person(places: Places, name: str = "Ana") -> int:
    """Let somebody work here and return their number."""
    with patch.object(clock, "now", a_moment), closing(open_market(places)) as store:
        return store.act("person", lambda tx: person_named(tx, name).number)


async def test_a_label_is_read_and_an_allergen_is_taken_off_only_with_a_reason(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    who = a_person(places)
    async with the_screen(places) as app:
        app.who = who
        await press(app, "f4")
        await scan(app, MILK)
        await shows(app, "a declares what the label says")
        await press(app, "a")
        await shows(app, "Allergens on the label of Milk 1 L")
        await write(app, "dust")
        await press(app, "enter")
        await shows(app, "'dust' is not one of the 14 allergens.")
        await press(app, "backspace", "backspace", "backspace", "backspace")
        await write(app, "milk,nuts")
        await press(app, "enter")
        await settled(app)
        await shows(app, " Allergens  milk, nuts")
        await press(app, "a")
        await write(app, "milk")
        await press(app, "enter")
        await shows(app, "Why are allergens taken off Milk 1 L?")
        await press(app, "enter")
        await shows(app, "Nothing was typed yet.")
        await write(app, "new label")
        await press(app, "enter")
        await settled(app)
        await shows(app, "No longer counted for Milk 1 L: nuts, declared by Harbour St.")
        assert rows(places, COUNTS) == [('["milk","nuts"]',)]
        await say_yes(app)
        await settled(app)
        assert rows(places, COUNTS) == [('["milk"]',)]


async def test_nobody_without_a_name_takes_an_allergen_off(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places) as app:
        await press(app, "f4")
        await scan(app, MILK)
        await press(app, "a")
        await write(app, "milk")
        await press(app, "enter")
        await settled(app)
        await press(app, "a")
        await write(app, "none")
        await press(app, "enter")
        await write(app, "x")
        await press(app, "enter")
        await settled(app)
        await shows(app, "Taking milk off Milk 1 L needs the name of a person and a reason.")
        assert rows(places, COUNTS) == [('["milk"]',)]


async def test_a_hold_is_lifted_from_the_card(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    who = a_person(places)
    async with the_screen(places) as app:
        app.who = who
        await press(app, "f4")
        await scan(app, MILK)
        await press(app, "h")
        await shows(app, "h lift hold - no lot of this item is on hold")
        app.write(
            "hold",
            lambda tx: tx.connection.execute(
                "INSERT INTO lot_hold SELECT stream, seq, 'not_measured' FROM lot WHERE batch = 'M-2292'"
            ),
            lambda _done: None,
        )
        await settled(app)
        await shows(app, "HOLD")
        await press(app, "h")
        await shows(app, "Why may lot M-2292 of Milk 1 L be used after all?")
        await write(app, "felt it, cold")
        await press(app, "enter")
        await settled(app)
        await shows(app, "Lot M-2292 of Milk 1 L is on hold: temperature on the way not")
        await say_yes(app)
        await settled(app)
        await shows(app, "Lot M-2292 of Milk 1 L may be used again.")
        assert rows(places, "SELECT count(*) FROM reg_head WHERE key LIKE 'lift/%/not_measured'") == [(1,)]
