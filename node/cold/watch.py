"""Every cold unit and its state now, from what the bridge stored and the names and kinds the market gave.

Not a recorder: nothing is written. Whoever asks computes it, so it is right also while every daemon is dead. Names,
kinds and calibrations are registers of the ledger, applied on reading; a stored reading is never changed by them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from firmware_bridge.store import read as telemetry
from node.actions.units import UNIT_KINDS, unit_key
from node.clock import ClockQuality, Moment
from node.cold.calibrated import Calibrated
from node.cold.stored import host_now
from node.domain.calibration import DUE, SOON, due_ms, due_state
from node.domain.cold import RULES, Level, Sample, UnitRules, is_settled, status
from node.ledger.registers import shown
from node.places import Places

# A decision is due after at most 240 minutes above in all; the longest window holds that and half as much again. Mostly
# a short one proves that nothing before it matters, and costs a tenth.
WINDOWS_MS = (30 * 60 * 1000, 2 * 3600 * 1000, 6 * 3600 * 1000)
READINGS_MAX = 10_000
RECENT_MS = 2 * 3600 * 1000

_STATES = {Level.OK: "OK", Level.WARN: "HIGH"}


@dataclass(frozen=True, slots=True)
class ColdUnit:
    """One temperature channel. Temperatures in thousandths of a degree Celsius, times in seconds.

    `state` is OK, HIGH (warn), EXCURSION (alarm or worse) or NO LIMIT; `quality` GOOD, STALE, MISSING or SUSPECT with
    its `reason`. `is_kind_assumed` says that nobody told what it is and the strictest limit that fits its name is used.
    `recent` are the readings of the last two hours where they were asked for, oldest first, as (age in seconds,
    temperature or None).
    """

    name: str
    sensor: str
    kind: str
    is_kind_assumed: bool
    now_milli_c: int | None
    limit_milli_c: int | None
    state: str
    quality: str
    reason: str
    age_s: int | None
    since_s: int | None
    above_s: int
    unknown_s: int
    decision_in_s: int | None
    recent: tuple[tuple[int, int | None], ...]

    @property
    def word(self) -> str:
        """Return the word that matters most: a limit that was passed, else a doubt about the value, else the state."""
        return self.state if self.state in {"HIGH", "EXCURSION"} or self.quality == "GOOD" else self.quality


@dataclass(frozen=True, slots=True)
class DueCalibration:
    """A sensor of any kind whose calibration runs out: `state` is soon or due, the time milliseconds since 1970 UTC."""

    sensor: str
    name: str
    state: str
    due_ms: int


@dataclass(frozen=True, slots=True)
class ColdView:
    """All units, the worst first, or the reason why nothing is known; and whose calibration runs out, first first."""

    units: tuple[ColdUnit, ...]
    problem: str | None
    readings: int
    due: tuple[DueCalibration, ...] = ()


def cold_status(places: Places, moment: Moment, market: sqlite3.Connection, *, with_recent: bool = False) -> ColdView:
    """Judge every temperature channel that ever reported here; `with_recent` also for a graph of two hours."""
    try:
        connection = telemetry.open_telemetry(places.telemetry_db)
    except FileNotFoundError:
        return ColdView((), None, 0)
    except telemetry.TelemetryUnreadable as error:
        return ColdView((), error.message, 0)
    try:
        now, calibrated = host_now(moment), Calibrated(market)
        channels = telemetry.channels(connection)
        units = [
            _unit(_Probe(connection, channel, now, calibrated), market, with_recent=with_recent)
            for channel in channels
            if channel.kind == "temperature"
        ]
        due = _due(channels, calibrated, market, moment)
        return ColdView(tuple(sorted(units, key=_by_need)), None, telemetry.counts(connection).readings, due)
    except sqlite3.Error as error:
        return ColdView((), str(error), 0)
    finally:
        connection.close()


@dataclass(frozen=True, slots=True)
class _Probe:
    """One channel with what is needed to read it: the open log, the time, and how it is calibrated."""

    connection: sqlite3.Connection
    channel: telemetry.Channel
    now: telemetry.HostNow
    calibrated: Calibrated

    @property
    def sensor(self) -> str:
        return f"{self.channel.device_uid}/{self.channel.channel}"

    def window(self, window_ms: int) -> list[telemetry.Reading]:
        """Return the readings of the last `window_ms`, oldest first, corrected."""
        place = (self.channel.device_uid, self.channel.channel)
        found = telemetry.readings(self.connection, *place, window_ms, self.now, READINGS_MAX)
        return self.calibrated.readings(self.sensor, found)


def _unit(probe: _Probe, market: sqlite3.Connection, *, with_recent: bool) -> ColdUnit:
    channel, sensor = probe.channel, probe.sensor
    told = shown(market, unit_key(sensor, "kind"))
    kind = told if isinstance(told, str) and told in UNIT_KINDS else _kind_by_name(channel.name)
    rules = RULES.get(kind)
    period_ms = max(1, channel.period_ms)
    readings = _readings(probe, rules, period_ms)
    judged = status(_samples(readings), rules=rules, period_ms=period_ms)
    name = shown(market, unit_key(sensor, "name"))
    return ColdUnit(
        name=name if isinstance(name, str) else channel.name,
        sensor=sensor,
        kind=kind,
        is_kind_assumed=told != kind,
        now_milli_c=judged.temperature_milli_c,
        limit_milli_c=rules.limit_milli_c if rules else None,
        state=_STATES.get(judged.level, "EXCURSION") if rules else "NO LIMIT",
        quality=judged.quality,
        reason=readings[-1].reason if readings and judged.quality == "SUSPECT" else "",
        age_s=judged.age_s,
        since_s=judged.since_s,
        above_s=judged.above_s,
        unknown_s=judged.unknown_s,
        decision_in_s=judged.decision_in_s,
        recent=_recent(probe) if with_recent else (),
    )


def _readings(probe: _Probe, rules: UnitRules | None, period_ms: int) -> list[telemetry.Reading]:
    """Return the readings that the status depends on: the shortest window that proves it needs no more."""
    readings: list[telemetry.Reading] = []
    for window_ms in WINDOWS_MS:
        readings = probe.window(window_ms)
        if rules is None or is_settled(_samples(readings), rules=rules, period_ms=period_ms):
            break
    return readings


def _samples(readings: list[telemetry.Reading]) -> list[Sample]:
    return [
        Sample(reading.age_ms, reading.value_milli, reading.quality == telemetry.GOOD)
        for reading in readings
        if reading.age_ms is not None
    ]


def _recent(probe: _Probe) -> tuple[tuple[int, int | None], ...]:
    return tuple((sample.age_ms // 1000, sample.temperature_milli_c) for sample in _samples(probe.window(RECENT_MS)))


def _due(
    channels: Iterable[telemetry.Channel], calibrated: Calibrated, market: sqlite3.Connection, moment: Moment
) -> tuple[DueCalibration, ...]:
    """Return whose calibration is due or will be soon; nobody's while the clock is not set."""
    found = []
    for channel in channels:
        sensor = f"{channel.device_uid}/{channel.channel}"
        held = calibrated.at(sensor, None)
        now_ms = None if moment.quality is ClockQuality.NOT_SET else moment.wall_ms
        state = due_state(held.from_ms, channel.kind, now_ms) if held is not None else ""
        if held is not None and state in {DUE, SOON}:
            given = shown(market, unit_key(sensor, "name"))
            name = given if isinstance(given, str) else channel.name
            found.append(DueCalibration(sensor, name, state, due_ms(held.from_ms)))
    return tuple(sorted(found, key=lambda each: (each.due_ms, each.sensor)))


def _kind_by_name(name: str) -> str:
    """Guess what a unit is that nobody described: a freezer or a room by its name, else the strict fridge."""
    words = name.lower()
    if "freez" in words:
        return "freezer"
    return "ambient" if words.startswith(("ambient", "room", "air")) else "fridge"


_NEED = ("EXCURSION", "HIGH", "MISSING", "SUSPECT", "STALE", "OK", "NO LIMIT")


def _by_need(unit: ColdUnit) -> tuple[int, str]:
    return _NEED.index(unit.word), unit.name
