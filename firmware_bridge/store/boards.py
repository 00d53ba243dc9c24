"""What the writer remembers of each board it has met: its number, its boots, its cursor, its descriptions, its clock.

Not the transaction: rows are read here, written by `store.py`. Owns the naming of boots: a 16-bit boot number that
repeats gets a new epoch, so (device, boot, seq) stays unique. LINK section 3.
"""

import sqlite3
from dataclasses import dataclass, field

from firmware_bridge.clock import HostNow
from firmware_bridge.link.events import NATIVE
from firmware_bridge.link.identity import uid_bytes
from firmware_bridge.link.reconcile import Stored
from firmware_bridge.link.sequence import MODULUS, record_uptime, unwrap_uptime
from firmware_bridge.store.clock_map import ClockSample
from firmware_bridge.store.descriptions import Description

BOOT_NUMBERS = 1 << 16
UPTIME_SLACK_MS = 2_000  # how far our idea of a board's uptime may lag, plus 2 % of the time since it was told
SAMPLE_SLOT_MS = 3_600_000  # of the clock samples of an hour the one of least round trip is kept (LINK section 3)


@dataclass(slots=True)
class Boot:
    """One life of a board. boot is the row's small integer, number is epoch * 65536 + the board's own 16-bit number."""

    boot: int
    number: int
    next_seq: int
    last_now_ms: int
    last_boottime_ms: int
    last_host_boot_id: str
    reset_cause: int
    last_dev_ms: int | None = None

    def uptime_ms(self, value_ms: int, now: HostNow) -> int:
        """Return a 32-bit uptime told just now as the unbounded one of this boot."""
        return unwrap_uptime(value_ms, self.last_now_ms, self.elapsed_ms(now))

    def heard(self, uptime_ms: int, now: HostNow) -> None:
        """Note the unbounded uptime that the board has now."""
        self.last_now_ms, self.last_boottime_ms, self.last_host_boot_id = uptime_ms, now.boottime_ms, now.host_boot_id

    def elapsed_ms(self, now: HostNow) -> int | None:
        """Return how long ago the board was last heard, None when this computer was restarted since."""
        if not now.host_boot_id or now.host_boot_id != self.last_host_boot_id:
            return None
        return now.boottime_ms - self.last_boottime_ms

    def record_dev_ms(self, value_ms: int, now: HostNow, *, is_over: bool) -> int:
        """Return a record's 32-bit uptime as the unbounded one of this boot."""
        if is_over:
            # Nobody tells the uptime of a boot that is over; in sequence order a decrease is one wrap.
            last_ms = self.last_dev_ms
            return value_ms if last_ms is None else last_ms + (value_ms - last_ms) % MODULUS
        elapsed_ms = self.elapsed_ms(now) or 0
        return record_uptime(value_ms, self.last_now_ms + elapsed_ms, UPTIME_SLACK_MS + elapsed_ms // 50)


@dataclass(slots=True)
class SampleSlot:
    """The clock samples of one boot that compete for a place in the table. has_synced: one of a set clock is there."""

    best: ClockSample | None = None
    slot: int | None = None
    has_synced: bool = False


@dataclass(slots=True)
class Board:
    """One board. boots: by number; versions: by channel, in order of their beginning."""

    device: int
    uid: bytes
    epoch: int
    desc_crc: int | None
    dropped_total: int
    boots: dict[int, Boot] = field(default_factory=dict)
    versions: dict[int, list[Description]] = field(default_factory=dict)
    current: Boot | None = None
    describe_from_seq: int = 0
    slot: SampleSlot = field(default_factory=SampleSlot)
    hinted_at_ms: int | None = None  # CLOCK_BOOTTIME when the board last said what the time is
    protocol: str = NATIVE

    def stored(self, boot_number: int, now: HostNow) -> Stored | None:
        """Return what to compare a HELLO of this 16-bit boot with."""
        if self.current is None:
            return None
        number = self.epoch * BOOT_NUMBERS + boot_number
        return Stored(
            boot=self.current.number % BOOT_NUMBERS,
            next_seq=self.current.next_seq,
            last_now_ms=self.current.last_now_ms,
            dropped_total=self.dropped_total,
            elapsed_ms=self.current.elapsed_ms(now),
            is_boot_used=number in self.boots and number != self.current.number,
        )


def load_boards(conn: sqlite3.Connection) -> dict[bytes, Board]:
    """Read all boards ever met, with their boots, cursors and descriptions."""
    boards: dict[int, Board] = {}
    by_row: dict[int, Boot] = {}
    for device, uid, epoch, desc_crc, dropped, protocol in conn.execute(
        "select device, uid, epoch, desc_crc, dropped_total, protocol from device order by device"
    ):
        boards[device] = Board(device, uid_bytes(uid), epoch, desc_crc, dropped, protocol=protocol)
    for device, boot, number, cause, last_now_ms, last_boottime_ms, host, next_seq in conn.execute(
        "select device, boot, number, reset_cause, last_now_ms, last_boottime_ms, last_host_boot_id,"
        " coalesce(next_seq, 0) from boot left join cursor using (boot) order by boot"
    ):
        board = boards[device]
        board.boots[number] = Boot(boot, number, next_seq, last_now_ms, last_boottime_ms, host, cause)
        by_row[boot] = board.boots[number]
    # A clock sample is a later contact than the HELLO that began the boot.
    for boot, dev_ms, boottime_ms, host in conn.execute(
        "select boot, max(dev_ms), boottime_ms, host_boot_id from clock_sample group by boot"
    ):
        if dev_ms > by_row[boot].last_now_ms:
            by_row[boot].last_now_ms = dev_ms
            by_row[boot].last_boottime_ms, by_row[boot].last_host_boot_id = boottime_ms, host
    for device, *description in conn.execute(
        "select device, channel, from_boot, from_seq, kind, exp10, flags, lo, hi, period_ds, noise, unit, name"
        " from channel order by device, channel, from_boot, from_seq"
    ):
        version = Description(*description)
        boards[device].versions.setdefault(version.channel, []).append(version)
    for device, boot in conn.execute("select device, current_boot from device where current_boot is not null"):
        boards[device].current = by_row[boot]
    return {board.uid: board for board in boards.values()}
