"""Thinning: what stays, what becomes of the rest, how much room it takes, and killed anywhere."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from subprocess import PIPE
from types import SimpleNamespace

import pytest

from firmware_bridge.clock import HostNow
from firmware_bridge.store import room
from firmware_bridge.store.keep import KEEP_BYTES_MAX, Keep, read_keep
from firmware_bridge.store.protection import Bounds
from firmware_bridge.store.quality import QUALITY_GOOD, QUALITY_SUSPECT, REASON_CODES
from firmware_bridge.store.room import MEGABYTE, Policy, Thinner, levels
from firmware_bridge.store.store import Store
from firmware_bridge.supervisor import Supervisor
from firmware_bridge.writer import Writer
from tests.firmware_bridge.running import until
from tests.firmware_bridge.store.years import DAY_MS, EPOCH_US, a_market, at, measured, stored, value_at

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
UID = "01eeffc042000001"


def thinned(store_path: Path, policy: Policy, now_ms: int, *, is_clock_trusted: bool = True) -> Thinner:
    """Thin until there is nothing to do."""
    conn = sqlite3.connect(store_path, isolation_level=None)
    conn.execute("pragma synchronous = off")  # the disk is not what is tested here
    thinner = Thinner(conn, store_path, policy)
    while thinner.step(at(now_ms, is_clock_trusted=is_clock_trusted)):
        pass
    conn.close()
    return thinner


def totals(path: Path) -> list[tuple[int, int, int]]:
    """Return (channel, count, sum) of everything, whole or in buckets."""
    conn = sqlite3.connect(path)
    found = conn.execute(
        "select channel, sum(count), sum(total) from (select channel, 1 as count, value as total from readings"
        " union all select channel, count, total from thinned) group by channel order by channel"
    ).fetchall()
    conn.close()
    return found


def rows(path: Path, sql: str) -> list[tuple[int, ...]]:
    conn = sqlite3.connect(path)
    found = conn.execute(sql).fetchall()
    conn.close()
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "telemetry").mkdir()
    return tmp_path / "telemetry" / "telemetry.db"


def two_days(path: Path, *, probes: int = 2, period_ms: int = MINUTE_MS) -> int:
    store = a_market(path, probes=probes)
    stored(store.conn, measured(0, 2 * DAY_MS, period_ms, 0, probes=probes))
    store.close()
    return 2 * DAY_MS


def test_old_readings_become_buckets_of_five_minutes_that_keep_count_sum_and_extremes(path: Path) -> None:
    now_ms = two_days(path)
    before = totals(path)
    thinned(path, Policy(keep_raw_days=1), now_ms)
    assert totals(path) == before
    assert rows(path, "select min(dev_ms) from reading") == [(DAY_MS,)]
    assert rows(path, "select count(*), min(period_s), max(period_s), sum(count) from thinned") == [
        (2 * 288, 300, 300, 2 * 1440)
    ]
    values = [value_at(1, minute * MINUTE_MS) for minute in range(5, 10)]
    assert rows(
        path,
        "select start_ms, count, total, lowest, highest, lowest_ms, highest_ms, first_ms, last_ms, last_value,"
        " quality, version from thinned where channel = 1 and start_ms = 300000",
    ) == [
        (
            300_000,
            5,
            sum(values),
            min(values),
            max(values),
            (5 + values.index(min(values))) * MINUTE_MS,
            (5 + values.index(max(values))) * MINUTE_MS,
            300_000,
            540_000,
            values[-1],
            QUALITY_GOOD,
            2,
        )
    ]


def test_old_buckets_become_hours_that_are_what_the_readings_would_have_given(path: Path) -> None:
    now_ms = two_days(path)
    before = totals(path)
    thinned(path, Policy(keep_raw_days=1, keep_buckets_days=1), now_ms)
    assert totals(path) == before
    assert rows(path, "select period_s, count(*), sum(count) from thinned group by period_s") == [(3600, 48, 2880)]
    values = [value_at(0, minute * MINUTE_MS) for minute in range(60, 120)]
    sql = "select count, total, lowest, highest, last_value from thinned where channel = 0 and start_ms = 3600000"
    assert rows(path, sql) == [(60, sum(values), min(values), max(values), values[-1])]


def test_doubtful_readings_never_mix_with_good_ones(path: Path) -> None:
    now_ms = two_days(path, probes=1)
    conn = sqlite3.connect(path)
    conn.execute(
        "update reading set value = 25000, quality = ?, reason = ? where seq between 6 and 7",
        (QUALITY_SUSPECT, REASON_CODES["special"]),
    )
    conn.commit()
    conn.close()
    thinned(path, Policy(keep_raw_days=1), now_ms)
    sql = "select quality, reason, count, highest from thinned where start_ms = 300000 order by quality"
    good = max(value_at(0, minute * MINUTE_MS) for minute in (5, 8, 9))
    assert rows(path, sql) == [
        (QUALITY_GOOD, 0, 3, good),
        (QUALITY_SUSPECT, REASON_CODES["special"], 2, 25_000),
    ]


def test_faults_door_edges_and_half_an_hour_around_an_excursion_stay_whole(path: Path) -> None:
    now_ms = two_days(path, probes=3)
    conn = sqlite3.connect(path)
    # Channel 0 is above its bound from 10:00 to 10:04; channel 1 has a fault; channel 2 is a door that opens once.
    conn.execute("update channel set flags = 1, kind = 4 where channel = 2")
    conn.execute("update reading set value = 0 where channel = 2")
    conn.execute("update reading set value = 1 where channel = 2 and dev_ms between 7200000 and 7320000")
    conn.execute("update reading set value = 9000 where channel = 0 and dev_ms between 36000000 and 36240000")
    conn.execute("update reading set status = 33 where channel = 1 and dev_ms = 18000000")
    conn.commit()
    conn.close()
    thinned(path, Policy(keep_raw_days=1, bounds=Bounds({"probe-0": 8000}, {})), now_ms)
    kept = rows(path, "select channel, dev_ms / 60000 from reading where dev_ms < 86400000 order by channel, dev_ms")
    assert [minute for channel, minute in kept if channel == 0] == list(range(600 - 30, 605 + 30))
    assert [minute for channel, minute in kept if channel == 1] == [300]
    edges = [minute for channel, minute in kept if channel == 2]
    assert {0, 120, 123} <= set(edges) and len(edges) < 20
    assert sum(count for _, count, _ in totals(path)) == 3 * 2880


def test_without_a_sure_age_nothing_is_thinned_until_there_is_no_room(path: Path) -> None:
    now_ms = two_days(path)
    before = rows(path, "select count(*) from reading")
    conn = sqlite3.connect(path)
    conn.execute("update clock_sample set is_synced = 0, host_boot_id = 'b'")
    conn.commit()
    conn.close()
    thinned(path, Policy(keep_raw_days=1), now_ms + 10**12)
    thinned(path, Policy(keep_raw_days=1), now_ms + 10**12, is_clock_trusted=False)
    assert rows(path, "select count(*) from reading") == before


def test_a_time_server_that_is_ten_years_off_for_a_minute_takes_nothing_away(path: Path) -> None:
    """After a restart of the computer only the wall clock knows how old a reading is."""
    two_days(path)
    ten_years_us = 10 * 365 * DAY_MS * 1000
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute(
        "insert into clock_sample select 1, ?, host_boot_id, ?, wall_us + ?, 1, 4 from clock_sample",
        (2 * DAY_MS, 2 * DAY_MS, 2 * DAY_MS * 1000),
    )
    thinner = Thinner(conn, path, Policy(keep_raw_days=7))
    count = "select count(*) from reading"
    before = conn.execute(count).fetchone()

    def an_hourly_round(uptime_ms: int, off_us: int) -> None:
        wall_us = EPOCH_US + 3 * DAY_MS * 1000 + uptime_ms * 1000 + off_us
        while thinner.step(HostNow("b" * 32, uptime_ms, wall_us, is_clock_trusted=True)):
            pass

    an_hourly_round(MINUTE_MS, ten_years_us)
    assert conn.execute(count).fetchone() == before
    an_hourly_round(HOUR_MS, 0)
    an_hourly_round(2 * HOUR_MS, 0)
    an_hourly_round(3 * HOUR_MS, ten_years_us)
    an_hourly_round(4 * HOUR_MS, 0)
    assert conn.execute(count).fetchone() == before
    for hours in range(5, 24 * 7):
        an_hourly_round(hours * HOUR_MS, 0)
    assert conn.execute(count).fetchone() < before
    conn.close()


def test_a_setting_that_changes_touches_nothing_that_is_stored_and_is_dated(path: Path) -> None:
    now_ms = two_days(path)
    thinned(path, Policy(keep_raw_days=1), now_ms)
    before = rows(path, "select * from thinned"), rows(path, "select * from reading")
    thinned(path, Policy(keep_raw_days=30), now_ms + 1000)
    thinned(path, Policy(keep_raw_days=30), now_ms + 2000)
    assert (rows(path, "select * from thinned"), rows(path, "select * from reading")) == before
    sql = "select value, noticed_us from setting_version where name = 'keep_raw_days' order by setting_version"
    assert rows(path, sql) == [("1", EPOCH_US + now_ms * 1000), ("30", EPOCH_US + (now_ms + 1000) * 1000)]


def test_only_what_is_sealed_is_thinned_and_what_must_stay_stays(path: Path) -> None:
    now_ms = two_days(path, probes=1)
    told = {"version": 1, "sealed": {UID: {"9": 600}}, "keep": [[UID, 9, 100, 119]]}
    (path.parent / "keep.json").write_text(json.dumps(told), encoding="utf-8")
    thinned(path, Policy(keep_raw_days=1), now_ms)
    left = [seq for (seq,) in rows(path, "select seq from reading where dev_ms < 86400000 order by seq")]
    assert left == [*range(100, 120), *range(600, 1440)]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"version": 2, "sealed": {}, "keep": []}',
        b'{"version": 1, "sealed": [], "keep": []}',
        b'{"version": 1, "sealed": {"a": {"x": 1}}, "keep": []}',
        b'{"version": 1, "sealed": {"a": {"1": -1}}, "keep": []}',
        b'{"version": 1, "sealed": {"a": {"1": 1e9}}, "keep": []}',
        b'{"version": 1, "sealed": {"a": {"1": true}}, "keep": []}',
        b'{"version": 1, "sealed": {"a": {"1": 99999999999999999999}}, "keep": []}',
        b'{"version": 1, "sealed": {}, "keep": [["a", 1, 2]]}',
        b'{"version": 1, "sealed": {}, "keep": [[["a"], 1, 2, 3]]}',
        b'{"version": 1, "sealed": {}, "keep": ' + b" " * KEEP_BYTES_MAX + b"[]}",
    ],
)
def test_a_keep_file_that_is_not_understood_keeps_everything(path: Path, content: bytes) -> None:
    path.parent.joinpath("keep.json").write_bytes(content)
    found = read_keep(path.parent)
    assert found.problem and found.is_sealing


def test_a_pipe_in_the_place_of_the_keep_file_holds_nobody_up(path: Path) -> None:
    os.mkfifo(path.parent / "keep.json")
    assert read_keep(path.parent).problem


def test_while_the_keep_file_is_not_understood_only_want_of_room_takes_anything(path: Path) -> None:
    now_ms = two_days(path)
    (path.parent / "keep.json").write_text("{", encoding="utf-8")
    before = rows(path, "select count(*) from reading")
    thinned(path, Policy(keep_raw_days=1), now_ms)
    assert rows(path, "select count(*) from reading") == before
    assert thinned(path, Policy(keep_raw_days=1, telemetry_max_mb=0), now_ms).is_early
    assert rows(path, "select count(*) from reading") < before


def test_where_nothing_else_helps_all_but_door_edges_goes_and_what_was_not_sealed_is_said(path: Path) -> None:
    now_ms = two_days(path, probes=3)
    conn = sqlite3.connect(path)
    conn.execute("update channel set flags = 1, kind = 4 where channel = 2")
    conn.execute("update reading set value = dev_ms / 7200000 % 2 where channel = 2")
    conn.execute("update reading set status = 33 where channel = 1 and dev_ms < 3600000")
    conn.commit()
    conn.close()
    told = {"version": 1, "sealed": {UID: {"9": 60}}, "keep": []}
    (path.parent / "keep.json").write_text(json.dumps(told), encoding="utf-8")
    thinned(path, Policy(keep_raw_days=1, telemetry_max_mb=0), now_ms)
    old = f"dev_ms < {now_ms - 7 * HOUR_MS}"
    assert rows(path, f"select count(*) from reading where {old} and channel < 2") == [(0,)]
    edges = {minute for (minute,) in rows(path, f"select dev_ms / 60000 from reading where {old} and channel = 2")}
    assert set(range(0, 41 * 60, 120)) <= edges
    assert rows(path, "select count, total from thinned where quality = 4 order by start_ms limit 1") == [(60, 0)]
    assert rows(path, "select period_s, count(*) > 0 from thinned where quality = 1 group by period_s") == [
        (300, 1),
        (86_400, 1),
    ]
    ((count, first, cause),) = rows(path, "select count, first_seq, cause from gap")
    assert (first, cause) == (60, "thinned_before_sealing")
    unsealed = rows(path, "select sum(count) from thinned")[0][0] - 60 + len([m for m in edges if m < 20])
    assert count == unsealed
    assert sum(count for _, count, _ in totals(path)) == 3 * 2880


def test_a_disk_that_is_nearly_full_is_relieved_before_anything_else_is_lost(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ms = two_days(path)
    before = rows(path, "select count(*) from reading")
    full = SimpleNamespace(f_bavail=4, f_blocks=100)
    monkeypatch.setattr(room, "statvfs", lambda _path: full)
    assert thinned(path, Policy(keep_raw_days=7), now_ms).is_early
    assert rows(path, "select count(*) from reading") < before
    assert rows(path, "select count(*) from reading where dev_ms >= 151200000") == [(2 * 360,)]


def test_a_fault_of_the_database_ends_the_round_and_the_next_begins_anew(path: Path) -> None:
    now_ms = two_days(path)
    conn = sqlite3.connect(path, isolation_level=None, timeout=0)
    thinner = Thinner(conn, path, Policy(keep_raw_days=1))
    assert thinner.step(at(now_ms))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(sqlite3.OperationalError):
        thinner.step(at(now_ms))
    other.execute("rollback")
    other.close()
    while thinner.step(at(now_ms)):
        pass
    assert rows(path, "select min(dev_ms) from reading") == [(DAY_MS,)]
    conn.close()


def test_an_absent_keep_file_means_that_nobody_seals(path: Path) -> None:
    assert read_keep(path.parent) == Keep()


def test_rungs_go_from_the_settings_down_to_the_least() -> None:
    found = levels(Policy(keep_raw_days=7, keep_buckets_days=730))
    assert (found[0].raw_ms, found[0].buckets_ms) == (7 * DAY_MS, 730 * DAY_MS)
    assert [level.is_pressed for level in found] == [False] * (len(found) - 1) + [True]
    assert (found[-1].raw_ms, found[-1].buckets_ms) == (6 * HOUR_MS, DAY_MS)


def used_bytes(path: Path) -> int:
    ((pages, free),) = rows(path, "select page_count, freelist_count from pragma_page_count, pragma_freelist_count")
    return (pages - free) * 1024


def test_two_years_of_eight_probes_keep_within_their_size(path: Path) -> None:
    store = a_market(path)
    policy = Policy(keep_raw_days=7, keep_buckets_days=60, telemetry_max_mb=4)
    thinner, seq, biggest, is_early = Thinner(store.conn, path, policy), 0, 0, False
    store.conn.execute("pragma synchronous = off")
    month_ms, period_ms = 30 * DAY_MS, 3 * HOUR_MS
    for month in range(24):
        rows_of_month = list(measured(month * month_ms, (month + 1) * month_ms, period_ms, seq))
        seq += len(rows_of_month)
        stored(store.conn, iter(rows_of_month))
        while thinner.step(at((month + 1) * month_ms)):
            pass
        biggest = max(biggest, used_bytes(path))
        is_early = is_early or thinner.is_early
        store.checkpoint()
    assert sum(count for _, count, _ in totals(path)) == seq == 24 * 30 * 8 * 8
    assert biggest <= 4 * MEGABYTE
    store.close()
    assert path.stat().st_size <= 5 * MEGABYTE
    assert not is_early
    thinned(path, Policy(keep_raw_days=7, keep_buckets_days=60, telemetry_max_mb=1), 24 * month_ms)
    assert used_bytes(path) <= 1 * MEGABYTE
    assert sum(count for _, count, _ in totals(path)) == seq
    assert rows(path, "select value from setting_version where name = 'raw_hours_kept'")[0] == ("168",)


def test_the_bridge_thins_in_its_hourly_work_and_says_where_room_is_short(path: Path) -> None:
    now_ms = two_days(path)
    store = Store(path, at(now_ms))
    thinner = Thinner(store.conn, path, Policy(telemetry_max_mb=0))
    writer = Writer(store, lambda: at(now_ms), thinner=thinner)
    beat, stopping = path.parent / "bridge.json", threading.Event()
    supervisor = Supervisor(writer, (), beat, lambda: at(now_ms), lambda: now_ms, random.Random(1))
    whole_from = "select min(dev_ms) / 3600000 from reading"
    thread = threading.Thread(target=supervisor.run, args=(stopping,))
    thread.start()
    try:
        until(lambda: rows(path, whole_from) == [(42,)], what="all that can go has gone")
    finally:
        stopping.set()
        thread.join()
    store.close()
    message = json.loads(beat.read_text(encoding="utf-8"))["message"]
    assert message == "Room is short: readings older than 6 h are kept as summaries alone."


KILLED_PROGRAM = """
import sqlite3, sys
from pathlib import Path
from firmware_bridge.store.protection import Bounds
from firmware_bridge.store.room import Policy, Thinner
from firmware_bridge.store.store import Store
from firmware_bridge.supervisor import Supervisor
from firmware_bridge.writer import Writer
from tests.firmware_bridge.running import until
from tests.firmware_bridge.store.years import at
path = Path(sys.argv[1])
conn = sqlite3.connect(path, isolation_level=None)
conn.execute("pragma synchronous = full")
policy = Policy(keep_raw_days=1, keep_buckets_days=1, bounds=Bounds({"probe-0": 3900}, {}))
thinner = Thinner(conn, path, policy)
print("ready", flush=True)
while thinner.step(at(int(sys.argv[2]))):
    print("step", flush=True)
    sys.stdin.readline()
"""


def test_killed_anywhere_nothing_is_lost_or_counted_twice(path: Path) -> None:
    now_ms = two_days(path, probes=4, period_ms=20_000)
    before = totals(path)
    kills = 0
    for steps in (0, 1, 2, 3, 5, 8, 13, 21, 3, 1):
        program = [sys.executable, "-c", KILLED_PROGRAM, str(path), str(now_ms)]
        folder = Path(__file__).parents[3]
        with subprocess.Popen(program, stdin=PIPE, stdout=PIPE, text=True, bufsize=1, cwd=folder) as process:
            assert process.stdin is not None and process.stdout is not None
            process.stdout.readline()
            # A step at a time, or a busy computer would be done before it is killed; the last one is killed within.
            for _ in range(steps):
                if process.stdout.readline() != "step\n":
                    break
                process.stdin.write("\n")
            process.send_signal(signal.SIGKILL)
        kills += process.returncode == -signal.SIGKILL
        assert totals(path) == before
    assert kills >= 5
    policy = Policy(keep_raw_days=1, keep_buckets_days=1, bounds=Bounds({"probe-0": 3900}, {}))
    thinned(path, policy, now_ms)
    assert totals(path) == before
    assert rows(path, "select distinct period_s from thinned") == [(3600,)]
    whole = rows(path, "select count(*) from reading where channel = 0 and value > 3900")
    expected = sum(value_at(0, dev_ms) > 3900 for dev_ms in range(0, now_ms, 20_000))
    assert whole == [(expected,)]
