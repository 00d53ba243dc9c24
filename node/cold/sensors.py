"""Every sensor at a glance: devices, their ports and channels, what came damaged, how they are calibrated.

Not the state of cold units (`watch`) and not a recorder. Works while the bridge or the node is stopped, and says so.
Owns invariant 5 here: a value that is not GOOD is never handed out without the word that says so.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from firmware_bridge.store import read as telemetry
from node.actions.units import unit_key
from node.clock import ClockQuality, Moment
from node.cold.bridge_word import BridgeWord, PortWord, bridge_word
from node.cold.calibrated import Calibrated
from node.cold.stored import channel_called, host_now, telemetry_open
from node.domain.calibration import DUE, NEVER, OK, SOON, due_state
from node.domain.cold import Sample, quality_of
from node.errors import N_, Refused
from node.ledger.read.calibrations import Calibration
from node.ledger.registers import shown
from node.places import Places
from node.text import safe_text

# How often something is heard of a channel that does not say it: a level each minute, as door contacts send.
PERIOD_MS_UNKNOWN = 60_000
CALIBRATED_KINDS = ("temperature", "humidity", "weight")
ERRORS_MAX = 200
NAME_CELLS, KIND_CELLS, PATH_CELLS = 40, 24, 120

GONE, UNKNOWN = "gone", "unknown"
"""States of a device beside those of a port: the bridge runs and hears it nowhere; nobody knows, the bridge is away."""

_NEED = ("MISSING", "SUSPECT", "STALE")


@dataclass(frozen=True, slots=True)
class SensorChannel:
    """One channel. `value_milli` is corrected, `raw_milli` the sensor's own, in thousandths of `unit`.

    `quality` is GOOD, STALE, MISSING or SUSPECT with its `reason`. `due` says when a calibration is due: ok, soon, due,
    never (there was none), or nothing where a channel of its kind is not calibrated.
    """

    sensor: str
    name: str
    board_name: str
    kind: str
    unit: str
    quality: str
    reason: str
    value_milli: int | None
    raw_milli: int | None
    is_unchecked: bool
    age_s: int | None
    history: tuple[Calibration, ...]
    calibration: Calibration | None
    due: str


@dataclass(frozen=True, slots=True)
class SensorDevice:
    """One device: what is stored of it, and what the running bridge says of its port (`word`, None where it is not)."""

    stored: telemetry.Device
    state: str
    word: PortWord | None
    channels: tuple[SensorChannel, ...]

    @property
    def port(self) -> str:
        """Return the port it speaks on, or spoke on last."""
        return self.word.path if self.word is not None else safe_text(self.stored.port, PATH_CELLS)


@dataclass(frozen=True, slots=True)
class Damage:
    """What came malformed through a port, by kind: ever, since the bridge was started, and when last (us UTC)."""

    port: str
    kind: str
    ever: int
    now: int
    last_us: int | None


@dataclass(frozen=True, slots=True)
class SensorsView:
    """All sensors, those that need a person first.

    `free` are ports without a device; `problem` says why nothing is known.
    """

    bridge: BridgeWord
    devices: tuple[SensorDevice, ...]
    free: tuple[PortWord, ...]
    damage: tuple[Damage, ...]
    problem: str | None


def sensors(places: Places, moment: Moment, market: sqlite3.Connection) -> SensorsView:
    """Look at every sensor that ever reported here, and at every port the bridge serves now."""
    bridge = bridge_word(places, moment)
    try:
        connection = telemetry.open_telemetry(places.telemetry_db)
    except FileNotFoundError:
        return SensorsView(bridge, (), bridge.ports, _damage((), bridge), None)
    except telemetry.TelemetryUnreadable as error:
        return SensorsView(bridge, (), bridge.ports, _damage((), bridge), error.message)
    try:
        now = host_now(moment)
        newest: dict[str, list[telemetry.LatestReading]] = {}
        for each in telemetry.latest(connection, now):
            newest.setdefault(each.channel.device_uid, []).append(each)
        stored = telemetry.devices(connection, now)
        counted = telemetry.error_counts(connection)
    except sqlite3.Error as error:
        return SensorsView(bridge, (), bridge.ports, _damage((), bridge), str(error))
    finally:
        connection.close()
    now_ms = None if moment.quality is ClockQuality.NOT_SET else moment.wall_ms
    calibrated = Calibrated(market)
    devices = [
        _device(device, bridge, [_channel(each, market, calibrated, now_ms) for each in newest.get(device.uid, [])])
        for device in stored
    ]
    served = {device.word for device in devices}
    free = tuple(port for port in bridge.ports if port not in served)
    return SensorsView(bridge, tuple(sorted(devices, key=_need_of_device)), free, _damage(counted, bridge), None)


def sensor_called(places: Places, market: sqlite3.Connection, called: str) -> telemetry.Channel:
    """Return the channel a person means: DEVICE/NUMBER, the name its board gives it, or the one this market gave.

    Raises Refused.
    """
    with telemetry_open(places) as connection:
        named = [
            each
            for each in telemetry.channels(connection)
            if shown(market, unit_key(f"{each.device_uid}/{each.channel}", "name")) == called
        ]
        if len(named) > 1:
            raise Refused(
                "sensors.ambiguous",
                N_("{count} sensors of this market are called '{text}'."),
                N_("Take DEVICE/NUMBER from: larder sensors"),
                count=len(named),
                text=called[:40],
            )
        return named[0] if named else channel_called(connection, called)


def need_of_channel(channel: SensorChannel) -> int:
    """Return how soon somebody should look: the smaller, the sooner."""
    if channel.quality in _NEED:
        return _NEED.index(channel.quality)
    return {DUE: 3, SOON: 4}.get(channel.due, 5)


def _device(device: telemetry.Device, bridge: BridgeWord, channels: list[SensorChannel]) -> SensorDevice:
    word = _word_of(device, bridge)
    state = word.state if word is not None else GONE if bridge.is_here else UNKNOWN
    in_order = sorted(channels, key=lambda each: (need_of_channel(each), each.sensor))
    return SensorDevice(device, state, word, tuple(in_order))


def _word_of(device: telemetry.Device, bridge: BridgeWord) -> PortWord | None:
    """Return the port that the device speaks on, else the one it spoke on last, while no other speaks there."""
    by_name = [port for port in bridge.ports if port.device_uid == device.uid]
    last_port = safe_text(device.port, PATH_CELLS)
    return next(
        iter([*by_name, *(port for port in bridge.ports if not port.device_uid and port.path == last_port)]), None
    )


def _need_of_device(device: SensorDevice) -> tuple[int, str]:
    worst = min((need_of_channel(channel) for channel in device.channels), default=0)
    return (0 if device.state == "refused" else worst), device.stored.uid


def _channel(
    newest: telemetry.LatestReading, market: sqlite3.Connection, calibrated: Calibrated, now_ms: int | None
) -> SensorChannel:
    channel, reading = newest.channel, newest.reading
    sensor = f"{channel.device_uid}/{channel.channel}"
    given = shown(market, unit_key(sensor, "name"))
    held = calibrated.at(sensor, None)
    quality, value_milli = "MISSING", None
    if reading is not None:
        value_milli = calibrated.value_milli(sensor, reading)
        # Of an event without a heartbeat nobody knows when the next one comes: it is as good as on its day.
        is_lasting = channel.is_event and channel.period_ms == 0
        sample = Sample(0 if is_lasting else reading.age_ms or 0, value_milli, reading.quality == telemetry.GOOD)
        # An age that nobody knows is no young one.
        is_dated = reading.age_ms is not None
        quality = quality_of(sample if is_dated else None, channel.period_ms or PERIOD_MS_UNKNOWN)
    return SensorChannel(
        sensor=sensor,
        name=safe_text(given if isinstance(given, str) else channel.name, NAME_CELLS) or sensor,
        board_name=safe_text(channel.name, NAME_CELLS),
        kind=channel.kind,
        unit=safe_text(channel.unit, KIND_CELLS),
        quality=quality,
        reason=reading.reason if reading is not None and reading.quality != telemetry.GOOD else "",
        value_milli=value_milli,
        raw_milli=reading.value_milli if reading is not None else None,
        is_unchecked=reading is not None and reading.is_unchecked,
        age_s=None if reading is None or reading.age_ms is None else reading.age_ms // 1000,
        history=tuple(calibrated.history(sensor)),
        calibration=held,
        due=_due(held, channel.kind, now_ms),
    )


def _due(held: Calibration | None, kind: str, now_ms: int | None) -> str:
    if held is None:
        return NEVER if kind in CALIBRATED_KINDS else ""
    return due_state(held.from_ms, kind, now_ms) or OK


def _damage(counted: Iterable[telemetry.ErrorCount], bridge: BridgeWord) -> tuple[Damage, ...]:
    """Put together what is counted on the disk, once a minute, and what the running bridge has counted since."""
    now = {(port.path, kind): count for port in bridge.ports for kind, count in port.frames_bad}
    found = {
        (safe_text(each.port, PATH_CELLS), safe_text(each.kind, KIND_CELLS)): (each.count, each.last_utc_us)
        for each in counted
    }
    rows = []
    for port, kind in {**found, **now}:
        ever, last_us = found.get((port, kind), (0, None))
        since = now.get((port, kind), 0)
        rows.append(Damage(port, kind, max(ever, since), since, last_us))
    return tuple(sorted(rows, key=lambda row: (-row.now, -(row.last_us or 0), row.port, row.kind))[:ERRORS_MAX])
