"""The words about sensors that the screen and `larder sensors` share: values, states, calibrations, damage.

No widget and no question to the store. A value that is not GOOD is never a bare number here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from node.clock import ClockQuality
from node.cold.bridge_word import BridgeWord, PortWord
from node.cold.sensors import Damage, SensorChannel, SensorDevice
from node.cold.watch import DueCalibration
from node.domain.calibration import DUE, NEVER, SOON, due_ms
from node.errors import N_
from node.language import _, decimal_mark, ngettext
from node.ledger.calibrations import SAID_BY_A_PERSON, CalibrationValue
from node.ledger.read.calibrations import Calibration
from node.text import local_time_text, safe_text
from node.tui.text import age_text, temperature_text

TEXT_CELLS = 60
KINDS_NAMED_MAX = 4  # kinds of damage in one line; the rest is counted

# What the native link and the adapters count; a kind that is not here is shown by its name alone.
DAMAGE_WORDS = {
    "crc": N_("damaged on the line"),
    "cobs": N_("damaged on the line"),
    "short": N_("cut off"),
    "oversize": N_("longer than any message"),
    "version": N_("a newer link than ours"),
    "type": N_("a message of no known kind"),
    "direction": N_("our own message came back: the line echoes"),
    "length": N_("not the length of its kind"),
    "field": N_("a value outside its bounds"),
    "timeout": N_("no answer"),
    "damaged": N_("damaged on the line"),
    "foreign_master": N_("somebody else asks on this line"),
    "json": N_("no JSON"),
    "duplicate_key": N_("a key said twice"),
    "number": N_("not a number"),
    "name": N_("a name that may not be"),
    "values": N_("no value, or several"),
    "must_understand": N_("asks for what we do not understand"),
    "below_zero": N_("below zero: tare it"),
    "other_scale": N_("another scale than the settings say"),
    "unit": N_("a unit that cannot be used"),
}

DOOR_WORDS = {0: N_("closed"), 1_000: N_("open")}

STATE_WORDS = {
    "linked": N_("linked"),
    "stale": N_("stale"),
    "probing": N_("probing"),
    "absent": N_("absent"),
    "refused": N_("refused"),
    "gone": N_("not heard"),
    "unknown": N_("not known"),
}

NO_SENSOR = N_("No sensor has reported yet. Plug one in; what speaks where is told by: larder ports")
NO_DAMAGE = N_("Nothing came malformed so far.")
NEVER_CALIBRATED = N_("Never calibrated. Calibrate it with: larder sensors calibrate {sensor}")


def value_text(value_milli: int | None, channel: SensorChannel) -> str:
    """Show a value of a channel in its unit; `?` where there is none."""
    if value_milli is None:
        return "?"
    if channel.kind == "temperature":
        return temperature_text(value_milli)
    if channel.kind == "door" and value_milli in DOOR_WORDS:
        return _(DOOR_WORDS[value_milli])
    return f"{number_text(value_milli)} {channel.unit}".rstrip()


def number_text(value_milli: int, *, signed: bool = False) -> str:
    """Show thousandths as a plain number without idle zeros: `4`, `-0.4`, with a sign `+0.4`."""
    text = f"{Decimal(value_milli).scaleb(-3):{'+' if signed and value_milli else ''}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace(".", decimal_mark())


def now_text(channel: SensorChannel) -> str:
    """Show the value where it is GOOD, and otherwise that it is an old or a doubtful one."""
    if channel.quality == "GOOD":
        return value_text(channel.value_milli, channel)
    if channel.value_milli is None:
        return _("no value")
    return _("last {value}").format(value=value_text(channel.value_milli, channel))


def correction_text(value: CalibrationValue) -> str:
    """Say what a calibration does: `offset +0.4`, or `0.4 is 0, 60.9 is 60`."""
    if value.offset_milli is not None:
        return _("offset {offset}").format(offset=number_text(value.offset_milli, signed=True))
    points = [
        _("{shown} is {reference}").format(shown=number_text(shown), reference=number_text(reference))
        for shown, reference in value.points
    ]
    return ", ".join(points)


def day_text(wall_ms: int) -> str:
    """Return the day of a time, UTC: `2026-11-22`."""
    try:
        return datetime.fromtimestamp(wall_ms / 1000, UTC).date().isoformat()
    except (ValueError, OverflowError, OSError):
        return "?"


def due_text(channel: SensorChannel) -> str:
    """Say how a channel is calibrated and when it is due again; empty where its kind is not calibrated."""
    held = channel.calibration
    if held is None:
        return _("never calibrated") if channel.due == NEVER else ""
    due, correction = day_text(due_ms(held.from_ms)), correction_text(held.value)
    if not _has_day(held.value):
        return _("calibrated ({correction}) on a day that no clock knew").format(correction=correction)
    text = _("calibrated {day} ({correction})").format(day=day_text(held.from_ms), correction=correction)
    if channel.due == DUE:
        return _("{text}, CALIBRATION DUE since {due}").format(text=text, due=due)
    if channel.due == SOON:
        return _("{text}, calibration due soon: {due}").format(text=text, due=due)
    return _("{text}, due {due}").format(text=text, due=due)


def due_cell(channel: SensorChannel) -> str:
    """Return the same for a narrow column."""
    if channel.calibration is None:
        return _("never") if channel.due == NEVER else "-"
    if not _has_day(channel.calibration.value):
        return _("day unknown")
    due = day_text(due_ms(channel.calibration.from_ms))
    return {DUE: _("DUE {due}"), SOON: _("by {due}")}.get(channel.due, "{due}").format(due=due)


def due_line(due: DueCalibration) -> str:
    """Say that a calibration is due, or soon will be."""
    template = _("calibration of {name} is DUE since {due}") if due.state == DUE else _("calibrate {name} until {due}")
    return template.format(name=safe_text(due.name, TEXT_CELLS) or due.sensor, due=day_text(due.due_ms))


def bridge_text(bridge: BridgeWord) -> str:
    """Say whether larder-bridge runs, and what it says of itself."""
    heartbeat = bridge.heartbeat
    if not bridge.is_here:
        return _("larder-bridge is away: nothing new is read; this is what it stored")
    text = _("larder-bridge here, heard {age} ago").format(age=age_text(heartbeat.age_s))
    return f"{text}, {heartbeat.sentence}" if heartbeat.sentence else text


def channel_text(channel: SensorChannel) -> list[str]:
    """Return the parts of a line about a channel, the state word and the value first."""
    parts = [f"{_(channel.quality)} {channel.name} {now_text(channel)}"]
    if channel.reason:
        parts.append(_("reason: {reason}").format(reason=safe_text(channel.reason, TEXT_CELLS)))
    parts.append(_("age unknown") if channel.age_s is None else _("{age} old").format(age=age_text(channel.age_s)))
    if channel.is_unchecked:
        parts.append(_("the line has no check sum"))
    if channel.raw_milli is not None and channel.raw_milli != channel.value_milli:
        said = _("the sensor itself says {raw}") if channel.quality == "GOOD" else _("the sensor itself said {raw}")
        parts.append(said.format(raw=value_text(channel.raw_milli, channel)))
    return [part for part in (*parts, due_text(channel)) if part]


def device_text(device: SensorDevice) -> list[str]:
    """Return the parts of a line about a device, its state first."""
    stored, word = device.stored, device.word
    uid = safe_text(stored.uid, TEXT_CELLS)
    parts = [
        f"{_(STATE_WORDS[device.state])} {uid}",
        safe_text(stored.protocol, TEXT_CELLS),
        _("on {port}").format(port=device.port or "?"),
        _("heard {age} ago").format(age=age_text(None if stored.age_ms is None else stored.age_ms / 1000)),
    ]
    return [*parts, *port_parts(word), *_stored_parts(device)]


def port_parts(word: PortWord | None) -> list[str]:
    """Say how the running bridge has it with a port; nothing where it says nothing."""
    if word is None:
        return []
    count = word.waiting_records
    waiting = ngettext("{count} record waits for the disk", "{count} records wait for the disk", count)
    parts = [waiting.format(count=count), _("frames {good} good").format(good=word.frames_good)]
    bad = sum(each for _kind, each in word.frames_bad)
    kinds = [f"{kind} {each}" for kind, each in word.frames_bad[:KINDS_NAMED_MAX]]
    kinds += ["..."] if len(word.frames_bad) > KINDS_NAMED_MAX else []
    parts.append(_("{bad} bad").format(bad=bad) + (f" ({', '.join(kinds)})" if kinds else ""))
    if word.last_error:
        parts.append(_("last fault: {fault}").format(fault=word.last_error))
    return parts


def _stored_parts(device: SensorDevice) -> list[str]:
    stored = device.stored
    gaps = ngettext("{count} gap", "{count} gaps", stored.gap_count).format(count=stored.gap_count)
    starts = ngettext("{count} restart", "{count} restarts", stored.reboot_count).format(count=stored.reboot_count)
    parts = [gaps, starts]
    if stored.protocol == "ll1":
        # A board that has not been linked since this was asked has not said how large its ring is.
        ring = _("ring {count} of {size}") if stored.ring_records else _("ring {count}")
        parts.append(ring.format(count=stored.ring_used, size=stored.ring_records))
    parts.append(_("clock {quality}").format(quality=_(CLOCK_WORDS.get(stored.time_quality, "unknown"))))
    if stored.dropped_total:
        parts.append(_("{count} records lost on the board").format(count=stored.dropped_total))
    if stored.conflicts:
        parts.append(
            _("{count} records twice with other values: two devices of one name").format(count=stored.conflicts)
        )
    if stored.supply_milli_v:
        parts.append(_("supply {volts} V").format(volts=number_text(stored.supply_milli_v)))
    return parts


CLOCK_WORDS = {"trusted": N_("trusted"), "estimated": N_("estimated"), "none": N_("unknown")}


def free_port_text(word: PortWord) -> list[str]:
    """Return the parts of a line about a port on which no known device speaks."""
    uid = _("says it is {uid}").format(uid=word.device_uid) if word.device_uid else _("no device yet")
    return [f"{_(STATE_WORDS[word.state])} {word.path}", uid, *port_parts(word)]


def damage_text(row: Damage) -> list[str]:
    """Return the parts of a line about one kind of damage on one port."""
    parts = [f"{row.kind} {row.ever}"]
    if row.kind in DAMAGE_WORDS:
        parts.append(_(DAMAGE_WORDS[row.kind]))
    parts.append(_("{count} since larder-bridge was started").format(count=row.now))
    if row.last_us is not None:
        parts.append(_("last {when}").format(when=minute_text(row.last_us // 1000)))
    return [*parts, _("on {port}").format(port=row.port)]


def board_damage_text(device: SensorDevice) -> list[str]:
    """Return what the board itself counts, empty where it counted nothing."""
    stored = device.stored
    if not (stored.bad_frames or stored.resent or stored.dropped_total or stored.conflicts):
        return []
    return [
        safe_text(stored.uid, TEXT_CELLS),
        _("{count} damaged frames heard by the board").format(count=stored.bad_frames),
        _("{count} records sent again").format(count=stored.resent),
        _("{count} lost").format(count=stored.dropped_total),
        _("{count} with another value than before").format(count=stored.conflicts),
    ]


def minute_text(wall_ms: int) -> str:
    """Return a time to the minute, local; `?` for one that is none."""
    return local_time_text(wall_ms, "%Y-%m-%d %H:%M")


def calibration_text(calibration: Calibration) -> list[str]:
    """Return the parts of a line about one calibration of a sensor."""
    value = calibration.value
    state = _("taken back") if calibration.is_withdrawn else _("calibrated")
    parts = [f"{state} {correction_text(value)}", _valid_text(value), *_errors(value)]
    parts.append(
        _("against {reference}").format(reference=safe_text(value.reference, TEXT_CELLS))
        if value.reference
        else _("reference not said")
    )
    if value.certificate:
        parts.append(_("certificate {number}").format(number=safe_text(value.certificate, TEXT_CELLS)))
    parts.append(_("by {who}").format(who=safe_text(calibration.who_name, TEXT_CELLS) or _("a person not known here")))
    if calibration.is_withdrawn:
        parts.append(
            _("taken back by {who}: {reason}").format(
                who=safe_text(calibration.withdrawn_by_name, TEXT_CELLS) or "?",
                reason=safe_text(value.withdrawn_reason, 2 * TEXT_CELLS),
            )
        )
    return parts


def _valid_text(value: CalibrationValue) -> str:
    if not _has_day(value):
        return _("from a time at which the clock was not set")
    return _("from {when}").format(when=minute_text(value.from_ms))


def _has_day(value: CalibrationValue) -> bool:
    """Tell whether its time is one: said by a person, or taken from a clock that was set."""
    return value.clock in {SAID_BY_A_PERSON, int(ClockQuality.RTC), int(ClockQuality.TRUSTED)}


def _errors(value: CalibrationValue) -> list[str]:
    parts = []
    for template, off in ((_("as found {off}"), value.found_milli), (_("as left {off}"), value.left_milli)):
        if off:
            parts.append(template.format(off=" / ".join(number_text(each, signed=True) for each in off)))
    return parts


def history_lines(sensor: str, found: Sequence[Calibration]) -> list[str]:
    """Return the history of a sensor, newest first, or the line that says there is none."""
    lines = [", ".join(calibration_text(each)) for each in reversed(found)]
    return lines or [_(NEVER_CALIBRATED).format(sensor=sensor)]
