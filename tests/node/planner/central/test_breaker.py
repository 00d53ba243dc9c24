"""The breakers: when the planner is not asked, for how long, and what survives the end of a process."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pybreaker
import pytest

from node.clock import Moment
from node.ledger.read import open_reader
from node.planner.central.breaker import (
    AFTER_BOOT_MS,
    CONTENT,
    OPEN_FIRST_MS,
    OPEN_LAST_MS,
    TRANSPORT,
    WINDOW_MS,
    BreakerRecord,
    BreakerStorage,
    acknowledge_allergen_fault,
    breaker_over,
    keep_breaker,
    load_breaker,
    settle_breakers,
)
from tests.node.builders import a_market_folder, a_moment, an_open_market


class Failed(Exception):
    """What the planner does in these tests."""


def a_storage(at_ms: int = 0, record: BreakerRecord | None = None) -> BreakerStorage:
    return BreakerStorage(TRANSPORT, record or BreakerRecord("boot"), at_ms)


def fail(storage: BreakerStorage, at_ms: int) -> None:
    """One question that fails, at this time; it must reach the planner."""
    storage.now_ms = at_ms

    def question() -> None:
        raise Failed

    with pytest.raises(Failed):
        breaker_over(storage).call(question)


def succeed(storage: BreakerStorage, at_ms: int) -> None:
    storage.now_ms = at_ms
    assert breaker_over(storage).call(lambda: "plan") == "plan"


def is_refused(storage: BreakerStorage, at_ms: int) -> bool:
    storage.now_ms = at_ms
    asked = []
    try:
        breaker_over(storage).call(lambda: asked.append(1))
    except pybreaker.CircuitBreakerError:
        assert not asked
        return True
    return False


def test_three_failures_in_five_minutes_open_for_a_minute() -> None:
    storage = a_storage()
    fail(storage, 0)
    fail(storage, 1_000)
    fail(storage, WINDOW_MS - 1)
    assert is_refused(storage, WINDOW_MS - 1 + OPEN_FIRST_MS - 1)
    assert not is_refused(storage, WINDOW_MS - 1 + OPEN_FIRST_MS)


def test_failures_further_apart_do_not_open() -> None:
    storage = a_storage()
    for number in range(10):
        fail(storage, number * WINDOW_MS // 2)
    assert storage.state == pybreaker.STATE_CLOSED
    assert len(storage.record.failures_ms) <= 3


def test_answers_in_between_do_not_hide_a_flapping_planner() -> None:
    storage = a_storage()
    fail(storage, 0)
    succeed(storage, 1)
    fail(storage, 2)
    succeed(storage, 3)
    fail(storage, 4)
    assert is_refused(storage, 5)


def test_each_probe_that_fails_doubles_the_wait_up_to_a_quarter_of_an_hour() -> None:
    storage = a_storage()
    for at_ms in range(3):
        fail(storage, at_ms)
    at_ms, waits = 2, []
    for _probe in range(6):
        waits.append(storage.record.open_for_ms)
        assert is_refused(storage, at_ms + waits[-1] - 1)
        at_ms += waits[-1]
        fail(storage, at_ms)
    assert waits == [60_000, 120_000, 240_000, 480_000, OPEN_LAST_MS, OPEN_LAST_MS]


def test_one_good_probe_closes_and_forgets() -> None:
    storage = a_storage()
    for at_ms in range(3):
        fail(storage, at_ms)
    succeed(storage, OPEN_FIRST_MS + 2)
    assert storage.record == BreakerRecord("boot", opened_ms=2)
    fail(storage, OPEN_FIRST_MS + 3)
    assert storage.state == pybreaker.STATE_CLOSED


def test_a_hold_ends_only_by_a_person(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as market:
        moment = a_moment()
        storage = BreakerStorage(CONTENT, BreakerRecord(moment.boot_id), moment.boottime_ms)
        storage.hold()
        market.act("t", lambda tx: keep_breaker(tx, CONTENT, storage.record))
        assert is_refused(storage, moment.boottime_ms + 10 * OPEN_LAST_MS)
        later = BreakerStorage(CONTENT, load_breaker(market.reader, CONTENT, moment), moment.boottime_ms)
        assert not later.is_admitting
        assert market.act("t", acknowledge_allergen_fault)
        assert not market.act("t", acknowledge_allergen_fault)
        lifted = BreakerStorage(CONTENT, load_breaker(market.reader, CONTENT, moment), moment.boottime_ms)
        assert lifted.is_admitting
        assert lifted.state == pybreaker.STATE_HALF_OPEN


def after_a_boot(moment: Moment) -> Moment:
    return replace(moment, boot_id="another-boot", boottime_ms=5_000)


@pytest.mark.parametrize("opened_before_ms", [0, OPEN_FIRST_MS, OPEN_LAST_MS])
def test_after_a_boot_an_open_breaker_waits_a_minute_more(tmp_path: Path, opened_before_ms: int) -> None:
    with an_open_market(tmp_path) as market:
        moment = a_moment()
        record = BreakerRecord(
            moment.boot_id, state="open", opened_ms=moment.boottime_ms - opened_before_ms, open_for_ms=240_000
        )
        market.act("t", lambda tx: keep_breaker(tx, TRANSPORT, record))
        booted = after_a_boot(moment)
        loaded = load_breaker(market.reader, TRANSPORT, booted)
        storage = BreakerStorage(TRANSPORT, loaded, booted.boottime_ms)
        assert storage.wait_ms == AFTER_BOOT_MS
        assert loaded.open_for_ms == 240_000
        assert is_refused(storage, booted.boottime_ms + AFTER_BOOT_MS - 1)
        assert not is_refused(storage, booted.boottime_ms + AFTER_BOOT_MS)


def test_after_a_boot_old_failures_do_not_count_and_a_hold_stays(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as market:
        moment = a_moment()
        failed = BreakerRecord(moment.boot_id, failures_ms=(1, 2))
        held = BreakerRecord(moment.boot_id, state="open", is_held=True)
        market.act("t", lambda tx: keep_breaker(tx, TRANSPORT, failed))
        market.act("t", lambda tx: keep_breaker(tx, CONTENT, held))
        booted = after_a_boot(moment)
        assert load_breaker(market.reader, TRANSPORT, booted).failures_ms == ()
        assert load_breaker(market.reader, CONTENT, booted).is_held


def test_the_wait_after_a_boot_is_counted_from_the_start_of_the_node(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as market:
        record = BreakerRecord("a boot of long ago", state="open", opened_ms=10**12)
        market.act("t", lambda tx: keep_breaker(tx, TRANSPORT, record))
        market.act("t", settle_breakers)
        first = market.act("t", lambda tx: load_breaker(tx.connection, TRANSPORT, tx.moment))
        second = market.act("t", lambda tx: load_breaker(tx.connection, TRANSPORT, tx.moment))
        assert first == second


def test_a_row_of_other_software_counts_as_closed(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as market:
        market.act("t", lambda tx: tx.connection.execute("INSERT INTO breaker VALUES ('transport', x'ff')"))
        assert load_breaker(market.reader, TRANSPORT, a_moment()) == BreakerRecord(a_moment().boot_id)


KILLED = """
import os, signal, sys
from pathlib import Path
from node.actions.keeping import open_market
from node.places import Places
from node.planner.central.breaker import *
store = open_market(Places(Path(sys.argv[1])))
def work(tx):
    storage = BreakerStorage(TRANSPORT, load_breaker(tx.connection, TRANSPORT, tx.moment), tx.moment.boottime_ms)
    def question():
        raise OSError
    try:
        breaker_over(storage).call(question)
    except OSError:
        keep_breaker(tx, TRANSPORT, storage.record)
store.act("ask", work)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_failures_of_killed_processes_add_up(tmp_path: Path) -> None:
    places = a_market_folder(tmp_path)
    for _number in range(3):
        done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
        assert done.returncode == -signal.SIGKILL
    reader = open_reader(places)
    try:
        assert load_breaker(reader, TRANSPORT, a_moment()).state == pybreaker.STATE_OPEN
    finally:
        reader.close()
