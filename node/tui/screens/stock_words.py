"""One line about a lot as Stock and the item's card show it, with what binds it. Pure text from values."""

from __future__ import annotations

from node.domain.lots import Lot
from node.tui.queries import ItemView
from node.tui.sentences import lot_line


def bound_lot_line(view: ItemView, lot: Lot, width: int) -> str:
    """Return the line of one lot of an item, with its hold and what other markets were promised of it."""
    return lot_line(lot, width, held=view.held.get(lot.lot_id), promised_milli=view.promised.get(lot.lot_id, 0))
