"""`larder plan`: what to cook from what is here, why, why not, and the three decisions about it.

Not the planner. The plan made here is printed at once; what the central planner offers later is shown by the next call.
What somebody leaves out is kept in the private file alone, and no answer here says whose it is.
"""

from __future__ import annotations

import sqlite3
from datetime import date

import click

from node import clock
from node.cli.desk import Desk, Writing, reading, writing
from node.cli.options import as_json, confirmed, repeatable
from node.cli.output import answer
from node.cli.plan_answers import LinesAnswer, need_lines, plan_answer, plan_lines
from node.cli.plan_deciding import accept_plan, acknowledge_fault, cook_dish, forget_all, made_draft, withdraw_accepted
from node.cli.typed_needs import typed_needs
from node.cli.verdicts import tell_verdicts
from node.domain.dates import parse_date
from node.domain.diets import Need, read_needs
from node.domain.recipes import MEALS
from node.errors import N_, LocalFault, Refused
from node.language import _
from node.ledger.read.goods import Item
from node.planner.cookbook import find_recipe
from node.planner.drafts import newest_draft, offered_draft
from node.planner.explain import Explainer
from node.planner.making import keep_proposal, propose
from node.planner.private import keep_needs, load_needs
from node.planner.snapshot import all_foods
from node.planner.undeclared import asks_for_allergens, undeclared_in, undeclared_line, undeclared_stock
from node.planner.view import PlanView, plan_view
from node.planner.words import why_lines, why_not_line, why_not_lines
from node.settings import load_settings

ALL = "all"
TYPED = "-"


@click.command(
    "plan",
    help=_("Plan tonight's meal from what is here: larder plan --portions 40 --without nuts=2 --without vegan=3"),
)
@click.option(
    "--portions",
    type=click.IntRange(1, 10_000),
    metavar="N",
    help=_("Make a new plan for so many people; with --cook, how many portions were cooked."),
)
@click.option(
    "--without",
    multiple=True,
    metavar="WHAT[=N]",
    help=_(
        "N people eat nothing with it: an allergen, vegan, vegetarian, meat, pork, alcohol, or a food's name; - reads"
        " them from the terminal, a line each, so that the shell keeps none."
    ),
)
@click.option("--meal", type=click.Choice(MEALS), help=_("Which meal; main where nothing is said."))
@click.option("--day", metavar="DATE", help=_("Which day; today where nothing is said."))
@click.option("--why", "why_dish", metavar="DISH", help=_("Why a dish is in the plan; 'all' for every one."))
@click.option("--why-not", "why_not_recipe", metavar="RECIPE", help=_("Why a recipe is not; 'all' for every one."))
@click.option("--verdicts", is_flag=True, help=_("What became of the central planner's proposals, and why."))
@click.option("--accept", is_flag=True, help=_("Accept the plan: its food is reserved."))
@click.option("--withdraw", is_flag=True, help=_("Take the accepted plan back."))
@click.option(
    "--cook",
    "cook",
    metavar="DISH",
    help=_("Say that a dish of the accepted plan was cooked; until noon also one of yesterday."),
)
@click.option("--reason", metavar="TEXT", help=_("With --withdraw: why, kept in the log."))
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
    reason: str | None,
    forget: bool,
    acknowledge: bool,
    yes: bool,
    action_id: bytes,
) -> None:
    """Make or show a plan, or do one of the things people decide about it."""
    makes = (portions is not None and not cook) or bool(without) or meal is not None or day is not None
    chosen = [makes, why_dish, why_not_recipe, verdicts, accept, withdraw, cook, forget, acknowledge]
    if sum(1 for each in chosen if each) > 1:
        raise click.UsageError(_("one thing at a time: make a plan, ask why, accept, withdraw or cook"))
    if reason is not None and not withdraw:
        raise click.UsageError(_("--reason goes with --withdraw"))
    if makes:
        _make(desk, portions, without, meal, day)
    elif why_dish or why_not_recipe:
        _explain(desk, why_dish, why_not_recipe)
    elif verdicts:
        tell_verdicts(desk)
    elif accept:
        accept_plan(desk, action_id, is_yes=yes)
    elif withdraw:
        withdraw_accepted(desk, action_id, reason)
    elif cook:
        cook_dish(desk, cook, portions, action_id, is_yes=yes)
    elif forget:
        forget_all(desk)
    elif acknowledge:
        acknowledge_fault(desk)
    else:
        _show(desk)


def _make(desk: Desk, portions: int | None, without: tuple[str, ...], meal: str | None, day: str | None) -> None:
    moment = clock.now()
    wanted: date | None = parse_date(day, moment.today) if day else None
    if TYPED in without:
        # Before the market is opened: nobody waits for a lock while a person thinks.
        without = (*(word for word in without if word != TYPED), *typed_needs())
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
        needs = load_needs(desk.places)
        look = _undeclared(connection, view, needs)
    _answer_plan(desk, view, needs, look, is_named=False)


def _tell_plan(desk: Desk, market: Writing, needs: list[Need], *, is_named: bool) -> None:
    view = plan_view(market.reader, desk.places, clock.now(), newest_draft(market.reader))
    _answer_plan(desk, view, needs, _undeclared(market.reader, view, needs), is_named=is_named)


def _answer_plan(desk: Desk, view: PlanView, needs: list[Need], look: list[Item], *, is_named: bool) -> None:
    asked = [_("look: {question}").format(question=undeclared_line(look))] if look and not view.is_accepted else []
    value = plan_answer(view, needs, undeclared=[each.item_id for each in look])
    answer(desk, value, [*plan_lines(view), *asked, *need_lines(needs, is_named=is_named)])


def _undeclared(connection: sqlite3.Connection, view: PlanView, needs: list[Need]) -> list[Item]:
    """Return the food that is left out tonight only because nobody declared its allergens."""
    if view.draft is None or not asks_for_allergens(needs):
        return []
    return undeclared_stock(connection, view.draft.snapshot)


def _explain(desk: Desk, dish_named: str | None, recipe_named: str | None) -> None:
    with reading(desk) as connection:
        draft = made_draft(offered_draft(connection))
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
            look = undeclared_stock(connection, draft.snapshot)
            lines += [undeclared_line(look)] if look else []
        else:
            recipe = find_recipe(recipes, recipe_named or "")
            look = undeclared_in(connection, [recipe])
            lines = why_not_lines(explainer.why_not(recipe)) + ([undeclared_line(look)] if look else [])
    answer(desk, LinesAnswer(lines=lines), lines)
