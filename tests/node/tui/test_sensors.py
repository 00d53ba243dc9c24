"""Sensors on the screen: what needs a person first, no bare number in doubt, calibration by keys."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from unittest.mock import patch

import pytest

from node import clock
from node.ledger.read import open_reader
from node.ledger.read.calibrations import Calibration, calibrations
from node.places import Places
from node.tui.app import LarderApp
from node.tui.widgets.marked_table import MarkedTable
from tests.node.cli.verbs import lines
from tests.node.tui.builders import HOSTILE, a_market, a_moment
from tests.node.tui.driving import press, say_yes, settled, shows, text_of, the_screen, until, write
from tests.node.tui.probes import BOARD, a_port, bridge_says, probes


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """The market with sensors."""
    return probes(tmp_path / "harbour")


def made(places: Places, sensor: str = f"{BOARD}/0") -> list[Calibration]:
    """Return the calibrations of a sensor."""
    reader = open_reader(places)
    try:
        return calibrations(reader, sensor)
    finally:
        reader.close()


def cells(app: LarderApp) -> list[tuple[str, ...]]:
    """Return what the list shows."""
    return [row.cells for row in app.screen.query_one("#sensors", MarkedTable).rows_shown]


async def on_sensors(app: LarderApp) -> None:
    """Go there and wait for the list."""
    await press(app, "f5", "e")
    await shows(app, "larder-bridge here")


async def test_what_needs_a_person_comes_first_and_a_value_in_doubt_is_no_number(places: Places) -> None:
    async with the_screen(places) as app:
        await on_sensors(app)
        assert [(name, now, state) for name, now, state, *_rest in cells(app)] == [
            ("fridge-3", "?", "MISSING"),
            ("fridge-2", "?", "SUSPECT"),
            ("humidity", "?", "STALE"),
            ("fridge-1", "3.4C", "GOOD"),
            ("usb-1a86-new", "", ""),
        ]
        await press(app, "down")
        await shows(app, "SUSPECT fridge-2 last 85.0C, reason: power_on")


async def test_errors_are_shown_by_kind_and_everything_about_a_sensor_in_full(places: Places) -> None:
    async with the_screen(places) as app:
        await on_sensors(app)
        await press(app, "e")
        await shows(app, "crc 14, damaged on the line")
        await shows(app, "2 damaged frames heard by the board")
        await press(app, "escape", "down", "down", "down", "v")
        await shows(app, "against Fluke 1523")


async def test_a_sensor_is_calibrated_by_keys_as_by_the_verb(places: Places, tmp_path: Path) -> None:
    twin = probes(tmp_path / "twin")
    with patch.object(clock, "now", a_moment):
        lines(twin, "--who", "Ana", "sensors", "calibrate", "fridge-1", "--offset", "-3", "--reference", "ice", "--yes")
    async with the_screen(places) as app:
        app.who = 1
        await on_sensors(app)
        await press(app, "down", "down", "down", "a")
        await shows(app, "the sensor itself says 3.875")
        await write(app, "nonsense")
        await press(app, "enter")
        await shows(app, "is not a number")
        for _character in "nonsense":
            await press(app, "backspace")
        await write(app, "-3")
        await press(app, "enter")
        await write(app, "ice")
        await press(app, "enter", "enter")
        await shows(app, "That moves what this sensor shows by 3.0 degrees.")
        await say_yes(app)
        await settled(app)
        await shows(app, "Calibrated fridge-1: offset -3.")
    newest = made(places)[-1]
    assert made(twin)[-1].value == newest.value
    assert (newest.value.offset_milli, newest.value.reference, newest.value.by) == (-3_000, "ice", 1)


async def test_a_calibration_is_taken_back_with_a_reason(places: Places) -> None:
    async with the_screen(places) as app:
        app.who = 1
        await on_sensors(app)
        await press(app, "down", "down", "down", "x")
        await shows(app, "Why is the last calibration of fridge-1 taken back?")
        await write(app, "wrong")
        await press(app, "enter")
        await settled(app)
        await shows(app, "Taken back for fridge-1")
        await until(lambda: cells(app)[3][1] == "3.9C")
        await press(app, "x")
        await shows(app, "x withdraw - this sensor has no calibration")
    assert [each.is_withdrawn for each in made(places)] == [True]


async def test_nobody_at_work_is_refused_with_what_to_do(places: Places) -> None:
    async with the_screen(places) as app:
        await on_sensors(app)
        await press(app, "down", "down", "down", "a")
        await write(app, "0")
        await press(app, "enter", "enter", "enter")
        await shows(app, "A calibration needs the name of the person who made it.")
    assert len(made(places)) == 1


async def test_with_the_bridge_away_the_screen_says_so_and_shows_what_was_stored(places: Places) -> None:
    places.bridge_heartbeat.unlink()
    async with the_screen(places) as app:
        await press(app, "e")
        await shows(app, "larder-bridge is away: nothing new is read; this is what it stored")
        assert [row[4] for row in cells(app)] == ["not known"] * 4


async def test_hostile_words_of_boards_and_bridge_steer_nothing(places: Places) -> None:
    with sqlite3.connect(places.telemetry_db) as connection:
        connection.execute("update channel set name = ?, unit = ?", (HOSTILE, HOSTILE))
        connection.execute("update error_count set port = ?, kind = ?", (HOSTILE, HOSTILE))
    bridge_says(places, [a_port(port=HOSTILE, last_error=HOSTILE, frames_bad={HOSTILE: 3}), a_port(port=7)])
    async with the_screen(places) as app:
        await on_sensors(app)
        await shows(app, "[red]x[/]?[2J?")
        assert "\x1b" not in text_of(app)
        await press(app, "e")
        await shows(app, "[red]x[/]?[2J? 12")


async def test_without_any_sensor_it_says_what_to_do(tmp_path: Path) -> None:
    async with the_screen(a_market(tmp_path), now=a_moment) as app:
        await press(app, "e")
        await shows(app, "No sensor has reported yet.")
        await press(app, "a")
        await shows(app, "a calibrate - no sensor is selected")


async def test_home_says_when_a_calibration_runs_out_and_opens_the_sensors(places: Places) -> None:
    async with the_screen(places) as app:
        await shows(app, "NOTICE  calibrate fridge-1 until 2026-12-17")
        now = app.screen.query_one("#now", MarkedTable)
        now.select(f"sensors/{BOARD}/0")
        await until(lambda: now.selected_key == f"sensors/{BOARD}/0")
        await press(app, "enter")
        await shows(app, "larder-bridge here")
