"""Throw away a lot: which one, how much, why, and a `y`. Only the last step is hard to reverse; it takes letters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from node.actions.goods import Discarded, discard
from node.actions.ids import new_action_id
from node.domain.lots import Lot
from node.language import _
from node.ledger import read
from node.text import safe_text
from node.tui.dialogs.ask_quantity import AskQuantity
from node.tui.dialogs.choose import choose_lot
from node.tui.dialogs.confirm_reason import ConfirmReason
from node.tui.queries import judged_day
from node.tui.sentences import NAME_CELLS, date_text, lot_name, quantity_text

if TYPE_CHECKING:
    from node.tui.app import LarderApp


async def ask_and_discard(app: LarderApp, item: read.Item, lots: Sequence[Lot]) -> None:
    """Ask step by step and queue the discard. Leaving any step discards nothing."""
    name = safe_text(item.name, NAME_CELLS)
    left = [lot for lot in lots if lot.on_hand_milli > 0]
    if not left:
        app.front.say(_("Nothing of {item} is on hand.").format(item=name))
        return
    place: int | None = 0
    if len(left) > 1:
        question = _("Which lot of {item}?").format(item=name)
        place = await app.push_screen_wait(choose_lot(question, left, judged_day(app.now())))
    if place is None:
        return
    lot = left[place]
    all_of_it = quantity_text(lot.on_hand_milli, lot.unit)
    question = _("How much of lot {lot} of {item}? Empty is all of it: {all}.").format(
        lot=lot_name(lot), item=name, all=all_of_it
    )
    quantity_milli = await app.push_screen_wait(AskQuantity(question, lot.unit, lot.on_hand_milli))
    if quantity_milli is None:
        return
    what = _("Discard {quantity} of {item}, lot {lot}, {date}?").format(
        quantity=quantity_text(quantity_milli, lot.unit), item=name, lot=lot_name(lot), date=date_text(lot)
    )
    reason = await app.push_screen_wait(ConfirmReason(what))
    if reason is None:
        app.front.say(_("Nothing was discarded."))
        return
    action_id = new_action_id()
    app.write(
        _("discard {item}").format(item=name),
        lambda tx: discard(
            tx, action_id=action_id, who=app.who, lot_id=lot.lot_id, reason=reason, quantity_milli=quantity_milli
        ),
        lambda discarded: app.front.say(_discarded_sentence(discarded)),
    )


def _discarded_sentence(discarded: Discarded) -> str:
    return _("Discarded {quantity} of {item}, lot {lot}; {left} left.").format(
        quantity=quantity_text(discarded.quantity_milli, discarded.item.unit),
        item=safe_text(discarded.item.name, NAME_CELLS),
        lot=lot_name(discarded.lot),
        left=quantity_text(discarded.on_hand_after_milli, discarded.item.unit),
    )
