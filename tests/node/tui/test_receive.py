"""Receive: the form, its drafts, new items, refusals; and the lots that it appends."""

from __future__ import annotations

from pathlib import Path

from textual.widgets import Input

from node.actions.drafts import load_draft
from node.ledger.read import open_reader
from node.places import Places
from tests.node.tui.builders import MILK, a_market, a_moment, an_empty_market, rows
from tests.node.tui.driving import press, say_yes, scan, settled, shows, the_screen, until, write

LOTS = (
    "SELECT i.name, l.quantity_milli, l.use_by, l.best_before, l.batch, l.supplier"
    " FROM lot l JOIN item i USING (item_id)"
)
NEW_LOTS = f"{LOTS} WHERE l.supplier IS NOT NULL ORDER BY l.seq"
USE_BY_29 = 20_786  # days from 1970-01-01 to 2026-11-29


def draft_of(places: Places) -> bytes | None:
    connection = open_reader(places)
    try:
        return load_draft(connection, "receive")
    finally:
        connection.close()


async def test_a_scan_and_a_few_keys_receive_a_lot(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places) as app:
        await press(app, "f2")
        await scan(app, MILK)
        await shows(app, f" Item      Milk 1 L  (GTIN {MILK})   allergens not declared")
        await write(app, "M-7")
        await press(app, "enter")
        await write(app, "2911")
        await press(app, "enter", "enter")
        await write(app, "24")
        await press(app, "enter")
        await write(app, "Green Dairy")
        await press(app, "enter")
        await settled(app)
        await shows(app, "Saved Milk 1 L +24, now 58.")
        await shows(app, " > Milk 1 L                 M-7           24        use by 2026-11-29 saved")
        await shows(app, " Supplier  [Green Dairy ")
        await shows(app, "saved 19:07:00")
    assert rows(places, NEW_LOTS) == [("Milk 1 L", 24_000, USE_BY_29, None, "M-7", "Green Dairy")]


async def test_best_before_is_chosen_with_space_and_undo_takes_the_line_back(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places) as app:
        await press(app, "f2")
        await write(app, "loose")
        await press(app, "enter")
        await shows(app, " Item      Tomatoes, loose")
        await press(app, "enter", "+", "7", "enter", "space", "enter")
        await write(app, "1,5")
        await press(app, "enter")
        await write(app, "Farm")
        await press(app, "ctrl+s")
        await settled(app)
        await shows(app, "1.5 kg    best before")
        await press(app, "ctrl+z")
        await settled(app)
        await shows(app, "undone")
        await shows(app, "Undone: received Tomatoes, loose 1.5 kg")
    assert rows(places, NEW_LOTS) == [("Tomatoes, loose", 1_500_000, None, USE_BY_29, None, "Farm")]
    assert rows(places, "SELECT quantity_milli FROM movement") == [(-1_500_000,)]


async def test_a_barcode_in_the_quantity_is_never_a_quantity(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places) as app:
        await press(app, "f2")
        await scan(app, MILK)
        await shows(app, " Item      Milk 1 L")
        app.screen.query_one("#quantity", Input).focus()
        await write(app, MILK)  # by hand, slowly
        await press(app, "ctrl+s")
        await shows(app, "has too many digits for a quantity")
        assert app.screen.query_one("#quantity", Input).value == MILK
        await settled(app)
    assert len(rows(places, LOTS)) == 4


async def test_a_scan_of_another_item_never_clears_a_line_that_is_typed(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places) as app:
        await press(app, "f2")
        await scan(app, MILK)
        await shows(app, " Item      Milk 1 L")
        await write(app, "M-7")
        await scan(app, "40170725")
        await shows(app, "Save the line of Milk 1 L first (Ctrl+S)")
        assert app.screen.query_one("#batch", Input).value == "M-7"


async def test_in_an_empty_market_the_first_scan_leads_to_the_first_lot(tmp_path: Path) -> None:
    places = an_empty_market(tmp_path)
    async with the_screen(places) as app:
        await shows(app, "No items yet. Scan one, or F2 to receive.")
        await scan(app, MILK)
        await shows(app, f"! {MILK} is not known here. n new item, or scan again.")
        await press(app, "n")
        await write(app, "Milk 1 L")
        await press(app, "ctrl+s")
        await shows(app, " Item      Milk 1 L")
        app.screen.query_one("#quantity", Input).focus()
        await press(app, "2")
        await press(app, "ctrl+s")
        await settled(app)
        await shows(app, "Saved Milk 1 L +2, now 2.")
    assert [row[:2] for row in rows(places, LOTS)] == [("Milk 1 L", 2_000)]


async def test_what_is_typed_is_a_draft_a_second_later_and_comes_back(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places) as app:
        await press(app, "f2")
        await scan(app, MILK)
        await shows(app, " Item      Milk 1 L")
        await write(app, "M-7")
        await until(lambda: b"M-7" in (draft_of(places) or b""))
    async with the_screen(places) as app:
        await press(app, "f2")
        await shows(app, "Here is what was typed before.")
        await shows(app, f" Item      Milk 1 L  (GTIN {MILK})")
        assert app.screen.query_one("#batch", Input).value == "M-7"
        app.screen.query_one("#quantity", Input).focus()
        await press(app, "3", "ctrl+s")
        await settled(app)
        await shows(app, "Saved Milk 1 L +3")
        assert draft_of(places) is None


async def test_goods_already_past_their_date_are_asked_about_and_a_no_keeps_the_form(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places) as app:
        await press(app, "f2")
        await scan(app, MILK)
        await shows(app, " Item      Milk 1 L")
        await press(app, "enter")
        await write(app, "2026-11-20")
        await press(app, "enter", "enter", "2", "ctrl+s")
        await shows(app, "The use-by date 2026-11-20 has passed")
        await press(app, "escape")
        await shows(app, "Not received.")
        assert app.screen.query_one("#date", Input).value == "2026-11-20"
        await press(app, "ctrl+s")
        await shows(app, "The use-by date 2026-11-20 has passed")
        await say_yes(app)
        await settled(app)
        await shows(app, "Saved Milk 1 L +2")
    assert len(rows(places, LOTS)) == 5


async def test_esc_leaves_the_field_then_the_screen_and_the_form_is_still_there(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places, now=a_moment) as app:
        await press(app, "f2")
        await scan(app, MILK)
        await shows(app, " Item      Milk 1 L")
        await write(app, "M-7")
        await press(app, "escape", "escape")
        await shows(app, "NOW - what needs a person")
        await press(app, "f2")
        await shows(app, " Lot       [M-7 ")
