"""The bridge as its users run it: a process, boards on pseudo terminals, kills, cables, disks."""

import os
import random
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from firmware_bridge import clock
from firmware_bridge.store import read
from firmware_bridge.store.version import SCHEMA_VERSION
from tests.faults import faulty
from tests.firmware_bridge.running import UID, Shop, a_shop, assert_stored_is_produced, until


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with a_shop(tmp_path) as opened:
        yield opened


def test_a_board_is_found_and_its_readings_are_stored_and_readable(shop: Shop) -> None:
    shop.board("--period-s", "0.1", "--door")
    bridge = shop.bridge("--commit-interval-s", "1")
    shop.wait_stored(10)
    shop.wait_linked()
    conn = read.open_telemetry(shop.database)
    newest = read.latest(conn, clock.now())
    conn.close()
    assert [(each.channel.device_uid, each.channel.name) for each in newest] == [
        (UID, "fridge-1"),
        (UID, "door fridge-1"),
    ]
    first = newest[0].reading
    assert first is not None
    assert (first.quality, first.is_age_estimated) == ("GOOD", False)
    assert first.age_ms is not None and first.age_ms < 20_000
    assert bridge.end()[0] == 0


def test_the_log_can_be_read_while_the_bridge_is_stopped(shop: Shop) -> None:
    shop.board("--period-s", "0.1")
    bridge = shop.bridge("--commit-interval-s", "1")
    shop.wait_stored(5)
    assert bridge.end()[0] == 0
    assert not shop.database.with_name("telemetry.db-wal").exists()
    conn = read.open_telemetry(shop.database)
    assert read.counts(conn).readings >= 5
    conn.close()


def test_the_log_can_be_read_after_the_bridge_was_killed(shop: Shop) -> None:
    shop.board("--period-s", "0.1")
    bridge = shop.bridge("--commit-interval-s", "1")
    shop.wait_stored(5)
    bridge.kill()
    conn = read.open_telemetry(shop.database)
    assert read.counts(conn).readings >= 5
    conn.close()


def test_files_and_folders_have_the_modes_a_group_needs(shop: Shop) -> None:
    shop.board("--period-s", "0.1")
    shop.bridge("--commit-interval-s", "1")
    shop.wait_stored(1)
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (shop.database.parent, shop.data / "run", *shop.database.parent.iterdir())
    }
    assert modes == {
        "telemetry": 0o2770,
        "ask": 0o2770,
        "run": 0o2770,
        "telemetry.db": 0o660,
        "telemetry.db-wal": 0o660,
        "telemetry.db-shm": 0o660,
        "telemetry.lock": 0o660,
    }


def test_a_second_bridge_is_refused_with_one_clear_sentence(shop: Shop) -> None:
    first = shop.bridge()
    until(shop.heartbeat, what="the first bridge runs")
    code, out, err = shop.bridge().ended()
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        f"Another bridge is already writing this folder (process {first.child.pid}).",
        "Stop it first, or use it: one bridge reads all ports.",
    ]
    assert first.end()[0] == 0


def test_ending_commits_acknowledges_and_leaves_one_file(shop: Shop) -> None:
    shop.board("--period-s", "0.1")
    bridge = shop.bridge("--commit-interval-s", "60")
    shop.wait_linked()
    until(lambda: shop.heartbeat()["waiting_records"] >= 5, what="records wait for their commit")
    assert bridge.end(deadline_s=5)[0] == 0
    assert sorted(path.name for path in shop.database.parent.iterdir()) == ["ask", "telemetry.db", "telemetry.lock"]
    assert shop.heartbeat()["state"] == "stopped"
    assert len(shop.stored()) >= 5


@pytest.mark.slow
def test_killed_again_and_again_every_record_is_stored_exactly_once(shop: Shop) -> None:
    source = random.Random(5)
    board = shop.board("--period-s", "0.02", "--door", "--ring", "4096", "--speed", "600")
    for _ in range(12):
        bridge = shop.bridge("--commit-interval-s", "1")
        before = len(shop.stored()) if shop.database.exists() else 0
        shop.wait_stored(before + source.randrange(1, 60))
        bridge.kill()
    assert board.end()[0] == 0
    shop.board("--period-s", "3600", "--door", "--ring", "4096")
    shop.bridge("--commit-interval-s", "1")
    assert_stored_is_produced(shop, count_min=200)
    assert shop.query("select count(*) from gap") == [(0,)]
    assert shop.query("select sum(conflicts) from device") == [(0,)]


def test_a_board_that_is_killed_and_keeps_its_ring_loses_nothing(shop: Shop) -> None:
    board = shop.board("--period-s", "0.05")
    shop.bridge("--commit-interval-s", "1")
    for _ in range(3):
        produced = len(shop.produced())
        until(lambda enough=produced + 25: len(shop.produced()) >= enough, what="the board made 25 records")
        board.kill()
        board = shop.board("--period-s", "0.05")
    board.end()
    shop.board("--period-s", "3600")
    until(
        lambda: set(shop.stored_records()) >= set(shop.produced()) and len(shop.produced()) >= 75, what="all is stored"
    )
    stored = shop.stored_records()
    assert len(stored) == len(set(stored))
    # A board killed between its ring and its list made a record that only the ring knows.
    assert len(set(stored) - set(shop.produced())) <= 3
    assert shop.query("select count(*) from gap") == [(0,)]
    assert len({boot for boot, *_ in stored}) >= 3


def test_a_board_that_loses_its_ring_leaves_a_gap_of_unknown_size(shop: Shop) -> None:
    board = shop.board("--period-s", "0.1")
    shop.bridge("--commit-interval-s", "1")
    shop.wait_stored(3)
    board.kill()
    Path(f"{shop.state_file}fridge").unlink()
    shop.board("--period-s", "0.1")
    until(lambda: shop.query("select count, cause from gap"), what="a gap is written down")
    assert shop.query("select count, cause from gap") == [(None, "power")]


def test_a_ring_that_overflows_merges_and_counts_what_it_dropped(shop: Shop) -> None:
    board = shop.board("--period-s", "0.01", "--ring", "16", "--speed", "1")
    bridge = shop.bridge("--commit-interval-s", "1")
    shop.wait_stored(10)
    bridge.kill()
    produced = len(shop.produced())
    until(lambda: len(shop.produced()) > produced + 300, what="the ring ran over many times")
    shop.bridge("--commit-interval-s", "1")
    shop.wait_stored(60)
    board.end()
    gaps = shop.query("select count, cause from gap")
    merged = shop.query("select count(*) from readings where status & 4")
    # The longest outage stays covered: records were merged, and only what could not merge is a gap.
    assert merged[0][0] > 0
    assert {cause for _, cause in gaps} <= {"device_overflow"}
    assert all(count > 0 for count, _ in gaps)


def test_an_unplugged_port_is_absent_and_a_replugged_one_is_linked_at_once(shop: Shop) -> None:
    board = shop.board("--period-s", "0.1")
    shop.bridge("--commit-interval-s", "1")
    shop.wait_stored(3)
    board.kill()
    until(lambda: shop.port_states().get("fridge") == "absent", what="the port is absent")
    before = len(shop.stored())
    shop.board("--period-s", "0.1")
    shop.wait_stored(before + 3)
    shop.wait_linked()


def test_two_ports_with_one_board_name_the_second_is_refused(shop: Shop) -> None:
    shop.board("--period-s", "0.1", link="a")
    shop.bridge("--commit-interval-s", "1")
    shop.wait_linked("a")
    shop.board("--period-s", "0.1", link="b")
    until(lambda: shop.port_states().get("b") == "refused", what="the second one is refused")
    error = {Path(port["port"]).name: port["last_error"] for port in shop.heartbeat()["ports"]}["b"]
    assert error == f"The same board is in use on {shop.ports / 'a'}."
    assert shop.port_states()["a"] == "linked"


def test_garbage_on_the_line_is_counted_and_costs_no_reading(shop: Shop) -> None:
    """A noisy neighbour: the bridge side of the line gets bytes that no board sent."""
    shop.board("--period-s", "0.1")
    shop.bridge("--commit-interval-s", "1")
    shop.wait_linked()
    with (shop.ports / "fridge").open("wb", buffering=0) as line:
        line.write(os.urandom(64) + b"\0hello\0")  # the board hears this: its ear counts and goes on
    shop.wait_stored(len(shop.stored()) + 10)
    assert shop.port_states()["fridge"] == "linked"


def test_a_newer_file_is_refused_and_left_alone(shop: Shop) -> None:
    shop.database.parent.mkdir(parents=True)
    conn = sqlite3.connect(shop.database)
    conn.execute("create table later (fact text)")
    conn.execute("pragma user_version = 99")
    conn.close()
    before = shop.database.read_bytes()
    code, _, err = shop.bridge().ended()
    assert code == 1
    assert (
        err.splitlines()[0]
        == f"telemetry.db was written by a newer Larder (version 99, this one knows {SCHEMA_VERSION})."
    )
    assert shop.database.read_bytes() == before


@pytest.mark.parametrize("damage", ["header", "middle", "nul", "cut"])
def test_a_damaged_file_is_moved_aside_and_the_boards_fill_a_new_one(shop: Shop, damage: str) -> None:
    board = shop.board("--period-s", "0.05")
    bridge = shop.bridge("--commit-interval-s", "1")
    shop.wait_stored(30)
    bridge.end()
    content = bytearray(shop.database.read_bytes())
    if damage == "header":
        content[:100] = os.urandom(100)
    elif damage == "middle":
        content[1024:] = os.urandom(len(content) - 1024)
    elif damage == "nul":
        content = bytearray(len(content))
    else:
        content = content[: len(content) // 2]
    shop.database.write_bytes(content)
    shop.bridge("--commit-interval-s", "1")
    until(lambda: (shop.database.with_name("telemetry.db.damaged-1")).exists(), what="the file is put aside")
    assert shop.database.with_name("telemetry.db.damaged-1").read_bytes() == content
    shop.wait_stored(5)
    assert board.child.poll() is None
    assert shop.query("select distinct cause from gap") == [("host_lost",)]


@pytest.mark.parametrize("refusal", ["ENOSPC", "EROFS"])
def test_a_disk_that_refuses_loses_nothing_and_says_so(shop: Shop, tmp_path: Path, refusal: str) -> None:
    released = tmp_path / "released"
    shop.board("--period-s", "0.05")
    environment = faulty(shop.database.parent, refuse=refusal, refuse_from=400, refuse_until=released)
    # Every value is beyond this bound, so every record is a commit and the 400th write comes soon.
    shop.bridge("--alarm-above", "fridge-1=-40", environment=environment)
    until(lambda: shop.heartbeat().get("state") == "disk_refuses", what="the refusal shows")
    assert shop.heartbeat()["message"].startswith("The disk refuses: ")
    stored = len(shop.stored())
    released.touch()
    until(lambda: shop.heartbeat().get("state") == "running", what="the bridge goes on")
    shop.wait_stored(stored + 20)
    seqs = [seq for _, seq, *_ in shop.stored()]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert shop.query("select count(*) from gap") == [(0,)]


def test_an_alarm_is_on_disk_long_before_the_interval(shop: Shop) -> None:
    shop.board("--period-s", "2")
    shop.bridge("--commit-interval-s", "60", "--alarm-above", "fridge-1=-40")
    until(lambda: shop.stored(), what="an alarm is stored")
    # Without the bound nothing is committed before a backlog of nine waits, or the minute is over.
    assert len(shop.stored()) <= 8


def test_usage_errors_are_told_apart(shop: Shop) -> None:
    assert shop.bridge("--commit-interval-s", "0").ended()[0] == 2
    assert shop.bridge("--alarm-above", "fridge-1=hot").ended()[0] == 2


def test_a_folder_that_cannot_be_used_is_said_and_tried_again_later(shop: Shop, tmp_path: Path) -> None:
    shop.data = tmp_path / "file" / "data"
    (tmp_path / "file").write_text("not a folder")
    code, _, err = shop.bridge().ended()
    assert code == 3
    assert err.startswith(f"The data folder {shop.data} cannot be used")
