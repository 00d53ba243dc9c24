"""The tables of telemetry.db, and how a file is made or brought up to date.

Not the writer. A file of a newer version is refused, never touched; sqlite-utils is loaded only when there is something
to make. LINK section 8, DESIGN "The parts" (page_size=1024: bytes written are what wears out a card).
"""

import sqlite3
from typing import TYPE_CHECKING

from firmware_bridge.store.version import SCHEMA_VERSION

if TYPE_CHECKING:
    from sqlite_utils import Database

PAGE_BYTES = 1024

_READING_COLUMNS = "device, boot, seq, dev_ms, channel, status, value, quality, reason"

READING_SQL = """
create table reading (
    device integer not null, boot integer not null, seq integer not null, dev_ms integer not null,
    channel integer not null, status integer not null, value integer not null,
    quality integer not null, reason integer not null, utc_us integer, time_quality integer not null,
    primary key (device, boot, seq)
) without rowid, strict
"""

CLOCK_SAMPLE_SQL = """
create table clock_sample (
    boot integer not null, dev_ms integer not null, host_boot_id text not null, boottime_ms integer not null,
    wall_us integer not null, is_synced integer not null, rtt_ms integer not null,
    primary key (boot, dev_ms)
) without rowid, strict
"""

# What remains of readings that were thinned: one row for the readings of one channel in one stretch of its board's
# uptime (start_ms, period_s long) that are of one worth (quality, reason) and read with one description (version, a
# channel_version). Values are raw; `total` is their exact sum, so that means stay exact when rows are put together.
THINNED_SQL = """
create table thinned (
    device integer not null, boot integer not null, channel integer not null, period_s integer not null,
    start_ms integer not null, quality integer not null, reason integer not null, version integer not null,
    first_seq integer not null, last_seq integer not null, first_ms integer not null, last_ms integer not null,
    count integer not null, total integer not null, lowest integer not null, highest integer not null,
    lowest_ms integer not null, highest_ms integer not null, last_value integer not null,
    primary key (device, boot, channel, period_s, start_ms, quality, reason, version)
) without rowid, strict
"""


def prepare(conn: sqlite3.Connection) -> None:
    """Make or migrate the tables of an open file. The caller has refused newer versions and set the page size.

    One transaction for each step, so a killed process leaves the version before or the version after.
    """
    version = conn.execute("pragma user_version").fetchone()[0]
    if version == SCHEMA_VERSION:
        return
    from sqlite_utils import Database  # heavy, and only needed here

    database = Database(conn, execute_plugins=False)
    for step in range(version, SCHEMA_VERSION):
        with database.atomic():
            STEPS[step](database)
            database.execute(f"pragma user_version = {step + 1}")


def _make_first(database: "Database") -> None:
    """Make version 1."""
    _make_names(database)
    _make_records(database)
    _make_facts(database)


def _make_names(database: "Database") -> None:
    """Boards, their boots and their channels are small integers elsewhere; these tables name them."""
    # current_boot, desc_crc: unknown until the board was linked, described.
    _make(
        database,
        "device",
        "uid: str, firmware: int, epoch: int, current_boot: int?, desc_crc: int?, dropped_total: int, conflicts: int,"
        " port: str, first_seen_us: int",
    )
    database.table("device").create_index(["uid"], unique=True)
    # number: epoch * 65536 + the board's 16-bit boot. last_*: what was known when the board was last heard. Rows are in
    # the order of the boots.
    _make(
        database,
        "boot",
        "device: int, number: int, reset_cause: int, last_now_ms: int, last_boottime_ms: int, last_host_boot_id: str",
    )
    database.table("boot").create_index(["device", "number"], unique=True)
    # A description holds from record from_seq of boot from_boot on, until the next one of the same channel.
    _make(
        database,
        "channel",
        "device: int, channel: int, from_boot: int, from_seq: int, kind: int, exp10: int, flags: int, lo: int, hi: int,"
        " period_ds: int, noise: int, unit: str, name: str",
        key="channel_version",
    )
    database.table("channel").create_index(["device", "channel", "from_boot", "from_seq"], unique=True)


def _make_records(database: "Database") -> None:
    """Every record is appended to stage and moves to reading within the hour; the view unites both."""
    _make(database, "stage", ", ".join(f"{column}: int" for column in _READING_COLUMNS.split(", ")))
    database.execute(READING_SQL)
    database.table("reading").create_index(["device", "channel", "utc_us"])
    database.create_view(
        "readings",
        f"select {_READING_COLUMNS}, utc_us, time_quality from reading"
        f" union all select {_READING_COLUMNS}, null, 0 from stage",
    )
    # Everything of a boot before next_seq is committed. Staged rows say so themselves, which keeps the cursor in their
    # transaction and saves a page with every commit; the mark says it where no staged row does.
    _make(database, "cursor_mark", "next_seq: int", key="boot")
    database.create_view(
        "cursor",
        "select boot, max(next_seq) as next_seq from (select boot, next_seq from cursor_mark"
        " union all select boot, seq + 1 from stage) group by boot",
    )


def _make_facts(database: "Database") -> None:
    """What is missing, what the clocks said, what the boards printed and counted, and which file was lost before."""
    _make(
        database,
        "gap",
        "device: int, boot: int?, first_seq: int?, count: int?, from_us: int?, to_us: int?, cause: str,"
        " noticed_us: int",
    )
    database.execute(CLOCK_SAMPLE_SQL)
    _make(database, "device_log", "port: str, uid: str?, wall_us: int, line: str")
    counters = "rx_crc_err: int, retx: int, dropped: int, ring_used: int, vcc_mv: int, mcu_temp_c10: int"
    _make(database, "link_stat", f"port: str, wall_us: int, {counters}", key="device")
    _make(database, "lost_file", "moved_to: str, noticed_us: int")


def _make_second(database: "Database") -> None:
    """Make version 2: other protocols, thinning, dated settings, answers, boards as clocks, damage by port."""
    database.execute("alter table device add column protocol text not null default 'll1'")
    # How many records the board's ring holds; 0 until it said so, and for hardware without one.
    database.execute("alter table device add column ring_records integer not null default 0")
    database.execute(THINNED_SQL)
    # Windows are found by halving the key (seeking.py). This index was never asked, cost a third of the file and most
    # of what thinning wrote.
    database.execute("drop index idx_reading_device_channel_utc_us")
    # Records before raw_seq have been looked at and were thinned or must stay; those before pressed_seq were looked at
    # again when there was no room for what would otherwise have stayed.
    _make(database, "thin_mark", "raw_seq: int, pressed_seq: int", key="boot")
    # value: JSON. A version holds from noticed_us on until the next one of the same name.
    _make(database, "setting_version", "name: str, value: str, noticed_us: int")
    # What a board says about the time: utc_us, give or take error_us, at boottime_ms of this run of the computer.
    _make(
        database,
        "clock_hint",
        "uid: str, utc_us: int, error_us: int, host_boot_id: str, boottime_ms: int",
        key="device",
    )
    _make(database, "answer", "ask_id: str, uid: str?, op: str, status: str, detail: str, answered_us: int")
    database.execute(
        "create table error_count (port text not null, kind text not null, count integer not null,"
        " last_us integer not null, primary key (port, kind)) without rowid, strict"
    )


def _make(database: "Database", table: str, columns: str, *, key: str = "") -> None:
    """Make one strict table; `columns` reads "name: int, other: str?", where ? allows NULL. key: the table's name."""
    types: dict[str, type] = {"int": int, "str": str}
    named = dict(column.split(": ") for column in columns.split(", "))
    key = key or table
    database.table(table).create(
        {key: int, **{name: types[kind.rstrip("?")] for name, kind in named.items()}},
        pk=key,
        not_null={name for name, kind in named.items() if not kind.endswith("?")},
        strict=True,
    )


STEPS = (_make_first, _make_second)
assert len(STEPS) == SCHEMA_VERSION, "every version has the step that makes it"
