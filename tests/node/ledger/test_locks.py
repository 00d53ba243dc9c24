"""The two locks: one writer at a time, staff before bulk, and the name of who holds them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from node.errors import NotSavedNow
from node.ledger.locks import LockHolder, MarketLocks, Waiting

HOLDER = """
import sys, time
from pathlib import Path
from node.ledger.locks import MarketLocks, Waiting
locks = MarketLocks(Path(sys.argv[1]), Path(sys.argv[2]), Waiting(10, time.monotonic, time.sleep))
with locks.bulk("rebuild"):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def a_process_that_holds(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the market's lock until it is killed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder / "lock"), str(folder / "turn")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def open_locks(
    folder: Path, *, wait_s: float = 10.0, tell: Callable[[LockHolder, float], None] | None = None
) -> MarketLocks:
    """Open the lock files of a folder."""
    return MarketLocks(folder / "lock", folder / "turn", Waiting(wait_s, time.monotonic, time.sleep, tell))


def test_whoever_waits_too_long_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    told: list[LockHolder] = []
    with a_process_that_holds(tmp_path) as holder:
        locks = open_locks(tmp_path, wait_s=1.3, tell=lambda who, _waited_s: told.append(who))
        with pytest.raises(NotSavedNow) as refused, locks.staff("sell"):
            pytest.fail("two processes hold the lock")
        assert refused.value.error_id == "lock.held"
        assert (holder.pid, "rebuild") == (refused.value.values["pid"], refused.value.values["purpose"])
        assert told == [LockHolder(holder.pid, "rebuild")]


def test_a_killed_holder_lets_go_at_once(tmp_path: Path) -> None:
    with a_process_that_holds(tmp_path) as holder:
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        with open_locks(tmp_path, wait_s=5).staff("sell"):
            assert (tmp_path / "lock").read_text().startswith(f"{os.getpid()} sell")


def test_bulk_work_waits_for_staff_who_wait(tmp_path: Path) -> None:
    first, staff, bulk = open_locks(tmp_path), open_locks(tmp_path), open_locks(tmp_path)
    order: list[str] = []
    staff_waits = threading.Event()

    def sell() -> None:
        staff.waiting.sleep = lambda seconds: (staff_waits.set(), time.sleep(seconds))[1]
        with staff.staff("sell"):
            order.append("staff")

    def rebuild() -> None:
        with bulk.bulk("rebuild"):
            order.append("bulk")

    with first.bulk("seal"):
        seller = threading.Thread(target=sell)
        seller.start()
        # The seller holds its turn from before it waits for the lock, so a batch that comes now comes after it.
        assert staff_waits.wait(5)
        builder = threading.Thread(target=rebuild)
        builder.start()
    seller.join(5)
    builder.join(5)
    assert order == ["staff", "bulk"]


def test_a_lock_file_that_cannot_be_opened_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(NotSavedNow) as refused:
        open_locks(tmp_path)
    assert refused.value.error_id == "lock.unavailable"
