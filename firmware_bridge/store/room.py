"""How much is kept: thinning by age, and more of it where room is short. One bounded step at a time.

Not the steps (`thinning.py`) and not what must stay (`protection.py`). Owns that telemetry.db stays within its size and
that nothing else is lost before detail is. LINK section 8, OPS section 4.

Age comes first. Where the file is still too large, or the disk nearly full, the same again with ages halved; then
faults, excursions and what nobody sealed become buckets too; at last hours become days. Newest readings, gaps and door
edges are never touched. The wall clock counts only once it went evenly for an hour. The file itself does not shrink:
what is freed in it is filled again before it grows.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from os import statvfs
from pathlib import Path

from firmware_bridge.clock import HostNow
from firmware_bridge.store.ageing import BootPlace, boot_places, frontiers
from firmware_bridge.store.buckets import BUCKET_S, DAY_S, HOUR_S
from firmware_bridge.store.keep import read_keep
from firmware_bridge.store.protection import Bounds, load_versions
from firmware_bridge.store.thinning import Rules, thin_raw, widen

HOUR_MS, DAY_MS = 3_600_000, 86_400_000
RAW_MS_MIN = 6 * HOUR_MS  # what a screen judges cold units from
BUCKETS_MS_MIN = DAY_MS
MEGABYTE = 1024 * 1024
FILL_START_PERCENT, FILL_END_PERCENT = 97, 95  # thin early at the first until the second
WALL_HELD_MS = 50 * 60_000  # so long the wall clock must have gone evenly; rounds are an hour apart
WALL_OFF_MS_MAX = 60_000  # and so exactly, against the time since the computer started
DISK_FREE_PERCENT_MIN = 5  # OPS section 4
DISK_RESERVE_BYTES = 16 * MEGABYTE  # free inside the file while the disk is that full: some three days of 8 probes


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings say; bounds: the bridge's alarm bounds."""

    keep_raw_days: int = 7
    keep_buckets_days: int = 730
    telemetry_max_mb: int = 2_048
    bounds: Bounds = Bounds({}, {})  # noqa: RUF009 - frozen, and never changed


@dataclass(frozen=True, slots=True)
class Level:
    """One rung: readings and five-minute buckets older than this go; is_pressed: what was to stay, and hours, too."""

    raw_ms: int
    buckets_ms: int
    is_pressed: bool = False


def levels(policy: Policy) -> list[Level]:
    """Return the rungs in order, from the settings down to the least that can be kept."""
    raw_ms, buckets_ms = policy.keep_raw_days * DAY_MS, policy.keep_buckets_days * DAY_MS
    found = [Level(raw_ms, buckets_ms)]
    while raw_ms > RAW_MS_MIN or buckets_ms > BUCKETS_MS_MIN:
        raw_ms, buckets_ms = max(RAW_MS_MIN, raw_ms // 2), max(BUCKETS_MS_MIN, buckets_ms // 2)
        found.append(Level(raw_ms, buckets_ms))
    return [*found, Level(raw_ms, buckets_ms, is_pressed=True)]


class Thinner:
    """Thin one file. `step` does a bounded piece of work; once it says False, there is nothing to do for an hour.

    raw_hours: how far back readings are whole, at most; `is_early`: less than the settings say, since room is short.
    """

    def __init__(self, conn: sqlite3.Connection, path: Path, policy: Policy) -> None:
        self._conn = conn
        self._path = path
        self._policy = policy
        self._work: Iterator[int] | None = None
        self._even_since: HostNow | None = None
        self.is_early = False
        self.raw_hours = policy.keep_raw_days * 24

    def step(self, now: HostNow) -> bool:
        """Do the next piece; returns whether there was one. Raises sqlite3.Error, and begins anew then."""
        if self._work is None:
            self._work = self._round(self._believed(now))
        try:
            return next(self._work, None) is not None or self._ended()
        except sqlite3.Error:
            self._work = None
            raise

    def _ended(self) -> bool:
        self._work = None
        return False

    def _believed(self, now: HostNow) -> HostNow:
        """Return the clocks, the wall clock not trusted before it went evenly for nearly an hour of this run.

        A time server may be years off for a minute, and what is thinned in that minute is thinned for ever.
        """
        since = self._even_since
        off_ms = 0 if since is None else (now.wall_us - since.wall_us) // 1000 - now.boottime_ms + since.boottime_ms
        if since is None or not since.is_clock_trusted or not now.is_clock_trusted or abs(off_ms) > WALL_OFF_MS_MAX:
            self._even_since = since = now
        has_held = now.boottime_ms - since.boottime_ms >= WALL_HELD_MS
        return now if has_held else now._replace(is_clock_trusted=False)

    def _round(self, now: HostNow) -> Iterator[int]:
        """Climb down the rungs until there is room; yields the size of each piece of work."""
        conn, policy = self._conn, self._policy
        told = ("keep_raw_days", "keep_buckets_days", "telemetry_max_mb")
        note_settings(conn, {name: getattr(policy, name) for name in told}, now.wall_us)
        keep = read_keep(self._path.parent)
        rungs = levels(policy)
        was_short = self._is_short(FILL_START_PERCENT)
        for number, level in enumerate(rungs):
            if number and not (was_short and self._is_short(FILL_END_PERCENT)):
                break
            self.is_early, self.raw_hours = number > 0, level.raw_ms // HOUR_MS
            if number == 0 and keep.problem:
                continue  # nobody can say what must stay, so only want of room may take anything
            rules = Rules(load_versions(conn), policy.bounds, keep, level.is_pressed)
            for done in self._level(level, rules, now):
                yield done
                if number and not self._is_short(FILL_END_PERCENT):
                    break
        note_settings(conn, {"raw_hours_kept": self.raw_hours}, now.wall_us, at_most_each_us=DAY_MS * 1000)

    def _level(self, level: Level, rules: Rules, now: HostNow) -> Iterator[int]:
        conn = self._conn
        places = boot_places(conn)
        cuts = frontiers(conn, places, now, (level.raw_ms, level.buckets_ms))
        for place in reversed(places):
            raw_ms, buckets_ms = cuts[place.boot]
            while raw_ms > 0 and (done := thin_raw(conn, place, raw_ms, rules, now)):
                yield done
            periods = [(BUCKET_S, HOUR_S), *([(HOUR_S, DAY_S)] if level.is_pressed else [])]
            for pair in periods if buckets_ms > 0 else []:
                for channel in _thinned_channels(conn, place):
                    while done := widen(conn, place, channel, pair, buckets_ms):
                        yield done

    def _is_short(self, percent: int) -> bool:
        """Say whether the file fills more than so much of its size, or the disk is nearly full."""
        pages, free, size = (
            self._conn.execute(f"pragma {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        if (pages - free) * size * 100 > self._policy.telemetry_max_mb * MEGABYTE * percent:
            return True
        disk = statvfs(self._path.parent)
        is_disk_full = disk.f_bavail * 100 < disk.f_blocks * DISK_FREE_PERCENT_MIN
        return is_disk_full and free * size < DISK_RESERVE_BYTES


def note_settings(conn: sqlite3.Connection, values: dict[str, int], wall_us: int, *, at_most_each_us: int = 0) -> None:
    """Write down a setting that differs from its newest version, with the time from which it holds.

    at_most_each_us: a version younger than that stands, so that what changes to and fro does not fill the table.
    """
    sql = "select name, value, noticed_us, max(setting_version) from setting_version group by name"
    known = {name: (value, at_us) for name, value, at_us, _ in conn.execute(sql)}
    for name, value in values.items():
        before, at_us = known.get(name, ("", None))
        is_due = at_us is None or not 0 <= wall_us - at_us < at_most_each_us
        if before != str(value) and is_due:
            conn.execute(
                "insert into setting_version (name, value, noticed_us) values (?, ?, ?)", (name, str(value), wall_us)
            )


def _thinned_channels(conn: sqlite3.Connection, place: BootPlace) -> list[int]:
    """List the channels of a boot that have buckets, by jumping from one to the next."""
    found: list[int] = []
    last = -1
    while True:
        sql = "select channel from thinned where device = ? and boot = ? and channel > ? order by channel limit 1"
        row = conn.execute(sql, (place.device, place.boot, last)).fetchone()
        if row is None:
            return found
        last = row[0]
        found.append(last)
