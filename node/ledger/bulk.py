"""Fold many events at a time: what `fold` makes of each, with the movements of a whole batch written together.

Not another meaning: the tables come out the same, since movements only add, and no sum of understood quantities can
pass 64 bits on the way.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from node.ledger.events import Event, Moved
from node.ledger.fold import Stale, fold_without_refresh, refresh
from node.ledger.numbers import Numbers
from node.ledger.stock import ADD_CONTRIB, INSERT_MOVEMENT
from node.ledger.understood import are_understood


class Bulk:
    """Movements that wait to be written, and the sums they come to."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._rows: list[tuple[Any, ...]] = []
        self._parts: dict[tuple[bytes, int, bytes, int], int] = {}
        self._stale = Stale()
        self._numbers = Numbers(connection)

    def fold(self, events: Sequence[Event], *, member: bytes, clock: int) -> None:
        """Fold the events of one block, its movements and what it makes stale only with `write`.

        Raises what `fold` does.
        """
        moved: list[Event] = []
        others: list[Event] = []
        for event in events:
            (moved if isinstance(event.fact, Moved) else others).append(event)
        if are_understood(moved):
            self._keep(moved, member, clock)
        else:
            others += moved
        for event in others:
            fold_without_refresh(self._connection, event, self._stale, member=member, clock=clock)

    def write(self) -> None:
        """Write the movements that wait, each sum once, and compute again what became stale."""
        # In the order of the table, so that neighbours are written while their page is at hand.
        self._rows.sort(key=itemgetter(0, 1))
        self._connection.executemany(INSERT_MOVEMENT, self._rows)
        self._connection.executemany(
            ADD_CONTRIB, [(*part, quantity_milli) for part, quantity_milli in sorted(self._parts.items())]
        )
        self._change_lots()
        refresh(self._connection, self._stale)
        self._rows, self._parts, self._stale = [], {}, Stale()

    def _keep(self, moved: Sequence[Event], member: bytes, clock: int) -> None:
        rows, parts, numbers = self._rows, self._parts, self._numbers
        for (stream, seq), hlc, who, fact in moved:
            assert isinstance(fact, Moved)
            (lot_stream, lot_seq), kind, quantity_milli = fact.lot, fact.kind, fact.quantity_milli
            about_stream, about_seq = fact.about or (None, None)
            rows.append(
                (
                    numbers[stream],
                    seq,
                    numbers[lot_stream],
                    lot_seq,
                    kind,
                    quantity_milli,
                    None if about_stream is None else numbers[about_stream],
                    about_seq,
                    fact.basis,
                    fact.reason,
                    hlc,
                    clock,
                    who,
                )
            )
            part = (lot_stream, lot_seq, member, kind)
            parts[part] = parts.get(part, 0) + quantity_milli

    def _change_lots(self) -> None:
        changes: dict[tuple[bytes, int, bytes], int] = {}
        for (lot_stream, lot_seq, member, _kind), quantity_milli in self._parts.items():
            lot = (lot_stream, lot_seq, member)
            changes[lot] = changes.get(lot, 0) + quantity_milli
        for (lot_stream, lot_seq, member), quantity_milli in sorted(changes.items()):
            row = self._connection.execute(
                "UPDATE lot SET on_hand_milli = on_hand_milli + ? WHERE stream = ? AND seq = ? AND member = ?"
                " RETURNING on_hand_milli, is_open",
                (quantity_milli, lot_stream, lot_seq, member),
            ).fetchone()
            if row is None:
                continue
            on_hand_milli, is_open = row
            # The flag is touched only when it changes, so that its index is not written at every sale.
            if is_open != (on_hand_milli != 0):
                self._connection.execute(
                    "UPDATE lot SET is_open = ? WHERE stream = ? AND seq = ?",
                    (int(on_hand_milli != 0), lot_stream, lot_seq),
                )
