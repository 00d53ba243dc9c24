"""What `larder sensors` and its parts print with --json: typed, versioned. Not the lines (`node.tui.sensor_words`)."""

from __future__ import annotations

import msgspec

from node.cold.bridge_word import PortWord
from node.cold.sensors import SensorChannel, SensorDevice, SensorsView
from node.domain.calibration import due_ms
from node.ledger.read.calibrations import Calibration


class CalibrationAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One calibration; values in thousandths of the sensor's unit, times in milliseconds since 1970 UTC."""

    calibration_id: str
    sensor: str
    from_ms: int
    due_ms: int
    offset_milli: int | None
    points_milli: list[tuple[int, int]]
    found_milli: list[int]
    left_milli: list[int]
    unit: str
    reference: str
    certificate: str
    who_name: str
    is_withdrawn: bool
    withdrawn_by: str
    withdrawn_reason: str


class ChannelAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One channel: `value_milli` corrected, `raw_milli` the sensor's own: neither means anything without `quality`."""

    sensor: str
    name: str
    measured: str
    unit: str
    quality: str
    reason: str
    value_milli: int | None
    raw_milli: int | None
    is_unchecked: bool
    age_s: int | None
    calibration: CalibrationAnswer | None
    due: str


class PortAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One port as the running bridge sees it, counts since it was started."""

    port: str
    state: str
    device: str
    frames_good: int
    frames_bad: dict[str, int]
    waiting_records: int
    last_error: str


class DeviceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One device; `live` is null where the bridge says nothing of it now."""

    device: str
    protocol: str
    state: str
    port: str
    live: PortAnswer | None
    age_ms: int | None
    clock: str
    gap_count: int
    restart_count: int
    ring_used: int
    ring_records: int
    dropped_total: int
    conflicts: int
    board_bad_frames: int
    board_resent: int
    channels: list[ChannelAnswer]


class DamageAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came malformed through a port: ever, and since the bridge was started."""

    port: str
    kind: str
    ever: int
    since_start: int
    last_utc_us: int | None


class SensorsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder sensors --json` prints: devices that need a person first, ports without a device, damage."""

    format: str = "larder-sensors/1"
    bridge: str
    devices: list[DeviceAnswer]
    free_ports: list[PortAnswer]
    errors: list[DamageAnswer]
    problem: str | None


class HistoryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder sensors history --json` prints, newest first."""

    format: str = "larder-sensor-history/1"
    sensor: str
    calibrations: list[CalibrationAnswer]


class SavedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder sensors calibrate` and `withdraw` print with --json.

    Where it reaches back: how many good readings, and their lowest and highest before and after.
    """

    format: str = "larder-calibration/1"
    action_id: str
    calibration: CalibrationAnswer
    reached_count: int
    before_milli: list[int]
    after_milli: list[int]


def as_answer(view: SensorsView) -> SensorsAnswer:
    """Return all sensors for JSON."""
    return SensorsAnswer(
        bridge=view.bridge.heartbeat.state,
        devices=[_device(each) for each in view.devices],
        free_ports=[_port(each) for each in view.free],
        errors=[
            DamageAnswer(port=row.port, kind=row.kind, ever=row.ever, since_start=row.now, last_utc_us=row.last_us)
            for row in view.damage
        ],
        problem=view.problem,
    )


def as_calibration(calibration: Calibration) -> CalibrationAnswer:
    """Return one calibration for JSON."""
    value = calibration.value
    return CalibrationAnswer(
        calibration_id=calibration.calibration_id,
        sensor=calibration.sensor,
        from_ms=value.from_ms,
        due_ms=due_ms(value.from_ms),
        offset_milli=value.offset_milli,
        points_milli=value.points,
        found_milli=value.found_milli,
        left_milli=value.left_milli,
        unit=value.unit,
        reference=value.reference,
        certificate=value.certificate,
        who_name=calibration.who_name,
        is_withdrawn=calibration.is_withdrawn,
        withdrawn_by=calibration.withdrawn_by_name,
        withdrawn_reason=value.withdrawn_reason,
    )


def _device(device: SensorDevice) -> DeviceAnswer:
    stored = device.stored
    return DeviceAnswer(
        device=stored.uid,
        protocol=stored.protocol,
        state=device.state,
        port=device.port,
        live=_port(device.word) if device.word is not None else None,
        age_ms=stored.age_ms,
        clock=stored.time_quality,
        gap_count=stored.gap_count,
        restart_count=stored.reboot_count,
        ring_used=stored.ring_used,
        ring_records=stored.ring_records,
        dropped_total=stored.dropped_total,
        conflicts=stored.conflicts,
        board_bad_frames=stored.bad_frames,
        board_resent=stored.resent,
        channels=[_channel(each) for each in device.channels],
    )


def _channel(channel: SensorChannel) -> ChannelAnswer:
    return ChannelAnswer(
        sensor=channel.sensor,
        name=channel.name,
        measured=channel.kind,
        unit=channel.unit,
        quality=channel.quality,
        reason=channel.reason,
        value_milli=channel.value_milli,
        raw_milli=channel.raw_milli,
        is_unchecked=channel.is_unchecked,
        age_s=channel.age_s,
        calibration=as_calibration(channel.calibration) if channel.calibration is not None else None,
        due=channel.due,
    )


def _port(word: PortWord) -> PortAnswer:
    return PortAnswer(
        port=word.path,
        state=word.state,
        device=word.device_uid,
        frames_good=word.frames_good,
        frames_bad=dict(word.frames_bad),
        waiting_records=word.waiting_records,
        last_error=word.last_error,
    )
