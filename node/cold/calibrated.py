"""Readings as the calibrations of this market have them: corrected when read, each by what held at its own time.

Not the rule (`node.domain.calibration`). Nothing that is stored changes: without the market's log the sensor's own
values are there as before.
"""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Sequence

from firmware_bridge.store import read as telemetry
from node.domain.calibration import corrected, in_force
from node.ledger.read.calibrations import Calibration, calibrated_sensors, calibrations

TRUSTED = "trusted"


class Calibrated:
    """The calibrations of all sensors, read once for one answer."""

    def __init__(self, market: sqlite3.Connection) -> None:
        self._market = market
        self._sensors = calibrated_sensors(market)
        self._known: dict[str, list[Calibration]] = {}

    def history(self, sensor: str) -> list[Calibration]:
        """Return every calibration of a sensor in the order written."""
        if sensor not in self._sensors:
            return []
        if sensor not in self._known:
            self._known[sensor] = calibrations(self._market, sensor)
        return self._known[sensor]

    def at(self, sensor: str, reading: telemetry.Reading | None) -> Calibration | None:
        """Return what a reading is corrected by; of one without a time that can be trusted, and of None, the last."""
        is_timed = reading is not None and reading.time_quality == TRUSTED and reading.at_utc_us is not None
        at_ms = reading.at_utc_us // 1000 if is_timed and reading is not None and reading.at_utc_us else None
        return in_force(self.history(sensor), at_ms)

    def readings(self, sensor: str, found: Sequence[telemetry.Reading]) -> list[telemetry.Reading]:
        """Return readings of a sensor with corrected values."""
        if sensor not in self._sensors:
            return list(found)
        return [dataclasses.replace(each, value_milli=self.value_milli(sensor, each)) for each in found]

    def value_milli(self, sensor: str, reading: telemetry.Reading) -> int | None:
        """Return the corrected value of a reading, in thousandths of the channel's unit."""
        if reading.value_milli is None:
            return None
        held = self.at(sensor, reading)
        return corrected(reading.value_milli, held.correction if held is not None else None)
