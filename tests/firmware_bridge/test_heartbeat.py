"""bridge.json: replaced atomically, soon after news, and never long silent."""

import json
from pathlib import Path

from firmware_bridge.clock import HostNow
from firmware_bridge.heartbeat import Heartbeat
from firmware_bridge.link.states import State
from firmware_bridge.worker import PortStatus


def at(ms: int) -> HostNow:
    return HostNow("a" * 32, ms, 1_700_000_000_000_000 + ms * 1000)


def a_port(state: State = State.LINKED, frames_good: int = 1) -> PortStatus:
    return PortStatus("/dev/a", state, "01eeffc042000001", "fridge-1", frames_good, {"crc": 2}, 3, "")


def said_at(path: Path) -> int:
    return int(json.loads(path.read_text("utf-8"))["boottime_ms"])


def test_it_says_everything_a_reader_is_promised(tmp_path: Path) -> None:
    path = tmp_path / "bridge.json"
    Heartbeat(path).say("running", "", 3, [a_port()], at(1000), is_last=False)
    content = json.loads(path.read_text("utf-8"))
    assert content["format"] == "larder-bridge-heartbeat/1"
    assert content["host_boot_id"] == "a" * 32
    assert content["pid"] > 0
    assert content["ports"] == [
        {
            "port": "/dev/a",
            "state": "linked",
            "device_uid": "01eeffc042000001",
            "name": "fridge-1",
            "frames_good": 1,
            "frames_bad": {"crc": 2},
            "waiting_records": 3,
            "last_error": "",
        }
    ]
    assert [each.name for each in tmp_path.iterdir()] == ["bridge.json"]


def test_news_is_written_soon_counters_within_two_seconds_and_silence_ends_after_ten(tmp_path: Path) -> None:
    path = tmp_path / "bridge.json"
    heartbeat = Heartbeat(path)
    heartbeat.say("running", "", 0, [a_port()], at(0), is_last=False)
    heartbeat.say("running", "", 0, [a_port(frames_good=2)], at(1900), is_last=False)
    assert said_at(path) == 0
    heartbeat.say("running", "", 0, [a_port(frames_good=2)], at(2000), is_last=False)
    assert said_at(path) == 2000
    heartbeat.say("running", "", 0, [a_port(State.STALE, 2)], at(2500), is_last=False)
    assert said_at(path) == 2500
    heartbeat.say("running", "", 0, [a_port(State.STALE, 2)], at(12_400), is_last=False)
    assert said_at(path) == 2500
    heartbeat.say("running", "", 0, [a_port(State.STALE, 2)], at(12_500), is_last=False)
    assert said_at(path) == 12_500


def test_the_last_word_is_always_written(tmp_path: Path) -> None:
    path = tmp_path / "bridge.json"
    heartbeat = Heartbeat(path)
    heartbeat.say("running", "", 0, [], at(0), is_last=False)
    heartbeat.say("stopped", "", 0, [], at(1), is_last=True)
    assert json.loads(path.read_text("utf-8"))["state"] == "stopped"


def test_a_disk_that_refuses_the_heartbeat_stops_nothing(tmp_path: Path) -> None:
    heartbeat = Heartbeat(tmp_path / "absent" / "bridge.json")
    heartbeat.say("running", "", 0, [], at(0), is_last=False)
    assert "No such file" in heartbeat.last_error
