"""Drafts of plans: what was proposed, by whom, for which snapshot, and how it was judged. Local rows, never facts.

Not the acceptance (`accepting`). Nothing private is in a row: labels of classes, sizes and recipes only.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

import msgspec

from node.ledger.read.plans import AcceptedPlan
from node.ledger.store import Transaction
from node.planner.plan import Plan, Snapshot, Verdict, canonical_bytes, snapshot_id

HERE = "here"
CENTRAL = "central"
# Drafts kept; the oldest go first. A draft with a thousand lots is about 150 kB.
DRAFTS_MAX = 20
DRAFT_AGE_MS_MAX = 90 * 24 * 3600 * 1000


@dataclass(frozen=True, slots=True)
class Draft:
    """One proposal with its judgement. `source` is `here` or `central`, `reason` a sentence on why it is that one.

    `plan` is None where the proposal could not even be read; `verdict.faults` says why.
    """

    draft_id: int
    source: str
    snapshot: Snapshot
    plan: Plan | None
    verdict: Verdict
    planner: str
    reason: str
    made_ms: int


def keep_draft(
    tx: Transaction, *, source: str, snapshot: Snapshot, plan: Plan | None, verdict: Verdict, reason: str = ""
) -> int:
    """Keep a proposal and return its number. Old ones go."""
    row = tx.connection.execute(
        "INSERT INTO plan_draft (snapshot_id, source, planner, snapshot, plan, verdict, faults, score, reason, made_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            bytes.fromhex(snapshot_id(snapshot)),
            source,
            plan.planner if plan else "",
            canonical_bytes(snapshot),
            msgspec.json.encode(plan, order="deterministic"),
            verdict.word,
            msgspec.json.encode(verdict.faults).decode("utf-8"),
            msgspec.msgpack.encode(verdict.score),
            reason,
            tx.moment.wall_ms,
        ),
    ).fetchone()
    tx.connection.execute(
        "DELETE FROM plan_draft WHERE abs(? - made_ms) > ? OR id <= (SELECT max(id) FROM plan_draft) - ?",
        (tx.moment.wall_ms, DRAFT_AGE_MS_MAX, DRAFTS_MAX),
    )
    return int(row[0])


def newest_draft(connection: sqlite3.Connection, source: str = HERE) -> Draft | None:
    """Return the last proposal of a source, whatever its verdict."""
    row = connection.execute(f"{_DRAFTS} WHERE source = ? ORDER BY id DESC LIMIT 1", (source,)).fetchone()
    return None if row is None else _draft(row)


def drafts_of(connection: sqlite3.Connection, source: str) -> list[Draft]:
    """Return every proposal of a source, the oldest first."""
    rows = connection.execute(f"{_DRAFTS} WHERE source = ? ORDER BY id LIMIT ?", (source, DRAFTS_MAX)).fetchall()
    return [_draft(row) for row in rows]


def find_draft(connection: sqlite3.Connection, draft_id: int) -> Draft | None:
    """Return one proposal by its number."""
    row = connection.execute(f"{_DRAFTS} WHERE id = ?", (draft_id,)).fetchone()
    return None if row is None else _draft(row)


def offered_draft(connection: sqlite3.Connection) -> Draft | None:
    """Return the proposal to show: a better valid one from elsewhere for the newest local snapshot, else that one."""
    local = newest_draft(connection)
    if local is None:
        return None
    rows = connection.execute(
        f"{_DRAFTS} WHERE source <> ? AND snapshot_id = ? AND verdict IN ('ok', 'ask') ORDER BY id DESC LIMIT ?",
        (HERE, bytes.fromhex(snapshot_id(local.snapshot)), DRAFTS_MAX),
    ).fetchall()
    better = [draft for draft in map(_draft, rows) if draft.plan and draft.verdict.score < local.verdict.score]
    return min(better, key=lambda draft: (draft.verdict.score, draft.draft_id), default=local)


def is_accepted_since(connection: sqlite3.Connection, accepted: AcceptedPlan, draft: Draft) -> bool:
    """Tell whether a plan was accepted for the day of a draft since its people were planned for, whoever made either.

    An answer of the central planner is about the people of the local draft, which is older.
    """
    row = connection.execute(
        "SELECT max(made_ms) FROM plan_draft WHERE source = ? AND snapshot_id = ?",
        (HERE, bytes.fromhex(snapshot_id(draft.snapshot))),
    ).fetchone()
    asked_ms = draft.made_ms if row[0] is None else min(draft.made_ms, row[0])
    return accepted.day.isoformat() == draft.snapshot.day and accepted.accepted_ms >= asked_ms


def forget_drafts(tx: Transaction) -> None:
    """Drop every draft, the classes, and what was asked with them."""
    for table in ("plan_draft", "diet_class", "plan_cache"):
        tx.connection.execute(f"DELETE FROM {table}")


_DRAFTS = "SELECT id, source, snapshot, plan, verdict, faults, score, planner, reason, made_ms FROM plan_draft"


def _draft(row: tuple[int, str, bytes, bytes, str, str, bytes, str, str, int]) -> Draft:
    draft_id, source, snapshot, plan, word, faults, score, planner, reason, made_ms = row
    verdict = msgspec.convert(
        {"word": word, "faults": msgspec.json.decode(faults), "score": msgspec.msgpack.decode(score)}, Verdict
    )
    return Draft(
        draft_id,
        source,
        msgspec.json.decode(snapshot, type=Snapshot),
        msgspec.json.decode(plan, type=Plan | None),
        verdict,
        planner,
        reason,
        made_ms,
    )
