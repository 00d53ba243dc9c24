"""A stray scan, over every dialog and every screen there is: it confirms nothing, types nothing, loses nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual.widgets import Input

from node.domain.words import Unit
from node.errors import NeedsYes
from node.tui.app import LarderApp
from node.tui.dialogs.ask_quantity import AskQuantity
from node.tui.dialogs.ask_words import AskWords
from node.tui.dialogs.ask_yes import AskYes
from node.tui.dialogs.base import Dialog
from node.tui.dialogs.choose import Choose
from node.tui.dialogs.commands import Commands
from node.tui.dialogs.confirm_reason import ConfirmReason
from node.tui.dialogs.letters import PAUSE_S
from node.tui.dialogs.new_item import NewItem
from node.tui.dialogs.read_text import ReadText
from node.tui.keys import HOME, Facts
from node.tui.widgets.marked_table import Column
from tests.node.tui.builders import a_market, moves, rows
from tests.node.tui.driving import press, quiet, scan, settled, shows, the_screen, until
from tests.node.tui.walking import dialog_classes, screen_classes

PAYLOADS = {
    "EAN-8": "40170725",
    "EAN-13": "4006381333931",
    "GS1": "0104006381333931\x1d17261129",
    "QR full of keys": "https://d.y/muzy4d1y-dy",
    "6 characters": "dmy123",
    "200 characters": "4d1ymu" * 33 + "zz",
}
SUFFIXES = {"enter": ("enter",), "tab": ("tab",), "lf": ("ctrl+j",), "crlf": ("enter", "ctrl+j"), "none": ()}
GAPS_MS = (0, 2, 10, 30, 60, 120)
FAST_GAPS_MS = (0, 2, 10, 30)

EXAMPLES = {
    AskQuantity: lambda: AskQuantity("How much?", Unit.EACH, 14_000),
    AskWords: lambda: AskWords("Who carries it?", "Carrier", may_be_empty=True),
    AskYes: lambda: AskYes(NeedsYes("sale.beyond_on_hand", "That is more than there is.", "Say yes.")),
    Choose: lambda: Choose("Which?", [Column("Lot", 20)], [("one",), ("two",)]),
    Commands: lambda: Commands(HOME, Facts()),
    ConfirmReason: lambda: ConfirmReason("Discard 14 of Bread?"),
    NewItem: lambda: NewItem(None),
    ReadText: lambda: ReadText("Why", ["one", "two"]),
}
# What the payloads may not do at human speed either: these answers would write or destroy.
QUESTIONS = (AskYes, ConfirmReason)


def is_a_scan(payload: str, suffix: str, gap_ms: int) -> bool:
    return 8 <= len(PAYLOADS[payload]) <= 128 and suffix != "none" and gap_ms in FAST_GAPS_MS


def cases(gaps_ms: tuple[int, ...]) -> list[tuple[str, str, int]]:
    """Every payload with every suffix, the gaps in turn, and every payload at every gap: all pairs, not all triples."""
    pairs = [(payload, suffix) for payload in PAYLOADS for suffix in SUFFIXES]
    made = [(payload, suffix, gaps_ms[number % len(gaps_ms)]) for number, (payload, suffix) in enumerate(pairs)]
    return made + [(payload, "enter", gap_ms) for payload in PAYLOADS for gap_ms in gaps_ms]


def test_every_dialog_has_an_example_here() -> None:
    assert set(dialog_classes()) == set(EXAMPLES)


def fields_of(app: LarderApp) -> dict[str, str]:
    return {field.id or "": field.value for field in app.screen.query(Input).results(Input)}


@pytest.mark.parametrize("dialog_class", EXAMPLES, ids=lambda one: one.__name__)
async def test_no_scan_answers_a_dialog(dialog_class: type[Dialog], tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places) as app:
        # By hand into a field or a list, a code is typing.
        gaps_ms = GAPS_MS if dialog_class in QUESTIONS else FAST_GAPS_MS
        for payload, suffix, gap_ms in dict.fromkeys(cases(gaps_ms)):
            answers: list[object] = []
            dialog = EXAMPLES[dialog_class]()
            app.push_screen(dialog, answers.append)
            await quiet(app)
            before = fields_of(app)
            waiting = len(app._waiting_scans)
            await scan(app, PAYLOADS[payload], gap_ms=gap_ms, suffix=SUFFIXES[suffix])
            if dialog_class in QUESTIONS and dialog._letters.deadline_s is not None:
                await asyncio.sleep(PAUSE_S + 0.05)  # a `y` at the very end would count now
            is_typing = bool(before) and len(PAYLOADS[payload]) < 8  # a short text and Enter, in a field
            assert app.screen is dialog or is_typing, (payload, suffix, gap_ms, answers)
            if is_a_scan(payload, suffix, gap_ms):
                assert fields_of(app) == before, (payload, suffix, gap_ms)
                assert len(app._waiting_scans) == waiting + 1
            while app._waiting_scans.next() is not None:
                pass
            if app.screen is dialog:
                dialog.dismiss(None)
                await quiet(app)
        await settled(app)
    assert moves(places) == []


SCREEN_KEYS = {
    "home": (),
    "receive": ("f2",),
    "sell": ("f3",),
    "stock": ("f4",),
    "cold": ("f5",),
    "card": ("f4", "enter"),
    "peers": ("f8",),
    "plan": ("f6",),
    "sensors": ("f5", "e"),
    "shelves": ("g",),
}


def test_every_screen_is_covered_here() -> None:
    assert {screen.name_of_keys for screen in screen_classes()} == set(SCREEN_KEYS)


async def go_to(app: LarderApp, screen: str) -> None:
    while len(app.screen_stack) > 1:
        app.pop_screen()
    await press(app, *SCREEN_KEYS[screen])


@pytest.mark.parametrize("screen", SCREEN_KEYS)
async def test_a_scan_on_any_screen_destroys_nothing_and_stays_out_of_the_fields(screen: str, tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places) as app:
        for payload, suffix, gap_ms in dict.fromkeys(cases(FAST_GAPS_MS)):
            await go_to(app, screen)
            before = fields_of(app)
            await scan(app, PAYLOADS[payload], gap_ms=gap_ms, suffix=SUFFIXES[suffix])
            await settled(app)
            if is_a_scan(payload, suffix, gap_ms) and not isinstance(app.screen, Dialog):
                after = fields_of(app)
                assert all(after.get(field, "") == text for field, text in before.items()), (payload, suffix, gap_ms)
            if isinstance(app.screen, Dialog):
                app.screen.dismiss(None)
                await quiet(app)
            for field in app.screen.query(Input).results(Input):
                field.value = ""
            while app._waiting_scans.next() is not None:
                pass
        await settled(app)
    discards = rows(places, "SELECT count(*) FROM movement WHERE kind NOT IN (2)")
    assert discards == [(0,)]
    if screen != "sell":
        assert moves(places) == []


async def test_a_scan_into_a_typed_field_leaves_what_was_typed(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places) as app:
        await press(app, "f2")
        await scan(app, "4006381333931")
        await shows(app, "(GTIN 4006381333931)")
        await press(app, "enter", "2", "9")
        await until(lambda: app.screen.query_one("#date", Input).value == "29")
        await scan(app, "40170725")
        await settled(app)
        assert app.screen.query_one("#date", Input).value == "29"
        assert app.screen._item is not None and app.screen._item.name == "Milk 1 L"
