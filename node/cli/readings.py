"""`larder readings`: every channel's newest value or the readings of one; `larder readings export`: all as a file.

Not the state of cold units (`larder cold`). Nothing is judged here: what the bridge stored is shown with its age and
its quality, doubtful values with their reason.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import click
import msgspec

from node import clock
from node.cli.desk import Desk
from node.cli.options import as_json
from node.cli.output import answer
from node.cli.sentences import name_text
from node.cold.formats import EPOCH, FORMATS, Told, time_text
from node.cold.stored import Channel, Reading, everything, newest_readings, recent_readings
from node.errors import N_, LocalFault
from node.language import _, ngettext
from node.tui.text import age_text

MINUTES_DEFAULT, MINUTES_MAX = 60, 7 * 24 * 60
PROGRESS_ROWS = 20_000
FILE_MODE = 0o640
DAY_US = 86_400_000_000
NO_READINGS = N_("No reading in the last {minutes} min.")
NOTHING_YET = N_("no reading yet")


class ReadingAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One reading. `value_milli` in thousandths of `unit`, null where there is none; `time` UTC or null."""

    sensor: str
    name: str
    measured: str
    unit: str
    value_milli: int | None
    quality: str
    reason: str
    is_unchecked: bool
    age_ms: int | None
    time: str | None
    time_quality: str


class ReadingsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder readings --json` prints."""

    format: str = "larder-readings/1"
    readings: list[ReadingAnswer]


class ExportAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder readings export --out FILE --json` prints. `untimed`: readings left out, their time is not known."""

    format: str = "larder-readings-export/1"
    file: str
    rows: int
    untimed: int


@click.group(
    "readings",
    invoke_without_command=True,
    help=_("Show the newest value of every channel, or the last readings of one; or take all along as a file."),
)
@click.option("--channel", metavar="CHANNEL", help=_("The readings of one channel: DEVICE/NUMBER or its name."))
@click.option(
    "--minutes",
    type=click.IntRange(1, MINUTES_MAX),
    default=MINUTES_DEFAULT,
    show_default=True,
    help=_("With --channel: how far back."),
)
@as_json
@click.pass_context
def readings_verb(context: click.Context, channel: str | None, minutes: int) -> None:
    """Print newest values or a window."""
    if context.invoked_subcommand is not None:
        return
    desk: Desk = context.obj
    moment = clock.now()
    if channel is None:
        newest = [(each.channel, each.reading) for each in newest_readings(desk.places, moment)]
        found = [_answer(channel, reading) for channel, reading in newest if reading is not None]
        lines = [_line(channel, reading) for channel, reading in newest]
    else:
        chosen, readings = recent_readings(desk.places, moment, channel.strip(), minutes)
        found = [_answer(chosen, reading) for reading in readings]
        lines = [_line(chosen, reading) for reading in readings] or [_(NO_READINGS).format(minutes=minutes)]
    answer(desk, ReadingsAnswer(readings=found), lines)


@readings_verb.command("export", help=_("Write every stored reading, summary and gap as CSV, JSON lines or SenML."))
@click.option("--device", metavar="DEVICE", help=_("Of one device alone."))
@click.option("--channel", metavar="CHANNEL", help=_("Of one channel alone: DEVICE/NUMBER or its name."))
@click.option("--from", "from_text", metavar="TIME", help=_("From this day or time on, UTC if it names no zone."))
@click.option("--to", "to_text", metavar="TIME", help=_("Until this time; a day is taken with all its hours."))
@click.option("--format", "shape", type=click.Choice(sorted(FORMATS)), default="csv", show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help=_("Into this file, whole or not at all."))
@as_json
@click.pass_obj
def export_verb(
    desk: Desk,
    device: str | None,
    channel: str | None,
    from_text: str | None,
    to_text: str | None,
    shape: str,
    out: Path | None,
) -> None:
    """Stream what is stored to a file or to the output."""
    if desk.is_json and out is None:
        raise click.UsageError(_("--json goes with --out FILE; the readings themselves take: --format jsonl"))
    from_us, to_us = _time_us(from_text, "--from", is_end=False), _time_us(to_text, "--to", is_end=True)
    if from_us is not None and to_us is not None and from_us >= to_us:
        raise click.BadParameter(_("it must be later than --from"), param_hint="--to")
    told = Told()
    with everything(
        desk.places, device=device, channel=channel and channel.strip(), from_us=from_us, to_us=to_us
    ) as found:
        lines = FORMATS[shape](found.rows, told)
        if out is None:
            _write(lines, sys.stdout.write, told, with_progress=False)
            sys.stdout.flush()
        else:
            with _file_made_whole(out) as write:
                _write(lines, write, told, with_progress=sys.stderr.isatty())
        untimed = found.untimed + told.untimed
    if untimed:
        text = ngettext(
            "{count} reading without a known time was left out.",
            "{count} readings without a known time were left out.",
            untimed,
        )
        click.echo(text.format(count=untimed), err=True)
    if out is not None:
        saved = _("saved: {count} rows in {file}").format(count=told.rows, file=out)
        answer(desk, ExportAnswer(file=str(out), rows=told.rows, untimed=untimed), [saved])


def _write(lines: Iterator[str], write: Callable[[str], object], told: Told, *, with_progress: bool) -> None:
    due = PROGRESS_ROWS
    for line in lines:
        write(line)
        if with_progress and told.rows >= due:
            due += PROGRESS_ROWS
            click.echo("\r" + _("{count} rows").format(count=told.rows), nl=False, err=True)
    if with_progress and due > PROGRESS_ROWS:
        click.echo(err=True)


@contextmanager
def _file_made_whole(path: Path) -> Iterator[Callable[[str], object]]:
    """Write a file beside its place and put it there when it is complete and on the disk. Raises LocalFault."""
    path = Path(os.path.realpath(path))  # through a link, to the file that is meant
    beside = path.parent / f".{path.name}.{os.getpid()}"
    try:
        if path.exists() and not path.is_file():  # a device that a file replaces is gone for everybody
            raise OSError(errno.EINVAL, _("it is not a plain file"))
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        try:
            with open(descriptor, "w", encoding="utf-8", newline="") as file:
                yield file.write
                file.flush()
                os.fsync(descriptor)
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        folder = os.open(path.absolute().parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise LocalFault(
            "readings.file",
            N_("{file} cannot be written: {reason}"),
            N_("Choose another folder or make room; nothing was left behind."),
            file=str(path),
            reason=error.strerror or str(error),
        ) from error


def _time_us(text: str | None, option: str, *, is_end: bool) -> int | None:
    """Read a day or a time as microseconds since 1970 UTC; as an end, a day ends where the next one begins."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
        at = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        is_whole_day = len(text.strip()) <= len("2026-11-22") and is_end
        return (at - EPOCH) // timedelta(microseconds=1) + is_whole_day * DAY_US
    except ValueError:
        message = _("{text} is no day or time such as 2026-11-22 or 2026-11-22T14:30").format(text=name_text(text[:40]))
        raise click.BadParameter(message, param_hint=option) from None


def _answer(channel: Channel, reading: Reading) -> ReadingAnswer:
    return ReadingAnswer(
        sensor=_sensor(channel),
        name=channel.name,
        measured=channel.kind,
        unit=channel.unit,
        value_milli=reading.value_milli,
        quality=reading.quality,
        reason=reading.reason,
        is_unchecked=reading.is_unchecked,
        age_ms=reading.age_ms,
        time=time_text(reading.at_utc_us),
        time_quality=reading.time_quality,
    )


def _line(channel: Channel, reading: Reading | None) -> str:
    """Return `fridge-1 3.875 Cel GOOD, 3 s old, sensor 00a1b2c3d4e5f607/0`."""
    sensor = _("sensor {sensor}").format(sensor=name_text(_sensor(channel)))
    name = name_text(channel.name) or _("unnamed")
    if reading is None:
        return ", ".join([f"{name} {_(NOTHING_YET)}", sensor])
    value = _("no value")
    if reading.value_milli is not None:
        value = f"{Decimal(reading.value_milli).scaleb(-3):f} {name_text(channel.unit)}"
    parts = [f"{name} {value} {_(reading.quality)}"]
    if reading.reason:
        parts.append(_("reason: {reason}").format(reason=name_text(reading.reason)))
    if reading.is_unchecked:
        parts.append(_("the line has no check sum"))
    age = None if reading.age_ms is None else reading.age_ms / 1000
    parts.append(_("age unknown") if age is None else _("{age} old").format(age=age_text(age)))
    return ", ".join([*parts, sensor])


def _sensor(channel: Channel) -> str:
    return f"{channel.device_uid}/{channel.channel}"
