"""The table of keys: complete, without clashes, without digits, and every action exists."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest
from textual.actions import parse

from node.tui.app import LarderApp
from node.tui.keys import (
    EVERYWHERE,
    FOOTER_CELLS_MAX,
    FOOTERS,
    KEYS,
    SCREENS,
    Facts,
    bindings_of,
    documented_keys,
    key_by_id,
    keys_of,
)
from node.tui.widgets.footer import footer_text
from tests.node.tui.builders import a_market
from tests.node.tui.driving import press, shows, text_of, the_screen, write
from tests.node.tui.walking import dialog_classes, screen_classes

ALLOWED = re.compile(r"f[1-9]|[a-z]|ctrl\+[a-z]|slash|question_mark|plus|minus|enter|escape|space|delete|tab")
# What a letter means everywhere, where it is bound at all.
RESERVED = {
    "z": "undo",
    "c": "count",
    "d": "discard",
    "k": "acknowledge",
    "r": "reading",
    "w": "why",
    "v": "view",
    "b": "ask_peers",
    "f": "filter",
    "n": "new",
    "u": "export",
    "slash": "search",
    "question_mark": "help",
    "ctrl+z": "undo",
    "ctrl+s": "save",
    "ctrl+p": "help",
    "ctrl+q": "quit",
    "enter": "open",
    "escape": "back",
}
HAND_OVER_STEPS = frozenset({"accept", "send", "receive", "cancel", "withdraw", "refuse", "book"})
EVERY_STEP = HAND_OVER_STEPS | {
    "accept_plan",
    "withdraw_plan",
    "cook",
    "other_plan",
    "acknowledge",
    "lift",
    "withdraw_calibration",
    "confirm_step",
    "confirm_shelf",
    "dismiss_step",
}
LETTERS_THAT_MAY_DIFFER = set("aeghilmopstx") | {"plus", "minus"}


def names(keys: str) -> list[str]:
    return keys.split(",")


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.key_id)
def test_every_key_is_allowed_named_and_explained(key) -> None:
    assert all(ALLOWED.fullmatch(name) for name in names(key.keys))
    assert key.shown and key.label and key.help
    assert not any(name.isdigit() for name in names(key.keys))


@pytest.mark.parametrize("screen", SCREENS)
def test_no_key_means_two_things_on_one_screen(screen: str) -> None:
    bound = [name for key in keys_of(screen) for name in names(key.keys)]

    assert len(bound) == len(set(bound))


def test_ids_are_unique_and_found() -> None:
    assert len({key.key_id for key in KEYS}) == len(KEYS)
    assert all(key_by_id(key.key_id) is key for key in KEYS)


def test_reserved_keys_mean_the_same_everywhere() -> None:
    for key in KEYS:
        for name in names(key.keys):
            if name in RESERVED:
                assert key.action == RESERVED[name]
            elif not name.startswith("f"):
                assert name in LETTERS_THAT_MAY_DIFFER


def test_every_action_exists_and_its_arguments_parse() -> None:
    classes = {screen.name_of_keys: screen for screen in screen_classes()}
    assert set(classes) == set(SCREENS)
    for screen in (EVERYWHERE, *SCREENS):
        for binding in bindings_of(screen):
            namespace, action, arguments = parse(binding.action)
            assert (namespace, action, len(arguments)) == ("app", "do", 1)
            method = f"do_{key_by_id(arguments[0]).action}"
            holders = [LarderApp] if screen == EVERYWHERE else [classes[screen]]
            if method == "do_back" or (screen == EVERYWHERE and method == "do_new"):
                holders = list(classes.values())
            assert all(callable(getattr(holder, method, None)) for holder in holders), method


@pytest.mark.parametrize("screen", SCREENS)
def test_every_footer_fits_eighty_cells_and_names_keys_that_act_there(screen: str) -> None:
    assert len(footer_text(screen, FOOTER_CELLS_MAX)) <= FOOTER_CELLS_MAX
    acting = {key.key_id for key in keys_of(screen)}
    assert set(FOOTERS[screen]) <= acting


def test_a_key_that_needs_something_gives_its_reason() -> None:
    nothing, everything = Facts(), Facts(True, True, True, True, True, True, EVERY_STEP)
    for key in KEYS:
        assert key.disabled(everything) is None
        reason = key.disabled(nothing)
        assert reason is None or reason.strip()
    assert {key.key_id for key in KEYS if key.disabled(nothing)} == {
        "back",
        "open",
        "receive.save",
        "sell.more",
        "sell.fewer",
        "sell.lot",
        "sell.done",
        "stock.card",
        "stock.discard",
        "card.discard",
        "plan.accept",
        "plan.why",
        "plan.withdraw",
        "plan.cook",
        "plan.other",
        "plan.seen",
        "peers.offer",
        "peers.accept",
        "peers.send",
        "peers.receive",
        "peers.back",
        "peers.book",
        "peers.sync",
        "card.lift",
        "sensors.set",
        "sensors.back",
        "shelves.yes",
        "shelves.all",
        "shelves.say",
        "shelves.no",
    }


def test_dialogs_bind_no_digit_and_destructive_ones_no_enter_and_no_space() -> None:
    for dialog in dialog_classes():
        keys = {name for binding in dialog.BINDINGS for name in names(getattr(binding, "key", ""))}
        assert not any(name.isdigit() for name in keys)
        if dialog.is_destructive:
            assert not keys & {"enter", "space", "y"}


def test_the_key_card_names_every_key_once() -> None:
    card = documented_keys()

    assert len(card) == len(set(card))
    assert {shown for shown, _help in card} == {key.shown for key in KEYS}


async def test_the_outage_is_offered_only_while_the_demo_is_behind_the_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places, control = a_market(tmp_path / "data"), tmp_path / "control"
    async with the_screen(places) as app:
        await press(app, "ctrl+p")
        await write(app, "outage")
        assert "Outage: start / end" not in text_of(app)
        await press(app, "escape")
        app.action_do("outage")
    assert not control.exists()
    monkeypatch.setenv("LARDER_DEMO_CONTROL", str(control))
    async with the_screen(places) as app:
        await press(app, "ctrl+p")
        await write(app, "outage")
        await shows(app, "Outage: start / end")
        await press(app, "enter")
        await shows(app, "Asked the demo: the outage begins, or ends.")
    assert control.exists()


def test_nothing_of_the_screen_needs_a_module_that_is_not_there() -> None:
    for module in ("app", "keys", "scan", "writer", "queries", "themes"):
        import_module(f"node.tui.{module}")
