"""Between which moments a boot lies of which no clock sample was ever taken. Part of `firmware_bridge.store.read`.

A board that was reset twice while the computer was off brings records of a boot that nobody met. No reading of it gets
a time: it lies behind everything known of the boot before, and before the zero of the boot behind it. LINK section 3.
"""

import sqlite3
from dataclasses import dataclass

from firmware_bridge.store.moves import load_map


@dataclass(frozen=True, slots=True)
class Bracket:
    """From when to when a boot was, microseconds since 1970 UTC; None where nobody can know."""

    from_utc_us: int | None
    to_utc_us: int | None


def bracket(conn: sqlite3.Connection, device_uid: str, boot: int) -> Bracket | None:
    """Return the bracket of a board's boot, named as its readings do; None when these have times of their own."""
    rows = conn.execute(
        "select boot, number, exists (select 1 from clock_sample s where s.boot = b.boot)"
        " from boot b join device using (device) where uid = ? order by boot",
        (device_uid,),
    ).fetchall()
    place = next((index for index, row in enumerate(rows) if row[1] == boot), None)
    if place is None or rows[place][2]:
        return None
    before = next((row for row, _number, is_mapped in reversed(rows[:place]) if is_mapped), None)
    behind = next((row for row, _number, is_mapped in rows[place + 1 :] if is_mapped), None)
    return Bracket(
        None if before is None else load_map(conn, before).utc_us(_last_ms(conn, before))[0],
        None if behind is None else load_map(conn, behind).utc_us(0)[0],
    )


def _last_ms(conn: sqlite3.Connection, boot: int) -> int:
    """Return the latest uptime that is known of a boot: of a clock sample or of its newest record."""
    known = [conn.execute("select max(dev_ms) from clock_sample where boot = ?", (boot,)).fetchone()[0]]
    place = (conn.execute("select device from boot where boot = ?", (boot,)).fetchone()[0], boot)
    for table in ("stage", "reading"):
        newest = f"select dev_ms from {table} where device = ? and boot = ? order by seq desc limit 1"
        known += [dev_ms for (dev_ms,) in conn.execute(newest, place)]
    return int(max(known))
