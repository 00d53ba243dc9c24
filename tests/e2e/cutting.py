"""Runs Larder's processes under a log of every write and sync, with the acknowledgements in the same log.

Not the model of a cut (tests/faults/power.py) and not the judge. Processes that share a log file share its order.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.store.files import open_store
from tests.e2e.judging import damage, stored
from tests.e2e.market import GTIN, running, verb
from tests.e2e.mutants import AS_IT_IS, Build
from tests.faults import faulty
from tests.faults.power import Image, images
from tests.firmware_bridge.running import until

FOLDER = Path(__file__).parent
UID = "01eeffc0420000b1"
DEADLINE_S = 90.0
IMAGES = 200
RECORDS, RECORD_PERIOD_MS = 700, 5
HOT_ABOVE = "fridge-1=5"


@dataclass(frozen=True, slots=True)
class Run:
    """What runs, on what, how slow its disk is (both ends of each sync's time in ms), and where all is written down."""

    data: Path
    log: Path
    build: Build = AS_IT_IS
    sync_ms: tuple[int, int] | None = None

    @property
    def environment(self) -> dict[str, str]:
        # Made first: the build's variables stand on top of those of the shim.
        return {**faulty(self.data, log=self.log, sync_ms=self.sync_ms), **self.build.environment}


def sell_many(run: Run, sales: int, *options: str) -> list[str]:
    """Sell in one process until it has ended; return the action ids it acknowledged."""
    command = [sys.executable, str(FOLDER / "selling_process.py"), str(run.data), GTIN, str(sales), *options]
    done = subprocess.run(command, env=run.environment, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def a_market_with_milk(data: Path) -> None:
    """Make a market with a thousand pieces of milk, its files closed."""
    verb(data, "init", "--name", "Harbour")
    verb(data, "receive", GTIN, "1000", "--name", "Milk", "--unit", "each", "--like", "food/milk-whole")


@contextmanager
def a_node(run: Run) -> Iterator[None]:
    """Have larder-node beside what runs, ended cleanly afterwards, in the same log."""
    with running([sys.executable, "-m", "node.daemon.main", "--data", str(run.data)], run.environment) as node:
        until((run.data / "run" / "node.json").exists, what="larder-node is at work", deadline_s=DEADLINE_S)
        yield
        end(node)


@contextmanager
def a_witness_board(run: Run, ports: Path, records: int, period_ms: int) -> Iterator[Path]:
    """Have a board whose acknowledgements go to the log; gives the file in which they can be read, too."""
    ports.mkdir()
    heard = ports.parent / "heard"
    command = [sys.executable, str(FOLDER / "witness_board.py"), str(ports / "fridge"), UID, str(records)]
    with heard.open("wb") as output:
        board = subprocess.Popen([*command, str(period_ms)], env=run.environment, stdout=output)
    try:
        until(lambda: heard.read_text() != "", what="the board is ready", deadline_s=DEADLINE_S)
        yield heard
        board.terminate()
        assert board.wait(DEADLINE_S) == 0
    finally:
        if board.poll() is None:
            board.kill()
            board.wait()


def bridge_until(run: Run, ports: Path, heard: Path, count: int) -> None:
    """Run larder-bridge until the board has heard that so many records are kept, then end it cleanly."""
    options = ("--data", str(run.data), "--ports", f"{ports}/*", "--commit-interval-s", "1")
    command = [sys.executable, "-m", "firmware_bridge.main", *options, "--alarm-above", HOT_ABOVE]
    with running(command, run.environment) as bridge:
        # All may be acknowledged from a run before; a program that is still starting cannot be ended cleanly.
        heartbeat = run.data / "run" / "bridge.json"
        until(lambda: is_of(heartbeat, bridge.pid), what="larder-bridge is at work", deadline_s=DEADLINE_S)
        until(
            lambda: acknowledged_before(heard.read_text().splitlines()) >= count,
            what=f"{count} records are acknowledged",
            deadline_s=DEADLINE_S,
        )
        end(bridge)


def is_of(heartbeat: Path, pid: int) -> bool:
    """Tell whether a heartbeat is there and was written by this process."""
    return heartbeat.exists() and bool(json.loads(heartbeat.read_bytes())["pid"] == pid)


def acknowledged_before(lines: list[str]) -> int:
    """Return the number before which all records of the witness board are acknowledged, by these lines of it."""
    return max((int(line.split()[1]) for line in lines if line.startswith("acknowledged ")), default=0)


def end(process: subprocess.Popen[str]) -> None:
    """Ask a process to end and check that it did so well."""
    process.terminate()
    _out, err = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, err


def cut_telemetry(folder: Path, *, build: Build = AS_IT_IS, sync_ms: tuple[int, int] | None = None) -> Iterator[Image]:
    """Let a bridge hear a board under the log, start it anew in between, and yield the images of cuts."""
    run, ports = Run(folder / "data", folder / "log", build, sync_ms), folder / "ports"
    run.data.mkdir()
    with a_witness_board(run, ports, RECORDS, RECORD_PERIOD_MS) as heard:
        # Ending checkpoints and closes; the second start moves what is staged.
        bridge_until(run, ports, heard, RECORDS // 2)
        bridge_until(run, ports, heard, RECORDS)
    yield from images(run.log, run.data, count=IMAGES, seed=9)


def lost_readings(image: Image, folder: Path) -> list[int]:
    """Return the numbers of acknowledged readings that an image lacks, after checking that it is sound."""
    path = image.write_to(folder) / "telemetry" / "telemetry.db"
    promised = set(range(acknowledged_before(image.acknowledged)))
    path.parent.mkdir(exist_ok=True)
    # Opened as the next bridge would: it must find nothing to put aside.
    found = open_store(path)
    found.conn.close()
    assert (found.moved_to, damage(path)) == (None, [])
    seqs = [seq for _boot, seq, _channel, _value in stored(path, UID)]
    assert sorted(seqs) == list(range(len(seqs)))
    return sorted(promised - set(seqs))
