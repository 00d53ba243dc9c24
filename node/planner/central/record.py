"""What is kept of each question: the verdict as a fact, the proposal with its faults as a draft beside the local one.

Not the accepting: a person does that. Where nothing came, the draft's verdict is `reject` with the code NO_ANSWER.
"""

from __future__ import annotations

import msgspec

from node.errors import LarderError
from node.language import error_text
from node.ledger.append import Appender
from node.ledger.events import VerdictReached
from node.ledger.store import Transaction
from node.planner.central.judge import Judged
from node.planner.drafts import CENTRAL, HERE, Draft, keep_draft, newest_draft
from node.planner.naming import name_snapshot
from node.planner.plan import RULES_VERSION, Fault, Snapshot, Verdict, snapshot_id

NO_ANSWER = "NO_ANSWER"
FAULTS_KEPT_MAX = 20


def keep_judged(tx: Transaction, judged: Judged, ours: Snapshot) -> None:
    """Append the verdict, and keep the proposal where the plan it was asked for still stands."""
    Appender(tx).append(
        VerdictReached(
            name_snapshot(tx, snapshot_id(ours)), judged.planner, RULES_VERSION, judged.verdict.word, judged.codes
        ),
        who=0,
    )
    if not is_wanted(tx, ours):
        return
    verdict = msgspec.structs.replace(judged.verdict, faults=judged.verdict.faults[:FAULTS_KEPT_MAX])
    _drop_unanswered(tx, ours)
    keep_draft(tx, source=CENTRAL, snapshot=ours, plan=judged.plan, verdict=verdict, reason=judged.reason)


def keep_unanswered(tx: Transaction, error: LarderError, ours: Snapshot) -> None:
    """Keep that a question got no answer and why, in place of the last such row.

    In place, so that a planner that is gone for a week does not push out the local draft, one failure after another.
    """
    if not is_wanted(tx, ours):
        return
    _drop_unanswered(tx, ours)
    fault = Fault(NO_ANSWER, "", error.message, {name: str(value) for name, value in error.values.items()})
    keep_draft(
        tx,
        source=CENTRAL,
        snapshot=ours,
        plan=None,
        verdict=Verdict("reject", (fault,)),
        reason=error_text(error)[0],
    )


def is_wanted(tx: Transaction, ours: Snapshot) -> bool:
    """Tell whether the local plan for a snapshot is still there: an answer brings nothing back that was erased."""
    row = tx.connection.execute(
        "SELECT 1 FROM plan_draft WHERE source = ? AND snapshot_id = ? LIMIT 1",
        (HERE, bytes.fromhex(snapshot_id(ours))),
    ).fetchone()
    return row is not None


def is_unanswered(draft: Draft) -> bool:
    """Tell whether a row of the central planner says that nothing came."""
    return [fault.code for fault in draft.verdict.faults] == [NO_ANSWER]


def _drop_unanswered(tx: Transaction, ours: Snapshot) -> None:
    last = newest_draft(tx.connection, CENTRAL)
    if last is not None and is_unanswered(last) and snapshot_id(last.snapshot) == snapshot_id(ours):
        tx.connection.execute("DELETE FROM plan_draft WHERE id = ?", (last.draft_id,))
