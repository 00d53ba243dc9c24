"""Goods in and goods out: receive, sell or issue, discard.

Not the choice of a screen and not a price. Owns two rules: goods in the hand outrank the book (a sale beyond what is
on hand, or of what is promised to another market, is recorded after a yes, never refused silently), and food past its
use-by date or on hold is handed to nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from node.actions.bound import ask_for_promised, refuse_held, refuse_only_held
from node.actions.checks import (
    BATCH_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    checked_quantity,
    judged_day,
    known_item,
    optional_words,
)
from node.actions.labels import ask_for_labels
from node.actions.once import done_before, finish
from node.domain.dates import check_label_date
from node.domain.lots import DateState, Dot, Lot, Take, date_state, sellable, take_free_first
from node.domain.quantity import format_quantity
from node.domain.words import Basis, DiscardReason, MoveKind
from node.errors import N_, NeedsYes, Refused
from node.language import decimal_mark
from node.ledger.append import Appender
from node.ledger.events import Event, LotReceived, Moved
from node.ledger.read import DoneAction, Item, find_lot, held_lots, lots, movements_of_action, reservations
from node.ledger.read.goods import to_day
from node.ledger.read.plans import plan_share
from node.ledger.store import Transaction

LOTS_PER_SALE_MAX = 1000


@dataclass(frozen=True, slots=True)
class Received:
    """A lot that came in; quantities in thousandths of the item's unit."""

    item: Item
    lot: Lot
    quantity_milli: int
    on_hand_after_milli: int


@dataclass(frozen=True, slots=True)
class Taken:
    """What went out of one lot, in thousandths of the item's unit."""

    lot: Lot
    quantity_milli: int


@dataclass(frozen=True, slots=True)
class Sold:
    """What went out, lot by lot. `oversold_milli` is the part that was not on the books.

    `plan_needs_milli` is what accepted plans still need of the item, `plan_lacks_milli` what is not here of that now.
    """

    item: Item
    takes: tuple[Taken, ...]
    quantity_milli: int
    on_hand_after_milli: int
    oversold_milli: int
    plan_needs_milli: int = 0
    plan_lacks_milli: int = 0


@dataclass(frozen=True, slots=True)
class Discarded:
    """What was thrown away of a lot."""

    item: Item
    lot: Lot
    quantity_milli: int
    reason: DiscardReason
    on_hand_after_milli: int


def receive(
    tx: Transaction,
    *,
    action_id: bytes,
    who: int,
    item_id: str,
    quantity_milli: int,
    use_by: date | None = None,
    best_before: date | None = None,
    batch: str | None = None,
    supplier: str | None = None,
    yes: frozenset[str] = frozenset(),
) -> Received:
    """Take a delivery line in as a new lot. Quantity in thousandths of the item's unit.

    Raises NeedsYes `receive.past_use_by` for goods already past their use-by date, Refused for anything out of bounds.
    """
    done = done_before(tx, action_id)
    if done is not None:
        return _received_before(tx, done)
    found = known_item(tx, item_id)
    today = judged_day(tx.moment)
    for label_date in (use_by, best_before):
        if label_date is not None and today is not None:
            check_label_date(label_date, today)
    if use_by is not None and today is not None and use_by < today and "receive.past_use_by" not in yes:
        raise NeedsYes(
            "receive.past_use_by",
            N_("The use-by date {date} has passed; this food cannot be sold."),
            N_("Refuse the delivery, or take it in to discard it."),
            date=use_by.isoformat(),
        )
    appender = Appender(tx)
    event = appender.append(
        LotReceived(
            item_id=found.item_id,
            unit=int(found.unit),
            quantity_milli=checked_quantity(quantity_milli),
            use_by=to_day(use_by),
            best_before=to_day(best_before),
            sell_by=None,
            produced=None,
            batch=optional_words(batch, field="batch", characters_max=BATCH_CHARACTERS_MAX),
            supplier=optional_words(supplier, field="supplier", characters_max=NAME_CHARACTERS_MAX),
            parents=[],
        ),
        who,
    )
    finish(tx, [event], action_id=action_id, verb="receive", who=who)
    return Received(found, _lot(tx, event.dot), quantity_milli, _on_hand(tx, found.item_id))


def sell(
    tx: Transaction,
    *,
    action_id: bytes,
    who: int,
    item_id: str,
    quantity_milli: int,
    lot_id: Dot | None = None,
    basis: Basis = Basis.ASSUMED,
    kind: MoveKind = MoveKind.SELL,
    yes: frozenset[str] = frozenset(),
) -> Sold:
    """Hand goods out, first expired first or from the lot named, as one movement per lot.

    `kind` is SELL or ISSUE. Raises Refused `lot.past_use_by` or `lot.on_hold`, and NeedsYes with the id that `yes` must
    hold: `sale.reserved` (promised to another market), `sale.beyond_on_hand`, `sale.only_expired` (the book has only
    lots past their date) or `sale.date_not_judged` (the clock is not set, and somebody must look at the label).
    """
    done = done_before(tx, action_id)
    if done is not None:
        return _sold_before(tx, done)
    found = known_item(tx, item_id)
    today = judged_day(tx.moment)
    ours = lots(tx.connection, found.item_id, LOTS_PER_SALE_MAX)
    held = held_lots(tx.connection, found.item_id)
    if lot_id:
        choice = [_chosen(tx, found, lot_id, today)]
        refuse_held(choice[0], held)
    else:
        choice = sellable((lot for lot in ours if lot.lot_id not in held), today)
    reserved = reservations(tx.connection, found.item_id)
    takes, missing_milli, promised_milli = take_free_first(choice, checked_quantity(quantity_milli), reserved)
    if missing_milli and lot_id is None:
        refuse_only_held(ours, held)
    if promised_milli:
        ask_for_promised(found, promised_milli, yes)
    if today is None:
        ask_for_labels(tx, [take.lot for take in takes if take.lot.use_by is not None], yes)
    appender = Appender(tx)
    events: list[Event] = []
    if missing_milli:
        _ask_beyond(found, ours, today, missing_milli, yes, is_chosen=lot_id is not None)
        short = takes[-1].lot if takes else _lot_to_overdraw(choice, ours, today)
        if short is None:
            event = appender.append(_lot_of_nothing(found), who)
            events.append(event)
            short = _lot(tx, event.dot)
        takes = _with_missing(takes, short, missing_milli)
    for take in takes:
        fact = Moved(take.lot.lot_id, int(kind), -take.quantity_milli, None, int(basis), int(DiscardReason.NONE))
        events.append(appender.append(fact, who))
    finish(tx, events, action_id=action_id, verb="issue" if kind is MoveKind.ISSUE else "sell", who=who)
    taken = tuple(Taken(take.lot, take.quantity_milli) for take in takes)
    left_milli = sum(lot.on_hand_milli for lot in ours) - quantity_milli
    # A plan blocks nobody: staff decide, and are told what it lacks now.
    plan = plan_share(tx.connection, today, found.item_id)
    return Sold(found, taken, quantity_milli, left_milli, missing_milli, *plan)


def discard(
    tx: Transaction,
    *,
    action_id: bytes,
    who: int,
    lot_id: Dot,
    reason: DiscardReason,
    quantity_milli: int | None = None,
) -> Discarded:
    """Throw away a quantity of a lot, or all that is left of it where none is given. Raises Refused."""
    done = done_before(tx, action_id)
    if done is not None:
        return _discarded_before(tx, done)
    lot = find_lot(tx.connection, lot_id)
    if lot is None or reason is DiscardReason.NONE:
        raise Refused("lot.unknown", N_("That lot is not known here."), N_("Pick the lot from the stock list."))
    found = known_item(tx, lot.item_id)
    gone_milli = lot.on_hand_milli if quantity_milli is None else checked_quantity(quantity_milli)
    if not 0 < gone_milli <= lot.on_hand_milli:
        raise Refused(
            "discard.beyond_on_hand",
            N_("Lot {lot} has less on hand than that."),
            N_("Discard at most what is there; if there is more on the shelf, count the lot first."),
            lot=lot.label,
        )
    appender = Appender(tx)
    fact = Moved(lot_id, int(MoveKind.DISCARD), -gone_milli, None, int(Basis.CHOSEN), int(reason))
    event = appender.append(fact, who)
    finish(tx, [event], action_id=action_id, verb="discard", who=who)
    return Discarded(found, lot, gone_milli, reason, _on_hand(tx, found.item_id))


def _chosen(tx: Transaction, found: Item, lot_id: Dot, today: date | None) -> Lot:
    lot = find_lot(tx.connection, lot_id)
    if lot is None or lot.item_id != found.item_id:
        raise Refused(
            "lot.unknown", N_("That lot is not one of {item}."), N_("Pick the lot from the list."), item=found.name
        )
    if date_state(lot, today) is DateState.PAST_USE_BY:
        assert lot.use_by is not None
        raise Refused(
            "lot.past_use_by",
            N_("Lot {lot} of {item} is past its use-by date ({date}); it was not sold."),
            N_("Discard it, or take another lot."),
            lot=lot.label,
            item=found.name,
            date=lot.use_by.isoformat(),
        )
    return lot


def _ask_beyond(
    found: Item, ours: list[Lot], today: date | None, missing_milli: int, yes: frozenset[str], *, is_chosen: bool
) -> None:
    expired = [] if is_chosen else [lot for lot in ours if date_state(lot, today) is DateState.PAST_USE_BY]
    if expired and "sale.only_expired" not in yes:
        assert expired[0].use_by is not None
        raise NeedsYes(
            "sale.only_expired",
            N_("On the books is lot {lot} of {item}, past its use-by date ({date}), which must not be sold."),
            N_("Look at the label: say yes only if what you hold is another one with a good date."),
            lot=expired[0].label,
            item=found.name,
            date=expired[0].use_by.isoformat(),
        )
    if not expired and "sale.beyond_on_hand" not in yes:
        raise NeedsYes(
            "sale.beyond_on_hand",
            N_("That is more {item} than the books have ({missing} too many)."),
            N_("Say yes if the goods are in your hand: it is recorded, and marked OVERSOLD until it is counted."),
            item=found.name,
            missing=format_quantity(missing_milli, found.unit, decimal_mark()),
            missing_milli=missing_milli,
        )


def _lot_to_overdraw(choice: list[Lot], ours: list[Lot], today: date | None) -> Lot | None:
    """Return the lot that what is not on the books is taken from: the one named, else one that is overdrawn already."""
    if choice:
        return choice[-1]
    overdrawn = (lot for lot in ours if lot.on_hand_milli < 0)
    return next((lot for lot in overdrawn if date_state(lot, today) is not DateState.PAST_USE_BY), None)


def _lot_of_nothing(found: Item) -> LotReceived:
    return LotReceived(found.item_id, int(found.unit), 0, None, None, None, None, None, None, [])


def _with_missing(takes: list[Take], short: Lot, missing_milli: int) -> list[Take]:
    if not takes:
        return [Take(short, missing_milli)]
    return [*takes[:-1], Take(short, takes[-1].quantity_milli + missing_milli)]


def _lot(tx: Transaction, lot_id: Dot) -> Lot:
    lot = find_lot(tx.connection, lot_id)
    assert lot is not None
    return lot


def _on_hand(tx: Transaction, item_id: str) -> int:
    return sum(lot.on_hand_milli for lot in lots(tx.connection, item_id, LOTS_PER_SALE_MAX))


def _received_before(tx: Transaction, done: DoneAction) -> Received:
    lot = _lot(tx, done.first)
    (movement,) = movements_of_action(tx.connection, done)
    return Received(known_item(tx, lot.item_id), lot, movement.quantity_milli, _on_hand(tx, lot.item_id))


def _sold_before(tx: Transaction, done: DoneAction) -> Sold:
    before = movements_of_action(tx.connection, done)
    found = known_item(tx, before[0].item_id)
    takes = tuple(Taken(_lot(tx, movement.lot_id), -movement.quantity_milli) for movement in before)
    on_hand = _on_hand(tx, found.item_id)
    oversold = sum(min(take.quantity_milli, max(0, -take.lot.on_hand_milli)) for take in takes)
    plan = plan_share(tx.connection, judged_day(tx.moment), found.item_id)
    return Sold(found, takes, sum(take.quantity_milli for take in takes), on_hand, oversold, *plan)


def _discarded_before(tx: Transaction, done: DoneAction) -> Discarded:
    (movement,) = movements_of_action(tx.connection, done)
    lot = _lot(tx, movement.lot_id)
    found = known_item(tx, lot.item_id)
    return Discarded(found, lot, -movement.quantity_milli, movement.reason, _on_hand(tx, found.item_id))
