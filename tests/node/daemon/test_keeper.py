"""The keeper as the one writing thread: it does others' jobs, seals when it may, and refuses when it cannot write."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from node import clock
from node.actions.keeping import open_market
from node.daemon import keeper as keeper_module
from node.daemon.keeper import ALONE_AFTER_S, Keeper
from node.errors import LarderError, LocalFault, NotSavedNow
from node.ledger.jobs import Jobs, do_now
from node.ledger.read import open_reader, pending_count
from node.places import Places
from node.sync.audience import Audience
from tests.node.builders import a_received_lot, a_sale, an_item, an_open_market
from tests.node.sync.brokers import WITHIN_S, wait_until


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A market with facts that nobody signed yet."""
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        a_received_lot(store, item)
        a_sale(store, item)
    return Places(tmp_path)


@contextmanager
def keeping(places: Places, jobs: Jobs, audience: Audience) -> Iterator[None]:
    """A keeper at work in a thread of its own."""
    stop = threading.Event()
    keeper = Keeper(places, jobs=jobs, audience=audience, stop=stop, beat=lambda _trouble: None)
    thread = threading.Thread(target=keeper.run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(WITHIN_S)
        assert not thread.is_alive()


def pending(places: Places) -> int:
    reader = open_reader(places)
    try:
        return pending_count(reader)
    finally:
        reader.close()


def test_it_does_jobs_between_its_own_work_and_answers_each(places: Places) -> None:
    jobs = Jobs()
    with keeping(places, jobs, Audience()):
        for number in range(5):
            result = do_now(
                jobs,
                "test",
                lambda tx, n=number: (
                    tx.connection.execute("INSERT OR REPLACE INTO setting VALUES ('x', ?)", (n,)) and n
                ),
                within_s=WITHIN_S,
            )
            assert result == number
        with pytest.raises(ZeroDivisionError):
            do_now(jobs, "test", lambda _tx: 1 // 0, within_s=WITHIN_S)
        wait_until(lambda: pending(places) == 0, "the seal")


def test_it_seals_nothing_while_our_own_blocks_are_on_their_way_back(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper_module, "AGE_SOON_S", 0.0)
    jobs, audience = Jobs(), Audience()
    waiting = pending(places)
    assert waiting > 0
    audience.hold(clock.monotonic_s())
    with keeping(places, jobs, audience):
        # Two rounds have passed once two jobs are done, and each round looks whether to seal.
        for _round in range(2):
            do_now(jobs, "test", lambda _tx: None, within_s=WITHIN_S)
        assert pending(places) == waiting
    assert pending(places) == waiting  # not even at the end
    audience.release()
    with keeping(places, jobs, audience):
        wait_until(lambda: pending(places) == 0, "the seal")


def test_it_seals_soon_while_somebody_is_heard_and_in_larger_blocks_while_nobody_is(places: Places) -> None:
    audience = Audience()
    keeper = Keeper(places, jobs=Jobs(), audience=audience, stop=threading.Event(), beat=lambda _trouble: None)
    store = open_market(places)
    try:
        start_s = clock.monotonic_s() + ALONE_AFTER_S
        assert not keeper._is_due(store, start_s)  # the first look begins the count
        assert not keeper._is_due(store, start_s + keeper_module.AGE_SOON_S)
        audience.heard(start_s)
        assert keeper._is_due(store, start_s + keeper_module.AGE_SOON_S)
        assert keeper._is_due(store, start_s + keeper_module.AGE_ALONE_S)
    finally:
        store.close()


def test_without_the_key_whoever_waits_is_told_why(places: Places) -> None:
    places.node_key.unlink()
    jobs = Jobs()
    answers: list[object] = []
    jobs.submit("test", lambda _tx: None, answers.append)
    keeper = Keeper(places, jobs=jobs, audience=Audience(), stop=threading.Event(), beat=lambda _trouble: None)
    with pytest.raises(LocalFault, match="key"):
        keeper.run()
    (outcome,) = answers
    assert isinstance(outcome.error, LarderError)


def test_what_comes_too_late_is_refused_in_words(places: Places) -> None:
    jobs, stop = Jobs(), threading.Event()
    stop.set()
    answers: list[object] = []
    for _number in range(keeper_module.JOBS_PER_ROUND + 1):
        jobs.submit("test", lambda _tx: None, answers.append)
    Keeper(places, jobs=jobs, audience=Audience(), stop=stop, beat=lambda _trouble: None).run()
    assert [type(outcome.error) for outcome in answers].count(NotSavedNow) == 1
