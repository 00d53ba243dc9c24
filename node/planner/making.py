"""Make a plan here, keep it as a draft, and accept a draft after judging it again with what only staff know.

Runs in the staff process. Not a planner and not the ledger's acts (`node.actions.plans`): it puts them together. Owns
the rule that nothing is accepted that was not judged against the stock and the needs of this moment.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import msgspec

from node.actions.checks import judged_day
from node.actions.once import done_before
from node.actions.plans import DishToPlan, accept_plan
from node.actions.requests import ask
from node.clock import Moment
from node.domain.diets import Need
from node.domain.lots import Dot
from node.domain.recipes import MEALS, amounts
from node.errors import N_, LarderError, NeedsYes, Refused
from node.language import error_text
from node.ledger.events import PlanAccepted
from node.ledger.read.goods import to_day
from node.ledger.read.plans import accepted_plans
from node.ledger.store import Transaction
from node.planner.cookbook import all_recipes
from node.planner.drafts import HERE, Draft, is_accepted_since, keep_draft
from node.planner.greedy import greedy
from node.planner.naming import name_snapshot
from node.planner.people import Classes, Served, classes_for
from node.planner.plan import Plan, Snapshot, Verdict, snapshot_id
from node.planner.snapshot import foods_of, take_snapshot, usable_recipes
from node.planner.validator import validate
from node.planner.words import fault_text

PEOPLE_MAX = 10_000
DAYS_AHEAD_MAX = 8
REQUEST_KIND = "plan"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A plan made here, judged, not yet kept. `classes` holds the private map and never leaves this process."""

    snapshot: Snapshot
    plan: Plan
    verdict: Verdict
    classes: Classes


def propose(
    connection: sqlite3.Connection,
    needs: Sequence[Need],
    *,
    people: int,
    moment: Moment,
    meals: tuple[str, ...] = ("main",),
    day: date | None = None,
) -> Proposal:
    """Make a plan from what is here now. Nothing is written. Raises Refused for what cannot be planned."""
    _check(people, meals, day or moment.today, moment)
    snapshot, classes = _state(connection, needs, people=people, meals=meals, day=day or moment.today, moment=moment)
    plan = greedy(snapshot)
    return Proposal(snapshot, plan, validate(plan, snapshot, private=classes.private), classes)


def keep_proposal(tx: Transaction, proposal: Proposal, *, ask_central: bool) -> int:
    """Keep a proposal as the draft, its classes for larder-node, and ask the central planner where there is one."""
    tx.connection.execute("DELETE FROM diet_class")
    tx.connection.executemany(
        "INSERT INTO diet_class (label, people, recipes) VALUES (?, ?, ?)",
        [
            (each.label, each.people, msgspec.json.encode(each.recipes).decode("utf-8"))
            for each in proposal.snapshot.classes
        ],
    )
    # Judged again without the needs: what stands in this database says nothing of who avoids what.
    verdict = validate(proposal.plan, proposal.snapshot)
    draft_id = keep_draft(tx, source=HERE, snapshot=proposal.snapshot, plan=proposal.plan, verdict=verdict)
    if ask_central:
        _ask(tx, draft_id)
    return draft_id


def accept_draft(
    tx: Transaction,
    draft: Draft,
    needs: Sequence[Need],
    *,
    action_id: bytes,
    who: int,
    keep: Callable[[Dot, Sequence[Served]], None],
    yes: frozenset[str] = frozenset(),
) -> Dot:
    """Accept a draft as a person's decision and return the plan's name.

    It is judged against the stock, the recipes and the needs of now. `keep` is told for whom its dishes are, before
    the commit. Raises Refused with the first reason against it, and NeedsYes where a person has to decide:
    `plan.accepted_already`, `plan.questions`.
    """
    done = done_before(tx, action_id)
    if done is not None:
        return done.first
    if draft.plan is None:
        raise Refused(
            "plan.unreadable", N_("That proposal could not be read."), N_("Plan again: larder plan --portions N")
        )
    if "plan.accepted_already" not in yes:
        _ask_where_accepted(tx, draft, draft.plan)
    snapshot, classes, verdict = judge_now(tx.connection, draft, needs, tx.moment)
    if verdict.word == "reject":
        raise Refused(
            "plan.rejected",
            N_("The plan cannot be accepted: {reason}"),
            N_("Plan again: larder plan --portions {people}"),
            reason=fault_text(verdict.faults[0]),
            people=draft.snapshot.people,
        )
    if verdict.word == "ask" and "plan.questions" not in yes:
        raise NeedsYes(
            "plan.questions",
            N_("Before this plan is accepted: {reasons}"),
            N_("Say yes to accept it all the same."),
            reasons=" ".join(fault_text(fault) for fault in verdict.faults[:5]),
        )
    recipes = {recipe.recipe_id: recipe for recipe in snapshot.recipes}
    dishes = [
        DishToPlan(dish.recipe_id, dish.meal, dish.total, amounts(recipes[dish.recipe_id], dish.total))
        for dish in draft.plan.dishes
    ]
    day = to_day(date.fromisoformat(snapshot.day))
    assert day is not None
    fact = PlanAccepted(
        name_snapshot(tx, snapshot_id(snapshot)),
        draft.plan.planner,
        snapshot.rules,
        day,
        snapshot.seed,
        verdict.word,
        list(verdict.score),
    )
    plan_id = accept_plan(tx, action_id=action_id, who=who, accepted=fact, dishes=dishes)
    keep(plan_id, served_by(draft.plan, classes))
    return plan_id


def served_by(plan: Plan, classes: Classes) -> list[Served]:
    """Return for whom each dish is, one entry for each kind of people in a class who leave something out."""
    return [
        Served(dish.recipe_id, dish.meal, portions, need.avoid)
        for dish in plan.dishes
        for label, portions in sorted(dish.portions.items())
        for need in classes.private.needs.get(label, ())
        if portions and need.avoid
    ]


def _ask_where_accepted(tx: Transaction, draft: Draft, plan: Plan) -> None:
    """Ask where these people are planned for already: a second press of the key would reserve their food twice.

    So would an answer of the central planner that comes after the plan made here was accepted.
    """
    wanted = sorted((dish.day, dish.meal, dish.recipe_id, dish.total) for dish in plan.dishes)
    for accepted in accepted_plans(tx.connection):
        dishes = [(dish.day.isoformat(), dish.meal, dish.recipe_id, dish.portions) for dish in accepted.dishes]
        is_same = bool(wanted) and sorted(dishes) == wanted
        if not accepted.is_withdrawn and (is_same or is_accepted_since(tx.connection, accepted, draft)):
            raise NeedsYes(
                "plan.accepted_already",
                N_("A plan for these people is accepted already, for {day}."),
                N_("Withdraw it first, or say yes to cook both."),
                day=accepted.day.isoformat(),
            )


def judge_now(
    connection: sqlite3.Connection, draft: Draft, needs: Sequence[Need], moment: Moment
) -> tuple[Snapshot, Classes, Verdict]:
    """Judge a draft against the market of this moment, needs included. Raises Refused where it is about another one."""
    assert draft.plan is not None
    day = date.fromisoformat(draft.snapshot.day)
    today = judged_day(moment)
    if today is not None and day < today:
        raise Refused(
            "plan.day_over",
            N_("That plan was for {day}, which is over."),
            N_("Plan again: larder plan --portions {people}"),
            day=draft.snapshot.day,
            people=draft.snapshot.people,
        )
    snapshot, classes = _state(
        connection, needs, people=draft.snapshot.people, meals=draft.snapshot.meals, day=day, moment=moment
    )
    if snapshot.classes != draft.snapshot.classes:
        raise Refused(
            "plan.people_changed",
            N_("What people eat, or the recipes, have changed since that plan was made."),
            N_("Plan again: larder plan --portions {people}"),
            people=draft.snapshot.people,
        )
    plan = msgspec.structs.replace(draft.plan, snapshot_id=snapshot_id(snapshot))
    return snapshot, classes, validate(plan, snapshot, private=classes.private)


def _state(
    connection: sqlite3.Connection,
    needs: Sequence[Need],
    *,
    people: int,
    meals: tuple[str, ...],
    day: date,
    moment: Moment,
) -> tuple[Snapshot, Classes]:
    recipes = usable_recipes(connection, all_recipes(connection).values())
    classes = classes_for(people, needs, recipes, foods_of(connection, recipes))
    snapshot = take_snapshot(
        connection,
        day=day,
        today=judged_day(moment),
        meals=meals,
        people=people,
        recipes=recipes,
        classes=classes.classes,
    )
    return snapshot, classes


def _check(people: int, meals: tuple[str, ...], day: date, moment: Moment) -> None:
    if not 0 < people <= PEOPLE_MAX:
        raise Refused(
            "plan.portions",
            N_("The portions of a plan are from 1 to {most}."),
            N_("Type for how many people it is."),
            most=PEOPLE_MAX,
        )
    if not meals or any(meal not in MEALS for meal in meals):
        raise Refused(
            "plan.meal", N_("That is no meal that can be planned."), N_("Use one of: {known}."), known=", ".join(MEALS)
        )
    today = judged_day(moment)
    if today is not None and not 0 <= (day - today).days <= DAYS_AHEAD_MAX:
        raise Refused(
            "plan.day",
            N_("A plan is for today or one of the next {most} days."),
            N_("Type another day."),
            most=DAYS_AHEAD_MAX,
        )


def _ask(tx: Transaction, draft_id: int) -> None:
    try:
        ask(tx, REQUEST_KIND, {"draft": draft_id, "waiting": True})
    except LarderError as error:
        # The plan is made and shown; nobody listens, and the status says that larder-node is away.
        tx.connection.execute("UPDATE plan_draft SET reason = ? WHERE id = ?", (error_text(error)[0], draft_id))
