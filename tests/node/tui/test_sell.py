"""Sell: what is appended and what the till says, driven by keys and scans."""

from __future__ import annotations

from pathlib import Path

from node.domain.words import MoveKind
from tests.node.tui.builders import BREAD, HOSTILE, MILK, UNKNOWN, a_market, a_moment, moves, rows
from tests.node.tui.driving import press, say_yes, scan, settled, shows, the_screen, until, write

SOLD = int(MoveKind.SELL)


async def test_each_scan_sells_one_from_the_lot_that_expires_first(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places) as app:
        await press(app, "f3")
        await scan(app, MILK)
        await scan(app, MILK)
        await settled(app)
        await shows(app, "Milk 1 L +1, lot M-2291, 32 left.")
        await shows(app, " > Milk 1 L             2         M-2291        2026-11-24 32         saved")
    assert moves(places) == [("Milk 1 L", SOLD, -1000, False)] * 2


async def test_twenty_scans_without_gaps_are_twenty_sales(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places) as app:
        await press(app, "f3")
        for _scan in range(20):
            await scan(app, MILK, gap_ms=0)
        await settled(app)
        await shows(app, " > Milk 1 L             20 ")
    assert moves(places) == [("Milk 1 L", SOLD, -1000, False)] * 20


async def test_fewer_and_undo_append_the_opposite_and_the_line_follows(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places) as app:
        await press(app, "f3")
        await scan(app, MILK)
        await press(app, "+")
        await settled(app)
        await press(app, "-")
        await settled(app)
        await shows(app, "Undone: sold Milk 1 L 1, lot M-2291. The opposite entry was added.")
        await shows(app, " > Milk 1 L             1 ")
        await press(app, "z")
        await settled(app)
        await shows(app, " Lines 0")
    assert [(kind, quantity, is_undo) for _n, kind, quantity, is_undo in moves(places)] == [
        (SOLD, -1000, False),
        (SOLD, -1000, False),
        (SOLD, 1000, True),
        (SOLD, 1000, True),
    ]


async def test_a_sale_beyond_the_books_asks_and_only_a_lone_y_sells(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places) as app:
        await press(app, "f3", "slash")
        await write(app, "loose")
        await press(app, "enter")
        await shows(app, "How much Tomatoes, loose?")
        await write(app, "20")
        await press(app, "enter")
        await shows(app, "Say yes if the goods are in your hand")
        await press(app, "enter", "space", "1")
        await scan(app, MILK)
        await shows(app, "1 scan waiting")
        assert moves(places) == []
        await say_yes(app)
        await settled(app)
        await shows(app, "-2 kg")
        await until(lambda: len(moves(places)) == 2)
    assert moves(places) == [("Tomatoes, loose", SOLD, -20_000_000, False), ("Milk 1 L", SOLD, -1000, False)]


async def test_saying_no_sells_nothing_and_the_line_goes(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places, now=lambda: a_moment()) as app:
        await press(app, "f3", "slash")
        await write(app, "loose")
        await press(app, "enter")
        await shows(app, "How much Tomatoes, loose?")
        await write(app, "20")
        await press(app, "enter")
        await shows(app, "Say yes if the goods are in your hand")
        await press(app, "escape")
        await shows(app, "Not sold.")
        await shows(app, " Lines 0")
    assert moves(places) == []


async def test_an_unknown_number_is_one_line_of_words_and_n_names_it(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places) as app:
        await press(app, "f3")
        await scan(app, UNKNOWN)
        await shows(app, f"! {UNKNOWN} is not known here. n new item, or scan again.")
        await scan(app, MILK[:-1] + "2")
        await shows(app, "was misread")
        await press(app, "n")
        await shows(app, f"NEW ITEM    number {UNKNOWN}")
        await write(app, "Oats")
        await press(app, "ctrl+s")
        await settled(app)
        await shows(app, f" Item      Oats  (GTIN {UNKNOWN})")
    assert rows(places, f"SELECT name FROM item WHERE item_id = 'gtin/0{UNKNOWN}'") == [("Oats",)]


async def test_another_lot_is_an_undo_and_a_sale_from_it(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places) as app:
        await press(app, "f3")
        await scan(app, MILK)
        await settled(app)
        await press(app, "l")
        await shows(app, "Which lot of Milk 1 L was it?")
        await press(app, "down", "enter")
        await settled(app)
        await shows(app, " > Milk 1 L             1         M-2292        2026-11-27 33         saved")
    assert [(quantity, is_undo) for _n, _k, quantity, is_undo in moves(places)] == [
        (-1000, False),
        (1000, True),
        (-1000, False),
    ]


async def test_while_the_clock_is_not_set_the_label_is_asked_about_once(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places, now=lambda: a_moment(is_clock_set=False)) as app:
        await shows(app, "Harbour St  clock not set")
        await shows(app, "The clock is not set: look at the date on each label.")
        await press(app, "f3")
        await scan(app, MILK)
        await shows(app, "The clock is not set, so the use-by date of lot M-2291 (2026-11-24)")
        await say_yes(app)
        await shows(app, "Milk 1 L +1, lot M-2291")
        await scan(app, MILK)
        await settled(app)
        await shows(app, " > Milk 1 L             2 ")
    assert len(moves(places)) == 2


async def test_twenty_scans_while_the_label_is_asked_about_need_one_yes(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places, now=lambda: a_moment(is_clock_set=False)) as app:
        await press(app, "f3")
        for _scan in range(20):
            await scan(app, MILK, gap_ms=1)
        await shows(app, "y yes    Esc no")
        await say_yes(app)
        await until(lambda: len(moves(places)) == 20)
        await settled(app)
        await shows(app, " > Milk 1 L             20 ")
        assert app.screen is app.front
    assert moves(places) == [("Milk 1 L", SOLD, -1000, False)] * 20


async def test_food_past_its_use_by_date_is_not_added_and_the_line_says_so(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places, now=lambda: a_moment(later_ms=24 * 3_600_000, days_later=1)) as app:
        await press(app, "f3")
        await scan(app, BREAD)
        await shows(app, "On the books is lot B-1122 of Bread, past its use-by date")
        await press(app, "escape")
        await shows(app, "Not sold.")
        await scan(app, MILK)
        await settled(app)
    assert [name for name, _kind, _quantity, _undo in moves(places)] == ["Milk 1 L"]


async def test_hostile_text_is_drawn_as_text(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places) as app:
        await press(app, "f3")
        await scan(app, BREAD)
        app.front.say(HOSTILE)
        await shows(app, "[red]x[/]?[2J?")
