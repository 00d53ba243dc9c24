"""Count a lot: what is really there, against what the books have at that moment.

Not an adjustment with a reason. A count that differs much asks for a second look, since a slip of the finger is
likelier than a loss.
"""

from __future__ import annotations

from dataclasses import dataclass

from node.actions.once import done_before, finish
from node.domain.lots import Dot, Lot
from node.domain.quantity import QUANTITY_MILLI_MAX, format_quantity
from node.errors import N_, NeedsYes, Refused
from node.language import decimal_mark
from node.ledger.append import Appender
from node.ledger.events import LotCounted
from node.ledger.read import find_lot, movements_of_action
from node.ledger.store import Transaction

# Above either of these the difference is asked about: a fifth of the books, or five pieces, kilograms or litres.
DIFFERENCE_SHARE_MAX = 5
DIFFERENCE_MILLI_MAX = {0: 5_000, 1: 5_000_000, 2: 5_000_000}


@dataclass(frozen=True, slots=True)
class Counted:
    """A count, in thousandths of the lot's unit; `change_milli` is what it changed."""

    lot: Lot
    counted_milli: int
    change_milli: int


def count(
    tx: Transaction,
    *,
    action_id: bytes,
    who: int,
    lot_id: Dot,
    counted_milli: int,
    yes: frozenset[str] = frozenset(),
) -> Counted:
    """Set a lot to what was counted, by a movement of the difference. Zero is a count, too.

    Raises NeedsYes `count.differs_much`, and Refused for a lot that is not known or a quantity out of bounds.
    """
    done = done_before(tx, action_id)
    if done is not None:
        (movement,) = movements_of_action(tx.connection, done)
        lot = _lot(tx, movement.lot_id)
        return Counted(lot, counted_milli, movement.quantity_milli)
    lot = _lot(tx, lot_id)
    if not 0 <= counted_milli <= QUANTITY_MILLI_MAX:
        raise Refused(
            "quantity.out_of_range",
            N_("A count is between 0 and 99999."),
            N_("Type the quantity again."),
        )
    change_milli = counted_milli - lot.on_hand_milli
    if _differs_much(lot, change_milli) and "count.differs_much" not in yes:
        raise NeedsYes(
            "count.differs_much",
            N_("The books have {books} in lot {lot}, and the count is {counted}."),
            N_("Count once more, and say yes if it is right."),
            books=format_quantity(lot.on_hand_milli, lot.unit, decimal_mark()),
            counted=format_quantity(counted_milli, lot.unit, decimal_mark()),
            lot=lot.label,
        )
    event = Appender(tx).append(LotCounted(lot_id, counted_milli, change_milli), who)
    finish(tx, [event], action_id=action_id, verb="count", who=who)
    return Counted(_lot(tx, lot_id), counted_milli, change_milli)


def _differs_much(lot: Lot, change_milli: int) -> bool:
    share_milli = max(0, lot.on_hand_milli) // DIFFERENCE_SHARE_MAX
    return abs(change_milli) > min(share_milli, DIFFERENCE_MILLI_MAX[int(lot.unit)])


def _lot(tx: Transaction, lot_id: Dot) -> Lot:
    lot = find_lot(tx.connection, lot_id)
    if lot is None:
        raise Refused("lot.unknown", N_("That lot is not known here."), N_("Pick the lot from the stock list."))
    return lot
