"""Cold units as lines and as JSON: each quality in words, and one real board through a real bridge."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from node.cli.cold import cold_answer, cold_lines
from node.cold.watch import ColdUnit, ColdView
from node.places import Places
from tests.node.cli.verbs import CHECKOUT, WAIT_S, answer, environment, lines, process, refusal

UID = "00a1b2c3d4e5f607"
OK_UNIT = ColdUnit(
    name="Fridge 1",
    sensor=f"{UID}/0",
    kind="fridge",
    is_kind_assumed=False,
    now_milli_c=3_149,
    limit_milli_c=5_000,
    state="OK",
    quality="GOOD",
    reason="",
    age_s=3,
    since_s=None,
    above_s=0,
    unknown_s=0,
    decision_in_s=None,
    recent=(),
)


def line(unit: ColdUnit) -> str:
    (said,) = cold_lines(ColdView((unit,), None, 1))
    return said


def test_a_good_unit_is_one_line_state_first() -> None:
    assert line(OK_UNIT) == f"OK Fridge 1 3.1C, limit 5.0C, reading 3 s old, sensor {UID}/0"


def test_a_warm_unit_says_for_how_long_and_how_long_is_left() -> None:
    warm = replace(OK_UNIT, state="HIGH", now_milli_c=7_900, since_s=1_320, decision_in_s=13_080)
    assert line(warm).startswith(
        "HIGH Fridge 1 7.9C, limit 5.0C, for 22 min, decide about the food in 3 h, reading 3 s old"
    )


def test_an_old_value_is_never_shown_as_now() -> None:
    stale = replace(OK_UNIT, quality="STALE", age_s=360)
    assert line(stale).startswith("STALE Fridge 1 last 3.1C, limit 5.0C, reading 6 min old")


def test_an_absent_value_is_missing() -> None:
    missing = replace(OK_UNIT, quality="MISSING", now_milli_c=None, age_s=None)
    assert line(missing).startswith("MISSING Fridge 1 no value, limit 5.0C, no reading")


def test_a_doubtful_value_gives_its_reason() -> None:
    suspect = replace(OK_UNIT, quality="SUSPECT", reason="open")
    assert line(suspect).startswith("SUSPECT Fridge 1 last 3.1C,")
    assert "reason: open" in line(suspect)


def test_doubt_does_not_hide_an_alarm() -> None:
    both = replace(OK_UNIT, state="EXCURSION", quality="STALE", since_s=3_600)
    assert line(both).startswith("EXCURSION Fridge 1 last 3.1C, STALE, limit 5.0C, for 1 h")


def test_a_kind_nobody_told_is_said_to_be_taken() -> None:
    assert "taken for a fridge, nobody said" in line(replace(OK_UNIT, is_kind_assumed=True))


def test_a_hostile_name_is_shown_as_text() -> None:
    assert line(replace(OK_UNIT, name="[red]x[/]\x1b[2J\u202e")).startswith("OK [red]x[/]?[2J? 3.1C")


def test_json_carries_integers_with_their_units() -> None:
    (unit,) = cold_answer(ColdView((OK_UNIT,), None, 7)).units
    assert (unit.word, unit.temperature_milli_c, unit.limit_milli_c, unit.age_s) == ("OK", 3_149, 5_000, 3)


@contextmanager
def a_board_on_a_bridge(places: Places) -> Iterator[None]:
    """A virtual fridge on a pseudo terminal, and the bridge that reads it. Both are ended by their pid."""
    link = places.root / "fridge"
    board = [sys.executable, "-m", "firmware_bridge.virtual", "--link", str(link), "--uid", UID, "--name", "fridge-1"]
    bridge = [sys.executable, "-m", "firmware_bridge.main", "--data", str(places.root), "--ports", str(link)]
    started: list[subprocess.Popen[bytes]] = []
    try:
        for command in ([*board, "--kind", "fridge", "--period-s", "1"], bridge):
            started.append(
                subprocess.Popen(
                    command, env=environment(), cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
                )
            )
            if command is not bridge:
                assert started[0].stdout is not None
                assert started[0].stdout.readline().startswith(b"ready")
        yield
    finally:
        for process_of_ours in reversed(started):
            process_of_ours.terminate()
            process_of_ours.communicate(timeout=WAIT_S)


def units_once_reported(places: Places) -> list[dict[str, Any]]:
    """Ask until a unit with a value is there."""
    deadline_s = time.monotonic() + WAIT_S
    while time.monotonic() < deadline_s:
        units: list[dict[str, Any]] = json.loads(process(places, "cold", "--json").stdout)["units"]
        if units and units[0]["temperature_milli_c"] is not None:
            return units
    raise AssertionError("no reading arrived")


@pytest.mark.slow
def test_a_real_board_shows_up_and_takes_the_name_it_is_given(harbour: Places) -> None:
    with a_board_on_a_bridge(harbour):
        (unit,) = units_once_reported(harbour)
        assert (unit["name"], unit["sensor"], unit["kind"]) == ("fridge-1", f"{UID}/0", "fridge")
        assert unit["is_kind_assumed"] is True
        assert 0 < unit["temperature_milli_c"] < 10_000
        named = lines(harbour, "cold", "--name", f"{UID}/0", "Fridge 1", "--kind", "fridge")
        assert named[0] == f"saved: {UID}/0 is Fridge 1"
        assert "Fridge 1" in named[1]
        assert "nobody said" not in named[1]
        again = lines(harbour, "cold", "--name", "fridge-1", "Fridge 2")
        assert again[0] == f"saved: {UID}/0 is Fridge 2", "the board's own name will do"
        assert lines(harbour, "cold", "--name", "Fridge 2", "Fridge 1")[0] == f"saved: {UID}/0 is Fridge 1"
        told = answer(harbour, "status")
        assert told["cold"]["units"][0]["name"] == "Fridge 1"
        assert told["bridge"]["state"] == "here"


def test_a_kind_goes_with_a_name(harbour: Places) -> None:
    assert refusal(harbour, "cold", "--kind", "fridge", code=2)["error"] == "usage"
