"""Count what was refused from outside, by reason and by whom, in a bounded table. Local: no fact and no fold.

Not the refusing. The table holds so many rows at most; what has no row of its own is counted without its origin.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from node.ledger.store import Transaction

REFUSED_ROWS_MAX = 256
REASON_CHARACTERS_MAX = 40
NOBODY = b""
_OTHER = "other"


@dataclass(frozen=True, slots=True)
class Refusal:
    """How often something was refused, whose it was (empty where nobody knows), and when last (wall clock, ms)."""

    reason: str
    origin: bytes
    count: int
    last_ms: int


def count_refused(tx: Transaction, reason: str, origin: bytes | None, count: int) -> None:
    """Add `count` refusals for one reason to the table."""
    key = _place(tx.connection, reason[:REASON_CHARACTERS_MAX], origin or NOBODY)
    tx.connection.execute(
        "INSERT INTO refused (reason, origin, count, last_ms) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET count = count + excluded.count, last_ms = excluded.last_ms",
        (*key, count, tx.moment.wall_ms),
    )


def refusals(connection: sqlite3.Connection) -> list[Refusal]:
    """Return every count, the most frequent first."""
    rows = connection.execute(
        "SELECT reason, origin, count, last_ms FROM refused ORDER BY count DESC, reason, origin LIMIT ?",
        (REFUSED_ROWS_MAX + 2,),
    )
    return [Refusal(*row) for row in rows.fetchall()]


def _place(connection: sqlite3.Connection, reason: str, origin: bytes) -> tuple[str, bytes]:
    """Return the row to count in: one that exists, a new one while there is room, else a common one."""
    (rows,) = connection.execute("SELECT count(*) FROM refused").fetchone()
    for key in ((reason, origin), (reason, NOBODY)):
        known = connection.execute("SELECT 1 FROM refused WHERE reason = ? AND origin = ?", key).fetchone()
        if known is not None or rows < REFUSED_ROWS_MAX:
            return key
    return _OTHER, NOBODY
