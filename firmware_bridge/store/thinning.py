"""The steps of thinning: old readings become buckets, old buckets become longer ones.

Not the decision how much must go: that is `room.py`. Each step looks at no more than 500 rows and is one transaction,
what goes and what remains of it together, so it can be killed anywhere; marks say how far it came. Touches `reading`
only: the newest of each channel lie in `stage`. LINK section 8.
"""

import sqlite3
from dataclasses import dataclass

from firmware_bridge.clock import HostNow
from firmware_bridge.store.ageing import BootPlace
from firmware_bridge.store.buckets import BUCKET_S, COLUMNS, Bucket, bucket_of, put
from firmware_bridge.store.keep import Keep
from firmware_bridge.store.protection import STATUS_FAULT, Bounds, Row, Versions, that_stay, version_of
from firmware_bridge.store.quality import QUALITY_FAULT, QUALITY_UNJUDGED, judge
from firmware_bridge.store.transaction import in_one_transaction

ROWS_PER_STEP = 500  # LINK section 8
THINNED_BEFORE_SEALING = "thinned_before_sealing"


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for one round of thinning. is_pressed: there is no room, so only door edges and the newest stay."""

    versions: Versions
    bounds: Bounds
    keep: Keep
    is_pressed: bool = False


def thin_raw(conn: sqlite3.Connection, place: BootPlace, frontier_ms: int, rules: Rules, now: HostNow) -> int:
    """Turn the oldest readings of a boot that nobody looked at yet into buckets; returns how many were looked at.

    Only whole buckets before frontier_ms; what must stay is passed over for good, and looked at again when pressed.
    """
    before_ms = frontier_ms - frontier_ms % (BUCKET_S * 1000)
    mark = conn.execute("select raw_seq, pressed_seq from thin_mark where boot = ?", (place.boot,)).fetchone()
    raw_seq, pressed_seq = mark or (0, 0)
    rows = _oldest(conn, place, pressed_seq if rules.is_pressed else raw_seq, before_ms, rules)
    if not rows:
        return 0
    if rules.is_pressed:
        edges_only = Keep(is_sealing=True)
        passable = [row for row in rows if not row[3] & STATUS_FAULT]
        stay = that_stay(conn, place, passable, rules.versions, rules.bounds, edges_only) if passable else set()
    else:
        stay = that_stay(conn, place, rows, rules.versions, rules.bounds, rules.keep)
    going = [row for row in rows if row[0] not in stay]
    next_seq = rows[-1][0] + 1
    marks = (place.boot, max(raw_seq, next_seq), next_seq if rules.is_pressed else pressed_seq)
    with in_one_transaction(conn):
        put(conn, (_bucket(place, row, rules.versions) for row in going))
        sql = "delete from reading where device = ? and boot = ? and seq = ?"
        conn.executemany(sql, [(place.device, place.boot, row[0]) for row in going])
        conn.execute("insert or replace into thin_mark (boot, raw_seq, pressed_seq) values (?, ?, ?)", marks)
        if rules.is_pressed and rules.keep.is_sealing:
            _confess(conn, place, [row[0] for row in going], rules.keep, now)
    return len(rows)


def widen(
    conn: sqlite3.Connection, place: BootPlace, channel: int, periods_s: tuple[int, int], frontier_ms: int
) -> int:
    """Put the oldest buckets of a channel that are periods_s[0] long together into ones periods_s[1] long.

    Only what lies in whole longer stretches before frontier_ms; returns how many buckets were put together.
    """
    shorter_s, longer_s = periods_s
    before_ms = frontier_ms - frontier_ms % (longer_s * 1000)
    rows = conn.execute(
        f"select {COLUMNS} from thinned where device = ? and boot = ? and channel = ? and period_s = ?"
        " and start_ms < ? order by start_ms limit ?",
        (place.device, place.boot, channel, shorter_s, before_ms, ROWS_PER_STEP),
    ).fetchall()
    if not rows:
        return 0
    with in_one_transaction(conn):
        put(conn, (Bucket(*row).widened(longer_s) for row in rows))
        conn.executemany(
            "delete from thinned where device = ? and boot = ? and channel = ? and period_s = ? and start_ms = ?"
            " and quality = ? and reason = ? and version = ?",
            [row[:8] for row in rows],
        )
    return len(rows)


def _oldest(conn: sqlite3.Connection, place: BootPlace, seq: int, before_ms: int, rules: Rules) -> list[Row]:
    """Return the oldest readings from seq on that are old enough and, unless there is no room, sealed."""
    end_seq = 2**62
    if rules.keep.is_sealing and not rules.is_pressed:
        end_seq = rules.keep.sealed.get((place.uid, place.number), 0)
    rows = conn.execute(
        "select seq, dev_ms, channel, status, value, quality, reason from reading"
        " where device = ? and boot = ? and seq >= ? and seq < ? order by seq limit ?",
        (place.device, place.boot, seq, end_seq, ROWS_PER_STEP),
    ).fetchall()
    young = next((index for index, row in enumerate(rows) if row[1] >= before_ms), len(rows))
    return rows[:young]


def _bucket(place: BootPlace, row: Row, versions: Versions) -> Bucket:
    seq, dev_ms, channel, status, raw, quality, reason = row
    known = version_of(versions, place.device, channel, place.boot, seq)
    if quality == QUALITY_UNJUDGED:
        quality, reason = judge(status, raw, None if known is None else known.description)
    if status & STATUS_FAULT:
        quality, raw = QUALITY_FAULT, 0  # a fault has no value
    version = 0 if known is None else known.version
    return bucket_of((place.device, place.boot, channel, quality, reason, version), seq, dev_ms, raw)


def _confess(conn: sqlite3.Connection, place: BootPlace, gone: list[int], keep: Keep, now: HostNow) -> None:
    """Write down for ever which records were thinned before anybody sealed them, one row for what goes on."""
    unsealed = [seq for seq in gone if seq >= keep.sealed.get((place.uid, place.number), 0)]
    if not unsealed:
        return
    last = conn.execute(
        "select gap, cause from gap where device = ? and boot = ? order by gap desc limit 1", (place.device, place.boot)
    ).fetchone()
    if last is not None and last[1] == THINNED_BEFORE_SEALING:
        conn.execute("update gap set count = count + ? where gap = ?", (len(unsealed), last[0]))
        return
    conn.execute(
        "insert into gap (device, boot, first_seq, count, from_us, to_us, cause, noticed_us)"
        " values (?, ?, ?, ?, null, null, ?, ?)",
        (place.device, place.boot, unsealed[0], len(unsealed), THINNED_BEFORE_SEALING, now.wall_us),
    )
