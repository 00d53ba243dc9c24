"""Answers already paid for, in table `plan_cache`: the same question is not asked twice in a day.

Not a store of plans to cook: whatever comes out of here is judged again like a new answer. The key covers what an
answer depends on (stock, recipes, classes, rules, schema, day, seed by way of the snapshot's id, and the planner's
address), so a lot that was sold, recalled or spoiled gives another key. A planner's version is known only from its
answers; a new one is heard after a day at the latest.
"""

from __future__ import annotations

import sqlite3
from hashlib import sha256

import msgspec

from node.ledger.store import Transaction
from node.planner.central.request import Asked

AGE_MS_MAX = 24 * 60 * 60 * 1000
ROWS_MAX = 16


class CachedReply(msgspec.Struct, frozen=True, array_like=True):
    """An answer: under which Idempotency-Key it came, and its bytes."""

    idempotency_key: str
    body: bytes


def cache_key(asked: Asked, url: str) -> bytes:
    """Return the key of a question to one planner."""
    return sha256(url.encode() + b"\n" + asked.body).digest()


def cached_reply(connection: sqlite3.Connection, key: bytes, wall_ms: int) -> CachedReply | None:
    """Return an answer of the last 24 hours; one from the future counts as stale, its clock was wrong."""
    row = connection.execute("SELECT body, made_ms FROM plan_cache WHERE key = ?", (key,)).fetchone()
    if row is None or not 0 <= wall_ms - row[1] < AGE_MS_MAX:
        return None
    try:
        return msgspec.msgpack.decode(row[0], type=CachedReply)
    except msgspec.DecodeError:
        return None  # of other software; asking again replaces it


def keep_reply(tx: Transaction, key: bytes, reply: CachedReply) -> None:
    """Keep an answer in place of an older one to the same question, and drop the oldest beyond the bound."""
    tx.connection.execute(
        "INSERT OR REPLACE INTO plan_cache (key, body, made_ms) VALUES (?, ?, ?)",
        (key, msgspec.msgpack.encode(reply), tx.moment.wall_ms),
    )
    tx.connection.execute(
        "DELETE FROM plan_cache WHERE key NOT IN (SELECT key FROM plan_cache ORDER BY made_ms DESC, key LIMIT ?)",
        (ROWS_MAX,),
    )
