"""telemetry.db for readers: channels, newest readings, readings of a window, gaps, counts.

Not a writer and not a judge of freshness: a reading carries its age and its quality, and what is STALE or MISSING is
the reader's rule. The one file of the bridge that `node` imports; works while the bridge is stopped. Owns invariant 5
for what leaves the bridge. LINK section 8.
"""

import sqlite3
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from firmware_bridge.clock import HostNow
from firmware_bridge.language import _
from firmware_bridge.store.clock_map import ClockMap, ClockSample
from firmware_bridge.store.descriptions import Description, in_force
from firmware_bridge.store.quality import (
    GOOD,
    QUALITY_GOOD,
    QUALITY_UNCHECKED,
    QUALITY_UNJUDGED,
    REASONS,
    SUSPECT,
    judge,
    to_milli,
)
from firmware_bridge.store.version import SCHEMA_VERSION

__all__ = [
    "GOOD",
    "SCHEMA_VERSION",
    "SUSPECT",
    "Channel",
    "Counts",
    "Gap",
    "HostNow",
    "LatestReading",
    "Reading",
    "TelemetryUnreadable",
    "channels",
    "counts",
    "gaps",
    "latest",
    "open_telemetry",
    "readings",
]

READINGS_MAX = 10_000  # rows of one answer
GAPS_MAX = 10_000
BUSY_S = 1.0  # the bridge holds a lock only for moments
KINDS = ("other", "temperature", "humidity", "weight", "door", "voltage", "count")  # DESC kind (LINK section 2)
FLAG_EVENT = 0x01  # DESC flags (LINK section 2)
STATUS_FAULT, STATUS_MERGED = 0x01, 0x04  # DATA status (LINK section 2)

_RECORD = "device, boot, seq, dev_ms, channel, status, value, quality, reason"


class TelemetryUnreadable(Exception):
    """There is a telemetry.db, but it cannot be read now; reason: newer, damaged, no_access, not_telemetry, busy."""

    def __init__(self, reason: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.error_id = f"telemetry.{reason}"
        self.reason = reason
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Channel:
    """What one channel of a board is now. unit is a SenML name; period_ms is 0 when the board does not say."""

    device_uid: str
    channel: int
    name: str
    kind: str
    unit: str
    period_ms: int
    is_event: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """One measured value, with age and quality.

    value_milli: int, thousandths of the channel's unit (for temperature thousandths of a degree Celsius), None when
    there is none. quality: GOOD or SUSPECT, then with a reason; is_unchecked: good, but the line has no check sum,
    so it takes two that agree to end an alarm (LINK section 5). boot, seq: the board's own order, never a clock's.
    age_ms: None while nobody knows; is_age_estimated: taken from wall clocks, since this computer was restarted in
    between. at_utc_us: microseconds since 1970 UTC or None; time_quality: trusted, estimated or none.
    """

    device_uid: str
    channel: int
    boot: int
    seq: int
    dev_ms: int
    value_milli: int | None
    quality: str
    reason: str
    is_merged: bool
    is_unchecked: bool
    age_ms: int | None
    is_age_estimated: bool
    at_utc_us: int | None
    time_quality: str


@dataclass(frozen=True, slots=True)
class LatestReading:
    """A channel and its newest reading in the board's own order, None when there is none yet."""

    channel: Channel
    reading: Reading | None


@dataclass(frozen=True, slots=True)
class Gap:
    """Records that will never come. count, boot, first_seq and the bracket in time are None where nobody can know."""

    device_uid: str
    boot: int | None
    first_seq: int | None
    count: int | None
    from_utc_us: int | None
    to_utc_us: int | None
    cause: str
    noticed_utc_us: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How much there is: boards ever linked, readings stored, gaps known."""

    devices: int
    readings: int
    gaps: int


def open_telemetry(path: str | Path) -> sqlite3.Connection:
    """Open telemetry.db read-only; watch `PRAGMA data_version` on the connection to see news.

    Raises FileNotFoundError when there is none yet, TelemetryUnreadable when it cannot be used.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(path)
    uri = f"{path.absolute().as_uri()}?mode=ro"
    conn: sqlite3.Connection | None = None
    try:
        conn = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_S, check_same_thread=False)
        version = conn.execute("pragma user_version").fetchone()[0]
        _check_version(version)
        conn.execute("select 1 from device limit 1").fetchone()
    except (sqlite3.Error, TelemetryUnreadable) as error:
        if conn is not None:
            conn.close()
        if isinstance(error, TelemetryUnreadable):
            raise
        raise _unreadable(error) from error
    return conn


def channels(conn: sqlite3.Connection) -> list[Channel]:
    """List every channel by its newest description, by board and channel number."""
    with _snapshot(conn):
        return [channel for _, channel in _Names(conn).newest()]


def latest(conn: sqlite3.Connection, now: HostNow) -> list[LatestReading]:
    """List every channel with its newest reading in the board's own order."""
    with _snapshot(conn):
        names = _Names(conn)
        # The newest record of a channel never leaves the stage (see moves.py), and records arrive in the board's order.
        rows = conn.execute(f"select {_RECORD}, max(stage) from stage group by device, channel").fetchall()
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
    with _snapshot(conn):
        names = _Names(conn)
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
    """Count boards, readings and gaps."""
    row = conn.execute(
        "select (select count(*) from device), (select count(*) from reading) + (select count(*) from stage),"
        " (select count(*) from gap)"
    ).fetchone()
    return Counts(*row)


class _Names:
    """The names behind the small integers, read once for one answer."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._uids: dict[int, str] = dict(conn.execute("select device, uid from device"))
        self._numbers: dict[int, int] = dict(conn.execute("select boot, number from boot"))
        self._maps: dict[int, ClockMap] = {}
        self._versions: dict[tuple[int, int], list[Description]] = {}
        for device, *values in conn.execute(
            "select device, channel, from_boot, from_seq, kind, exp10, flags, lo, hi, period_ds, noise, unit, name"
            " from channel order by device, channel, from_boot, from_seq"
        ):
            version = Description(*values)
            self._versions.setdefault((device, version.channel), []).append(version)

    def device(self, uid: str) -> int | None:
        return next((device for device, known in self._uids.items() if known == uid), None)

    def newest(self) -> list[tuple[int, Channel]]:
        return [(device, self._channel(device, versions[-1])) for (device, _), versions in self._versions.items()]

    def reading(self, row: tuple[int, ...], now: HostNow) -> Reading:
        device, boot, seq, dev_ms, channel, status, raw, quality, reason = row
        version = in_force(self._versions.get((device, channel), ()), boot, seq)
        if quality == QUALITY_UNJUDGED:
            quality, reason = judge(status, raw, version)
        has_value = version is not None and not status & STATUS_FAULT
        utc_us, time_quality = self._map(boot).utc_us(dev_ms)
        age_ms, is_estimated = self._age(boot, dev_ms, utc_us, now)
        return Reading(
            device_uid=self._uids[device],
            channel=channel,
            boot=self._numbers[boot],
            seq=seq,
            dev_ms=dev_ms,
            value_milli=to_milli(raw, version.exp10) if has_value and version is not None else None,
            quality=GOOD if quality in (QUALITY_GOOD, QUALITY_UNCHECKED) else SUSPECT,
            reason=REASONS[reason],
            is_merged=bool(status & STATUS_MERGED),
            is_unchecked=quality == QUALITY_UNCHECKED,
            age_ms=age_ms,
            is_age_estimated=is_estimated,
            at_utc_us=utc_us,
            time_quality=time_quality,
        )

    def oldest_dev_ms(self, boot: int, newest_dev_ms: int, since_ms_ago: int, now: HostNow) -> int:
        """Return the smallest uptime of a boot that is at most since_ms_ago old; all of it where no age is known."""

        def youth(dev_ms: int) -> int:
            age_ms, _ = self._age(boot, dev_ms, self._map(boot).utc_us(dev_ms)[0], now)
            return 0 if age_ms is None else -age_ms

        return bisect_left(range(newest_dev_ms + 1), -since_ms_ago, key=youth)

    def _channel(self, device: int, version: Description) -> Channel:
        kind = KINDS[version.kind] if version.kind < len(KINDS) else KINDS[0]
        is_event = bool(version.flags & FLAG_EVENT)
        period_ms = version.period_ds * 100
        return Channel(self._uids[device], version.channel, version.name, kind, version.unit, period_ms, is_event)

    def _age(self, boot: int, dev_ms: int, utc_us: int | None, now: HostNow) -> tuple[int | None, bool]:
        at_ms = self._map(boot).boottime_ms(dev_ms, now.host_boot_id)
        if at_ms is not None:
            return max(0, now.boottime_ms - at_ms), False
        if utc_us is None:
            return None, True
        return max(0, (now.wall_us - utc_us) // 1000), True

    def _map(self, boot: int) -> ClockMap:
        if boot not in self._maps:
            rows = self._conn.execute(
                "select dev_ms, host_boot_id, boottime_ms, wall_us, is_synced, rtt_ms from clock_sample where boot = ?",
                (boot,),
            )
            self._maps[boot] = ClockMap(ClockSample(*row) for row in rows)
        return self._maps[boot]


@contextmanager
def _snapshot(conn: sqlite3.Connection) -> Iterator[None]:
    """See one state of the file for several questions, and let go of it at once: an open read lets the log grow."""
    if conn.in_transaction:
        yield
        return
    conn.execute("begin")
    try:
        yield
    finally:
        conn.execute("commit")


def _rows_of_boot(
    conn: sqlite3.Connection,
    names: _Names,
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
        found += conn.execute(
            f"select {_RECORD} from {table} where device = ? and boot = ? and channel = ? and dev_ms >= ?"
            " order by seq desc limit ?",
            (*place, oldest, limit),
        ).fetchall()
    return found


def _check_version(version: int) -> None:
    if version > SCHEMA_VERSION:
        message = _("The temperature log was written by a newer Larder.")
        raise TelemetryUnreadable("newer", message, _("Install the newer Larder on this computer."))
    if version < SCHEMA_VERSION:
        message = _("The temperature log is not ready yet.")
        raise TelemetryUnreadable("not_telemetry", message, _("Start larder-bridge; it makes or updates the file."))


def _unreadable(error: sqlite3.Error) -> TelemetryUnreadable:
    text = str(error)
    if "not a database" in text or "malformed" in text:
        message = _("The temperature log is damaged.")
        return TelemetryUnreadable("damaged", message, _("Restart larder-bridge; it puts the file aside."))
    if "locked" in text or "busy" in text:
        return TelemetryUnreadable("busy", _("The temperature log is busy."), _("Wait a moment; it is tried again."))
    if "no such table" in text:
        message = _("telemetry.db is not a temperature log.")
        return TelemetryUnreadable("not_telemetry", message, _("Check the data folder."))
    message = _("The temperature log cannot be opened.")
    return TelemetryUnreadable("no_access", message, _("Check that you are in the group of the data folder."))
