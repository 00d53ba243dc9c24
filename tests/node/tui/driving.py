"""Drive the screen in a test: start it with a standing clock, scan with chosen gaps, wait for it, read its text."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

from textual import events
from textual.screen import Screen

from node import clock
from node.clock import Moment
from node.places import Places
from node.tui.app import LarderApp
from node.tui.dialogs.letters import PAUSE_S
from tests.node.tui.builders import a_moment

WAIT_S = 20.0
POLL_S = 0.005
STEADY_S = 0.3
WAITS_FOR_A_PERSON = frozenset({"dialog", "quit"})  # work that ends when somebody answers, or with the program
# The terminal library's names of keys that type a character.
KEY_EVENTS = {"space": ("space", " "), "slash": ("slash", "/"), "+": ("plus", "+"), "-": ("minus", "-")}


@asynccontextmanager
async def the_screen(
    places: Places, *, now: Callable[[], Moment] = a_moment, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[LarderApp]:
    """Run the app without a terminal until the block ends, and wait for Home first."""
    # Transactions read the same clock, in the writing thread.
    with patch.object(clock, "now", now):
        app = LarderApp(places, now=now)
        try:
            async with app.run_test(size=size):
                await until(lambda: app.status is not None and "Reading" not in text_of(app))
                yield app
        finally:
            app.writer.close()
            app.reader.close()


async def until(holds: Callable[[], object], wait_s: float = WAIT_S) -> None:
    """Wait until something holds; fails after the deadline."""
    deadline_s = time.monotonic() + wait_s
    while not holds():
        assert time.monotonic() < deadline_s, "it never came true"
        await asyncio.sleep(POLL_S)


def text_of(app: LarderApp) -> str:
    """Return what is on the screen as plain lines. Textual has no public way to get it; the version is pinned."""
    if not app.screen_stack:
        return ""
    lines = _lines_of(app.front, app.size.width)
    for dialog in app.screen_stack[app.screen_stack.index(app.front) + 1 :]:
        box = next(iter(dialog.query(".dialog")), None)
        if box is None:
            continue  # not laid out yet
        left, top, width, height = box.region
        above = _lines_of(dialog, app.size.width)
        for row in range(top, min(top + height, len(lines), len(above))):
            lines[row] = lines[row][:left] + above[row][left : left + width] + lines[row][left + width :]
    return "\n".join(line.rstrip() for line in lines)


def _lines_of(screen: Screen[Any], width: int) -> list[str]:
    strips = screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip).ljust(width) for strip in strips]


async def shows(app: LarderApp, words: str) -> None:
    """Wait until the words are on the screen."""
    try:
        await until(lambda: words in text_of(app))
    except AssertionError:
        raise AssertionError(f"{words!r} is not on the screen:\n{text_of(app)}") from None


async def quiet(app: LarderApp) -> None:
    """Wait until no message and no answer waits anywhere: the library's own pause takes far longer.

    What was asked of the database comes back on its own time; a key pressed before would meet a list that is empty.
    """
    turns, deadline_s = 0, time.monotonic() + WAIT_S
    while turns < 3:
        assert time.monotonic() < deadline_s, f"messages wait for ever:\n{text_of(app)}"
        reads = any(not worker.is_finished and worker.group not in WAITS_FOR_A_PERSON for worker in app.workers)
        await asyncio.sleep(POLL_S if reads else 0)
        pumps = [app, *app.screen_stack, *(app.screen.walk_children() if app.screen_stack else [])]
        turns = 0 if reads or any(pump.message_queue_size for pump in pumps) else turns + 1


async def steady(app: LarderApp) -> str:
    """Wait until the text of the screen has stayed the same for a while, and return it."""
    text, same_since_s, deadline_s = text_of(app), time.monotonic(), time.monotonic() + WAIT_S
    while time.monotonic() - same_since_s < STEADY_S:
        assert time.monotonic() < deadline_s, f"it never stays the same:\n{text}"
        await asyncio.sleep(POLL_S)
        before, text = text, text_of(app)
        same_since_s = same_since_s if text == before else time.monotonic()
    return text


async def settled(app: LarderApp) -> None:
    """Wait until nothing is held, asked or unsaved any more."""
    await until(lambda: app._router.deadline_s is None)
    await until(lambda: app.writer.backlog().count == 0)
    await quiet(app)


async def scan(app: LarderApp, code: str, *, gap_ms: float = 2, suffix: tuple[str, ...] = ("enter",)) -> None:
    """Type a code as a scanner does: the events carry chosen times that end now, so gaps are exact and cost no wait."""
    keys = [*code, *suffix]
    at_s = time.monotonic() - len(keys) * gap_ms / 1000
    for key in keys:
        name = {"\x1d": "ctrl+right_square_bracket"}.get(key, key)
        event = events.Key(name, key if len(key) == 1 else None)
        event.time = at_s
        app.post_message(event)
        at_s += gap_ms / 1000
    await quiet(app)
    await until(lambda: app._router.deadline_s is None)
    await quiet(app)


async def press(app: LarderApp, *keys: str) -> None:
    """Press keys one at a time, as a person does: each has acted before the next one comes."""
    for key in keys:
        app.post_message(events.Key(*KEY_EVENTS.get(key, (key, key if len(key) == 1 else None))))
        await quiet(app)
        await until(lambda: app._router.deadline_s is None)
        await quiet(app)


async def say_yes(app: LarderApp) -> None:
    """Answer the open question by a `y` that stands alone: nothing 200 ms before it and nothing after."""
    question = app.screen
    await asyncio.sleep(PAUSE_S + POLL_S)
    await press(app, "y")
    await until(lambda: app.screen is not question)


async def write(app: LarderApp, text: str) -> None:
    """Type text by hand."""
    await press(app, *("space" if character == " " else character for character in text))
