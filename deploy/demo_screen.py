"""Harbour's screen on this terminal, with the town around it; the screen can ask for the outage and for its end.

Not the screen (`larder tui`), which learns of the demo by one variable alone: the path of a file. Where that file
appears, the outage begins, or ends; the file is taken away once it is so.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import termios
import time

from demo_market import Market
from demo_processes import BIN
from demo_story import deliver
from demo_town import Town

EXIT_GOOD = 0
POLL_S = 0.2
SCREEN_ENDS_WITHIN_S = 10.0
CONTROL = "LARDER_DEMO_CONTROL"
# What a screen that was ended from outside could not undo itself: the second page, the hidden cursor, reports of the
# mouse, of focus and of pasting, colours.
TERMINAL_PLAIN_AGAIN = "\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1004l\x1b[?2004l\x1b[0m"


def show_screen(town: Town, seconds: float | None) -> int:
    """Run the screen on this terminal until it is left, or for a number of seconds; return its exit code."""
    before = termios.tcgetattr(sys.stdin)
    ends_s = None if seconds is None else time.monotonic() + seconds
    control = town.own / "control"
    control.unlink(missing_ok=True)
    # The screen reads Ctrl-C as a key.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    command = [str(BIN / "larder"), "--data", str(town.harbour.folder), "tui"]
    environment = {**os.environ, CONTROL: str(control)}
    screen = subprocess.Popen(command, env=environment, preexec_fn=town.processes.tie)
    try:
        if _is_empty(town.mill_road):
            deliver(town)
        while screen.poll() is None and (ends_s is None or time.monotonic() < ends_s):
            if control.exists():
                _begin_or_end_outage(town)
                control.unlink()
            time.sleep(POLL_S)
        return screen.returncode or EXIT_GOOD
    finally:
        if screen.poll() is None:
            screen.terminate()
            try:
                screen.wait(SCREEN_ENDS_WITHIN_S)
            except subprocess.TimeoutExpired:
                screen.kill()
                screen.wait()
            print(TERMINAL_PLAIN_AGAIN, end="", flush=True)
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _is_empty(market: Market) -> bool:
    return not market.verb("history")["movements"]


def _begin_or_end_outage(town: Town) -> None:
    if town.is_cut:
        town.end_outage()
        return
    town.begin_outage()
    # Mill Road is at work as well, which Harbour hears of when it is over.
    town.mill_road.verb("sell", "food/pears", "1", "--yes")
