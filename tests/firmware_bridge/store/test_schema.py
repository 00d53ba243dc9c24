"""The tables of telemetry.db across versions."""

import sqlite3
from pathlib import Path

from sqlite_utils import Database

from firmware_bridge.clock import HostNow
from firmware_bridge.store import schema
from firmware_bridge.store.store import Store
from firmware_bridge.store.version import SCHEMA_VERSION

NOW = HostNow("a" * 32, 1_000, 1_700_000_000_000_000)


def tables(path: Path) -> dict[str, list[tuple[str, str, int]]]:
    conn = sqlite3.connect(path)
    names = [name for (name,) in conn.execute("select name from sqlite_master where type in ('table', 'view')")]
    found = {
        name: [(row[1], row[2].upper(), row[3]) for row in conn.execute(f"pragma table_info({name})")] for name in names
    }
    conn.close()
    return found


def test_a_file_of_every_older_version_becomes_the_file_that_is_made_today(tmp_path: Path) -> None:
    Store(tmp_path / "new.db", NOW).close()
    for version in range(1, SCHEMA_VERSION):
        path = tmp_path / f"from-{version}.db"
        conn = sqlite3.connect(path, isolation_level=None)
        conn.execute(f"pragma page_size = {schema.PAGE_BYTES}")
        for step in schema.STEPS[:version]:
            step(Database(conn, execute_plugins=False))
        conn.execute(f"pragma user_version = {version}")
        conn.execute(
            "insert into device (device, uid, firmware, epoch, dropped_total, conflicts, port, first_seen_us)"
            " values (1, '01eeffc042000001', 1, 0, 0, 0, '/dev/a', 1)"
        )
        conn.close()
        Store(path, NOW).close()
        assert tables(path) == tables(tmp_path / "new.db")
        conn = sqlite3.connect(path)
        assert conn.execute("select uid, protocol from device").fetchall() == [("01eeffc042000001", "ll1")]
        conn.close()
