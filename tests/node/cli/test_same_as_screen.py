"""Each flow both ways: what a person does on the screen and what the verb does append the same events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from unittest.mock import patch

import msgspec
import pytest

from node import clock
from node.places import Places
from node.tui.app import LarderApp
from tests.node.cli.verbs import lines
from tests.node.tui.builders import MILK, a_market, a_moment, rows
from tests.node.tui.driving import press, say_yes, scan, settled, shows, the_screen, until, write

Keys = Callable[[LarderApp], Awaitable[None]]
LAST_SEQ = "SELECT max(seq) FROM pending"


def appended_after(places: Places, seq: int) -> list[tuple[object, ...]]:
    """Return the events after a number: type, version, clock, person and fact, with streams by order of appearance."""
    query = f"SELECT type, version, clock, who, seq, fact FROM pending WHERE seq > {seq} ORDER BY seq"
    ((own,),) = rows(places, "SELECT stream FROM writer")
    return [(*row[:-1], _without_stream(msgspec.msgpack.decode(row[-1]), own)) for row in rows(places, query)]


def _without_stream(value: object, own: object) -> object:
    """Replace our own stream, which is random, by a word."""
    if isinstance(value, list):
        return [_without_stream(part, own) for part in value]
    return "our stream" if value == own else value


async def sell_one(app: LarderApp) -> None:
    await press(app, "f3")
    await scan(app, MILK)


async def sell_and_undo(app: LarderApp) -> None:
    await sell_one(app)
    await settled(app)
    await press(app, "z")


async def sell_beyond_the_books(app: LarderApp) -> None:
    await press(app, "f3", "slash")
    await write(app, "loose")
    await press(app, "enter")
    await shows(app, "How much Tomatoes, loose?")
    await write(app, "20")
    await press(app, "enter")
    await shows(app, "That is more Tomatoes, loose than the books have")
    await say_yes(app)


async def receive_with_a_label(app: LarderApp) -> None:
    await press(app, "f2")
    await scan(app, MILK)
    await shows(app, " Item      Milk 1 L")
    for typed in ("M-7", "2911", "", "24", "Green Dairy"):
        await write(app, typed)
        await press(app, "enter")


async def discard_a_part(app: LarderApp) -> None:
    await press(app, "f4")
    await shows(app, "LOTS of Bread")
    await press(app, "down")
    await shows(app, "LOTS of Milk 1 L")
    await press(app, "d")
    await shows(app, "Which lot of Milk 1 L?")
    await press(app, "down", "enter")
    await shows(app, "How much of lot M-2292")
    await press(app, "4", "enter")
    await shows(app, "Discard 4 of Milk 1 L")
    await press(app, "b")
    await say_yes(app)


@pytest.mark.parametrize(
    ("keys", "verbs"),
    [
        (sell_one, [("sell", MILK)]),
        (sell_and_undo, [("sell", MILK), ("undo",)]),
        (sell_beyond_the_books, [("sell", "Tomatoes, loose", "20", "--yes")]),
        (
            receive_with_a_label,
            [("receive", MILK, "24", "--batch", "M-7", "--use-by", "2911", "--supplier", "Green Dairy")],
        ),
        (
            discard_a_part,
            [("discard", "Milk 1 L", "4", "--lot", "M-2292", "--reason", "damaged", "--yes")],
        ),
    ],
)
async def test_a_screen_and_its_verb_append_the_same_events(
    tmp_path: Path, keys: Keys, verbs: list[tuple[str, ...]]
) -> None:
    by_keys, by_verbs = a_market(tmp_path / "keys"), a_market(tmp_path / "verbs")
    ((before,),) = rows(by_keys, LAST_SEQ)
    assert isinstance(before, int)
    with patch.object(clock, "now", a_moment):
        for arguments in verbs:
            lines(by_verbs, *arguments)
    expected = appended_after(by_verbs, before)
    assert expected
    async with the_screen(by_keys) as app:
        await keys(app)
        await settled(app)
        await until(lambda: len(appended_after(by_keys, before)) >= len(expected))
    assert appended_after(by_keys, before) == expected
