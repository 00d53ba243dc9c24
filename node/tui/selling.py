"""The actions of the till, as work for the writing thread: sell what was scanned, sell an amount, change the lot.

Not the rules of selling, which are in `node.actions.goods`; not widgets.
"""

from __future__ import annotations

from collections.abc import Callable

from node.actions.goods import Sold, sell
from node.actions.undo import undo
from node.domain.lots import Dot
from node.domain.words import Basis, Unit
from node.errors import N_, Refused
from node.ledger import read
from node.ledger.store import Transaction

ONE_MILLI = 1000


class NotKnown(Refused):
    """A number that no item has here."""

    def __init__(self, gtin14: str) -> None:
        super().__init__(
            "scan.not_known",
            N_("{code} is not known here."),
            N_("n new item, or scan again."),
            code=gtin14.lstrip("0"),
        )
        self.gtin14 = gtin14


class Loose(Refused):
    """The item is sold by weight or volume, so one scan does not say how much."""

    def __init__(self, item: read.Item) -> None:
        super().__init__("sale.how_much", N_("{item} is sold by weight."), N_("Type how much."), item=item.name)
        self.item = item


def sell_scanned(gtin14: str, *, action_id: bytes, who: int, yes: frozenset[str]) -> Callable[[Transaction], Sold]:
    """Return the work of selling one of the item with this number. Raises NotKnown, Loose, NeedsYes, Refused."""

    def work(tx: Transaction) -> Sold:
        item = read.item_for_code(tx.connection, gtin14)
        if item is None:
            raise NotKnown(gtin14)
        if item.unit is not Unit.EACH:
            raise Loose(item)
        return sell(tx, action_id=action_id, who=who, item_id=item.item_id, quantity_milli=ONE_MILLI, yes=yes)

    return work


def sell_amount(
    item_id: str, quantity_milli: int, *, action_id: bytes, who: int, yes: frozenset[str]
) -> Callable[[Transaction], Sold]:
    """Return the work of selling an amount of an item, in thousandths of its unit."""

    def work(tx: Transaction) -> Sold:
        return sell(tx, action_id=action_id, who=who, item_id=item_id, quantity_milli=quantity_milli, yes=yes)

    return work


def sell_from_lot(
    sold: Sold, lot_id: Dot, *, of: bytes, undo_id: bytes, action_id: bytes, who: int, yes: frozenset[str]
) -> Callable[[Transaction], Sold]:
    """Return the work of taking an addition back and selling the same from another lot: both or neither."""

    def work(tx: Transaction) -> Sold:
        undo(tx, action_id=undo_id, who=who, target=of)
        return sell(
            tx,
            action_id=action_id,
            who=who,
            item_id=sold.item.item_id,
            quantity_milli=sold.quantity_milli,
            lot_id=lot_id,
            basis=Basis.CHOSEN,
            yes=yes,
        )

    return work
