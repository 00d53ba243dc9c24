"""larder-node as a real process: it seals, it says how it is, a second one is refused, a killed one is replaced."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from node import clock
from node.actions.keeping import verify
from node.daemon.main import Node
from node.daemon.supervisor import BEAT_MAX_AGE_S
from node.health import read_heartbeat
from node.ledger.read import open_reader, pending_count, sealed_count
from node.places import Places
from tests.node.builders import a_received_lot, a_sale, an_item, an_open_market

WITHIN_S = 60.0


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something another process does."""
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"still waiting for {what}")
        time.sleep(0.05)


@contextmanager
def a_node(places: Places, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A running larder-node, ended with SIGTERM unless the test ended it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "node.daemon.main", "--data", str(places.root)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=WITHIN_S)


def sealed(places: Places) -> tuple[int, int]:
    """How many blocks are sealed, and how many events are pending."""
    reader = open_reader(places)
    try:
        return sealed_count(reader), pending_count(reader)
    finally:
        reader.close()


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A market with a delivery and a sale that nobody signed yet."""
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        a_received_lot(store, item)
        a_sale(store, item)
    return Places(tmp_path)


def test_what_staff_did_is_signed_soon_and_verifies(places: Places) -> None:
    with a_node(places):
        wait_until(lambda: sealed(places)[1] == 0, "the seal")
        assert read_heartbeat(places.node_heartbeat, clock.now()).state == "here"
    reader = open_reader(places)
    assert verify(reader, places).pending_events == 0
    reader.close()
    assert sealed(places)[0] == 3


def test_a_node_that_is_told_to_stop_seals_first_and_leaves_nothing_open(places: Places) -> None:
    with a_node(places) as process:
        wait_until(places.node_heartbeat.exists, "the heartbeat")
        process.terminate()
        assert process.wait(WITHIN_S) == 0
    assert not Path(f"{places.market_db}-wal").exists()
    assert sealed(places)[1] == 0
    assert read_heartbeat(places.node_heartbeat, clock.now()).state == "away"


def test_a_second_node_is_refused_in_one_sentence(places: Places) -> None:
    with a_node(places) as first:
        wait_until(places.node_heartbeat.exists, "the first node")
        second = subprocess.run(
            [sys.executable, "-m", "node.daemon.main", "--data", str(places.root)],
            capture_output=True,
            text=True,
            check=False,
            timeout=WITHIN_S,
        )
        assert second.returncode == 1
        assert f"larder-node is already running for this market (process {first.pid})." in second.stderr
        assert first.poll() is None


def test_a_killed_node_is_followed_by_another_at_once(places: Places) -> None:
    with a_node(places) as first:
        wait_until(places.node_heartbeat.exists, "the first node")
        first.send_signal(signal.SIGKILL)
        first.wait(WITHIN_S)
        with a_node(places):
            wait_until(lambda: sealed(places)[1] == 0, "the seal")


def test_without_its_key_it_says_so_and_staff_go_on(places: Places) -> None:
    places.node_key.rename(places.node_key.with_suffix(".away"))
    with a_node(places):

        def sentence() -> str:
            return read_heartbeat(places.node_heartbeat, clock.now()).sentence if places.node_heartbeat.exists() else ""

        wait_until(lambda: "key" in sentence(), "the sentence about the key")
        assert sealed(places)[1] > 0
        # Put the key back: it is found without a restart.
        places.node_key.with_suffix(".away").rename(places.node_key)
        wait_until(lambda: sealed(places)[1] == 0, "the seal")


def test_a_folder_without_a_market_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "node.daemon.main", "--data", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=WITHIN_S,
    )
    assert (done.returncode, done.stderr.splitlines()[0]) == (1, f"There is no market in {tmp_path}.")


def test_a_folder_that_takes_no_files_is_refused_with_its_name_and_what_to_do(places: Places) -> None:
    places.run.rmdir()
    places.run.write_text("a file where a folder must be")
    refused = subprocess.run(
        [sys.executable, "-m", "node.daemon.main"],
        capture_output=True,
        text=True,
        env={**os.environ, "LARDER_DATA": str(places.root)},
        timeout=WITHIN_S,
        check=False,
    )
    assert refused.returncode == 1
    message, hint = refused.stderr.splitlines()
    assert message == f"The folder {places.root} cannot be used (File exists)."
    assert hint.startswith("Check that the card")


def test_a_line_that_cannot_be_written_anywhere_ends_nothing() -> None:
    says = "from node.daemon.notify import report; report('the disk is full'); print('still here')"
    with Path("/dev/full").open("w") as full:
        said = subprocess.run([sys.executable, "-c", says], stderr=full, stdout=subprocess.PIPE, check=True)
    assert said.stdout == b"still here\n"


def test_a_worker_that_does_nothing_any_more_is_not_said_to_be_here(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node(places)
    node._say("running")
    first = places.node_heartbeat.read_text()
    later_s = clock.monotonic_s() + BEAT_MAX_AGE_S
    monkeypatch.setattr(clock, "monotonic_s", lambda: later_s)
    node._say("running")
    assert first == places.node_heartbeat.read_text()
    node._say("stopped")
    assert read_heartbeat(places.node_heartbeat, clock.now()).state == "away"


def test_the_service_manager_hears_ready_and_the_watchdog_without_any_broker_or_port(places: Places) -> None:
    address = str(places.root / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(WITHIN_S)
        with a_node(places, NOTIFY_SOCKET=address):
            said = [manager.recv(1024).decode() for _message in range(2)]
    assert said[0].startswith("READY=1")
    assert said[1] == "WATCHDOG=1"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        json.dumps({"boottime_ms": "x"}),
        json.dumps({"host_boot_id": "other", "boottime_ms": 1}),
        "9" * 99999,
    ],
)
def test_a_heartbeat_that_is_not_one_reads_as_away(tmp_path: Path, content: str) -> None:
    (tmp_path / "node.json").write_text(content)
    assert read_heartbeat(tmp_path / "node.json", clock.now()).state == "away"


def test_a_heartbeat_of_another_boot_reads_as_away_however_young_it_looks(tmp_path: Path) -> None:
    moment = clock.now()
    content = {"host_boot_id": moment.boot_id, "boottime_ms": moment.boottime_ms, "state": "running"}
    (tmp_path / "node.json").write_text(json.dumps(content))
    assert read_heartbeat(tmp_path / "node.json", moment).state == "here"
    (tmp_path / "node.json").write_text(json.dumps({**content, "host_boot_id": "another"}))
    assert read_heartbeat(tmp_path / "node.json", moment).state == "away"
