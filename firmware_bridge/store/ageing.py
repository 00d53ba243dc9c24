"""How far into each boot of a board readings are older than so long: a rule over the clocks, for thinning.

Not a time stamp. Owns that no clock takes a reading away: an age counts only where it is sure, from the uptime of this
run of the computer or between two moments at which the wall clock was synchronised. What came before something of a
sure age, in the board's own order, is at least as old.
"""

import sqlite3
from bisect import bisect_left
from dataclasses import dataclass

from firmware_bridge.clock import HostNow
from firmware_bridge.store.clock_map import TRUSTED, ClockMap
from firmware_bridge.store.moves import load_map

WHOLE_BOOT_MS = 2**62  # beyond any uptime


@dataclass(frozen=True, slots=True)
class BootPlace:
    """One boot of one board, by small integers and by names; number as readers see it."""

    device: int
    boot: int
    uid: str
    number: int


def boot_places(conn: sqlite3.Connection) -> list[BootPlace]:
    """List all boots of all boards, of each board the newest first."""
    sql = "select device, boot, uid, number from boot join device using (device) order by device, boot desc"
    return [BootPlace(*row) for row in conn.execute(sql)]


def frontiers(
    conn: sqlite3.Connection, places: list[BootPlace], now: HostNow, ages_ms: tuple[int, ...]
) -> dict[int, tuple[int, ...]]:
    """Return for each boot, and each age, the uptime before which everything is surely at least that old."""
    found: dict[int, tuple[int, ...]] = {}
    device, is_old = 0, (False,) * len(ages_ms)
    for place in places:
        if place.device != device:
            device, is_old = place.device, (False,) * len(ages_ms)
        if all(is_old):
            found[place.boot] = (WHOLE_BOOT_MS,) * len(ages_ms)
            continue
        clock_map = load_map(conn, place.boot)
        newest_ms = _newest_ms(conn, place)
        cuts = [
            WHOLE_BOOT_MS if old else _first_young_ms(clock_map, newest_ms, now, age_ms)
            for old, age_ms in zip(is_old, ages_ms, strict=True)
        ]
        found[place.boot] = tuple(cuts)
        is_old = tuple(cut > 0 for cut in cuts)
    return found


def _first_young_ms(clock_map: ClockMap, newest_ms: int, now: HostNow, age_ms: int) -> int:
    def youth(dev_ms: int) -> int:
        age = _sure_age_ms(clock_map, dev_ms, now)
        return 0 if age is None else -age

    return bisect_left(range(newest_ms + 1), -age_ms + 1, key=youth)


def _sure_age_ms(clock_map: ClockMap, dev_ms: int, now: HostNow) -> int | None:
    at_ms = clock_map.boottime_ms(dev_ms, now.host_boot_id)
    if at_ms is not None:
        return now.boottime_ms - at_ms
    utc_us, quality = clock_map.utc_us(dev_ms)
    if utc_us is None or quality != TRUSTED or not now.is_clock_trusted:
        return None
    return (now.wall_us - utc_us) // 1000


def _newest_ms(conn: sqlite3.Connection, place: BootPlace) -> int:
    """Return an uptime that the boot surely reached; buckets beyond it wait for the boots after it."""
    sql = "select dev_ms from reading where device = ? and boot = ? order by seq desc limit 1"
    raw = conn.execute(sql, (place.device, place.boot)).fetchone()
    seen = conn.execute("select max(dev_ms) from clock_sample where boot = ?", (place.boot,)).fetchone()
    return max(raw[0] if raw else 0, seen[0] or 0)
