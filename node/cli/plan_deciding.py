"""The decisions about a plan as verbs: accept it, withdraw it, say that a dish was cooked, forget, acknowledge.

Not the plan and not what is asked about it (`planning`).
"""

from __future__ import annotations

from functools import partial

import msgspec

from node import clock
from node.actions.plans import Cooked, withdraw_plan
from node.cli.asking import act_after_questions
from node.cli.desk import Desk, Writing, writing
from node.cli.output import answer
from node.cli.plan_answers import LinesAnswer
from node.errors import N_, Refused
from node.language import _
from node.ledger.read.goods import item
from node.planner.cooking import cook_planned
from node.planner.drafts import Draft, forget_drafts, offered_draft
from node.planner.making import accept_draft
from node.planner.private import forget_needs, keep_served, load_needs, load_served
from node.planner.view import plan_view
from node.planner.words import amount_text


class PlanDoneAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What accepting, withdrawing and cooking print with --json."""

    format: str = "larder-plan-done/1"
    saved: bool = True
    done: str
    plan_id: str
    action_id: str
    lines: list[str]


def made_draft(found: Draft | None) -> Draft:
    """Return a draft that there is. Raises Refused."""
    if found is None or found.plan is None:
        raise Refused("plan.none", N_("Nothing is planned."), N_("Make a plan with: larder plan --portions 40"))
    return found


def accept_plan(desk: Desk, action_id: bytes, *, is_yes: bool) -> None:
    """Accept the plan that is shown."""
    with writing(desk) as market:
        draft = made_draft(offered_draft(market.reader))
        needs = load_needs(desk.places)
        plan_id = act_after_questions(
            market,
            "plan",
            lambda tx, who, said: accept_draft(
                tx, draft, needs, action_id=action_id, who=who, keep=partial(keep_served, desk.places), yes=said
            ),
            is_yes=is_yes,
        )
        assert draft.plan is not None
        titles = {recipe.recipe_id: recipe.title for recipe in draft.snapshot.recipes}
        lines = [
            _("accepted: {portions} {title}").format(portions=dish.total, title=titles[dish.recipe_id])
            for dish in draft.plan.dishes
        ]
        _tell_done(desk, "accepted", str(plan_id), action_id, lines)


def withdraw_accepted(desk: Desk, action_id: bytes, reason: str | None) -> None:
    """Take the accepted plan back."""
    with writing(desk) as market:
        plan = plan_view(market.reader, desk.places, clock.now()).accepted_plan
        if plan is None:
            raise Refused("plan.none_accepted", N_("No plan is accepted."), N_("Nothing was changed."))
        market.act(
            "plan", lambda tx, who: withdraw_plan(tx, action_id=action_id, who=who, plan=plan.plan_id, reason=reason)
        )
        line = _("withdrawn: the plan for {day}; what it had reserved is free").format(day=plan.day.isoformat())
        _tell_done(desk, "withdrawn", str(plan.plan_id), action_id, [line])


def cook_dish(desk: Desk, named: str, portions: int | None, action_id: bytes, *, is_yes: bool) -> None:
    """Record that the one dish so named was cooked, and say what left the stock."""
    with writing(desk) as market:
        rows = plan_view(market.reader, desk.places, clock.now()).accepted
        if not rows:
            raise Refused("plan.none_accepted", N_("No plan is accepted."), N_("Nothing was changed."))
        wanted = named.strip().lower()
        found = [row for row in rows if wanted in {row.title.lower(), row.dish.recipe_id, str(row.dish.dish_id)}]
        found = found or [row for row in rows if wanted and wanted in row.title.lower()]
        if len({row.dish.recipe_id for row in found}) == 1:
            # Of one dish planned twice, the one still to cook is meant, and today's before yesterday's.
            found = sorted(found, key=lambda row: (row.dish.cooked_portions is not None, row.is_late))[:1]
        if len(found) != 1:
            raise Refused(
                "dish.unknown",
                N_("That is not one dish of the accepted plan."),
                N_("Name one: {titles}"),
                titles=", ".join(row.title for row in rows),
            )
        row = found[0]
        avoided = [
            each.avoid for each in load_served(desk.places, row.dish.plan_id) if each.recipe_id == row.dish.recipe_id
        ]
        cooked = act_after_questions(
            market,
            "plan",
            lambda tx, who, said: cook_planned(
                tx, action_id=action_id, who=who, dish=row.dish.dish_id, avoided=avoided, portions=portions, yes=said
            ),
            is_yes=is_yes,
        )
        lines = [_cooked_line(cooked, row.title), *_taken_lines(market, cooked)]
        _tell_done(desk, "cooked", str(row.dish.plan_id), action_id, lines)


def _cooked_line(cooked: Cooked, title: str) -> str:
    line = _("cooked: {portions} {title}").format(portions=cooked.portions, title=title)
    if cooked.portions == cooked.dish.portions:
        return line
    return _("{line}, planned were {planned}").format(line=line, planned=cooked.dish.portions)


def _taken_lines(market: Writing, cooked: Cooked) -> list[str]:
    lines = []
    for take in cooked.takes:
        found = item(market.reader, take.lot.item_id)
        name = found.name if found else take.lot.item_id
        lines.append(
            _("issued {name} {amount}, lot {lot}").format(
                name=name, amount=amount_text(take.quantity_milli, take.lot.unit), lot=take.lot.label
            )
        )
    return lines


def forget_all(desk: Desk) -> None:
    """Erase what people leave out, and the drafts made from it."""
    with writing(desk) as market:
        market.act("plan", lambda tx, _who: forget_drafts(tx))
        forget_needs(desk.places)
        market.empty_log()
    line = _("erased: what people leave out, and the drafts made from it")
    answer(desk, LinesAnswer(lines=[line]), [line])


def acknowledge_fault(desk: Desk) -> None:
    """Let the central planner be asked again after an allergen fault."""
    # Loaded only here: no other verb needs the breakers.
    from node.planner.central.breaker import acknowledge_allergen_fault

    with writing(desk) as market:
        was_held = market.act("plan", lambda tx, _who: acknowledge_allergen_fault(tx))
    line = _("the central planner may be asked again") if was_held else _("there was nothing to acknowledge")
    answer(desk, LinesAnswer(lines=[line]), [line])


def _tell_done(desk: Desk, done: str, plan_id: str, action_id: bytes, lines: list[str]) -> None:
    value = PlanDoneAnswer(done=done, plan_id=plan_id, action_id=action_id.hex(), lines=lines)
    saved = [_("saved: {line}").format(line=lines[0]), *lines[1:], _("action {id}").format(id=action_id.hex())]
    answer(desk, value, saved)
