"""Plan (F6): what to cook from what is here, why, why not, and what people decide. The plan made here comes at once."""

from __future__ import annotations

from functools import partial

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from node.actions.drafts import drop_draft
from node.errors import N_
from node.language import _
from node.ledger.store import Transaction
from node.planner.drafts import Draft
from node.planner.making import PEOPLE_MAX, Proposal, keep_proposal
from node.planner.view import AcceptedRow
from node.text import safe_text
from node.tui import plan_queries
from node.tui.deciding import Decisions
from node.tui.dialogs.read_text import ReadText
from node.tui.drafting import DraftKeeper, Fields
from node.tui.keys import PLAN, Facts, bindings_of
from node.tui.plan_queries import PlanPage
from node.tui.planning import PlanDecisions
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

FORM = "plan"
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
        self._deciding = PlanDecisions(self.app, Decisions(self.app))
        self._typed = DraftKeeper(FORM, self, self._collect)

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
            if self._to_cook():
                steps.add("cook")
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

    def on_mount(self) -> None:
        """Bring back what was typed before."""
        super().on_mount()
        self._typed.bring_back(self._show_typed)

    def on_input_changed(self) -> None:
        """Keep what is typed."""
        self._typed.touched()

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
            self.app.in_background(partial(self._deciding.accept, draft), "dialog")

    def do_take_back(self) -> None:
        """Withdraw the accepted plan; asks."""
        plan = self._page.view.accepted_plan if self._page is not None else None
        if plan is not None:
            self.app.in_background(partial(self._deciding.withdraw, plan), "dialog")

    def do_cook(self) -> None:
        """Say that the selected dish was cooked, or another one of an accepted plan; asks."""
        rows = self._to_cook()
        if rows:
            self.app.in_background(partial(self._deciding.cook_one_of, rows), "dialog")

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

        def work(tx: Transaction) -> int:
            drop_draft(tx, FORM)
            return keep_proposal(tx, proposal, ask_central=asks)

        self._typed.forget()
        app.write(_("plan"), work, lambda _draft_id: self._is_kept(proposal, asks=asks))

    def _is_kept(self, proposal: Proposal, *, asks: bool) -> None:
        dishes = len(proposal.plan.dishes)
        words = _("Planned here, dishes: {count}. Enter accepts the plan.").format(count=dishes)
        self.say(f"{words} {_('The central planner is asked as well.')}" if asks else words)

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

    def _collect(self) -> Fields:
        typed, draft = self.query_one("#portions", Input).value.strip(), self._draft()
        is_planned = draft is not None and typed == str(draft.snapshot.people)
        return {"portions": typed} if typed and not is_planned else {}

    def _show_typed(self, fields: Fields) -> None:
        self.query_one("#portions", Input).value = fields.get("portions", "")
        self.say(_("Here is what was typed before."))

    def _to_cook(self) -> tuple[AcceptedRow, ...]:
        """Return the dish that is selected, if it is to cook; where another plan is shown, all that are to cook."""
        if self._page is None:
            return ()
        view = self._page.view
        rows = tuple(row for row in view.accepted if row.dish.cooked_portions is None)
        key = self.query_one("#dishes", MarkedTable).selected_key
        if not view.is_accepted or key is None:
            return rows
        recipe_id = view.rows[int(key)].dish.recipe_id
        return tuple(row for row in rows if row.dish.recipe_id == recipe_id)[:1]

    def _draft(self) -> Draft | None:
        return self._page.view.draft if self._page is not None else None
