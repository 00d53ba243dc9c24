"""Events to tables: a function of the set of events, whatever the order they arrive in.

Not a judge of whether an event should have been written. Owns custody: a lot's stock is the sum of what its custodian
wrote; a movement by anybody else is kept and never changes stock.
"""

from __future__ import annotations

import sqlite3

import msgspec

from node.domain.words import Basis, MoveKind
from node.ledger.codec import UnknownEvent
from node.ledger.events import Event, LotCounted, LotReceived, MemberEnrolled, Moved, RegisterSet, StreamOpened
from node.ledger.items import ITEM_KEY_PREFIXES, refresh_item_of_key
from node.ledger.names import origin_of

_ENCODER = msgspec.msgpack.Encoder()


def fold(connection: sqlite3.Connection, event: Event, *, member: bytes, clock: int) -> None:
    """Fold one event, written by `member`, into the derived tables. `clock` is the quality of the writer's clock."""
    fact = event.fact
    if isinstance(fact, Moved):
        _fold_movement(connection, event, fact, member, clock)
    elif isinstance(fact, LotCounted):
        # A count is a movement by the difference it found; what others moved meanwhile is kept.
        change = Moved(fact.lot, int(MoveKind.COUNT), fact.change_milli, None, int(Basis.CHOSEN), 0)
        _fold_movement(connection, event, change, member, clock)
    elif isinstance(fact, LotReceived):
        _fold_lot(connection, event, fact, member, clock)
    elif isinstance(fact, RegisterSet):
        _fold_register(connection, event, fact, member)
    elif isinstance(fact, MemberEnrolled):
        _fold_member(connection, event, fact)
    else:
        assert isinstance(fact, StreamOpened)  # its head row is kept by whoever opened or received the stream


def fold_unknown(connection: sqlite3.Connection, unknown: UnknownEvent) -> None:
    """Keep a row for an event of newer software, so that the screen can say that something is not understood."""
    connection.execute(
        "INSERT INTO unknown_event (stream, seq, type, version) VALUES (?, ?, ?, ?)",
        (*unknown.dot, unknown.type_id, unknown.version),
    )


def _contribute(
    connection: sqlite3.Connection, lot: tuple[bytes, int], member: bytes, kind: int, quantity_milli: int
) -> None:
    connection.execute(
        "INSERT INTO contrib (lot_stream, lot_seq, member, kind, quantity_milli) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET quantity_milli = quantity_milli + excluded.quantity_milli",
        (*lot, member, kind, quantity_milli),
    )


def _fold_movement(connection: sqlite3.Connection, event: Event, fact: Moved, member: bytes, clock: int) -> None:
    about = fact.about or (None, None)
    connection.execute(
        "INSERT INTO movement (stream, seq, lot_stream, lot_seq, kind, quantity_milli, about_stream, about_seq,"
        " basis, reason, member, hlc, clock, who) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *event.dot,
            *fact.lot,
            fact.kind,
            fact.quantity_milli,
            *about,
            fact.basis,
            fact.reason,
            member,
            event.hlc,
            clock,
            event.who,
        ),
    )
    _contribute(connection, fact.lot, member, fact.kind, fact.quantity_milli)
    row = connection.execute(
        "UPDATE lot SET on_hand_milli = on_hand_milli + ? WHERE stream = ? AND seq = ? AND member = ?"
        " RETURNING on_hand_milli",
        (fact.quantity_milli, *fact.lot, member),
    ).fetchone()
    # The flag is touched only when it changes, so that its index is not written at every sale.
    if row is not None and (row[0] == 0 or row[0] == fact.quantity_milli):
        connection.execute("UPDATE lot SET is_open = ? WHERE stream = ? AND seq = ?", (int(row[0] != 0), *fact.lot))


def _fold_lot(connection: sqlite3.Connection, event: Event, fact: LotReceived, member: bytes, clock: int) -> None:
    _contribute(connection, event.dot, member, int(MoveKind.RECEIVE), fact.quantity_milli)
    # Movements may have come before their lot; what its custodian wrote so far counts, this event's part included.
    (on_hand_milli,) = connection.execute(
        "SELECT sum(quantity_milli) FROM contrib WHERE lot_stream = ? AND lot_seq = ? AND member = ?",
        (*event.dot, member),
    ).fetchone()
    connection.execute(
        "INSERT INTO lot (stream, seq, item_id, unit, quantity_milli, use_by, best_before, sell_by, produced, batch,"
        " supplier, member, hlc, clock, who, on_hand_milli, is_open)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *event.dot,
            fact.item_id,
            fact.unit,
            fact.quantity_milli,
            fact.use_by,
            fact.best_before,
            fact.sell_by,
            fact.produced,
            fact.batch,
            fact.supplier,
            member,
            event.hlc,
            clock,
            event.who,
            on_hand_milli,
            int(on_hand_milli != 0),
        ),
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
    if fact.key.startswith(ITEM_KEY_PREFIXES):
        refresh_item_of_key(connection, fact.key)


def _fold_member(connection: sqlite3.Connection, event: Event, fact: MemberEnrolled) -> None:
    connection.execute(
        "INSERT INTO member (origin, public_key, name, roles, nonce, stream, seq) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET name = excluded.name, roles = excluded.roles, nonce = excluded.nonce,"
        " stream = excluded.stream, seq = excluded.seq WHERE (excluded.stream, excluded.seq) < (stream, seq)",
        (origin_of(fact.public_key), fact.public_key, fact.name, fact.roles, fact.nonce, *event.dot),
    )
