"""Real bridges and real virtual boards as processes, and a poll with a deadline. Builders, no fixtures."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
DEADLINE_S = 30.0
POLL_S = 0.02
UID = "01eeffc042000001"


def until(look: Callable[[], T], *, what: str, deadline_s: float = DEADLINE_S) -> T:
    """Look again and again until the answer is true, and return it; fail with `what` at the deadline."""
    end = time.monotonic() + deadline_s
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"waited {deadline_s} s in vain until {what}")
        time.sleep(POLL_S)


class Process:
    """A child process of a test; ended by its own id."""

    def __init__(self, *arguments: str, environment: dict[str, str] | None = None) -> None:
        self.link: Path | None = None  # of a board: the name of its port
        self.child = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | (environment or {}),
        )

    def kill(self, *, does_name_stay: bool = False) -> None:
        """End it as a power cut would.

        The name of a board's port goes first, as it does with a cable: the terminal's number may be another test's the
        next moment, and a bridge would find a stranger's board under the old name.
        """
        if self.link is not None and not does_name_stay:
            self.link.unlink(missing_ok=True)
        self.child.send_signal(signal.SIGKILL)
        self.child.communicate()

    def end(self, deadline_s: float = DEADLINE_S) -> tuple[int, str, str]:
        """Ask it to end; returns exit code, stdout, stderr."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        out, err = self.child.communicate(timeout=deadline_s)
        return self.child.returncode, out, err

    def ended(self, deadline_s: float = DEADLINE_S) -> tuple[int, str, str]:
        """Wait until it ends by itself; returns exit code, stdout, stderr."""
        out, err = self.child.communicate(timeout=deadline_s)
        return self.child.returncode, out, err


class Shop:
    """A data folder, a folder of ports, boards and a bridge; everything started here is ended with it."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.ports = folder / "ports"
        self.ports.mkdir(parents=True, exist_ok=True)
        self.produced_file = folder / "produced"
        self.state_file = folder / "ring"
        self._processes: list[Process] = []

    @property
    def database(self) -> Path:
        return self.data / "telemetry" / "telemetry.db"

    def bridge(self, *options: str, environment: dict[str, str] | None = None) -> Process:
        """Start a bridge on this shop's ports."""
        arguments = ("--data", str(self.data), "--ports", f"{self.ports}/*", *options)
        return self._start("firmware_bridge.main", *arguments, environment=environment)

    def board(self, *options: str, link: str = "fridge", uid: str = UID) -> Process:
        """Start a virtual board whose ring outlives it, and wait until its link is there."""
        arguments = ["--link", str(self.ports / link), "--uid", uid, "--state", str(self.state_file) + link]
        board = self._start("firmware_bridge.virtual", *arguments, "--produced", str(self.produced_file), *options)
        board.link = self.ports / link
        assert board.child.stdout is not None
        assert board.child.stdout.readline() == f"ready {self.ports / link}\n"
        return board

    def heartbeat(self) -> dict[str, Any]:
        """Return what bridge.json says, or an empty dictionary while there is none."""
        try:
            content: dict[str, Any] = json.loads((self.data / "run" / "bridge.json").read_text("utf-8"))
        except FileNotFoundError:
            return {}
        return content

    def port_states(self) -> dict[str, str]:
        return {Path(port["port"]).name: port["state"] for port in self.heartbeat().get("ports", [])}

    def wait_linked(self, link: str = "fridge") -> None:
        until(lambda: self.port_states().get(link) == "linked", what=f"{link} is linked")

    def stored(self) -> list[tuple[int, int, int, int, int]]:
        """Return (16-bit boot, seq, channel, value, status) of every stored record, doubles included."""
        return self.query(
            "select b.number % 65536, r.seq, r.channel, r.value, r.status from readings r join boot b using (boot)"
            " order by b.boot, r.seq"
        )

    def stored_records(self) -> list[tuple[int, int, int, int]]:
        """Return (16-bit boot, seq, channel, value) of every stored record, doubles included."""
        return [row[:4] for row in self.stored()]

    def produced(self) -> list[tuple[int, int, int, int]]:
        """Return (16-bit boot, seq, channel, value) of every record made, in the board's order."""
        if not self.produced_file.exists():
            return []
        lines = self.produced_file.read_text("ascii").splitlines()
        rows = [[int(field) for field in line.split()] for line in lines]
        return [(boot, seq, channel, value) for boot, seq, channel, _, value, _ in rows]

    def wait_stored(self, count: int) -> None:
        until(lambda: len(self.stored()) >= count, what=f"{count} records are stored")

    def query(self, sql: str) -> list[Any]:
        if not self.database.exists():
            return []
        conn = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=5)
        try:
            return conn.execute(sql).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []  # the bridge has only just begun to make it
            raise
        finally:
            conn.close()

    def end(self) -> None:
        for process in self._processes:
            if process.child.poll() is None:
                process.kill()
            for stream in (process.child.stdout, process.child.stderr):
                if stream is not None:
                    stream.close()

    def _start(self, *arguments: str, environment: dict[str, str] | None = None) -> Process:
        process = Process(*arguments, environment=environment)
        self._processes.append(process)
        return process


@contextmanager
def a_shop(folder: Path) -> Iterator[Shop]:
    """Open a shop and end whatever still runs in it."""
    shop = Shop(folder)
    try:
        yield shop
    finally:
        shop.end()


def assert_stored_is_produced(shop: Shop, *, count_min: int) -> None:
    """Wait until every record the board made is stored, and check that each is stored once, as it was made."""

    def is_all_stored() -> bool:
        produced = shop.produced()
        return len(produced) >= count_min and set(produced) <= set(shop.stored_records())

    until(is_all_stored, what=f"all records, at least {count_min}, are stored")
    stored = shop.stored_records()
    assert len(stored) == len(set(stored)), "a record is stored twice"
    assert set(stored) <= set(shop.produced()), "a record is stored that no board made"
