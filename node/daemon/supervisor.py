"""Threads that are started again when they fail, each alone, and the word of how each is.

Not the work and not the service manager. Owns the rule that one worker's failure ends no other: it is said in a
sentence, and that worker begins again after a pause that grows.
"""

from __future__ import annotations

import sqlite3
import threading
import traceback
from collections.abc import Callable

from tenacity import Retrying, retry_if_exception_type, stop_never, wait_exponential_jitter

from node import clock
from node.daemon.notify import report
from node.errors import LarderError
from node.language import _, error_text

# A worker whose last beat is older than this is stuck, and the watchdog must not be fed.
BEAT_MAX_AGE_S = 45.0
RESTART_FIRST_S = 0.5
RESTART_LAST_S = 30.0

Beat = Callable[[str], None]


class Worker:
    """One supervised thread. `work` gets its beat, runs until `stop` is set and may raise whatever it likes."""

    def __init__(
        self, name: str, work: Callable[[Beat], None], *, stop: threading.Event, on_news: Callable[[], None]
    ) -> None:
        self.name = name
        self._work = work
        self._stop = stop
        self._on_news = on_news
        self._beaten_s = clock.monotonic_s()
        self._trouble = ""
        self._thread = threading.Thread(target=self._keep_working, name=name, daemon=True)

    @property
    def trouble(self) -> str:
        """Return what is wrong in one sentence, or nothing."""
        return self._trouble

    def is_alive(self) -> bool:
        """Tell whether the last beat is young enough."""
        return clock.monotonic_s() - self._beaten_s < BEAT_MAX_AGE_S

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def join(self, within_s: float) -> None:
        """Wait for the end, which the stop signal brings."""
        self._thread.join(within_s)

    def beat(self, trouble: str) -> None:
        """Say that the worker is alive, and what troubles it."""
        self._beaten_s = clock.monotonic_s()
        if trouble != self._trouble:
            self._trouble = trouble
            self._on_news()

    def _keep_working(self) -> None:
        policy = Retrying(
            retry=retry_if_exception_type(Exception),
            wait=wait_exponential_jitter(multiplier=RESTART_FIRST_S, max=RESTART_LAST_S),
            stop=stop_never,
            sleep=self._pause,
        )
        for attempt in policy:
            with attempt:
                if self._stop.is_set():
                    return
                self._work_once()

    def _work_once(self) -> None:
        try:
            self._work(self.beat)
        except Exception as error:
            sentence = sentence_of(error)
            self.beat(sentence)
            report(f"{self.name}: {sentence}")
            if not isinstance(error, LarderError | OSError | sqlite3.Error):
                report("".join(traceback.format_exception(error)).rstrip())
            raise

    def _pause(self, seconds: float) -> None:
        self._stop.wait(seconds)


def sentence_of(error: Exception) -> str:
    """Return an error as one line for the journal and the screen."""
    if isinstance(error, LarderError):
        return " ".join(part for part in error_text(error) if part)
    if isinstance(error, ImportError):
        return _("A part of Larder is not installed ({name}).").format(name=error.name or str(error))
    return str(error) or type(error).__name__
