"""The name of a snapshot in the ledger: a keyed hash, because the ledger travels and the snapshot's id says too much.

Owns a part of invariant 8. The id is a hash of what is mostly known to every peer (stock, recipes, the day) and of the
classes: whoever guesses what two people leave out could check the guess. The key stays in this database.
"""

from __future__ import annotations

import hmac
import os
import sqlite3

from node.ledger.store import Transaction

SECRET_BYTES = 32
_KEY = "snapshot_secret"


def name_snapshot(tx: Transaction, snapshot_id: str) -> bytes:
    """Return the 32 bytes by which events name a snapshot; makes the key with the first of them."""
    tx.connection.execute(
        "INSERT OR IGNORE INTO setting (key, value) VALUES (?, ?)",
        (_KEY, os.urandom(SECRET_BYTES)),
    )
    name = named_snapshot(tx.connection, snapshot_id)
    assert name is not None
    return name


def named_snapshot(connection: sqlite3.Connection, snapshot_id: str) -> bytes | None:
    """Return the name that a snapshot has in the ledger, None where none was ever named."""
    row = connection.execute("SELECT value FROM setting WHERE key = ?", (_KEY,)).fetchone()
    return hmac.digest(row[0], bytes.fromhex(snapshot_id), "sha256") if row else None
