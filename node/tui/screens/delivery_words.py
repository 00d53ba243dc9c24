"""The lines of a delivery as the list shows them, and how they are said. State and text without widgets."""

from __future__ import annotations

from dataclasses import dataclass

from node.actions.goods import Received
from node.language import _
from node.ledger.read import Item
from node.text import safe_text
from node.tui.receiving import DeliveryLine
from node.tui.sentences import NAME_CELLS, date_text, quantity_text
from node.tui.widgets.marked_table import Row


@dataclass(slots=True)
class Entry:
    """One line of this delivery as the list shows it."""

    action_id: bytes
    line: DeliveryLine
    state: str
    received: Received | None = None


def item_words(item: Item) -> str:
    """Say which item is in the form: its name, its number, its allergens."""
    number = _("  (GTIN {gtin})").format(gtin=item.gtin.lstrip("0")) if item.gtin else ""
    if item.allergens is None:
        allergens = _("   allergens not declared")
    else:
        allergens = _("   allergens: {names}").format(names=", ".join(item.allergens) or _("none"))
    return f"{safe_text(item.name, NAME_CELLS)}{number}{allergens}"


def delivery_row(entry: Entry) -> Row:
    """Return one line of the delivery."""
    line = entry.line
    label_date = date_text(entry.received.lot) if entry.received is not None else ""
    if not label_date and line.label_date is not None:
        label_date = line.label_date.isoformat()
    cells = (
        line.item.name,
        line.batch or "-",
        quantity_text(line.quantity_milli, line.item.unit),
        label_date,
        entry.state,
    )
    return Row(entry.action_id.hex(), cells)
