"""The demo as its user meets it: it works, what it leaves can be checked by others, and nothing of it stays behind."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
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
    """Return the command lines of all processes that name this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if str(folder) in words and int(path.parent.name) != os.getpid():
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


def independently_checked(folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-I", str(INDEPENDENT_CHECK), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.fixture
def folder() -> Iterator[Path]:
    """Yield a folder with a name that breaks what does not quote, short enough for a socket."""
    path = Path(tempfile.mkdtemp(prefix="lärder [e2e] "))
    yield path
    shutil.rmtree(path)


@pytest.mark.slow
def test_the_story_is_played_kept_and_can_be_opened_again(folder: Path) -> None:
    for opening in (1, 2):
        command = [*DEMO, "--plain", "--seconds", "8", "--data", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        facts = last_line(done.stdout)
        assert (facts["devices_linked"], facts["received"], facts["sold"], facts["undone"]) == (3, 2, 2, 1)
        assert facts["passed"] is True
        assert facts["digest"]
        assert {unit["name"] for unit in facts["cold"]} >= {"fridge-1", "freezer-1"}
        assert "FAIL" not in done.stdout
        assert leftovers(folder) == []
        checked = independently_checked(folder)
        assert len(checked["readings"]) == 3
        assert sum(checked["readings"].values()) == facts["readings_stored"] >= 9 * opening
        assert checked["sealed_blocks"] == facts["sealed_blocks"] >= 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays_behind_however_it_ends(folder: Path, number: signal.Signals) -> None:
    command = [*DEMO, "--plain", "--seconds", "600", "--data", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as demo:
        assert demo.stdout is not None
        until(lambda: "linked" in (demo.stdout.readline() if demo.stdout else ""), "a device links")
        assert len(processes_in(folder)) >= 6
        demo.send_signal(number)
        code = demo.wait(PATIENCE_S)
    assert code == (-number if number == signal.SIGKILL else 128 + number)
    # The system tells the others when the demo was killed, so they end just after it.
    until(lambda: leftovers(folder) == [], "everything has ended")


def test_a_part_that_dies_ends_the_story_with_a_sentence(folder: Path) -> None:
    command = [*DEMO, "--plain", "--seconds", "600", "--data", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as demo:
        bridge = folder / "run" / "bridge.json"
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


def test_without_a_folder_it_uses_one_of_its_own_and_removes_it(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([*DEMO, "--seconds", "8"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "larder-demo-" in last_line(done.stdout)["market"]
    assert list(tmp_path.iterdir()) == []


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
        demo.terminate()
        until(lambda: has_shown("The market lies in"), "the demo says where the market lies")
    assert demo.returncode == 128 + signal.SIGTERM
    assert termios.tcgetattr(slave) == before
    assert not screen.cursor.hidden
    for descriptor in (master, slave):
        os.close(descriptor)
    assert leftovers(folder) == []


@pytest.mark.parametrize(
    "arguments", [["--seconds", "0"], ["--seconds", "soon"], ["--unknown"], ["word"], ["--data", __file__]]
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
    demo = [str(clone / "deploy" / "demo"), "--seconds", "40", "--plain", "--data", str(data)]
    done = subprocess.run(demo, capture_output=True, text=True, check=False)
    if done.returncode == 3:
        leave_out(f"a new environment cannot be filled here: {done.stderr.splitlines()[-1]}")
    assert done.returncode == 0, done.stdout + done.stderr
    checked = independently_checked(data)
    assert len(checked["readings"]) == 3
    assert sum(checked["readings"].values()) >= 60
    assert checked["sealed_blocks"] >= 1
    again = subprocess.run([*prefix, *demo], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stdout + again.stderr
    assert last_line(again.stdout)["passed"] is True
    assert leftovers(data) == []
