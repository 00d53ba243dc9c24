"""Everything that is stored, row by row: readings, buckets and gaps, whole or of a channel or a stretch of time.

Not a screen's question (`windows.py`): this one streams. It sees one state of the file from its first row to its last,
so nothing is missed or told twice while the bridge goes on writing; until it ends, the bridge's log only grows, by some
hundred kilobytes a minute. Part of `firmware_bridge.store.read`.
"""

import sqlite3
from bisect import bisect_left
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from decimal import Decimal
from heapq import merge

from firmware_bridge.store.buckets import COLUMNS, Bucket
from firmware_bridge.store.quality import (
    EXP10_ABS_MAX,
    GOOD,
    QUALITY_FAULT,
    QUALITY_GOOD,
    QUALITY_UNCHECKED,
    QUALITY_UNJUDGED,
    REASONS,
    SUSPECT,
    judge,
)
from firmware_bridge.store.read.names import RECORD, STATUS_FAULT, STATUS_MERGED, Names, snapshot
from firmware_bridge.store.read.values import GapRow, ReadingRow, SummaryRow
from firmware_bridge.store.seeking import first_seq_at

NEVER_MS = 2**62  # beyond any uptime

StoredRow = ReadingRow | SummaryRow | GapRow


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to tell: of one device, of one channel, from and until a time (microseconds since 1970 UTC); None: of all.

    With a time, what has no known time is left out; `untimed` counts it.
    """

    device_uid: str | None = None
    channel: int | None = None
    from_utc_us: int | None = None
    to_utc_us: int | None = None

    @property
    def has_time(self) -> bool:
        """Say whether a stretch of time was asked for."""
        return self.from_utc_us is not None or self.to_utc_us is not None


def whole(conn: sqlite3.Connection, wanted: Wanted) -> Generator[StoredRow, None, None]:
    """Yield what is stored, board by board and boot by boot, each in the board's own order. Raises sqlite3.Error."""
    with snapshot(conn):
        names = Names(conn)
        boots = "select device, uid, boot from device left join boot using (device) order by device, boot"
        device = None
        for number, uid, boot in conn.execute(boots).fetchall():
            if wanted.device_uid not in (None, uid):
                continue
            if number != device:
                device = number
                yield from (row for _, row in _gaps(conn, names, (number, None), wanted))
            if boot is not None:
                yield from _boot(conn, names, (number, boot), wanted)


def untimed(conn: sqlite3.Connection, wanted: Wanted) -> int:
    """Count the readings of unknown time that `whole` leaves out because a stretch of time is asked for."""
    if not wanted.has_time:
        return 0
    sql = (
        "select coalesce(sum(count), 0) from (select device, boot, channel, 1 as count from readings"
        " union all select device, boot, channel, count from thinned) join device using (device)"
        " where boot not in (select boot from clock_sample) and (? is null or uid = ?) and (? is null or channel = ?)"
    )
    values = (wanted.device_uid, wanted.device_uid, wanted.channel, wanted.channel)
    return int(conn.execute(sql, values).fetchone()[0])


def _boot(conn: sqlite3.Connection, names: Names, place: tuple[int, int], wanted: Wanted) -> Iterator[StoredRow]:
    span = _span_ms(conn, names, place, wanted)
    gaps = _gaps(conn, names, place, wanted)
    if span is None:
        yield from (row for _, row in gaps)
        return
    rows = (_readings(conn, names, place, wanted, span), _summaries(conn, names, place, wanted, span), iter(gaps))
    for _, row in merge(*rows, key=lambda each: each[0]):
        yield row


def _span_ms(conn: sqlite3.Connection, names: Names, place: tuple[int, int], wanted: Wanted) -> tuple[int, int] | None:
    """Return the uptimes asked for, the second not included; None where the boot has no time at all."""
    if not wanted.has_time:
        return 0, NEVER_MS
    clock_map = names.clock_map(place[1])
    if clock_map.utc_us(0)[0] is None:
        return None
    newest = [
        conn.execute(f"select max({column}) from {table} where device = ? and boot = ?", place).fetchone()[0] or 0
        for table, column in (("stage", "dev_ms"), ("thinned", "last_ms"))
    ]
    last = conn.execute("select dev_ms from reading where device = ? and boot = ? order by seq desc limit 1", place)
    newest_ms = max(*newest, *(row[0] for row in last))

    def first_at(utc_us: int | None, otherwise: int) -> int:
        if utc_us is None:
            return otherwise
        return bisect_left(range(newest_ms + 1), utc_us, key=lambda dev_ms: clock_map.utc_us(dev_ms)[0] or 0)

    return first_at(wanted.from_utc_us, 0), first_at(wanted.to_utc_us, newest_ms + 1)


def _readings(
    conn: sqlite3.Connection, names: Names, place: tuple[int, int], wanted: Wanted, span: tuple[int, int]
) -> Iterator[tuple[int, StoredRow]]:
    of_channel = "" if wanted.channel is None else f" and channel = {int(wanted.channel)}"
    moved: Iterator[tuple[int, ...]] = iter(())
    first_seq = first_seq_at(conn, *place, span[0])
    if first_seq is not None:
        end_seq = first_seq_at(conn, *place, span[1]) or NEVER_MS
        sql = f"select {RECORD} from reading where device = ? and boot = ? and seq >= ? and seq < ?{of_channel}"
        moved = conn.execute(f"{sql} order by seq", (*place, first_seq, end_seq))
    sql = f"select {RECORD} from stage where device = ? and boot = ? and dev_ms >= ? and dev_ms < ?{of_channel}"
    staged = conn.execute(f"{sql} order by seq", (*place, *span))
    last_seq = -1
    for row in merge(moved, staged, key=lambda each: each[2]):
        if row[2] != last_seq:  # one that came again is told once, as it was stored first
            last_seq = row[2]
            yield last_seq, reading_row(names, row)


def _summaries(
    conn: sqlite3.Connection, names: Names, place: tuple[int, int], wanted: Wanted, span: tuple[int, int]
) -> Iterator[tuple[int, StoredRow]]:
    of_channel = "" if wanted.channel is None else f" and channel = {int(wanted.channel)}"
    sql = (
        f"select {COLUMNS} from thinned where device = ? and boot = ? and last_ms >= ? and first_ms < ?{of_channel}"
        " order by first_seq"
    )
    for row in conn.execute(sql, (*place, *span)):
        bucket = Bucket(*row)
        yield bucket.first_seq, _summary(names, bucket)


def _gaps(
    conn: sqlite3.Connection, names: Names, place: tuple[int, int | None], wanted: Wanted
) -> list[tuple[int, StoredRow]]:
    """List the gaps of a boot, or those that belong to none; a gap of unknown time may lie in any stretch."""
    found: list[tuple[int, StoredRow]] = []
    sql = "select first_seq, count, from_us, to_us, cause, noticed_us from gap where device = ? and boot is ?"
    for first_seq, count, from_us, to_us, cause, noticed_us in conn.execute(f"{sql} order by gap", place):
        is_before = wanted.from_utc_us is not None and to_us is not None and to_us < wanted.from_utc_us
        is_behind = wanted.to_utc_us is not None and from_us is not None and from_us >= wanted.to_utc_us
        if is_before or is_behind:
            continue
        boot = None if place[1] is None else names.number(place[1])
        row = GapRow(names.uid(place[0]), boot, first_seq, count, from_us, to_us, cause, noticed_us)
        found.append((NEVER_MS if first_seq is None else first_seq, row))
    return sorted(found, key=lambda each: each[0])


def reading_row(names: Names, row: tuple[int, ...]) -> ReadingRow:
    """Return a stored record, RECORD of it, with its names, its value and what it is worth."""
    device, boot, seq, dev_ms, channel, status, raw, quality, reason = row
    version = names.version(device, channel, boot, seq)
    if quality == QUALITY_UNJUDGED:
        quality, reason = judge(status, raw, version)
    utc_us, time_quality = names.clock_map(boot).utc_us(dev_ms)
    is_valued = version is not None and not status & STATUS_FAULT
    return ReadingRow(
        channel=names.channel(device, channel, version),
        boot=names.number(boot),
        seq=seq,
        dev_ms=dev_ms,
        at_utc_us=utc_us,
        time_quality=time_quality,
        value=_in_unit(raw, version.exp10) if version is not None and is_valued else None,
        quality=GOOD if quality in (QUALITY_GOOD, QUALITY_UNCHECKED) else SUSPECT,
        reason=REASONS[reason],
        is_unchecked=quality == QUALITY_UNCHECKED,
        is_merged=bool(status & STATUS_MERGED),
        status=status,
        raw=raw,
    )


def _summary(names: Names, bucket: Bucket) -> SummaryRow:
    version = names.version(bucket.device, bucket.channel, bucket.boot, bucket.first_seq)
    clock_map = names.clock_map(bucket.boot)
    utc_us, time_quality = clock_map.utc_us(bucket.first_ms)

    def in_unit(raw: int) -> Decimal | None:
        is_valued = version is not None and bucket.quality != QUALITY_FAULT
        return _in_unit(raw, version.exp10) if version is not None and is_valued else None

    return SummaryRow(
        channel=names.channel(bucket.device, bucket.channel, version),
        boot=names.number(bucket.boot),
        first_seq=bucket.first_seq,
        last_seq=bucket.last_seq,
        first_ms=bucket.first_ms,
        last_ms=bucket.last_ms,
        from_utc_us=utc_us,
        to_utc_us=clock_map.utc_us(bucket.last_ms)[0],
        time_quality=time_quality,
        period_s=bucket.period_s,
        count=bucket.readings,
        lowest=in_unit(bucket.lowest),
        mean=in_unit(half_even(bucket.total, bucket.readings)),
        highest=in_unit(bucket.highest),
        last=in_unit(bucket.last_value),
        quality=GOOD if bucket.quality in (QUALITY_GOOD, QUALITY_UNCHECKED) else SUSPECT,
        reason=REASONS[bucket.reason],
        is_unchecked=bucket.quality == QUALITY_UNCHECKED,
    )


def half_even(total: int, count: int) -> int:
    """Return the mean of whole numbers, rounded half to even (SAFETY section 1.4)."""
    mean, rest = divmod(total, count)
    is_up = 2 * rest > count or (2 * rest == count and mean % 2 == 1)
    return mean + is_up


def _in_unit(raw: int, exp10: int) -> Decimal | None:
    """Return raw x 10^exp10 exactly, None beyond 10^+-12."""
    return Decimal(raw).scaleb(exp10) if abs(exp10) <= EXP10_ABS_MAX else None
