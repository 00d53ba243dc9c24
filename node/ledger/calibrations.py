"""How a calibration stands in the log: a register of its own for each, so that its whole history is kept.

Not the rule of what it does (`node.domain.calibration`) and not the reading of it (`read.calibrations`). Taking one
back writes its register again with the reason; the first writing stays in the log.
"""

from __future__ import annotations

import msgspec

CALIBRATION_KEY_PREFIX = "calibration/"
SAID_BY_A_PERSON = 3  # where a time comes from, beside the qualities of a clock


class CalibrationValue(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One calibration. Values in thousandths of the channel's unit, times in milliseconds since 1970 UTC.

    `found_milli` and `left_milli` say by how much the channel was off, before and after, at each point. `by` is this
    market's number for a person. `clock` is the quality of the clock that `from_ms` was taken from, SAID_BY_A_PERSON
    where somebody said it.
    """

    from_ms: int
    clock: int
    by: int
    unit: str = ""
    offset_milli: int | None = None
    points: list[tuple[int, int]] = []
    found_milli: list[int] = []
    left_milli: list[int] = []
    reference: str = ""
    certificate: str = ""
    written_ms: int = 0
    withdrawn_ms: int | None = None
    withdrawn_by: int = 0
    withdrawn_reason: str = ""


def calibration_key(sensor: str, calibration_id: str) -> str:
    """Return the register key of a calibration of a sensor (`DEVICE/CHANNEL`)."""
    return f"{CALIBRATION_KEY_PREFIX}{sensor}/{calibration_id}"


def sensor_of_key(key: str) -> str:
    """Return the sensor that a key is about."""
    return key.removeprefix(CALIBRATION_KEY_PREFIX).rpartition("/")[0]


def calibration_word(value: CalibrationValue) -> str:
    """Return a calibration as the text of its register."""
    return msgspec.json.encode(value).decode("utf-8")


def read_calibration(value: object) -> CalibrationValue | None:
    """Return the calibration in a register's value, None where it is none."""
    if not isinstance(value, str):
        return None
    try:
        found = msgspec.json.decode(value, type=CalibrationValue)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None
    # One of both, or there is nothing to correct by.
    return found if (found.offset_milli is None) != (not found.points) and len(found.points) <= 2 else None
