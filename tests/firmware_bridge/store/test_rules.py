"""The pure rules of the store: when to commit, what a value is worth, which clock says what."""

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.store.clock_map import ClockMap, ClockSample
from firmware_bridge.store.commit_rule import CommitRule
from firmware_bridge.store.descriptions import Description, in_force
from firmware_bridge.store.quality import QUALITY_GOOD, QUALITY_SUSPECT, QUALITY_UNJUDGED, REASONS, judge, to_milli

TEMPERATURE = Description(0, 1, 0, 1, -3, 0, -55_000, 125_000, 100, 62, "Cel", "fridge-1")


def a_sample(
    dev_ms: int, *, boottime_ms: int = 0, wall_us: int = 0, is_synced: bool = False, host: str = "a"
) -> ClockSample:
    return ClockSample(dev_ms, host, boottime_ms, wall_us, is_synced, 4)


def test_nothing_waiting_is_never_due() -> None:
    assert CommitRule().due_at_ms() is None


def test_an_ordinary_record_is_due_five_seconds_after_the_oldest() -> None:
    rule = CommitRule()
    rule.records_arrived("a", 1, 1000, is_urgent=False)
    rule.records_arrived("a", 1, 3000, is_urgent=False)
    assert rule.due_at_ms() == 6000


def test_sixty_four_records_are_due_at_once() -> None:
    rule = CommitRule()
    for number in range(8):
        rule.records_arrived(f"port {number}", 8, 1000 + number, is_urgent=False)
    assert rule.due_at_ms() == 1000


def test_an_urgent_record_is_due_at_once() -> None:
    rule = CommitRule()
    rule.records_arrived("a", 1, 1000, is_urgent=False)
    rule.records_arrived("b", 1, 2000, is_urgent=True)
    assert rule.due_at_ms() == 2000


def test_a_backlog_is_due_when_its_port_falls_silent() -> None:
    rule = CommitRule()
    rule.records_arrived("a", 8, 1000, is_urgent=False)
    assert rule.due_at_ms() == 6000
    rule.records_arrived("a", 1, 1100, is_urgent=False)
    assert rule.due_at_ms() == 1150


def test_after_a_commit_it_begins_again() -> None:
    rule = CommitRule(interval_ms=1000)
    rule.records_arrived("a", 60, 1000, is_urgent=True)
    rule.committed()
    assert rule.due_at_ms() is None
    rule.records_arrived("a", 6, 9000, is_urgent=False)
    assert rule.due_at_ms() == 10_000


@pytest.mark.parametrize(
    ("status", "raw", "quality", "reason"),
    [
        (0x00, 3875, QUALITY_GOOD, ""),
        (0x00, 0, QUALITY_GOOD, ""),
        (0x01, 0, QUALITY_SUSPECT, "fault"),
        (0x21, 0, QUALITY_SUSPECT, "open"),
        (0x41, 0, QUALITY_SUSPECT, "short"),
        (0x61, 0, QUALITY_SUSPECT, "crc"),
        (0x81, 85_000, QUALITY_SUSPECT, "power_on"),
        (0xA1, 0, QUALITY_SUSPECT, "stuck"),
        (0xC1, 0, QUALITY_SUSPECT, "saturated"),
        (0xE1, 0, QUALITY_SUSPECT, "fault"),
        (0x02, 3875, QUALITY_SUSPECT, "clipped"),
        (0x00, 85_000, QUALITY_SUSPECT, "power_on"),
        (0x00, 60_000, QUALITY_GOOD, ""),
        (0x00, 60_001, QUALITY_SUSPECT, "range"),
        (0x00, -45_000, QUALITY_GOOD, ""),
        (0x00, -45_001, QUALITY_SUSPECT, "range"),
        (0x00, -127_000, QUALITY_SUSPECT, "range"),
        (0x00, -55_001, QUALITY_SUSPECT, "range"),
        (0x00, 125_001, QUALITY_SUSPECT, "range"),
        (0x04, 3875, QUALITY_GOOD, ""),
    ],
)
def test_a_value_is_judged_by_itself_and_keeps_its_reason(status: int, raw: int, quality: int, reason: str) -> None:
    found, code = judge(status, raw, TEMPERATURE)
    assert (found, REASONS[code]) == (quality, reason)


def test_without_a_description_only_a_fault_is_known() -> None:
    assert judge(0, 4000, None)[0] == QUALITY_UNJUDGED
    assert judge(1, 4000, None)[0] == QUALITY_SUSPECT


@given(raw=st.integers(-(2**31), 2**31 - 1), exp10=st.integers(-12, 12))
def test_thousandths_are_exact_and_half_to_even(raw: int, exp10: int) -> None:
    expected = (Decimal(raw) * Decimal(10) ** (exp10 + 3)).quantize(Decimal(1), rounding=ROUND_HALF_EVEN)
    assert to_milli(raw, exp10) == int(expected)


def test_a_scale_beyond_reason_has_no_value() -> None:
    assert to_milli(1, 13) is None
    wild = Description(0, 1, 0, 3, 100, 0, -1, 1, 10, 0, "kg", "shelf")
    assert REASONS[judge(0, 1, wild)[1]] == "scale"


def test_the_description_in_force_is_the_last_one_before_the_record() -> None:
    first, second = TEMPERATURE, Description(0, 1, 50, 1, -2, 0, 0, 1, 100, 0, "Cel", "new")
    assert in_force([], 1, 0) is None
    assert in_force([first, second], 1, 49) is first
    assert in_force([first, second], 1, 50) is second
    assert in_force([first, second], 2, 0) is second
    assert in_force([second], 0, 0) is second


def test_a_map_interpolates_between_samples_and_goes_on_straight_outside() -> None:
    # The board's clock is 1 % slow between the two samples.
    samples = [a_sample(10_000, boottime_ms=0), a_sample(110_000, boottime_ms=101_000)]
    clock_map = ClockMap(samples)
    assert clock_map.boottime_ms(60_000, "a") == 50_500
    assert clock_map.boottime_ms(9_000, "a") == -1000
    assert clock_map.boottime_ms(111_000, "a") == 102_000
    assert clock_map.boottime_ms(60_000, "b") is None
    assert clock_map.boottime_ms(60_000, "") is None


TEN_YEARS_US = 10 * 365 * 86_400_000_000


@pytest.mark.parametrize("off_us", [TEN_YEARS_US, -TEN_YEARS_US])
@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_a_set_clock_that_was_years_off_for_a_minute_dates_nothing(off_us: int, wrong: int) -> None:
    hour_ms = 3_600_000
    samples = [
        a_sample(
            number * hour_ms,
            boottime_ms=number * hour_ms,
            wall_us=number * hour_ms * 1000 + (off_us if number == wrong else 0),
            is_synced=True,
        )
        for number in range(4)
    ]
    clock_map = ClockMap(samples)
    assert not clock_map.is_faulty
    for dev_ms in (0, hour_ms // 2, hour_ms, 2 * hour_ms, 5 * hour_ms):
        assert clock_map.utc_us(dev_ms) == (dev_ms * 1000, "trusted")


def test_of_two_times_a_set_clock_said_the_later_one_counts() -> None:
    first = a_sample(0, boottime_ms=0, wall_us=TEN_YEARS_US, is_synced=True)
    second = a_sample(60_000, boottime_ms=60_000, wall_us=60_000_000, is_synced=True)
    assert ClockMap([first, second]).utc_us(1_000) == (1_000_000, "trusted")


def test_a_synchronised_sample_wins_over_nearer_ones() -> None:
    clock_map = ClockMap([a_sample(1000, wall_us=5), a_sample(9000, wall_us=9_000_000, is_synced=True)])
    assert clock_map.utc_us(1000) == (1_000_000, "trusted")
    assert ClockMap([a_sample(1000, wall_us=5)]).utc_us(1000) == (5, "estimated")
    assert ClockMap([]).utc_us(1000) == (None, "none")
