"""Plan (F6): what to cook from what is here, why, why not, and what people decide. The plan made here comes at once."""

from __future__ import annotations

from functools import partial

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from node.actions.plans import withdraw_plan
from node.errors import N_
from node.language import _
from node.planner.drafts import Draft
from node.planner.making import PEOPLE_MAX, Proposal, accept_draft, keep_proposal
from node.planner.private import keep_served, load_needs
from node.text import safe_text
from node.tui import plan_queries
from node.tui.deciding import Decisions
from node.tui.dialogs.read_text import ReadText
from node.tui.keys import PLAN, Facts, bindings_of
from node.tui.plan_queries import PlanPage
from node.tui.screens.base import WIDE_WIDTH, FactScreen
from node.tui.screens.plan_words import (
    LEFT_OUT_LINES,
    LEFT_OUT_LINES_WIDE,
    LINE_CELLS,
    detail_lines,
    dish_rows,
    people_line,
    source_lines,
    why_page,
)
from node.tui.widgets.marked_table import Column, MarkedTable
from node.tui.widgets.words import Words

PORTIONS_CHARACTERS_MAX = 5


class PlanScreen(FactScreen):
    """Tonight's plan."""

    name_of_keys = PLAN
    title_words = N_("Plan meals")
    BINDINGS = bindings_of(PLAN)
    AUTO_FOCUS = "#dishes"
    # Here and not in the style sheet of all screens: read with the first visit, not with the first paint of Home.
    CSS = """
    #source { height: auto; max-height: 4; }
    #people { height: 1; text-wrap: nowrap; }
    #dishes { min-height: 3; }
    PlanScreen #portions { width: 6; }
    PlanScreen #detail { max-height: 10; }
    PlanScreen.-low #source { max-height: 2; }
    PlanScreen.-low #detail { max-height: 4; }
    PlanScreen.-wide #plan-body { layout: horizontal; }
    PlanScreen.-wide #dishes { width: 80; }
    PlanScreen.-wide #detail { height: 1fr; max-height: 100%; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._page: PlanPage | None = None
        self._is_central = False
        self._decisions = Decisions(self.app)

    def compose_body(self) -> ComposeResult:
        """Yield the portions, who made the plan, its dishes, and the reasons."""
        with Horizontal(classes="row"):
            yield Words(_(" Plan tonight's meal for portions ["))
            yield Input(id="portions", compact=True, max_length=PORTIONS_CHARACTERS_MAX)
            yield Words(_("]  Enter plans"))
        yield Words(id="source")
        yield Words(id="people")
        with Vertical(id="plan-body"):
            yield MarkedTable(
                [
                    Column(_("Dish"), 27),
                    Column(_("Portions"), 9),
                    Column(_("Uses first"), 19, drops=2),
                    Column(_("Fits"), 8),
                    Column(_("Missing"), 13, drops=1),
                ],
                id="dishes",
            )
            yield Words(id="detail")

    def facts(self) -> Facts:
        """Say what the keys depend on."""
        steps = set()
        if self._page is not None:
            view = self._page.view
            if view.draft is not None and view.rows and not view.is_accepted:
                steps.add("accept_plan")
            if view.accepted_plan is not None:
                steps.add("withdraw_plan")
            if self._page.other is not None:
                steps.add("other_plan")
            if self._page.health.resting == "acknowledge":
                steps.add("acknowledge")
        return Facts(has_selection=self._draft() is not None, can_go_back=True, steps=frozenset(steps))

    def ask_again(self) -> None:
        """Read the plan again."""
        is_central = self._is_central
        self.app.look_up(
            lambda connection: plan_queries.plan_page(
                connection, self.app.places, self.app.now(), is_central=is_central
            ),
            self._have,
            group="plan",
        )

    # Keys.

    def do_portions(self) -> None:
        """Put the cursor into the field."""
        self.query_one("#portions", Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Plan for what was typed."""
        text = event.value.strip()
        if not (text.isascii() and text.isdigit() and 0 < int(text) <= PEOPLE_MAX):
            self.app.bell()
            self.say(_("Type for how many people, from 1 to {most}.").format(most=PEOPLE_MAX))
            return
        self.query_one("#dishes").focus()
        self._plan_for(int(text))

    def do_new(self) -> None:
        """Plan again, for as many people as before, from what is here now."""
        draft = self._draft()
        if draft is None:
            self.do_portions()
        else:
            self._plan_for(draft.snapshot.people)

    def do_open(self) -> None:
        """Accept the plan that is shown; asks."""
        draft = self._draft()
        if draft is not None:
            self.app.in_background(partial(self._accept, draft), "dialog")

    def do_take_back(self) -> None:
        """Withdraw the accepted plan; asks."""
        self.app.in_background(self._withdraw, "dialog")

    def do_other(self) -> None:
        """Show the other plan: the central planner's, or the one made here."""
        self._is_central = not self._is_central
        self.ask_again()

    def do_why(self) -> None:
        """Show every reason in full."""
        if self._page is not None:
            self.app.push_screen(ReadText(_("Why these dishes, and why no other"), why_page(self._page)))

    def do_acknowledge(self) -> None:
        """Let the central planner be asked again after it proposed what somebody here cannot eat."""
        # Loaded only here: nothing else of the screen needs the breakers.
        from node.planner.central.breaker import acknowledge_allergen_fault

        self.app.write(
            _("acknowledge"),
            acknowledge_allergen_fault,
            lambda _was_held: self.say(_("The central planner may be asked again.")),
        )

    # Planning and deciding.

    def _plan_for(self, people: int) -> None:
        self.say(_("Planning..."))
        self.app.in_background(partial(self._make, people), "planning")

    async def _make(self, people: int) -> None:
        app = self.app
        proposal, page = await app.answer_to(
            lambda connection: plan_queries.proposed_page(connection, app.places, app.now(), people)
        )
        self._is_central = False
        self._have(page)
        self.say(_("Planned here; saving."))
        asks = await app.answer_to(lambda _connection: plan_queries.has_central_planner(app.places))
        app.write(
            _("plan"),
            lambda tx: keep_proposal(tx, proposal, ask_central=asks),
            lambda _draft_id: self._is_kept(proposal, asks=asks),
        )

    def _is_kept(self, proposal: Proposal, *, asks: bool) -> None:
        dishes = len(proposal.plan.dishes)
        words = _("Planned here, dishes: {count}. Enter accepts the plan.").format(count=dishes)
        self.say(f"{words} {_('The central planner is asked as well.')}" if asks else words)

    async def _accept(self, draft: Draft) -> None:
        app = self.app
        assert draft.plan is not None
        is_sure = await self._decisions.sure(
            N_("Accept this plan for {day}: dishes {dishes}, portions {portions}?"),
            N_("Its food is reserved until it is cooked or the plan is withdrawn. Selling goes on as before."),
            day=draft.snapshot.day,
            dishes=len(draft.plan.dishes),
            portions=sum(dish.total for dish in draft.plan.dishes),
        )
        if is_sure:
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
                lambda _plan_id: self.say(_("Accepted. Cook a dish with: larder plan --cook DISH")),
            )

    async def _withdraw(self) -> None:
        plan = self._page.view.accepted_plan if self._page is not None else None
        if plan is None or not await self._decisions.sure(
            N_("Withdraw the accepted plan for {day}?"),
            N_("What it had reserved is free again."),
            day=plan.day.isoformat(),
        ):
            return
        self._decisions.write(
            _("withdraw the plan"),
            lambda tx, action_id, _yes: withdraw_plan(tx, action_id=action_id, who=self.app.who, plan=plan.plan_id),
            lambda _nothing: self.say(_("Withdrawn; what it had reserved is free.")),
        )

    # Drawing.

    def _have(self, page: PlanPage) -> None:
        is_first = self._page is None
        self._page = page
        field, draft = self.query_one("#portions", Input), self._draft()
        if draft is not None and not field.value and self.app.field_in_focus is not field:
            field.value = str(draft.snapshot.people)
        self.query_one("#dishes", MarkedTable).set_rows(dish_rows(page))
        width = max(20, self.size.width - 2)
        lines = source_lines(page, self.app.now())
        self.query_one("#source", Words).show("\n".join(f" {safe_text(line, 2 * width - 2)}" for line in lines))
        self.query_one("#people", Words).show(f" {safe_text(people_line(page), width)}")
        self._draw_detail()
        if is_first and draft is None:
            field.focus()

    def _draw_detail(self) -> None:
        if self._page is None:
            return
        detail = self.query_one("#detail", Words)
        key = self.query_one("#dishes", MarkedTable).selected_key
        most = LEFT_OUT_LINES_WIDE if self.size.width >= WIDE_WIDTH else LEFT_OUT_LINES
        lines = detail_lines(self._page, int(key) if key is not None else None, left_out_max=most)
        detail.show("\n".join(f" {safe_text(line, LINE_CELLS)}" for line in lines))

    def on_data_table_row_highlighted(self) -> None:
        """Say why the selected dish is there."""
        self._draw_detail()

    def on_data_table_row_selected(self) -> None:
        """Accept, as Enter does."""
        self.app.action_do("plan.accept")

    def _draft(self) -> Draft | None:
        return self._page.view.draft if self._page is not None else None
