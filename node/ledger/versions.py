"""Which rules the derived tables were folded by. A change of rules or of the starter catalogue refolds by itself."""

from __future__ import annotations

import sqlite3

from node.errors import N_, NotSavedNow
from node.ledger.schema import FOLD_VERSION, SCHEMA_VERSION, schema_version
from node.ledger.starter import STARTER_VERSION


def fold_version() -> str:
    """Return the version of the fold in force: its own number and the starter catalogue's."""
    return f"{FOLD_VERSION}.{STARTER_VERSION}"


def keep_fold_version(connection: sqlite3.Connection) -> None:
    """Note that the derived tables are now those of this version."""
    connection.execute("INSERT OR REPLACE INTO setting (key, value) VALUES ('fold_version', ?)", (fold_version(),))


def is_fold_current(connection: sqlite3.Connection) -> bool:
    """Tell whether the schema and the derived tables are those of this version."""
    if schema_version(connection) != SCHEMA_VERSION:
        return False
    row = connection.execute("SELECT value FROM setting WHERE key = 'fold_version'").fetchone()
    return row is not None and row[0] == fold_version()


def check_schema_current(connection: sqlite3.Connection) -> None:
    """Refuse a database of an older schema that could not be migrated now. Raises NotSavedNow."""
    if schema_version(connection) != SCHEMA_VERSION:
        raise NotSavedNow(
            "market.older",
            N_("This market was written by older software and could not be brought up to date now."),
            N_("Check that the card takes writes, then try again; nothing was changed."),
        )
