"""Home (the first screen): what needs a person, today's figures, the cold, the last changes."""

from __future__ import annotations

from textual.app import ComposeResult

from node.clock import Moment
from node.errors import N_
from node.language import _
from node.tui import queries
from node.tui.keys import COLD, HOME, PLAN, SHELVES, STOCK, Facts, bindings_of
from node.tui.queries import HomeView
from node.tui.screens.base import FactScreen
from node.tui.screens.home_words import advice, figures, last_changes, now_lines
from node.tui.status import Status
from node.tui.text import both_ends
from node.tui.widgets.marked_table import Column, MarkedTable, Row
from node.tui.widgets.words import Words


class HomeScreen(FactScreen):
    """The base of the stack; everything else is laid above it."""

    name_of_keys = HOME
    title_words = N_("Home")
    BINDINGS = bindings_of(HOME)
    AUTO_FOCUS = "#now"

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self._view: HomeView | None = None

    def compose_body(self) -> ComposeResult:
        """Yield the list of what needs a person, and the figures below it."""
        yield Words(id="now-heading")
        yield MarkedTable([Column("", 2), Column("", 8), Column("", 240)], show_header=False, id="now")
        yield Words(id="figures")
        yield Words(id="last")
        yield Words(f" {_('Reading the market...')}", id="advice")

    def facts(self) -> Facts:
        """Say what the keys depend on."""
        return Facts(has_selection=self.query_one("#now", MarkedTable).selected_key is not None)

    def ask_again(self) -> None:
        """Read what Home shows."""
        self.app.look_up(lambda connection: queries.home_view(connection, self.app.now()), self._have, group="home")

    def _have(self, view: HomeView) -> None:
        self._view = view
        if self.app.status is not None:
            self.on_tick(self.app.status, self.app.now())

    def on_tick(self, status: Status, moment: Moment) -> None:
        """Draw everything; each part repaints only where its text changed."""
        if self._view is None:
            return
        width = self.size.width
        heading = " " + both_ends(_("NOW - what needs a person"), _("[Enter] opens it"), width - 2)
        self.query_one("#now-heading", Words).show(heading)
        rows = [
            Row(line.key, (str(number), line.kind, line.words))
            for number, line in enumerate(now_lines(self._view, status, moment), 1)
        ]
        self.query_one("#now", MarkedTable).set_rows(rows)
        self.query_one("#figures", Words).show(figures(self._view, status, moment, width))
        self.query_one("#last", Words).show(last_changes(self._view, width))
        self.query_one("#advice", Words).show(advice(self._view))

    def do_open(self) -> None:
        """Go to what the selected line is about."""
        kind, _slash, rest = (self.query_one("#now", MarkedTable).selected_key or "").partition("/")
        if kind == "cold":
            self.app.go(COLD)
        elif kind == "sensors":
            self.app.do_sensors()
        elif kind in {"expiring", "past"}:
            self.app.show_stock("expiring")
        elif kind == "item":
            self.app.open_card(rest)
        elif kind == "plan":
            self.app.go(PLAN)
        elif kind == "shelf":
            self.app.go(SHELVES)
        elif kind in {"transfer", "peers"}:
            self.app.show_transfer(rest)
        elif kind == "more":
            self.app.go(STOCK)

    def on_data_table_row_selected(self) -> None:
        """Open the line that was clicked or entered."""
        self.app.action_do("open")
