"""The card of one item: stock, lots, allergens, last movements. A scan on it shows the next item."""

from __future__ import annotations

from functools import partial

from textual.app import ComposeResult
from textual.containers import VerticalScroll

from node.domain.lots import Lot
from node.errors import N_
from node.language import _
from node.text import safe_text
from node.tui import queries
from node.tui.deciding import Decisions
from node.tui.declaring import ask_and_declare, ask_and_lift
from node.tui.discarding import ask_and_discard
from node.tui.keys import CARD, Facts, bindings_of
from node.tui.queries import ItemView
from node.tui.screens.base import FactScreen
from node.tui.screens.stock_words import bound_lot_line
from node.tui.sentences import NAME_CELLS, movement_line, quantity_text
from node.tui.widgets.words import Words

_STORAGE_WORDS = {
    "fridge": N_("fridge"),
    "freezer": N_("freezer"),
    "produce": N_("produce"),
    "dry": N_("dry store"),
}


class CardScreen(FactScreen):
    """One item, in full."""

    name_of_keys = CARD
    title_words = N_("Item")
    BINDINGS = bindings_of(CARD)
    AUTO_FOCUS = "#card-scroll"

    def __init__(self) -> None:
        super().__init__()
        self._item_id = ""
        self._view: ItemView | None = None
        self._deciding = Decisions(self.app)

    def show_item(self, item_id: str) -> None:
        """Show this item from now on."""
        self._item_id, self._view = item_id, None
        if self.is_built:
            self.ask_again()

    def compose_body(self) -> ComposeResult:
        """Yield one text that scrolls."""
        with VerticalScroll(id="card-scroll"):
            yield Words(id="card")

    def facts(self) -> Facts:
        """Say what the keys depend on."""
        has_lots = self._view is not None and any(lot.on_hand_milli > 0 for lot in self._view.lots)
        steps = frozenset({"lift"}) if self._held() else frozenset()
        return Facts(has_selection=self._view is not None, has_lots=has_lots, can_go_back=True, steps=steps)

    def ask_again(self) -> None:
        """Read the item."""
        item_id = self._item_id
        self.app.look_up(lambda connection: queries.item_view(connection, item_id), self._have, group="card")

    def do_discard(self) -> None:
        """Throw away a lot; asks."""
        if self._view is not None:
            self.app.in_background(partial(ask_and_discard, self.app, self._view.item, self._view.lots), "dialog")

    def do_declare(self) -> None:
        """Declare what the label says; asks where that takes an allergen off."""
        if self._view is not None:
            self.app.in_background(partial(ask_and_declare, self.app, self._deciding, self._view.item), "dialog")

    def do_lift(self) -> None:
        """Lift the hold of a lot; asks."""
        if self._view is not None and self._held():
            work = partial(ask_and_lift, self.app, self._deciding, self._view.item, self._held())
            self.app.in_background(work, "dialog")

    def _held(self) -> list[Lot]:
        return [lot for lot in self._view.lots if lot.lot_id in self._view.held] if self._view is not None else []

    def do_receive(self) -> None:
        """Receive this item."""
        self.app.receive_item(self._view.item if self._view is not None else None)

    def _have(self, view: ItemView | None) -> None:
        self._view = view
        words = self.query_one("#card", Words)
        if view is None:
            words.show(f" {_('That item is not known here.')}")
            return
        words.show("\n".join(_card_lines(view, max(40, self.size.width))))


def _card_lines(view: ItemView, width: int) -> list[str]:
    item = view.item
    on_hand = quantity_text(sum(lot.on_hand_milli for lot in view.lots), item.unit)
    if item.allergens is None:
        allergens = _("not declared: treat as unsafe. a declares what the label says")
    else:
        allergens = ", ".join(item.allergens) or _("none of the 14")
    storage = _(_STORAGE_WORDS[item.storage]) if item.storage in _STORAGE_WORDS else _("not known")
    par = quantity_text(item.par_milli, item.unit) if item.par_milli is not None else "-"
    return [
        f" {safe_text(item.name, NAME_CELLS)}   {safe_text(item.item_id, 40)}",
        _(" On hand    {on_hand}     par {par}     kept in: {storage}").format(
            on_hand=on_hand, par=par, storage=storage
        ),
        _(" Allergens  {allergens}").format(allergens=allergens),
        "",
        _(" LOTS, first to go first"),
        *[f"   {bound_lot_line(view, lot, width - 4)}" for lot in view.lots],
        *([] if view.lots else [f"   {_('nothing on hand')}"]),
        "",
        _(" MOVEMENTS"),
        *[f"   {movement_line(movement, width - 4)}" for movement in view.movements],
        *([] if view.movements else [f"   {_('none yet')}"]),
    ]
