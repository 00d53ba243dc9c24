"""`larder sensors`: every device, port and channel, those that need a person first; calibration and its history.

Not the state of cold units (`larder cold`) and not a port (`larder ports`). Works while the bridge or the node is
stopped, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence

import click

from node import clock
from node.cli.asking import act_after_questions
from node.cli.desk import Desk, Writing, reading, writing
from node.cli.options import as_json, confirmed, repeatable
from node.cli.output import answer
from node.cli.sensor_answers import HistoryAnswer, SavedAnswer, as_answer, as_calibration
from node.cli.sentences import name_text
from node.cli.times import time_ms
from node.cold.calibrated import reached
from node.cold.sensors import SensorsView, sensor_called, sensors
from node.cold.stored import Channel
from node.domain.calibration import Correction, parse_milli, parse_point
from node.errors import N_, Refused
from node.language import _
from node.ledger.read.calibrations import Calibration, calibrations
from node.tui.sensor_words import (
    NO_DAMAGE,
    NO_SENSOR,
    board_damage_text,
    bridge_text,
    calibration_text,
    channel_text,
    damage_text,
    device_text,
    free_port_text,
    history_lines,
    number_text,
)

MISSING = N_("MISSING")


@click.group(
    "sensors",
    invoke_without_command=True,
    help=_("Show every sensor and its port, those that need a person first; calibrate one; see its history."),
)
@click.option("--device", metavar="DEVICE", help=_("This device alone."))
@click.option("--errors", is_flag=True, help=_("What came malformed, by port and kind."))
@as_json
@click.pass_context
def sensors_verb(context: click.Context, device: str | None, errors: bool) -> None:
    """Print every sensor."""
    if context.invoked_subcommand is not None:
        return
    desk: Desk = context.obj
    with reading(desk) as connection:
        view = sensors(desk.places, clock.now(), connection)
    chosen = _of_device(view, device.strip().lower()) if device is not None else view
    lines = _damage_lines(chosen) if errors else _lines(chosen)
    answer(desk, as_answer(chosen), lines)


def _of_device(view: SensorsView, uid: str) -> SensorsView:
    devices = tuple(each for each in view.devices if each.stored.uid == uid)
    if not devices:
        raise Refused(
            "sensors.no_device",
            N_("No device '{text}' has reported here."),
            N_("Take its name from: larder sensors"),
            text=uid[:40],
        )
    ports = {each.port for each in devices}
    damage = tuple(row for row in view.damage if row.port in ports)
    return SensorsView(view.bridge, devices, (), damage, view.problem)


def _lines(view: SensorsView) -> list[str]:
    lines = [bridge_text(view.bridge)]
    if view.problem is not None:
        lines.append(f"{_(MISSING)} {name_text(view.problem)}")
    for device in view.devices:
        lines.append(", ".join(device_text(device)))
        for channel in device.channels:
            sensor = _("sensor {sensor}").format(sensor=name_text(channel.sensor))
            lines.append("  " + ", ".join([*channel_text(channel), sensor]))
    lines += [", ".join(free_port_text(port)) for port in view.free]
    if not view.devices and view.problem is None:
        lines.append(_(NO_SENSOR))
    return lines


def _damage_lines(view: SensorsView) -> list[str]:
    rows = [", ".join(damage_text(row)) for row in view.damage]
    boards = [", ".join(parts) for device in view.devices if (parts := board_damage_text(device))]
    problem = [f"{_(MISSING)} {name_text(view.problem)}"] if view.problem is not None else []
    return [bridge_text(view.bridge), *problem, *(rows or [_(NO_DAMAGE)]), *boards]


@sensors_verb.command("history", help=_("Every calibration of a sensor, newest first; nothing is ever erased."))
@click.argument("channel")
@as_json
@click.pass_obj
def history_verb(desk: Desk, channel: str) -> None:
    """Print the calibrations of one sensor."""
    with reading(desk) as connection:
        sensor = _sensor(sensor_called(desk.places, connection, channel.strip()))
        found = calibrations(connection, sensor)
    value = HistoryAnswer(sensor=sensor, calibrations=[as_calibration(each) for each in reversed(found)])
    answer(desk, value, history_lines(sensor, found))


@sensors_verb.command(
    "calibrate",
    help=_(
        "Say by how much a sensor is off: an offset, or one or two points against a reference. Needs --who before the"
        " verb. What is stored stays as it is; readings are corrected where they are shown."
    ),
)
@click.argument("channel")
@click.option(
    "--point",
    "points",
    multiple=True,
    metavar="RAW=REFERENCE",
    help=_("What the sensor itself says and what the reference says; twice for two points."),
)
@click.option("--offset", metavar="NUMBER", help=_("Add this to every reading."))
@click.option("--reference", metavar="TEXT", help=_("The instrument it was compared with."))
@click.option("--certificate", metavar="TEXT", help=_("The number of its certificate."))
@click.option("--from", "from_text", metavar="TIME", help=_("It holds from then; from now where nothing is said."))
@click.option("--as-found", metavar="NUMBER", help=_("With --offset: by how much it was off before."))
@click.option("--as-left", metavar="NUMBER", help=_("With --offset: by how much it is off now."))
@confirmed
@repeatable
@as_json
@click.pass_obj
def calibrate_verb(
    desk: Desk,
    channel: str,
    points: tuple[str, ...],
    offset: str | None,
    reference: str | None,
    certificate: str | None,
    from_text: str | None,
    as_found: str | None,
    as_left: str | None,
    yes: bool,
    action_id: bytes,
) -> None:
    """Write a calibration down."""
    from node.actions.calibrations import calibrate

    if points and (as_found is not None or as_left is not None):
        raise click.UsageError(_("--as-found and --as-left go with --offset; of points they are worked out"))
    correction = Correction(_milli(offset), tuple(parse_point(point) for point in points))
    from_ms = time_ms(from_text, "--from") if from_text is not None else None
    with writing(desk) as market:
        chosen = sensor_called(desk.places, market.reader, channel.strip())
        before = calibrations(market.reader, _sensor(chosen))
        made = act_after_questions(
            market,
            "calibrate",
            lambda tx, who, said: calibrate(
                tx,
                action_id=action_id,
                who=who,
                sensor=_sensor(chosen),
                kind=chosen.kind,
                unit=chosen.unit,
                correction=correction,
                reference=reference,
                certificate=certificate,
                from_ms=from_ms,
                found_milli=_milli(as_found),
                left_milli=_milli(as_left),
                yes=said,
            ),
            is_yes=yes,
        )
        _tell(desk, market, chosen, made, before, action_id)


@sensors_verb.command("withdraw", help=_("Take the last calibration of a sensor back, with a reason. Needs --who."))
@click.argument("channel")
@click.option("--reason", required=True, metavar="TEXT", help=_("Why; kept in the log."))
@repeatable
@as_json
@click.pass_obj
def withdraw_verb(desk: Desk, channel: str, reason: str, action_id: bytes) -> None:
    """Take a calibration back."""
    from node.actions.calibrations import withdraw_calibration

    with writing(desk) as market:
        chosen = sensor_called(desk.places, market.reader, channel.strip())
        before = calibrations(market.reader, _sensor(chosen))
        taken = market.act(
            "withdraw",
            lambda tx, who: withdraw_calibration(
                tx, action_id=action_id, who=who, sensor=_sensor(chosen), reason=reason
            ),
        )
        _tell(desk, market, chosen, taken, before, action_id)


def _tell(
    desk: Desk,
    market: Writing,
    channel: Channel,
    made: Calibration,
    before: Sequence[Calibration],
    action_id: bytes,
) -> None:
    """Say what was saved and, where it reaches back, both results."""
    after = calibrations(market.reader, made.sensor)
    both = reached(desk.places, clock.now(), channel, before, after)
    lines = [
        _("saved: {name}, {what}").format(name=name_text(channel.name), what=", ".join(calibration_text(made))),
        _("action {action_id}").format(action_id=action_id.hex()),
    ]
    if both is not None:
        template = _("it reaches back to {count} readings: {low} to {high} before, {new_low} to {new_high} now")
        low, high, new_low, new_high = (number_text(each) for each in (*both.before_milli, *both.after_milli))
        lines.insert(1, template.format(count=both.count, low=low, high=high, new_low=new_low, new_high=new_high))
    value = SavedAnswer(
        action_id=action_id.hex(),
        calibration=as_calibration(made),
        reached_count=both.count if both else 0,
        before_milli=list(both.before_milli) if both else [],
        after_milli=list(both.after_milli) if both else [],
    )
    answer(desk, value, lines)


def _milli(text: str | None) -> int | None:
    return parse_milli(text) if text is not None else None


def _sensor(channel: Channel) -> str:
    return f"{channel.device_uid}/{channel.channel}"
