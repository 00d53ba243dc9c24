"""telemetry.db from the writer's side: names, cursors, gaps, descriptions, clocks, moves, power cuts."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.clock import HostNow
from firmware_bridge.link.events import DescriptionsHeard, RecordsArrived, StatHeard, UptimeHeard
from firmware_bridge.link.messages import Desc, Hello, Kind, Record, Stat
from firmware_bridge.store import moves, read
from firmware_bridge.store.buckets import bucket_of, put
from firmware_bridge.store.store import DEVICES_MAX, Store, TooManyDevices
from tests.faults import faulty
from tests.faults.power import images

UID = bytes.fromhex("01eeffc042000001")
BOOT_ID, NEXT_BOOT_ID = "a" * 32, "b" * 32
START = HostNow(BOOT_ID, 1_000_000, 1_700_000_000_000_000, False)
HOUR_MS = 3_600_000


BOOTS = "select boot from boot"


def later(ms: int, now: HostNow = START, *, is_clock_trusted: bool = False) -> HostNow:
    return HostNow(now.host_boot_id, now.boottime_ms + ms, now.wall_us + ms * 1000, is_clock_trusted)


def a_hello(boot: int = 9, tail: int = 0, head: int = 0, now_ms: int = 10_000, **changes: object) -> Hello:
    facts: dict[str, object] = {
        "boot": boot,
        "tail": tail,
        "head": head,
        "now_ms": now_ms,
        "dropped_total": 0,
        "uid": UID,
        "firmware": 1,
        "channels": 1,
        "reset_cause": 1,
        "is_ring_kept": False,
        "desc_crc": 77,
        "ring_records": 256,
    }
    return Hello(**(facts | changes))  # type: ignore[arg-type]


def a_desc(channel: int = 0, *, name: str = "fridge-1", exp10: int = -3, lo: int = -55_000, hi: int = 125_000) -> Desc:
    return Desc(channel, Kind.TEMPERATURE, exp10, 0, lo, hi, 100, 62, "Cel", name)


def arrived(
    first_seq: int, *values: int, boot: int = 9, base_ms: int = 10_000, is_over: bool = False
) -> RecordsArrived:
    status = 0x10 if is_over else 0
    records: list[Record] = [(index * 10, 0, status, value) for index, value in enumerate(values)]
    return RecordsArrived(boot, is_over, first_seq, base_ms, records, START.boottime_ms)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "telemetry.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    opened = Store(path, START)
    yield opened
    opened.close()


def rows(store: Store, sql: str = "select boot, seq, value from readings order by boot, seq") -> list[tuple[int, ...]]:
    return store.conn.execute(sql).fetchall()


def linked(store: Store, hello: Hello | None = None, now: HostNow = START) -> int:
    return store.hello(hello or a_hello(), "/dev/a", now).next_seq


def described(store: Store, *descs: Desc, crc: int = 77) -> None:
    store.descriptions(UID, DescriptionsHeard(crc, descs or (a_desc(),)))
    store.commit()


def dated(store: Store, now: HostNow, uptime_ms: int, *, rtt_ms: int = 4, boot: int = 9) -> None:
    store.uptime(UID, UptimeHeard(boot, uptime_ms, now.boottime_ms - rtt_ms, now.boottime_ms), now)


def readings_of(path: Path, now: HostNow, *, since_ms_ago: int = 10**9, limit: int = 100) -> list[read.Reading]:
    conn = read.open_telemetry(path)
    try:
        return read.readings(conn, UID.hex(), 0, since_ms_ago, now, limit)
    finally:
        conn.close()


def test_a_new_file_is_durable_small_paged_and_strict(store: Store) -> None:
    pragma = {name: store.conn.execute(f"pragma {name}").fetchone()[0] for name in ("page_size", "journal_mode")}
    assert pragma == {"page_size": 1024, "journal_mode": "wal"}
    assert store.conn.execute("pragma synchronous").fetchone()[0] == 2
    assert store.conn.execute("pragma wal_autocheckpoint").fetchone()[0] == 0
    loose = store.conn.execute(
        "select name from pragma_table_list where schema = 'main' and type = 'table' and not strict"
        " and name not like 'sqlite_%'"
    ).fetchall()
    assert loose == []


def test_opening_an_existing_file_does_not_load_the_schema_library(path: Path) -> None:
    Store(path, START).close()
    program = (
        "import sys; from pathlib import Path; from firmware_bridge.clock import HostNow;"
        "from firmware_bridge.store.store import Store;"
        f"Store(Path({str(path)!r}), HostNow('', 1, 1)).close(); print('sqlite_utils' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_nothing_is_acknowledged_before_its_commit(store: Store, path: Path) -> None:
    linked(store)
    store.records(UID, arrived(0, 1, 2, 3), START)
    other = sqlite3.connect(path)
    assert other.execute("select count(*) from readings").fetchone() == (0,)
    assert store.commit() == {UID: 3}
    assert other.execute("select count(*), (select next_seq from cursor) from readings").fetchone() == (3, 3)
    other.close()


def test_a_commit_that_fails_keeps_everything_for_the_next_try(store: Store, path: Path) -> None:
    linked(store)
    store.records(UID, arrived(0, 1, 2, 3), START)
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("begin immediate")
    with pytest.raises(sqlite3.OperationalError):
        store.commit()
    assert store.records_waiting == 3
    blocker.execute("rollback")
    blocker.close()
    assert store.commit() == {UID: 3}
    assert len(rows(store)) == 3


@pytest.mark.parametrize("is_moved", [False, True])
def test_a_restart_goes_on_at_the_cursor(store: Store, path: Path, is_moved: bool) -> None:
    linked(store)
    store.records(UID, arrived(0, 1, 2, 3), START)
    store.commit()
    while is_moved and moves.move_some(store.conn):
        pass
    store.close()
    store.__init__(path, later(5000))  # type: ignore[misc]
    assert linked(store, a_hello(tail=0, head=5, now_ms=15_000), later(5000)) == 3


def test_records_of_an_earlier_boot_are_kept_under_their_own_boot_once(store: Store) -> None:
    linked(store)
    store.records(UID, arrived(0, 1, 2, 3), START)
    store.commit()
    kept = a_hello(boot=10, tail=1, head=6, now_ms=500, is_ring_kept=True)
    assert linked(store, kept, later(1000)) == 1
    store.records(UID, arrived(1, 2, 3, 4, 5, is_over=True), later(1000))
    store.records(UID, arrived(5, 6, boot=10, base_ms=400), later(1000))
    store.commit()
    numbered = rows(store, "select number, seq, value from readings join boot using (boot) order by seq")
    assert numbered == [(9, 0, 1), (9, 1, 2), (9, 2, 3), (9, 3, 4), (9, 4, 5), (10, 5, 6)]
    assert rows(store, "select count(*) from gap") == [(0,)]


def test_the_cursor_of_a_boot_that_is_over_outlives_the_move_of_its_rows(store: Store) -> None:
    linked(store)
    store.records(UID, arrived(0, 1, 2, 3), START)
    store.commit()
    linked(store, a_hello(boot=10, tail=3, head=4, now_ms=500, is_ring_kept=True), later(1000))
    store.records(UID, arrived(3, 4, boot=10, base_ms=400), later(1000))
    store.commit()
    before = rows(store, "select number, next_seq from cursor join boot using (boot) order by boot")
    assert before == [(9, 3), (10, 4)]
    while moves.move_some(store.conn):
        pass
    assert rows(store, "select number, next_seq from cursor join boot using (boot) order by boot") == before


def test_a_record_dropped_by_an_earlier_cursor_still_moves_the_session_on(store: Store) -> None:
    linked(store)
    store.records(UID, arrived(0, 1, 2, 3), START)
    store.commit()
    linked(store, a_hello(boot=10, tail=1, head=3, now_ms=500, is_ring_kept=True), later(1000))
    store.records(UID, arrived(1, 2, 3, is_over=True), later(1000))
    assert store.commit() == {UID: 3}
    assert rows(store, "select number, next_seq from cursor join boot using (boot) order by boot") == [(9, 3), (10, 3)]


@pytest.mark.parametrize("is_thinned", [False, True])
def test_a_boot_met_only_through_its_records_lies_behind_the_last_one_with_records(
    store: Store, path: Path, is_thinned: bool
) -> None:
    linked(store)
    store.records(UID, arrived(0, 1, 2), START)
    store.commit()
    if is_thinned:
        put(store.conn, [bucket_of((1, boot, 0, 1, 0, 0), 1, 10_010, 2) for (boot,) in rows(store, BOOTS)])
        store.conn.execute("delete from stage")
        store.conn.execute("insert or replace into cursor_mark select boot, 2 from boot")
        store.close()
        store.__init__(path, START)  # type: ignore[misc]
    linked(store, a_hello(boot=11, tail=2, head=6, now_ms=500, is_ring_kept=True), later(1000))
    store.records(UID, arrived(2, 3, 4, boot=10, base_ms=100, is_over=True), later(1000))
    store.records(UID, arrived(4, 5, 6, boot=11, base_ms=400), later(1000))
    store.commit()
    in_order = rows(store, "select number from boot order by boot")
    assert in_order == [(9,), (10,), (11,)]
    assert rows(store, "select count(*) from gap") == [(0,)]


def test_a_boot_that_began_to_count_again_while_nobody_listened_leaves_a_gap(store: Store) -> None:
    linked(store)
    store.records(UID, arrived(0, 1, 2, 3), START)
    store.commit()
    # Boot 10 lost the ring of boot 9, boot 11 kept that of boot 10.
    linked(store, a_hello(boot=11, tail=0, head=5, now_ms=500, is_ring_kept=True), later(1000))
    store.records(UID, arrived(0, 7, 8, boot=10, base_ms=100, is_over=True), later(1000))
    store.commit()
    assert rows(store, "select b.number, first_seq, count, cause from gap g join boot b using (boot)") == [
        (9, 3, None, "power")
    ]


def test_a_repeated_boot_number_gets_a_new_epoch(store: Store) -> None:
    linked(store)
    store.records(UID, arrived(0, 1, 2, 3), START)
    store.commit()
    assert linked(store, a_hello(tail=0, head=2, now_ms=10), later(60_000)) == 0
    store.records(UID, arrived(0, 7, 8, base_ms=5), later(60_000))
    store.commit()
    assert rows(store, "select number, seq, value from readings join boot using (boot) order by boot, seq") == [
        (9, 0, 1),
        (9, 1, 2),
        (9, 2, 3),
        (65536 + 9, 0, 7),
        (65536 + 9, 1, 8),
    ]
    assert rows(store, "select count, cause from gap") == [(None, "device_forgot")]


def test_a_gap_is_bracketed_between_the_last_contact_and_now(store: Store) -> None:
    linked(store)
    dated(store, later(1000), 11_000)
    store.commit()
    linked(store, a_hello(boot=10, now_ms=100), later(50_000))
    (gap,) = rows(store, "select first_seq, count, cause, from_us, to_us from gap")
    assert gap[:3] == (0, None, "power")
    assert START.wall_us < gap[3] < gap[4] == later(50_000).wall_us


def test_the_sixty_fifth_board_is_refused(store: Store) -> None:
    for number in range(DEVICES_MAX):
        linked(store, a_hello(uid=(number + 1).to_bytes(8, "big")))
    with pytest.raises(TooManyDevices):
        linked(store, a_hello(uid=b"\x99" * 8))
    assert rows(store, "select count(*) from device") == [(DEVICES_MAX,)]


def test_a_changed_description_holds_from_its_record_on_and_old_ones_are_read_with_the_old(
    store: Store, path: Path
) -> None:
    linked(store)
    described(store, a_desc(exp10=-3))
    store.records(UID, arrived(0, 5000, 5000), START)
    store.commit()
    linked(store, a_hello(tail=2, head=3, desc_crc=78, now_ms=10_100))
    described(store, a_desc(exp10=-2), crc=78)
    store.records(UID, arrived(2, 500, 500), START)
    store.commit()
    values = [reading.value_milli for reading in readings_of(path, START)]
    # The record of seq 2 was in the ring when the new description was announced: it is still an old one.
    assert values == [5000, 5000, 500, 5000]


def test_a_record_before_any_description_is_stored_unjudged_and_judged_on_reading(store: Store, path: Path) -> None:
    linked(store)
    store.records(UID, arrived(0, 4000, 130_000), START)
    store.commit()
    assert rows(store, "select quality from stage") == [(0,), (0,)]
    assert [(each.quality, each.reason) for each in readings_of(path, START)] == [
        ("SUSPECT", "no_description"),
        ("SUSPECT", "no_description"),
    ]
    described(store)
    assert [(each.quality, each.reason, each.value_milli) for each in readings_of(path, START)] == [
        ("GOOD", "", 4000),
        ("SUSPECT", "range", 130_000),
    ]


def test_an_age_comes_from_the_uptime_of_this_computer_while_it_runs(store: Store, path: Path) -> None:
    linked(store)
    described(store)
    dated(store, START, 10_000, rtt_ms=0)
    store.records(UID, arrived(0, 4000), START)
    store.commit()
    jumped = later(7000)._replace(wall_us=later(7000).wall_us + 86_400_000_000)
    (reading,) = readings_of(path, jumped)
    assert (reading.age_ms, reading.is_age_estimated) == (7000, False)
    (restarted,) = readings_of(path, HostNow(NEXT_BOOT_ID, 5, START.wall_us + 9_000_000))
    assert (restarted.age_ms, restarted.is_age_estimated) == (9000, True)


def test_a_boot_without_a_clock_sample_has_no_age_and_no_time(store: Store, path: Path) -> None:
    linked(store)
    described(store)
    store.records(UID, arrived(0, 4000), START)
    store.commit()
    (reading,) = readings_of(path, later(1000))
    assert (reading.age_ms, reading.at_utc_us, reading.time_quality) == (None, None, "none")


def test_of_an_hour_of_samples_the_shortest_round_trip_is_kept(store: Store) -> None:
    linked(store)
    for minute in range(150):
        dated(store, later(minute * 60_000), 10_000 + minute * 60_000, rtt_ms=200 - minute)
    store.commit()
    assert rows(store, "select rtt_ms from clock_sample order by dev_ms") == [(200,), (141,), (81,)]


def test_a_clock_that_is_set_later_dates_the_whole_boot_backwards(store: Store, path: Path) -> None:
    linked(store)
    described(store)
    dated(store, START, 10_000, rtt_ms=0)
    for first in range(0, 1500, 29):
        store.records(UID, arrived(first, *range(29)), START)
        store.commit()
    while moves.move_some(store.conn):
        pass
    wrong = readings_of(path, START, limit=1)[0]
    assert wrong.time_quality == "estimated"
    set_right = later(HOUR_MS, is_clock_trusted=True)._replace(wall_us=later(HOUR_MS).wall_us + 10**12)
    dated(store, set_right, 10_000 + HOUR_MS, rtt_ms=0)
    dated(store, set_right._replace(boottime_ms=set_right.boottime_ms + HOUR_MS), 10_000 + 2 * HOUR_MS, rtt_ms=0)
    store.commit()
    while moves.date_some(store.conn):
        pass
    right = readings_of(path, START, limit=1)[0]
    assert right.time_quality == "trusted"
    assert right.at_utc_us is not None and wrong.at_utc_us is not None
    assert right.at_utc_us - wrong.at_utc_us == 10**12
    assert rows(store, "select distinct time_quality from reading") == [(2,)]
    assert rows(store, f"select count(*) from reading where utc_us < {START.wall_us + 10**11}") == [(0,)]


def test_the_move_loses_nothing_doubles_nothing_and_leaves_the_newest(store: Store, path: Path) -> None:
    linked(store)
    described(store)
    dated(store, START, 10_000)
    for first in range(0, 1200, 24):
        store.records(UID, arrived(first, *range(first, first + 24)), START)
    store.commit()
    before = rows(store)
    seen = []
    while moved := moves.move_some(store.conn):
        seen.append(moved)
        assert rows(store) == before
    assert seen == [500, 500, 199]
    assert rows(store, "select seq from stage") == [(1199,)]
    conn = read.open_telemetry(path)
    (newest,) = read.latest(conn, START)
    assert newest.reading is not None and newest.reading.seq == 1199
    assert read.counts(conn) == read.Counts(1, 1200, 0)
    conn.close()


def test_a_conflicting_value_is_counted_and_never_overwrites(store: Store) -> None:
    linked(store)
    store.records(UID, arrived(0, 1, 2, 3), START)
    store.commit()
    while moves.move_some(store.conn):
        pass
    store.conn.execute(
        "insert into stage (device, boot, seq, dev_ms, channel, status, value, quality, reason)"
        " select device, boot, seq, dev_ms, channel, status, value + 90 * (seq = 1), 0, 0 from reading"
    )
    store.records(UID, arrived(3, 4), START)
    store.commit()
    while moves.move_some(store.conn):
        pass
    assert [value for _, _, value in rows(store)] == [1, 2, 3, 4]
    assert rows(store, "select conflicts from device") == [(1,)]


def test_counters_of_a_board_are_written_with_the_hourly_work_only(store: Store) -> None:
    linked(store)
    store.stat(UID, StatHeard(Stat(9, 1, 2, 3, 4, 5, 6)).stat, "/dev/a", START)
    store.commit()
    assert rows(store, "select count(*) from link_stat") == [(0,)]
    store.keep_stats()
    store.commit()
    assert rows(store, "select rx_crc_err, retx, dropped, ring_used, vcc_mv, mcu_temp_c10 from link_stat") == [
        (1, 2, 3, 4, 5, 6)
    ]


def test_board_text_is_a_ring_of_lines(store: Store) -> None:
    for number in range(moves.LOG_ROWS_MAX + 300):
        store.text("/dev/a", None, f"line {number}", START)
        if number % 500 == 0:
            store.commit()
    store.commit()
    moves.trim_log(store.conn)
    (count, oldest) = store.conn.execute("select count(*), min(line) from device_log").fetchone()
    assert (count, oldest) == (moves.LOG_ROWS_MAX, "line 1000")


def test_a_window_is_cut_by_age_and_by_limit_in_the_boards_order(store: Store, path: Path) -> None:
    linked(store)
    described(store)
    dated(store, START, 10_000, rtt_ms=0)
    for second in range(20):
        store.records(UID, arrived(second, second, base_ms=10_000 + second * 1000), later(second * 1000))
    store.commit()
    while moves.move_some(store.conn):
        pass
    now = later(20_000)
    assert [each.seq for each in readings_of(path, now, since_ms_ago=5000)] == [15, 16, 17, 18, 19]
    assert [each.seq for each in readings_of(path, now, limit=3)] == [17, 18, 19]
    assert readings_of(path, now, limit=0) == []


@pytest.mark.usefixtures("store")
def test_an_unknown_board_has_no_readings_and_no_gaps(path: Path) -> None:
    conn = read.open_telemetry(path)
    assert read.readings(conn, "ff" * 4, 0, 1000, START, 10) == []
    assert read.gaps(conn, "ff" * 4) == []
    conn.close()


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "not_telemetry"), (b"x" * 2048, "damaged"), (None, "newer"), (b"folder", "no_access")]
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "other.db"
    if content is None:
        conn = sqlite3.connect(path)
        conn.execute("pragma user_version = 99")
        conn.close()
    elif content == b"folder":
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(read.TelemetryUnreadable) as refused:
        read.open_telemetry(path)
    assert (refused.value.reason, refused.value.error_id) == (reason, f"telemetry.{reason}")
    assert refused.value.message and refused.value.hint


def test_a_missing_file_is_told_apart_from_an_unreadable_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read.open_telemetry(tmp_path / "telemetry.db")


@pytest.mark.usefixtures("store")
def test_a_reader_cannot_write(path: Path) -> None:
    conn = read.open_telemetry(path)
    with pytest.raises(sqlite3.OperationalError):
        conn.execute("delete from stage")
    conn.close()


def test_a_reader_sees_news_by_the_data_version(store: Store, path: Path) -> None:
    conn = read.open_telemetry(path)
    before = conn.execute("pragma data_version").fetchone()
    linked(store)
    assert conn.execute("pragma data_version").fetchone() != before
    conn.close()


@given(splits=st.lists(st.integers(1, 40), min_size=1, max_size=6), moves_between=st.booleans())
def test_in_whatever_pieces_records_come_they_are_stored_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, splits: list[int], moves_between: bool
) -> None:
    store = Store(tmp_path_factory.mktemp("pieces") / "telemetry.db", START)
    linked(store)
    first = 0
    for count in splits:
        again = max(0, first - 5)
        store.records(UID, arrived(again, *range(again, first + count)), START)
        store.commit()
        if moves_between:
            moves.move_some(store.conn)
        first += count
    assert [value for _, _, value in rows(store)] == list(range(sum(splits)))
    store.close()


POWER_PROGRAM = """
import sys
from pathlib import Path
from firmware_bridge.store import moves
from firmware_bridge.store.store import Store
from tests.firmware_bridge.store.test_store import START, UID, a_hello, arrived, described
store = Store(Path(sys.argv[1]), START)
store.hello(a_hello(), "/dev/a", START)
described(store)
for first in range(0, 600, 5):
    store.records(UID, arrived(first, *range(first, first + 5)), START)
    next_seq = store.commit()[UID]
    sys.stdout.write(f"{next_seq}\\n")
    sys.stdout.flush()
    if first % 100 == 95:
        moves.move_some(store.conn)
        store.checkpoint()
"""


@pytest.mark.slow
def test_a_power_cut_at_any_moment_keeps_every_acknowledged_record(tmp_path: Path) -> None:
    folder, log = tmp_path / "telemetry", tmp_path / "log"
    folder.mkdir()
    environment = faulty(folder, log=log)
    program = [sys.executable, "-c", POWER_PROGRAM, str(folder / "telemetry.db")]
    subprocess.run(program, env=environment, check=True, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3])
    checked = 0
    for image in images(log, folder, count=120, seed=3):
        acknowledged = max((int(line) for line in image.acknowledged), default=0)
        after = image.write_to(tmp_path / f"image-{checked}")
        checked += 1
        if not (after / "telemetry.db").exists():
            assert acknowledged == 0
            continue
        store = Store(after / "telemetry.db", START)
        values = [value for _, _, value in rows(store)]
        cursor = store.conn.execute("select coalesce(max(next_seq), 0) from cursor").fetchone()[0]
        store.close()
        assert values == list(range(len(values)))
        assert len(values) == cursor >= acknowledged
    assert checked == 120
