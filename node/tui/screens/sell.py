"""Sell (F3): each scan adds one and is a movement at once; nothing else has to be pressed.

Not a receipt and not a price. What can be taken back is taken back by an opposite entry, so nothing asks before it
sells, except where a person must look: beyond what is on hand, a date that cannot be judged.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Input

from node.actions.goods import Sold
from node.actions.ids import new_action_id
from node.actions.undo import Undone
from node.domain.gtin import read_code
from node.domain.words import Unit
from node.errors import N_, LarderError, NeedsYes, Refused
from node.language import _
from node.ledger import read
from node.ledger.store import Transaction
from node.text import safe_text
from node.tui import queries
from node.tui.dialogs.ask_quantity import AskQuantity
from node.tui.dialogs.choose import choose_item, choose_lot
from node.tui.keys import SELL, Facts, bindings_of
from node.tui.questions import Questions
from node.tui.scan import CHARACTERS_MAX
from node.tui.screens.base import FactScreen
from node.tui.screens.sale_lines import Line, Part, PartState, SaleLines
from node.tui.screens.sell_words import sale_row, sold_sentence
from node.tui.selling import ONE_MILLI, Loose, NotKnown, sell_amount, sell_from_lot, sell_scanned
from node.tui.sentences import NAME_CELLS
from node.tui.undoing import undo_last
from node.tui.widgets.marked_table import Column, MarkedTable
from node.tui.widgets.words import Words

Work = Callable[[Transaction], Sold]
MakeWork = Callable[[bytes, frozenset[str]], Work]


class SellScreen(FactScreen):
    """The till."""

    name_of_keys = SELL
    title_words = N_("Sell")
    BINDINGS = bindings_of(SELL)
    AUTO_FOCUS = "#lines"

    def __init__(self) -> None:
        super().__init__()
        self._sale = SaleLines()
        self._questions = Questions()

    def compose_body(self) -> ComposeResult:
        """Yield the search field and the lines."""
        with Horizontal(classes="row"):
            yield Words(_(" Scan, or / to search: ["))
            yield Input(id="find", compact=True, max_length=CHARACTERS_MAX)
            yield Words("]")
        yield MarkedTable(
            [
                Column(_("Item"), 21),
                Column(_("Qty"), 10),
                Column(_("Lot (FEFO)"), 14, drops=2),
                Column(_("Use by"), 11, drops=1),
                Column(_("On hand"), 11, drops=3),
                Column("", 10),
            ],
            id="lines",
        )
        yield Words(id="count")

    def facts(self) -> Facts:
        """Say what the keys depend on."""
        return Facts(has_lines=bool(self._sale.lines), can_go_back=True)

    def scanned(self, text: str) -> None:
        """Sell one of what was scanned."""
        try:
            gtin14 = read_code(text)
        except Refused as error:
            self.app.bell()
            self.say_error(error)
            return
        if gtin14 is None:
            self.not_known(text, None)
            return
        self._sell(
            f"gtin/{gtin14}",
            gtin14.lstrip("0"),
            ONE_MILLI,
            lambda action_id, yes: sell_scanned(gtin14, action_id=action_id, who=self.app.who, yes=yes),
        )

    def do_search(self) -> None:
        """Put the cursor into the search field."""
        self.query_one("#find", Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Look up what was typed."""
        text = event.value.strip()
        if text:
            self.app.look_up(
                lambda connection: queries.find(connection, text), partial(self._found, text), group="find"
            )

    def do_more(self) -> None:
        """Sell one more of the selected line; loose goods ask how much."""
        line = self._selected()
        if line is not None and line.item is not None:
            self._sell_item(line.item)
        elif line is not None:
            self.scanned(line.label)  # not saved yet, so all that is known of it is its number

    def do_fewer(self) -> None:
        """Take back the last addition to the selected line."""
        line = self._selected()
        if line is None or not line.is_saved:
            self.say(_("That line is not saved yet; wait a moment."))
            return
        undo_last(self.app, target=line.parts[-1].action_id)

    def do_other_lot(self) -> None:
        """Ask from which lot the last addition to the selected line really was."""
        line = self._selected()
        sold = line.last_sold if line is not None else None
        if line is None or sold is None or not line.is_saved:
            self.say(_("That line is not saved yet; wait a moment."))
            return
        part = line.parts[-1]
        item_id = line.item_id
        self.app.look_up(
            lambda connection: read.lots(connection, item_id), partial(self._choose_lot, line, part), group="lots"
        )

    def do_done(self) -> None:
        """Begin the next sale."""
        self._sale.clear_saved()
        self._draw()
        self.say(_("Ready for the next one."))

    def tell_undone(self, undone: Undone) -> None:
        """Take what was undone out of the lines."""
        if self._sale.gone(undone.action_id):
            self._draw()

    def ask_again(self) -> None:
        """Draw the lines; they are this screen's own."""
        self._draw()

    def _found(self, text: str, found: queries.Found) -> None:
        field = self.query_one("#find", Input)
        if not found.items:
            self.query_one("#lines").focus()
            self.not_known(text, found.gtin14)
            return
        field.value = ""
        self.query_one("#lines").focus()
        if len(found.items) == 1:
            self._sell_item(found.items[0])
        else:
            self.app.push_screen(choose_item(found.items), partial(self._chosen, found.items))

    def _chosen(self, items: tuple[read.Item, ...], place: int | None) -> None:
        if place is not None:
            self._sell_item(items[place])

    def _sell_item(self, item: read.Item) -> None:
        if item.unit is not Unit.EACH:
            question = _("How much {item}?").format(item=safe_text(item.name, NAME_CELLS))
            self.app.push_screen(AskQuantity(question, item.unit), partial(self._sell_quantity, item))
        else:
            self._sell_quantity(item, ONE_MILLI)

    def _sell_quantity(self, item: read.Item, quantity_milli: int | None) -> None:
        if quantity_milli is None:
            return
        self._sell(
            item.item_id,
            item.name,
            quantity_milli,
            lambda action_id, yes: sell_amount(
                item.item_id, quantity_milli, action_id=action_id, who=self.app.who, yes=yes
            ),
        )

    def _choose_lot(self, line: Line, part: Part, lots: list[Any]) -> None:
        day = queries.judged_day(self.app.now())
        question = _("Which lot of {item} was it?").format(item=safe_text(line.label, NAME_CELLS))
        self.app.push_screen(choose_lot(question, lots, day), partial(self._chosen_lot, line, part, lots))

    def _chosen_lot(self, line: Line, part: Part, lots: list[Any], place: int | None) -> None:
        if place is None or part.sold is None:
            return
        sold, undo_id = part.sold, new_action_id()
        self._sell(
            line.item_id,
            line.label,
            part.quantity_milli,
            lambda action_id, yes: sell_from_lot(
                sold,
                lots[place].lot_id,
                of=part.action_id,
                undo_id=undo_id,
                action_id=action_id,
                who=self.app.who,
                yes=yes,
            ),
            instead_of=part.action_id,
        )

    # One addition: shown as saving, then saved, asked about or taken out again.

    def _sell(
        self, item_id: str, label: str, quantity_milli: int, make: MakeWork, *, instead_of: bytes | None = None
    ) -> None:
        action_id = new_action_id()
        self._sale.add(item_id, label, Part(action_id, quantity_milli))

        def submit(yes: frozenset[str]) -> None:
            self._sale.mark(action_id, PartState.SAVING)
            is_queued = self.app.write(
                _("sell {item}").format(item=safe_text(label, NAME_CELLS)),
                make(action_id, yes),
                partial(self._saved, action_id, instead_of),
                partial(self._declined, action_id, submit, yes),
            )
            if not is_queued:
                self._sale.gone(action_id)

        submit(frozenset())
        self._draw()
        self.query_one("#lines", MarkedTable).select(item_id)

    def _saved(self, action_id: bytes, instead_of: bytes | None, sold: Sold) -> None:
        if instead_of is not None:
            self._sale.gone(instead_of)
        self._sale.saved(action_id, sold)
        self._draw()
        self.say(sold_sentence(sold))

    def _declined(
        self, action_id: bytes, submit: Callable[[frozenset[str]], None], yes: frozenset[str], error: LarderError
    ) -> None:
        if isinstance(error, NeedsYes):
            self._sale.mark(action_id, PartState.ASKED)
            answered = partial(self._answered, action_id, submit, yes | {error.error_id})
            self._questions.ask(self.app, error, answered, partial(submit, yes))
        else:
            self._sale.gone(action_id)
            self.app.bell()
            self.say_error(error)
        if isinstance(error, NotKnown):
            self.unknown_code = error.gtin14
        elif isinstance(error, Loose):
            self._sell_item(error.item)
        self._draw()

    def _answered(
        self, action_id: bytes, submit: Callable[[frozenset[str]], None], yes: frozenset[str], is_yes: bool
    ) -> None:
        if is_yes:
            submit(yes)
        else:
            self._sale.gone(action_id)
            self.say(_("Not sold."))
        self._draw()

    def _selected(self) -> Line | None:
        key = self.query_one("#lines", MarkedTable).selected_key
        return self._sale.of_item(key) if key is not None else None

    def _draw(self) -> None:
        if not self.is_built:
            return
        self.query_one("#lines", MarkedTable).set_rows([sale_row(line) for line in self._sale.lines])
        self.query_one("#count", Words).show(_(" Lines {count}").format(count=len(self._sale.lines)))
