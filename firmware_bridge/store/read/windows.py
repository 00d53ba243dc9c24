"""Channels, newest readings, readings of a window, gaps and counts, as a screen asks for them.

Not a judge of freshness: a reading carries its age and its quality, and what is STALE or MISSING is the reader's rule.
"""

import sqlite3

from firmware_bridge.clock import HostNow
from firmware_bridge.store.read.names import RECORD, Names, snapshot
from firmware_bridge.store.read.values import Channel, Counts, Gap, LatestReading, Reading
from firmware_bridge.store.seeking import first_seq_at

READINGS_MAX = 10_000  # rows of one answer
GAPS_MAX = 10_000
COUNTED_MAX = 100_000  # two weeks of a probe; more tells nobody more


def channels(conn: sqlite3.Connection) -> list[Channel]:
    """List every channel by its newest description, by board and channel number."""
    with snapshot(conn):
        return [channel for _, channel in Names(conn).newest()]


def latest(conn: sqlite3.Connection, now: HostNow) -> list[LatestReading]:
    """List every channel with its newest reading in the board's own order."""
    with snapshot(conn):
        names = Names(conn)
        # The newest record of a channel never leaves the stage (see moves.py), and records arrive in the board's order.
        rows = conn.execute(f"select {RECORD}, max(stage) from stage group by device, channel").fetchall()
    newest = {(row[0], row[4]): row[:-1] for row in rows}
    found = []
    for device, channel in names.newest():
        row = newest.get((device, channel.channel))
        found.append(LatestReading(channel, None if row is None else names.reading(row, now)))
    return found


def readings(
    conn: sqlite3.Connection, device_uid: str, channel: int, since_ms_ago: int, now: HostNow, limit: int
) -> list[Reading]:
    """List the newest readings of a channel that are at most since_ms_ago old, oldest first, at most `limit` of them.

    In the board's own order. A reading of unknown age is among them: unknown is not absent.
    """
    limit = min(limit, READINGS_MAX)
    with snapshot(conn):
        names = Names(conn)
        device = names.device(device_uid)
        rows: list[tuple[int, ...]] = []
        boots = conn.execute("select boot from boot where device = ? order by boot desc", (device,)).fetchall()
        for (boot,) in boots:
            rows += _rows_of_boot(conn, names, (device or 0, boot, channel), since_ms_ago, now, limit)
            if len(rows) >= limit:
                break
    rows.sort(key=lambda row: (row[1], row[2]))
    return [names.reading(row, now) for row in rows[-limit:]] if limit > 0 else []


def gaps(conn: sqlite3.Connection, device_uid: str | None = None, limit: int = 500) -> list[Gap]:
    """List the newest gaps first, of one board or of all."""
    rows = conn.execute(
        "select d.uid, b.number, g.first_seq, g.count, g.from_us, g.to_us, g.cause, g.noticed_us from gap g"
        " join device d on d.device = g.device left join boot b on b.boot = g.boot"
        " where ? is null or d.uid = ? order by g.gap desc limit ?",
        (device_uid, device_uid, min(limit, GAPS_MAX)),
    )
    return [Gap(*row) for row in rows]


def counts(conn: sqlite3.Connection) -> Counts:
    """Count boards, readings that are whole (up to COUNTED_MAX: every refresh of a screen asks) and gaps."""
    row = conn.execute(
        "select (select count(*) from device),"
        " (select count(*) from (select 1 from reading limit ?)) + (select count(*) from stage),"
        " (select count(*) from gap)",
        (COUNTED_MAX,),
    ).fetchone()
    return Counts(*row)


def _rows_of_boot(
    conn: sqlite3.Connection,
    names: Names,
    place: tuple[int, int, int],
    since_ms_ago: int,
    now: HostNow,
    limit: int,
) -> list[tuple[int, ...]]:
    """Return the newest records of one channel in one boot that are young enough; place is (device, boot, channel)."""
    found: list[tuple[int, ...]] = []
    for table in ("stage", "reading"):
        newest = conn.execute(
            f"select dev_ms from {table} where device = ? and boot = ? order by seq desc limit 1", place[:2]
        ).fetchone()
        if newest is None:
            continue
        oldest = names.oldest_dev_ms(place[1], newest[0], since_ms_ago, now)
        if oldest > newest[0]:
            continue
        first_seq = first_seq_at(conn, *place[:2], oldest) if table == "reading" else 0
        if first_seq is not None:
            found += conn.execute(
                f"select {RECORD} from {table} where device = ? and boot = ? and channel = ? and dev_ms >= ?"
                " and seq >= ? order by seq desc limit ?",
                (*place, oldest, first_seq, limit),
            ).fetchall()
    return found
