"""Ask larder-node for something, by a row, and read its answer. The one way from staff to the daemon.

Not staff work: whatever is asked, the market goes on without the answer. The body is JSON, so that it can be read by
whoever looks into the database.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

import msgspec

from node.errors import N_, Refused
from node.ledger.store import Transaction

OPEN_REQUESTS_MAX = 64
REQUEST_AGE_MS_MAX = 24 * 60 * 60 * 1000
BODY_BYTES_MAX = 16 * 1024
KIND_CHARACTERS_MAX = 40
ANSWER_CHARACTERS_MAX = 4_000

_OPEN, _ANSWERED = "open", "answered"


@dataclass(frozen=True, slots=True)
class Request:
    """Something asked of larder-node that has no answer yet."""

    id: int
    kind: str
    body: dict[str, Any]
    asked_ms: int


def ask(tx: Transaction, kind: str, body: dict[str, Any]) -> int:
    """Ask for something and return the number of the request; the same thing asked twice is one request.

    Raises Refused where too many wait: then nobody answers, and one more would help nobody.
    """
    encoded = msgspec.json.encode(body, order="deterministic")
    if not kind or len(kind) > KIND_CHARACTERS_MAX or len(encoded) > BODY_BYTES_MAX:
        raise ValueError("a request has a short kind and a small body")
    _drop_old(tx)
    same = tx.connection.execute(
        "SELECT id FROM request WHERE state = ? AND kind = ? AND body = ?", (_OPEN, kind, encoded)
    ).fetchone()
    if same is not None:
        return int(same[0])
    (waiting,) = tx.connection.execute("SELECT count(*) FROM request WHERE state = ?", (_OPEN,)).fetchone()
    if waiting >= OPEN_REQUESTS_MAX:
        raise Refused(
            "request.too_many",
            N_("{count} requests wait for larder-node already."),
            N_("Start larder-node; selling and counting need no request."),
            count=waiting,
        )
    row = tx.connection.execute(
        "INSERT INTO request (kind, body, asked_ms, state, answer) VALUES (?, ?, ?, ?, '') RETURNING id",
        (kind, encoded, tx.moment.wall_ms, _OPEN),
    ).fetchone()
    return int(row[0])


def open_requests(connection: sqlite3.Connection, limit: int = OPEN_REQUESTS_MAX) -> list[Request]:
    """Return what waits for an answer, oldest first."""
    rows = connection.execute(
        "SELECT id, kind, body, asked_ms FROM request WHERE state = ? ORDER BY id LIMIT ?",
        (_OPEN, min(limit, OPEN_REQUESTS_MAX)),
    )
    return [
        Request(number, kind, msgspec.json.decode(body), asked_ms) for number, kind, body, asked_ms in rows.fetchall()
    ]


def answer(tx: Transaction, request_id: int, text: str) -> None:
    """Answer a request in words. One that was dropped meanwhile is left alone."""
    tx.connection.execute(
        "UPDATE request SET state = ?, answer = ? WHERE id = ?", (_ANSWERED, text[:ANSWER_CHARACTERS_MAX], request_id)
    )


def answered(connection: sqlite3.Connection, request_id: int) -> str | None:
    """Return the answer to a request, None while there is none."""
    row = connection.execute(
        "SELECT answer FROM request WHERE id = ? AND state = ?", (request_id, _ANSWERED)
    ).fetchone()
    return None if row is None else str(row[0])


def _drop_old(tx: Transaction) -> None:
    # A clock that was set back makes a request look as if it came from later than a day ahead: dropped as well.
    tx.connection.execute("DELETE FROM request WHERE abs(? - asked_ms) > ?", (tx.moment.wall_ms, REQUEST_AGE_MS_MAX))


def drop(tx: Transaction, request_id: int) -> None:
    """Take a request out of the table once its answer was read."""
    tx.connection.execute("DELETE FROM request WHERE id = ?", (request_id,))
