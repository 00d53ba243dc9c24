"""What `--json` says about items, lots, movements and cold units: typed, with the unit in each key's name.

The contract for scripts: a key is never given another meaning; a changed object gets the next number in its `format`.
Ids are `item_id` and `lot_id`; a lot's `lot` is the name a person reads. Quantities are thousandths of `unit`.
"""

from __future__ import annotations

from datetime import date

import msgspec

from node.domain.lots import Lot
from node.domain.words import UNIT_WORDS
from node.ledger.read import Item, Movement


class ItemAnswer(msgspec.Struct, frozen=True):
    """An item. `allergens` null means not declared, never free from."""

    item_id: str
    name: str
    unit: str
    storage: str | None
    allergens: tuple[str, ...] | None
    shelf_life_days: int | None
    par_milli: int | None
    is_starter: bool


class LotAnswer(msgspec.Struct, frozen=True):
    """A lot with what is left of it, in thousandths of the item's unit."""

    lot_id: str
    lot: str
    batch: str | None
    supplier: str | None
    on_hand_milli: int
    use_by: date | None
    best_before: date | None
    state: str


class TakenAnswer(msgspec.Struct, frozen=True):
    """What went out of one lot, in thousandths of the item's unit."""

    lot_id: str
    lot: str
    quantity_milli: int
    use_by: date | None
    best_before: date | None


class MovementAnswer(msgspec.Struct, frozen=True):
    """One movement. `quantity_milli` is signed: out is negative. `wall_ms` is only as good as `clock`."""

    movement_id: str
    kind: str
    quantity_milli: int
    unit: str
    item_id: str
    name: str
    lot_id: str
    lot: str
    basis: str | None
    reason: str | None
    takes_back: str | None
    is_taken_back: bool
    wall_ms: int
    clock: str
    who: int
    who_name: str


def item_answer(item: Item) -> ItemAnswer:
    """Return an item for JSON."""
    return ItemAnswer(
        item.item_id,
        item.name,
        UNIT_WORDS[item.unit],
        item.storage,
        item.allergens,
        item.shelf_life_days,
        item.par_milli,
        item.is_starter,
    )


def lot_answer(lot: Lot, state: str) -> LotAnswer:
    """Return a lot for JSON, with the word for what its date and quantity say."""
    return LotAnswer(
        str(lot.lot_id), lot.label, lot.batch, lot.supplier, lot.on_hand_milli, lot.use_by, lot.best_before, state
    )


def movement_answer(movement: Movement) -> MovementAnswer:
    """Return a movement for JSON."""
    return MovementAnswer(
        movement_id=str(movement.dot),
        kind=movement.kind.name.lower(),
        quantity_milli=movement.quantity_milli,
        unit=UNIT_WORDS[movement.unit],
        item_id=movement.item_id,
        name=movement.item_name,
        lot_id=str(movement.lot_id),
        lot=movement.batch or f"#{movement.lot_id.seq}",
        basis=None if movement.basis is None else movement.basis.name.lower(),
        reason=movement.reason.name.lower() if movement.reason else None,
        takes_back=None if movement.about is None else str(movement.about),
        is_taken_back=movement.is_undone,
        wall_ms=movement.wall_ms,
        clock=movement.clock.name.lower(),
        who=movement.who,
        who_name=movement.who_name,
    )
