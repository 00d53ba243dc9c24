"""What people decided, newest first, with what each decision is about looked up: a day, a dish, an item, a lot.

Not a sentence. Text in it comes from any market and is not yet safe to draw.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import date

from node.clock import ClockQuality
from node.domain.lots import Dot
from node.ledger.decisions import decided_fact
from node.ledger.events import DishCooked, Fact, PlanAccepted, PlanWithdrawn, RegisterSet
from node.ledger.holds import LIFT_KEY_PREFIX
from node.ledger.items import item_of_key
from node.ledger.read.goods import ROWS_MAX, from_day

DISHES_NAMED_MAX = 100


@dataclass(frozen=True, slots=True)
class Decision:
    """One fact of the list and what is known here of what it is about; what is not known is None or empty.

    `dishes` are recipe ids with portions: those of an accepted plan, or the one that was planned where a dish was
    cooked. `lot_id` and `batch` are of a lot whose hold was lifted. `who_name` is known for people of this
    market alone: names of people stay where they work.
    """

    dot: Dot
    origin: bytes
    fact: Fact
    day: date | None
    dishes: tuple[tuple[str, int], ...]
    item_id: str
    item_name: str
    lot_id: Dot | None
    batch: str | None
    who_name: str
    wall_ms: int
    clock: ClockQuality


def decisions(connection: sqlite3.Connection, origin: bytes | None = None, limit: int = 50) -> list[Decision]:
    """Return the last decisions of one market, or of all of them, newest first."""
    rows = connection.execute(
        "SELECT stream, seq, member, type, version, fact, CASE WHEN member = (SELECT origin FROM writer WHERE id = 1)"
        " THEN (SELECT name FROM person WHERE number = who) END, hlc, clock FROM decision"
        " WHERE ? IS NULL OR member = ? ORDER BY hlc DESC, stream, seq DESC LIMIT ?",
        (origin, origin, min(limit, ROWS_MAX + 1)),
    ).fetchall()
    return [_decision(connection, *row) for row in rows]


def _decision(
    connection: sqlite3.Connection,
    stream: bytes,
    seq: int,
    member: bytes,
    type_id: int,
    version: int,
    body: bytes,
    who_name: str | None,
    hlc: int,
    clock: int,
) -> Decision:
    fact = decided_fact(type_id, version, body)
    day, dishes = _plan_of(connection, Dot(stream, seq), fact, member)
    lot_id = _lot_of(fact)
    item_id, batch = _item_of(connection, fact, lot_id)
    # No id is no item, whatever somebody has named "".
    row = connection.execute("SELECT name FROM item WHERE item_id = ? AND item_id <> ''", (item_id,)).fetchone()
    name = str(row[0]) if row else item_id
    return Decision(
        Dot(stream, seq),
        member,
        fact,
        day,
        dishes,
        item_id,
        name,
        lot_id,
        batch,
        who_name or "",
        hlc,
        ClockQuality(clock),
    )


def _plan_of(
    connection: sqlite3.Connection, dot: Dot, fact: Fact, member: bytes
) -> tuple[date | None, tuple[tuple[str, int], ...]]:
    """Return the day of the plan that a fact is about, and its dishes: only what the writer of the fact wrote."""
    if isinstance(fact, PlanAccepted):
        rows = connection.execute(
            "SELECT recipe_id, portions FROM dish WHERE plan_stream = ? AND plan_seq = ? AND member = ?"
            " ORDER BY stream, seq LIMIT ?",
            (*dot, member, DISHES_NAMED_MAX),
        ).fetchall()
        return from_day(fact.day), tuple(rows)
    if isinstance(fact, PlanWithdrawn):
        row = connection.execute(
            "SELECT day FROM plan WHERE stream = ? AND seq = ? AND member = ?", (*fact.plan, member)
        ).fetchone()
        return (from_day(row[0]) if row else None), ()
    if isinstance(fact, DishCooked):
        row = connection.execute(
            "SELECT p.day, d.recipe_id, d.portions FROM dish d JOIN plan p ON p.stream = d.plan_stream"
            " AND p.seq = d.plan_seq AND p.member = d.member WHERE d.stream = ? AND d.seq = ? AND d.member = ?",
            (*fact.dish, member),
        ).fetchone()
        return (from_day(row[0]), ((row[1], row[2]),)) if row else (None, ())
    return None, ()


def _lot_of(fact: Fact) -> Dot | None:
    """Return the lot whose hold a fact lifts."""
    if not isinstance(fact, RegisterSet) or not fact.key.startswith(LIFT_KEY_PREFIX):
        return None
    named, _mark, _reason = fact.key.removeprefix(LIFT_KEY_PREFIX).partition("/")
    stream, _mark, seq = named.partition(":")
    try:
        return Dot(bytes.fromhex(stream), int(seq[:18]))
    except ValueError:
        return None  # a key that names no lot: any member may have written it


def _item_of(connection: sqlite3.Connection, fact: Fact, lot_id: Dot | None) -> tuple[str, str | None]:
    if lot_id is not None:
        row = connection.execute("SELECT item_id, batch FROM lot WHERE stream = ? AND seq = ?", lot_id).fetchone()
        return (row[0], row[1]) if row else ("", None)
    is_of_item = isinstance(fact, RegisterSet) and fact.key.startswith("item/")
    return (item_of_key(fact.key), None) if isinstance(fact, RegisterSet) and is_of_item else ("", None)
