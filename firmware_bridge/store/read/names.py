"""The names behind the small integers of telemetry.db, and what a stored row says with them.

Read once for one answer. Freshness is not judged here: what is STALE or MISSING is the reader's rule.
"""

import sqlite3
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager

from firmware_bridge.clock import HostNow
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
from firmware_bridge.store.read.values import KINDS, Channel, Reading

FLAG_EVENT = 0x01  # DESC flags (LINK section 2)
STATUS_FAULT, STATUS_MERGED = 0x01, 0x04  # DATA status (LINK section 2)
RECORD = "device, boot, seq, dev_ms, channel, status, value, quality, reason"


class Names:
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

    def uid(self, device: int) -> str:
        """Return the name of a device."""
        return self._uids[device]

    def number(self, boot: int) -> int:
        """Return the number of a boot as its board counts them."""
        return self._numbers[boot]

    def version(self, device: int, channel: int, boot: int, seq: int) -> Description | None:
        """Return the description that a record is read with."""
        return in_force(self._versions.get((device, channel), ()), boot, seq)

    def channel(self, device: int, channel: int, version: Description | None) -> Channel:
        """Return a channel as one of its descriptions has it, without a name where there is none."""
        if version is None:
            return Channel(self._uids[device], channel, "", KINDS[0], "", 0, is_event=False)
        return self._channel(device, version)

    def newest(self) -> list[tuple[int, Channel]]:
        return [(device, self._channel(device, versions[-1])) for (device, _), versions in self._versions.items()]

    def reading(self, row: tuple[int, ...], now: HostNow) -> Reading:
        device, boot, seq, dev_ms, channel, status, raw, quality, reason = row
        version = in_force(self._versions.get((device, channel), ()), boot, seq)
        if quality == QUALITY_UNJUDGED:
            quality, reason = judge(status, raw, version)
        has_value = version is not None and not status & STATUS_FAULT
        utc_us, time_quality = self.clock_map(boot).utc_us(dev_ms)
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
            age_ms, _ = self._age(boot, dev_ms, self.clock_map(boot).utc_us(dev_ms)[0], now)
            return 0 if age_ms is None else -age_ms

        return bisect_left(range(newest_dev_ms + 1), -since_ms_ago, key=youth)

    def _channel(self, device: int, version: Description) -> Channel:
        kind = KINDS[version.kind] if version.kind < len(KINDS) else KINDS[0]
        is_event = bool(version.flags & FLAG_EVENT)
        period_ms = version.period_ds * 100
        return Channel(self._uids[device], version.channel, version.name, kind, version.unit, period_ms, is_event)

    def age(self, boot: int, dev_ms: int, now: HostNow) -> tuple[int | None, bool]:
        """Return how old an uptime of a boot is in ms, None where nobody knows, and whether that is estimated."""
        return self._age(boot, dev_ms, self.clock_map(boot).utc_us(dev_ms)[0], now)

    def _age(self, boot: int, dev_ms: int, utc_us: int | None, now: HostNow) -> tuple[int | None, bool]:
        at_ms = self.clock_map(boot).boottime_ms(dev_ms, now.host_boot_id)
        if at_ms is not None:
            return max(0, now.boottime_ms - at_ms), False
        if utc_us is None:
            return None, True
        return max(0, (now.wall_us - utc_us) // 1000), True

    def clock_map(self, boot: int) -> ClockMap:
        """Return the clock samples of a boot."""
        if boot not in self._maps:
            rows = self._conn.execute(
                "select dev_ms, host_boot_id, boottime_ms, wall_us, is_synced, rtt_ms from clock_sample where boot = ?",
                (boot,),
            )
            self._maps[boot] = ClockMap(ClockSample(*row) for row in rows)
        return self._maps[boot]


@contextmanager
def snapshot(conn: sqlite3.Connection) -> Iterator[None]:
    """See one state of the file for several questions, and let go of it at once: an open read lets the log grow."""
    if conn.in_transaction:
        yield
        return
    conn.execute("begin")
    try:
        yield
    finally:
        conn.execute("commit")
