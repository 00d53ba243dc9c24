"""Many readings as one row: how buckets are made, put together, and written.

Not the choice of what is thinned. Everything is exact in integers: the sum is kept and not the mean, so that
five-minute buckets make the same hour as the readings would have. LINK section 8, SAFETY section 1.4.
"""

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

BUCKET_S, HOUR_S, DAY_S = 300, 3_600, 86_400  # 5 minutes: the buckets of the sealed record (SAFETY section 1.4)

COLUMNS = (
    "device, boot, channel, period_s, start_ms, quality, reason, version, first_seq, last_seq, first_ms, last_ms,"
    " count, total, lowest, highest, lowest_ms, highest_ms, last_value"
)
_KEY_LENGTH = 8

_PUT = (
    f"insert into thinned ({COLUMNS}) values ({', '.join('?' * 19)})"
    " on conflict do update set"
    " lowest_ms = iif(excluded.lowest < lowest, excluded.lowest_ms, lowest_ms),"
    " highest_ms = iif(excluded.highest > highest, excluded.highest_ms, highest_ms),"
    " lowest = min(lowest, excluded.lowest), highest = max(highest, excluded.highest),"
    " last_value = iif(excluded.last_seq > last_seq, excluded.last_value, last_value),"
    " last_ms = max(last_ms, excluded.last_ms), first_ms = min(first_ms, excluded.first_ms),"
    " last_seq = max(last_seq, excluded.last_seq), first_seq = min(first_seq, excluded.first_seq),"
    " count = count + excluded.count, total = total + excluded.total"
)


class Bucket(NamedTuple):
    """The readings of one channel in one stretch of uptime that are of one worth, as a row of the table; values raw.

    readings is the column count: how many there were.
    """

    device: int
    boot: int
    channel: int
    period_s: int
    start_ms: int
    quality: int
    reason: int
    version: int
    first_seq: int
    last_seq: int
    first_ms: int
    last_ms: int
    readings: int
    total: int
    lowest: int
    highest: int
    lowest_ms: int
    highest_ms: int
    last_value: int

    def widened(self, period_s: int) -> "Bucket":
        """Return the same as a part of a longer stretch."""
        return self._replace(period_s=period_s, start_ms=self.start_ms - self.start_ms % (period_s * 1000))


def bucket_of(key: tuple[int, int, int, int, int, int], seq: int, dev_ms: int, raw: int) -> Bucket:
    """Return the bucket of one reading; key is (device, boot, channel, quality, reason, version)."""
    device, boot, channel, quality, reason, version = key
    start_ms = dev_ms - dev_ms % (BUCKET_S * 1000)
    named = (device, boot, channel, BUCKET_S, start_ms, quality, reason, version)
    return Bucket(*named, seq, seq, dev_ms, dev_ms, 1, raw, raw, raw, dev_ms, dev_ms, raw)


def together(buckets: Iterable[Bucket]) -> list[Bucket]:
    """Put buckets of the same key together, in the order in which they come."""
    found: dict[tuple[int, ...], Bucket] = {}
    for bucket in buckets:
        key = bucket[:_KEY_LENGTH]
        other = found.get(key)
        found[key] = bucket if other is None else _joined(other, bucket)
    return list(found.values())


def put(conn: sqlite3.Connection, buckets: Iterable[Bucket]) -> None:
    """Write buckets, each into the row that is there already or as a new one. Inside the caller's transaction."""
    conn.executemany(_PUT, together(buckets))


def _joined(one: Bucket, other: Bucket) -> Bucket:
    later = other if other.last_seq > one.last_seq else one
    lowest = other if other.lowest < one.lowest else one
    highest = other if other.highest > one.highest else one
    return one._replace(
        first_seq=min(one.first_seq, other.first_seq),
        last_seq=later.last_seq,
        first_ms=min(one.first_ms, other.first_ms),
        last_ms=max(one.last_ms, other.last_ms),
        readings=one.readings + other.readings,
        total=one.total + other.total,
        lowest=lowest.lowest,
        highest=highest.highest,
        lowest_ms=lowest.lowest_ms,
        highest_ms=highest.highest_ms,
        last_value=later.last_value,
    )
