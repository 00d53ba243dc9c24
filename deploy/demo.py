"""Shows Larder at work: one market with virtual devices, and its screen or a story in plain lines.

It is not a test and not a way to run a market. It starts the real commands and talks to them as a person would.
Owns how it ends: by itself, at a signal or by a mistake of its own, everything it started has ended before it has.
"""

from __future__ import annotations

import argparse
import gettext
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from demo_market import BIN, ROOT, Failed, Market, say
from demo_story import conclude, play

_ = gettext.translation("larder", ROOT / "node" / "locale", fallback=True).gettext

EXIT_GOOD, EXIT_FAILED = 0, 1
SECONDS_DEFAULT = 60.0
SCREEN_ENDS_WITHIN_S = 10.0
# What a screen that was ended from outside could not undo itself: the second page, the hidden cursor, reports of the
# mouse, of focus and of pasting, colours.
TERMINAL_PLAIN_AGAIN = "\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1004l\x1b[?2004l\x1b[0m"


class Stopped(BaseException):
    """A signal asked for the end. Like KeyboardInterrupt it passes the handlers of ordinary errors."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def parsed(arguments: list[str]) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(
        prog="deploy/demo",
        description=_("Show Larder: a market with three virtual devices, and its screen."),
        epilog=_("Exit: 0 good, 1 something failed, 2 wrong usage, 3 a requirement is missing."),
    )
    parser.add_argument("--seconds", type=float, metavar="N", help=_("end by itself after N seconds"))
    parser.add_argument("--plain", action="store_true", help=_("no screen: play a story, one fact a line"))
    parser.add_argument("--data", type=Path, metavar="DIR", help=_("keep the market in this folder, or open it again"))
    parser.add_argument("--keep", action="store_true", help=_("keep the folder that is made without --data"))
    options = parser.parse_args(arguments)
    if options.data is not None and options.data.exists() and not options.data.is_dir():
        parser.error(_("{path} is not a folder; name another one with --data").format(path=options.data))
    if options.seconds is not None and not 0 < options.seconds < float("inf"):
        parser.error(_("--seconds takes a number above 0"))
    has_terminal = sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    options.plain = options.plain or not has_terminal
    if options.plain and options.seconds is None:
        options.seconds = SECONDS_DEFAULT
    return options


def stop_at(number: int, _frame: FrameType | None) -> None:
    """End the story at a signal."""
    raise Stopped(number)


@contextmanager
def folder_of(options: argparse.Namespace) -> Iterator[Path]:
    """Yield the folder of the market: the chosen one, or one of its own that goes at the end."""
    if options.data is not None:
        folder = options.data.resolve()
        folder.mkdir(parents=True, exist_ok=True)
    else:
        folder = Path(tempfile.mkdtemp(prefix="larder-demo-")).resolve()
    try:
        yield folder
    finally:
        if options.data is None and not options.keep:
            shutil.rmtree(folder)
        else:
            # Beside the facts, because the last of those is for programs.
            print(_("The market lies in {folder}").format(folder=folder), file=sys.stderr)


def show_screen(market: Market, seconds: float | None) -> int:
    """Run the screen on this terminal until it is left, or for a number of seconds; return its exit code."""
    before = termios.tcgetattr(sys.stdin)
    # The screen reads Ctrl-C as a key.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    screen = subprocess.Popen([str(BIN / "larder"), "--data", str(market.folder), "tui"], preexec_fn=market.tie)
    try:
        return screen.wait(seconds)
    except subprocess.TimeoutExpired:
        return EXIT_GOOD
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


def run(options: argparse.Namespace, folder: Path) -> int:
    """Open the market, show it, end everything; return the exit code."""
    market = Market(folder)
    facts, problems, code = None, [], EXIT_FAILED
    try:
        market.open()
        if options.plain:
            say(_("Harbour is open in {folder}").format(folder=folder))
            facts = play(market, options.seconds)
        else:
            code = show_screen(market, options.seconds)
    finally:
        # A second signal must not end this half way.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        problems = market.close()
    if facts is not None:
        return EXIT_GOOD if conclude(market, facts, problems) else EXIT_FAILED
    for problem in problems:
        say(problem)
    return code or (EXIT_FAILED if problems else EXIT_GOOD)


def main() -> int:
    """Show the demo and return the exit code."""
    options = parsed(sys.argv[1:])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop_at)
    try:
        with folder_of(options) as folder:
            return run(options, folder)
    except Stopped as stopped:
        print(_("Stopped."), file=sys.stderr)
        return 128 + stopped.number
    except BrokenPipeError:
        # Whoever read the facts has gone, so there is nobody to tell; Python must not try again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except (Failed, OSError) as error:
        print(f"FAIL: {error}", file=sys.stderr)
        if options.plain:
            say(json.dumps({"format": "larder-demo/1", "passed": False, "error": str(error)}, ensure_ascii=False))
        return EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
