"""Shelves on the screen: steps appear by themselves, and each is confirmed, changed or dismissed by one key."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import pytest

from node import clock
from node.actions.keeping import open_market
from node.errors import Refused
from node.ledger.read import find_items, lots, open_reader
from node.tui import app as program
from node.tui.app import LarderApp
from node.tui.screens.shelves import read_units
from node.tui.shelf_words import time_text
from node.tui.widgets.marked_table import MarkedTable
from tests.node.scales import Scale, a_shelf
from tests.node.tui.builders import a_market, a_moment
from tests.node.tui.driving import press, settled, shows, text_of, the_screen, until, write

EXPECTED = """\
 quiet Front: 10.700 kg, by weight 21 +- 0, asks
   Step Shelf       What                         Weight     Time  State
 > 1    Front       taken 2 Milk 1 L             -1.000 kg  19:07 proposed
   2    Front       no number of units fits well +0.200 kg  19:07 QUESTION
   3    Front       taken 1 Milk 1 L             -0.500 kg  19:07 proposed"""


class Shop:
    """The market of the screens with milk on a scale."""

    def __init__(self, folder: Path, *, is_trusted: bool = False) -> None:
        self.places = a_market(folder)
        with patch.object(clock, "now", a_moment):
            self.scale = Scale(self.places.telemetry_db)
            store = open_market(self.places)
            try:
                (milk,) = find_items(store.reader, "Milk 1 L", 1)
                self.milk = milk.item_id
                a_shelf(store, self.places, (milk, 500), is_trusted=is_trusted)
            finally:
                store.close()

    def on_hand(self) -> int:
        reader = open_reader(self.places)
        try:
            return sum(lot.on_hand_milli for lot in lots(reader, self.milk))
        finally:
            reader.close()

    def weighed(self, *weights_g: float) -> None:
        for grams in weights_g:
            self.scale.stands(grams, 4)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    found = Shop(tmp_path)
    found.weighed(12_000, 11_000, 11_200, 10_700)
    return found


def states(app: LarderApp) -> list[tuple[str, str]]:
    """Return the number and the state of each line."""
    return [(row.cells[0], row.cells[-1]) for row in app.screen.query_one("#steps", MarkedTable).rows_shown]


async def on_shelves(app: LarderApp, words: str = "proposed") -> None:
    await press(app, "g")
    await shows(app, words)
    await settled(app)


async def test_what_a_scale_saw_is_listed_with_what_it_may_have_been(shop: Shop) -> None:
    async with the_screen(shop.places) as app:
        await on_shelves(app)
        assert EXPECTED in text_of(app)
        await shows(app, "12.000 kg to 11.000 kg; likely: taken 2 Milk 1 L 99.9 %")
        await press(app, "down")
        await shows(app, "11.000 kg to 11.200 kg; likely:")
    assert shop.on_hand() == 34_000


async def test_a_narrow_screen_still_says_what_and_how_it_stands(shop: Shop) -> None:
    async with the_screen(shop.places, size=(60, 15)) as app:
        await on_shelves(app)
        assert " > 1    Front       taken 2 Milk 1 L             proposed\n" in text_of(app)
        assert "no number of units fits well QUESTION\n" in text_of(app)


async def test_one_key_confirms_and_z_takes_it_back(shop: Shop) -> None:
    async with the_screen(shop.places) as app:
        await on_shelves(app)
        await press(app, "k")
        await shows(app, "Step 1: taken 2 Milk 1 L: booked as sold.")
        await until(lambda: states(app) == [("2", "QUESTION"), ("3", "proposed"), ("1", "confirmed")])
        assert shop.on_hand() == 32_000
        await press(app, "z")
        await shows(app, "Undone: sold Milk 1 L 2")
        await until(lambda: states(app)[-1] == ("1", "taken back"))
    assert shop.on_hand() == 34_000


async def test_one_key_confirms_all_proposals_of_a_shelf_and_leaves_the_questions(shop: Shop) -> None:
    async with the_screen(shop.places) as app:
        await on_shelves(app)
        await press(app, "a")
        await until(lambda: states(app) == [("2", "QUESTION"), ("3", "confirmed"), ("1", "confirmed")])
        await settled(app)
        assert shop.on_hand() == 31_000
        await press(app, "a")
        await shows(app, "a all - no proposal of this shelf waits")
        await press(app, "home", "k")
        await shows(app, "How many units?")
        await write(app, "0")
        await press(app, "enter")
        await shows(app, "is not a number of units")
        await press(app, "backspace")
        await write(app, "-1")
        await press(app, "enter")
        await shows(app, "Step 2: taken 1 Milk 1 L: booked as sold.")
    assert shop.on_hand() == 30_000


async def test_a_step_is_dismissed_and_may_be_booked_after_all(shop: Shop) -> None:
    async with the_screen(shop.places) as app:
        await on_shelves(app)
        await press(app, "x")
        await shows(app, "Step 1 of Front dismissed; k books it after all.")
        await until(lambda: states(app)[-1] == ("1", "dismissed"))
        await press(app, "end", "e")
        await shows(app, "How many units?")
        await write(app, "-3")
        await press(app, "enter")
        await shows(app, "Step 1: taken 3 Milk 1 L: booked as sold.")
    assert shop.on_hand() == 31_000


async def test_steps_appear_by_themselves_while_the_screen_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(tmp_path)
    later = [0]
    async with the_screen(shop.places, now=lambda: a_moment(later_ms=later[0])) as app:
        await on_shelves(app, "no weight yet")
        monkeypatch.setattr(program, "COLD_AGAIN_S", 0.1)
        shop.weighed(12_000, 11_500)
        later[0] = 6_000
        await shows(app, "taken 1 Milk 1 L")


async def test_what_a_trusted_shelf_booked_is_shown_and_taken_back_by_one_key(tmp_path: Path) -> None:
    shop = Shop(tmp_path, is_trusted=True)
    shop.weighed(12_000, 11_500)
    async with the_screen(shop.places) as app:
        await on_shelves(app, "taken 1 Milk 1 L")
        assert states(app) == [("1", "confirmed")]
        assert shop.on_hand() == 33_000
        await press(app, "x")
        await shows(app, "Undone: sold Milk 1 L 1")
    assert shop.on_hand() == 34_000


async def test_a_market_without_scales_says_how_to_set_one_up(tmp_path: Path) -> None:
    async with the_screen(a_market(tmp_path)) as app:
        await on_shelves(app, "No shelf is on a scale yet; set one up with: larder shelf set")
        await press(app, "k")
        await shows(app, "k confirm - no step that could be booked is selected")


async def test_home_says_that_steps_wait_and_leads_there(shop: Shop) -> None:
    async with the_screen(shop.places) as app:
        await on_shelves(app)
        await press(app, "escape")
        await shows(app, "SHELF")
        await shows(app, "3 steps of shelves wait to be confirmed")


@pytest.mark.parametrize("text", ["", "0", "-", "--2", "2.5", "1001", "two", "\u0662"])
def test_what_is_no_number_of_units_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        read_units(text)


@pytest.mark.parametrize(("text", "units"), [("-2", -2), ("2", 2), ("+3", 3)])
def test_a_number_of_units_keeps_its_sign(text: str, units: int) -> None:
    assert units == read_units(text)


def test_a_step_at_a_time_that_no_calendar_has_stops_no_list() -> None:
    assert (time_text(None), time_text(10**17)) == ("--:--", "?")
