"""The calibrations of this market's sensors, with who made them. What other markets wrote corrects nothing here."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

import msgspec

from node.domain.calibration import Correction
from node.ledger.calibrations import CALIBRATION_KEY_PREFIX, CalibrationValue, calibration_key, read_calibration
from node.ledger.events import RegisterValue
from node.ledger.holds import OURS

CALIBRATIONS_MAX = 500  # of one sensor: one a week for ten years


@dataclass(frozen=True, slots=True)
class Calibration:
    """One calibration of a sensor; `value` as it was written. Names of people are empty where nobody is known."""

    calibration_id: str
    sensor: str
    value: CalibrationValue
    who_name: str
    withdrawn_by_name: str

    @property
    def from_ms(self) -> int:
        """Return from when on it holds, in milliseconds since 1970 UTC."""
        return self.value.from_ms

    @property
    def is_withdrawn(self) -> bool:
        """Tell whether it was taken back."""
        return self.value.withdrawn_ms is not None

    @property
    def correction(self) -> Correction:
        """Return what it does to a reading."""
        return Correction(self.value.offset_milli, tuple(self.value.points))


def calibrations(connection: sqlite3.Connection, sensor: str) -> list[Calibration]:
    """Return every calibration of a sensor (`DEVICE/CHANNEL`) in the order written, the newest 500 of them."""
    first = calibration_key(sensor, "")
    rows = connection.execute(
        f"SELECT key, value, hlc FROM reg_head WHERE key >= ? AND key < ? AND member = {OURS}"
        " ORDER BY hlc DESC, stream DESC, seq DESC LIMIT ?",
        (first, first[:-1] + "0", CALIBRATIONS_MAX),
    ).fetchall()
    found: dict[str, CalibrationValue] = {}
    for key, body, _hlc in rows:
        value = read_calibration(msgspec.msgpack.decode(body, type=RegisterValue))
        if value is not None:
            found.setdefault(key.removeprefix(first), value)
    # Saying one again, when it is taken back or a market joins a group, changes its place in the log, not in this list.
    in_order = sorted(found.items(), key=lambda pair: (pair[1].written_ms, pair[0]))
    return [
        Calibration(name, sensor, value, _person(connection, value.by), _person(connection, value.withdrawn_by))
        for name, value in in_order
    ]


def calibrated_sensors(connection: sqlite3.Connection) -> set[str]:
    """Return the sensors that have a calibration of ours, so that the others need no look."""
    rows = connection.execute(
        f"SELECT DISTINCT key FROM reg_head WHERE key >= ? AND key < ? AND member = {OURS}",
        (CALIBRATION_KEY_PREFIX, CALIBRATION_KEY_PREFIX[:-1] + "0"),
    )
    return {key.removeprefix(CALIBRATION_KEY_PREFIX).rpartition("/")[0] for (key,) in rows}


def _person(connection: sqlite3.Connection, number: int) -> str:
    row = connection.execute("SELECT name FROM person WHERE number = ?", (number,)).fetchone() if number else None
    return str(row[0]) if row else ""
