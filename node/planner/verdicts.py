"""What became of every proposal of a central planner: the verdicts in the ledger, with the sentences kept here.

Not the judge. The ledger has the codes of every market of the group; the sentences, which name lots, stay local and
only as long as the drafts do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from node.planner.drafts import CENTRAL, drafts_of
from node.planner.naming import named_snapshot
from node.planner.plan import snapshot_id
from node.planner.words import fault_text
from node.text import safe_text

VERDICTS_MAX = 20
SENTENCES_MAX = 3
PLANNER_CELLS = 40
CODES_CELLS = 80
WORD_CELLS = 10


@dataclass(frozen=True, slots=True)
class StoredVerdict:
    """One verdict as it stands in the ledger. `origin` is the market that judged, `word` ok, ask or reject."""

    origin: bytes
    planner: str
    word: str
    codes: str
    sentences: tuple[str, ...]


def stored_verdicts(connection: sqlite3.Connection, limit: int = VERDICTS_MAX) -> list[StoredVerdict]:
    """Return the last verdicts, newest first, with the sentences of the drafts that are still here."""
    rows = connection.execute(
        "SELECT member, planner, verdict, codes, snapshot_id FROM verdict ORDER BY hlc DESC, stream, seq DESC LIMIT ?",
        (min(limit, VERDICTS_MAX),),
    ).fetchall()
    told = {
        (
            named_snapshot(connection, snapshot_id(draft.snapshot)),
            _key(fault.code for fault in draft.verdict.faults),
        ): draft.verdict.faults
        for draft in drafts_of(connection, CENTRAL)
    }
    return [
        StoredVerdict(
            member,
            safe_text(planner, PLANNER_CELLS),
            safe_text(word, WORD_CELLS),
            safe_text(codes, CODES_CELLS),
            tuple(fault_text(fault) for fault in told.get((name, _key(codes.split())), ())[:SENTENCES_MAX]),
        )
        for member, planner, word, codes, name in rows
    ]


def _key(codes: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(codes)))
