"""Lots: which one goes first, and whether one may be sold. First expired, first out, safety filtered before sorting.

Not a store: it sees the lots it is given. Owns the rule that food past its use-by date is never chosen for anybody,
and that an unset clock judges no date.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import NamedTuple

from node.domain.words import Unit


class Dot(NamedTuple):
    """The name of an event: which stream, and which number in it. A lot's id is the dot of the event that made it."""

    stream: bytes
    seq: int

    def __str__(self) -> str:
        return f"{self.stream.hex()}:{self.seq}"


@dataclass(frozen=True, slots=True)
class Lot:
    """Units received together. Quantities in thousandths of `unit`; dates None where unknown."""

    lot_id: Dot
    item_id: str
    unit: Unit
    on_hand_milli: int
    batch: str | None
    supplier: str | None
    use_by: date | None
    best_before: date | None
    received_hlc: int

    @property
    def label(self) -> str:
        """Return the batch on the label, else a number of our own that shows it is one: `#12`."""
        return self.batch or f"#{self.lot_id.seq}"


class DateState(Enum):
    """What a lot's dates say on a day."""

    OPEN = "open"
    USE_BY_TODAY = "use_by_today"
    PAST_BEST_BEFORE = "past_best_before"
    PAST_USE_BY = "past_use_by"
    NOT_JUDGED = "not_judged"  # it has a use-by date, and the clock is not set


@dataclass(frozen=True, slots=True)
class Take:
    """A part of a sale: how much from which lot, in thousandths of the lot's unit."""

    lot: Lot
    quantity_milli: int


def date_state(lot: Lot, today: date | None) -> DateState:
    """Judge a lot's dates on `today`; None says the clock is not set, and then no use-by date is judged."""
    if lot.use_by is not None:
        if today is None:
            return DateState.NOT_JUDGED
        if lot.use_by < today:
            return DateState.PAST_USE_BY
        if lot.use_by == today:
            return DateState.USE_BY_TODAY
        return DateState.OPEN
    if lot.best_before is not None and today is not None and lot.best_before < today:
        return DateState.PAST_BEST_BEFORE
    return DateState.OPEN


def first_expired_first(lots: Iterable[Lot]) -> list[Lot]:
    """Sort lots by effective date (use-by, else best-before, else last), then by when they came, then by id."""
    return sorted(lots, key=lambda lot: (lot.use_by or lot.best_before or date.max, lot.received_hlc, lot.lot_id))


def sellable(lots: Iterable[Lot], today: date | None) -> list[Lot]:
    """Return the lots that may be handed over today, with something on hand, first expired first."""
    return first_expired_first(
        lot for lot in lots if lot.on_hand_milli > 0 and date_state(lot, today) is not DateState.PAST_USE_BY
    )


def take_first_expired(lots: Sequence[Lot], quantity_milli: int) -> tuple[list[Take], int]:
    """Split a quantity over lots in their order; one that is overdrawn already has nothing to give.

    Returns the takes and the quantity (thousandths) that the lots do not cover.
    """
    takes: list[Take] = []
    missing = quantity_milli
    for lot in lots:
        if missing == 0:
            break
        taken = min(max(lot.on_hand_milli, 0), missing)
        takes.append(Take(lot, taken))
        missing -= taken
    return takes, missing


def take_free_first(
    lots: Sequence[Lot], quantity_milli: int, reserved: Mapping[Dot, int]
) -> tuple[list[Take], int, int]:
    """Like `take_first_expired`, but what is promised to other markets (`reserved`, by lot) goes last.

    Returns the takes, the quantity (thousandths) that the lots do not cover, and the part that was promised.
    """
    if not reserved:
        return *take_first_expired(lots, quantity_milli), 0
    promised = {lot.lot_id: min(max(lot.on_hand_milli, 0), reserved.get(lot.lot_id, 0)) for lot in lots}
    taken = dict.fromkeys(promised, 0)
    missing = quantity_milli
    for lot in lots:
        taken[lot.lot_id] = min(max(lot.on_hand_milli, 0) - promised[lot.lot_id], missing)
        missing -= taken[lot.lot_id]
    from_promised = 0
    for lot in lots:
        more = min(promised[lot.lot_id], missing)
        taken[lot.lot_id] += more
        missing -= more
        from_promised += more
    return [Take(lot, taken[lot.lot_id]) for lot in lots if taken[lot.lot_id]], missing, from_promised
