"""Our lots that are on hold, or whose hold was lifted here: each with the holds that reach it."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from node.domain.lots import Dot, Lot
from node.ledger.holds import OURS, held_lots_at, is_not_lifted_at
from node.ledger.read.goods import lot_of
from node.ledger.read.transfers import HOLD_WORDS, OTHER_HOLD

HELD_MAX = 500
# A lot has as many ancestors as hands it went through; more holds than this are not read by anybody.
HOLDS_MAX = 200
_LOT_COLUMNS = (
    "l.stream, l.seq, l.item_id, l.unit, l.on_hand_milli, l.batch, l.supplier, l.use_by, l.best_before, l.hlc"
)


@dataclass(frozen=True, slots=True)
class Hold:
    """One hold that reaches a lot: the lot it was put on, this one or one it came from, and its fixed reason word."""

    lot_id: Dot
    reason: str
    is_lifted: bool

    @property
    def words(self) -> str:
        """Return the reason in English."""
        return HOLD_WORDS.get(self.reason, OTHER_HOLD)


@dataclass(frozen=True, slots=True)
class HeldLot:
    """A lot of ours with its item's name, on hold now."""

    lot: Lot
    item_name: str
    holds: tuple[Hold, ...]


def holds_of(connection: sqlite3.Connection, lot_id: Dot) -> list[Hold]:
    """Return every hold on a lot and on the lots it came from, lifted here or not."""
    rows = connection.execute(
        "WITH RECURSIVE up(stream, seq) AS (SELECT ?, ? UNION SELECT p.parent_stream, p.parent_seq FROM lot_parent p"
        " JOIN up u ON p.stream = u.stream AND p.seq = u.seq)"
        f" SELECT h.stream, h.seq, h.reason, {is_not_lifted_at(OURS)} FROM lot_hold h"
        " JOIN up u ON h.stream = u.stream AND h.seq = u.seq ORDER BY 1, 2, 3 LIMIT ?",
        (*lot_id, HOLDS_MAX),
    ).fetchall()
    return [Hold(Dot(stream, seq), reason, not is_acting) for stream, seq, reason, is_acting in rows]


def held_here(connection: sqlite3.Connection) -> list[HeldLot]:
    """Return our open lots that are on hold, by item and date; at most 500."""
    rows = connection.execute(
        f"WITH RECURSIVE {held_lots_at(OURS)} SELECT {_LOT_COLUMNS}, coalesce(i.name, l.item_id) FROM lot l"
        " JOIN held h ON h.stream = l.stream AND h.seq = l.seq LEFT JOIN item i ON i.item_id = l.item_id"
        f" WHERE l.is_open = 1 AND l.member = {OURS}"
        " ORDER BY 11, coalesce(l.use_by, l.best_before, 9999999), l.hlc, l.stream, l.seq LIMIT ?",
        (HELD_MAX,),
    ).fetchall()
    found = [(lot_of(tuple(of_lot)), name) for *of_lot, name in rows]
    return [HeldLot(lot, name, tuple(holds_of(connection, lot.lot_id))) for lot, name in found]
