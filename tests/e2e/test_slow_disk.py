"""On a disk where each sync takes 50 to 800 ms, nothing is said before it is true, and the screen stays awake.

For verbs the order is read from the log of the process itself; for the bridge from images of power cuts; for the screen
from what it shows and what another process finds in the file at that moment.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cutting import Run, a_market_with_milk, cut_telemetry, lost_readings
from tests.e2e.judging import sold
from tests.e2e.market import DEADLINE_S, GTIN, TIMEOUT_S, verb
from tests.e2e.mutants import (
    AS_IT_IS,
    READING_ACKNOWLEDGED_BEFORE_ITS_COMMIT,
    SALE_SAID_BEFORE_ITS_COMMIT,
    SCREEN_WAITS_FOR_ITS_DISK,
    Build,
    a_mutant,
)
from tests.e2e.screens import SeenTerminal
from tests.faults.power import read_log

SYNC_MS = (50, 800)
BRIDGE_SYNC_MS = (50, 200)  # many commits, one after another
F3, F4, F5 = b"\x1bOR", b"\x1bOS", b"\x1b[15~"
PREFIX = b"\x07"
DELIVERED = 1000
BURST = 12
TRIES_MAX, TRIES_OF_A_MUTANT = 20, 4
QUIET_S = 0.03

pytestmark = pytest.mark.timeout(TIMEOUT_S)


def said_too_early(log: Path) -> list[str]:
    """Return what is wrong with the order of the log of one verb: its answer must follow its only commit, synced."""
    wrong, unsynced, is_written, is_said = [], [], False, False
    for record in read_log(log):
        if record.kind == "W" and record.path.endswith("market.db-wal"):
            if is_said:
                wrong.append("written after it was said")
            unsynced.append(record.end)
            is_written = True
        elif record.kind == "S" and record.path.endswith("market.db-wal"):
            unsynced = [end for end in unsynced if end > record.number]
        elif record.kind == "A":
            is_said = True
            if unsynced or not is_written:
                wrong.append("said before it was synced")
    assert is_said and is_written, "the verb neither wrote nor answered"
    return wrong


def run_verb(run: Run, *arguments: str) -> None:
    command = [sys.executable, "-m", "node.cli.main", "--data", str(run.data), *arguments]
    done = subprocess.run(command, env=run.environment, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_verb_answers_only_after_the_sync_of_its_commit(tmp_path: Path) -> None:
    data = tmp_path / "data"
    a_market_with_milk(data)
    verbs = [
        ("sell", GTIN, "2"),
        ("sell", GTIN, "--json"),
        ("issue", GTIN),
        ("receive", GTIN, "12", "--batch", "L9"),
        ("discard", GTIN, "3", "--lot", "L9", "--reason", "damaged", "--yes"),
        ("undo",),
        ("par", GTIN, "20"),
    ]
    for number, arguments in enumerate(verbs):
        log = tmp_path / f"log-{number}"
        run_verb(Run(data, log, sync_ms=SYNC_MS), *arguments)
        assert (arguments, said_too_early(log)) == (arguments, [])


@pytest.mark.slow
def test_a_verb_that_answers_too_early_is_found_out(tmp_path: Path) -> None:
    data, log = tmp_path / "data", tmp_path / "log"
    a_market_with_milk(data)
    run_verb(Run(data, log, a_mutant(tmp_path / "build", SALE_SAID_BEFORE_ITS_COMMIT), SYNC_MS), "sell", GTIN)
    assert set(said_too_early(log)) == {"said before it was synced", "written after it was said"}


@pytest.mark.slow
def test_no_reading_is_acknowledged_before_the_sync_of_its_commit(tmp_path: Path) -> None:
    cuts = list(cut_telemetry(tmp_path, sync_ms=BRIDGE_SYNC_MS))
    assert [image.cut for image in cuts if lost_readings(image, tmp_path / "image")] == []


@pytest.mark.slow
def test_a_reading_that_is_acknowledged_too_early_is_found_out(tmp_path: Path) -> None:
    build = a_mutant(tmp_path / "build", READING_ACKNOWLEDGED_BEFORE_ITS_COMMIT)
    cuts = cut_telemetry(tmp_path, build=build, sync_ms=BRIDGE_SYNC_MS)
    assert any(lost_readings(image, tmp_path / "image") for image in cuts)


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "data"
    a_market_with_milk(folder)
    yield folder


def at_the_till(data: Path, build: Build = AS_IT_IS) -> SeenTerminal:
    """Open the screen on a slow disk and go to Sell."""
    terminal = SeenTerminal(data, sync_ms=SYNC_MS, build=build)
    terminal.see_words("LARDER Home", "F3 Sell")
    terminal.press(F3)
    terminal.see_words("LARDER Sell", "Lines 0")
    return terminal


def scan(terminal: SeenTerminal) -> None:
    """Scan as a scanner set to a prefix does: exact, however busy this computer is."""
    terminal.press(PREFIX + GTIN.encode("ascii") + b"\r")


@pytest.mark.slow
def test_the_screen_tells_of_a_sale_only_once_it_is_on_the_disk(data: Path) -> None:
    with at_the_till(data) as terminal:
        for count in range(1, 4):
            scan(terminal)
            # What is left is said of this sale and of no earlier one, however the output is cut into pieces.
            terminal.see_words(f"{DELIVERED - count} left")
            assert len(sold(data / "market" / "market.db")) == count


@pytest.mark.slow
def test_a_screen_that_says_saved_before_its_commit_is_found_out(data: Path, tmp_path: Path) -> None:
    with at_the_till(data, a_mutant(tmp_path / "build", SALE_SAID_BEFORE_ITS_COMMIT)) as terminal:
        scan(terminal)
        terminal.see_words(f"{DELIVERED - 1} left")
        assert sold(data / "market" / "market.db") == {}


def has_answered_while_saving(terminal: SeenTerminal, key: bytes, title: str, tries: int) -> bool:
    """Sell and press the key of another page; say whether that page was ever shown while the sale was being saved.

    On a busy computer a short sync may be over before the key is drawn, so there is more than one try.
    """
    for count in range(1, tries + 1):
        scan(terminal)
        terminal.see(
            lambda rows, left=f"{DELIVERED - count} left": "saving" in rows[1] or any(left in row for row in rows),
            what="that the scan has arrived",
        )
        terminal.press(key)
        terminal.see_words(title)
        # Until the whole page is drawn: its status must be its own, not what stood there before.
        terminal.wait_for_quiet(QUIET_S)
        if "saving" in terminal.rows[1]:
            return True
        terminal.press(F3)
        terminal.see_words("LARDER Sell")
    return False


@pytest.mark.slow
@pytest.mark.parametrize(("key", "title"), [(F4, "LARDER Stock"), (F5, "LARDER Cold")], ids=["F4", "F5"])
def test_keys_are_answered_while_a_sale_is_being_saved(data: Path, key: bytes, title: str) -> None:
    with at_the_till(data) as terminal:
        assert has_answered_while_saving(terminal, key, title, TRIES_MAX)
        terminal.see(is_saved, what="saved")


@pytest.mark.slow
def test_a_screen_that_waits_for_its_disk_is_found_out(data: Path, tmp_path: Path) -> None:
    with at_the_till(data, a_mutant(tmp_path / "build", SCREEN_WAITS_FOR_ITS_DISK)) as terminal:
        assert not has_answered_while_saving(terminal, F4, "LARDER Stock", TRIES_OF_A_MUTANT)


def is_saved(rows: list[str]) -> bool:
    """Say whether the status row says that all is saved."""
    return rows[1].rstrip().rsplit("|", 1)[-1].strip().startswith("saved")


@pytest.mark.slow
def test_a_burst_of_scans_is_saved_and_killing_the_screen_then_loses_none(data: Path) -> None:
    with at_the_till(data) as terminal:
        for _scan in range(BURST):
            scan(terminal)
        terminal.see_words(f"{DELIVERED - BURST} left")
        terminal.process.send_signal(signal.SIGKILL)
        terminal.process.wait()
    assert sum(sold(data / "market" / "market.db").values()) == BURST
    assert verb(data, "verify")["is_ok"] is True
