"""Choose one line of a short list: an item among those found, or a lot."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import DataTable

from node.domain.lots import DateState, Lot, date_state
from node.language import N_, _
from node.ledger.read import Item
from node.planner.view import AcceptedRow
from node.text import safe_text
from node.tui.dialogs.base import DIALOG_CELLS, Dialog
from node.tui.sentences import NAME_CELLS, date_text, lot_name, quantity_text
from node.tui.widgets.marked_table import Column, MarkedTable, Row
from node.tui.widgets.words import Words

_STATE_WORDS = {
    DateState.PAST_USE_BY: N_("PAST USE-BY"),
    DateState.USE_BY_TODAY: N_("USE BY TODAY"),
    DateState.PAST_BEST_BEFORE: N_("past best before"),
    DateState.NOT_JUDGED: N_("date not checked"),
    DateState.OPEN: "",
}


class Choose(Dialog[int]):
    """Answers with the place of the chosen row."""

    AUTO_FOCUS = "#choices"

    def __init__(self, question: str, columns: Sequence[Column], rows: Sequence[tuple[str, ...]]) -> None:
        super().__init__()
        self._question, self._columns, self._rows = question, tuple(columns), tuple(rows)

    def compose(self) -> ComposeResult:
        """Show the question above the list."""
        with Vertical(classes="dialog"):
            yield Words(safe_text(self._question, 2 * DIALOG_CELLS))
            yield MarkedTable(self._columns, id="choices")
            yield Words(_("Up and down, Enter takes it, Esc leaves"), id="dialog-said")

    def on_mount(self) -> None:
        """Fill the list."""
        rows = [Row(str(number), cells) for number, cells in enumerate(self._rows)]
        self.query_one("#choices", MarkedTable).set_rows(rows)

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Answer with the row."""
        self.dismiss(event.cursor_row)


def choose_item(items: Sequence[Item]) -> Choose:
    """Ask which of several items is meant."""
    rows = [(safe_text(item.name, NAME_CELLS), _("starter") if item.is_starter else "") for item in items]
    return Choose(_("Which item?"), [Column(_("Item"), 44), Column("", 20)], rows)


def choose_market(question: str, names: Sequence[str]) -> Choose:
    """Ask which of several markets is meant."""
    return Choose(question, [Column(_("Market"), 60)], [(name,) for name in names])


def choose_dish(rows: Sequence[AcceptedRow]) -> Choose:
    """Ask which of several dishes of accepted plans is meant."""
    columns = [Column(_("Dish"), 40), Column(_("Portions"), 9), Column(_("Planned for"), 12)]
    return Choose(
        _("Which dish was cooked?"),
        columns,
        [(safe_text(row.title, NAME_CELLS), str(row.dish.portions), row.dish.day.isoformat()) for row in rows],
    )


def choose_lot(question: str, lots: Sequence[Lot], today: date | None) -> Choose:
    """Ask which of several lots is meant, first expired first."""
    columns = [Column(_("Lot"), 14), Column(_("On hand"), 10), Column(_("Date"), 24), Column("", 19)]
    rows = [
        (
            lot_name(lot),
            quantity_text(lot.on_hand_milli, lot.unit),
            date_text(lot),
            _(_STATE_WORDS[date_state(lot, today)]),
        )
        for lot in lots
    ]
    return Choose(question, columns, rows)
