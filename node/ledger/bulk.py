"""Fold many blocks at a time: what `fold` makes of each event, with what movements come to written once a batch.

Not another meaning: the tables come out the same, since movements only add, and no sum of understood quantities can
pass 64 bits on the way.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from itertools import repeat

from node.ledger.codec import Body
from node.ledger.events import Event
from node.ledger.fold import Stale, fold_without_refresh, refresh
from node.ledger.moved import MovedColumns, events_of
from node.ledger.numbers import Numbers
from node.ledger.stock import (
    ADD_CONTRIB,
    CHANGE_LOT,
    INSERT_MOVEMENT,
    INSERT_MOVEMENT_ABOUT,
    OPEN_OR_SHUT_LOT,
    our_origin,
)
from node.ledger.understood import are_understood


class Bulk:
    """The sums that the movements of a batch come to, and what became stale: both wait to be written."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._parts: defaultdict[tuple[int, int, int, int], int] = defaultdict(int)
        self._stale = Stale()
        self._numbers = Numbers(connection)
        self._us = our_origin(connection)

    def fold(self, body: Body, *, member: bytes, clock: int) -> None:
        """Fold the events of one block, the sums of its movements and what it makes stale only with `write`.

        Raises what `fold` does.
        """
        others: list[Event] = body.others
        for moved in body.moved:
            if are_understood(moved):
                self._keep(moved, member, clock)
            else:
                others = [*others, *events_of(moved)]
        for event in others:
            fold_without_refresh(self._connection, event, self._stale, member=member, clock=clock)

    def write(self) -> None:
        """Write each sum once, and compute again what became stale."""
        self._connection.executemany(
            ADD_CONTRIB, [(*part, quantity_milli) for part, quantity_milli in sorted(self._parts.items())]
        )
        self._change_lots()
        refresh(self._connection, self._stale)
        self._stale = Stale()
        self._parts.clear()

    def _keep(self, moved: MovedColumns, member: bytes, clock: int) -> None:
        """Write the movements of a block, a row being made of their columns only then, and note their sums."""
        numbers = self._numbers
        lot_numbers = list(map(numbers.__getitem__, moved.lot_streams))
        columns: list[Iterable[int | None]] = [
            repeat(numbers[moved.stream]),
            moved.seqs,
            lot_numbers,
            moved.lot_seqs,
            moved.kinds,
            moved.quantities_milli,
            moved.bases,
            moved.reasons,
            moved.hlcs,
            repeat(clock),
            moved.whos,
            repeat(int(member == self._us)),
        ]
        statement = INSERT_MOVEMENT
        if moved.abouts is not None:
            statement = INSERT_MOVEMENT_ABOUT
            columns.append([None if about is None else numbers[about[0]] for about in moved.abouts])
            columns.append([None if about is None else about[1] for about in moved.abouts])
        self._connection.executemany(statement, zip(*columns, strict=False))
        parts = self._parts
        keys = zip(lot_numbers, moved.lot_seqs, repeat(numbers[member]), moved.kinds, strict=False)
        for key, quantity_milli in zip(keys, moved.quantities_milli, strict=True):
            parts[key] += quantity_milli

    def _change_lots(self) -> None:
        changes: defaultdict[tuple[int, int, int], int] = defaultdict(int)
        for (lot_number, lot_seq, member_number, _kind), quantity_milli in self._parts.items():
            changes[lot_number, lot_seq, member_number] += quantity_milli
        names = {number: name for name, number in self._numbers.items()}
        lots = [
            (quantity_milli, names[lot_number], lot_seq, names[member_number])
            for (lot_number, lot_seq, member_number), quantity_milli in sorted(changes.items())
            if quantity_milli
        ]
        self._connection.executemany(CHANGE_LOT, lots)
        # The flag is touched only when it changes, so that its index is not written at every sale.
        self._connection.executemany(OPEN_OR_SHUT_LOT, [lot[1:3] for lot in lots])
