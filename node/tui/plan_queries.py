"""What the Plan screen reads, worked out on the reading thread: the draft, why each dish, why not each other recipe.

Thin over `node.planner`. What people leave out is read here for planning and never drawn: a shared screen says for how
many people, not what.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from node.clock import Moment
from node.errors import LarderError, LocalFault
from node.language import error_text
from node.places import Places
from node.planner.central.health import PlannerHealth, read_planner_health
from node.planner.drafts import CENTRAL, HERE, Draft, newest_draft, offered_draft
from node.planner.explain import Explainer
from node.planner.making import Proposal, propose
from node.planner.private import load_needs
from node.planner.undeclared import asks_for_allergens, undeclared_line, undeclared_stock
from node.planner.validator import validate
from node.planner.view import PlanView, plan_view
from node.planner.words import why_lines, why_not_line
from node.settings import load_settings


@dataclass(frozen=True, slots=True)
class PlanPage:
    """One plan to look at. `why` has the sentences of each dish in the plan's order, `left_out` one a recipe.

    `other` is the better plan of the central planner where the one made here is shown, and the other way round; None
    where there is no other. `kept` counts the people who leave something out; where that cannot be read, `kept_fault`
    says why. `undeclared` is the question about food that is left out for want of a declaration, empty where none is.
    """

    view: PlanView
    why: tuple[tuple[str, ...], ...]
    left_out: tuple[str, ...]
    other: Draft | None
    kept: int
    kept_fault: str
    health: PlannerHealth
    undeclared: str = ""


def plan_page(connection: sqlite3.Connection, places: Places, moment: Moment, *, is_central: bool) -> PlanPage:
    """Return the plan made here, or with `is_central` the better one of the central planner where there is one."""
    local, offered = newest_draft(connection, HERE), offered_draft(connection)
    central = offered if offered is not None and offered.source == CENTRAL else None
    shown, other = (central, local) if is_central and central is not None else (local, central)
    return _page(connection, places, moment, shown, other)


def proposed_page(
    connection: sqlite3.Connection, places: Places, moment: Moment, people: int
) -> tuple[Proposal, PlanPage]:
    """Make a plan for so many people and return it with its page. Nothing is written. Raises LarderError."""
    proposal = propose(connection, load_needs(places), people=people, moment=moment)
    # Judged without the needs: no sentence on a shared screen may say who avoids what.
    verdict = validate(proposal.plan, proposal.snapshot)
    planner = proposal.plan.planner
    draft = Draft(0, HERE, proposal.snapshot, proposal.plan, verdict, planner, "", moment.wall_ms)
    return proposal, _page(connection, places, moment, draft, None)


def has_central_planner(places: Places) -> bool:
    """Tell whether a central planner is set; a settings file that cannot be read counts as none."""
    try:
        return bool(load_settings(places.settings).planner.url)
    except LocalFault:
        return False  # the reason beside the plan says what is wrong with the file


def _page(
    connection: sqlite3.Connection, places: Places, moment: Moment, shown: Draft | None, other: Draft | None
) -> PlanPage:
    view = plan_view(connection, places, moment, shown)
    why: tuple[tuple[str, ...], ...] = ()
    left_out: tuple[str, ...] = ()
    draft = view.draft
    if draft is not None and draft.plan is not None:
        explainer = Explainer(draft.plan, draft.snapshot)
        why = tuple(tuple(why_lines(explainer.why(dish), draft.snapshot)) for dish in draft.plan.dishes)
        left_out = tuple(why_not_line(found) for found in explainer.others())
    kept, fault, undeclared = 0, "", ""
    try:
        needs = load_needs(places)
        kept = sum(need.people for need in needs)
        if draft is not None and asks_for_allergens(needs):
            look = undeclared_stock(connection, draft.snapshot)
            undeclared = undeclared_line(look) if look else ""
    except LarderError as error:
        fault = " ".join(error_text(error))
    return PlanPage(view, why, left_out, other, kept, fault, read_planner_health(places), undeclared)
