"""What readers get: channels, readings, gaps, buckets, devices. Values alone; nothing here asks the file.

Owns invariant 5 for what leaves the bridge: no bare number, every one with its quality.
"""

from dataclasses import dataclass

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
    """How much there is: boards ever linked, readings stored, gaps known."""

    devices: int
    readings: int
    gaps: int
