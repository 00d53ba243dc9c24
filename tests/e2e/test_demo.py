"""The demo as its user meets it: it works, what it leaves can be checked by others, and nothing of it stays behind."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyte
import pytest

from tests.components import leave_out, need_no_network, need_program

CHECKOUT = Path(__file__).resolve().parents[2]
INDEPENDENT_CHECK = Path(__file__).parent / "independent_check.py"
# The demo in this environment, without its bootstrap: what the bootstrap adds has tests of its own.
DEMO = [sys.executable, str(CHECKOUT / "deploy" / "demo.py")]
# How long to wait for what must happen; nothing is asserted about how long it takes.
PATIENCE_S = 60.0


def until(is_so: Callable[[], Any], what: str) -> None:
    """Wait until something is so, and fail with its name if it never is."""
    ends_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < ends_s, f"never happened: {what}"
        time.sleep(0.05)


def processes_in(folder: Path) -> list[str]:
    """Return the command lines of all processes that name this folder or work in it."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            works_in = str((path / "cwd").readlink())
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if (str(folder) in words or works_in.startswith(str(folder))) and int(path.name) != os.getpid():
            found.append(words)
    return found


def is_free(lock: Path) -> bool:
    """Say whether nobody holds this lock file."""
    with lock.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def leftovers(folder: Path) -> list[str]:
    """Return everything that the demo should not leave behind in a folder it keeps."""
    locks = [path for path in folder.rglob("*.lock") if not is_free(path)]
    links = [path for path in folder.rglob("*") if path.is_symlink() or path.is_socket() or path.is_fifo()]
    return [*processes_in(folder), *map(str, [*locks, *links])]


def last_line(output: str) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(output.splitlines()[-1])
    return answer


def run_check(folder: Path, facts: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Let the check that imports nothing of ours compare both folders with each other and with what the demo said."""
    said = folder / "facts.json"
    said.write_text(json.dumps(facts), "utf-8")
    command = [sys.executable, "-I", str(INDEPENDENT_CHECK), str(folder), str(said)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def independently_checked(folder: Path, facts: dict[str, Any]) -> dict[str, Any]:
    done = run_check(folder, facts)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder with a name that breaks what does not quote, short enough for a socket."""
    path = Path(tempfile.mkdtemp(prefix="lärder [e2e] "))
    yield path
    shutil.rmtree(path)


# What differs from the story that the fresh clone below tells: another broker, and a planner that lies and fails.
OTHERWISE = ["--seconds", "60", "--outage", "--broker", "embedded", "--planner", "flaky"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_story_is_told_with_the_embedded_broker_and_a_planner_that_lies(folder: Path) -> None:
    command = [*DEMO, "--plain", "--data", str(folder), *OTHERWISE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    facts = last_line(done.stdout)
    assert "FAIL" not in done.stdout
    assert sum("was refused" in plan["reason"] for plan in facts["plans"]) >= 1
    assert leftovers(folder) == []
    has_been_apart(facts)
    check_is_not_easily_pleased(folder, facts)
    has_kept_everything(folder, facts, openings=1)


def has_kept_everything(folder: Path, facts: dict[str, Any], *, openings: int) -> None:
    """Assert that what the demo said is what its folder holds, by the independent check, after so many openings."""
    assert (facts["devices_linked"], facts["undone"]) == (3, 1)
    assert facts["passed"] is True
    assert facts["equal"] is True
    assert facts["digests"]["harbour"] == facts["digests"]["mill-road"]
    assert facts["handed_over"]["state"] == "closed"
    assert {unit["name"] for unit in facts["cold"]} >= {"fridge-1", "freezer-1"}
    checked = independently_checked(folder, facts)
    assert len(checked["readings"]) == 3
    assert sum(checked["readings"].values()) == facts["readings_stored"] >= 60 * openings
    assert checked["sealed_blocks"] == facts["sealed_blocks"]
    assert checked["handed_over"] == openings
    for market, items in totals_expected(openings).items():
        assert items.items() <= checked["totals"][market].items()


def check_is_not_easily_pleased(folder: Path, facts: dict[str, Any]) -> None:
    """Assert that the independent check notices what must never be, on copies with one thing altered."""
    alterations = {
        "a lot is wrong": "UPDATE lot SET on_hand_milli = on_hand_milli + 1 WHERE is_open = 1",
        "does not hold": "DELETE FROM block WHERE n > 0 AND n >= (SELECT max(n) FROM block AS other"
        " WHERE other.stream = block.stream) - 3",
        "has a wrong signature": "UPDATE block SET frame = CAST(substr(frame, 1, 120) || x'00' || substr(frame, 122)"
        " AS BLOB) WHERE n = 0",
    }
    for sentence, alteration in alterations.items():
        with tempfile.TemporaryDirectory() as name:
            for market in ("harbour", "mill-road"):
                shutil.copytree(folder / market, Path(name) / market)
            with sqlite3.connect(Path(name) / "mill-road" / "market" / "market.db") as connection:
                assert connection.execute(alteration).rowcount > 0
            connection.close()
            done = run_check(Path(name), facts)
            assert done.returncode == 1, done.stdout
            assert sentence in done.stderr


def has_been_apart(facts: dict[str, Any]) -> None:
    """Assert what only an outage shows."""
    assert facts["sold"] == {"harbour": 3, "mill-road": 2}
    assert facts["outage_s"] > 0
    before = facts["digests_before_healing"]
    assert before["harbour"] != before["mill-road"]
    assert set(facts["outage_sales"]) == {"harbour", "mill-road"}
    first, answered, alone = facts["plans"][0], facts["plans"][1], facts["plans"][-1]
    assert first["source"] == "here"
    assert answered["source"] == "central" or answered["reason"]
    assert alone["source"] == "here"
    # One that lied before may be resting already, and then it is not asked at all.
    assert "cannot be reached" in alone["reason"] or "failed several times" in alone["reason"]


def totals_expected(openings: int) -> dict[str, dict[str, int]]:
    """Return what some items must come to, in thousandths: the first opening has an outage with a sale each."""
    milk, apples, pears = "gtin/02000000000022", "food/apples", "food/pears"
    harbour = {milk: (24 - 3 - 6) * openings * 1000, apples: (40 * openings - 5) * 1000}
    return {"Harbour": harbour, "Mill Road": {milk: (6 * openings - 2) * 1000, pears: (30 - 4) * openings * 1000}}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays_behind_however_it_ends(folder: Path, number: signal.Signals) -> None:
    command = [*DEMO, "--plain", "--seconds", "600", "--data", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as demo:
        assert demo.stdout is not None
        until(lambda: "linked" in (demo.stdout.readline() if demo.stdout else ""), "a device links")
        assert len(processes_in(folder)) >= 10
        demo.send_signal(number)
        code = demo.wait(PATIENCE_S)
    assert code == (-number if number == signal.SIGKILL else 128 + number)
    # The system tells the others when the demo was killed, so they end just after it.
    until(lambda: leftovers(folder) == [], "everything has ended")


def test_a_part_that_dies_ends_the_story_with_a_sentence(folder: Path) -> None:
    command = [*DEMO, "--plain", "--seconds", "600", "--data", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        bridge = folder / "harbour" / "run" / "bridge.json"
        until(bridge.exists, "the bridge says how it is")
        os.kill(json.loads(bridge.read_bytes())["pid"], signal.SIGKILL)
        output, errors = demo.communicate(timeout=PATIENCE_S)
    assert demo.returncode == 1
    assert "larder-bridge ended with code -9" in errors
    assert last_line(output)["passed"] is False
    assert leftovers(folder) == []


def test_a_reader_that_goes_away_ends_it_quietly(folder: Path) -> None:
    command = [*DEMO, "--plain", "--seconds", "600", "--data", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None and demo.stderr is not None
        demo.stdout.readline()
        demo.stdout.close()
        errors = demo.stderr.read()
    assert demo.returncode == 1
    assert "Traceback" not in errors
    assert leftovers(folder) == []


@pytest.mark.slow
def test_without_a_folder_it_uses_one_of_its_own_and_removes_it(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([*DEMO, "--seconds", "45"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "larder-demo-" in last_line(done.stdout)["folder"]
    assert list(tmp_path.iterdir()) == []


def pears_sold_heard_of(folder: Path) -> tuple[int, ...]:
    """Return how many sales at Mill Road are in Harbour's database, and in its own."""
    found = []
    for market in ("harbour", "mill-road"):
        database = folder / market / "market" / "market.db"
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            query = "SELECT count(*) FROM movement WHERE kind = 2 AND lot_stream IN (SELECT stream FROM lot"
            found.append(connection.execute(f"{query} WHERE item_id = 'food/pears')").fetchone()[0])
    return tuple(found)


def ask_for_outage(master: int, has_shown: Callable[[str], bool]) -> None:
    """Choose the demo's own command from the screen's list of all commands."""
    os.write(master, b"\x10")
    until(lambda: has_shown("commands"), "the list of commands")
    os.write(master, b"outage")
    until(lambda: has_shown("Outage: start / end"), "the demo's command")
    os.write(master, b"\r")
    until(lambda: has_shown("Asked the demo"), "the demo is asked")


@pytest.mark.slow
def test_on_a_terminal_it_opens_the_screen_and_gives_the_terminal_back(folder: Path) -> None:
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    before = termios.tcgetattr(slave)
    screen = pyte.Screen(80, 24)
    stream = pyte.ByteStream(screen)

    def has_shown(words: str) -> bool:
        if select.select([master], [], [], 0.05)[0]:
            stream.feed(os.read(master, 65536))
        return any(words in line for line in screen.display)

    command = [*DEMO, "--seconds", "600", "--data", str(folder)]
    environment = {**os.environ, "TERM": "xterm-256color"}
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=environment) as demo:
        until(lambda: has_shown("Harbour"), "the screen shows the market")
        until(lambda: has_shown("fridge-1"), "the screen shows a linked device")
        until(lambda: has_shown("") and pears_sold_heard_of(folder) == (0, 0), "both markets are there")
        ask_for_outage(master, has_shown)
        until(lambda: has_shown("") and pears_sold_heard_of(folder) == (0, 1), "Mill Road sells, Harbour is apart")
        ask_for_outage(master, has_shown)
        until(lambda: has_shown("") and pears_sold_heard_of(folder) == (1, 1), "Harbour hears of it afterwards")
        demo.terminate()
        until(lambda: has_shown("The markets lie in"), "the demo says where the markets lie")
    assert demo.returncode == 128 + signal.SIGTERM
    assert termios.tcgetattr(slave) == before
    assert not screen.cursor.hidden
    for descriptor in (master, slave):
        os.close(descriptor)
    assert leftovers(folder) == []


@pytest.mark.parametrize(
    "arguments",
    [["--seconds", "0"], ["--seconds", "soon"], ["--unknown"], ["word"], ["--data", __file__], ["--broker", "pigeon"]],
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert subprocess.run([*DEMO, *arguments], capture_output=True, check=False).returncode == 2


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_fresh_clone_shows_the_demo_and_again_without_a_network(folder: Path) -> None:
    """Fills a new environment from the index, as the README's reader does; the second run has no network at all."""
    git, prefix = need_program("git"), need_no_network()
    clone = folder / "clone"
    subprocess.run([git, "clone", "--quiet", str(CHECKOUT), str(clone)], check=True)
    data = folder / "data"
    demo = [str(clone / "deploy" / "demo"), "--plain", "--data", str(data), "--seconds"]
    done = subprocess.run([*demo, "60", "--outage"], capture_output=True, text=True, check=False)
    if done.returncode == 3:
        leave_out(f"a new environment cannot be filled here: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stdout + done.stderr
    has_been_apart(last_line(done.stdout))
    has_kept_everything(data, last_line(done.stdout), openings=1)
    assert independently_checked(data, last_line(done.stdout))["outage_sales_found"] == 2
    again = subprocess.run([*prefix, *demo, "40"], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stdout + again.stderr
    has_kept_everything(data, last_line(again.stdout), openings=2)
    assert leftovers(data) == []
