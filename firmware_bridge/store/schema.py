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
    """Devices, their boots and their channels are small integers elsewhere; these tables name them."""
    database.table("device").create(
        {
            "device": int,
            "uid": str,
            "firmware": int,
            "epoch": int,
            "current_boot": int,
            "desc_crc": int,
            "dropped_total": int,
            "conflicts": int,
            "port": str,
            "first_seen_us": int,
        },
        pk="device",
        not_null={"uid", "firmware", "epoch", "dropped_total", "conflicts", "port", "first_seen_us"},
        strict=True,
    )
    database.table("device").create_index(["uid"], unique=True)
    # number: epoch * 65536 + the board's 16-bit boot. last_*: what was known when the board was last heard.
    database.table("boot").create(
        {
            "boot": int,
            "device": int,
            "number": int,
            "reset_cause": int,
            "last_now_ms": int,
            "last_boottime_ms": int,
            "last_host_boot_id": str,
        },
        pk="boot",
        not_null={"device", "number", "reset_cause", "last_now_ms", "last_boottime_ms", "last_host_boot_id"},
        foreign_keys=[("device", "device", "device")],
        strict=True,
    )
    database.table("boot").create_index(["device", "number"], unique=True)
    # A description holds from record from_seq of boot from_boot on, until the next one of the same channel.
    database.table("channel").create(
        {
            "channel_version": int,
            "device": int,
            "channel": int,
            "from_boot": int,
            "from_seq": int,
            "kind": int,
            "exp10": int,
            "flags": int,
            "lo": int,
            "hi": int,
            "period_ds": int,
            "noise": int,
            "unit": str,
            "name": str,
        },
        pk="channel_version",
        not_null={
            "device",
            "channel",
            "from_boot",
            "from_seq",
            "kind",
            "exp10",
            "flags",
            "lo",
            "hi",
            "period_ds",
            "noise",
            "unit",
            "name",
        },
        foreign_keys=[("device", "device", "device")],
        strict=True,
    )
    database.table("channel").create_index(["device", "channel", "from_boot", "from_seq"], unique=True)


def _make_records(database: "Database") -> None:
    """Every record is appended to stage and moves to reading within the hour; the view unites both."""
    stage_columns = dict.fromkeys(["stage", *_READING_COLUMNS.split(", ")], int)
    database.table("stage").create(stage_columns, pk="stage", not_null=set(stage_columns) - {"stage"}, strict=True)
    database.execute(READING_SQL)
    database.table("reading").create_index(["device", "channel", "utc_us"])
    database.create_view(
        "readings",
        f"select {_READING_COLUMNS}, utc_us, time_quality from reading"
        f" union all select {_READING_COLUMNS}, null, 0 from stage",
    )
    # next_seq: everything of this boot before it is committed. Changes in the same transaction as the rows.
    database.table("cursor").create({"boot": int, "next_seq": int}, pk="boot", not_null={"next_seq"}, strict=True)


def _make_facts(database: "Database") -> None:
    """What is missing, what the clocks said, what the boards printed and counted, and which file was lost before."""
    database.table("gap").create(
        {
            "gap": int,
            "device": int,
            "boot": int,
            "first_seq": int,
            "count": int,
            "from_us": int,
            "to_us": int,
            "cause": str,
            "noticed_us": int,
        },
        pk="gap",
        not_null={"device", "cause", "noticed_us"},
        foreign_keys=[("device", "device", "device")],
        strict=True,
    )
    database.table("clock_sample").create(
        {
            "clock_sample": int,
            "boot": int,
            "dev_ms": int,
            "host_boot_id": str,
            "boottime_ms": int,
            "wall_us": int,
            "is_synced": int,
            "rtt_ms": int,
        },
        pk="clock_sample",
        not_null={"boot", "dev_ms", "host_boot_id", "boottime_ms", "wall_us", "is_synced", "rtt_ms"},
        strict=True,
    )
    database.table("clock_sample").create_index(["boot", "dev_ms"])
    database.table("device_log").create(
        {"device_log": int, "port": str, "uid": str, "wall_us": int, "line": str},
        pk="device_log",
        not_null={"port", "wall_us", "line"},
        strict=True,
    )
    counters = ("rx_crc_err", "retx", "dropped", "ring_used", "vcc_mv", "mcu_temp_c10")
    database.table("link_stat").create(
        {"device": int, "port": str, "wall_us": int, **dict.fromkeys(counters, int)},
        pk="device",
        not_null={"port", "wall_us", *counters},
        strict=True,
    )
    database.table("lost_file").create(
        {"lost_file": int, "moved_to": str, "noticed_us": int},
        pk="lost_file",
        not_null={"moved_to", "noticed_us"},
        strict=True,
    )


STEPS = (_make_first,)
assert len(STEPS) == SCHEMA_VERSION, "every version has the step that makes it"
