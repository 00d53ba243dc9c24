"""The goods of a hand-over: send, receive, give back, lose. One function, one transaction.

Not the words (`transfers`). Owns the rule that goods in the hand outrank the book: what arrived is taken in whatever
was said before, and more than was sent is recorded after a yes and flagged. Chilled food without a temperature goes
on hold, never quietly on sale.
"""

from __future__ import annotations

from node.actions.bound import refuse_held
from node.actions.checks import (
    BATCH_CHARACTERS_MAX,
    NAME_CHARACTERS_MAX,
    checked_quantity,
    judged_day,
    known_item,
    optional_words,
)
from node.actions.labels import ask_for_labels
from node.actions.transfers import expect, ours, refuse_past_date, row_of_done, too_much, write_step
from node.domain.lots import Dot
from node.domain.quantity import QUANTITY_MILLI_MAX
from node.domain.transfers import State
from node.errors import N_, NeedsYes, Refused
from node.language import _, decimal_mark
from node.ledger.events import TransferLost, TransferReceived, TransferReturned, TransferSent
from node.ledger.read import TransferRow, find_lot, held_lots, reserved_of_lot
from node.ledger.read.goods import from_day, to_day
from node.ledger.read.transfers import WAY_IN, WAY_OUT
from node.ledger.store import Transaction
from node.text import safe_text

SEND, ARRIVE, RETURN, LOSE = "send", "arrive", "return", "lose"
# The sensors of a transport box and any kitchen thermometer stay within this.
MILLI_C_MIN, MILLI_C_MAX = -60_000, 80_000


def send(
    tx: Transaction,
    *,
    action_id: bytes,
    who: int,
    transfer_id: Dot,
    quantity_milli: int | None = None,
    carrier: str | None = None,
    departure_milli_c: int | None = None,
    yes: frozenset[str] = frozenset(),
) -> TransferRow:
    """Let goods leave: what was accepted (else offered), or less. `departure_milli_c` None is not measured.

    Raises Refused for a wrong step or more than there is, NeedsYes `transfer.not_measured` and `transfer.too_warm`.
    """
    done = row_of_done(tx, action_id)
    if done is not None:
        return done
    row = ours(tx, transfer_id, WAY_OUT)
    expect(row, State.OFFERED, State.ACCEPTED)
    lot = find_lot(tx.connection, row.lot_id)
    assert lot is not None
    refuse_past_date(tx, lot, row.item_name)
    refuse_held(lot, held_lots(tx.connection, lot.item_id))
    if judged_day(tx.moment) is None and lot.use_by is not None:
        ask_for_labels(tx, [lot], yes)
    here_milli = lot.on_hand_milli - reserved_of_lot(tx.connection, lot.lot_id, but=transfer_id)
    sent_milli = min(row.reserved_milli, here_milli) if quantity_milli is None else checked_quantity(quantity_milli)
    if not 0 < sent_milli <= min(row.reserved_milli, here_milli):
        raise too_much(
            row, min(row.reserved_milli, here_milli), N_("At most {most} of {item} can be sent as {number}.")
        )
    _ask_for_temperature(row, departure_milli_c, yes)
    words = optional_words(carrier, field=_("carrier"), characters_max=NAME_CHARACTERS_MAX)
    fact = TransferSent(transfer_id, sent_milli, words, departure_milli_c)
    return write_step(tx, fact, action_id=action_id, verb=SEND, who=who)


def receive(
    tx: Transaction,
    *,
    action_id: bytes,
    who: int,
    transfer_id: Dot,
    good_milli: int | None = None,
    damaged_milli: int = 0,
    arrival_milli_c: int | None = None,
    yes: frozenset[str] = frozenset(),
) -> TransferRow:
    """Take in what another market sent: the good part becomes a lot of ours. None for all that was to come.

    Goods that arrived are taken in whatever was said before. Raises Refused where we received it already or its lot is
    not known here yet; NeedsYes `transfer.more_than_sent`, `transfer.not_measured`, `transfer.too_warm` and
    `receive.past_use_by`.
    """
    done = row_of_done(tx, action_id)
    if done is not None:
        return done
    row = ours(tx, transfer_id, WAY_IN)
    fact = _receipt(tx, row, good_milli, damaged_milli, arrival_milli_c)
    if fact.good_milli + fact.damaged_milli > _to_come(row) and "transfer.more_than_sent" not in yes:
        raise NeedsYes(
            "transfer.more_than_sent",
            N_("That is more {item} than {peer} has sent or offered."),
            N_("Count once more, and say yes if it is right; both markets will see the difference."),
            item=row.item_name,
            peer=row.peer_name,
        )
    today, use_by = judged_day(tx.moment), from_day(fact.use_by)
    if use_by is not None and today is not None and use_by < today and "receive.past_use_by" not in yes:
        raise NeedsYes(
            "receive.past_use_by",
            N_("The use-by date {date} has passed; this food cannot be sold."),
            N_("Refuse the delivery, or take it in to discard it."),
            date=use_by.isoformat(),
        )
    if fact.good_milli:
        _ask_for_temperature(row, arrival_milli_c, yes)
    return write_step(tx, fact, action_id=action_id, verb=ARRIVE, who=who)


def give_back(
    tx: Transaction, *, action_id: bytes, who: int, transfer_id: Dot, quantity_milli: int | None = None
) -> TransferRow:
    """Book goods of ours that came back, as a new lot; None for all that is on the way. Raises Refused."""
    done = row_of_done(tx, action_id)
    if done is not None:
        return done
    back_milli = _on_the_way(tx, transfer_id, quantity_milli)
    fact = TransferReturned(transfer_id, back_milli)
    return write_step(tx, fact, action_id=action_id, verb=RETURN, who=who)


def lose(
    tx: Transaction, *, action_id: bytes, who: int, transfer_id: Dot, quantity_milli: int | None = None
) -> TransferRow:
    """Write off goods of ours that neither arrived nor came back; None for all that is on the way. Raises Refused."""
    done = row_of_done(tx, action_id)
    if done is not None:
        return done
    lost_milli = _on_the_way(tx, transfer_id, quantity_milli)
    return write_step(tx, TransferLost(transfer_id, lost_milli), action_id=action_id, verb=LOSE, who=who)


def _on_the_way(tx: Transaction, transfer_id: Dot, quantity_milli: int | None) -> int:
    row = ours(tx, transfer_id, WAY_OUT)
    expect(row, State.SENT, State.RECEIVED, State.REFUSED)
    if row.on_way_milli <= 0:
        raise Refused(
            "transfer.nothing_on_the_way",
            N_("Nothing of {number} is on the way."),
            N_("See it with: larder transfer list"),
            number=row.number,
        )
    wanted_milli = row.on_way_milli if quantity_milli is None else checked_quantity(quantity_milli)
    if wanted_milli > row.on_way_milli:
        raise too_much(row, row.on_way_milli, N_("Only {most} of {number} is still on the way."))
    return wanted_milli


def _to_come(row: TransferRow) -> int:
    if row.sent_milli:
        return row.sent_milli - row.returned_milli
    return row.accepted_milli or row.offered_milli


def _receipt(
    tx: Transaction, row: TransferRow, good_milli: int | None, damaged_milli: int, arrival_milli_c: int | None
) -> TransferReceived:
    if row.good_milli or row.damaged_milli:
        raise Refused(
            "transfer.received_already",
            N_("{number} was received here already."),
            N_("If more has come, take it in with larder receive and tell {peer}."),
            number=row.number,
            peer=row.peer_name,
        )
    lot = find_lot(tx.connection, row.lot_id) if row.item_id is not None else None
    if lot is None:
        raise Refused(
            "transfer.lot_unknown",
            N_("What {peer} wrote about the lot of {number} has not arrived here yet."),
            N_("Keep the goods apart and try again after the next sync; nothing is lost by waiting."),
            number=row.number,
            peer=row.peer_name,
        )
    good = max(0, _to_come(row) - damaged_milli) if good_milli is None else good_milli
    if min(good, damaged_milli) < 0 or not 0 < good + damaged_milli <= QUANTITY_MILLI_MAX:
        raise Refused(
            "quantity.out_of_range",
            N_("The quantity must be above zero and at most 99999."),
            N_("Type the quantity again."),
        )
    item = known_item(tx, lot.item_id)
    if item.unit is not lot.unit:
        raise Refused(
            "transfer.other_unit",
            N_("{peer} counts {item} in another unit than this market."),
            N_("Refuse it here, and take the goods in with larder receive."),
            item=item.name,
            peer=row.peer_name,
        )
    return TransferReceived(
        row.transfer_id,
        good,
        damaged_milli,
        _checked_milli_c(arrival_milli_c),
        lot.item_id,
        int(lot.unit),
        to_day(lot.use_by),
        to_day(lot.best_before),
        _printable(lot.batch, BATCH_CHARACTERS_MAX),
        _printable(lot.supplier, NAME_CHARACTERS_MAX),
    )


def _printable(text: str | None, characters_max: int) -> str | None:
    """Return what another market wrote on its lot, cut and without anything that could steer a terminal."""
    return (safe_text(text, characters_max).strip() or None) if text else None


def _checked_milli_c(milli_c: int | None) -> int | None:
    if milli_c is not None and not MILLI_C_MIN <= milli_c <= MILLI_C_MAX:
        raise Refused(
            "transfer.temperature_out_of_range",
            N_("No food travels at that temperature."),
            N_("Type it in degrees Celsius, or leave it out if nobody measured."),
        )
    return milli_c


def _ask_for_temperature(row: TransferRow, milli_c: int | None, yes: frozenset[str]) -> None:
    """Ask where chilled or frozen food has no temperature, or one above its limit: the new lot goes on hold."""
    if row.limit_milli_c is None:
        return
    limit = _degrees(row.limit_milli_c)
    if _checked_milli_c(milli_c) is None:
        if "transfer.not_measured" not in yes:
            raise NeedsYes(
                "transfer.not_measured",
                N_("{item} must stay at or below {limit} C, and no temperature was typed."),
                N_("Measure it. Without a temperature it is on hold where it arrives and cannot be sold there."),
                item=row.item_name,
                limit=limit,
            )
    elif milli_c is not None and milli_c > row.limit_milli_c and "transfer.too_warm" not in yes:
        raise NeedsYes(
            "transfer.too_warm",
            N_("{item} is at {measured} C; its limit is {limit} C."),
            N_("Refuse it, or say yes: it is on hold where it arrives and cannot be sold there."),
            item=row.item_name,
            measured=_degrees(milli_c),
            limit=limit,
        )


def _degrees(milli_c: int) -> str:
    tenths = (abs(milli_c) + 50) // 100
    return f"{'-' if milli_c < 0 else ''}{tenths // 10}{decimal_mark()}{tenths % 10}"
