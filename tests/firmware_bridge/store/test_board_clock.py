"""The board as clock: what it says after the computer was started without the time, and when nobody is believed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.clock import HostNow
from firmware_bridge.link.events import RecordsArrived, UptimeHeard
from firmware_bridge.link.messages import Hello
from firmware_bridge.store import read
from firmware_bridge.store.clock_map import ClockHint, ClockMap, ClockSample, agreed
from firmware_bridge.store.store import Store

MONDAY_US = 1_760_000_000_000_000
HOUR_MS = 3_600_000
BEFORE, AFTER = "a" * 32, "b" * 32


def a_sample(dev_ms: int, *, rate: float = 1.0, is_synced: bool = True, host: str = BEFORE) -> ClockSample:
    """One moment of a board whose millisecond takes `rate` of ours."""
    ours_ms = round(dev_ms * rate)
    return ClockSample(dev_ms, host, 5_000 + ours_ms, MONDAY_US + ours_ms * 1000, is_synced, 4)


def a_uid(number: int) -> bytes:
    return bytes([number]) * 8


class Computer:
    """A store, a wall clock that may be wrong, and the true time since Monday."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.true_ms = 0
        self.boot_id, self.is_set, self.started_ms, self.wrong_us = BEFORE, True, 0, 0
        self.store = Store(path, self.now)

    @property
    def now(self) -> HostNow:
        wall_us = MONDAY_US + self.true_ms * 1000 - self.wrong_us
        return HostNow(self.boot_id, self.true_ms - self.started_ms + 1_000, wall_us, self.is_set)

    def pass_ms(self, passed_ms: int) -> None:
        self.true_ms += passed_ms

    def restart_without_time(self) -> None:
        self.store.commit()
        self.store.close()
        self.boot_id, self.is_set, self.started_ms, self.wrong_us = AFTER, False, self.true_ms, 7 * HOUR_MS * 1000
        self.store = Store(self.path, self.now)

    def meet(self, uid: bytes, uptime_ms: float) -> None:
        self.store.commit()
        self.store.hello(Hello(9, 0, 0, int(uptime_ms), 0, uid, 1, 0, 1, False, 0, 256), "/dev/a", self.now)
        self.hear(uid, uptime_ms)

    def hear(self, uid: bytes, uptime_ms: float) -> None:
        at_ms = self.now.boottime_ms
        self.store.uptime(uid, UptimeHeard(9, int(uptime_ms), at_ms - 4, at_ms), self.now)

    def board_time(self) -> read.BoardTime | None:
        self.store.commit()
        conn = read.open_telemetry(self.path)
        try:
            return read.board_time(conn, self.now)
        finally:
            conn.close()


@pytest.fixture
def computer(tmp_path: Path) -> Computer:
    return Computer(tmp_path / "telemetry.db")


def test_a_board_that_kept_its_power_knows_the_time_after_the_computer_lost_it(computer: Computer) -> None:
    computer.meet(a_uid(1), 60_000)
    computer.pass_ms(3 * HOUR_MS)
    computer.restart_without_time()
    computer.pass_ms(20_000)
    computer.meet(a_uid(1), 60_000 + 3 * HOUR_MS + 20_000)
    computer.pass_ms(600_000)
    said = computer.board_time()
    assert said is not None
    true_us = MONDAY_US + computer.true_ms * 1000
    assert abs(said.utc_us - true_us) <= said.error_us
    assert said.error_us < 2_000_000


def test_a_learned_rate_keeps_a_bad_resonator_useful(computer: Computer) -> None:
    """Half a percent off is 43 s in three hours; what was learned from a day leaves a tenth of that as the error."""
    rate = 1.005
    computer.meet(a_uid(1), 0)
    for _ in range(24):
        computer.pass_ms(HOUR_MS)
        computer.hear(a_uid(1), computer.true_ms * rate)
    computer.restart_without_time()
    computer.pass_ms(3 * HOUR_MS)
    computer.meet(a_uid(1), computer.true_ms * rate)
    said = computer.board_time()
    assert said is not None
    true_us = MONDAY_US + computer.true_ms * 1000
    assert abs(said.utc_us - true_us) <= min(said.error_us, 7_000_000)
    assert said.error_us < 8_000_000


def test_boards_that_cannot_both_be_right_are_not_believed(computer: Computer) -> None:
    for number in (1, 2):
        computer.meet(a_uid(number), 60_000)
    computer.pass_ms(HOUR_MS)
    computer.restart_without_time()
    computer.meet(a_uid(1), 60_000 + HOUR_MS)
    assert computer.board_time() is not None
    computer.meet(a_uid(2), 60_000 + HOUR_MS + 90_000)
    assert computer.board_time() is None


def test_a_board_that_was_reset_or_never_saw_a_set_clock_says_nothing(computer: Computer) -> None:
    computer.is_set = False
    computer.meet(a_uid(1), 60_000)
    computer.pass_ms(HOUR_MS)
    computer.restart_without_time()
    computer.meet(a_uid(1), 60_000 + HOUR_MS)
    assert computer.board_time() is None


def test_nothing_is_offered_while_the_clock_is_set_and_nothing_of_another_start_counts(computer: Computer) -> None:
    computer.meet(a_uid(1), 60_000)
    assert computer.board_time() is None
    computer.restart_without_time()
    computer.meet(a_uid(1), 60_000)
    assert computer.board_time() is not None
    computer.boot_id = "c" * 32
    assert computer.board_time() is None


def test_readings_before_the_clock_was_set_get_their_time_once_it_is() -> None:
    clock_map = ClockMap([a_sample(0, is_synced=False), a_sample(HOUR_MS)])
    assert clock_map.utc_us(1_000) == (MONDAY_US + 1_000_000, "trusted")


def test_a_boot_that_nobody_met_lies_between_its_neighbours(computer: Computer) -> None:
    """Boot 10 came and went unseen; its records come later, out of the ring, through boot 11."""
    computer.meet(a_uid(1), 60_000)
    computer.pass_ms(HOUR_MS)
    computer.hear(a_uid(1), 60_000 + HOUR_MS)
    met = RecordsArrived(9, False, 0, 61_000, [(0, 0, 0, 4)], computer.now.boottime_ms)  # a second after boot 9 was met
    computer.store.records(a_uid(1), met, computer.now)
    computer.pass_ms(HOUR_MS)
    kept = Hello(11, 1, 3, 30_000, 0, a_uid(1), 1, 0, 2, True, 0, 256)
    computer.store.commit()
    computer.store.hello(kept, "/dev/a", computer.now)
    at_ms = computer.now.boottime_ms
    computer.store.uptime(a_uid(1), UptimeHeard(11, 30_000, at_ms - 4, at_ms), computer.now)
    records = [(0, 0, 0x10, 5), (10, 0, 0x10, 6)]
    computer.store.records(a_uid(1), RecordsArrived(10, True, 1, 7_000, records, at_ms), computer.now)
    computer.store.commit()
    conn = read.open_telemetry(computer.path)
    uid = a_uid(1).hex()
    found = read.bracket(conn, uid, 10)
    assert found is not None and found.from_utc_us is not None and found.to_utc_us is not None
    assert abs(found.from_utc_us - (MONDAY_US + 1_000_000)) < 10_000
    assert abs(found.to_utc_us - (MONDAY_US + (computer.true_ms - 30_000) * 1000)) < 10_000
    assert read.bracket(conn, uid, 9) is None
    conn.close()


@pytest.mark.parametrize(("rate", "is_faulty"), [(1.009, False), (0.991, False), (1.012, True), (0.988, True)])
def test_a_rate_beyond_one_percent_is_a_clock_fault_and_every_time_an_estimate(rate: float, is_faulty: bool) -> None:
    clock_map = ClockMap([a_sample(0, rate=rate), a_sample(HOUR_MS, rate=rate)])
    assert clock_map.is_faulty == is_faulty
    assert clock_map.utc_us(HOUR_MS)[1] == ("estimated" if is_faulty else "trusted")
    assert (clock_map.hint(a_sample(2 * HOUR_MS)) is None) == is_faulty


@given(rate=st.floats(0.991, 1.009), uptime_ms=st.integers(0, 48 * HOUR_MS))
def test_beyond_its_samples_a_map_goes_on_at_the_learned_rate(rate: float, uptime_ms: int) -> None:
    clock_map = ClockMap([a_sample(hour * HOUR_MS, rate=rate) for hour in range(10, 20)])
    found, _ = clock_map.utc_us(uptime_ms)
    assert found is not None
    assert abs(found - (MONDAY_US + uptime_ms * rate * 1000)) < 10_000


@given(st.lists(st.tuples(st.integers(-(10**9), 10**9), st.integers(0, 10**9)), max_size=6))
def test_agreement_is_one_moment_that_lies_within_every_error(said: list[tuple[int, int]]) -> None:
    hints = [ClockHint(MONDAY_US + off_us, error_us, 1_000) for off_us, error_us in said]
    found = agreed(hints, 1_000)
    can_agree = bool(hints) and max(h.utc_us - h.error_us for h in hints) <= min(h.utc_us + h.error_us for h in hints)
    assert (found is not None) == can_agree
    if found is not None:
        assert found.error_us == min(hint.error_us for hint in hints)
