"""Calibrate a sensor, or take a calibration back: a person answers for it, and the log keeps all of it.

Not what a correction does (`node.domain.calibration`). No stored reading is touched: values are corrected where they
are read, from the time on that the calibration names.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from node.actions.checks import checked_words, optional_words
from node.actions.once import done_before, finish
from node.actions.units import checked_sensor
from node.clock import ClockQuality
from node.domain.calibration import DAY_MS, Correction, check_correction, corrected, in_force
from node.errors import N_, Refused
from node.ledger.append import Appender
from node.ledger.calibrations import SAID_BY_A_PERSON, CalibrationValue, calibration_key, calibration_word
from node.ledger.events import RegisterSet
from node.ledger.read.calibrations import Calibration, calibrations
from node.ledger.registers import heads
from node.ledger.store import Transaction

CALIBRATE, WITHDRAW = "calibrate", "uncalibrate"
REFERENCE_CHARACTERS_MAX = 60
CERTIFICATE_CHARACTERS_MAX = 40
REASON_CHARACTERS_MAX = 120
UNIT_CHARACTERS_MAX = 8  # DESC unit (LINK section 2)


def calibrate(
    tx: Transaction,
    *,
    action_id: bytes,
    who: int,
    sensor: str,
    kind: str,
    correction: Correction,
    unit: str = "",
    reference: str | None = None,
    certificate: str | None = None,
    from_ms: int | None = None,
    found_milli: int | None = None,
    left_milli: int | None = None,
    yes: frozenset[str] = frozenset(),
) -> Calibration:
    """Write a calibration of `sensor` (`DEVICE/CHANNEL`, which measures `kind` in `unit`) down and return it.

    It holds from `from_ms` on (milliseconds since 1970 UTC), from now where that is None. How far off the channel was
    before and after is worked out at each point; of an offset it is what `found_milli` and `left_milli` say. Raises
    Refused, and NeedsYes `calibration.far`.
    """
    done = done_before(tx, action_id)
    if done is not None:
        return _known(tx, sensor, str(done.first))
    checked_sensor(sensor)
    _check_person(who)
    check_correction(correction, kind=kind, yes=yes)
    before = calibrations(tx.connection, sensor)
    appender = Appender(tx)
    # Without a clock the log's own order says no less than: not before what was written last.
    written_ms = tx.moment.wall_ms
    if tx.moment.quality is ClockQuality.NOT_SET:
        written_ms = max(written_ms, appender.hlc + 1)
    elif from_ms is not None and from_ms > written_ms + DAY_MS:
        raise Refused(
            "calibration.future",
            N_("A calibration cannot hold from a day that has not come."),
            N_("Leave the time out, and it holds from now."),
        )
    # In the order written, whatever the clock says.
    written_ms = max([written_ms, *(each.value.written_ms + 1 for each in before)])
    starts_ms = from_ms if from_ms is not None else written_ms
    held = in_force(before, starts_ms)
    value = CalibrationValue(
        from_ms=starts_ms,
        clock=SAID_BY_A_PERSON if from_ms is not None else int(tx.moment.quality),
        by=who,
        unit=unit[:UNIT_CHARACTERS_MAX],
        offset_milli=correction.offset_milli,
        points=list(correction.points),
        found_milli=_off(correction, held.correction if held else None, found_milli),
        left_milli=_off(correction, correction, left_milli),
        reference=optional_words(reference, field="reference", characters_max=REFERENCE_CHARACTERS_MAX) or "",
        certificate=optional_words(certificate, field="certificate", characters_max=CERTIFICATE_CHARACTERS_MAX) or "",
        written_ms=written_ms,
    )
    calibration_id = str(appender.next_dot)
    event = appender.append(RegisterSet(calibration_key(sensor, calibration_id), calibration_word(value), []), who)
    finish(tx, [event], action_id=action_id, verb=CALIBRATE, who=who)
    return _known(tx, sensor, calibration_id)


def withdraw_calibration(
    tx: Transaction, *, action_id: bytes, who: int, sensor: str, reason: str, calibration_id: str | None = None
) -> Calibration:
    """Take a calibration back, the last one that counts where none is named, and return it. Raises Refused."""
    done = done_before(tx, action_id)
    if done is not None:
        (key,) = tx.connection.execute(
            "SELECT key FROM reg_head WHERE stream = ? AND seq = ?", (done.first.stream, done.first.seq)
        ).fetchone() or ("",)
        return _known(tx, sensor, key.rpartition("/")[2])
    checked_sensor(sensor)
    _check_person(who)
    words = checked_words(reason, field="reason", characters_max=REASON_CHARACTERS_MAX)
    counting = [each for each in calibrations(tx.connection, sensor) if not each.is_withdrawn]
    if calibration_id is not None:
        counting = [each for each in counting if each.calibration_id == calibration_id]
    if not counting:
        raise Refused(
            "calibration.none",
            N_("There is no such calibration of {sensor}."),
            N_("See: larder sensors history {sensor}"),
            sensor=sensor,
        )
    last = counting[-1]
    key = calibration_key(sensor, last.calibration_id)
    appender = Appender(tx)
    value = msgspec.structs.replace(
        last.value,
        withdrawn_ms=max(tx.moment.wall_ms, last.value.written_ms),
        withdrawn_by=who,
        withdrawn_reason=words,
    )
    over = [head.dot for head in heads(tx.connection, key)]
    event = appender.append(RegisterSet(key, calibration_word(value), over), who)
    finish(tx, [event], action_id=action_id, verb=WITHDRAW, who=who)
    return _known(tx, sensor, last.calibration_id)


def _off(correction: Correction, held: Correction | None, said_milli: int | None) -> list[int]:
    """Return by how much the channel is off at each point under a correction; of an offset only what was said."""
    if correction.points:
        return [corrected(shown, held) - reference for shown, reference in correction.points]
    return [said_milli] if said_milli is not None else []


def _check_person(who: int) -> None:
    if who == 0:
        raise Refused(
            "calibration.person",
            N_("A calibration needs the name of the person who made it."),
            N_("Say who: larder --who NAME sensors calibrate ...; on the screen: larder --who NAME tui"),
        )


def _known(tx: Transaction, sensor: str, calibration_id: str) -> Calibration:
    found: Sequence[Calibration] = calibrations(tx.connection, sensor)
    return next(each for each in found if each.calibration_id == calibration_id)
