"""telemetry.db from the reader's side: everything row by row, buckets, devices, and how much is looked at for it."""

import sqlite3
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.link.events import StatHeard
from firmware_bridge.link.messages import Stat
from firmware_bridge.store import read
from firmware_bridge.store.quality import REASON_CODES
from firmware_bridge.store.read import windows
from firmware_bridge.store.read.whole import half_even
from firmware_bridge.store.room import Policy, Thinner
from firmware_bridge.store.store import Store
from tests.firmware_bridge.store.test_store import START, a_hello, arrived, dated, described, later, linked
from tests.firmware_bridge.store.test_store import UID as BOARD
from tests.firmware_bridge.store.years import DAY_MS, EPOCH_US, a_market, at, measured, stored, value_at

UID = "01eeffc042000001"
MINUTE_MS = 60_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "telemetry.db"


def a_thinned_market(path: Path, days: int, *, probes: int = 2, period_ms: int = MINUTE_MS) -> int:
    store = a_market(path, probes=probes)
    store.conn.execute("pragma synchronous = off")
    stored(store.conn, measured(0, days * DAY_MS, period_ms, 0, probes=probes))
    thinner = Thinner(store.conn, path, Policy(keep_raw_days=1, keep_buckets_days=2))
    while thinner.step(at(days * DAY_MS)):
        pass
    store.close()
    return days * DAY_MS


def test_what_is_stored_is_told_once_and_in_order_whether_whole_or_thinned(path: Path) -> None:
    now_ms = a_thinned_market(path, 3)
    conn = read.open_telemetry(path)
    found = list(read.whole(conn, read.Wanted()))
    counts = {kind: sum(isinstance(row, kind) for row in found) for kind in (read.ReadingRow, read.SummaryRow)}
    assert counts == {read.ReadingRow: 2 * 1440, read.SummaryRow: 2 * (24 + 288)}
    firsts = [row.seq if isinstance(row, read.ReadingRow) else row.first_seq for row in found]  # type: ignore[union-attr]
    assert firsts == sorted(firsts)
    told = sum(row.count if isinstance(row, read.SummaryRow) else 1 for row in found)  # type: ignore[union-attr]
    assert told == 3 * 1440 * 2
    last = found[-1]
    assert isinstance(last, read.ReadingRow)
    assert (last.value, last.raw) == (Decimal(last.raw).scaleb(-3), value_at(1, now_ms - MINUTE_MS))
    assert last.at_utc_us == EPOCH_US + (now_ms - MINUTE_MS) * 1000
    conn.close()


def test_a_stretch_of_time_and_a_channel_are_cut_out(path: Path) -> None:
    now_ms = a_thinned_market(path, 3)
    conn = read.open_telemetry(path)
    from_us, to_us = (EPOCH_US + (now_ms - minutes * MINUTE_MS) * 1000 for minutes in (60, 30))
    found = list(read.whole(conn, read.Wanted(channel=1, from_utc_us=from_us, to_utc_us=to_us)))
    assert [row.at_utc_us for row in found if isinstance(row, read.ReadingRow)] == [
        from_us + minute * MINUTE_MS * 1000 for minute in range(30)
    ]
    assert {row.channel.name for row in found if isinstance(row, read.ReadingRow)} == {"probe-1"}
    assert list(read.whole(conn, read.Wanted(device_uid="ff" * 8))) == []
    conn.close()


def test_readings_of_unknown_time_are_counted_where_a_time_is_asked_for(path: Path) -> None:
    store = Store(path, START)
    linked(store)
    described(store)
    store.records(BOARD, arrived(0, 1, 2, 3), START)
    store.commit()
    store.close()
    conn = read.open_telemetry(path)
    assert len(list(read.whole(conn, read.Wanted()))) == 3
    assert list(read.whole(conn, read.Wanted(from_utc_us=0))) == []
    assert (read.untimed(conn, read.Wanted()), read.untimed(conn, read.Wanted(from_utc_us=0))) == (0, 3)
    conn.close()


def test_gaps_stand_where_the_records_are_missing(path: Path) -> None:
    store = Store(path, START)
    linked(store)
    described(store)
    dated(store, START, 10_000)
    store.records(BOARD, arrived(0, 1, 2, 3), START)
    store.commit()
    linked(store, a_hello(tail=5, head=7, now_ms=11_000), later(1000))
    store.records(BOARD, arrived(5, 4, 5, base_ms=11_000), later(1000))
    store.commit()
    store.close()
    conn = read.open_telemetry(path)
    found = list(read.whole(conn, read.Wanted()))
    assert [row.seq if isinstance(row, read.ReadingRow) else type(row) for row in found] == [0, 1, 2, read.GapRow, 5, 6]
    gap = found[3]
    assert isinstance(gap, read.GapRow)
    assert (gap.first_seq, gap.count, gap.cause) == (3, 2, "host_restored")
    conn.close()


def test_the_bridge_writes_on_while_somebody_reads_it_all_and_the_reader_sees_one_state(path: Path) -> None:
    store = Store(path, START)
    linked(store)
    described(store)
    store.records(BOARD, arrived(0, *range(20)), START)
    store.commit()
    conn = read.open_telemetry(path)
    rows = read.whole(conn, read.Wanted())
    first = next(rows)
    store.records(BOARD, arrived(20, *range(20), base_ms=11_000), later(1000))
    store.commit()
    assert isinstance(first, read.ReadingRow)
    assert [first.seq, *(row.seq for row in rows if isinstance(row, read.ReadingRow))] == list(range(20))
    assert len(list(read.whole(conn, read.Wanted()))) == 40
    conn.close()
    store.close()


def test_five_minutes_are_the_same_before_and_after_thinning(path: Path) -> None:
    store = a_market(path, probes=1)
    stored(store.conn, measured(0, 2 * DAY_MS, MINUTE_MS, 0, probes=1))
    store.conn.execute("update reading set quality = 2, reason = ? where seq = 7", (REASON_CODES["slope"],))
    before = read.summaries(store.conn, UID, 0, 3 * DAY_MS, at(2 * DAY_MS), 1000)
    thinner = Thinner(store.conn, path, Policy(keep_raw_days=1))
    while thinner.step(at(2 * DAY_MS)):
        pass
    assert store.conn.execute("select count(*) from thinned").fetchone()[0] > 280
    assert read.summaries(store.conn, UID, 0, 3 * DAY_MS, at(2 * DAY_MS), 1000) == before
    assert len(before) == 576
    assert (before[1].good, before[1].suspect, before[1].reasons) == (4, 1, (("slope", 1),))
    values = [value_at(0, minute * MINUTE_MS) for minute in (5, 6, 8, 9)]
    assert (before[1].lowest_milli, before[1].highest_milli) == (min(values), max(values))
    assert before[1].mean_milli == half_even(sum(values), 4)
    window = read.summaries(store.conn, UID, 0, 3_600_000, at(2 * DAY_MS), 1000)
    assert before[-12:] == window[-12:] and len(window) <= 13
    store.close()


def test_a_question_about_a_day_looks_at_a_day_however_much_there_is(path: Path) -> None:
    """Counted in steps of SQLite's machine, which are the same on every computer."""
    steps = []
    for days in (8, 64):
        file = path.with_name(f"{days}.db")
        now_ms = a_thinned_market(file, days, probes=4, period_ms=10 * MINUTE_MS)
        conn = read.open_telemetry(file)
        seen = [0]

        def count(seen: list[int] = seen) -> None:
            seen[0] += 1

        conn.set_progress_handler(count, 100)
        assert len(read.summaries(conn, UID, 2, 3_600_000 * 20, at(now_ms), 1000)) > 100
        assert len(read.readings(conn, UID, 2, 3_600_000 * 6, at(now_ms), 1000)) == 36
        conn.close()
        steps.append(seen[0])
    assert steps[1] < 2 * steps[0]


def test_a_device_says_what_is_known_of_it(path: Path) -> None:
    store = Store(path, START)
    linked(store)
    described(store)
    dated(store, START, 10_000, rtt_ms=0)
    store.records(BOARD, arrived(0, 1, 2, 3), START)
    store.stat(BOARD, StatHeard(Stat(9, 1, 2, 3, 4, 5, 6)).stat, "/dev/a", START)
    store.keep_stats()
    store.commit()
    linked(store, a_hello(boot=10, now_ms=100), later(50_000))
    dated(store, later(50_000), 100, rtt_ms=0, boot=10)
    store.commit()
    store.close()
    conn = read.open_telemetry(path)
    (device,) = read.devices(conn, later(60_000))
    assert (device.uid, device.protocol, device.port) == (BOARD.hex(), "ll1", "/dev/a")
    assert [channel.name for channel in device.channels] == ["fridge-1"]
    assert (device.age_ms, device.time_quality) == (10_000, "estimated")
    assert (device.gap_count, device.reboot_count) == (1, 1)
    assert (device.ring_used, device.ring_records) == (4, 256)
    assert (device.ring_used, device.bad_frames, device.resent, device.supply_milli_v) == (4, 1, 2, 5)
    assert read.error_counts(conn) == [] and read.settings(conn) == []
    conn.close()


def test_counting_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_thinned_market(path, 1)
    conn = read.open_telemetry(path)
    assert read.counts(conn).readings == 2 * 1440
    monkeypatch.setattr(windows, "COUNTED_MAX", 100)
    assert read.counts(conn).readings == 100
    conn.close()


def test_damage_and_settings_are_listed(path: Path) -> None:
    Store(path, START).close()
    conn = sqlite3.connect(path)
    conn.execute("insert into error_count values ('/dev/a', 'crc', 3, 10), ('/dev/b', 'cobs', 1, 20)")
    conn.execute("insert into setting_version (name, value, noticed_us) values ('keep_raw_days', '7', 5)")
    conn.commit()
    conn.close()
    reader = read.open_telemetry(path)
    assert read.error_counts(reader) == [
        read.ErrorCount("/dev/b", "cobs", 1, 20),
        read.ErrorCount("/dev/a", "crc", 3, 10),
    ]
    assert read.settings(reader) == [read.SettingVersion("keep_raw_days", "7", 5)]
    reader.close()


@given(total=st.integers(-(10**12), 10**12), count=st.integers(1, 10**6))
def test_a_mean_is_rounded_half_to_even(total: int, count: int) -> None:
    from fractions import Fraction

    assert half_even(total, count) == round(Fraction(total, count))
