"""Shows Larder at work: two markets, one with virtual devices, and a screen or a story in plain lines.

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
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from demo_conclude import conclude
from demo_market import BROKERS, default_broker
from demo_processes import ROOT, Failed, say
from demo_screen import show_screen
from demo_story import play
from demo_town import Town

_ = gettext.translation("larder", ROOT / "node" / "locale", fallback=True).gettext

EXIT_GOOD, EXIT_FAILED = 0, 1
SECONDS_DEFAULT = 60.0
PLANNERS = HONEST, FLAKY = "honest", "flaky"


class Stopped(BaseException):
    """A signal asked for the end. Like KeyboardInterrupt it passes the handlers of ordinary errors."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def parsed(arguments: list[str]) -> argparse.Namespace:
    """Read the options."""
    parser = argparse.ArgumentParser(
        prog="deploy/demo",
        description=_("Show Larder: two markets, Harbour with three virtual devices, and Harbour's screen."),
        epilog=_("Exit: 0 good, 1 something failed, 2 wrong usage, 3 a requirement is missing."),
    )
    parser.add_argument("--seconds", type=float, metavar="N", help=_("end by itself after N seconds"))
    parser.add_argument("--plain", action="store_true", help=_("no screen: play a story, one fact a line"))
    parser.add_argument(
        "--outage", action="store_true", help=_("with --plain: stop the planner, cut the markets off, heal")
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help=_("keep the markets in DIR/harbour and DIR/mill-road, or open them again"),
    )
    parser.add_argument(
        "--broker", choices=BROKERS, help=_("which MQTT broker; mosquitto where it is installed, else the embedded one")
    )
    parser.add_argument(
        "--planner", choices=PLANNERS, default=HONEST, help=_("'flaky': a central planner that lies and fails in turn")
    )
    parser.add_argument("--keep", action="store_true", help=_("keep the folder that is made without --data"))
    options = parser.parse_args(arguments)
    if options.data is not None and options.data.exists() and not options.data.is_dir():
        parser.error(_("{path} is not a folder; name another one with --data").format(path=options.data))
    if options.seconds is not None and not 0 < options.seconds < float("inf"):
        parser.error(_("--seconds takes a number above 0"))
    has_terminal = sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    options.plain = options.plain or not has_terminal
    if options.outage and not options.plain:
        parser.error(_("--outage goes with --plain; the screen has it among its commands (Ctrl+P)"))
    if options.plain and options.seconds is None:
        options.seconds = SECONDS_DEFAULT
    return options


def stop_at(number: int, _frame: FrameType | None) -> None:
    """End the story at a signal."""
    raise Stopped(number)


@contextmanager
def folder_of(options: argparse.Namespace) -> Iterator[Path]:
    """Yield the folder of the markets: the chosen one, or one of its own that goes at the end."""
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
            print(_("The markets lie in {folder}").format(folder=folder), file=sys.stderr)


def run(options: argparse.Namespace, folder: Path) -> int:
    """Open the markets, show them, end everything; return the exit code."""
    began_s = time.monotonic()
    town = Town(folder, broker=options.broker or default_broker(), is_flaky=options.planner == FLAKY)
    facts, problems, code = None, [], EXIT_FAILED
    try:
        say(_("Harbour and Mill Road are opened in {folder}").format(folder=folder))
        town.open()
        if options.plain:
            facts = play(town, options.seconds - (time.monotonic() - began_s), has_outage=options.outage)
        else:
            code = show_screen(town, options.seconds)
    finally:
        # A second signal must not end this half way.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        problems = town.close()
    if facts is not None:
        return EXIT_GOOD if conclude(town, facts, problems, has_outage=options.outage) else EXIT_FAILED
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
            say(json.dumps({"format": "larder-demo/2", "passed": False, "error": str(error)}, ensure_ascii=False))
        return EXIT_FAILED


if __name__ == "__main__":
    sys.exit(main())
