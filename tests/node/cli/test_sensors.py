"""`larder sensors`: every device at a glance whatever is stopped, hostile words from outside, calibration by verb."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from node import clock
from node.clock import ClockQuality
from node.places import Places
from tests.firmware_bridge.store.years import EPOCH_US, HOST, a_market, measured, stored
from tests.node.cli.verbs import answer, lines, refusal, run

UID = "01eeffc042000001"
HOSTILE = "[red]x[/]\x1b[2J\u202e"
MARCH_MS = EPOCH_US // 1000


@pytest.fixture
def harbour(harbour: Places, monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    """A market with a board of three probes: one good, one doubtful, one that fell silent. Boards began at EPOCH."""
    harbour.telemetry_db.parent.mkdir(exist_ok=True)
    store = a_market(harbour.telemetry_db, probes=3)
    stored(store.conn, measured(0, 200_000, 10_000, 0, probes=3))
    store.conn.execute(
        "insert into stage (device, boot, seq, dev_ms, channel, status, value, quality, reason) values"
        " (1, 1, 60, 100000, 2, 0, 5000, 1, 0), (1, 1, 61, 200000, 0, 0, 3875, 1, 0),"
        " (1, 1, 62, 200000, 1, 0, 85000, 2, 5)"
    )
    store.conn.execute("insert into error_count values ('/dev/a', 'crc', 12, ?), ('/dev/b', 'json', 2, ?)", (9, 8))
    store.conn.execute("insert into gap (device, cause, noticed_us) values (1, 'power', 1)")
    store.close()
    moment = clock.Moment(MARCH_MS + 203_000, ClockQuality.TRUSTED, clock.now().today, HOST, 203_000)
    monkeypatch.setattr(clock, "now", lambda: moment)
    yield harbour


def bridge_says(places: Places, **more: Any) -> None:
    """Write the heartbeat of a running bridge: what it says is `more`."""
    content = {"format": "larder-bridge-heartbeat/1", "host_boot_id": HOST, "boottime_ms": 201_000, "state": "running"}
    places.run.mkdir(exist_ok=True)
    places.bridge_heartbeat.write_text(json.dumps({**content, **more}), encoding="utf-8")


def a_port(**more: Any) -> dict[str, Any]:
    """A port on which the board speaks."""
    return {
        "port": "/dev/a",
        "state": "linked",
        "device_uid": UID,
        "frames_good": 40,
        "frames_bad": {"crc": 14, "cobs": 1},
        "waiting_records": 2,
        "last_error": "",
        **more,
    }


def test_each_channel_says_its_quality_first_and_those_that_need_a_person_come_first(harbour: Places) -> None:
    bridge_says(harbour, ports=[a_port()])
    bridge, device, *channels = lines(harbour, "sensors")
    assert bridge == "larder-bridge here, heard 2 s ago"
    assert device == (
        f"linked {UID}, ll1, on /dev/a, heard 3 s ago, 2 records wait for the disk, frames 40 good,"
        " 15 bad (cobs 1, crc 14), 1 gap, 0 restarts, ring 0, clock trusted"
    )
    assert channels == [
        f"  MISSING probe-2 last 5.0C, 1 min old, never calibrated, sensor {UID}/2",
        f"  SUSPECT probe-1 last 85.0C, reason: power_on, 3 s old, never calibrated, sensor {UID}/1",
        f"  GOOD probe-0 3.9C, 3 s old, never calibrated, sensor {UID}/0",
    ]


def test_an_event_that_nobody_promised_again_does_not_grow_old(harbour: Places) -> None:
    with closing(sqlite3.connect(harbour.telemetry_db)) as store, store:
        store.execute("update channel set flags = flags | 1, period_ds = 0 where channel = 2")
    bridge_says(harbour, ports=[a_port()])
    assert f"  GOOD probe-2 5.0C, 1 min old, never calibrated, sensor {UID}/2" in lines(harbour, "sensors")


def test_with_the_bridge_away_what_is_stored_is_shown_and_the_ports_are_not_known(harbour: Places) -> None:
    bridge, device, *channels = lines(harbour, "sensors")
    assert bridge == "larder-bridge is away: nothing new is read; this is what it stored"
    assert device.startswith(f"not known {UID}, ll1, on /dev/a, heard 3 s ago, 1 gap")
    assert len(channels) == 3
    assert answer(harbour, "sensors")["bridge"] == "away"


@pytest.mark.parametrize(
    ("ports", "state"),
    [
        ([a_port(state="absent", device_uid=None)], "absent"),
        ([a_port(state="probing", device_uid=None)], "probing"),
        ([a_port(port="/dev/c"), a_port(state="absent", device_uid=None)], "linked"),
        ([a_port(device_uid="01eeffc042000009")], "not heard"),
        ([a_port(state="refused")], "refused"),
    ],
)
def test_a_device_stands_as_its_port_does_also_unplugged_or_on_another(
    harbour: Places, ports: list[dict[str, Any]], state: str
) -> None:
    bridge_says(harbour, ports=ports)
    assert lines(harbour, "sensors")[1].startswith(f"{state} {UID}, ll1, on {ports[0]['port']}, ")


def test_json_has_every_fact_and_its_quality_beside_each_value(harbour: Places) -> None:
    bridge_says(harbour, ports=[a_port(), a_port(port="/dev/c", device_uid=None, state="probing")])
    told = answer(harbour, "sensors")
    assert (told["format"], told["bridge"], told["problem"]) == ("larder-sensors/1", "here", None)
    (device,) = told["devices"]
    assert [(each["sensor"], each["quality"], each["value_milli"]) for each in device["channels"]] == [
        (f"{UID}/2", "MISSING", 5_000),
        (f"{UID}/1", "SUSPECT", 85_000),
        (f"{UID}/0", "GOOD", 3_875),
    ]
    assert (device["state"], device["gap_count"], device["live"]["waiting_records"]) == ("linked", 1, 2)
    assert [(port["port"], port["state"]) for port in told["free_ports"]] == [("/dev/c", "probing")]
    assert {(row["port"], row["kind"], row["ever"], row["since_start"]) for row in told["errors"]} >= {
        ("/dev/a", "crc", 14, 14),
        ("/dev/b", "json", 2, 0),
    }


def test_what_came_malformed_is_counted_by_kind_over_restarts(harbour: Places) -> None:
    bridge_says(harbour, ports=[a_port(frames_bad={"crc": 3})])
    _bridge, crc, other = lines(harbour, "sensors", "--errors")
    assert crc.startswith("crc 12, damaged on the line, 3 since larder-bridge was started, last 1970-01-01 ")
    assert crc.endswith(", on /dev/a")
    assert other.startswith("json 2, no JSON, 0 since") and other.endswith(", on /dev/b")
    assert len(lines(harbour, "sensors", "--errors", "--device", UID)) == 2


@pytest.mark.parametrize(
    "content",
    [
        {"ports": [a_port(port=HOSTILE, device_uid=HOSTILE, frames_bad={HOSTILE: 2}, last_error=HOSTILE)]},
        {"ports": [a_port(frames_good=-1, frames_bad=[1], waiting_records="x", last_error=7)]},
        {"ports": [a_port(frames_bad={"crc": 10**30}, frames_good=True)]},
        {"ports": [{"port": 5}, None, "x", a_port(state="fine"), a_port(state=["linked"])]},
        {"ports": {"a": 1}, "message": HOSTILE, "pid": "x"},
        {"ports": [a_port()] * 5_000},
        {"boottime_ms": "now"},
        {"boottime_ms": True, "ports": 5},
    ],
)
def test_a_hostile_heartbeat_steers_nothing_and_hides_no_sensor(harbour: Places, content: dict[str, Any]) -> None:
    bridge_says(harbour, **content)
    for option in ((), ("--errors",)):
        said = "\n".join(lines(harbour, "sensors", *option))
        assert "\x1b" not in said and "\u202e" not in said
    assert len(answer(harbour, "sensors")["devices"]) == 1


def test_hostile_names_of_boards_steer_nothing(harbour: Places) -> None:
    with sqlite3.connect(harbour.telemetry_db) as connection:
        connection.execute("update channel set name = ?, unit = ?", (HOSTILE, HOSTILE))
        connection.execute("update device set port = ?, protocol = ?", (HOSTILE, HOSTILE))
        connection.execute("update error_count set port = ?, kind = ? where kind = 'crc'", (HOSTILE, HOSTILE))
    for option in ((), ("--errors",)):
        said = "\n".join(lines(harbour, "sensors", *option))
        assert "\x1b" not in said and "\u202e" not in said and "x[/]?[2J" in said


def test_one_device_alone_and_one_that_is_not_there(harbour: Places) -> None:
    assert len(lines(harbour, "sensors", "--device", UID.upper())) == 5
    assert refusal(harbour, "sensors", "--device", "nope")["error"] == "sensors.no_device"


def test_without_any_sensor_it_says_what_to_do(tmp_path: Path) -> None:
    places = Places(tmp_path / "empty")
    lines(places, "init", "--name", "Empty")
    assert lines(places, "sensors")[1:] == [
        "No sensor has reported yet. Plug one in; what speaks where is told by: larder ports"
    ]
    assert lines(places, "sensors", "--errors")[1:] == ["Nothing came malformed so far."]
    assert refusal(places, "sensors", "history", "fridge")["error"] == "readings.none"


def test_a_damaged_log_is_a_problem_and_never_a_value(harbour: Places) -> None:
    harbour.telemetry_db.write_bytes(b"this is no database" * 500)
    assert lines(harbour, "sensors")[1].startswith("MISSING ")
    assert answer(harbour, "sensors")["problem"]


def calibrate(places: Places, *arguments: str) -> list[str]:
    """Calibrate probe-0 as Ana."""
    return lines(places, "--who", "Ana", "sensors", "calibrate", "probe-0", *arguments)


def test_a_calibration_is_applied_where_the_value_is_read_and_the_raw_one_stays(harbour: Places) -> None:
    before = raw_rows(harbour)
    saved, reaches, _action = calibrate(harbour, "--point", "0.4=0", "--from", "2023-11-01", "--reference", "Fluke")
    assert saved == (
        "saved: probe-0, calibrated 0.4 is 0, from 2023-11-01 00:00, as found +0.4, as left 0, against Fluke, by Ana"
    )
    assert reaches.startswith("it reaches back to 21 readings: ")
    (line,) = [line for line in lines(harbour, "sensors") if "probe-0" in line]
    assert line.startswith(
        "  GOOD probe-0 3.5C, 3 s old, the sensor itself says 3.9C, calibrated 2023-11-01 (0.4 is 0), due 2024-10-31"
    )
    assert "probe-0 3.5C" in "\n".join(lines(harbour, "cold"))
    assert before == raw_rows(harbour)
    assert lines(harbour, "readings")[0].startswith("probe-0 3.875 Cel GOOD")


def test_what_was_read_before_a_calibration_keeps_the_one_before(harbour: Places) -> None:
    calibrate(harbour, "--offset", "-1", "--from", "2023-11-14T22:13:20", "--as-found", "1", "--as-left", "0")
    calibrate(harbour, "--offset", "-2", "--from", "2023-11-14T22:16:50")
    # The newest reading is of 22:16:40, before the second one holds.
    assert "GOOD probe-0 2.9C" in "\n".join(lines(harbour, "sensors"))
    history = lines(harbour, "sensors", "history", "probe-0")
    assert [line.split(",")[0] for line in history] == ["calibrated offset -2", "calibrated offset -1"]
    assert "as found +1, as left 0" in history[1]
    lines(harbour, "--who", "Musa", "sensors", "withdraw", f"{UID}/0", "--reason", "wrong probe")
    newest, _oldest = lines(harbour, "sensors", "history", "probe-0")
    assert newest.startswith("taken back offset -2") and newest.endswith("taken back by Musa: wrong probe")
    told = answer(harbour, "sensors", "history", "probe-0")
    assert [each["is_withdrawn"] for each in told["calibrations"]] == [True, False]


@pytest.mark.parametrize(("day", "words"), [("2022-11-20", "due soon"), ("2022-11-01", "CALIBRATION DUE since")])
def test_a_calibration_that_is_due_is_said_a_month_before(harbour: Places, day: str, words: str) -> None:
    calibrate(harbour, "--offset", "0", "--from", day)
    assert words in "\n".join(lines(harbour, "sensors"))
    due = lines(harbour, "cold")[-1]
    assert due == (
        "calibrate probe-0 until 2023-11-20"
        if words == "due soon"
        else "calibration of probe-0 is DUE since 2023-11-01"
    )
    (told,) = answer(harbour, "cold")["calibrations_due"]
    assert (told["sensor"], told["state"]) == (f"{UID}/0", "soon" if words == "due soon" else "due")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--who", "Ana", "sensors", "calibrate", "nope", "--offset", "1"), "readings.no_channel"),
        (("sensors", "calibrate", "probe-0", "--offset", "1"), "calibration.person"),
        (("--who", "Ana", "sensors", "calibrate", "probe-0"), "calibration.shape"),
        (("--who", "Ana", "sensors", "calibrate", "probe-0", "--offset", "warm"), "calibration.number"),
        (("--who", "Ana", "sensors", "calibrate", "probe-0", "--point", "4"), "calibration.point"),
        (("--who", "Ana", "sensors", "calibrate", "probe-0", "--offset", "-5"), "calibration.far"),
        (("--who", "Ana", "sensors", "withdraw", "probe-0", "--reason", "x"), "calibration.none"),
    ],
)
def test_what_cannot_be_is_refused(harbour: Places, arguments: tuple[str, ...], error: str) -> None:
    assert refusal(harbour, *arguments)["error"] == error


def test_a_time_that_is_none_is_a_usage_error(harbour: Places) -> None:
    result = run(harbour, "--who", "Ana", "sensors", "calibrate", "probe-0", "--offset", "1", "--from", "soon")
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_name_that_the_market_gave_is_understood(harbour: Places) -> None:
    lines(harbour, "cold", "--name", f"{UID}/0", "Fridge 2")
    assert lines(harbour, "sensors", "history", "Fridge 2") == [
        f"Never calibrated. Calibrate it with: larder sensors calibrate {UID}/0"
    ]


def test_a_name_given_twice_is_asked_about(harbour: Places) -> None:
    for number in range(2):
        lines(harbour, "cold", "--name", f"{UID}/{number}", "Fridge")
    assert refusal(harbour, "sensors", "history", "Fridge")["error"] == "sensors.ambiguous"


def test_the_log_says_who_calibrated_what(harbour: Places) -> None:
    calibrate(harbour, "--offset", "0,4")
    assert lines(harbour, "log")[0].endswith(f"Harbour: calibrated the sensor {UID}/0: offset +0.4 (Ana)")


def raw_rows(places: Places) -> list[Any]:
    """Return every reading as it is stored."""
    read: Callable[[str], Any] = sqlite3.connect(f"file:{places.telemetry_db}?mode=ro", uri=True).execute
    return read("select * from readings order by seq").fetchall()
