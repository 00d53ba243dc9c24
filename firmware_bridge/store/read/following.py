"""The readings of one channel behind a place, in the board's own order: for who reads on from where it stopped.

Not a window of time (`windows.py`): nothing here depends on a clock. Part of `firmware_bridge.store.read`.
"""

import sqlite3
from dataclasses import dataclass
from decimal import Decimal

from firmware_bridge.store.quality import EXP10_ABS_MAX
from firmware_bridge.store.read.names import RECORD, Names, snapshot
from firmware_bridge.store.read.values import ReadingRow
from firmware_bridge.store.read.whole import reading_row

FOLLOWING_MAX = 10_000  # rows of one answer


@dataclass(frozen=True, slots=True)
class Place:
    """A record of a board. boot counts the board's boots in the order in which they were met in this file.

    number: the boot as the board calls it; where the two do not fit, the file is another one.
    """

    boot: int
    number: int
    seq: int


@dataclass(frozen=True, slots=True)
class Following:
    """What follows a place: each reading with its place. noise, resolution: one sigma and one digit, in the unit."""

    rows: tuple[tuple[Place, ReadingRow], ...]
    noise: Decimal
    resolution: Decimal


def newest_place(conn: sqlite3.Connection, device_uid: str) -> Place | None:
    """Return the place of the newest record of a board, None where it has none or is not known."""
    sql = (
        "select boot, number from boot join device using (device) where uid = ?"
        " and (exists (select 1 from stage s where s.boot = boot.boot)"
        " or exists (select 1 from reading r where r.device = boot.device and r.boot = boot.boot))"
        " order by boot desc limit 1"
    )
    found = conn.execute(sql, (device_uid,)).fetchone()
    if found is None:
        return None
    newest = (
        "select max(seq) from (select max(seq) as seq from stage where boot = ?"
        " union all select max(seq) from reading where device = (select device from boot where boot = ?) and boot = ?)"
    )
    return Place(found[0], found[1], conn.execute(newest, (found[0],) * 3).fetchone()[0])


def is_of_this_file(conn: sqlite3.Connection, device_uid: str, place: Place) -> bool:
    """Say whether this file knows that boot of that board; where not, nothing can be told from the place."""
    sql = "select 1 from boot join device using (device) where uid = ? and boot = ? and number = ?"
    return conn.execute(sql, (device_uid, place.boot, place.number)).fetchone() is not None


def following(conn: sqlite3.Connection, device_uid: str, channel: int, behind: Place, limit: int) -> Following:
    """Return the readings of a channel behind a place, oldest first, at most `limit` of them."""
    limit = min(limit, FOLLOWING_MAX)
    with snapshot(conn):
        names = Names(conn)
        device = names.device(device_uid)
        found: list[tuple[Place, ReadingRow]] = []
        boots = conn.execute(
            "select boot from boot where device = ? and boot >= ? order by boot", (device, behind.boot)
        )
        for (boot,) in boots.fetchall():
            first = behind.seq if boot == behind.boot else -1
            for row in _rows(conn, (device or 0, boot, channel, first), limit - len(found)):
                found.append((Place(boot, names.number(boot), row[2]), reading_row(names, row)))
            if len(found) >= limit:
                break
        noise = resolution = Decimal(0)
        version = names.version(device or 0, channel, found[-1][0].boot, found[-1][0].seq) if found else None
        if version is not None and abs(version.exp10) <= EXP10_ABS_MAX:
            noise, resolution = Decimal(version.noise).scaleb(version.exp10), Decimal(1).scaleb(version.exp10)
    return Following(tuple(found), noise, resolution)


def _rows(conn: sqlite3.Connection, place: tuple[int, int, int, int], limit: int) -> list[tuple[int, ...]]:
    """Return records of a boot and a channel behind a number; one that is in both tables is told once."""
    found: dict[int, tuple[int, ...]] = {}
    for table in ("stage", "reading"):
        sql = f"select {RECORD} from {table} where device = ? and boot = ? and channel = ? and seq > ?"
        found |= {row[2]: row for row in conn.execute(f"{sql} order by seq limit ?", (*place, limit))}
    return [found[seq] for seq in sorted(found)[:limit]]
