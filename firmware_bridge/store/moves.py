"""The hourly tidying of telemetry.db: staged records move to their keyed table, old text goes, times get better.

Not thinning: no reading is lost here. Each step is one transaction of at most 500 rows, so it can be killed anywhere
and an alarm never waits long behind it. LINK section 8.
"""

import sqlite3
from operator import itemgetter

from firmware_bridge.store.clock_map import TIME_QUALITIES, TRUSTED, ClockMap, ClockSample
from firmware_bridge.store.transaction import in_one_transaction

ROWS_PER_TRANSACTION = 500  # LINK section 8
EACH_MS = 3_600_000  # once an hour and at start (LINK section 8)
LOG_ROWS_MAX = 2_000  # lines of board text kept; the oldest go first

_COLUMNS = "device, boot, seq, dev_ms, channel, status, value, quality, reason"


def load_map(conn: sqlite3.Connection, boot: int) -> ClockMap:
    """Read the clock samples of one boot (small integer) of a board."""
    rows = conn.execute(
        "select dev_ms, host_boot_id, boottime_ms, wall_us, is_synced, rtt_ms from clock_sample where boot = ?", (boot,)
    )
    return ClockMap(
        ClockSample(dev, host, ours, wall, bool(synced), rtt) for dev, host, ours, wall, synced, rtt in rows
    )


def move_some(conn: sqlite3.Connection) -> int:
    """Move the oldest staged records to `reading`, in and out in one transaction; returns how many were moved.

    The newest record of each channel stays, so that a screen finds it without searching. A key that is there already
    with another value is counted on its device (two boards with one uid) and not overwritten.
    """
    rows = conn.execute(
        f"select stage, {_COLUMNS} from stage where stage not in"
        " (select max(stage) from stage group by device, channel) order by stage limit ?",
        (ROWS_PER_TRANSACTION,),
    ).fetchall()
    if not rows:
        return 0
    maps: dict[int, ClockMap] = {boot: load_map(conn, boot) for boot in {row[2] for row in rows}}
    dated: list[tuple[int | None, ...]] = []
    for _, *record in rows:
        utc_us, quality = maps[record[1]].utc_us(record[3])
        dated.append((*record, utc_us, TIME_QUALITIES.index(quality)))
    dated.sort(key=itemgetter(0, 1, 2))
    moved = [(row[0],) for row in rows]
    with in_one_transaction(conn):
        before = conn.total_changes
        conn.executemany(
            f"insert into reading ({_COLUMNS}, utc_us, time_quality) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " on conflict do nothing",
            dated,
        )
        if conn.total_changes - before < len(dated):
            _count_conflicts(conn, moved[-1][0])
        conn.executemany(
            "insert into cursor_mark (boot, next_seq) values (?, ?)"
            " on conflict (boot) do update set next_seq = max(next_seq, excluded.next_seq)",
            {boot: seq + 1 for _, _, boot, seq, *_ in rows}.items(),
        )
        conn.executemany("delete from stage where stage = ?", moved)
    return len(rows)


def date_some(conn: sqlite3.Connection) -> int:
    """Give moved readings a better time where a synchronised clock was seen in their boot later; returns how many."""
    trusted = TIME_QUALITIES.index(TRUSTED)
    for (boot,) in conn.execute("select distinct boot from clock_sample where is_synced = 1").fetchall():
        rows = conn.execute(
            "select device, seq, dev_ms from reading where boot = ? and time_quality < ?"
            " and device = (select device from boot where boot = ?) limit ?",
            (boot, trusted, boot, ROWS_PER_TRANSACTION),
        ).fetchall()
        if not rows:
            continue
        clock_map = load_map(conn, boot)
        with in_one_transaction(conn):
            conn.executemany(
                "update reading set utc_us = ?, time_quality = ? where device = ? and boot = ? and seq = ?",
                [(clock_map.utc_us(dev_ms)[0], trusted, device, boot, seq) for device, seq, dev_ms in rows],
            )
        return len(rows)
    return 0


def trim_log(conn: sqlite3.Connection) -> None:
    """Keep the newest lines of board text."""
    conn.execute(
        "delete from device_log where device_log <= (select max(device_log) from device_log) - ?", (LOG_ROWS_MAX,)
    )


def _count_conflicts(conn: sqlite3.Connection, last: int) -> None:
    conn.execute(
        "update device set conflicts = conflicts + found.rows from"
        " (select s.device as device, count(*) as rows from stage s join reading r"
        "  on r.device = s.device and r.boot = s.boot and r.seq = s.seq"
        "  where s.stage <= ? and (r.value, r.channel, r.status) is not (s.value, s.channel, s.status)"
        "  group by s.device) as found where device.device = found.device",
        (last,),
    )
