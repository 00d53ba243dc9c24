"""The cold watch over a real telemetry.db, and over one that is absent or damaged."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from node.actions import units
from node.actions.ids import new_action_id
from node.cold.watch import cold_status
from node.ledger.read import open_reader
from node.places import Places
from tests.node.builders import a_market_folder, a_moment, an_open_market
from tests.node.tui.builders import a_moment as a_screen_moment
from tests.node.tui.probes import BOARD, probes


def test_without_any_sensor_nothing_is_claimed(tmp_path: Path) -> None:
    places = a_market_folder(tmp_path)
    reader = open_reader(places)
    view = cold_status(places, a_moment(), reader)
    assert (view.units, view.problem, view.readings) == ((), None, 0)
    reader.close()


def test_a_damaged_temperature_log_is_a_problem_and_never_a_good_value(tmp_path: Path) -> None:
    places = a_market_folder(tmp_path)
    places.telemetry_db.write_bytes(b"this is no database" * 500)
    reader = open_reader(places)
    view = cold_status(places, a_moment(), reader)
    assert view.units == ()
    assert view.problem
    reader.close()


def test_an_empty_file_is_a_problem_too(tmp_path: Path) -> None:
    places = a_market_folder(tmp_path)
    sqlite3.connect(places.telemetry_db).close()
    places.telemetry_db.touch()
    reader = open_reader(places)
    view = cold_status(places, a_moment(), reader)
    assert view.units == ()
    reader.close()


def test_a_unit_is_judged_by_corrected_values_from_when_its_calibration_holds(tmp_path: Path) -> None:
    places = probes(tmp_path)
    reader = open_reader(places)
    calibrated = next(
        unit for unit in cold_status(places, a_screen_moment(), reader).units if unit.sensor.endswith("/0")
    )
    # 3.875 by the sensor; 0.4 of it is 0 and 60.9 is 60.
    assert (calibrated.now_milli_c, calibrated.quality) == (3_446, "GOOD")
    assert [(each.sensor, each.state) for each in cold_status(places, a_screen_moment(), reader).due] == [
        (f"{BOARD}/0", "soon")
    ]
    assert cold_status(places, a_screen_moment(is_clock_set=False), reader).due == ()
    reader.close()


def test_other_devices_than_boards_are_named_by_their_label(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        store.act(
            "unit",
            lambda tx: units.describe_unit(
                tx, action_id=new_action_id(), who=0, sensor="mb-cold-room/0", name="Cold room"
            ),
        )
        assert store.reader.execute("SELECT key FROM reg_head WHERE key LIKE 'unit/%'").fetchall() == [
            ("unit/mb-cold-room/0/name",)
        ]


def test_what_a_sensor_measures_is_said_in_the_ledger(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        store.act(
            "unit",
            lambda tx: units.describe_unit(
                tx, action_id=new_action_id(), who=0, sensor="01eeffc042000000/0", kind="freezer"
            ),
        )
        rows = store.reader.execute("SELECT key FROM reg_head WHERE key LIKE 'unit/%'").fetchall()
    assert rows == [("unit/01eeffc042000000/0/kind",)]
    assert Places(tmp_path).telemetry_db.parent.exists()
