"""A delivery line, from what is typed to what is written. Not a form and not a rule: both ends belong to others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from node.actions.drafts import drop_draft
from node.actions.goods import Received, receive
from node.domain.dates import parse_date
from node.domain.quantity import parse_quantity
from node.language import decimal_mark
from node.ledger.read import Item
from node.ledger.store import Transaction

USE_BY, BEST_BEFORE = "use_by", "best_before"


@dataclass(frozen=True, slots=True)
class DeliveryLine:
    """One line, checked as far as a form can: quantity in thousandths of the item's unit."""

    item: Item
    quantity_milli: int
    kind: str
    label_date: date | None
    batch: str | None
    supplier: str | None


def read_line(
    item: Item, *, quantity: str, kind: str, label_date: str, batch: str, supplier: str, today: date
) -> DeliveryLine:
    """Read what was typed. Raises Refused for a quantity or a date that cannot be read."""
    return DeliveryLine(
        item,
        parse_quantity(quantity, item.unit, decimal_mark()),
        kind,
        parse_date(label_date, today) if label_date.strip() else None,
        batch.strip() or None,
        supplier.strip() or None,
    )


def receive_line(
    line: DeliveryLine, *, action_id: bytes, who: int, form: str, yes: frozenset[str]
) -> Callable[[Transaction], Received]:
    """Return the work of taking a line in; the form's draft goes in the same transaction, so neither is ever both."""

    def work(tx: Transaction) -> Received:
        received = receive(
            tx,
            action_id=action_id,
            who=who,
            item_id=line.item.item_id,
            quantity_milli=line.quantity_milli,
            use_by=line.label_date if line.kind == USE_BY else None,
            best_before=line.label_date if line.kind == BEST_BEFORE else None,
            batch=line.batch,
            supplier=line.supplier,
            yes=yes,
        )
        drop_draft(tx, form)
        return received

    return work
