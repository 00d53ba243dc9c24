"""Drafts: typed, not yet saved. A local table, never in the ledger."""

from __future__ import annotations

import sqlite3

from node.errors import N_, Refused
from node.ledger.store import Transaction

DRAFT_BYTES_MAX = 64 * 1024


def save_draft(tx: Transaction, form: str, body: bytes) -> None:
    """Keep what is typed in a form, in place of what was kept before."""
    if len(body) > DRAFT_BYTES_MAX:
        raise Refused("draft.too_long", N_("What is typed is too long to keep as a draft."), N_("Shorten it."))
    tx.connection.execute(
        "INSERT OR REPLACE INTO draft (form, body, saved_ms) VALUES (?, ?, ?)", (form, body, tx.moment.wall_ms)
    )


def drop_draft(tx: Transaction, form: str) -> None:
    """Forget the draft of a form, once it is saved for good."""
    tx.connection.execute("DELETE FROM draft WHERE form = ?", (form,))


def load_draft(connection: sqlite3.Connection, form: str) -> bytes | None:
    """Return what was typed in a form, None where nothing waits."""
    row = connection.execute("SELECT body FROM draft WHERE form = ?", (form,)).fetchone()
    return None if row is None else bytes(row[0])
