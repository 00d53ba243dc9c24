"""The words of a hand-over: offer, accept, cancel, withdraw, refuse. One function, one transaction.

Not the goods (`handing`) and not the state, which is a function of the set of events (`node.domain.transfers`). Owns
custody on our side: only what we have, and have not promised, is offered, and each step is written by the one whose
step it is.
"""

from __future__ import annotations

from node.actions.bound import refuse_held
from node.actions.checks import NAME_CHARACTERS_MAX, checked_quantity, judged_day, known_item, optional_words
from node.actions.labels import ask_for_labels
from node.actions.once import done_before, finish
from node.domain.cold import RULES
from node.domain.lots import DateState, Dot, Lot, date_state, sellable
from node.domain.quantity import format_quantity
from node.domain.transfers import State
from node.domain.words import Unit
from node.errors import N_, Refused
from node.language import _, decimal_mark
from node.ledger.append import Appender
from node.ledger.events import (
    Fact,
    TransferAccepted,
    TransferCancelled,
    TransferOffered,
    TransferRefused,
    TransferWithdrawn,
)
from node.ledger.read import (
    Item,
    TransferRow,
    find_lot,
    find_transfer,
    held_lots,
    lots,
    reservations,
    transfer_of_event,
)
from node.ledger.read.goods import LOTS_MAX
from node.ledger.read.members import members
from node.ledger.read.transfers import WAY_IN, WAY_OUT
from node.ledger.store import Transaction

REASON_CHARACTERS_MAX = 200

# The names of these actions in the table `action`: no undo takes them back, each has an opposite of its own.
OFFER, ACCEPT, CANCEL, WITHDRAW, REFUSE = "offer", "accept", "cancel", "withdraw", "refuse"


def offer(
    tx: Transaction,
    *,
    action_id: bytes,
    who: int,
    recipient: bytes,
    item_id: str,
    quantity_milli: int,
    lot_id: Dot | None = None,
    yes: frozenset[str] = frozenset(),
) -> TransferRow:
    """Offer a quantity of one lot to a market: of the lot named, else of the first to expire that has enough.

    Raises Refused for a market that cannot have it, a lot past its date or on hold, and for more than is free;
    NeedsYes `sale.date_not_judged` while the clock is not set.
    """
    done = row_of_done(tx, action_id)
    if done is not None:
        return done
    _check_recipient(tx, recipient)
    found = known_item(tx, item_id)
    lot = _lot_to_offer(tx, found, lot_id, checked_quantity(quantity_milli))
    if judged_day(tx.moment) is None and lot.use_by is not None:
        ask_for_labels(tx, [lot], yes)
    rules = RULES.get(found.storage or "")
    fact = TransferOffered(lot.lot_id, quantity_milli, recipient, rules.limit_milli_c if rules else None)
    return write_step(tx, fact, action_id=action_id, verb=OFFER, who=who)


def accept(
    tx: Transaction, *, action_id: bytes, who: int, transfer_id: Dot, quantity_milli: int | None = None
) -> TransferRow:
    """Take up an offer made to us, all of it or a part. Raises Refused."""
    done = row_of_done(tx, action_id)
    if done is not None:
        return done
    row = ours(tx, transfer_id, WAY_IN)
    expect(row, State.OFFERED)
    accepted_milli = row.offered_milli if quantity_milli is None else checked_quantity(quantity_milli)
    if accepted_milli > row.offered_milli:
        raise too_much(row, row.offered_milli, N_("{most} of {item} was offered, not more."))
    return write_step(tx, TransferAccepted(transfer_id, accepted_milli), action_id=action_id, verb=ACCEPT, who=who)


def cancel(tx: Transaction, *, action_id: bytes, who: int, transfer_id: Dot) -> TransferRow:
    """Take an offer of ours back that nobody has accepted as far as is known here. Raises Refused."""
    done = row_of_done(tx, action_id)
    if done is not None:
        return done
    row = ours(tx, transfer_id, WAY_OUT)
    if row.state is State.ACCEPTED:
        raise Refused(
            "transfer.accepted_already",
            N_("{peer} has accepted {number}."),
            N_("Send it, or go back on it with: larder transfer withdraw {number}"),
            peer=row.peer_name,
            number=row.number,
        )
    expect(row, State.OFFERED)
    return write_step(tx, TransferCancelled(transfer_id), action_id=action_id, verb=CANCEL, who=who)


def withdraw(tx: Transaction, *, action_id: bytes, who: int, transfer_id: Dot) -> TransferRow:
    """Go back on an offer that was accepted, before it is sent; the other market's screen says so. Raises Refused."""
    done = row_of_done(tx, action_id)
    if done is not None:
        return done
    row = ours(tx, transfer_id, WAY_OUT)
    expect(row, State.ACCEPTED)
    accepted = tx.connection.execute(
        "SELECT stream, seq FROM transfer_event WHERE transfer_stream = ? AND transfer_seq = ? AND type = 11"
        " AND member = ? ORDER BY stream, seq LIMIT 1",
        (*transfer_id, row.recipient),
    ).fetchone()
    fact = TransferWithdrawn(transfer_id, Dot(*accepted))
    return write_step(tx, fact, action_id=action_id, verb=WITHDRAW, who=who)


def refuse(tx: Transaction, *, action_id: bytes, who: int, transfer_id: Dot, reason: str | None = None) -> TransferRow:
    """Say no to an offer, or to goods at the door: those stay on the way until the sender books them."""
    done = row_of_done(tx, action_id)
    if done is not None:
        return done
    row = ours(tx, transfer_id, WAY_IN)
    expect(row, State.UNFOUNDED, State.OFFERED, State.ACCEPTED, State.SENT)
    words = optional_words(reason, field=_("reason"), characters_max=REASON_CHARACTERS_MAX)
    return write_step(tx, TransferRefused(transfer_id, words), action_id=action_id, verb=REFUSE, who=who)


def row_of_done(tx: Transaction, action_id: bytes) -> TransferRow | None:
    """Return the hand-over of an action sent again, as it stands now; None where the id is new."""
    done = done_before(tx, action_id)
    return None if done is None else transfer_of_event(tx.connection, done.first)


def write_step(tx: Transaction, fact: Fact, *, action_id: bytes, verb: str, who: int) -> TransferRow:
    """Append one event of a hand-over as one action, and return the hand-over as it stands then."""
    event = Appender(tx).append(fact, who)
    finish(tx, [event], action_id=action_id, verb=verb, who=who)
    row = transfer_of_event(tx.connection, event.dot)
    assert row is not None
    return row


def ours(tx: Transaction, transfer_id: Dot, way: str) -> TransferRow:
    """Return a hand-over in which this step is ours. Raises Refused where it is not known, or the other side's."""
    row = find_transfer(tx.connection, transfer_id)
    if row is None:
        raise Refused(
            "transfer.unknown",
            N_("That hand-over is not known here."),
            N_("See them with: larder transfer list. What another market has just done may not have arrived yet."),
        )
    if row.way != way:
        hint = N_("Tell them the number; both markets see the same one.")
        if way == WAY_OUT:
            words = N_("{number} comes from {peer}; that step is theirs.")
        else:
            words = N_("{number} goes to {peer}; that step is theirs.")
        raise Refused("transfer.not_our_step", words, hint, number=row.number, peer=row.peer_name)
    return row


def expect(row: TransferRow, *states: State) -> None:
    """Raise Refused where a hand-over is not in one of these states."""
    if row.state not in states:
        raise Refused(
            "transfer.wrong_state",
            N_("{number} ({item}, {peer}) is not at that step: {words}."),
            N_("See it with: larder transfer list"),
            number=row.number,
            item=row.item_name,
            peer=row.peer_name,
            words=_(row.words),
        )


def too_much(row: TransferRow, most_milli: int, sentence: str) -> Refused:
    """Return the refusal of a quantity, with the most that there is."""
    most, hint = said(most_milli, row.unit), N_("Type at most that.")
    return Refused("transfer.too_much", sentence, hint, item=row.item_name, number=row.number, most=most)


def said(quantity_milli: int, unit: Unit) -> str:
    """Return a quantity as people here write it."""
    return format_quantity(max(0, quantity_milli), unit, decimal_mark())


def free_milli(lot: Lot, reserved_milli: int) -> int:
    """Return what is on hand of a lot and promised to nobody, never below zero."""
    return max(0, lot.on_hand_milli - reserved_milli)


def refuse_past_date(tx: Transaction, lot: Lot, item_name: str) -> None:
    """Raise Refused `lot.past_use_by` for food that may be handed to nobody."""
    if date_state(lot, judged_day(tx.moment)) is DateState.PAST_USE_BY:
        assert lot.use_by is not None
        raise Refused(
            "lot.past_use_by",
            N_("Lot {lot} of {item} is past its use-by date ({date}); it goes to nobody."),
            N_("Discard it, or take another lot."),
            lot=lot.label,
            item=item_name[:NAME_CHARACTERS_MAX],
            date=lot.use_by.isoformat(),
        )


def _check_recipient(tx: Transaction, recipient: bytes) -> None:
    found = next((member for member in members(tx.connection) if member.origin == recipient), None)
    if found is None:
        raise Refused(
            "member.unknown", N_("That market is not in this group."), N_("See the markets with: larder peers")
        )
    if found.is_us:
        raise Refused("transfer.to_ourselves", N_("That is this market."), N_("Name another one; see: larder peers"))
    if found.is_retired:
        raise Refused(
            "member.retired",
            N_("{market} has left the group; nothing can be handed over to it."),
            N_("Name another market; see: larder peers"),
            market=found.name,
        )


def _lot_to_offer(tx: Transaction, found: Item, lot_id: Dot | None, quantity_milli: int) -> Lot:
    held = held_lots(tx.connection, found.item_id)
    reserved = reservations(tx.connection, found.item_id)
    mine = lots(tx.connection, found.item_id, LOTS_MAX)
    if lot_id is not None:
        lot = next((lot for lot in mine if lot.lot_id == lot_id), None)
        if lot is None:
            gone = find_lot(tx.connection, lot_id)
            raise Refused(
                "lot.unknown",
                N_("Lot {lot} of {item} is not on hand here."),
                N_("Pick the lot from the list: larder lots ITEM"),
                lot=gone.label if gone else "?",
                item=found.name,
            )
        refuse_past_date(tx, lot, found.name)
        refuse_held(lot, held)
        choice = [lot]
    else:
        choice = sellable((lot for lot in mine if lot.lot_id not in held), judged_day(tx.moment))
    for lot in choice:
        if free_milli(lot, reserved.get(lot.lot_id, 0)) >= quantity_milli:
            return lot
    most = max((free_milli(lot, reserved.get(lot.lot_id, 0)) for lot in choice), default=0)
    raise Refused(
        "transfer.too_much",
        N_("No lot of {item} has that much to offer; the most in one lot is {most}."),
        N_("Offer less, or several lots one by one. What is promised already does not count."),
        item=found.name,
        most=said(most, found.unit),
    )
