"""The real screen on a pseudo terminal of 80 by 24, read row by row as a person sees it, after each piece of output."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyte

from tests.e2e.mutants import AS_IT_IS, Build
from tests.faults import faulty
from tests.node.tui.terminal import HEIGHT, WIDTH, Terminal

DEADLINE_S = 90.0


class SeenTerminal(Terminal):
    """`larder tui` in a terminal that is drawn. `rows` is what a person sees after the last `read`."""

    def __init__(self, data: Path, *, sync_ms: tuple[int, int], build: Build = AS_IT_IS) -> None:
        environment = {**faulty(data, sync_ms=sync_ms), **build.environment, "TERM": "xterm-256color"}
        super().__init__([sys.executable, "-m", "node.cli.main", "--data", str(data), "tui"], environment)
        self._screen = pyte.Screen(WIDTH, HEIGHT)
        self._stream = pyte.ByteStream(self._screen)

    @property
    def rows(self) -> list[str]:
        return list(self._screen.display)

    def read(self, wait_s: float) -> bytes:
        """Return what is written within the wait, after drawing it."""
        fresh = super().read(wait_s)
        self._stream.feed(fresh)
        return fresh

    def see(self, wanted: Callable[[list[str]], bool], *, what: str) -> None:
        """Look after each piece of output until the rows are as wanted; fail with the rows at the deadline."""
        end_s = time.monotonic() + DEADLINE_S
        while not wanted(self.rows):
            if not self.read(max(0.0, end_s - time.monotonic())):
                shown = "\n".join(self.rows)
                raise AssertionError(f"never seen: {what}. Ended: {self.process.poll()}. The screen:\n{shown}")

    def see_words(self, *words: str) -> None:
        """Wait until all these words are on the screen at once."""
        self.see(lambda rows: all(any(word in row for row in rows) for word in words), what=" and ".join(words))
