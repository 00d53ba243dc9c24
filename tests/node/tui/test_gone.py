"""What the screen does when a part of Larder is gone, and that a kill in the middle of a form loses nothing."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from node.actions.drafts import load_draft
from node.clock import Moment
from node.health import write_heartbeat
from node.ledger.read import open_reader
from node.places import Places
from node.tui import queries
from node.tui.app import EXIT_REFUSED, run
from node.tui.status import Saving, status_row
from tests.node.tui.builders import MILK, a_market, a_moment, moves
from tests.node.tui.driving import press, scan, settled, shows, the_screen
from tests.node.tui.terminal import WAIT_S, Terminal
from tests.node.tui.test_writer import the_lock_held_elsewhere, until


def a_command(places: Places) -> list[str]:
    return [sys.executable, "-m", "node.tui.main", str(places.root)]


def surroundings(**more: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    return {**kept, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **more}


async def test_without_telemetry_the_cold_reads_missing_and_all_else_works(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    assert not places.telemetry_db.exists()
    async with the_screen(places) as app:
        await shows(app, "COLD MISSING, no sensor yet")
        await press(app, "f5")
        await shows(app, "No sensor has reported yet.")
        await press(app, "f3")
        await scan(app, MILK)
        await settled(app)
    assert len(moves(places)) == 1


async def test_telemetry_that_cannot_be_read_gives_its_reason(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    places.telemetry_db.parent.mkdir(exist_ok=True)
    places.telemetry_db.write_bytes(b"this is no database at all" * 100)
    async with the_screen(places) as app:
        await shows(app, "COLD MISSING ")
        await press(app, "f4")
        await shows(app, "LOTS of Bread")


async def test_the_node_away_is_one_notice_and_selling_goes_on(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places) as app:
        await shows(app, "Node away")
        await shows(app, "NOTICE  The node service is away: nothing is shared. Work here goes on.")
        await press(app, "f3")
        await scan(app, MILK)
        await settled(app)
    assert len(moves(places)) == 1


def test_a_heartbeat_that_stopped_says_since_when(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    connection = open_reader(places)

    def row(moment: Moment) -> str:
        return status_row(queries.status_view(connection, places, moment), Saving(""), moment, 80)

    try:
        write_heartbeat(places.node_heartbeat, a_moment(), state="here", message="")
        assert "Node here" in row(a_moment(later_ms=5_000))
        assert "Node away 3 min" in row(a_moment(later_ms=200_000))
    finally:
        connection.close()


async def test_a_lock_held_elsewhere_leaves_the_keys_alive_and_says_saving(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    async with the_screen(places) as app:
        await press(app, "f3")
        with the_lock_held_elsewhere(places):
            await scan(app, MILK)
            await shows(app, "saving")
            await shows(app, "saving...")
            await press(app, "f4")
            await shows(app, "LOTS of Bread")
            await shows(app, "nightly backup")
            assert moves(places) == []
        await settled(app)
        await shows(app, "saved 19:07:00")
    assert len(moves(places)) == 1


@pytest.mark.parametrize("missing", ["market", "folder"])
def test_without_a_market_one_sentence_and_exit_1(
    missing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = a_market(tmp_path / "data")
    if missing == "market":
        places.market_db.unlink()
    else:
        shutil.rmtree(places.root)

    assert run(places) == EXIT_REFUSED

    said = capsys.readouterr().err
    assert "There is no market" in said
    assert "larder init" in said


def test_a_newer_market_is_refused_in_words_and_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = a_market(tmp_path)
    connection = sqlite3.connect(places.market_db)
    connection.execute("PRAGMA user_version = 99")
    connection.close()

    assert run(places) == EXIT_REFUSED
    assert "newer software" in capsys.readouterr().err


def test_a_kill_in_the_middle_of_a_form_brings_the_draft_back(tmp_path: Path) -> None:
    places = a_market(tmp_path)

    def draft() -> bytes:
        connection = open_reader(places)
        try:
            return load_draft(connection, "receive") or b""
        finally:
            connection.close()

    with Terminal(a_command(places), surroundings()) as terminal:
        terminal.wait_for(b"Scan a barcode")
        terminal.press(b"\x1bOQ")  # F2
        terminal.wait_for(b"THIS DELIVERY")
        terminal.press(MILK.encode() + b"\r")
        terminal.wait_for(b"Milk 1 L")
        terminal.wait_for_quiet()
        for key in b"M-77":
            terminal.press(bytes([key]))
            terminal.wait_for_quiet(0.06)  # the gaps of a person
        until(lambda: b"M-77" in draft())
        terminal.process.send_signal(signal.SIGKILL)
        terminal.process.wait()
    with Terminal(a_command(places), surroundings()) as terminal:
        terminal.wait_for(b"Scan a barcode")
        terminal.press(b"\x1bOQ")
        terminal.wait_for(b"Here is what was typed before.")
        terminal.wait_for(b"M-77")
        assert terminal.process.poll() is None


@pytest.mark.parametrize("kind", ["linux", "xterm-256color", "vt100", "dumb"])
def test_every_terminal_starts_and_ends_with_ctrl_q(kind: str, tmp_path: Path) -> None:
    places = a_market(tmp_path)
    language = {"LC_ALL": "C"} if kind == "vt100" else {}
    with Terminal(a_command(places), surroundings(TERM=kind, **language)) as terminal:
        terminal.wait_for(b"Scan a barcode")
        terminal.press(b"\x11")
        assert terminal.wait_for_end() == 0


# Makes the pseudo terminal the one that the process belongs to, as a login does.
OWN_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


def test_a_terminal_that_goes_away_leaves_no_screen_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OWN_TERMINAL, *a_command(a_market(tmp_path))]
    with Terminal(command, surroundings()) as terminal:
        terminal.wait_for(b"Scan a barcode")
        terminal.wait_for_quiet()
        os.close(terminal.master)  # as when a connection breaks
        terminal.master = os.open(os.devnull, os.O_RDWR)
        assert terminal.process.wait(WAIT_S) == 0


def test_the_screen_loads_neither_paho_nor_serial_nor_sqlite_utils() -> None:
    script = (
        "import sys, node.tui.app\n"
        "from node.tui.screens import cold, peers, plan, receive, sell\n"
        "unwanted = {'paho', 'serial', 'sqlite_utils', 'babel', 'click', 'httpx', 'pybreaker', 'highspy'}\n"
        "print(sorted(unwanted & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
