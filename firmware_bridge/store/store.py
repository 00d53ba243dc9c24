"""The one writer of telemetry.db: what has arrived, what a HELLO means for it, and the commit that makes it true.

Not a thread and not a port. Owns invariant 1 for the sensors: rows and the cursor behind which the board may forget
change in one transaction with synchronous=FULL, and only `commit` tells what may be acknowledged. LINK sections 3 and
8.

Every method may raise sqlite3.Error; what was waiting then still waits and the call can be made again.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from firmware_bridge.clock import HostNow
from firmware_bridge.link.events import NATIVE, DescriptionsHeard, RecordsArrived, UptimeHeard
from firmware_bridge.link.identity import uid_text
from firmware_bridge.link.messages import Desc, Hello, Stat
from firmware_bridge.link.reconcile import HOST_LOST, NOT_READ, POWER, GapFound, reconcile
from firmware_bridge.link.sequence import MODULUS, distance
from firmware_bridge.store.boards import BOOT_NUMBERS, Board, Boot, SampleSlot, load_boards
from firmware_bridge.store.clock_samples import take_sample
from firmware_bridge.store.descriptions import Description, in_force
from firmware_bridge.store.files import open_store, wal_bytes
from firmware_bridge.store.quality import (
    QUALITY_GOOD,
    QUALITY_SUSPECT,
    QUALITY_UNCHECKED,
    REASON_CODES,
    UNCHECKED_PROTOCOLS,
    judge,
    to_milli,
)
from firmware_bridge.store.recall import Remembered, past_of, recall
from firmware_bridge.store.transaction import in_one_transaction

DEVICES_MAX = 64  # boards one bridge keeps apart (LINK section 4)
BOOT_ROW_STEP = 256  # leaves room for the boots before one that are met only through their records
FACTS_WAITING_MAX = 1_000  # rows other than records that may wait; beyond it lines of text are dropped
CHECKPOINT_WAL_BYTES = 800 * (1024 + 24)  # 800 pages of 1 KiB with their headers (OPS section 4)

Row = tuple[Any, ...]


class TooManyDevices(Exception):
    """A board that would be one too many; it keeps its records."""


@dataclass(frozen=True, slots=True)
class Linked:
    """What a port needs after its HELLO was reconciled: next_seq is unbounded; descriptions are the newest known
    ones."""

    hello: Hello
    next_seq: int
    desc_crc: int | None
    descriptions: tuple[Desc, ...]


class Store:
    """Keep what arrives in memory until `commit`, and everything else on disk."""

    def __init__(self, path: Path, now: HostNow) -> None:
        """Open the file. Raises LocalFault, sqlite3.Error or OSError as `open_store` does."""
        opened = open_store(path)
        self.conn = opened.conn
        self._path = path
        if opened.moved_to is not None:
            values = (opened.moved_to, now.wall_us)
            self.conn.execute("insert into lost_file (moved_to, noticed_us) values (?, ?)", values)
        self._has_lost_file = self.conn.execute("select count(*) from lost_file").fetchone()[0] > 0
        self._boards = load_boards(self.conn)
        self._boot_rows = self.conn.execute("select coalesce(max(boot), 0) from boot").fetchone()[0]
        self._rows: list[Row] = []
        self._facts: list[tuple[str, Row]] = []
        self._marks: dict[int, int] = {}
        self._arrived: dict[bytes, int] = {}
        self._pasts: dict[int, dict[int, Remembered]] = {}
        self._stats: dict[int, Row] = {}
        self._checkpoint_at_bytes = CHECKPOINT_WAL_BYTES

    @property
    def records_waiting(self) -> int:
        """Return how many records wait for the commit."""
        return len(self._rows)

    @property
    def has_waiting(self) -> bool:
        """Say whether a commit would write anything."""
        return bool(self._rows or self._facts or self._marks)

    def hello(self, hello: Hello, port: str, now: HostNow, *, protocol: str = NATIVE) -> Linked:
        """Carry out what a HELLO means: write gap, boot and cursor, and say where to go on.

        What is held must be committed before. Other hardware (protocol) gets a new session number as its boot. Raises
        TooManyDevices for the 65th board.
        """
        assert not self.has_waiting, "what is held of a board is committed before its HELLO is reconciled"
        met = self._boards.get(hello.uid)
        if met is None and len(self._boards) >= DEVICES_MAX:
            raise TooManyDevices(uid_text(hello.uid))
        board = met or Board(len(self._boards) + 1, hello.uid, 0, None, hello.dropped_total)
        if protocol != NATIVE:
            hello = _as_session(hello, board)
        agreed = reconcile(board.stored(hello.boot, now), hello)
        gap = agreed.gap
        if met is None and self._has_lost_file:
            gap = GapFound(None, None, HOST_LOST)
        elif gap is not None and protocol != NATIVE:
            gap = replace(gap, cause=NOT_READ)
        epoch = board.epoch + agreed.is_new_epoch
        boot = board.current
        is_new_boot = boot is None or agreed.is_new_boot
        if boot is None or agreed.is_new_boot:
            number = epoch * BOOT_NUMBERS + hello.boot
            boot = Boot(
                self._boot_rows + BOOT_ROW_STEP, number, agreed.next_seq, hello.now_ms, 0, "", hello.reset_cause
            )
        last_now_ms = boot.uptime_ms(hello.now_ms, now)
        with in_one_transaction(self.conn) as conn:
            if met is None:
                facts_at_first = (hello.firmware, hello.dropped_total, port, now.wall_us)
                first = (board.device, uid_text(hello.uid), *facts_at_first, protocol)
                conn.execute(_INSERT_DEVICE, first)
            heard = (last_now_ms, now.boottime_ms, now.host_boot_id)
            conn.execute(_UPSERT_BOOT, (boot.boot, board.device, boot.number, boot.reset_cause, *heard))
            facts = (hello.firmware, epoch, boot.boot, hello.dropped_total, port, protocol)
            conn.execute(_UPDATE_DEVICE, (*facts, hello.ring_records, board.device))
            _write_mark(conn, boot.boot, agreed.next_seq)
            if gap is not None:
                conn.execute(_INSERT_GAP, self._gap_values(board.device, board.current, gap, now))
        # Memory follows only now, behind the commit.
        for known in board.boots.values():
            if known is not boot:
                self._pasts.pop(known.boot, None)
        head = agreed.next_seq + distance(agreed.next_seq % MODULUS, hello.head)
        board.describe_from_seq = 0 if is_new_boot and not hello.is_ring_kept else head
        if is_new_boot:
            board.slot = SampleSlot()
        board.epoch, board.dropped_total, board.current = epoch, hello.dropped_total, boot
        board.protocol = protocol
        board.boots[boot.number] = boot
        boot.next_seq = agreed.next_seq
        boot.heard(last_now_ms, now)
        self._boards[hello.uid] = board
        self._boot_rows = max(self._boot_rows, boot.boot)
        newest = tuple(_as_desc(versions[-1]) for _, versions in sorted(board.versions.items()))
        return Linked(hello, agreed.next_seq, board.desc_crc, newest)

    def records(self, uid: bytes, arrived: RecordsArrived, now: HostNow) -> list[tuple[int, int, Description | None]]:
        """Take records in; returns (status, value, description) of each, so that the caller can see what is urgent.

        They are in memory until `commit`. What a cursor has passed already is dropped here.
        """
        board = self._boards[uid]
        assert board.current is not None, "records come only after a HELLO was reconciled"
        boot = self._earlier_boot(board, arrived, now) if arrived.is_earlier_boot else board.current
        taken = []
        for index, (dt_ms, channel, status, value) in enumerate(arrived.records):
            seq = arrived.first_seq + index
            if seq < boot.next_seq:
                continue
            ms = (arrived.base_ms + dt_ms) % MODULUS
            dev_ms = boot.record_dev_ms(ms, now, is_over=arrived.is_earlier_boot)
            boot.last_dev_ms = dev_ms
            description = in_force(board.versions.get(channel, ()), boot.boot, seq)
            doubt = arrived.doubts[index] if arrived.doubts else ""
            quality, reason = self._judge(board, boot, (dev_ms, status, value, doubt), description)
            self._rows.append((board.device, boot.boot, seq, dev_ms, channel, status, value, quality, reason))
            taken.append((status, value, description))
        for each in {boot.boot: boot, board.current.boot: board.current}.values():
            each.next_seq = max(each.next_seq, arrived.next_seq)
            if not taken or each is not boot:
                self._marks[each.boot] = each.next_seq  # no row of this boot says it
        self._arrived[uid] = arrived.next_seq
        return taken

    def _judge(
        self, board: Board, boot: Boot, record: tuple[int, int, int, str], description: Description | None
    ) -> tuple[int, int]:
        """Return quality and reason of the next record (dev_ms, status, value, doubt of an adapter) of a channel."""
        dev_ms, status, raw, doubt = record
        quality, reason = judge(status, raw, description)
        if quality == QUALITY_GOOD and description is not None and not doubt:
            if boot.boot not in self._pasts:
                self._pasts[boot.boot] = recall(self.conn, board.device, boot.boot, board.versions)
            milli = to_milli(raw, description.exp10)
            assert milli is not None, "a value beyond its scale is not good"
            doubt = past_of(self._pasts[boot.boot], description).next_reason(dev_ms, raw, milli)
            quality = QUALITY_UNCHECKED if board.protocol in UNCHECKED_PROTOCOLS else quality
        if doubt:  # of two reasons the one that knows more: what an adapter or the past says is never just "fault"
            return QUALITY_SUSPECT, REASON_CODES[doubt]
        return quality, reason

    def descriptions(self, uid: bytes, heard: DescriptionsHeard) -> None:
        """Take the descriptions of a board in; only those that changed make a new version."""
        board = self._boards[uid]
        assert board.current is not None, "descriptions come only after a HELLO was reconciled"
        for desc in heard.descriptions:
            versions = board.versions.setdefault(desc.channel, [])
            from_seq = board.describe_from_seq if versions else 0
            version = _as_version(desc, board.current.boot, from_seq)
            if versions and _as_desc(versions[-1]) == desc:
                continue
            if versions and (versions[-1].from_boot, versions[-1].from_seq) == (version.from_boot, version.from_seq):
                versions.pop()
            versions.append(version)
            self._facts.append((_INSERT_CHANNEL, (board.device, *_columns(version))))
        board.desc_crc = heard.desc_crc
        self._facts.append(("update device set desc_crc = ? where device = ?", (heard.desc_crc, board.device)))

    def uptime(self, uid: bytes, heard: UptimeHeard, now: HostNow) -> None:
        """Take a clock sample in."""
        self._facts += take_sample(self.conn, self._boards[uid], heard, now)

    def stat(self, uid: bytes, stat: Stat, port: str, now: HostNow) -> None:
        """Take a board's counters in; the newest ones are written when the hour's records are moved (`keep_stats`)."""
        device = self._boards[uid].device
        counters = (stat.rx_crc_err, stat.retx, stat.dropped, stat.ring_used, stat.vcc_mv, stat.mcu_temp_c10)
        self._stats[device] = (device, port, now.wall_us, *counters)

    def text(self, port: str, uid: bytes | None, line: str, now: HostNow) -> None:
        """Take a line that a board printed in; while the disk refuses, text is the first to be dropped."""
        if len(self._facts) >= FACTS_WAITING_MAX:
            return
        values = (port, None if uid is None else uid_text(uid), now.wall_us, line)
        self._facts.append(("insert into device_log (port, uid, wall_us, line) values (?, ?, ?, ?)", values))

    def note(self, statements: Iterable[tuple[str, Row]]) -> None:
        """Let rows that are no readings go with the next commit; while the disk refuses only so many wait."""
        if len(self._facts) < FACTS_WAITING_MAX:
            self._facts.extend(statements)

    def keep_stats(self) -> None:
        """Let the newest counters of each board go with the next commit."""
        for values in self._stats.values():
            self._facts.append((_UPSERT_STAT, values))
        self._stats.clear()

    def commit(self) -> dict[bytes, int]:
        """Make all that waits durable. Returns by uid the number before which everything is committed."""
        if self.has_waiting:
            with in_one_transaction(self.conn) as conn:
                conn.executemany(_INSERT_STAGE, self._rows)
                for boot, next_seq in self._marks.items():
                    _write_mark(conn, boot, next_seq)
                for sql, values in self._facts:
                    conn.execute(sql, values)
        arrived = self._arrived
        self._rows, self._facts, self._marks, self._arrived = [], [], {}, {}
        return arrived

    def checkpoint_if_large(self) -> None:
        """Bring a long write-ahead log into the file; with a reader in the way it may grow by as much again first."""
        if wal_bytes(self._path) >= self._checkpoint_at_bytes:
            self.checkpoint()
            self._checkpoint_at_bytes = wal_bytes(self._path) + CHECKPOINT_WAL_BYTES

    def checkpoint(self) -> None:
        """Bring the write-ahead log into the file."""
        self.conn.execute("pragma wal_checkpoint(truncate)").fetchone()

    def close(self) -> None:
        """Checkpoint and close; what still waits is not committed here."""
        try:
            self.checkpoint()
        finally:
            self.conn.close()

    def _earlier_boot(self, board: Board, arrived: RecordsArrived, now: HostNow) -> Boot:
        number = board.epoch * BOOT_NUMBERS + arrived.boot
        boot = board.boots.get(number)
        if boot is None:
            boot = self._meet_earlier_boot(board, number, arrived.first_seq, now)
        if boot.last_dev_ms is None:
            boot.last_dev_ms = self._last_dev_ms(board.device, boot.boot)
        return boot

    def _meet_earlier_boot(self, board: Board, number: int, first_seq: int, now: HostNow) -> Boot:
        """Name a boot that came and went while nobody listened.

        Its row lies behind the last boot that has records, so that rows stay in the order of time. Numbers go on over
        a reset that keeps the ring; when they began again, the ring of the boot before was lost, and that is a gap.
        """
        assert board.current is not None, "records come only after a HELLO was reconciled"
        current = board.current.boot
        earlier = sorted((each for each in board.boots.values() if each.boot < current), key=_row_of, reverse=True)
        before = next((each for each in earlier if self._has_records(board, each)), None)
        first = min(each.boot for each in board.boots.values())
        row = (first - BOOT_ROW_STEP if before is None else before.boot) + 1
        taken = {each.boot for other in self._boards.values() for each in other.boots.values()}
        while row in taken:
            row += 1
        self._boot_rows = max(self._boot_rows, row)
        boot = Boot(row, number, 0, 0, 0, "", 0)
        if before is not None and before.number // BOOT_NUMBERS == board.epoch and first_seq < before.next_seq:
            lost = GapFound(before.next_seq, None, POWER)
            self._facts.append((_INSERT_GAP, self._gap_values(board.device, before, lost, now)))
        board.boots[number] = boot
        self._facts.append((_UPSERT_BOOT, (row, board.device, number, 0, 0, 0, "")))
        return boot

    def _has_records(self, board: Board, boot: Boot) -> bool:
        return boot.last_dev_ms is not None or self._last_dev_ms(board.device, boot.boot) is not None

    def _last_dev_ms(self, device: int, boot: int) -> int | None:
        sql = "select seq, dev_ms from {} where device = ? and boot = ? order by seq desc limit 1"
        found = [self.conn.execute(sql.format(table), (device, boot)).fetchone() for table in ("reading", "stage")]
        sql = "select max(last_seq), last_ms from thinned where device = ? and boot = ?"
        found.append(self.conn.execute(sql, (device, boot)).fetchone())
        newest = max((row for row in found if row is not None and row[0] is not None), default=None)
        return None if newest is None else int(newest[1])

    def _gap_values(self, device: int, boot: Boot | None, gap: GapFound, now: HostNow) -> Row:
        """Return a gap's row, bracketed between the last moment the board was surely heard in that boot and now."""
        row = None if boot is None else boot.boot
        found = self.conn.execute("select max(wall_us) from clock_sample where boot = ?", (row,)).fetchone()
        return (device, row, gap.first_seq, gap.count, found[0], now.wall_us, gap.cause, now.wall_us)


_INSERT_DEVICE = (
    "insert into device (device, uid, firmware, epoch, dropped_total, conflicts, port, first_seen_us, protocol)"
    " values (?, ?, ?, 0, ?, 0, ?, ?, ?)"
)
_UPDATE_DEVICE = (
    "update device set firmware = ?, epoch = ?, current_boot = ?, dropped_total = ?, port = ?, protocol = ?,"
    " ring_records = ? where device = ?"
)
_UPSERT_BOOT = (
    "insert into boot (boot, device, number, reset_cause, last_now_ms, last_boottime_ms, last_host_boot_id)"
    " values (?, ?, ?, ?, ?, ?, ?) on conflict (boot) do update set last_now_ms = excluded.last_now_ms,"
    " last_boottime_ms = excluded.last_boottime_ms, last_host_boot_id = excluded.last_host_boot_id"
)
_INSERT_GAP = (
    "insert into gap (device, boot, first_seq, count, from_us, to_us, cause, noticed_us)"
    " values (?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_STAGE = (
    "insert into stage (device, boot, seq, dev_ms, channel, status, value, quality, reason)"
    " values (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_INSERT_CHANNEL = (
    "insert or replace into channel (device, channel, from_boot, from_seq, kind, exp10, flags, lo, hi,"
    " period_ds, noise, unit, name) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_UPSERT_STAT = (
    "insert or replace into link_stat (device, port, wall_us, rx_crc_err, retx, dropped, ring_used, vcc_mv,"
    " mcu_temp_c10) values (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def _as_session(hello: Hello, board: Board) -> Hello:
    """Return the HELLO of a device that keeps nothing, with the number after its last session as its boot."""
    boot = 1 if board.current is None else (board.current.number + 1) % BOOT_NUMBERS
    return msgspec.structs.replace(hello, boot=boot, tail=0, head=0, is_ring_kept=False)


def _row_of(boot: Boot) -> int:
    return boot.boot


def _write_mark(conn: sqlite3.Connection, boot: int, next_seq: int) -> None:
    conn.execute("insert or replace into cursor_mark (boot, next_seq) values (?, ?)", (boot, next_seq))


def _as_version(desc: Desc, from_boot: int, from_seq: int) -> Description:
    bounds = (desc.lo, desc.hi, desc.period_ds, desc.noise, desc.unit, desc.name)
    return Description(desc.channel, from_boot, from_seq, desc.kind, desc.exp10, desc.flags, *bounds)


def _as_desc(version: Description) -> Desc:
    bounds = (version.lo, version.hi, version.period_ds, version.noise, version.unit, version.name)
    return Desc(version.channel, version.kind, version.exp10, version.flags, *bounds)


def _columns(version: Description) -> Row:
    desc = _as_desc(version)
    rest = (desc.kind, desc.exp10, desc.flags, desc.lo, desc.hi, desc.period_ds, desc.noise, desc.unit, desc.name)
    return (version.channel, version.from_boot, version.from_seq, *rest)
