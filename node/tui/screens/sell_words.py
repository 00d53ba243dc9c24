"""How the lines of a sale and what a sale did are said. Pure text from values."""

from __future__ import annotations

from node.actions.goods import Sold
from node.domain.words import Unit
from node.language import _
from node.text import safe_text
from node.tui.screens.sale_lines import Line
from node.tui.sentences import NAME_CELLS, lot_name, quantity_text
from node.tui.widgets.marked_table import Row


def sale_row(line: Line) -> Row:
    """Return one line of the till: item, quantity, last lot, its use-by date, what is left, whether it is saved."""
    sold = line.last_sold
    lot = sold.takes[-1].lot if sold is not None and sold.takes else None
    state = _("saved") if line.is_saved else _("yes?") if line.waits_for_a_yes else _("saving")
    unit = line.item.unit if line.item is not None else Unit.EACH
    cells = (
        line.label,
        quantity_text(line.quantity_milli, unit),
        lot_name(lot) if lot is not None else "",
        lot.use_by.isoformat() if lot is not None and lot.use_by is not None else "",
        quantity_text(sold.on_hand_after_milli, unit) if sold is not None else "",
        state,
    )
    return Row(line.item_id, cells)


def sold_sentence(sold: Sold) -> str:
    """Say what went out and what is left."""
    lots = ", ".join(lot_name(take.lot) for take in sold.takes[:3])
    words = _("{item} +{quantity}, lot {lots}, {left} left.").format(
        item=safe_text(sold.item.name, NAME_CELLS),
        quantity=quantity_text(sold.quantity_milli, sold.item.unit),
        lots=lots,
        left=quantity_text(sold.on_hand_after_milli, sold.item.unit),
    )
    if sold.oversold_milli:
        words += " " + _("More than the books had: count this item.")
    return words
