"""Transfers between markets, folded: every event kept, and the state that the set of them gives.

Not the rules (`node.domain.transfers`). Owns the tables `transfer_event`, `transfer` and the hold of a lot that was
handed over. Nothing of a transfer counts until its offer and the offered lot are both here and the lot is its
offerer's; then everything that waited is booked, so the order of arrival leaves no trace.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

import msgspec

from node.domain.lots import Dot
from node.domain.transfers import (
    UNFOUNDED,
    HoldReason,
    Offer,
    Step,
    TransferState,
    TransferStep,
    counting,
    makes_lot,
    state_of,
)
from node.domain.words import Basis, DiscardReason, MoveKind
from node.ledger.events import (
    BY_NUMBER,
    BY_VALUE,
    Event,
    Fact,
    LotReceived,
    Moved,
    TransferAccepted,
    TransferCancelled,
    TransferLost,
    TransferOffered,
    TransferReceived,
    TransferRefused,
    TransferReturned,
    TransferSent,
    TransferWithdrawn,
)
from node.ledger.stock import insert_lot, move

TRANSFER_WORDS: dict[type[Fact], str] = {
    TransferOffered: "offered",
    TransferAccepted: "accepted",
    TransferCancelled: "cancelled",
    TransferWithdrawn: "withdrawn",
    TransferSent: "sent",
    TransferReceived: "confirmed",
    TransferRefused: "refused",
    TransferReturned: "returned",
    TransferLost: "lost",
}
"""Every fact about a hand-over, with the fixed word for it in lists."""
TRANSFER_FACTS = tuple(TRANSFER_WORDS)
_ENCODER = msgspec.msgpack.Encoder()
_VERSION = 1


def fold_transfer(connection: sqlite3.Connection, event: Event, fact: Fact, *, member: bytes, clock: int) -> Dot:
    """Keep one event of a transfer, written by `member`, and return the transfer, which is to be settled now."""
    transfer = event.dot if isinstance(fact, TransferOffered) else fact.transfer  # type: ignore[union-attr]
    connection.execute(
        "INSERT INTO transfer_event (stream, seq, transfer_stream, transfer_seq, type, member, fact, hlc, clock, who)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *event.dot,
            *transfer,
            BY_VALUE[type(fact)].type_id,
            member,
            _ENCODER.encode(fact),
            event.hlc,
            clock,
            event.who,
        ),
    )
    if isinstance(fact, TransferOffered):
        _insert_offer(connection, event, fact, member)
    return transfer


def settle(connection: sqlite3.Connection, transfers: Iterable[Dot], made_lots: Iterable[Dot]) -> None:
    """Book what counts of these transfers and what waited for lots that were made; once for any number of events."""
    waiting = {*transfers}
    for lot_id in made_lots:
        waiting.update(_transfers_of(connection, lot_id))
    _settle(connection, sorted(waiting))


def decoded_fact(type_id: int, fact: bytes) -> Fact:
    """Return the fact of a row of `transfer_event`."""
    return msgspec.msgpack.decode(fact, type=BY_NUMBER[type_id, _VERSION].value)


def _insert_offer(connection: sqlite3.Connection, event: Event, fact: TransferOffered, member: bytes) -> None:
    connection.execute(
        "INSERT INTO transfer (stream, seq, lot_stream, lot_seq, sender, recipient, state, offered_milli,"
        " accepted_milli, reserved_milli, sent_milli, good_milli, damaged_milli, returned_milli, lost_milli,"
        " on_way_milli, flags, limit_milli_c, hlc, last_hlc)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, 0, 0, 0, 0, 0, 0, 0, '', ?, ?, ?)",
        (
            *event.dot,
            *fact.lot,
            member,
            fact.recipient,
            UNFOUNDED.state.value,
            fact.quantity_milli,
            fact.limit_milli_c,
            event.hlc,
            event.hlc,
        ),
    )


def _settle(connection: sqlite3.Connection, waiting: list[Dot]) -> None:
    # A list and no recursion: lots handed on from market to market may arrive in one long chain, last one first.
    while waiting:
        for lot_id in _refresh(connection, waiting.pop()):
            waiting += _transfers_of(connection, lot_id)


def _transfers_of(connection: sqlite3.Connection, lot_id: Dot) -> list[Dot]:
    rows = connection.execute("SELECT stream, seq FROM transfer WHERE lot_stream = ? AND lot_seq = ?", lot_id)
    return [Dot(*row) for row in rows.fetchall()]


def _refresh(connection: sqlite3.Connection, transfer: Dot) -> list[Dot]:
    """Compute a transfer's row again, book what counts and is not booked yet; return the lots that were made."""
    row = connection.execute(
        "SELECT t.sender, t.recipient, t.offered_milli, t.limit_milli_c, l.stream, l.seq, t.hlc"
        " FROM transfer t JOIN lot l ON l.stream = t.lot_stream AND l.seq = t.lot_seq AND l.member = t.sender"
        " WHERE t.stream = ? AND t.seq = ?",
        transfer,
    ).fetchone()
    if row is None:
        return []
    offer, lot_id, hlc = Offer(*row[:4]), Dot(row[4], row[5]), row[6]
    events = _events_of(connection, transfer, offer)
    steps = counting(offer, [_step(event, member) for event, member, _clock in events.values()])
    made: list[Dot] = []
    for step in steps:
        event, member, clock = events[step.dot]
        hlc = max(hlc, event.hlc)
        if step.step is Step.SENT:
            _book_sending(connection, event, lot_id, step.quantity_milli, member=member, clock=clock)
        elif makes_lot(step) and _book_lot(connection, event, lot_id, step, member=member, clock=clock):
            made.append(step.dot)
    found = state_of(offer, steps)
    _keep_state(connection, transfer, found, hlc)
    _keep_holds(connection, [step.dot for step in steps if makes_lot(step)], found)
    return made


def _events_of(connection: sqlite3.Connection, transfer: Dot, offer: Offer) -> dict[Dot, tuple[Event, bytes, int]]:
    rows = connection.execute(
        "SELECT stream, seq, hlc, who, type, fact, member, clock FROM transfer_event"
        " WHERE transfer_stream = ? AND transfer_seq = ? AND member IN (?, ?) AND type <> ?",
        (*transfer, offer.sender, offer.recipient, BY_VALUE[TransferOffered].type_id),
    )
    return {
        Dot(stream, seq): (Event(Dot(stream, seq), hlc, who, decoded_fact(type_id, fact)), member, clock)
        for stream, seq, hlc, who, type_id, fact, member, clock in rows.fetchall()
    }


def _step(event: Event, member: bytes) -> TransferStep:
    dot, fact = event.dot, event.fact
    match fact:
        case TransferAccepted():
            return TransferStep(dot, member, Step.ACCEPTED, fact.quantity_milli)
        case TransferCancelled():
            return TransferStep(dot, member, Step.CANCELLED)
        case TransferWithdrawn():
            return TransferStep(dot, member, Step.WITHDRAWN, about=Dot(*fact.accepted))
        case TransferSent():
            return TransferStep(dot, member, Step.SENT, fact.quantity_milli, temperature_milli_c=fact.departure_milli_c)
        case TransferReceived():
            return TransferStep(dot, member, Step.RECEIVED, fact.good_milli, fact.damaged_milli, fact.arrival_milli_c)
        case TransferRefused():
            return TransferStep(dot, member, Step.REFUSED)
        case TransferReturned():
            return TransferStep(dot, member, Step.RETURNED, fact.quantity_milli)
    assert isinstance(fact, TransferLost)
    return TransferStep(dot, member, Step.LOST, fact.quantity_milli)


def _book_sending(
    connection: sqlite3.Connection, event: Event, lot_id: Dot, quantity_milli: int, *, member: bytes, clock: int
) -> None:
    booked = connection.execute(
        "SELECT 1 FROM movement_row WHERE stream_number = (SELECT number FROM name_number WHERE name = ?) AND seq = ?",
        event.dot,
    ).fetchone()
    if booked is None:
        fact = Moved(
            lot_id, int(MoveKind.TRANSFER_OUT), -quantity_milli, None, int(Basis.CHOSEN), int(DiscardReason.NONE)
        )
        move(connection, event, fact, member=member, clock=clock)


def _book_lot(
    connection: sqlite3.Connection, event: Event, parent: Dot, step: TransferStep, *, member: bytes, clock: int
) -> bool:
    if connection.execute("SELECT 1 FROM lot WHERE stream = ? AND seq = ?", event.dot).fetchone() is not None:
        return False
    if isinstance(event.fact, TransferReceived):
        fact: LotReceived | TransferReceived = event.fact
        kind = MoveKind.TRANSFER_IN
    else:
        columns = "item_id, unit, quantity_milli, use_by, best_before, sell_by, produced, batch, supplier"
        row = connection.execute(f"SELECT {columns} FROM lot WHERE stream = ? AND seq = ?", parent).fetchone()
        fact = LotReceived(*(*row, [parent]))
        kind = MoveKind.TRANSFER_BACK
    insert_lot(connection, event, fact, kind, step.quantity_milli, member=member, clock=clock, parents=[parent])
    return True


def _keep_state(connection: sqlite3.Connection, transfer: Dot, found: TransferState, last_hlc: int) -> None:
    connection.execute(
        "UPDATE transfer SET state = ?, accepted_milli = ?, reserved_milli = ?, sent_milli = ?, good_milli = ?,"
        " damaged_milli = ?, returned_milli = ?, lost_milli = ?, on_way_milli = ?, flags = ?, last_hlc = ?"
        " WHERE stream = ? AND seq = ?",
        (
            found.state.value,
            found.accepted_milli,
            found.reserved_milli,
            found.sent_milli,
            found.good_milli,
            found.damaged_milli,
            found.returned_milli,
            found.lost_milli,
            found.on_way_milli,
            " ".join(sorted(flag.value for flag in found.flags)),
            last_hlc,
            *transfer,
        ),
    )


def _keep_holds(connection: sqlite3.Connection, lot_ids: list[Dot], found: TransferState) -> None:
    # Only the reasons of a hand-over: a lot may be on hold for others as well.
    connection.executemany(
        "DELETE FROM lot_hold WHERE stream = ? AND seq = ? AND reason = ?",
        [(*lot_id, reason.value) for lot_id in lot_ids for reason in HoldReason],
    )
    connection.executemany(
        "INSERT INTO lot_hold (stream, seq, reason) VALUES (?, ?, ?)",
        [(*lot_id, reason.value) for lot_id, reason in found.holds if lot_id in lot_ids],
    )
