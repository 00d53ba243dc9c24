"""`larder plan`: what to cook from what is here, why, why not, and the three decisions about it.

Not the planner. The plan made here is printed at once; what the central planner offers later is shown by the next call.
What somebody leaves out is kept in the private file alone, and no answer here says whose it is.
"""

from __future__ import annotations

from datetime import date
from functools import partial

import click
import msgspec

from node import clock
from node.actions.plans import Cooked, withdraw_plan
from node.cli.asking import act_after_questions
from node.cli.desk import Desk, Writing, reading, writing
from node.cli.options import as_json, confirmed, repeatable
from node.cli.output import answer
from node.cli.plan_answers import need_lines, plan_answer, plan_lines
from node.cli.verdicts import tell_verdicts
from node.domain.dates import parse_date
from node.domain.diets import Need, read_needs
from node.domain.recipes import MEALS
from node.errors import N_, LocalFault, Refused
from node.language import _
from node.ledger.read.goods import item
from node.planner.cookbook import find_recipe
from node.planner.cooking import cook_planned
from node.planner.drafts import Draft, forget_drafts, newest_draft, offered_draft
from node.planner.explain import Explainer
from node.planner.making import accept_draft, keep_proposal, propose
from node.planner.private import forget_needs, keep_needs, keep_served, load_needs, load_served
from node.planner.snapshot import all_foods
from node.planner.view import PlanView, plan_view
from node.planner.words import amount_text, why_lines, why_not_line, why_not_lines
from node.settings import load_settings

ALL = "all"


class LinesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the other questions print with --json: sentences."""

    format: str = "larder-plan-lines/1"
    lines: list[str]


class PlanDoneAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What accepting, withdrawing and cooking print with --json."""

    format: str = "larder-plan-done/1"
    saved: bool = True
    done: str
    plan_id: str
    action_id: str
    lines: list[str]


@click.command(
    "plan",
    help=_("Plan tonight's meal from what is here: larder plan --portions 40 --without nuts=2 --without vegan=3"),
)
@click.option("--portions", type=click.IntRange(1, 10_000), metavar="N", help=_("Make a new plan for so many people."))
@click.option(
    "--without",
    multiple=True,
    metavar="WHAT[=N]",
    help=_("N people eat nothing with it: an allergen, vegan, vegetarian, meat, pork, alcohol, or a food's name."),
)
@click.option("--meal", type=click.Choice(MEALS), help=_("Which meal; main where nothing is said."))
@click.option("--day", metavar="DATE", help=_("Which day; today where nothing is said."))
@click.option("--why", "why_dish", metavar="DISH", help=_("Why a dish is in the plan; 'all' for every one."))
@click.option("--why-not", "why_not_recipe", metavar="RECIPE", help=_("Why a recipe is not; 'all' for every one."))
@click.option("--verdicts", is_flag=True, help=_("What became of the central planner's proposals, and why."))
@click.option("--accept", is_flag=True, help=_("Accept the plan: its food is reserved."))
@click.option("--withdraw", is_flag=True, help=_("Take the accepted plan back."))
@click.option("--cook", "cook", metavar="DISH", help=_("Say that a dish of the accepted plan was cooked."))
@click.option("--forget", is_flag=True, help=_("Erase what people leave out, and the drafts made from it."))
@click.option("--acknowledge", is_flag=True, help=_("Let the central planner be asked again after an allergen fault."))
@confirmed
@repeatable
@as_json
@click.pass_obj
def plan_verb(
    desk: Desk,
    portions: int | None,
    without: tuple[str, ...],
    meal: str | None,
    day: str | None,
    why_dish: str | None,
    why_not_recipe: str | None,
    verdicts: bool,
    accept: bool,
    withdraw: bool,
    cook: str | None,
    forget: bool,
    acknowledge: bool,
    yes: bool,
    action_id: bytes,
) -> None:
    """Make or show a plan, or do one of the things people decide about it."""
    makes = portions is not None or bool(without) or meal is not None or day is not None
    chosen = [makes, why_dish, why_not_recipe, verdicts, accept, withdraw, cook, forget, acknowledge]
    if sum(1 for each in chosen if each) > 1:
        raise click.UsageError(_("one thing at a time: make a plan, ask why, accept, withdraw or cook"))
    if makes:
        _make(desk, portions, without, meal, day)
    elif why_dish or why_not_recipe:
        _explain(desk, why_dish, why_not_recipe)
    elif verdicts:
        tell_verdicts(desk)
    elif accept:
        _accept(desk, action_id, is_yes=yes)
    elif withdraw:
        _withdraw(desk, action_id)
    elif cook:
        _cook(desk, cook, action_id, is_yes=yes)
    elif forget:
        _forget(desk)
    elif acknowledge:
        _acknowledge(desk)
    else:
        _show(desk)


def _make(desk: Desk, portions: int | None, without: tuple[str, ...], meal: str | None, day: str | None) -> None:
    moment = clock.now()
    wanted: date | None = parse_date(day, moment.today) if day else None
    with writing(desk) as market:
        last = newest_draft(market.reader)
        people = portions or (last.snapshot.people if last else None)
        if people is None:
            raise click.UsageError(_("for how many people? Add --portions N"))
        needs = read_needs(without, all_foods(market.reader)) if without else load_needs(desk.places)
        proposal = propose(market.reader, needs, people=people, moment=moment, meals=(meal or "main",), day=wanted)
        if without:
            # The private file first: a crash between the two leaves needs without a plan, never a plan without needs.
            keep_needs(desk.places, needs)
        asks = _has_central_planner(desk)
        market.act("plan", lambda tx, _who: keep_proposal(tx, proposal, ask_central=asks))
        _tell_plan(desk, market, needs, is_named=bool(without))


def _has_central_planner(desk: Desk) -> bool:
    try:
        return bool(load_settings(desk.places.settings).planner.url)
    except LocalFault:
        return False  # the reason beside the plan says what is wrong with the file; planning here goes on


def _show(desk: Desk) -> None:
    with reading(desk) as connection:
        view = plan_view(connection, desk.places, clock.now())
    _answer_plan(desk, view, load_needs(desk.places), is_named=False)


def _tell_plan(desk: Desk, market: Writing, needs: list[Need], *, is_named: bool) -> None:
    view = plan_view(market.reader, desk.places, clock.now(), newest_draft(market.reader))
    _answer_plan(desk, view, needs, is_named=is_named)


def _answer_plan(desk: Desk, view: PlanView, needs: list[Need], *, is_named: bool) -> None:
    answer(desk, plan_answer(view, needs), [*plan_lines(view), *need_lines(needs, is_named=is_named)])


def _explain(desk: Desk, dish_named: str | None, recipe_named: str | None) -> None:
    with reading(desk) as connection:
        draft = _draft(offered_draft(connection))
        assert draft.plan is not None
        explainer = Explainer(draft.plan, draft.snapshot)
        recipes = {recipe.recipe_id: recipe for recipe in draft.snapshot.recipes}
        if dish_named == ALL:
            lines = [line for dish in draft.plan.dishes for line in why_lines(explainer.why(dish), draft.snapshot)]
        elif dish_named is not None:
            recipe = find_recipe(recipes, dish_named)
            dishes = [dish for dish in draft.plan.dishes if dish.recipe_id == recipe.recipe_id]
            if not dishes:
                raise Refused(
                    "plan.not_in",
                    N_("{title} is not in the plan."),
                    N_("Ask with: larder plan --why-not '{title}'"),
                    title=recipe.title,
                )
            lines = why_lines(explainer.why(dishes[0]), draft.snapshot)
        elif recipe_named == ALL:
            lines = [why_not_line(found) for found in explainer.others()]
        else:
            lines = why_not_lines(explainer.why_not(find_recipe(recipes, recipe_named or "")))
    answer(desk, LinesAnswer(lines=lines), lines)


def _draft(found: Draft | None) -> Draft:
    if found is None or found.plan is None:
        raise Refused("plan.none", N_("Nothing is planned."), N_("Make a plan with: larder plan --portions 40"))
    return found


def _accept(desk: Desk, action_id: bytes, *, is_yes: bool) -> None:
    with writing(desk) as market:
        draft = _draft(offered_draft(market.reader))
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


def _withdraw(desk: Desk, action_id: bytes) -> None:
    with writing(desk) as market:
        plan = plan_view(market.reader, desk.places, clock.now()).accepted_plan
        if plan is None:
            raise Refused("plan.none_accepted", N_("No plan is accepted."), N_("Nothing was changed."))
        market.act("plan", lambda tx, who: withdraw_plan(tx, action_id=action_id, who=who, plan=plan.plan_id))
        line = _("withdrawn: the plan for {day}; what it had reserved is free").format(day=plan.day.isoformat())
        _tell_done(desk, "withdrawn", str(plan.plan_id), action_id, [line])


def _cook(desk: Desk, named: str, action_id: bytes, *, is_yes: bool) -> None:
    with writing(desk) as market:
        rows = plan_view(market.reader, desk.places, clock.now()).accepted
        wanted = named.strip().lower()
        found = [row for row in rows if wanted in {row.title.lower(), row.dish.recipe_id, str(row.dish.dish_id)}]
        found = found or [row for row in rows if wanted and wanted in row.title.lower()]
        if len({row.dish.recipe_id for row in found}) == 1:
            # Of one dish planned twice, the one still to cook is meant.
            found = ([row for row in found if row.dish.cooked_portions is None] or found)[:1]
        if len(found) != 1:
            raise Refused(
                "dish.unknown",
                N_("That is not one dish of the accepted plan."),
                N_("Name one: {titles}"),
                titles=", ".join(row.title for row in rows) or "-",
            )
        row = found[0]
        avoided = [
            each.avoid for each in load_served(desk.places, row.dish.plan_id) if each.recipe_id == row.dish.recipe_id
        ]
        cooked = act_after_questions(
            market,
            "plan",
            lambda tx, who, said: cook_planned(
                tx, action_id=action_id, who=who, dish=row.dish.dish_id, avoided=avoided, yes=said
            ),
            is_yes=is_yes,
        )
        lines = [
            _("cooked: {portions} {title}").format(portions=cooked.portions, title=row.title),
            *_taken_lines(market, cooked),
        ]
        _tell_done(desk, "cooked", str(row.dish.plan_id), action_id, lines)


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


def _forget(desk: Desk) -> None:
    with writing(desk) as market:
        market.act("plan", lambda tx, _who: forget_drafts(tx))
        forget_needs(desk.places)
        market.empty_log()
    line = _("erased: what people leave out, and the drafts made from it")
    answer(desk, LinesAnswer(lines=[line]), [line])


def _acknowledge(desk: Desk) -> None:
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
