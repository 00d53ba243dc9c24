"""What people decide about a plan on the screen: accept it, withdraw it, say that a dish was cooked. Each takes a `y`.

Not the planner and not the rules (`node.planner.making`, `node.planner.cooking`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from node.actions.plans import withdraw_plan
from node.errors import N_, Refused
from node.language import _
from node.ledger.read.plans import AcceptedDish, AcceptedPlan
from node.places import Places
from node.planner.cooking import cook_planned
from node.planner.drafts import Draft
from node.planner.making import PEOPLE_MAX, accept_draft
from node.planner.private import keep_served, load_needs, load_served
from node.planner.view import AcceptedRow
from node.text import safe_text
from node.tui.deciding import Decisions
from node.tui.dialogs.ask_words import AskWords
from node.tui.dialogs.choose import choose_dish
from node.tui.sentences import NAME_CELLS

if TYPE_CHECKING:
    from node.tui.app import LarderApp


class PlanDecisions:
    """The decisions of the Plan screen."""

    def __init__(self, app: LarderApp, decisions: Decisions) -> None:
        self._app, self._decisions = app, decisions

    async def accept(self, draft: Draft) -> None:
        """Accept a plan: its food is reserved."""
        app = self._app
        assert draft.plan is not None
        if await self._decisions.sure(
            N_("Accept this plan for {day}: dishes {dishes}, portions {portions}?"),
            N_("Its food is reserved until it is cooked or the plan is withdrawn. Selling goes on as before."),
            day=draft.snapshot.day,
            dishes=len(draft.plan.dishes),
            portions=sum(dish.total for dish in draft.plan.dishes),
        ):
            self._decisions.write(
                _("accept the plan"),
                lambda tx, action_id, yes: accept_draft(
                    tx,
                    draft,
                    load_needs(app.places),
                    action_id=action_id,
                    who=app.who,
                    keep=partial(keep_served, app.places),
                    yes=yes,
                ),
                lambda _plan_id: app.front.say(_("Accepted. i says that the selected dish was cooked.")),
            )

    async def withdraw(self, plan: AcceptedPlan) -> None:
        """Take an accepted plan back, with a reason where one is given."""
        app = self._app
        reason = await app.push_screen_wait(
            AskWords(
                _("Why is the plan for {day} withdrawn? Enter alone gives no reason.").format(day=plan.day.isoformat()),
                _("Reason"),
                may_be_empty=True,
            )
        )
        if reason is None:
            return
        if await self._decisions.sure(
            N_("Withdraw the accepted plan for {day}?"),
            N_("What it had reserved is free again."),
            day=plan.day.isoformat(),
        ):
            self._decisions.write(
                _("withdraw the plan"),
                lambda tx, action_id, _yes: withdraw_plan(
                    tx, action_id=action_id, who=app.who, plan=plan.plan_id, reason=reason
                ),
                lambda _nothing: app.front.say(_("Withdrawn; what it had reserved is free.")),
            )

    async def cook_one_of(self, rows: Sequence[AcceptedRow]) -> None:
        """Ask which dish was cooked, where there are several, and record it."""
        place: int | None = 0
        if len(rows) > 1:
            place = await self._app.push_screen_wait(choose_dish(rows))
        if place is not None:
            await self.cook(rows[place])

    async def cook(self, row: AcceptedRow) -> None:
        """Record that a dish was cooked, and for how many: its food leaves the stock."""
        app, dish = self._app, row.dish
        title = safe_text(row.title, NAME_CELLS)
        typed = await app.push_screen_wait(
            AskWords(
                _("How many portions of {title} were cooked? Planned were {portions}; Enter alone takes that.").format(
                    title=title, portions=dish.portions
                ),
                _("Portions"),
                may_be_empty=True,
                check=_portions,
            )
        )
        if typed is None:
            return
        portions = _portions(typed) if typed else dish.portions
        if await self._decisions.sure(
            N_("Was {title} cooked, {portions} portions?"),
            N_("Its food leaves the stock, first expired first."),
            title=title,
            portions=portions,
        ):
            self._decisions.write(
                _("cook {title}").format(title=title),
                lambda tx, action_id, yes: cook_planned(
                    tx,
                    action_id=action_id,
                    who=app.who,
                    dish=dish.dish_id,
                    avoided=_avoided(app.places, dish),
                    portions=portions,
                    yes=yes,
                ),
                lambda cooked: app.front.say(_("Cooked {count} portions.").format(count=cooked.portions)),
            )


def _portions(typed: str) -> int:
    if not (typed.isascii() and typed.isdigit() and 0 < int(typed[:9]) <= PEOPLE_MAX):
        raise Refused(
            "dish.portions_typed",
            N_("That is not a whole number of portions."),
            N_("Type how many were cooked, from 1 to {most}."),
            most=PEOPLE_MAX,
        )
    return int(typed)


def _avoided(places: Places, dish: AcceptedDish) -> list[tuple[str, ...]]:
    """Return what those leave out for whom a dish was planned."""
    return [served.avoid for served in load_served(places, dish.plan_id) if served.recipe_id == dish.recipe_id]
