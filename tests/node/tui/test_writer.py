"""The writing thread: order, groups, refusals, a lock held elsewhere, a full disk, death in between."""

from __future__ import annotations

import fcntl
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from node.actions.goods import sell
from node.actions.ids import new_action_id
from node.actions.keeping import open_market
from node.errors import N_, NotSavedNow, Refused
from node.ledger.locks import LockHolder
from node.ledger.store import MarketStore, Transaction
from node.places import Places
from node.tui import writer as writing
from node.tui.status import saving_sentence, saving_words
from node.tui.writer import Backlog, Declined, Job, Outcome, Saved, Writer
from tests.node.tui.builders import a_market, a_moment, moves, rows

WAIT_S = 20.0
# The clock of the computer that runs the test may not be set.
LOOKED_AT_THE_LABEL = frozenset({"sale.date_not_judged"})
MILK_ID = "gtin/04006381333931"


def until(holds: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline_s, "it never came true"
        time.sleep(0.005)


@contextmanager
def a_writer(places: Places, *, lock_wait_s: float = 30.0) -> Iterator[tuple[Writer, queue.Queue[tuple[str, Outcome]]]]:
    outcomes: queue.Queue[tuple[str, Outcome]] = queue.Queue()
    made = Writer(lambda tell: open_market(places, lock_wait_s=lock_wait_s, on_wait=tell), lambda call: call())
    try:
        yield made, outcomes
    finally:
        made.close()


def a_job(label: str, work: Callable[[Transaction], object], outcomes: queue.Queue[tuple[str, Outcome]]) -> Job:
    return Job(label, work, lambda outcome: outcomes.put((label, outcome)))


def selling(quantity_milli: int = 1000) -> Callable[[Transaction], object]:
    action_id = new_action_id()
    return lambda tx: sell(
        tx, action_id=action_id, who=0, item_id=MILK_ID, quantity_milli=quantity_milli, yes=LOOKED_AT_THE_LABEL
    )


@contextmanager
def the_lock_held_elsewhere(places: Places) -> Iterator[subprocess.Popen[bytes]]:
    """Hold the market's lock in another process, which says who it is as every writer does."""
    script = (
        "import fcntl, os, sys, time\n"
        "lock = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\n"
        "fcntl.flock(lock, fcntl.LOCK_EX)\n"
        "os.pwrite(lock, f'{os.getpid()} nightly backup'.encode().ljust(96), 0)\n"
        "print('held', flush=True)\n"
        "time.sleep(600)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(places.market_lock)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"held\n"
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


def test_actions_are_committed_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    with a_writer(places) as (writer, outcomes):
        for number in range(1, 31):
            writer.submit(a_job(str(number), selling(number * 1000 // 30 or 1), outcomes))
        labels = [outcomes.get(timeout=WAIT_S)[0] for _n in range(30)]
    assert labels == [str(number) for number in range(1, 31)]
    assert [quantity for _n, _k, quantity, _u in moves(places)] == [-(n * 1000 // 30 or 1) for n in range(1, 31)]


def test_a_refusal_in_a_group_does_not_touch_the_others(tmp_path: Path) -> None:
    places = a_market(tmp_path)

    def refuse(tx: Transaction) -> object:
        selling()(tx)
        raise Refused("test.no", N_("No."))

    with a_writer(places) as (writer, outcomes), the_lock_held_elsewhere(places) as holder:
        for label, work in (("one", selling()), ("two", refuse), ("three", selling())):
            writer.submit(a_job(label, work, outcomes))
        holder.send_signal(signal.SIGKILL)
        got = dict(outcomes.get(timeout=WAIT_S) for _n in range(3))
    assert [type(got[label]) for label in ("one", "two", "three")] == [Saved, Declined, Saved]
    assert len(moves(places)) == 2


def test_a_fault_of_one_action_is_said_and_the_thread_goes_on(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    with a_writer(places) as (writer, outcomes):
        writer.submit(a_job("bad", lambda _tx: 1 // 0, outcomes))
        writer.submit(a_job("good", selling(), outcomes))
        bad, good = outcomes.get(timeout=WAIT_S)[1], outcomes.get(timeout=WAIT_S)[1]
    assert isinstance(bad, Declined)
    assert bad.error.error_id == "screen.unexpected"
    assert isinstance(bad.error.__cause__, ZeroDivisionError)
    assert isinstance(good, Saved)


@pytest.mark.parametrize(
    "statement", ["INSERT INTO setting (key, value) VALUES ('name', 'again')", "SELECT nothing FROM nowhere"]
)
def test_a_fault_inside_the_database_is_said_and_the_next_entry_is_saved(tmp_path: Path, statement: str) -> None:
    places = a_market(tmp_path)
    with a_writer(places) as (writer, outcomes):
        writer.submit(a_job("faulty", lambda tx: tx.connection.execute(statement), outcomes))
        writer.submit(a_job("good", selling(), outcomes))
        (_first, fault), (_second, saved) = outcomes.get(timeout=WAIT_S), outcomes.get(timeout=WAIT_S)
    assert isinstance(fault, Declined)
    assert fault.error.error_id == "screen.unexpected"
    assert isinstance(saved, Saved)


def test_a_fault_that_ends_the_whole_group_does_not_end_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = a_market(tmp_path)
    faults = iter([ValueError("torn"), None])
    write = writing._write

    def write_after_one_fault(store: MarketStore, group: list[Job]) -> list[tuple[Job, Outcome]]:
        fault = next(faults)
        if fault is not None:
            raise fault
        return write(store, group)

    monkeypatch.setattr(writing, "_write", write_after_one_fault)
    with a_writer(places) as (writer, outcomes):
        writer.submit(a_job("first", selling(), outcomes))
        assert isinstance(outcomes.get(timeout=WAIT_S)[1], Declined)
        writer.submit(a_job("second", selling(), outcomes))
        assert isinstance(outcomes.get(timeout=WAIT_S)[1], Saved)


def test_while_another_process_holds_the_lock_entries_wait_and_its_name_is_known(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    with a_writer(places) as (writer, outcomes):
        with the_lock_held_elsewhere(places) as holder:
            writer.submit(a_job("sale", selling(), outcomes))
            until(lambda: writer.backlog().holder is not None)
            assert writer.backlog().holder == LockHolder(holder.pid, "nightly backup")
            assert writer.backlog().count == 1
            assert moves(places) == []
        assert isinstance(outcomes.get(timeout=WAIT_S)[1], Saved)
        assert writer.backlog() == Backlog(0, 0.0, None, None)
    assert len(moves(places)) == 1


def test_what_could_not_be_saved_is_tried_again_and_never_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = a_market(tmp_path)
    monkeypatch.setattr(writing, "RETRY_PAUSE_S", 0.01)
    is_full = threading.Event()
    is_full.set()
    act = MarketStore.act

    def act_on_a_full_disk(store: MarketStore, purpose: str, work: Callable[[Transaction], object]) -> object:
        if is_full.is_set():
            raise NotSavedNow("disk.full", N_("The disk is full; this was not saved."), N_("Free space."))
        return act(store, purpose, work)

    monkeypatch.setattr(MarketStore, "act", act_on_a_full_disk)
    with a_writer(places) as (writer, outcomes):
        writer.submit(a_job("sale", selling(), outcomes))
        writer.submit(a_job("second", selling(), outcomes))
        until(lambda: writer.backlog().fault is not None)
        assert writer.backlog().count == 2
        assert saving_words(writer.backlog(), None, None).words == "NOT SAVED: 2"
        assert saving_sentence(writer.backlog()) == "The disk is full; this was not saved. Free space."
        is_full.clear()
        assert [outcomes.get(timeout=WAIT_S)[0] for _n in range(2)] == ["sale", "second"]
    assert len(moves(places)) == 2


def test_the_hundred_and_first_entry_is_refused_with_words(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    with a_writer(places) as (writer, outcomes), the_lock_held_elsewhere(places) as holder:
        for number in range(writing.QUEUE_ACTIONS_MAX):
            writer.submit(a_job(str(number), lambda _tx: None, outcomes))
        with pytest.raises(Refused, match="100 entries wait"):
            writer.submit(a_job("one too many", lambda _tx: None, outcomes))
        holder.send_signal(signal.SIGKILL)
        assert len([outcomes.get(timeout=WAIT_S) for _n in range(100)]) == 100


def test_only_the_newest_draft_of_a_form_waits_and_nobody_waits_for_it(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    done: list[int] = []
    with a_writer(places) as (writer, outcomes), the_lock_held_elsewhere(places) as holder:
        writer.submit(a_job("sale", selling(), outcomes))
        until(lambda: writer.backlog().holder is not None)
        for number in range(5):
            writer.submit(Job("draft", lambda _tx, n=number: done.append(n), lambda _o: None, replaces="receive"))
        assert writer.backlog().count == 1
        holder.send_signal(signal.SIGKILL)
        outcomes.get(timeout=WAIT_S)
        until(lambda: done)
    assert done == [4]


def test_closing_waits_for_what_is_queued_and_names_what_stayed(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    with a_writer(places) as (writer, outcomes):
        writer.submit(a_job("sale", selling(), outcomes))
        assert writer.close() == []
    with a_writer(places) as (writer, outcomes), the_lock_held_elsewhere(places):
        writer.submit(a_job("sell Milk", selling(), outcomes))
        until(lambda: writer.backlog().count == 1)
        assert writer.close(wait_s=0.05) == ["sell Milk"]
    assert len(moves(places)) >= 1


def test_the_same_action_twice_has_one_effect_across_a_killed_process(tmp_path: Path) -> None:
    """Die between the commit and the word of it; the retry after the restart finds it done."""
    places = a_market(tmp_path)
    action_id = new_action_id()
    script = (
        "import os, signal, sys, threading\n"
        "from pathlib import Path\n"
        "from node.actions.goods import sell\n"
        "from node.actions.keeping import open_market\n"
        "from node.places import Places\n"
        "from node.tui.writer import Job, Writer\n"
        "places, action_id = Places(Path(sys.argv[1])), bytes.fromhex(sys.argv[2])\n"
        "writer = Writer(lambda tell: open_market(places, on_wait=tell),\n"
        "                lambda call: os.kill(os.getpid(), signal.SIGKILL))\n"
        "writer.submit(Job('sale', lambda tx: sell(tx, action_id=action_id, who=0, quantity_milli=1000,\n"
        f"    item_id='{MILK_ID}', yes=frozenset({{'sale.date_not_judged'}})), lambda _outcome: None))\n"
        "threading.Event().wait()\n"
    )
    died = subprocess.run([sys.executable, "-c", script, str(places.root), action_id.hex()], check=False)
    assert died.returncode == -signal.SIGKILL
    assert len(moves(places)) == 1
    with a_writer(places) as (writer, outcomes):
        again = lambda tx: sell(tx, action_id=action_id, who=0, item_id=MILK_ID, quantity_milli=1000)  # noqa: E731
        writer.submit(a_job("sale", again, outcomes))
        assert isinstance(outcomes.get(timeout=WAIT_S)[1], Saved)
    assert len(moves(places)) == 1
    assert rows(places, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize(
    ("backlog", "words", "sentence"),
    [
        (Backlog(1, 0.1, None, None), "saving", None),
        (Backlog(1, 0.4, None, None), "saving...", None),
        (Backlog(1, 2.5, LockHolder(7, "nightly backup"), None), "saving...", "Waiting (process 7, nightly backup)."),
        (
            Backlog(1, 6.0, LockHolder(7, "nightly backup"), None),
            "saving...",
            "Another program is writing (process 7, nightly backup). Your entries wait here and are saved after it.",
        ),
        (
            Backlog(3, 31.0, None, None),
            "NOT SAVED: 3",
            "Another program is writing. Your entries wait here and are saved after it.",
        ),
        (Backlog(0, 0.0, None, None), "saved 19:07:00", None),
    ],
)
def test_waiting_is_said_in_steps(backlog: Backlog, words: str, sentence: str | None) -> None:
    assert saving_words(backlog, a_moment(), None).words == words
    assert saving_sentence(backlog) == sentence


def test_the_lock_is_free_once_the_writer_is_closed(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    with a_writer(places) as (writer, outcomes):
        writer.submit(a_job("sale", selling(), outcomes))
        outcomes.get(timeout=WAIT_S)
    lock = os.open(places.market_lock, os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(lock)
