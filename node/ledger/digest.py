"""The state digest: two nodes with the same events have the same one. Not a check of any signature."""

from __future__ import annotations

import sqlite3
from hashlib import blake2b

import msgspec

from node.ledger.schema import DIGEST_TABLES

DIGEST_BYTES = 16


def state_digest(connection: sqlite3.Connection) -> str:
    """Return the hash (32 hex digits) over the sorted rows that every node must agree on.

    A table without rows leaves no trace, so a table added later changes nothing for those who do not use it.
    """
    state = blake2b(digest_size=DIGEST_BYTES)
    encoder = msgspec.msgpack.Encoder()
    for table, columns in DIGEST_TABLES.items():
        for place, row in enumerate(connection.execute(f"SELECT {columns} FROM {table} ORDER BY {columns}")):
            if place == 0:
                state.update(encoder.encode(table))
            state.update(encoder.encode(row))
    return state.hexdigest()
