"""What `larder shelf` says with --json: typed, with the unit in each key's name."""

from __future__ import annotations

import msgspec

from node.actions.shelves_decided import Confirmed
from node.actions.shelves_kept import KeptStep, Suspicion
from node.cold.shelf_now import ShelfNow
from node.domain.shelf import count_by_weight

HOUR_MS = 3_600_000


class ShelfItemAnswer(msgspec.Struct, frozen=True):
    """An item on a shelf."""

    item_id: str
    unit_mg: int
    spread_mg: int


class ShelfAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A shelf. `quality` is of its scale's newest word; with any but GOOD there is no weight.

    `count` and `plus_minus` are by weight alone, null where that says nothing.
    """

    name: str
    sensor: str
    is_trusted: bool
    phase: str
    quality: str
    reason: str
    age_s: int | None
    problem: str
    weight_mg: int | None
    count: int | None
    plus_minus: int | None
    items: list[ShelfItemAnswer]


class CandidateAnswer(msgspec.Struct, frozen=True):
    """What may have happened; item_id "" for nothing. Out is negative."""

    item_id: str
    units: int
    probability_milli: int


class StepAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A step. `reason` "" is a proposal, else why it is a question; `at_ms` since 1970 UTC or null."""

    step: int
    shelf: str
    state: str
    reason: str
    at_ms: int | None
    before_mg: int
    after_mg: int
    candidates: list[CandidateAnswer]
    item_id: str | None
    units: int | None
    back_milli: int
    action_id: str | None
    is_taken_back: bool


class SuspicionAnswer(msgspec.Struct, frozen=True):
    """What expired undecided of an item since it was last counted."""

    item_id: str
    steps: int
    units: int


class ShelvesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder shelf --json` prints. `is_kept` is false where new steps could not be written now."""

    format: str = "larder-shelves/1"
    shelves: list[ShelfAnswer]
    steps: list[StepAnswer]
    suspicions: list[SuspicionAnswer]
    is_kept: bool


class ShelfSavedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What setting, taring and forgetting a shelf print with --json. `zero`: where a tare is kept."""

    format: str = "larder-shelf/1"
    saved: bool = True
    shelf: str
    zero: str | None = None


class DecidedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What confirming and dismissing print with --json; `left` are steps that wait on, each with why."""

    format: str = "larder-shelf-decided/1"
    saved: bool = True
    decided: list[StepAnswer]
    left: list[str]


def shelf_answer(now: ShelfNow, wall_ms: int) -> ShelfAnswer:
    """Return a shelf for JSON."""
    shelf = now.shelf
    since_h = None if now.tared_ms is None else (wall_ms - now.tared_ms) / HOUR_MS
    counted = None if now.weight_mg is None else count_by_weight(now.weight_mg, shelf.items, now.noise_mg, since_h)
    return ShelfAnswer(
        name=shelf.name,
        sensor=shelf.sensor,
        is_trusted=shelf.is_trusted,
        phase=now.phase,
        quality=now.fresh.quality,
        reason=now.fresh.reason,
        age_s=now.fresh.age_s,
        problem=now.problem,
        weight_mg=now.weight_mg,
        count=None if counted is None else counted.units,
        plus_minus=None if counted is None else counted.plus_minus,
        items=[ShelfItemAnswer(item.item_id, item.unit_mg, item.spread_mg) for item in shelf.items],
    )


def step_answer(step: KeptStep) -> StepAnswer:
    """Return a step for JSON."""
    return StepAnswer(
        step=step.step_id,
        shelf=step.shelf,
        state=step.state,
        reason=step.reason,
        at_ms=step.at_ms,
        before_mg=step.before_mg,
        after_mg=step.after_mg,
        candidates=[CandidateAnswer(each.item_id, each.units, each.probability_milli) for each in step.candidates],
        item_id=step.item_id,
        units=step.units,
        back_milli=step.back_milli,
        action_id=None if step.action_id is None else step.action_id.hex(),
        is_taken_back=step.is_undone,
    )


def suspicion_answer(found: Suspicion) -> SuspicionAnswer:
    """Return a suspicion for JSON."""
    return SuspicionAnswer(found.item_id, found.steps, found.units)


def decided_answer(decided: list[Confirmed] | list[KeptStep], left: list[str]) -> DecidedAnswer:
    """Return decided steps for JSON."""
    steps = [each.step if isinstance(each, Confirmed) else each for each in decided]
    return DecidedAnswer(decided=[step_answer(step) for step in steps], left=left)
