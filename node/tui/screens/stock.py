"""Stock (F4): what is on hand, with lots and last movements of the selected item. Also the search of all screens."""

from __future__ import annotations

from functools import partial

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widgets import Input

from node.errors import N_
from node.language import _
from node.ledger.read import StockRow
from node.text import safe_text
from node.tui import queries
from node.tui.discarding import ask_and_discard
from node.tui.keys import STOCK, Facts, bindings_of
from node.tui.queries import ItemView, StockView
from node.tui.screens.base import FactScreen
from node.tui.screens.stock_words import bound_lot_line
from node.tui.sentences import NAME_CELLS, quantity_text, short_movement
from node.tui.widgets.marked_table import Column, MarkedTable, Row
from node.tui.widgets.words import Words

FILTERS = (("all", N_("all")), ("low", N_("low")), ("expiring", N_("expiring")))
FIND_CHARACTERS_MAX = 60
# A search waits this long after the last key: a scan into the field types faster and must not start one per character.
SEARCH_PAUSE_S = 0.040
_STATE_WORDS = {"DATE NOT CHECKED": N_("CHECK DATE")}  # what fits the column
LOT_LINES = 4
LOT_LINES_TALL = 16


class StockScreen(FactScreen):
    """The stock list."""

    name_of_keys = STOCK
    title_words = N_("Stock")
    BINDINGS = bindings_of(STOCK)
    AUTO_FOCUS = "#stock"

    def __init__(self) -> None:
        super().__init__()
        self._filter = 0
        self._view: StockView | None = None
        self._item: ItemView | None = None
        self._pause: Timer | None = None

    def compose_body(self) -> ComposeResult:
        """Yield the search field, the list, and the detail of the selected item."""
        with Horizontal(classes="row"):
            yield Words(_(" Find: ["))
            yield Input(id="find", compact=True, max_length=FIND_CHARACTERS_MAX)
            yield Words("]  ")
            yield Words(id="showing")
        with Vertical(id="stock-body"):
            yield MarkedTable(
                [
                    Column(_("Item"), 22),
                    Column(_("On hand"), 9),
                    Column(_("Par"), 8, drops=1),
                    Column(_("Avail."), 9, drops=2),
                    Column(_("Next date"), 11, drops=4),
                    Column(_("Lots"), 5, drops=3),
                    Column(_("State"), 13),
                ],
                id="stock",
            )
            yield Words(id="detail")

    def facts(self) -> Facts:
        """Say what the keys depend on."""
        has_selection = self._selected() is not None
        has_lots = self._item is not None and any(lot.on_hand_milli > 0 for lot in self._item.lots)
        return Facts(has_selection=has_selection, has_lots=has_selection and has_lots, can_go_back=True)

    def show_only(self, chosen: str) -> None:
        """Set the filter."""
        self._filter = next(place for place, (name, _words) in enumerate(FILTERS) if name == chosen)
        if self.is_built:
            self.ask_again()

    def ask_again(self) -> None:
        """Read the list again."""
        text, show = self.query_one("#find", Input).value.strip(), FILTERS[self._filter][0]
        self.app.look_up(
            lambda connection: queries.stock_view(connection, text, show, self.app.now()), self._have, group="stock"
        )

    def do_search(self) -> None:
        """Put the cursor into the search field."""
        self.query_one("#find", Input).focus()

    def do_filter(self) -> None:
        """Show the next filter."""
        self._filter = (self._filter + 1) % len(FILTERS)
        self.ask_again()

    def do_open(self) -> None:
        """Open the card of the selected item."""
        row = self._selected()
        if row is not None:
            self.app.open_card(row.item.item_id)

    def do_discard(self) -> None:
        """Throw away a lot of the selected item; asks."""
        if self._item is not None:
            self.app.in_background(partial(ask_and_discard, self.app, self._item.item, self._item.lots), "dialog")

    def on_input_changed(self) -> None:
        """Search once the keys pause."""
        if self._pause is not None:
            self._pause.stop()
        self._pause = self.set_timer(SEARCH_PAUSE_S, self.ask_again)

    def on_input_submitted(self) -> None:
        """Go from the field into the list."""
        self.query_one("#stock").focus()

    def on_data_table_row_highlighted(self) -> None:
        """Read the detail of the line that is selected now."""
        row = self._selected()
        if row is None:
            self._have_item(None)
            return
        item_id = row.item.item_id
        self.app.look_up(lambda connection: queries.item_view(connection, item_id), self._have_item, group="item")

    def on_data_table_row_selected(self) -> None:
        """Open the line that was clicked or entered."""
        self.app.action_do("stock.card")

    def _have(self, view: StockView) -> None:
        self._view = view
        table = self.query_one("#stock", MarkedTable)
        table.set_rows([_row(row) for row in view.rows])
        self.query_one("#showing", Words).show(self._showing(view))
        self.on_data_table_row_highlighted()  # the detail may have changed under it

    def _showing(self, view: StockView) -> str:
        words = [_(text).upper() if place == self._filter else _(text) for place, (_name, text) in enumerate(FILTERS)]
        show = _("{filters} [f]").format(filters=" | ".join(words))
        if view.count > len(view.rows):
            count = _("{shown} of {count}, type to narrow").format(shown=len(view.rows), count=view.count)
        else:
            count = _("{count} items").format(count=view.count)
        return f"{show}  {count}"

    def _have_item(self, view: ItemView | None) -> None:
        self._item = view
        detail = self.query_one("#detail", Words)
        if view is None:
            empty = self._view is not None and not self._view.rows
            detail.show(f" {self._empty_words()}" if empty else "")
            return
        width = max(20, detail.size.width or self.size.width)
        most = LOT_LINES_TALL if self.size.height > 30 else LOT_LINES
        lots = [f"  {bound_lot_line(view, lot, width - 3)}" for lot in view.lots[:most]]
        if len(view.lots) > most:
            lots[-1] = "  " + _("and {count} more lots").format(count=len(view.lots) - most + 1)
        heading = _(" LOTS of {item}, first to go first").format(item=safe_text(view.item.name, NAME_CELLS))
        last = " | ".join(short_movement(movement) for movement in view.movements[:5])
        movements = safe_text(_(" MOVEMENTS  {last}").format(last=last or _("none yet")), width - 1)
        detail.show("\n".join([heading, *(lots or ["  " + _("nothing on hand")]), movements]))

    def _empty_words(self) -> str:
        if self.query_one("#find", Input).value.strip() or self._filter:
            return _("Nothing in stock fits. Esc leaves the field, f shows other items.")
        return _("No items yet. Scan one, or F2 to receive.")

    def _selected(self) -> StockRow | None:
        key = self.query_one("#stock", MarkedTable).selected_key
        rows = self._view.rows if self._view is not None else ()
        return next((row for row in rows if row.item.item_id == key), None)


def _row(row: StockRow) -> Row:
    unit = row.item.unit
    next_date = row.next_use_by or row.next_best_before
    cells = (
        row.item.name,
        quantity_text(row.on_hand_milli, unit),
        quantity_text(row.item.par_milli, unit) if row.item.par_milli is not None else "-",
        quantity_text(row.available_milli, unit),
        next_date.isoformat() if next_date is not None else "-",
        str(row.lots),
        _(_STATE_WORDS.get(row.state, row.state)),
    )
    return Row(row.item.item_id, cells)
