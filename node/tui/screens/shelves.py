"""Shelves (g): every shelf on a scale, what was taken or put there, and deciding about it by one key.

Not the rule of a step and not the setting up of a shelf (`larder shelf set`). The scales are read on with each look, so
that steps appear also while larder-node is stopped.
"""

from __future__ import annotations

from functools import partial

from textual.app import ComposeResult
from textual.containers import Vertical

from node.actions.shelves_decided import Confirmed, confirm_step, dismiss_step
from node.actions.shelves_kept import CONFIRMED, OPEN, KeptStep
from node.clock import Moment
from node.domain.shelf import NOTHING, UNITS_MAX
from node.errors import N_, Refused
from node.language import _
from node.text import safe_text
from node.tui.deciding import Decisions
from node.tui.dialogs.ask_words import AskWords
from node.tui.dialogs.choose import Choose
from node.tui.keys import SHELVES, Facts, bindings_of
from node.tui.screens.base import TALL_HEIGHT, FactScreen
from node.tui.shelf_queries import ShelfReader, ShelvesView
from node.tui.shelf_words import (
    NAME_CELLS,
    QUESTION,
    STATE_WORDS,
    candidates_text,
    confirmed_text,
    count_text,
    kg_text,
    shelf_word,
    step_text,
    suspicion_text,
    time_text,
)
from node.tui.status import Status
from node.tui.undoing import undo_last
from node.tui.widgets.marked_table import Column, MarkedTable, Row
from node.tui.widgets.words import Words

SHELF_LINES, SHELF_LINES_LOW = 5, 2
LINE_CELLS = 200


class ShelvesScreen(FactScreen):
    """What shelf scales saw."""

    name_of_keys = SHELVES
    title_words = N_("Shelves")
    BINDINGS = bindings_of(SHELVES)
    AUTO_FOCUS = "#steps"
    CSS = """
    #shelves { height: auto; max-height: 5; text-wrap: nowrap; }
    #steps { min-height: 3; }
    ShelvesScreen #detail { max-height: 4; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._reader = ShelfReader(self.app.places)
        self._view: ShelvesView | None = None
        self._drawn: Status | None = None
        self._decisions = Decisions(self.app)

    def compose_body(self) -> ComposeResult:
        """Yield the shelves, the list of steps and the detail of the selected one."""
        yield Words(id="shelves")
        with Vertical():
            yield MarkedTable(
                [
                    Column(_("Step"), 5),
                    Column(_("Shelf"), 12),
                    Column(_("What"), 29),
                    Column(_("Weight"), 11, drops=2),
                    Column(_("Time"), 6, drops=1),
                    Column(_("State"), 11),
                ],
                id="steps",
            )
            yield Words(id="detail")

    def facts(self) -> Facts:
        """Say what the keys depend on."""
        step = self._selected()
        if step is None:
            return Facts(can_go_back=True)
        is_booked = step.state == CONFIRMED and not step.is_undone
        steps = set() if is_booked else {"confirm_step"}
        if step.state == OPEN or (is_booked and step.action_id is not None):
            steps.add("dismiss_step")
        if any(not each.reason for each in self._waiting_on(step.shelf)):
            steps.add("confirm_shelf")
        return Facts(has_selection=True, can_go_back=True, steps=frozenset(steps))

    def ask_again(self) -> None:
        """Read the scales on, and the steps."""
        app = self.app
        app.look_up(lambda connection: self._reader.view(connection, app.now()), self._have, group="shelves")

    def on_tick(self, status: Status, moment: Moment) -> None:  # noqa: ARG002 - weights come with the status
        """Look at the scales again as often as at everything else."""
        if status is not self._drawn:
            self._drawn = status
            self.ask_again()

    def on_data_table_row_highlighted(self) -> None:
        """Draw the detail of the line that is selected now."""
        self._draw_detail()

    # Keys.

    def do_acknowledge(self) -> None:
        """Confirm the selected step; of a question ask what it was."""
        step = self._selected()
        if step is None:
            return
        if step.reason or step.candidates[0].item_id == NOTHING:
            self.do_change()
        else:
            self._confirm(step)

    def do_all(self) -> None:
        """Confirm every proposal of the selected step's shelf; questions wait on."""
        step = self._selected()
        if step is not None:
            for each in self._waiting_on(step.shelf):
                if not each.reason:
                    self._confirm(each)

    def do_change(self) -> None:
        """Say what the selected step was."""
        step = self._selected()
        if step is not None:
            self.app.in_background(partial(self._ask_what, step), "dialog")

    def do_take_back(self) -> None:
        """Dismiss the selected step, or undo it where it is booked."""
        step = self._selected()
        if step is None:
            return
        if step.state == CONFIRMED and step.action_id is not None:
            undo_last(self.app, step.action_id)
            return
        said = _("Step {number} of {shelf} dismissed; k books it after all.").format(
            number=step.step_id, shelf=safe_text(step.shelf, NAME_CELLS)
        )
        self.app.write(
            _("dismiss"), lambda tx: dismiss_step(tx, step_id=step.step_id), lambda _step: self._decided(said)
        )

    async def _ask_what(self, step: KeptStep) -> None:
        items = self._items_of(step.shelf)
        item_id: str | None = items[0] if len(items) == 1 else None
        if len(items) > 1 and self._view is not None:
            rows = [(safe_text(self._view.names.get(each, each), NAME_CELLS),) for each in items]
            place = await self.app.push_screen_wait(
                Choose(_("Which item was it?"), [Column(_("Item"), NAME_CELLS)], rows)
            )
            if place is None:
                return
            item_id = items[place]
        typed = await self.app.push_screen_wait(
            AskWords(
                _("How many units? -2 for two taken, 2 for two put."),
                _("Units"),
                may_be_empty=False,
                check=read_units,
            )
        )
        if typed is not None:
            self._confirm(step, item_id=item_id, units=read_units(typed))

    def _confirm(self, step: KeptStep, *, item_id: str | None = None, units: int | None = None) -> None:
        app = self.app
        self._decisions.write(
            _("confirm step {number}").format(number=step.step_id),
            lambda tx, action_id, yes: confirm_step(
                tx, action_id=action_id, who=app.who, step_id=step.step_id, item_id=item_id, units=units, yes=yes
            ),
            self._confirmed,
        )

    def _confirmed(self, done: Confirmed) -> None:
        names = self._view.names if self._view is not None else {}
        said = _("Step {number}: {what}.").format(number=done.step.step_id, what=confirmed_text(done, names))
        self._decided(said)

    def _decided(self, said: str) -> None:
        self.app.front.say(said)
        self.ask_again()

    # Drawing.

    def _have(self, view: ShelvesView) -> None:
        self._view = view
        for number, work in enumerate(view.to_keep):
            # Found again by the next look where a newer one takes its place.
            self.app.write(_("keep steps"), work, lambda _kept: self.ask_again(), replaces=f"shelf {number}")
        self._draw()

    def _draw(self) -> None:
        view = self._view
        if view is None:
            return
        most = SHELF_LINES if self.size.height >= TALL_HEIGHT else SHELF_LINES_LOW
        wall_ms = self.app.now().wall_ms
        width = max(20, self.size.width - 1)
        lines = [
            safe_text(
                " "
                + _("{phase} {shelf}: {count}, {how}").format(
                    phase=shelf_word(each),
                    shelf=safe_text(each.shelf.name, NAME_CELLS),
                    count=count_text(each, wall_ms),
                    how=_("books by itself") if each.shelf.is_trusted else _("asks"),
                ),
                width,
            )
            for each in view.shelves
        ]
        if len(lines) > most:
            lines = [*lines[: most - 1], " " + _("and {count} more").format(count=len(view.shelves) - most + 1)]
        self.query_one("#shelves", Words).show("\n".join(lines or [" " + _(NO_SHELF)]))
        rows = [_row(step, view.names) for step in (*view.waiting, *view.decided)]
        self.query_one("#steps", MarkedTable).set_rows(rows)
        self._draw_detail()

    def _draw_detail(self) -> None:
        view = self._view
        if view is None:
            return
        step = self._selected()
        lines = [] if step is None else [_detail(step, view.names)]
        if not view.waiting and view.shelves:
            lines = [_("Nothing waits to be confirmed."), *lines]
        lines += [_("SUSPICION {what}").format(what=suspicion_text(each, view.names)) for each in view.suspicions]
        width = max(20, self.size.width - 2)
        self.query_one("#detail", Words).show("\n".join(f" {safe_text(line, width)}" for line in lines))

    def _selected(self) -> KeptStep | None:
        if not self.is_built or self._view is None:
            return None
        key = self.query_one("#steps", MarkedTable).selected_key
        steps = (*self._view.waiting, *self._view.decided)
        return next((step for step in steps if str(step.step_id) == key), None)

    def _waiting_on(self, shelf: str) -> list[KeptStep]:
        return [step for step in self._view.waiting if step.shelf == shelf] if self._view is not None else []

    def _items_of(self, shelf: str) -> list[str]:
        found = self._view.shelves if self._view is not None else ()
        return [item.item_id for each in found if each.shelf.name == shelf for item in each.shelf.items]


NO_SHELF = N_("No shelf is on a scale yet; set one up with: larder shelf set")


def read_units(text: str) -> int:
    """Read a typed number of units, such as -2. Raises Refused."""
    sign, digits = text[:1], text.lstrip("+-")
    if (
        not digits.isascii()
        or not digits.isdecimal()
        or len(text) - len(digits) > 1
        or not 0 < int(digits) <= UNITS_MAX
    ):
        raise Refused(
            "shelf.units_typed",
            N_("'{text}' is not a number of units."),
            N_("Type such as -2 for two taken, 2 for two put; x dismisses the step."),
            text=text[:20],
        )
    return -int(digits) if sign == "-" else int(digits)


def _row(step: KeptStep, names: dict[str, str]) -> Row:
    if step.state == OPEN:
        word = _(QUESTION) if step.reason else _("proposed")
    else:
        word = _("taken back") if step.is_undone else _(STATE_WORDS[step.state])
    cells = (
        str(step.step_id),
        step.shelf,
        step_text(step, names),
        kg_text(step.after_mg - step.before_mg, with_sign=True),
        time_text(step.at_ms),
        word,
    )
    return Row(str(step.step_id), cells)


def _detail(step: KeptStep, names: dict[str, str]) -> str:
    return _("{before} to {after}; likely: {candidates}").format(
        before=kg_text(step.before_mg), after=kg_text(step.after_mg), candidates=candidates_text(step.candidates, names)
    )
