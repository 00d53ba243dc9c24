"""`larder readings` and its export: lines, files made whole or not at all, and bad input."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest

from node.cli import readings as verb
from node.places import Places
from tests.firmware_bridge.store.years import EPOCH_US, a_market, measured, stored
from tests.node.cli.verbs import CHECKOUT, answer, command, environment, lines, process, refusal, run

UID = "01eeffc042000001"
COUNT = 40


@pytest.fixture
def harbour(harbour: Places) -> Places:
    """The same market with a board of two probes and 20 periods of readings."""
    folder = harbour.telemetry_db.parent
    folder.mkdir(exist_ok=True)
    store = a_market(harbour.telemetry_db, probes=2)
    stored(store.conn, measured(0, 200_000, 10_000, 0, probes=2))
    store.conn.execute(
        "insert into stage (device, boot, seq, dev_ms, channel, status, value, quality, reason)"
        " values (1, 1, 40, 200000, 0, 0, 3875, 1, 0), (1, 1, 41, 200000, 1, 0, 85000, 2, 5)"
    )
    store.conn.execute(
        "insert into gap (device, boot, first_seq, count, from_us, to_us, cause, noticed_us)"
        " values (1, 1, 42, 3, ?, ?, 'device_overflow', ?)",
        (EPOCH_US, EPOCH_US + 1, EPOCH_US + 2),
    )
    store.close()
    return harbour


def test_the_newest_values_are_lines_with_quality_and_age(harbour: Places) -> None:
    first, second = lines(harbour, "readings")
    assert first.startswith("probe-0 3.875 Cel GOOD, ") and first.endswith(f"old, sensor {UID}/0")
    assert second.startswith("probe-1 85.000 Cel SUSPECT, reason: power_on, ")
    told = answer(harbour, "readings")
    assert told["format"] == "larder-readings/1"
    assert [(each["sensor"], each["value_milli"], each["quality"]) for each in told["readings"]] == [
        (f"{UID}/0", 3875, "GOOD"),
        (f"{UID}/1", 85_000, "SUSPECT"),
    ]


def test_a_window_without_readings_says_so(harbour: Places) -> None:
    assert lines(harbour, "readings", "--channel", "probe-0", "--minutes", "5") == ["No reading in the last 5 min."]


def test_an_export_goes_to_the_output_or_into_a_file(harbour: Places, tmp_path: Path) -> None:
    out = tmp_path / "all.csv"
    assert lines(harbour, "readings", "export", "--out", str(out)) == [f"saved: {COUNT + 3} rows in {out}"]
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == ["reading"] * (COUNT + 2) + ["gap"]
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["all.csv"]
    done = process(harbour, "readings", "export")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in csv.DictReader(done.stdout.splitlines())] == rows  # noqa: C416 - rows are compared
    objects = [json.loads(line) for line in lines(harbour, "readings", "export", "--format", "jsonl")]
    assert len(objects) == COUNT + 3 and objects[COUNT]["value"] == 3.875
    pack = json.loads("".join(lines(harbour, "readings", "export", "--format", "senml")))
    assert pack[COUNT]["v"] == 3.875 and pack[COUNT + 1]["vs"] == "SUSPECT power_on 85.000"


def test_an_export_is_cut_by_channel_and_time(harbour: Places) -> None:
    found = lines(harbour, "readings", "export", "--channel", f"{UID}/1", "--format", "jsonl")
    assert {json.loads(line).get("channel") for line in found} == {1, None}
    times = ("--from", "2023-11-14T22:13:20", "--to", "2023-11-14T23:14:20+01:00")
    found = lines(harbour, "readings", "export", *times, "--format", "jsonl")
    assert sum(json.loads(line)["kind"] == "reading" for line in found) == 12
    day = ("--from", "2023-11-14", "--to", "2023-11-14")
    found = lines(harbour, "readings", "export", *day, "--format", "jsonl")
    assert sum(json.loads(line)["kind"] == "reading" for line in found) == COUNT + 2


def test_json_tells_of_the_file(harbour: Places, tmp_path: Path) -> None:
    out = tmp_path / "all.json"
    told = answer(harbour, "readings", "export", "--format", "senml", "--out", str(out))
    assert told == {"format": "larder-readings-export/1", "file": str(out), "rows": COUNT + 3, "untimed": 0}


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("readings", "--channel", "nope"), "readings.no_channel"),
        (("readings", "export", "--channel", "nope"), "readings.no_channel"),
        (("readings", "export", "--device", "nope", "--out", "/tmp/never.csv"), "readings.no_device"),
    ],
)
def test_what_is_not_there_is_refused(harbour: Places, arguments: tuple[str, ...], error: str) -> None:
    if "--out" not in arguments and "export" in arguments:
        result = run(harbour, *arguments)
        assert result.exit_code == 1 and result.stdout == "" and "nope" in result.stderr
        return
    assert refusal(harbour, *arguments)["error"] == error
    assert not Path("/tmp/never.csv").exists()


@pytest.mark.parametrize("time", ["yesterday", "2026-02-30", "99999-01-01", "", "2026-11-22T25:00"])
def test_a_time_that_is_none_is_a_usage_error(harbour: Places, time: str) -> None:
    result = run(harbour, "readings", "export", "--from", time)
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_stretch_that_ends_before_it_begins_is_a_usage_error(harbour: Places) -> None:
    result = run(harbour, "readings", "export", "--from", "2023-11-15", "--to", "2023-11-14")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "it must be later than --from" in result.stderr


def test_all_years_that_a_calendar_has_may_be_asked_for(harbour: Places) -> None:
    result = run(harbour, "readings", "export", "--from", "0001-01-01", "--to", "9999-12-31")
    assert len(result.stdout.splitlines()) == 1 + COUNT + 3


@pytest.mark.parametrize("shape", ["csv", "jsonl", "senml"])
def test_a_reader_that_goes_away_half_way_is_no_fault(harbour: Places, shape: str) -> None:
    conn = sqlite3.connect(harbour.telemetry_db, isolation_level=None)
    conn.execute("delete from reading")
    stored(conn, measured(0, 20_000_000, 10_000, 0, probes=2))
    conn.close()
    done = subprocess.run(
        ["bash", "-c", '"$@" | head -c 1 > /dev/null', "-", *command(harbour, "readings", "export", "--format", shape)],
        cwd=CHECKOUT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""


def test_a_pipe_or_a_device_is_never_replaced_by_the_file(harbour: Places, tmp_path: Path) -> None:
    pipe, link, file = tmp_path / "pipe", tmp_path / "link", tmp_path / "file.csv"
    os.mkfifo(pipe)
    assert refusal(harbour, "readings", "export", "--out", str(pipe))["error"] == "readings.file"
    assert pipe.is_fifo()
    link.symlink_to(file)
    lines(harbour, "readings", "export", "--out", str(link))
    assert link.is_symlink() and file.is_file()
    assert refusal(harbour, "readings", "export", "--out", "")["error"] == "readings.file"


def test_without_any_sensor_it_is_said(tmp_path: Path) -> None:
    places = Places(tmp_path / "empty")
    lines(places, "init", "--name", "Empty")
    assert refusal(places, "readings")["error"] == "readings.none"


def test_a_file_that_cannot_be_made_leaves_nothing_behind(harbour: Places, tmp_path: Path) -> None:
    out = tmp_path / "missing" / "all.csv"
    assert refusal(harbour, "readings", "export", "--out", str(out))["error"] == "readings.file"
    assert not out.parent.exists()


def test_an_export_that_fails_on_its_way_keeps_the_file_that_was_there(
    harbour: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "all.csv"
    out.write_text("before", encoding="utf-8")

    def breaks(*_arguments: object) -> object:
        yield "half"
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(verb.FORMATS, "csv", breaks)  # type: ignore[arg-type]
    assert refusal(harbour, "readings", "export", "--out", str(out))["error"] == "readings.file"
    assert out.read_text(encoding="utf-8") == "before"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["all.csv"]
