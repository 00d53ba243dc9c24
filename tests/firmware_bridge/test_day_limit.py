"""A board that sends more than a day may hold: the extremes of each minute stay, the cursor goes on."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.clock import HostNow
from firmware_bridge.day_limit import DAY_MS, MINUTE_MS, STEPS_PER_MINUTE_MAX, DayLimit, pieces
from firmware_bridge.link.events import RecordsArrived
from firmware_bridge.link.messages import Hello, Record
from firmware_bridge.store.store import Store

UID = bytes([7]) * 8
NOW = HostNow("a" * 32, 1_000, 1_700_000_000_000_000)


def some_records(values: list[int], *, status: int = 0, channel: int = 0) -> list[Record]:
    return [(index, channel, status, value) for index, value in enumerate(values)]


def test_up_to_the_limit_everything_is_kept_and_a_new_day_begins_anew() -> None:
    limit = DayLimit(rows_max=10)
    assert all(limit.kept(0, some_records([5] * 10), 0))
    assert limit.kept(0, some_records([5, 5, 5]), 1_000) == [True, False, False]
    assert limit.is_exceeded
    assert all(limit.kept(0, some_records([5, 5, 5]), DAY_MS))


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=60))
def test_the_extremes_of_a_minute_are_always_among_what_is_kept(values: list[int]) -> None:
    limit = DayLimit(rows_max=0)
    kept = limit.kept(5 * MINUTE_MS, some_records(values), 0)
    shown = [value for value, is_kept in zip(values, kept, strict=True) if is_kept]
    if len(shown) < STEPS_PER_MINUTE_MAX:
        assert (min(shown), max(shown)) == (min(values), max(values))
    assert len(shown) <= STEPS_PER_MINUTE_MAX


def test_the_first_fault_of_a_minute_is_kept_and_each_channel_counts_alone() -> None:
    limit = DayLimit(rows_max=0)
    records = [*some_records([5, 5]), *some_records([0, 0], status=1), *some_records([7], channel=1)]
    assert limit.kept(0, records, 0) == [True, False, True, False, True]


def test_the_cursor_passes_what_is_not_kept(tmp_path: Path) -> None:
    store = Store(tmp_path / "telemetry.db", NOW)
    store.hello(Hello(9, 0, 0, 1_000, 0, UID, 1, 0, 1, False, 0, 256), "/dev/a", NOW)
    arrived = RecordsArrived(9, False, 0, 1_000, some_records([5, 5, 9, 5, 5]), 1_000)
    for piece in pieces(arrived, DayLimit(rows_max=0).kept(1_000, arrived.records, 1_000)):
        store.records(UID, piece, NOW)
    assert store.commit() == {UID: 5}
    assert store.conn.execute("select seq, value from readings order by seq").fetchall() == [(0, 5), (2, 9)]
    assert store.conn.execute("select next_seq from cursor").fetchall() == [(5,)]
    store.close()
