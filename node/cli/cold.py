"""`larder cold`: every cold unit and its state now, worst first; and what a sensor measures."""

from __future__ import annotations

import click
import msgspec

from node import clock
from node.actions.ids import new_action_id
from node.actions.units import UNIT_KINDS, describe_unit
from node.cli.desk import Desk, reading, writing
from node.cli.options import as_json
from node.cli.output import answer
from node.cli.sentences import name_text
from node.cold.sensors import sensor_called
from node.cold.watch import ColdUnit, ColdView, cold_status
from node.language import N_, _
from node.tui.sensor_words import due_line
from node.tui.text import age_text, temperature_text

NO_SENSOR = N_("No sensor has reported yet.")
MISSING = N_("MISSING")


class ColdUnitAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One unit. Temperatures in thousandths of a degree Celsius, times in seconds; `word` is the state in one word."""

    word: str
    name: str
    sensor: str
    kind: str
    is_kind_assumed: bool
    state: str
    quality: str
    reason: str
    temperature_milli_c: int | None
    limit_milli_c: int | None
    age_s: int | None
    since_s: int | None
    above_s: int
    unknown_s: int
    decision_in_s: int | None


class DueAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A sensor whose calibration is due, or will be within a month: `state` due or soon."""

    sensor: str
    name: str
    state: str
    due_ms: int


class ColdAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder cold --json` prints: units worst first, or the `problem` because of which nothing is known."""

    format: str = "larder-cold/1"
    units: list[ColdUnitAnswer]
    problem: str | None
    reading_count: int
    calibrations_due: list[DueAnswer]


@click.command("cold", help=_("Show every fridge and freezer, worst first; or say with --name what a sensor measures."))
@click.option(
    "--name",
    "named",
    nargs=2,
    metavar="SENSOR NAME",
    help=_("Name the unit of a sensor, such as: --name 00a1b2c3d4e5f607/0 'Fridge 2', or by its present name"),
)
@click.option("--kind", type=click.Choice(UNIT_KINDS), help=_("With --name: what kind of unit it is."))
@as_json
@click.pass_obj
def cold_verb(desk: Desk, named: tuple[str, str] | None, kind: str | None) -> None:
    """Print every cold unit, after naming one where that is asked."""
    if kind is not None and named is None:
        raise click.UsageError(_("--kind goes with --name SENSOR NAME"))
    if named is not None:
        called, name = called_sensor(desk, named[0].strip()), named[1]
        action_id = new_action_id()
        with writing(desk) as market:
            market.act(
                "cold",
                lambda tx, who: describe_unit(tx, action_id=action_id, who=who, sensor=called, name=name, kind=kind),
            )
    with reading(desk) as connection:
        view = cold_status(desk.places, clock.now(), connection)
    lines = cold_lines(view)
    if named is not None:
        lines.insert(0, _("saved: {sensor} is {name}").format(sensor=name_text(called), name=name_text(named[1])))
    answer(desk, cold_answer(view), lines)


def called_sensor(desk: Desk, words: str) -> str:
    """Return the sensor a person means: DEVICE/NUMBER, which need not have spoken yet, or a name. Raises Refused."""
    if "/" in words:
        return words.lower()
    with reading(desk) as connection:
        channel = sensor_called(desk.places, connection, words)
    return f"{channel.device_uid}/{channel.channel}"


def cold_answer(view: ColdView) -> ColdAnswer:
    """Return the cold units for JSON."""
    return ColdAnswer(
        units=[_unit_answer(unit) for unit in view.units],
        problem=view.problem,
        reading_count=view.readings,
        calibrations_due=[
            DueAnswer(sensor=each.sensor, name=each.name, state=each.state, due_ms=each.due_ms) for each in view.due
        ],
    )


def cold_lines(view: ColdView) -> list[str]:
    """Return one line a unit, worst first, or the line that says why there is none."""
    if view.problem is not None:
        return [f"{_(MISSING)} {name_text(view.problem)}"]
    lines = [_unit_line(unit) for unit in view.units] or [_(NO_SENSOR)]
    return [*lines, *(due_line(each) for each in view.due)]


def _unit_line(unit: ColdUnit) -> str:
    """Return `HIGH Fridge 2 7.9C, limit 5.0C, for 22 min, reading 3 s old`. An old value is never shown as now."""
    age = age_text(unit.age_s)
    value = temperature_text(unit.now_milli_c)
    if unit.now_milli_c is None:
        now = _("no value")
    elif unit.quality == "GOOD":
        now = value
    else:
        now = _("last {value}").format(value=value)
    parts = [f"{_(unit.word)} {name_text(unit.name)} {now}"]
    if unit.quality not in {"GOOD", unit.word}:
        parts.append(_(unit.quality))
    if unit.limit_milli_c is not None:
        parts.append(_("limit {limit}").format(limit=temperature_text(unit.limit_milli_c)))
    if unit.since_s is not None:
        parts.append(_("for {age}").format(age=age_text(unit.since_s)))
    if unit.decision_in_s is not None:
        parts.append(_("decide about the food in {age}").format(age=age_text(unit.decision_in_s)))
    parts.append(_("reading {age} old").format(age=age) if unit.age_s is not None else _("no reading"))
    if unit.reason:
        parts.append(_("reason: {reason}").format(reason=name_text(unit.reason)))
    if unit.is_kind_assumed:
        parts.append(_("taken for a {kind}, nobody said").format(kind=unit.kind))
    parts.append(_("sensor {sensor}").format(sensor=name_text(unit.sensor)))
    return ", ".join(parts)


def _unit_answer(unit: ColdUnit) -> ColdUnitAnswer:
    return ColdUnitAnswer(
        word=unit.word,
        name=unit.name,
        sensor=unit.sensor,
        kind=unit.kind,
        is_kind_assumed=unit.is_kind_assumed,
        state=unit.state,
        quality=unit.quality,
        reason=unit.reason,
        temperature_milli_c=unit.now_milli_c,
        limit_milli_c=unit.limit_milli_c,
        age_s=unit.age_s,
        since_s=unit.since_s,
        above_s=unit.above_s,
        unknown_s=unit.unknown_s,
        decision_in_s=unit.decision_in_s,
    )
