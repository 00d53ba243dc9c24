"""A stretch of a channel in five-minute buckets, whether its readings are still whole or not. Part of `store.read`.

Where only hours are left there are hours: what is gone is not made up.
"""

import sqlite3
from dataclasses import dataclass

from firmware_bridge.clock import HostNow
from firmware_bridge.store.buckets import BUCKET_S, COLUMNS, DAY_S, HOUR_S, Bucket, bucket_of, together
from firmware_bridge.store.quality import (
    QUALITY_FAULT,
    QUALITY_GOOD,
    QUALITY_UNCHECKED,
    QUALITY_UNJUDGED,
    REASONS,
    judge,
    to_milli,
)
from firmware_bridge.store.read.names import RECORD, STATUS_FAULT, Names, snapshot
from firmware_bridge.store.read.whole import half_even
from firmware_bridge.store.seeking import first_seq_at

SUMMARIES_MAX = 10_000  # rows of one answer: a month of five minutes
ROWS_MAX = 500_000  # readings looked at for one answer: two months at 10 s


@dataclass(frozen=True, slots=True)
class Summary:
    """The readings of a channel in period_s: how many, by worth, and what the good ones were, in thousandths.

    good: with the unchecked among them. lowest, mean, highest, last: of the good ones alone, None where there is none.
    reasons: why others are suspect, with how many each.
    """

    boot: int
    start_dev_ms: int
    period_s: int
    at_utc_us: int | None
    time_quality: str
    age_ms: int | None
    good: int
    unchecked: int
    suspect: int
    lowest_milli: int | None
    mean_milli: int | None
    highest_milli: int | None
    last_milli: int | None
    reasons: tuple[tuple[str, int], ...]


def summaries(
    conn: sqlite3.Connection, device_uid: str, channel: int, since_ms_ago: int, now: HostNow, limit: int
) -> list[Summary]:
    """List the newest buckets of a channel that are at most since_ms_ago old, oldest first, at most `limit` of them."""
    limit = min(limit, SUMMARIES_MAX)
    found: list[Summary] = []
    with snapshot(conn):
        names = Names(conn)
        device = names.device(device_uid)
        boots = conn.execute("select boot from boot where device = ? order by boot desc", (device,)).fetchall()
        for (boot,) in boots:
            if device is None or len(found) >= limit:
                break
            found = _of_boot(conn, names, (device, boot, channel), since_ms_ago, now) + found
    return found[-limit:] if limit > 0 else []


def _of_boot(
    conn: sqlite3.Connection, names: Names, place: tuple[int, int, int], since_ms_ago: int, now: HostNow
) -> list[Summary]:
    boot = place[1]
    newest_ms = _newest_ms(conn, place)
    if newest_ms is None:
        return []
    oldest_ms = names.oldest_dev_ms(boot, newest_ms, since_ms_ago, now)
    sql = (
        f"select {COLUMNS} from thinned where device = ? and boot = ? and channel = ? and period_s = ? and start_ms > ?"
    )
    buckets = [
        Bucket(*row)
        for period_s in (BUCKET_S, HOUR_S, DAY_S)
        for row in conn.execute(sql, (*place, period_s, oldest_ms - period_s * 1000))
    ]
    buckets += [_bucket(names, row) for row in _raw(conn, place, oldest_ms)]
    grouped: dict[tuple[int, int], list[Bucket]] = {}
    for bucket in together(sorted(buckets, key=lambda each: each.first_seq)):
        grouped.setdefault((bucket.start_ms, bucket.period_s), []).append(bucket)
    return [_summary(names, group, now) for _, group in sorted(grouped.items())]


def _newest_ms(conn: sqlite3.Connection, place: tuple[int, int, int]) -> int | None:
    """Return the newest uptime that anything of this boot or channel is of, None where there is nothing."""
    sql = "select last_ms from thinned where device = ? and boot = ? and channel = ? and period_s = ?"
    found = [
        conn.execute("select max(dev_ms) from stage where device = ? and boot = ?", place[:2]).fetchone(),
        conn.execute(
            "select dev_ms from reading where device = ? and boot = ? order by seq desc limit 1", place[:2]
        ).fetchone(),
        *(
            conn.execute(f"{sql} order by start_ms desc limit 1", (*place, period_s)).fetchone()
            for period_s in (BUCKET_S, HOUR_S, DAY_S)
        ),
    ]
    return max((row[0] for row in found if row is not None and row[0] is not None), default=None)


def _raw(conn: sqlite3.Connection, place: tuple[int, int, int], oldest_ms: int) -> list[tuple[int, ...]]:
    rows: list[tuple[int, ...]] = []
    first_seq = first_seq_at(conn, *place[:2], oldest_ms)
    if first_seq is not None:
        sql = f"select {RECORD} from reading where device = ? and boot = ? and channel = ? and seq >= ? limit ?"
        rows += conn.execute(sql, (*place, first_seq, ROWS_MAX)).fetchall()
    sql = f"select {RECORD} from stage where device = ? and boot = ? and channel = ? and dev_ms >= ?"
    rows += conn.execute(sql, (*place, oldest_ms)).fetchall()
    return list({row[2]: row for row in reversed(rows)}.values())


def _bucket(names: Names, row: tuple[int, ...]) -> Bucket:
    device, boot, seq, dev_ms, channel, status, raw, quality, reason = row
    version = names.version(device, channel, boot, seq)
    if quality == QUALITY_UNJUDGED:
        quality, reason = judge(status, raw, version)
    if status & STATUS_FAULT:
        quality = QUALITY_FAULT
    from_seq = 0 if version is None else version.from_seq
    return bucket_of((device, boot, channel, quality, reason, -1 - from_seq), seq, dev_ms, raw)


def _summary(names: Names, group: list[Bucket], now: HostNow) -> Summary:
    """Unite what is of one stretch; buckets read with different descriptions meet in thousandths."""
    good = [each for each in group if each.quality in (QUALITY_GOOD, QUALITY_UNCHECKED)]
    reasons: dict[str, int] = {}
    for each in group:
        if each not in good:
            reasons[REASONS[each.reason]] = reasons.get(REASONS[each.reason], 0) + each.readings
    first = group[0]

    def milli(each: Bucket, raw: int) -> int:
        version = names.version(each.device, each.channel, each.boot, each.first_seq)
        return (to_milli(raw, version.exp10) if version is not None else None) or 0

    count = sum(each.readings for each in good)
    utc_us, time_quality = names.clock_map(first.boot).utc_us(first.start_ms)
    return Summary(
        boot=names.number(first.boot),
        start_dev_ms=first.start_ms,
        period_s=first.period_s,
        at_utc_us=utc_us,
        time_quality=time_quality,
        age_ms=names.age(first.boot, first.start_ms, now)[0],
        good=count,
        unchecked=sum(each.readings for each in good if each.quality == QUALITY_UNCHECKED),
        suspect=sum(reasons.values()),
        lowest_milli=min((milli(each, each.lowest) for each in good), default=None),
        mean_milli=half_even(sum(milli(each, each.total) for each in good), count) if count else None,
        highest_milli=max((milli(each, each.highest) for each in good), default=None),
        last_milli=milli(last, last.last_value) if (last := max(good, key=_last_seq, default=None)) else None,
        reasons=tuple(sorted(reasons.items())),
    )


def _last_seq(bucket: Bucket) -> int:
    return bucket.last_seq
