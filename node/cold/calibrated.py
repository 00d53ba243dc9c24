"""Readings as the calibrations of this market have them: corrected when read, each by what held at its own time.

Not the rule (`node.domain.calibration`). Nothing that is stored changes: without the market's log the sensor's own
values are there as before.
"""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Sequence

from firmware_bridge.store import read as telemetry
from node.clock import PLAUSIBLE_WALL_MS_MIN, Moment
from node.cold.stored import host_now, telemetry_open
from node.domain.calibration import corrected, in_force
from node.ledger.read.calibrations import Calibration, calibrated_sensors, calibrations
from node.places import Places

TRUSTED = "trusted"
SUMMARIES_MAX = 10_000


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
        """Return what a reading is corrected by; of one whose time nobody knows, and of None, the last."""
        at_ms = None if reading is None else _known_ms(reading.at_utc_us, reading.time_quality)
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


def _known_ms(at_utc_us: int | None, time_quality: str) -> int | None:
    """Return when something was measured, in milliseconds since 1970 UTC, None where the clock was not set then.

    A clock that is not synchronised is good enough here: it goes on from the last shutdown at least, so it comes after
    the calibrations made before that.
    """
    if at_utc_us is None or (time_quality != TRUSTED and at_utc_us < PLAUSIBLE_WALL_MS_MIN * 1000):
        return None
    return at_utc_us // 1000


@dataclasses.dataclass(frozen=True, slots=True)
class Reached:
    """What a change of calibrations does to the good readings it reaches back to, in thousandths of the unit.

    `since_ms` is the first of them that is known, in milliseconds since 1970 UTC, None where no time is.
    """

    count: int
    since_ms: int | None
    before_milli: tuple[int, int]
    after_milli: tuple[int, int]


def reached(
    places: Places,
    moment: Moment,
    channel: telemetry.Channel,
    before: Sequence[Calibration],
    after: Sequence[Calibration],
) -> Reached | None:
    """Compare the lowest and the highest good reading before and after a change; None where nothing is reached.

    Looks back at most ten thousand summaries of five minutes, a month. Raises LocalFault or NotSavedNow.
    """
    changed = {each.calibration_id for each in before if not each.is_withdrawn} ^ {
        each.calibration_id for each in after if not each.is_withdrawn
    }
    since_ms = min((each.from_ms for each in (*before, *after) if each.calibration_id in changed), default=None)
    if since_ms is None or since_ms >= moment.wall_ms:
        return None
    with telemetry_open(places) as connection:
        found = telemetry.summaries(
            connection,
            channel.device_uid,
            channel.channel,
            moment.wall_ms - since_ms,
            host_now(moment),
            SUMMARIES_MAX,
        )
    count = 0
    dated: list[int] = []
    was: list[int] = []
    becomes: list[int] = []
    for each in found:
        if each.lowest_milli is None or each.highest_milli is None:
            continue
        at_ms = _known_ms(each.at_utc_us, each.time_quality)
        count += each.good
        dated += [at_ms] if at_ms is not None else []
        for values, history in ((was, before), (becomes, after)):
            held = in_force(history, at_ms)
            correction = held.correction if held is not None else None
            values += [corrected(each.lowest_milli, correction), corrected(each.highest_milli, correction)]
    if not was or was == becomes:
        return None
    return Reached(count, min(dated, default=None), (min(was), max(was)), (min(becomes), max(becomes)))
