"""The words of the verbs' lines: a lot, its date, a movement, an item. The state word comes first.

Quantities, ages, temperatures and kinds read as on the screen, from the same functions.
"""

from __future__ import annotations

from node.clock import ClockQuality
from node.domain.lots import DateState, Lot
from node.language import N_, _
from node.ledger.read import Item, Movement
from node.text import local_time_text, safe_text
from node.tui.sentences import batch_text, date_text, kind_text, lot_name, quantity_text

NAME_CELLS = 60
SUPPLIER_CELLS = 60

DATE_WORDS = {
    DateState.OPEN: N_("ok"),
    DateState.USE_BY_TODAY: N_("USE BY TODAY"),
    DateState.PAST_BEST_BEFORE: N_("PAST BEST BEFORE"),
    DateState.PAST_USE_BY: N_("PAST USE-BY"),
    DateState.NOT_JUDGED: N_("DATE NOT CHECKED"),
}
OVERSOLD = N_("OVERSOLD")


def name_text(name: str) -> str:
    """Return a name, safe to print."""
    return safe_text(name, NAME_CELLS)


def lot_state(lot: Lot, state: DateState) -> str:
    """Return the word that matters most about a lot, untranslated."""
    return OVERSOLD if lot.on_hand_milli < 0 else DATE_WORDS[state]


def lot_line(lot: Lot, state: str) -> str:
    """Return one line about a lot: `ok lot M-2291 24, use by 2026-11-29, from Green Dairy, id ...`."""
    supplier = _(", from {supplier}").format(supplier=safe_text(lot.supplier, SUPPLIER_CELLS)) if lot.supplier else ""
    return _("{state} lot {lot} {quantity}, {date}{supplier}, id {lot_id}").format(
        state=_(state),
        lot=lot_name(lot),
        quantity=quantity_text(lot.on_hand_milli, lot.unit),
        date=date_text(lot),
        supplier=supplier,
        lot_id=lot.lot_id,
    )


def movement_line(movement: Movement) -> str:
    """Return one line about a movement: `sold Milk 2, lot M-2291, by Ana, 2026-11-22 19:05`."""
    taken_back = _(", taken back") if movement.is_undone else ""
    return _("{kind} {name} {quantity}, lot {lot}, by {who}, {when}{taken_back}").format(
        kind=kind_text(movement),
        name=name_text(movement.item_name),
        quantity=quantity_text(abs(movement.quantity_milli), movement.unit),
        lot=batch_text(movement.batch, movement.lot_id.seq),
        who=name_text(movement.who_name) or _("nobody named"),
        when=when_text(movement.wall_ms, movement.clock),
        taken_back=taken_back,
    )


def when_text(wall_ms: int, quality: ClockQuality) -> str:
    """Return the local date and time of day, or `clock not set`: such a time would be a guess."""
    if quality is ClockQuality.NOT_SET:
        return _("clock not set")
    return local_time_text(wall_ms, "%Y-%m-%d %H:%M")


def allergens_text(item: Item) -> str:
    """Say what is declared: nothing said is never read as free from."""
    if item.allergens is None:
        return _("allergens not declared")
    if not item.allergens:
        return _("declared: none of the 14 allergens")
    return _("allergens: {names}").format(names=" ".join(item.allergens))
