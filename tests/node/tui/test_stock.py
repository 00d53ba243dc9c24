"""Stock, its search and filters, the card of an item, and discarding, which asks with letters only."""

from __future__ import annotations

import asyncio
from pathlib import Path

from node.domain.words import DiscardReason, MoveKind
from node.tui.dialogs.letters import PAUSE_S
from tests.node.tui.builders import MILK, a_market, rows
from tests.node.tui.driving import press, say_yes, scan, settled, shows, text_of, the_screen, until, write

GONE = "SELECT kind, quantity_milli, reason FROM movement"


async def test_the_list_shows_lots_first_expired_first_and_the_last_movements(tmp_path: Path) -> None:
    async with the_screen(a_market(tmp_path)) as app:
        await press(app, "f4")
        await shows(app, "LOTS of Bread")
        await press(app, "down")
        await shows(app, " > Milk 1 L              34       -       34       2026-11-24 2    ok")
        await shows(app, "LOTS of Milk 1 L, first to go first")
        await shows(app, "MOVEMENTS  19:07 +10 received | 19:07 +24 received")
        lines = text_of(app).splitlines()
        lots = [line.split()[0] for line in lines if line.startswith("  M-")]
        assert lots == ["M-2291", "M-2292"]


async def test_search_filter_and_narrowing(tmp_path: Path) -> None:
    async with the_screen(a_market(tmp_path, items=510)) as app:
        await press(app, "f4")
        await shows(app, "500 of 513, type to narrow")
        await press(app, "slash")
        await write(app, "0042")
        await shows(app, "ALL | low | expiring [f]  1 items")
        await shows(app, " > Item 0042")
        await press(app, "enter", "f")
        await shows(app, "all | LOW | expiring [f]  0 items")
        await shows(app, "Nothing in stock fits.")


async def test_slash_searches_on_stock_from_anywhere(tmp_path: Path) -> None:
    async with the_screen(a_market(tmp_path)) as app:
        await press(app, "slash")
        await shows(app, " Find: [")
        await until(lambda: app.field_in_focus is not None)
        await write(app, "bre")
        await shows(app, "1 items")
        await shows(app, "USE BY TODAY")


async def test_a_scan_on_the_list_opens_the_card_and_the_next_scan_the_next(tmp_path: Path) -> None:
    async with the_screen(a_market(tmp_path)) as app:
        await press(app, "f4")
        await scan(app, MILK)
        await shows(app, " Milk 1 L   gtin/04006381333931")
        await shows(app, " Allergens  not declared: treat as unsafe")
        await scan(app, "40170725")
        await shows(app, " Bread   gtin/00000040170725")
        await press(app, "escape")
        await shows(app, " Find: [")


async def test_discarding_takes_a_lot_a_quantity_a_reason_and_a_lone_y(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places) as app:
        await press(app, "f4")
        await shows(app, "LOTS of Bread")
        await press(app, "down")
        await shows(app, "LOTS of Milk 1 L")
        await press(app, "d")
        await shows(app, "Which lot of Milk 1 L?")
        await press(app, "down", "enter")
        await shows(app, "How much of lot M-2292")
        await press(app, "4", "enter")
        await shows(app, "Discard 4 of Milk 1 L, lot M-2292, use by 2026-11-27?")
        await press(app, "enter", "space", "y", "1")
        await asyncio.sleep(PAUSE_S)
        await shows(app, "Why? Press one letter; Esc keeps it.")
        await press(app, "b")
        await shows(app, "Reason: broken. Now press y alone to discard")
        await say_yes(app)
        await settled(app)
        await shows(app, "Discarded 4 of Milk 1 L, lot M-2292; 30 left.")
        await press(app, "z")
        await settled(app)
        await shows(app, "Undone: discarded Milk 1 L 4, lot M-2292.")
    assert rows(places, GONE) == [
        (int(MoveKind.DISCARD), -4_000, int(DiscardReason.DAMAGED)),
        (int(MoveKind.DISCARD), 4_000, int(DiscardReason.DAMAGED)),
    ]


async def test_leaving_any_step_discards_nothing(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places) as app:
        await press(app, "f4")
        await shows(app, "LOTS of Bread")
        for keys in (("d", "escape"), ("d", "enter", "escape"), ("d", "enter", "m", "escape")):
            await press(app, *keys)
            await until(lambda: app.screen is app.front)
        await shows(app, "Nothing was discarded.")
    assert rows(places, GONE) == []


async def test_what_was_not_safe_does_not_come_back_by_undo(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places) as app:
        await press(app, "f4")
        await shows(app, "LOTS of Bread")
        await press(app, "d", "enter", "t")
        await say_yes(app)
        await settled(app)
        await shows(app, "Discarded 14 of Bread")
        await press(app, "z")
        await settled(app)
        await shows(app, "Bread was discarded because it was not safe")
    assert len(rows(places, GONE)) == 1


async def test_a_disabled_key_stays_in_its_place_and_gives_its_reason(tmp_path: Path) -> None:
    async with the_screen(a_market(tmp_path)) as app:
        await press(app, "f3")
        assert "- fewer" in text_of(app).splitlines()[-1]
        await press(app, "-")
        await shows(app, "- fewer - no line yet: scan first")
        await press(app, "f1")
        await shows(app, "one more of the line - no line yet: scan first")
