"""Supervised workers: one that fails begins again alone, says why, and stops when told to."""

from __future__ import annotations

import sqlite3
import threading

import pytest

from node import clock
from node.daemon import supervisor
from node.daemon.supervisor import BEAT_MAX_AGE_S, Beat, Worker, sentence_of
from node.errors import LocalFault

WITHIN_S = 20.0


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "RESTART_FIRST_S", 0.001)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (LocalFault("x", "The key is gone."), "The key is gone."),
        (OSError(5, "Input/output error"), "[Errno 5] Input/output error"),
        (sqlite3.OperationalError("locked"), "locked"),
        (ImportError("no", name="paho"), "A part of Larder is not installed (paho)."),
        (ZeroDivisionError(), "ZeroDivisionError"),
    ],
)
def test_a_worker_that_fails_in_any_way_says_so_and_begins_again(error: Exception, sentence: str) -> None:
    stop, again, news = threading.Event(), threading.Event(), []
    troubles: list[str] = []

    def work(beat: Beat) -> None:
        if not troubles:
            troubles.append(sentence_of(error))
            raise error
        troubles.append(worker.trouble)
        beat("")
        again.set()
        stop.wait(WITHIN_S)

    worker = Worker("test", work, stop=stop, on_news=lambda: news.append(1))
    worker.start()
    assert again.wait(WITHIN_S)
    assert troubles == [sentence, sentence]
    assert worker.trouble == ""
    assert len(news) == 2
    stop.set()
    worker.join(WITHIN_S)


def test_a_worker_without_a_beat_counts_as_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker("test", lambda _beat: None, stop=threading.Event(), on_news=lambda: None)
    assert worker.is_alive()
    later_s = clock.monotonic_s() + BEAT_MAX_AGE_S
    monkeypatch.setattr(clock, "monotonic_s", lambda: later_s)
    assert not worker.is_alive()
