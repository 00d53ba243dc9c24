"""What binds a lot besides its dates: a hold, which nobody talks away, and a promise, which a person may break.

Not the hand-over that promised it (`transfers`) and not the hold itself, which the fold derives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from node.domain.lots import Dot, Lot
from node.domain.quantity import format_quantity
from node.errors import N_, NeedsYes, Refused
from node.language import _, decimal_mark
from node.ledger.read import Item


def refuse_held(lot: Lot, held: Mapping[Dot, str]) -> None:
    """Raise Refused `lot.on_hold` where this lot is on hold; `held` has the reason of each that is."""
    if lot.lot_id in held:
        raise Refused(
            "lot.on_hold",
            N_("Lot {lot} is on hold: {reason}."),
            N_("Do not use it. Set it apart; discard it, or lift the hold: larder hold lift --help"),
            lot=lot.label,
            reason=_(held[lot.lot_id]),
        )


def refuse_only_held(ours: Sequence[Lot], held: Mapping[Dot, str]) -> None:
    """Raise Refused `lot.on_hold` where the books have more, but on hold: what is in the hand may be just that."""
    for lot in ours:
        if lot.on_hand_milli > 0:
            refuse_held(lot, held)


def ask_for_promised(item: Item, promised_milli: int, yes: frozenset[str]) -> None:
    """Raise NeedsYes `sale.reserved` where goods go out that are promised to another market."""
    if "sale.reserved" in yes:
        return
    raise NeedsYes(
        "sale.reserved",
        N_("{quantity} of that is promised to another market ({item})."),
        N_("Say yes if it goes out all the same; less is left for the hand-over then."),
        quantity=format_quantity(promised_milli, item.unit, decimal_mark()),
        item=item.name,
        promised_milli=promised_milli,
    )
