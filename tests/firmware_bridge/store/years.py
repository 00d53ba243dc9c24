"""Months of readings in seconds, for the tests of thinning: put into the tables as the writer leaves them."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from firmware_bridge.clock import HostNow
from firmware_bridge.store.store import Store

HOST = "a" * 32
EPOCH_US = 1_700_000_000_000_000
DAY_MS = 86_400_000
PROBES = 8


def at(dev_ms: int, *, is_clock_trusted: bool = True) -> HostNow:
    """Return the clocks of the computer at an uptime of the boards; both were started together."""
    return HostNow(HOST, dev_ms, EPOCH_US + dev_ms * 1000, is_clock_trusted)


def a_market(path: Path, *, probes: int = PROBES) -> Store:
    """Make a store with one board of so many probes, probe-0 to probe-7, in boot 1."""
    store = Store(path, at(0))
    conn = store.conn
    conn.execute(
        "insert into device (device, uid, firmware, epoch, dropped_total, conflicts, port, first_seen_us, current_boot)"
        " values (1, '01eeffc042000001', 1, 0, 0, 0, '/dev/a', 1, 1)"
    )
    conn.execute(
        "insert into boot (boot, device, number, reset_cause, last_now_ms, last_boottime_ms, last_host_boot_id)"
        " values (1, 1, 9, 1, 0, 0, ?)",
        (HOST,),
    )
    conn.executemany(
        "insert into channel (device, channel, from_boot, from_seq, kind, exp10, flags, lo, hi, period_ds, noise, unit,"
        " name) values (1, ?, 1, 0, 1, -3, 0, -55000, 125000, 100, 62, 'Cel', ?)",
        [(channel, f"probe-{channel}") for channel in range(probes)],
    )
    conn.execute("insert into clock_sample values (1, 0, ?, 0, ?, 1, 4)", (HOST, EPOCH_US))
    return store


def value_at(channel: int, dev_ms: int) -> int:
    """Return a temperature that goes up and down, different in each channel."""
    return 2000 + channel * 100 + (dev_ms // 1000) * 37 % 1999


def measured(from_ms: int, to_ms: int, period_ms: int, seq: int, *, probes: int = PROBES) -> Iterator[tuple[int, ...]]:
    """Yield rows of `reading` from seq on, all probes each period."""
    for dev_ms in range(from_ms, to_ms, period_ms):
        for channel in range(probes):
            value = value_at(channel, dev_ms)
            yield (1, 1, seq, dev_ms, channel, 0, value, 1, 0, EPOCH_US + dev_ms * 1000, 2)
            seq += 1


def stored(conn: sqlite3.Connection, rows: Iterator[tuple[int, ...]]) -> None:
    """Put rows into `reading` in one transaction."""
    conn.execute("begin")
    conn.executemany(f"insert into reading values ({', '.join('?' * 11)})", rows)
    conn.execute("commit")
