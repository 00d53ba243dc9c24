"""Open telemetry.db as a reader, or say in words why that cannot be.

Not a migration: an older file is the bridge's to bring up to date. Works while the bridge is stopped.
"""

import sqlite3
from pathlib import Path

from firmware_bridge.language import _
from firmware_bridge.store.version import SCHEMA_VERSION

BUSY_S = 1.0  # the bridge holds a lock only for moments


class TelemetryUnreadable(Exception):
    """There is a telemetry.db, but it cannot be read now; reason: newer, damaged, no_access, not_telemetry, busy."""

    def __init__(self, reason: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.error_id = f"telemetry.{reason}"
        self.reason = reason
        self.message = message
        self.hint = hint


def open_telemetry(path: str | Path) -> sqlite3.Connection:
    """Open telemetry.db read-only; watch `PRAGMA data_version` on the connection to see news.

    Raises FileNotFoundError when there is none yet, TelemetryUnreadable when it cannot be used.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(path)
    uri = f"{path.absolute().as_uri()}?mode=ro"
    conn: sqlite3.Connection | None = None
    try:
        conn = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=BUSY_S, check_same_thread=False)
        version = conn.execute("pragma user_version").fetchone()[0]
        _check_version(version)
        conn.execute("select 1 from device limit 1").fetchone()
    except (sqlite3.Error, TelemetryUnreadable) as error:
        if conn is not None:
            conn.close()
        if isinstance(error, TelemetryUnreadable):
            raise
        raise _unreadable(error) from error
    return conn


def _check_version(version: int) -> None:
    if version > SCHEMA_VERSION:
        message = _("The temperature log was written by a newer Larder.")
        raise TelemetryUnreadable("newer", message, _("Install the newer Larder on this computer."))
    if version < SCHEMA_VERSION:
        message = _("The temperature log is not ready yet.")
        raise TelemetryUnreadable("not_telemetry", message, _("Start larder-bridge; it makes or updates the file."))


def _unreadable(error: sqlite3.Error) -> TelemetryUnreadable:
    text = str(error)
    if "not a database" in text or "malformed" in text:
        message = _("The temperature log is damaged.")
        return TelemetryUnreadable("damaged", message, _("Restart larder-bridge; it puts the file aside."))
    if "locked" in text or "busy" in text:
        return TelemetryUnreadable("busy", _("The temperature log is busy."), _("Wait a moment; it is tried again."))
    if "no such table" in text:
        message = _("telemetry.db is not a temperature log.")
        return TelemetryUnreadable("not_telemetry", message, _("Check the data folder."))
    message = _("The temperature log cannot be opened.")
    return TelemetryUnreadable("no_access", message, _("Check that you are in the group of the data folder."))
