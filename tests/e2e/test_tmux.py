"""The screen in a real terminal: tmux at 80x24 with its own socket, keys and scans sent from outside, text read back.

Every case also asserts that the process is alive, since words can be found inside a traceback too.
"""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.places import Places
from tests.components import need_program
from tests.node.tui.builders import BREAD, MILK, a_market, moves, rows

WAIT_S = 30.0
POLL_S = 0.02
PAUSE_S = 0.3  # before and after a lone `y`


class Tmux:
    """One session of one program, 80x24, on a socket of its own."""

    def __init__(self, command: str, environment: dict[str, str]) -> None:
        self.socket = f"larder-test-{uuid.uuid4().hex[:12]}"
        settings = [f"{name}={value}" for name, value in environment.items()]
        # TERM is set inside: tmux would put its own there.
        # A size in the environment would outrank the real one.
        line = f"env -u COLUMNS -u LINES {' '.join(settings)} {command}; echo ended with $?; exec sleep 600"
        self._tmux("new-session", "-d", "-x", "80", "-y", "24", line)

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self.socket, "-f", "/dev/null", *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout

    def text(self) -> str:
        """Return what is on the screen."""
        return self._tmux("capture-pane", "-p")

    def press(self, *keys: str) -> None:
        """Press keys one at a time, with the gaps of a person."""
        for key in keys:
            self._tmux("send-keys", key)
            time.sleep(0.06)

    def write(self, words: str) -> None:
        """Type text by hand."""
        self.press(*words)

    def scan(self, code: str) -> None:
        """Send a code and Enter as a scanner does, all at once."""
        self._tmux("send-keys", code, "Enter")

    def shows(self, words: str, *, alive: bool = True) -> str:
        """Wait until the words are on the screen."""
        deadline_s = time.monotonic() + WAIT_S
        while words not in (text := self.text()):
            assert time.monotonic() < deadline_s, f"{words!r} is not on the screen:\n{text}"
            assert not alive or "ended with" not in text, text
            time.sleep(POLL_S)
        assert not alive or "Traceback" not in text
        return text

    def close(self) -> None:
        """End the session and what runs in it."""
        subprocess.run(["tmux", "-L", self.socket, "kill-server"], capture_output=True, check=False)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    need_program("tmux")
    return a_market(tmp_path)


@pytest.fixture
def started() -> Iterator[list[Tmux]]:
    sessions: list[Tmux] = []
    yield sessions
    for session in sessions:
        session.close()


def the_screen(sessions: list[Tmux], places: Places, **environment: str) -> Tmux:
    checkout = Path(__file__).parents[2]
    surroundings = {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "PYTHONPATH": str(checkout), **environment}
    session = Tmux(f"{sys.executable} -m node.tui.main {places.root}", surroundings)
    sessions.append(session)
    session.shows("COLD STORAGE")
    return session


def say_yes_where_asked(screen: Tmux) -> None:
    """On a computer whose clock is not set the label is asked about first."""
    deadline_s = time.monotonic() + WAIT_S
    while "saved" not in (text := screen.text()) and time.monotonic() < deadline_s:
        if "y yes" in text:
            time.sleep(PAUSE_S)
            screen.press("y")
            time.sleep(PAUSE_S)
        time.sleep(POLL_S)


def test_a_day_at_the_counter(started: list[Tmux], places: Places) -> None:
    screen = the_screen(started, places)
    screen.shows("Scan a barcode, or type / to search.")

    screen.press("F3")
    screen.shows("LARDER Sell")
    screen.scan(MILK)
    say_yes_where_asked(screen)
    screen.shows(" > Milk 1 L             1         M-2291")
    screen.scan(MILK)
    screen.shows(" > Milk 1 L             2         M-2291")
    screen.press("z")
    screen.shows("Undone: sold Milk 1 L 1, lot M-2291. The opposite entry was added.")
    screen.shows(" > Milk 1 L             1         M-2291")

    screen.press("F2")
    screen.shows("LARDER Receive")
    screen.scan(BREAD)
    screen.shows(" Item      Bread")
    screen.write("B-9")
    screen.press("Enter")
    screen.write("+7")
    screen.press("Enter", "Enter")
    screen.write("12")
    screen.press("Enter")
    screen.write("Baker")
    screen.press("Enter")
    screen.shows("Saved Bread +12, now 26.")
    screen.press("C-z")
    screen.shows("Undone: received Bread 12, lot B-9.")

    screen.press("F4")
    screen.shows("LOTS of Bread")
    screen.press("C-q")
    screen.shows("ended with 0", alive=False)
    assert [quantity for _name, _kind, quantity, _undo in moves(places)] == [-1000, -1000, 1000, -12_000]
    assert rows(places, "SELECT batch, supplier FROM lot WHERE supplier IS NOT NULL") == [("B-9", "Baker")]


def test_a_discard_takes_letters_and_a_scan_in_front_of_it_waits(started: list[Tmux], places: Places) -> None:
    screen = the_screen(started, places)
    screen.press("F4")
    screen.shows("LOTS of Bread")
    screen.press("d")
    screen.shows("How much of lot B-1122")
    screen.press("Enter")
    screen.shows("Why? Press one letter")
    screen.scan(MILK)
    screen.shows("1 scan waiting")
    screen.press("Enter", "Space", "m")
    screen.shows("Now press y alone")
    time.sleep(PAUSE_S)
    screen.press("y")
    screen.shows("gtin/04006381333931")
    assert rows(places, "SELECT kind, quantity_milli FROM movement") == [(4, -14_000)]


@pytest.mark.parametrize(
    "environment",
    [
        {"TERM": "linux"},
        {"TERM": "xterm-256color"},
        {"TERM": "vt100", "LC_ALL": "C"},
        {"TERM": "dumb"},
        {"NO_COLOR": "1"},
    ],
    ids=["linux", "xterm-256color", "vt100 with LANG=C", "dumb", "NO_COLOR"],
)
def test_every_terminal_shows_words_and_answers_keys(
    environment: dict[str, str], started: list[Tmux], places: Places
) -> None:
    screen = the_screen(started, places, **environment)
    screen.shows("NOW - what needs a person")
    screen.press("F4")
    screen.shows("LOTS of Bread")
    screen.press("Down")
    screen.shows(" > Milk 1 L")
    screen.press("F1")
    screen.shows("A scan works everywhere.")
    screen.press("Escape")
    screen.press("C-q")
    screen.shows("ended with 0", alive=False)


def test_a_smaller_window_keeps_what_is_typed(started: list[Tmux], places: Places) -> None:
    screen = the_screen(started, places)
    screen.press("F2")
    screen.scan(MILK)
    screen.shows(" Item      Milk 1 L")
    screen.write("M-5")
    screen._tmux("resize-window", "-x", "60", "-y", "15")
    screen.shows("-- not shown: Lot, Date")
    screen.shows(" Lot       [M-5")
    screen._tmux("resize-window", "-x", "38", "-y", "9")
    screen.shows("The window is too small")
    screen._tmux("resize-window", "-x", "80", "-y", "24")
    screen.shows(" Lot       [M-5")
