"""About what time it is by the sensor boards, while this computer does not know. Estimated, for people, nothing else.

Not a clock: no date is judged by it, nothing is ordered or stamped with it. A board that kept its power counts on while
the computer was off; the bridge works out what that means (`firmware_bridge/store/clock_samples.py`).
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from firmware_bridge.store import read as telemetry
from node.clock import ClockQuality, Moment
from node.cold.stored import host_now
from node.places import Places


@dataclass(frozen=True, slots=True)
class BoardClock:
    """About wall_ms (milliseconds since 1970 UTC), give or take error_s."""

    wall_ms: int
    error_s: int


def board_clock(places: Places, moment: Moment) -> BoardClock | None:
    """Return what the boards say, None where the clock is set, nobody can say, or the log cannot be read now."""
    if moment.quality is not ClockQuality.NOT_SET:
        return None
    try:
        connection = telemetry.open_telemetry(places.telemetry_db)
    except (FileNotFoundError, telemetry.TelemetryUnreadable):
        return None
    try:
        said = telemetry.board_time(connection, host_now(moment))
    except sqlite3.Error:
        return None
    finally:
        connection.close()
    return None if said is None else BoardClock(said.utc_us // 1000, -(-said.error_us // 1_000_000))
