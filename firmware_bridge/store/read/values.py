"""What readers get: channels, readings, gaps, buckets, devices. Values alone; nothing here asks the file.

Owns invariant 5 for what leaves the bridge: no bare number, every one with its quality.
"""

from dataclasses import dataclass
from decimal import Decimal

KINDS = ("other", "temperature", "humidity", "weight", "door", "voltage", "count")  # DESC kind (LINK section 2)


@dataclass(frozen=True, slots=True)
class Channel:
    """What one channel of a board is now. unit is a SenML name; period_ms is 0 when the board does not say."""

    device_uid: str
    channel: int
    name: str
    kind: str
    unit: str
    period_ms: int
    is_event: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """One measured value, with age and quality.

    value_milli: int, thousandths of the channel's unit (for temperature thousandths of a degree Celsius), None when
    there is none. quality: GOOD or SUSPECT, then with a reason; is_unchecked: good, but the line has no check sum,
    so it takes two that agree to end an alarm (LINK section 5). boot, seq: the board's own order, never a clock's.
    age_ms: None while nobody knows; is_age_estimated: taken from wall clocks, since this computer was restarted in
    between. at_utc_us: microseconds since 1970 UTC or None; time_quality: trusted, estimated or none.
    """

    device_uid: str
    channel: int
    boot: int
    seq: int
    dev_ms: int
    value_milli: int | None
    quality: str
    reason: str
    is_merged: bool
    is_unchecked: bool
    age_ms: int | None
    is_age_estimated: bool
    at_utc_us: int | None
    time_quality: str


@dataclass(frozen=True, slots=True)
class LatestReading:
    """A channel and its newest reading in the board's own order, None when there is none yet."""

    channel: Channel
    reading: Reading | None


@dataclass(frozen=True, slots=True)
class Gap:
    """Records that will never come. count, boot, first_seq and the bracket in time are None where nobody can know."""

    device_uid: str
    boot: int | None
    first_seq: int | None
    count: int | None
    from_utc_us: int | None
    to_utc_us: int | None
    cause: str
    noticed_utc_us: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is: boards ever linked, readings stored (whole ones, up to 100,000), gaps known."""

    devices: int
    readings: int
    gaps: int


@dataclass(frozen=True, slots=True)
class ReadingRow:
    """One stored reading, exactly. value: in the channel's unit, None where there is none; raw: as the board sent it.

    quality: GOOD or SUSPECT, then with a reason. seq, dev_ms: the board's number and uptime of it, within its boot.
    """

    channel: Channel
    boot: int
    seq: int
    dev_ms: int
    at_utc_us: int | None
    time_quality: str
    value: Decimal | None
    quality: str
    reason: str
    is_unchecked: bool
    is_merged: bool
    status: int
    raw: int


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """What remains of the readings of one worth in a stretch of period_s: values in the channel's unit.

    mean: rounded half to even, at the resolution of the readings. count: how many there were.
    """

    channel: Channel
    boot: int
    first_seq: int
    last_seq: int
    first_ms: int
    last_ms: int
    from_utc_us: int | None
    to_utc_us: int | None
    time_quality: str
    period_s: int
    count: int
    lowest: Decimal | None
    mean: Decimal | None
    highest: Decimal | None
    last: Decimal | None
    quality: str
    reason: str
    is_unchecked: bool


@dataclass(frozen=True, slots=True)
class GapRow:
    """Records that will never come, as `Gap`, in its place among the rows."""

    device_uid: str
    boot: int | None
    first_seq: int | None
    count: int | None
    from_utc_us: int | None
    to_utc_us: int | None
    cause: str
    noticed_utc_us: int


@dataclass(frozen=True, slots=True)
class Device:
    """One board, or other hardware by its label. Counters are of the last time the board told them, else 0.

    age_ms: since it was surely heard last, None while nobody knows. time_quality: of its newest boot. gap_count,
    reboot_count: ever. dropped_total: records the board lost outright; conflicts: two devices with one uid.
    ring_used of ring_records: how full the board was when it last said so; 0 of 0 for hardware without a ring.
    """

    uid: str
    protocol: str
    port: str
    firmware: int
    channels: tuple[Channel, ...]
    first_seen_utc_us: int
    age_ms: int | None
    time_quality: str
    dropped_total: int
    conflicts: int
    gap_count: int
    reboot_count: int
    ring_used: int
    ring_records: int
    bad_frames: int
    resent: int
    supply_milli_v: int


@dataclass(frozen=True, slots=True)
class ErrorCount:
    """How often something malformed of one kind came through a port, ever, and when last."""

    port: str
    kind: str
    count: int
    last_utc_us: int


@dataclass(frozen=True, slots=True)
class SettingVersion:
    """What a setting of the bridge was from a moment on."""

    name: str
    value: str
    from_utc_us: int
