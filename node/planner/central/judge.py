"""What becomes of a proposal: refused, kept aside because the local plan is as good, or offered to a person.

Not the validator, which it asks, and not a store. Owns the rule that nothing of the planner's is offered unless the
validator passed it and its score beats the plan made here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from node.language import _
from node.planner.central.request import Asked
from node.planner.central.sharing import in_our_words
from node.planner.plan import Plan, Snapshot, Verdict
from node.planner.score import score
from node.planner.validator import validate, validate_bytes
from node.planner.words import fault_text
from node.text import safe_text

# What a node without anybody's needs can see of an allergen: a dish that is not on a class's list.
ALLERGEN_CODES = frozenset({"DIET", "ALLERGEN", "ALLERGEN_UNKNOWN"})
# Rules of single recipes, for which a request has no field: breaking one is nothing that the planner did wrong.
UNTOLD_CODES = frozenset({"BATCH_MIN", "BATCH_MAX"})
PLANNER_CELLS_MAX = 60
REASON_CELLS_MAX = 300
REASONS_SHOWN_MAX = 20
UNKNOWN_PLANNER = "?"


@dataclass(frozen=True, slots=True)
class Judged:
    """A proposal and what becomes of it. `plan` is in our own words, of a refused one as it came (None: unreadable).

    `is_sound` says whether the planner did its part; `is_allergen_fault` whether a person has to see this.
    """

    word: Literal["offered", "kept", "refused"]
    planner: str
    verdict: Verdict
    plan: Plan | None
    reason: str
    is_sound: bool
    is_allergen_fault: bool

    @property
    def codes(self) -> list[str]:
        """Return the codes of its faults, each once."""
        return sorted({fault.code for fault in self.verdict.faults})


def judge(raw: bytes, asked: Asked, ours: Snapshot, local: Plan, *, today: str | None = None) -> Judged:
    """Judge a body for the question it answers; `local` is the plan made here for the snapshot `ours`."""
    proposed, verdict = validate_bytes(raw, asked.snapshot, today=today)
    planner = safe_text(proposed.planner, PLANNER_CELLS_MAX) if proposed else UNKNOWN_PLANNER
    if proposed is None or verdict.word == "reject":
        codes = {fault.code for fault in verdict.faults}
        sentence = _("The central planner's plan was refused: {reason}").format(reason=fault_text(verdict.faults[0]))
        return Judged(
            "refused",
            planner,
            verdict,
            proposed and _safe(proposed, planner),
            sentence,
            is_sound=codes <= UNTOLD_CODES,
            is_allergen_fault=bool(codes & ALLERGEN_CODES),
        )
    plan, verdict = _best(in_our_words(asked, proposed, ours), ours, local, today)
    plan = _safe(plan, planner)
    if verdict.word == "reject":
        sentence = _("The central planner's plan does not fit here: {reason}").format(
            reason=fault_text(verdict.faults[0])
        )
        return Judged("refused", planner, verdict, plan, sentence, is_sound=True, is_allergen_fault=False)
    if verdict.score >= score(local, ours):
        return Judged(
            "kept",
            planner,
            verdict,
            plan,
            _("The plan made here is as good or better."),
            is_sound=True,
            is_allergen_fault=False,
        )
    return Judged("offered", planner, verdict, plan, "", is_sound=True, is_allergen_fault=False)


def _safe(plan: Plan, planner: str) -> Plan:
    return msgspec.structs.replace(plan, planner=planner, reasons=_printable(plan.reasons))


def _best(variants: list[Plan], ours: Snapshot, local: Plan, today: str | None) -> tuple[Plan, Verdict]:
    judged = [(plan, validate(plan, ours, baseline=local, today=today)) for plan in variants]
    return min(judged, key=lambda pair: (pair[1].word == "reject", pair[1].score))


def _printable(reasons: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(safe_text(reason, REASON_CELLS_MAX) for reason in reasons[:REASONS_SHOWN_MAX])
