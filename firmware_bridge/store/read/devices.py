"""Every device with what is known of it, what came damaged, and which settings held when. Part of `store.read`.

Not the state of a port: that is in the bridge's heartbeat, and only while it runs.
"""

import sqlite3

from firmware_bridge.clock import HostNow
from firmware_bridge.store.read.names import Names, snapshot
from firmware_bridge.store.read.values import Channel, Device, ErrorCount, SettingVersion

ERRORS_MAX = 4_096
SETTINGS_MAX = 1_000
DEVICES_MAX = 1_000  # the bridge keeps 64 apart


def devices(conn: sqlite3.Connection, now: HostNow) -> list[Device]:
    """List every device ever linked, in the order in which they were met."""
    with snapshot(conn):
        names = Names(conn)
        channels: dict[int, list[Channel]] = {}
        for device, channel in names.newest():
            channels.setdefault(device, []).append(channel)
        rows = conn.execute(
            "select d.device, d.uid, d.protocol, d.port, d.firmware, d.first_seen_us, d.dropped_total, d.conflicts,"
            " d.current_boot, (select count(*) from gap where gap.device = d.device),"
            " (select count(*) - 1 from boot where boot.device = d.device),"
            " d.ring_records, coalesce(s.ring_used, 0), coalesce(s.rx_crc_err, 0), coalesce(s.retx, 0),"
            " coalesce(s.vcc_mv, 0)"
            " from device d left join link_stat s on s.device = d.device order by d.device limit ?",
            (DEVICES_MAX,),
        ).fetchall()
        return [_read(conn, names, row, channels.get(row[0], []), now) for row in rows]


def error_counts(conn: sqlite3.Connection) -> list[ErrorCount]:
    """List what came malformed, by port and kind, the newest first."""
    sql = "select port, kind, count, last_us from error_count order by last_us desc, port, kind limit ?"
    return [ErrorCount(*row) for row in conn.execute(sql, (ERRORS_MAX,))]


def settings(conn: sqlite3.Connection) -> list[SettingVersion]:
    """List the newest versions of the bridge's settings, oldest first."""
    sql = "select name, value, noticed_us from setting_version order by setting_version desc limit ?"
    return [SettingVersion(*row) for row in reversed(conn.execute(sql, (SETTINGS_MAX,)).fetchall())]


def _read(
    conn: sqlite3.Connection, names: Names, row: tuple[int, ...], channels: list[Channel], now: HostNow
) -> Device:
    _device, uid, protocol, port, firmware, first_seen_us, dropped, conflicts, boot, gaps, reboots, *counters = row
    heard_ms, quality = None, "none"
    if boot is not None:
        sql = (
            "select max(dev_ms) from (select max(dev_ms) as dev_ms from clock_sample where boot = ?"
            " union all select max(dev_ms) from stage where boot = ?)"
        )
        heard_ms = conn.execute(sql, (boot, boot)).fetchone()[0]
        quality = names.clock_map(boot).utc_us(0)[1]
    ring_records, ring_used, bad_frames, resent, supply_milli_v = counters
    return Device(
        uid=str(uid),
        protocol=str(protocol),
        port=str(port),
        firmware=firmware,
        channels=tuple(channels),
        first_seen_utc_us=first_seen_us,
        age_ms=None if heard_ms is None else names.age(boot, heard_ms, now)[0],
        time_quality=quality,
        dropped_total=dropped,
        conflicts=conflicts,
        gap_count=gaps,
        reboot_count=max(0, reboots),
        ring_used=ring_used,
        ring_records=ring_records,
        bad_frames=bad_frames,
        resent=resent,
        supply_milli_v=supply_milli_v,
    )
