"""Events to tables: a function of the set of events, whatever the order they arrive in.

Not a judge of whether an event should have been written. Owns custody: a lot's stock is the sum of what its custodian
wrote; a movement by anybody else is kept and never changes stock.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

import msgspec

from node.domain.lots import Dot
from node.domain.words import Basis, MoveKind
from node.ledger.codec import UnknownEvent
from node.ledger.decisions import is_decision, keep_decision
from node.ledger.declared import is_declaration, keep_declaration
from node.ledger.events import (
    BY_VALUE,
    Event,
    ForkSeen,
    ForkSettled,
    LotCarried,
    LotCounted,
    LotReceived,
    MemberEnrolled,
    MemberRetired,
    Moved,
    RegisterSet,
    StreamOpened,
    StreamOpenedUnbound,
)
from node.ledger.fork_facts import fold_fork_seen, fold_fork_settled
from node.ledger.items import ITEM_KEY_PREFIXES, item_of_key, refresh_item
from node.ledger.plans import PLAN_FACTS, fold_plan
from node.ledger.roster import fold_enrolment, fold_retirement
from node.ledger.stock import insert_lot, insert_movement, move
from node.ledger.transfers import TRANSFER_FACTS, fold_transfer, settle
from node.ledger.understood import is_understood

_ENCODER = msgspec.msgpack.Encoder()


@dataclass(slots=True)
class Stale:
    """What events made stale: it is computed again from the set, once for all of them, by `refresh`."""

    keys: set[str] = field(default_factory=set)
    transfers: set[Dot] = field(default_factory=set)
    made_lots: set[Dot] = field(default_factory=set)


def refresh(connection: sqlite3.Connection, stale: Stale) -> None:
    """Compute again what is stale."""
    for item_id in sorted({item_of_key(key) for key in stale.keys}):
        refresh_item(connection, item_id)
    settle(connection, stale.transfers, stale.made_lots)


def fold(connection: sqlite3.Connection, event: Event, *, member: bytes, clock: int) -> None:
    """Fold one event, written by `member`, into the derived tables. `clock` is the quality of the writer's clock."""
    stale = Stale()
    fold_without_refresh(connection, event, stale, member=member, clock=clock)
    refresh(connection, stale)


def fold_without_refresh(
    connection: sqlite3.Connection, event: Event, stale: Stale, *, member: bytes, clock: int
) -> None:
    """Fold one event as `fold` does, up to what it makes stale: a thousand writes of one field are computed once."""
    fact = event.fact
    if not is_understood(event):
        known = BY_VALUE[type(fact)]
        fold_unknown(connection, UnknownEvent(event.dot, known.type_id, known.version))
        return
    if is_decision(fact):
        keep_decision(connection, event, member=member, clock=clock)
    if isinstance(fact, Moved):
        move(connection, event, fact, member=member, clock=clock)
    elif isinstance(fact, LotCounted):
        # A count is a movement by the difference it found; what others moved meanwhile is kept.
        change = Moved(fact.lot, int(MoveKind.COUNT), fact.change_milli, None, int(Basis.CHOSEN), 0)
        move(connection, event, change, member=member, clock=clock)
    elif isinstance(fact, LotReceived):
        kind = MoveKind.RECEIVE
        insert_lot(connection, event, fact, kind, fact.quantity_milli, member=member, clock=clock, parents=fact.parents)
        stale.made_lots.add(event.dot)
    elif isinstance(fact, LotCarried):
        kind = MoveKind.CARRIED
        insert_lot(connection, event, fact, kind, fact.quantity_milli, member=member, clock=clock, parents=[fact.lot])
        stale.made_lots.add(event.dot)
    elif isinstance(fact, RegisterSet):
        _fold_register(connection, event, fact, member)
        if is_declaration(fact.key):
            keep_declaration(connection, event, fact, member)
        if fact.key.startswith(ITEM_KEY_PREFIXES):
            stale.keys.add(fact.key)
    elif isinstance(fact, MemberEnrolled):
        fold_enrolment(connection, event, fact, member)
    elif isinstance(fact, MemberRetired):
        fold_retirement(connection, event, fact, member)
    elif isinstance(fact, TRANSFER_FACTS):
        stale.transfers.add(fold_transfer(connection, event, fact, member=member, clock=clock))
    elif isinstance(fact, PLAN_FACTS):
        fold_plan(connection, event, fact, member=member, clock=clock)
    elif isinstance(fact, ForkSeen):
        fold_fork_seen(connection, event, fact, member)
    elif isinstance(fact, ForkSettled):
        fold_fork_settled(connection, event, fact, member)
    else:
        # Its head row is kept by whoever opened or received the stream.
        assert isinstance(fact, StreamOpened | StreamOpenedUnbound)


def fold_history(connection: sqlite3.Connection, event: Event, *, member: bytes, clock: int) -> None:
    """Fold an event of a group that this market left: its movements stay in the history and change no stock."""
    fact = event.fact
    if isinstance(fact, LotCounted):
        fact = Moved(fact.lot, int(MoveKind.COUNT), fact.change_milli, None, int(Basis.CHOSEN), 0)
    if isinstance(fact, Moved):
        insert_movement(connection, event, fact, member=member, clock=clock)


def fold_unknown(connection: sqlite3.Connection, unknown: UnknownEvent) -> None:
    """Keep a row for an event of newer software, so that the screen can say that something is not understood."""
    connection.execute(
        "INSERT INTO unknown_event (stream, seq, type, version) VALUES (?, ?, ?, ?)",
        (*unknown.dot, unknown.type_id, unknown.version),
    )


def _fold_register(connection: sqlite3.Connection, event: Event, fact: RegisterSet, member: bytes) -> None:
    for dot in fact.over:
        # Under its key: a write replaces values of its own field only, whatever dots it names.
        connection.execute(
            "INSERT INTO reg_dead (key, stream, seq) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (fact.key, *dot)
        )
        connection.execute("DELETE FROM reg_head WHERE key = ? AND stream = ? AND seq = ?", (fact.key, *dot))
    is_dead = connection.execute(
        "SELECT 1 FROM reg_dead WHERE key = ? AND stream = ? AND seq = ?", (fact.key, *event.dot)
    ).fetchone()
    if is_dead is None:
        connection.execute(
            "INSERT INTO reg_head (key, stream, seq, value, member, hlc, who) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (fact.key, *event.dot, _ENCODER.encode(fact.value), member, event.hlc, event.who),
        )
