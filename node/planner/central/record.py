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
from node.planner.drafts import CENTRAL, Draft, keep_draft, newest_draft
from node.planner.plan import RULES_VERSION, Fault, Snapshot, Verdict, snapshot_id

NO_ANSWER = "NO_ANSWER"
FAULTS_KEPT_MAX = 20


def keep_judged(tx: Transaction, judged: Judged, ours: Snapshot) -> int:
    """Append the verdict and keep the proposal; return the draft's number."""
    Appender(tx).append(
        VerdictReached(
            bytes.fromhex(snapshot_id(ours)), judged.planner, RULES_VERSION, judged.verdict.word, judged.codes
        ),
        who=0,
    )
    verdict = msgspec.structs.replace(judged.verdict, faults=judged.verdict.faults[:FAULTS_KEPT_MAX])
    _drop_unanswered(tx, ours)
    return keep_draft(tx, source=CENTRAL, snapshot=ours, plan=judged.plan, verdict=verdict, reason=judged.reason)


def keep_unanswered(tx: Transaction, error: LarderError, ours: Snapshot) -> int:
    """Keep that a question got no answer and why, in place of the last such row; return the draft's number.

    In place, so that a planner that is gone for a week does not push out the local draft, one failure after another.
    """
    _drop_unanswered(tx, ours)
    fault = Fault(NO_ANSWER, "", error.message, {name: str(value) for name, value in error.values.items()})
    return keep_draft(
        tx,
        source=CENTRAL,
        snapshot=ours,
        plan=None,
        verdict=Verdict("reject", (fault,)),
        reason=error_text(error)[0],
    )


def is_unanswered(draft: Draft) -> bool:
    """Tell whether a row of the central planner says that nothing came."""
    return [fault.code for fault in draft.verdict.faults] == [NO_ANSWER]


def _drop_unanswered(tx: Transaction, ours: Snapshot) -> None:
    last = newest_draft(tx.connection, CENTRAL)
    if last is not None and is_unanswered(last) and snapshot_id(last.snapshot) == snapshot_id(ours):
        tx.connection.execute("DELETE FROM plan_draft WHERE id = ?", (last.draft_id,))
