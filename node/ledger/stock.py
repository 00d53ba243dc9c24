"""Quantities folded into lots: what each member wrote of a lot, and what its custodian has left of it.

Not an event's meaning (`fold`). Owns custody in the tables: a lot's stock is the sum of what its custodian wrote; a
movement by anybody else is kept and never changes stock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from node.domain.lots import Dot
from node.domain.words import MoveKind
from node.ledger.events import Event, LotCarried, LotReceived, Moved, TransferReceived
from node.ledger.numbers import number_of, numbers_of

_COLUMNS = "stream_number, seq, lot_number, lot_seq, kind, quantity_milli, basis, reason, hlc, clock, who, is_ours"
# Most movements take nothing back. Two statements, since to bind None takes Python longer than two numbers.
INSERT_MOVEMENT = f"INSERT INTO movement_row ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
INSERT_MOVEMENT_ABOUT = (
    f"INSERT INTO movement_row ({_COLUMNS}, about_number, about_seq) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
ADD_CONTRIB = (
    "INSERT INTO contrib_row (lot_number, lot_seq, member_number, kind, quantity_milli) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET quantity_milli = quantity_milli + excluded.quantity_milli"
)
CHANGE_LOT = "UPDATE lot SET on_hand_milli = on_hand_milli + ? WHERE stream = ? AND seq = ? AND member = ?"
OPEN_OR_SHUT_LOT = (
    "UPDATE lot SET is_open = NOT is_open WHERE stream = ? AND seq = ? AND is_open <> (on_hand_milli <> 0)"
)


def move(connection: sqlite3.Connection, event: Event, fact: Moved, *, member: bytes, clock: int) -> None:
    """Fold a movement: its row, its part of the sum, and the lot's stock where its custodian wrote it."""
    lot_number, member_number = insert_movement(connection, event, fact, member=member, clock=clock)
    connection.execute(ADD_CONTRIB, (lot_number, fact.lot[1], member_number, fact.kind, fact.quantity_milli))
    row = connection.execute(
        "UPDATE lot SET on_hand_milli = on_hand_milli + ? WHERE stream = ? AND seq = ? AND member = ?"
        " RETURNING on_hand_milli",
        (fact.quantity_milli, *fact.lot, member),
    ).fetchone()
    # The flag is touched only when it changes, so that its index is not written at every sale.
    if row is not None and (row[0] == 0 or row[0] == fact.quantity_milli):
        connection.execute("UPDATE lot SET is_open = ? WHERE stream = ? AND seq = ?", (int(row[0] != 0), *fact.lot))


def our_origin(connection: sqlite3.Connection) -> bytes | None:
    """Return whose movements are ours, None where no market was made yet. Only they are looked up by their lot."""
    row = connection.execute("SELECT origin FROM writer WHERE id = 1").fetchone()
    return None if row is None else bytes(row[0])


def insert_movement(
    connection: sqlite3.Connection, event: Event, fact: Moved, *, member: bytes, clock: int
) -> tuple[int, int]:
    """Keep the row of a movement, whatever it does to stock; return the numbers of its lot's stream and of `member`."""
    (stream, seq), (lot_stream, lot_seq) = event.dot, fact.lot
    stream_number, lot_number, member_number = numbers_of(connection, (stream, lot_stream, member))
    row = (
        stream_number,
        seq,
        lot_number,
        lot_seq,
        fact.kind,
        fact.quantity_milli,
        fact.basis,
        fact.reason,
        event.hlc,
        clock,
        event.who,
        int(member == our_origin(connection)),
    )
    if fact.about is None:
        connection.execute(INSERT_MOVEMENT, row)
    else:
        about_stream, about_seq = fact.about
        connection.execute(INSERT_MOVEMENT_ABOUT, (*row, number_of(connection, about_stream), about_seq))
    return lot_number, member_number


def insert_lot(
    connection: sqlite3.Connection,
    event: Event,
    fact: LotReceived | LotCarried | TransferReceived,
    kind: MoveKind,
    quantity_milli: int,
    *,
    member: bytes,
    clock: int,
    parents: Sequence[Dot],
) -> None:
    """Make the lot that an event names, with `quantity_milli` as its first part of `kind`."""
    stream, seq = event.dot
    stream_number, _same, member_number = numbers_of(connection, (stream, stream, member))
    connection.execute(ADD_CONTRIB, (stream_number, seq, member_number, int(kind), quantity_milli))
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
            quantity_milli,
            fact.use_by,
            fact.best_before,
            getattr(fact, "sell_by", None),
            getattr(fact, "produced", None),
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
    connection.executemany(
        "INSERT INTO lot_parent (stream, seq, parent_stream, parent_seq) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [(*event.dot, *parent) for parent in parents],
    )
