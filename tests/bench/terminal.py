"""How long the screen takes, against the smallest app of the same library in the same run on the same machine.

`python -m tests.bench.terminal [--quick]`; the last line is one JSON object. Figures: `first_paint`, from exec to the
words of Home read from a market of 500 items (goal: at most 2.0 times); `key`, from a key in the stock list to the
changed screen (2.0); `place`, from an F-key to a screen seen before, against the key in the minimal app (3.0).
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

from tests.bench.minimal_app import WORDS
from tests.bench.report import Figure, report
from tests.node.tui.builders import a_market
from tests.node.tui.terminal import Terminal

ITEMS = 500
STARTS, STARTS_QUICK = 5, 3
KEYS, KEYS_QUICK = 31, 11
HOME_WORDS = b"Scan a barcode"  # drawn once the market was read
DOWN, F4, F5 = b"\x1b[B", b"\x1bOS", b"\x1b[15~"


def environment() -> dict[str, str]:
    """Return the same surroundings for both programs."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    return {**kept, "TERM": "xterm-256color", "LANG": "C.UTF-8", "TEXTUAL_ANIMATIONS": "none"}


def larder(folder: Path) -> list[str]:
    """Return the command of the screen, without the verbs around it."""
    return [sys.executable, "-m", "node.tui.main", str(folder)]


def minimal(*options: str) -> list[str]:
    """Return the command of the minimal app."""
    return [sys.executable, "-m", "tests.bench.minimal_app", *options]


def first_paint_s(command: list[str], words: bytes) -> float:
    """Start a program and return the seconds until its words are on the terminal."""
    with Terminal(command, environment()) as terminal:
        return terminal.wait_for(words) - terminal.began_s


def first_paints(folder: Path, starts: int) -> tuple[float, float]:
    """Return the medians of alternating starts: the screen's and the minimal app's."""
    pairs = [
        (first_paint_s(larder(folder), HOME_WORDS), first_paint_s(minimal(), WORDS.encode()))
        for _start in range(starts + 1)
    ][1:]  # the first pair only warms the file cache
    return statistics.median(ours for ours, _theirs in pairs), statistics.median(theirs for _ours, theirs in pairs)


def keys(folder: Path, presses: int) -> tuple[float, float, float]:
    """Return the medians of a key in the stock list, of F4 to the list seen before, and of a key in the minimal app."""
    with (
        Terminal(larder(folder), environment()) as ours,
        Terminal(minimal("--table"), environment()) as theirs,
    ):
        ours.wait_for(HOME_WORDS)
        theirs.wait_for(WORDS.encode())
        since = len(ours.output)
        ours.press(F4)
        ours.wait_for(b"LOTS of", since=since)
        pairs = [(ours.time_key(DOWN), theirs.time_key(DOWN)) for _press in range(presses)]
        places = []
        for _press in range(presses // 2):
            ours.press(F5)
            ours.wait_for_quiet()
            places.append(ours.time_key(F4))
    key_s = statistics.median(mine for mine, _theirs in pairs)
    return key_s, statistics.median(places), statistics.median(other for _mine, other in pairs)


def main() -> None:
    """Measure and print."""
    is_quick = "--quick" in sys.argv
    with tempfile.TemporaryDirectory() as folder:
        places = a_market(Path(folder), items=ITEMS)
        paint_s, minimal_paint_s = first_paints(places.root, STARTS_QUICK if is_quick else STARTS)
        key_s, place_s, minimal_key_s = keys(places.root, KEYS_QUICK if is_quick else KEYS)
    report(
        "terminal",
        [
            Figure("first_paint", paint_s * 1000, "ms", "minimal textual app", minimal_paint_s * 1000),
            Figure("key", key_s * 1000, "ms", "down in a DataTable of 100 rows", minimal_key_s * 1000),
            Figure("place", place_s * 1000, "ms", "down in a DataTable of 100 rows", minimal_key_s * 1000),
        ],
    )


if __name__ == "__main__":
    main()
