"""What the sensor boards say the time is, where this computer was started without knowing it.

Part of `firmware_bridge.store.read`. Not a clock: a hint, always estimated, and only for who shows it as that. LINK
section 3, "The board as clock".
"""

import sqlite3
from dataclasses import dataclass

from firmware_bridge.clock import HostNow
from firmware_bridge.store.clock_map import ClockHint, agreed

HINTS_MAX = 64  # one of each board (LINK section 4)


@dataclass(frozen=True, slots=True)
class BoardTime:
    """About utc_us (microseconds since 1970 UTC) give or take error_us, by that many boards that agree."""

    utc_us: int
    error_us: int
    boards: int


def board_time(conn: sqlite3.Connection, now: HostNow) -> BoardTime | None:
    """Return what the boards say the time is now; None when none can say, or when they disagree beyond their errors.

    Only what was said in this run of the computer counts.
    """
    rows = conn.execute(
        "select utc_us, error_us, boottime_ms from clock_hint where host_boot_id = ? and host_boot_id <> '' limit ?",
        (now.host_boot_id, HINTS_MAX),
    ).fetchall()
    hint = agreed((ClockHint(*row) for row in rows), now.boottime_ms)
    return None if hint is None else BoardTime(hint.utc_us, hint.error_us, len(rows))
