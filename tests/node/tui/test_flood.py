"""More keys than a person or a scanner can type do not hold the screen."""

from __future__ import annotations

from pathlib import Path

from textual import events

from node.tui.scanning import KEYS_WAITING_MAX
from tests.node.tui.builders import a_market, moves
from tests.node.tui.driving import press, quiet, settled, shows, the_screen


async def test_a_flood_of_keys_is_cut_and_said_and_the_screen_goes_on(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places) as app:
        taken = [app.post_message(events.Key("7", "7")) for _key in range(KEYS_WAITING_MAX * 3)]
        assert KEYS_WAITING_MAX - 50 <= sum(taken) <= KEYS_WAITING_MAX
        await shows(app, "Too much was typed at once; the rest was left out.")
        await quiet(app)
        await settled(app)
        await press(app, "f4")
        await shows(app, "LOTS of Bread")
    assert moves(places) == []


async def test_twenty_scans_in_one_burst_are_no_flood(tmp_path: Path) -> None:
    async with the_screen(a_market(tmp_path)) as app:
        keys = [*"4006381333931", "enter"] * 20
        assert all(app.post_message(events.Key(key, key if len(key) == 1 else None)) for key in keys)
        await quiet(app)
