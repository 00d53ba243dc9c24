"""Lift the hold of a lot, or put it back: somebody looked at the food and decides, with a name and a reason.

Not where a hold comes from. A lift names every hold that binds the lot, so that one raised meanwhile elsewhere stays,
and it acts at this market alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from node.actions.checks import known_item, optional_words
from node.actions.once import done_before, finish
from node.domain.lots import Dot, Lot
from node.errors import N_, NeedsYes, Refused
from node.language import _
from node.ledger.append import Appender
from node.ledger.events import RegisterSet, RegisterValue
from node.ledger.holds import lift_key
from node.ledger.read import Item, find_lot
from node.ledger.read.holds import Hold, holds_of
from node.ledger.store import Transaction

REASON_CHARACTERS_MAX = 120


@dataclass(frozen=True, slots=True)
class Decided:
    """A lot whose holds were lifted or put back, and which."""

    item: Item
    lot: Lot
    holds: tuple[Hold, ...]


def lift_hold(
    tx: Transaction,
    *,
    action_id: bytes,
    who: int,
    lot_id: Dot,
    reason: str | None,
    yes: frozenset[str] = frozenset(),
) -> Decided:
    """Lift every hold that binds a lot of ours. Raises Refused, and NeedsYes `hold.lift`."""
    found, lot = _our_lot(tx, lot_id)
    holds = tuple(holds_of(tx.connection, lot_id))
    if done_before(tx, action_id) is not None:
        return Decided(found, lot, holds)
    acting = tuple(hold for hold in holds if not hold.is_lifted)
    if not acting:
        raise Refused("hold.none", N_("Lot {lot} is not on hold."), N_("Nothing was changed."), lot=lot.label)
    words = optional_words(reason, field="reason", characters_max=REASON_CHARACTERS_MAX)
    if who == 0 or words is None:
        raise Refused(
            "hold.reason",
            N_("Lifting a hold needs the name of a person and a reason."),
            N_("Say both: larder --who NAME hold lift ITEM --lot LOT --reason TEXT"),
        )
    if "hold.lift" not in yes:
        raise NeedsYes(
            "hold.lift",
            N_("Lot {lot} of {item} is on hold: {reasons}."),
            N_("Say yes only if you looked at the food and answer for it. Your name and your reason are kept."),
            lot=lot.label,
            item=found.name,
            reasons=", ".join(sorted({_(hold.words) for hold in acting})),
        )
    _write(tx, acting, words, action_id=action_id, who=who, verb="lift")
    return Decided(found, lot, acting)


def put_back_hold(tx: Transaction, *, action_id: bytes, who: int, lot_id: Dot) -> Decided:
    """Let the holds of a lot act again that were lifted here. Raises Refused."""
    found, lot = _our_lot(tx, lot_id)
    holds = tuple(holds_of(tx.connection, lot_id))
    if done_before(tx, action_id) is not None:
        return Decided(found, lot, holds)
    lifted = tuple(hold for hold in holds if hold.is_lifted)
    if not lifted:
        raise Refused(
            "hold.none_lifted", N_("No hold of lot {lot} was lifted here."), N_("Nothing was changed."), lot=lot.label
        )
    _write(tx, lifted, None, action_id=action_id, who=who, verb="hold")
    return Decided(found, lot, lifted)


def _our_lot(tx: Transaction, lot_id: Dot) -> tuple[Item, Lot]:
    lot = find_lot(tx.connection, lot_id)
    ours = tx.connection.execute(
        "SELECT 1 FROM lot WHERE stream = ? AND seq = ? AND member = (SELECT origin FROM writer WHERE id = 1)", lot_id
    ).fetchone()
    if lot is None or ours is None:
        raise Refused("lot.unknown", N_("That lot is not known here."), N_("Pick the lot from the stock list."))
    return known_item(tx, lot.item_id), lot


def _write(
    tx: Transaction, holds: tuple[Hold, ...], value: RegisterValue, *, action_id: bytes, who: int, verb: str
) -> None:
    (us,) = tx.connection.execute("SELECT origin FROM writer WHERE id = 1").fetchone()
    appender = Appender(tx)
    events = []
    for hold in holds:
        key = lift_key(hold.lot_id, hold.reason)
        # Our own word alone is replaced: what another market decided about its part of the food stays its own.
        rows = tx.connection.execute("SELECT stream, seq FROM reg_head WHERE key = ? AND member = ?", (key, us))
        over = [Dot(*row) for row in rows.fetchall()]
        events.append(appender.append(RegisterSet(key, value, over), who))
    finish(tx, events, action_id=action_id, verb=verb, who=who)
