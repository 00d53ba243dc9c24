"""How movements, lots, items and dates read on the screen: the same words everywhere.

Pure text from values of `node.ledger.read`. Everything from people or labels is made safe here.
"""

from __future__ import annotations

from node.domain.lots import Lot
from node.domain.quantity import format_quantity
from node.domain.words import MoveKind, Unit
from node.language import N_, _, decimal_mark
from node.ledger.read import Item, Movement
from node.text import safe_text
from node.tui.text import column, time_of_day

NAME_CELLS = 40
BATCH_CELLS = 20

KIND_WORDS = {
    MoveKind.RECEIVE: N_("received"),
    MoveKind.SELL: N_("sold"),
    MoveKind.ISSUE: N_("issued"),
    MoveKind.DISCARD: N_("discarded"),
    MoveKind.ADJUST: N_("adjusted"),
    MoveKind.COUNT: N_("counted"),
    MoveKind.TRANSFER_OUT: N_("sent"),
    MoveKind.TRANSFER_IN: N_("taken in"),
    MoveKind.TRANSFER_BACK: N_("came back"),
    MoveKind.CARRIED: N_("carried over"),
}


def quantity_text(quantity_milli: int, unit: Unit) -> str:
    """Show a quantity in the market's locale."""
    return format_quantity(quantity_milli, unit, decimal_mark())


def item_name(item: Item) -> str:
    """Return an item's name, safe to draw."""
    return safe_text(item.name, NAME_CELLS)


def batch_text(batch: str | None, seq: int) -> str:
    """Name a lot: its batch, or the number of the event that made it."""
    return safe_text(batch, BATCH_CELLS) if batch else f"#{seq}"


def lot_name(lot: Lot) -> str:
    """Name a lot by its batch, or by the number of the event that made it."""
    return batch_text(lot.batch, lot.lot_id.seq)


def date_text(lot: Lot) -> str:
    """Say the date that matters for a lot."""
    if lot.use_by is not None:
        return _("use by {day}").format(day=lot.use_by.isoformat())
    if lot.best_before is not None:
        return _("best before {day}").format(day=lot.best_before.isoformat())
    return _("no date")


def lot_line(lot: Lot, width: int, *, held: str | None = None, promised_milli: int = 0) -> str:
    """Return one line about a lot: its name, what is left, its date, what binds it, who brought it.

    `held` is the reason of a hold in English, `promised_milli` what other markets were promised.
    """
    parts = [column(lot_name(lot), 10), f"{quantity_text(lot.on_hand_milli, lot.unit):>8}", column(date_text(lot), 24)]
    if held is not None:
        parts.append(_("HOLD: {reason}").format(reason=_(held)))
    if promised_milli:
        parts.append(_("{quantity} promised").format(quantity=quantity_text(promised_milli, lot.unit)))
    return safe_text(" ".join([*parts, safe_text(lot.supplier or "", 24)]).rstrip(), width)


def kind_text(movement: Movement) -> str:
    """Say what a movement did: `sold`, or `undo: sold` for one that takes another back."""
    word = _(KIND_WORDS[movement.kind])
    return _("undo: {word}").format(word=word) if movement.is_undo else word


def movement_line(movement: Movement, width: int) -> str:
    """Return one line about a movement: when, who, what, how much, which lot."""
    quantity = quantity_text(abs(movement.quantity_milli), movement.unit)
    taken_back = _("  (taken back)") if movement.is_undone else ""
    lot = _("lot {name}").format(name=batch_text(movement.batch, movement.lot_id.seq))
    what = f"{safe_text(movement.item_name, 28)} {quantity}"
    return safe_text(
        f"{time_of_day(movement.wall_ms, movement.clock)} {column(movement.who_name or '-', 6)} "
        f"{column(kind_text(movement), 14)} {column(what, 32)} {lot}{taken_back}",
        width,
    )


def short_movement(movement: Movement) -> str:
    """Return a movement in few cells: `19:06 -1.2 kg sold`."""
    quantity = quantity_text(movement.quantity_milli, movement.unit)
    sign = "+" if movement.quantity_milli > 0 else ""
    return f"{time_of_day(movement.wall_ms, movement.clock)} {sign}{quantity} {kind_text(movement)}"
