"""Undo: append the exact opposite movements of an action, linked to them, once.

Not an edit: what was done stays in the ledger and on the list. Refused, with the reason, where the goods have gone on
since.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from node.actions import handing, transfers
from node.actions.once import done_before, find_action, finish, is_of_home
from node.domain.quantity import format_quantity
from node.domain.words import Basis, DiscardReason, MoveKind, Unit
from node.errors import N_, Refused
from node.language import _, decimal_mark
from node.ledger.append import Appender
from node.ledger.events import Moved
from node.ledger.read import (
    DoneAction,
    Movement,
    TransferRow,
    last_actions,
    movements_of_action,
    reserved_of_lot,
    transfer_of_event,
)
from node.ledger.store import Transaction

# How far back "undo" reaches: the last actions of the person at work.
UNDO_ACTIONS_MAX = 20
UNDOABLE_VERBS = ("receive", "sell", "issue", "discard", "count", "adjust")
# Another market acts on a step of a hand-over as soon as it hears of it; what takes it back is a step of its own.
HAND_OVER_HINTS = {
    transfers.OFFER: N_("Take the offer back with: larder transfer cancel {number}"),
    transfers.ACCEPT: N_("Say no after all with: larder transfer refuse {number}"),
    transfers.CANCEL: N_("Offer it again with: larder transfer offer"),
    transfers.WITHDRAW: N_("Offer it again with: larder transfer offer"),
    transfers.REFUSE: N_("Ask {peer} to offer it again."),
    handing.SEND: N_("When it is back: larder transfer return {number}"),
    handing.ARRIVE: N_("Correct the new lot with larder count, and tell {peer}."),
    handing.RETURN: N_("Correct the new lot with larder count."),
    handing.LOSE: N_("If it turns up, {peer} takes it in, and the loss no longer counts."),
}
# What people decided about a plan has its own way back. Hand-overs use two of these words too; their events tell.
PLAN_HINTS = {
    "accept": N_("Take the accepted plan back with: larder plan --withdraw"),
    "withdraw": N_("Accept a plan again with: larder plan --accept"),
    "cook": N_("Correct the stock: larder count for what is left, larder receive for what was not used."),
}
# What people decided about an item, a lot or a sensor: it moved no goods, and it is taken back by deciding again.
DECISION_HINTS = {
    "lift": N_("Put the lot on hold again with: larder hold back"),
    "hold": N_("Lift the hold again with: larder hold lift"),
    "declare": N_("Declare it again with: larder item allergens"),
    "rename": N_("Rename it again with: larder item rename"),
    "calibrate": N_("Take it back with: larder sensors withdraw"),
    "uncalibrate": N_("Calibrate again with: larder sensors calibrate"),
}
_KEPT = {
    "lift": N_("the hold lifted since then stays lifted; put it back with: larder hold back"),
    "hold": N_("the lot put on hold since then stays so; lift it with: larder hold lift"),
    "declare": N_("the allergens declared since then stay; declare again with: larder item allergens"),
    "rename": N_("the name given since then stays; rename again with: larder item rename"),
    "calibrate": N_("the calibration since then stays; take it back with: larder sensors withdraw"),
    "uncalibrate": N_("the calibration taken back since then stays so; calibrate with: larder sensors calibrate"),
    "accept": N_("the plan accepted since then stays; take it back with: larder plan --withdraw"),
    "withdraw": N_("the plan withdrawn since then stays so; accept one again with: larder plan --accept"),
}
_LOOKED_AT = (*UNDOABLE_VERBS, *HAND_OVER_HINTS, *DECISION_HINTS, "cook")
_SAFETY_REASONS = frozenset({DiscardReason.USE_BY, DiscardReason.COLD_CHAIN, DiscardReason.RECALL})


@dataclass(frozen=True, slots=True)
class Undone:
    """An action that was taken back, and the movements that it had made.

    `kept` says what was done about a plan since and stays, and how to take that back; empty where there is nothing.
    """

    verb: str
    action_id: bytes
    movements: tuple[Movement, ...]
    kept: str = ""


def preview(connection: sqlite3.Connection, *, who: int, target: bytes | None = None) -> Undone:
    """Return what an undo would take back now. Raises Refused with the reason why it cannot."""
    action, kept = _target(connection, who, target)
    if action.is_undone:
        raise Refused("undo.already", N_("That was undone already."), N_("Nothing was changed."))
    if is_of_home(connection, action):
        raise Refused(
            "undo.before_joining",
            N_("That was done before this market joined its group and cannot be undone any more."),
            N_("Count the lot or discard what is too much."),
        )
    before = movements_of_action(connection, action)
    for movement in before:
        _check_may_go_back(connection, movement)
    return Undone(action.verb, action.action_id, tuple(before), kept)


def undo(tx: Transaction, *, action_id: bytes, who: int, target: bytes | None = None) -> Undone:
    """Take back the action `target`, or the last one of this person that can be. Raises Refused."""
    done = done_before(tx, action_id)
    if done is not None:
        return _undone_before(tx, done)
    planned = preview(tx.connection, who=who, target=target)
    appender = Appender(tx)
    events = [
        appender.append(
            Moved(
                movement.lot_id,
                int(movement.kind),
                -movement.quantity_milli,
                movement.dot,
                int(movement.basis or Basis.CHOSEN),
                int(movement.reason),
            ),
            who,
        )
        for movement in planned.movements
    ]
    finish(tx, events, action_id=action_id, verb="undo", who=who)
    tx.connection.execute("UPDATE action SET undone_by = ? WHERE action_id = ?", (action_id, planned.action_id))
    return planned


def _target(connection: sqlite3.Connection, who: int, target: bytes | None) -> tuple[DoneAction, str]:
    """Return what to take back, and what was done about a plan since and is passed over."""
    if target is not None:
        action = find_action(connection, target)
        if action is not None:
            _refuse_what_has_its_own_way_back(connection, action)
            if action.verb in UNDOABLE_VERBS:
                return action, ""
        raise _nothing()
    passed: DoneAction | None = None
    for action in last_actions(connection, who, UNDO_ACTIONS_MAX, verbs=_LOOKED_AT):
        if action.verb in _KEPT and transfer_of_event(connection, action.first) is None:
            # It moved no goods, so what was done before it is still the last thing on the shelves.
            passed = passed or action
            continue
        # Silently taking back what was done before it would undo something nobody thinks of.
        _refuse_what_has_its_own_way_back(connection, action)
        if not action.is_undone:
            return action, _(_KEPT[passed.verb]) if passed else ""
    if passed is not None:
        raise _plan(passed) if passed.verb in PLAN_HINTS else _decision(passed)
    raise _nothing()


def _refuse_what_has_its_own_way_back(connection: sqlite3.Connection, action: DoneAction) -> None:
    row = transfer_of_event(connection, action.first) if action.verb in HAND_OVER_HINTS else None
    if row is not None:
        raise _hand_over(action, row)
    if action.verb in PLAN_HINTS:
        raise _plan(action)
    if action.verb in DECISION_HINTS:
        raise _decision(action)


def _nothing() -> Refused:
    return Refused(
        "undo.nothing",
        N_("There is nothing to undo."),
        N_("Undo reaches back over the last {most} things that you did yourself."),
        most=UNDO_ACTIONS_MAX,
    )


def _plan(action: DoneAction) -> Refused:
    return Refused(
        "undo.plan", N_("That was something done with a plan; undo does not take it back."), PLAN_HINTS[action.verb]
    )


def _decision(action: DoneAction) -> Refused:
    return Refused(
        "undo.decision",
        N_("That was a decision about an item, a lot or a sensor; undo does not take it back."),
        DECISION_HINTS[action.verb],
    )


def _hand_over(action: DoneAction, row: TransferRow) -> Refused:
    return Refused(
        "undo.hand_over",
        N_("The last thing was a step of hand-over {number} with {peer}; undo does not take it back."),
        HAND_OVER_HINTS[action.verb],
        number=row.number,
        peer=row.peer_name,
    )


def _check_may_go_back(connection: sqlite3.Connection, movement: Movement) -> None:
    if movement.kind is MoveKind.DISCARD and movement.reason in _SAFETY_REASONS:
        raise Refused(
            "undo.safety",
            N_("{item} was discarded because it was not safe; that is not taken back into stock."),
            N_("If the entry was wrong, receive the goods again and say why."),
            item=movement.item_name,
        )
    if movement.kind is not MoveKind.RECEIVE:
        return
    (gone_milli,) = connection.execute(
        "SELECT coalesce(-sum(quantity_milli), 0) FROM contrib WHERE lot_stream = ? AND lot_seq = ? AND kind <> ?"
        " AND member = (SELECT origin FROM writer WHERE id = 1)",
        (*movement.lot_id, int(MoveKind.RECEIVE)),
    ).fetchone()
    promised_milli = reserved_of_lot(connection, movement.lot_id)
    if promised_milli:
        raise Refused(
            "undo.promised",
            N_("{promised} of {item} is promised to another market."),
            N_("Cancel or withdraw that first; see: larder transfer list"),
            promised=_said(promised_milli, movement.unit),
            item=movement.item_name,
        )
    if gone_milli:
        raise Refused(
            "undo.gone_since",
            N_("{gone} of {received} of {item} have gone out since."),
            N_("Undo those first, or discard what is too much."),
            gone=_said(gone_milli, movement.unit),
            received=_said(movement.quantity_milli, movement.unit),
            item=movement.item_name,
        )


def _said(quantity_milli: int, unit: Unit) -> str:
    return format_quantity(quantity_milli, unit, decimal_mark())


def _undone_before(tx: Transaction, done: DoneAction) -> Undone:
    row = tx.connection.execute("SELECT action_id FROM action WHERE undone_by = ?", (done.action_id,)).fetchone()
    action = find_action(tx.connection, bytes(row[0]))
    assert action is not None
    return Undone(action.verb, action.action_id, tuple(movements_of_action(tx.connection, action)))
