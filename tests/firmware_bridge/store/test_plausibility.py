"""What a channel's own past says about its newest value: the rules, recorded logs, a bridge killed in between."""

import csv
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.link.events import DescriptionsHeard
from firmware_bridge.link.identity import uid_bytes
from firmware_bridge.link.messages import Kind
from firmware_bridge.store import moves
from firmware_bridge.store.plausibility import HUMIDITY, TEMPERATURE, WEIGHT, Past
from firmware_bridge.store.quality import QUALITY_GOOD, QUALITY_SUSPECT, QUALITY_UNCHECKED, REASONS
from firmware_bridge.store.store import Store
from tests.firmware_bridge.store.test_store import START, UID, a_desc, a_hello, arrived, described, later, linked, rows

RECORDED = Path(__file__).parents[3].parent / "shared" / "data" / "sensors"
MINUTE_MS = 60_000


def reasons(*samples: tuple[int, int], kind: int = TEMPERATURE) -> list[str]:
    """Judge (seconds, milli) samples one after another."""
    past = Past(kind)
    return [past.next_reason(seconds * 1000, milli, milli) for seconds, milli in samples]


def flat(value: int, count: int, *, since_s: int, every_s: int = 10) -> list[tuple[int, int]]:
    return [(since_s + number * every_s, value) for number in range(count)]


def test_a_step_is_doubted_until_two_more_agree_and_then_it_is_real() -> None:
    assert reasons((0, 4000), (10, 20_000), (20, 20_100), (30, 20_200)) == ["", "slope", "slope", ""]


def test_a_spike_is_doubted_and_the_value_after_it_is_not() -> None:
    assert reasons((0, 4000), (10, 20_000), (20, 4100), (30, 4000)) == ["", "slope", "", ""]


def test_steps_that_do_not_agree_with_each_other_stay_doubted() -> None:
    samples = [(0, 4000), (10, 20_000), (20, 35_000), (30, -10_000), (40, 20_000), (50, 20_100), (60, 20_200)]
    assert reasons(*samples) == ["", "slope", "slope", "slope", "slope", "slope", ""]


@pytest.mark.parametrize(
    ("before", "after", "seconds", "reason"),
    [
        (4000, 14_000, 60, ""),
        (4000, 14_001, 60, "slope"),
        (4000, 14_000, 1, ""),  # within a minute the step of a minute
        (4000, 24_000, 120, ""),
        (4000, 24_001, 120, "slope"),
        (20_000, 25_001, 60, "slope"),  # a room changes by 5 K in a minute at most
        (20_000, 15_000, 60, ""),
        (20_000, -20_000, 1800, ""),
    ],
)
def test_a_slope_is_weighed_over_the_time_between(before: int, after: int, seconds: int, reason: str) -> None:
    assert reasons((0, before), (seconds, after)) == ["", reason]


def test_after_half_an_hour_of_silence_every_value_is_a_beginning() -> None:
    assert reasons((0, 4000), (1800, 59_000), (3601, -40_000)) == ["", "", ""]


def test_a_favourite_value_reached_by_a_jump_is_doubted_from_the_third_on() -> None:
    assert reasons((0, 4000), *flat(0, 5, since_s=10), (60, 4000)) == ["", "", "", "special", "special", "special", ""]


def test_a_jump_to_the_power_up_value_never_becomes_real() -> None:
    assert reasons((0, 4000), *flat(25_000, 20, since_s=10)) == ["", "slope", "slope"] + 18 * ["special"]


def test_a_fridge_that_comes_to_stand_at_zero_and_a_room_at_25_are_believed() -> None:
    assert set(reasons((0, 62), *flat(0, 30, since_s=10))) == {""}
    assert set(reasons((0, 24_937), *flat(25_000, 30, since_s=10))) == {""}
    assert set(reasons(*flat(0, 30, since_s=0))) == {""}


def test_a_temperature_without_any_change_for_two_hours_is_stuck_until_it_moves() -> None:
    found = reasons(*flat(-18_000, 722, since_s=0), (7230, -17_938))
    assert found == 720 * [""] + ["stuck", "stuck", ""]


def test_a_hole_in_the_readings_is_no_sign_of_standing_still() -> None:
    assert set(reasons(*flat(4000, 700, since_s=0), *flat(4000, 700, since_s=7000 + 1801))) == {""}


def test_a_quiet_shelf_is_normal_and_a_converter_at_its_end_is_not() -> None:
    assert set(reasons(*flat(500, 3000, since_s=0), kind=WEIGHT)) == {""}
    assert reasons(*flat(0x7FFFFF, 4, since_s=0), kind=WEIGHT) == ["", "", "saturated", "saturated"]
    assert reasons(*flat(-0x800000, 3, since_s=0), kind=WEIGHT) == ["", "", "saturated"]


def test_humidity_that_stays_at_one_hundred_is_water_on_the_sensor() -> None:
    assert reasons((0, 99_000), *flat(100_000, 4, since_s=10), kind=HUMIDITY) == ["", "", "", "saturated", "saturated"]


VALUES = st.sampled_from([4000, 4062, 3938, 0, 25_000, 25_062, 12_000, 24_000, 41_000, -20_000, 85_000, -127_000])
STEPS_MS = st.sampled_from([1000, 10_000, 10_000, 60_000, 600_000, 1_700_000, 1_900_000])
RUNS = st.lists(st.tuples(VALUES, STEPS_MS, st.integers(1, 4), st.sampled_from([0, 0, 0, 0, 1])), max_size=25)


@settings(deadline=None, max_examples=40)
@given(runs=RUNS, cuts=st.lists(st.integers(0, 60), max_size=6), moves_at=st.integers(0, 60))
def test_the_worth_of_a_value_does_not_depend_on_batches_or_on_when_the_bridge_was_killed(
    tmp_path_factory: pytest.TempPathFactory,
    runs: list[tuple[int, int, int, int]],
    cuts: list[int],
    moves_at: int,
) -> None:
    samples = [(value, step_ms, status) for value, step_ms, count, status in runs for _ in range(count)]
    folder = tmp_path_factory.mktemp("killed")
    verdicts = []
    for name, ends in (("at-once", set()), ("killed", set(cuts))):
        store = Store(folder / f"{name}.db", START)
        linked(store)
        described(store)
        at_ms = 10_000
        for seq, (value, step_ms, status) in enumerate(samples):
            at_ms += step_ms
            batch = arrived(seq, value, base_ms=at_ms)
            dt_ms, channel, _, raw = batch.records[0]
            batch.records[0] = (dt_ms, channel, status, raw)
            store.records(UID, batch, later(at_ms - 10_000))
            if seq in ends:
                store.commit()
                # Killed: what the writer knew is gone, only the file is left.
                store.conn.close()
                store = Store(folder / f"{name}.db", later(at_ms - 10_000))
                linked(store, a_hello(head=seq + 1, now_ms=at_ms), later(at_ms - 10_000))
            if name == "killed" and seq == moves_at:
                store.commit()
                moves.move_some(store.conn)
        store.commit()
        verdicts.append(rows(store, "select seq, quality, reason from readings order by seq"))
        store.close()
    assert verdicts[0] == verdicts[1]
    assert len(verdicts[0]) == len(samples)


def test_a_rejected_value_is_kept_as_it_came(tmp_path: Path) -> None:
    store = Store(tmp_path / "telemetry.db", START)
    linked(store)
    described(store)
    store.records(UID, arrived(0, 4000, 30_000, 4000), START)
    store.commit()
    found = rows(store, "select value, quality, reason from stage order by seq")
    assert found == [
        (4000, QUALITY_GOOD, 0),
        (30_000, QUALITY_SUSPECT, REASONS.index("slope")),
        (4000, QUALITY_GOOD, 0),
    ]
    store.close()


def test_a_doubt_that_an_adapter_has_is_kept_with_its_reason_and_tells_nothing_about_the_next_value(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path / "telemetry.db", START)
    linked(store)
    described(store)
    store.records(UID, replace(arrived(0, 4000, 30_000, 4000), doubts=("", "unpresented", "")), START)
    store.commit()
    found = rows(store, "select quality, reason from stage order by seq")
    assert found == [(QUALITY_GOOD, 0), (QUALITY_SUSPECT, REASONS.index("unpresented")), (QUALITY_GOOD, 0)]
    store.close()


@pytest.mark.parametrize("protocol", ["mysensors", "senml", "mt-sics", "modbus"])
def test_a_line_without_a_check_sum_gives_unchecked_values(tmp_path: Path, protocol: str) -> None:
    store = Store(tmp_path / "telemetry.db", START)
    uid = uid_bytes("mb-cold-room")
    for session in (1, 2):
        store.hello(a_hello(uid=uid, boot=0, now_ms=5000), "/dev/a", START, protocol=protocol)
        store.descriptions(uid, DescriptionsHeard(77, (a_desc(),)))
        store.commit()
        store.records(uid, arrived(0, 4000), START)
        store.commit()
        expected = QUALITY_GOOD if protocol == "modbus" else QUALITY_UNCHECKED
        assert rows(store, "select number, quality from stage join boot using (boot) order by boot")[-1] == (
            session,
            expected,
        )
    assert rows(store, "select uid, protocol from device") == [("mb-cold-room", protocol)]
    assert rows(store, "select cause, first_seq, count from gap") == [("not_read", 1, None)]
    store.close()
    again = Store(tmp_path / "telemetry.db", START)
    again.hello(a_hello(uid=uid, boot=0, now_ms=6000), "/dev/b", START, protocol=protocol)
    assert rows(again, "select count(*), max(number) from device, boot") == [(3, 3)]
    again.close()


def recorded(name: str) -> list[dict[str, str]]:
    path = RECORDED / name
    if not path.exists():
        pytest.skip(f"the recorded log {name} is not beside the checkout")
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_recorded_fridge_has_no_doubtful_value() -> None:
    past, found = Past(Kind.TEMPERATURE), []
    for row in recorded("ruuvi_fridge.csv"):
        at = datetime.strptime(row["timestamp"], "%Y-%m-%dT%H:%M:%S%z")
        milli = round(float(row["temperature"]) * 1000)
        found.append(past.next_reason(int(at.timestamp() * 1000), milli, milli))
    assert len(found) == 368
    assert set(found) == {""}


def test_the_recorded_room_hour_by_hour_has_nothing_to_compare() -> None:
    """Values an hour apart say nothing about slope or standing still: doubt there would be invented."""
    past, found = Past(Kind.TEMPERATURE), []
    for row in recorded("nab_ambient_temperature_system_failure.csv"):
        at = datetime.strptime(row["timestamp"] + "+0000", "%Y-%m-%d %H:%M:%S%z")
        milli = round((float(row["value"]) - 32) / 1.8 * 1000)
        found.append(past.next_reason(int(at.timestamp() * 1000), milli, milli))
    print(f"{len(found)} values, {sum(map(bool, found))} doubted")
    assert set(found) == {""}
