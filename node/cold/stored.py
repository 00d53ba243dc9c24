"""What the bridge stored, for staff who look at it or take it along: newest values, a window, everything row by row.

Not the state of cold units (`watch.py`) and not a format (`formats.py`). Reads only; works while the bridge writes and
while it is stopped.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TypeAlias

from firmware_bridge.store import read as telemetry
from node.clock import ClockQuality, Moment
from node.errors import N_, LarderError, LocalFault, NotSavedNow, Refused
from node.places import Places

READINGS_MAX = 10_000  # of one window

Channel: TypeAlias = telemetry.Channel
Reading: TypeAlias = telemetry.Reading


@dataclass(frozen=True, slots=True)
class Everything:
    """All rows that were asked for, and how many readings a stretch of time leaves out since their time is unknown."""

    rows: Iterator[telemetry.StoredRow]
    untimed: int


@contextmanager
def telemetry_open(places: Places) -> Iterator[sqlite3.Connection]:
    """Open what the bridge stored. Raises Refused where nothing is yet, LocalFault or NotSavedNow where it cannot be
    read."""
    try:
        connection = telemetry.open_telemetry(places.telemetry_db)
    except FileNotFoundError:
        raise Refused(
            "readings.none", N_("No sensor has reported yet."), N_("Start larder-bridge and plug a sensor in.")
        ) from None
    except telemetry.TelemetryUnreadable as error:
        raise _fault(error.error_id, f"{error.message} {error.hint}", is_busy=error.reason == "busy") from error
    try:
        yield connection
    except sqlite3.Error as error:
        raise _fault("telemetry.failed", str(error), is_busy=isinstance(error, sqlite3.OperationalError)) from error
    finally:
        connection.close()


def host_now(moment: Moment) -> telemetry.HostNow:
    """Return a moment as the bridge's store understands it."""
    return telemetry.HostNow(
        host_boot_id=moment.boot_id.replace("-", ""),
        boottime_ms=moment.boottime_ms,
        wall_us=moment.wall_ms * 1000,
        is_clock_trusted=moment.quality is ClockQuality.TRUSTED,
    )


def newest_readings(places: Places, moment: Moment) -> list[telemetry.LatestReading]:
    """List every channel with its newest reading."""
    with telemetry_open(places) as connection:
        return telemetry.latest(connection, host_now(moment))


def recent_readings(
    places: Places, moment: Moment, called: str, minutes: int
) -> tuple[telemetry.Channel, list[telemetry.Reading]]:
    """Return the channel a person means and its readings of the last minutes, oldest first. Raises Refused."""
    with telemetry_open(places) as connection:
        channel = channel_called(connection, called)
        place = (channel.device_uid, channel.channel)
        return channel, telemetry.readings(connection, *place, minutes * 60_000, host_now(moment), READINGS_MAX)


@contextmanager
def everything(
    places: Places, *, device: str | None, channel: str | None, from_us: int | None, to_us: int | None
) -> Iterator[Everything]:
    """Open what is stored of a device, a channel (as `channel_called`) and a stretch of time (microseconds UTC), each
    None for all. Raises Refused for what is not there."""
    with telemetry_open(places) as connection:
        number: int | None = None
        if device is not None and device not in {each.device_uid for each in telemetry.channels(connection)}:
            raise Refused(
                "readings.no_device",
                N_("There is no device '{text}'."),
                N_("Take its name from: larder readings."),
                text=device[:40],
            )
        if channel is not None:
            chosen = channel_called(connection, channel)
            device, number = chosen.device_uid, chosen.channel
        wanted = telemetry.Wanted(device, number, from_us, to_us)
        # Whoever stops reading half way leaves a snapshot open, which is closed before its connection.
        with closing(telemetry.whole(connection, wanted)) as rows:
            yield Everything(rows, telemetry.untimed(connection, wanted))


def channel_called(connection: sqlite3.Connection, text: str) -> telemetry.Channel:
    """Return the channel a person means: `DEVICE/NUMBER`, or the name its board gives it. Raises Refused."""
    known = telemetry.channels(connection)
    found = [each for each in known if text in (f"{each.device_uid}/{each.channel}", each.name)]
    if len(found) == 1:
        return found[0]
    if found:
        raise Refused(
            "readings.ambiguous",
            N_("{count} channels are called '{text}'."),
            N_("Take DEVICE/NUMBER from: larder readings."),
            count=len(found),
            text=text[:40],
        )
    raise Refused(
        "readings.no_channel",
        N_("No sensor has a channel '{text}'."),
        N_("Take DEVICE/NUMBER from: larder readings."),
        text=text[:40],
    )


def _fault(error_id: str, reason: str, *, is_busy: bool) -> LarderError:
    kind = NotSavedNow if is_busy else LocalFault
    return kind(
        error_id,
        N_("The stored readings cannot be read: {reason}"),
        N_("Try again; if it stays so, start larder-bridge again and read what it says."),
        reason=reason,
    )
