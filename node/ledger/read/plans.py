"""Accepted plans and what they bind: dishes still to cook, and stock as on hand, reserved, blocked and free.

Not the planner. Owns the conservation of what is shown: on hand = free + reserved + blocked, free never below zero;
what a plan needs beyond that is shown as short. A reservation binds no lot and blocks nobody.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import date

from node.domain.lots import DateState, Dot, Lot, date_state, first_expired_first
from node.ledger.holds import OURS, is_not_lifted_at
from node.ledger.read.goods import HELD_LOTS, from_day, lot_of, to_day

PLANS_MAX = 100
DISHES_MAX = 500
LOTS_MAX = 10_000

RECALL_REASON = "recall"


@dataclass(frozen=True, slots=True)
class AcceptedDish:
    """One dish of an accepted plan and what it reserves: item id to thousandths, for all its portions.

    `cooked_portions` None: not cooked yet.
    """

    dish_id: Dot
    plan_id: Dot
    day: date
    recipe_id: str
    meal: str
    portions: int
    items: dict[str, int]
    cooked_portions: int | None


@dataclass(frozen=True, slots=True)
class AcceptedPlan:
    """A plan of ours that a person accepted. `verdict` is how it was judged then."""

    plan_id: Dot
    day: date
    planner: str
    verdict: str
    score: bytes
    accepted_ms: int
    is_withdrawn: bool
    dishes: tuple[AcceptedDish, ...]


@dataclass(frozen=True, slots=True)
class LotState:
    """One of our open lots: what may be used of it on a day, and what hinders the rest.

    `blocked` is `""`, `past_use_by`, `held` or `recalled`. `promised_milli` is reserved for other markets.
    """

    lot: Lot
    blocked: str
    promised_milli: int
    state: DateState

    @property
    def usable_milli(self) -> int:
        """Return what is left of the lot for sale or kitchen, thousandths."""
        return 0 if self.blocked else max(0, self.lot.on_hand_milli - self.promised_milli)


@dataclass(frozen=True, slots=True)
class ItemStock:
    """Stock of one item, thousandths. on hand = free + reserved + blocked; `short_milli` is needed beyond that.

    `reserved_milli` is for plans and other markets, as far as it is there; `blocked_milli` past use-by or on hold.
    """

    item_id: str
    on_hand_milli: int
    reserved_milli: int
    blocked_milli: int
    free_milli: int
    short_milli: int


def accepted_plans(connection: sqlite3.Connection, limit: int = PLANS_MAX) -> list[AcceptedPlan]:
    """Return our plans, the newest first, each with its dishes in the order they were written."""
    rows = connection.execute(
        "SELECT p.stream, p.seq, p.day, p.planner, p.verdict, p.score, p.hlc, EXISTS (SELECT 1 FROM plan_withdrawn w"
        " WHERE w.plan_stream = p.stream AND w.plan_seq = p.seq AND w.member = p.member) FROM plan p"
        " WHERE p.member = (SELECT origin FROM writer WHERE id = 1) ORDER BY p.hlc DESC, p.stream, p.seq LIMIT ?",
        (min(limit, PLANS_MAX),),
    ).fetchall()
    plans = []
    for stream, seq, day, planner, verdict, score, hlc, is_withdrawn in rows:
        found = from_day(day)
        assert found is not None
        dishes = tuple(_dishes(connection, "d.plan_stream = ? AND d.plan_seq = ?", (stream, seq)))
        plans.append(AcceptedPlan(Dot(stream, seq), found, planner, verdict, score, hlc, bool(is_withdrawn), dishes))
    return plans


def find_dish(connection: sqlite3.Connection, dish_id: Dot) -> AcceptedDish | None:
    """Return one dish of a plan of ours that was not withdrawn, None where there is none."""
    found = _dishes(connection, f"d.stream = ? AND d.seq = ? AND {_NOT_WITHDRAWN}", dish_id)
    return found[0] if found else None


def open_dishes(connection: sqlite3.Connection, today: date | None) -> list[AcceptedDish]:
    """Return the dishes still to cook. One of a day that is over binds nothing; an unset clock ends no day."""
    where = f"{_NOT_WITHDRAWN} AND c.portions IS NULL AND p.day >= ?"
    return _dishes(connection, where, (-(2**40) if today is None else to_day(today),))


def reserved_by_plans(connection: sqlite3.Connection, today: date | None) -> dict[str, int]:
    """Return what the dishes still to cook need of each item, thousandths."""
    reserved: dict[str, int] = {}
    for dish in open_dishes(connection, today):
        for item_id, amount in dish.items.items():
            reserved[item_id] = reserved.get(item_id, 0) + amount
    return reserved


def lot_states(connection: sqlite3.Connection, today: date | None, item_id: str | None = None) -> list[LotState]:
    """Return our open lots (of one item, or all), first expired first, each with what hinders its use on a day."""
    rows = connection.execute(
        f"WITH RECURSIVE {HELD_LOTS} SELECT l.stream, l.seq, l.item_id, l.unit, l.on_hand_milli, l.batch, l.supplier,"
        " l.use_by, l.best_before, l.hlc, h.stream IS NOT NULL, EXISTS (SELECT 1 FROM lot_hold h WHERE"
        f" h.stream = l.stream AND h.seq = l.seq AND h.reason = ? AND {is_not_lifted_at(OURS)}),"
        " coalesce((SELECT sum(t.reserved_milli) FROM transfer t WHERE t.lot_stream = l.stream AND t.lot_seq = l.seq"
        " AND t.reserved_milli > 0), 0)"
        " FROM lot l LEFT JOIN held h ON h.stream = l.stream AND h.seq = l.seq"
        " WHERE l.is_open = 1 AND l.member = (SELECT origin FROM writer WHERE id = 1) AND (? IS NULL OR l.item_id = ?)"
        " ORDER BY coalesce(l.use_by, l.best_before, 9999999), l.hlc, l.stream, l.seq LIMIT ?",
        (RECALL_REASON, item_id, item_id, LOTS_MAX),
    ).fetchall()
    found = {}
    for *of_lot, is_held, is_recalled, promised in rows:
        lot = lot_of(tuple(of_lot))
        state = date_state(lot, today)
        blocked = "past_use_by" if state is DateState.PAST_USE_BY else ""
        blocked = "recalled" if is_recalled else "held" if is_held else blocked
        found[lot.lot_id] = LotState(lot, blocked, int(promised), state)
    return [found[lot.lot_id] for lot in first_expired_first(each.lot for each in found.values())]


def item_stock(connection: sqlite3.Connection, today: date | None) -> dict[str, ItemStock]:
    """Return on hand, reserved, blocked and free of every item that is here or planned with."""
    on_hand: dict[str, int] = {}
    blocked: dict[str, int] = {}
    promised: dict[str, int] = {}
    for each in lot_states(connection, today):
        item_id, amount = each.lot.item_id, each.lot.on_hand_milli
        # A lot that is overdrawn has nothing; what is missing of it is a question for a count.
        on_hand[item_id] = on_hand.get(item_id, 0) + max(0, amount)
        if each.blocked:
            blocked[item_id] = blocked.get(item_id, 0) + max(0, amount)
        else:
            promised[item_id] = promised.get(item_id, 0) + min(max(0, amount), each.promised_milli)
    planned = reserved_by_plans(connection, today)
    return {
        item_id: _item_stock(
            item_id,
            on_hand.get(item_id, 0),
            blocked.get(item_id, 0),
            promised.get(item_id, 0),
            planned.get(item_id, 0),
        )
        for item_id in sorted(on_hand.keys() | planned.keys())
    }


def plan_share(connection: sqlite3.Connection, today: date | None, item_id: str) -> tuple[int, int]:
    """Return what the dishes still to cook need of one item, and how much of that is not here now, thousandths."""
    planned = reserved_by_plans(connection, today).get(item_id, 0)
    if not planned:
        return 0, 0
    usable = sum(each.usable_milli for each in lot_states(connection, today, item_id))
    return planned, max(0, planned - usable)


def short_items(connection: sqlite3.Connection, today: date | None) -> dict[str, int]:
    """Return what the accepted plans need beyond what is here: item id to thousandths."""
    return {item_id: each.short_milli for item_id, each in item_stock(connection, today).items() if each.short_milli}


def _item_stock(item_id: str, on_hand: int, blocked: int, promised: int, planned: int) -> ItemStock:
    usable = on_hand - blocked
    reserved = min(usable, promised + planned)
    return ItemStock(item_id, on_hand, reserved, blocked, usable - reserved, promised + planned - reserved)


# Only the market that accepted a plan withdraws it or cooks it; what others wrote of it is kept and counts nothing.
_NOT_WITHDRAWN = (
    "NOT EXISTS (SELECT 1 FROM plan_withdrawn w WHERE w.plan_stream = p.stream AND w.plan_seq = p.seq"
    " AND w.member = p.member)"
)


def _dishes(connection: sqlite3.Connection, where: str, values: tuple[object, ...]) -> list[AcceptedDish]:
    rows = connection.execute(
        "SELECT d.stream, d.seq, p.stream, p.seq, p.day, d.recipe_id, d.meal, d.portions, c.portions FROM dish d"
        " JOIN plan p ON p.stream = d.plan_stream AND p.seq = d.plan_seq AND p.member = d.member"
        " LEFT JOIN (SELECT dish_stream, dish_seq, member, min(portions) AS portions FROM dish_cooked GROUP BY 1, 2, 3)"
        " c ON c.dish_stream = d.stream AND c.dish_seq = d.seq AND c.member = d.member"
        f" WHERE d.member = (SELECT origin FROM writer WHERE id = 1) AND {where} ORDER BY d.stream, d.seq LIMIT ?",
        (*values, DISHES_MAX),
    ).fetchall()
    dishes = []
    for stream, seq, plan_stream, plan_seq, day, recipe_id, meal, portions, cooked in rows:
        uses = connection.execute(
            "SELECT item_id, amount_milli FROM dish_use WHERE stream = ? AND seq = ? ORDER BY item_id LIMIT ?",
            (stream, seq, DISHES_MAX),
        ).fetchall()
        found = from_day(day)
        assert found is not None
        dishes.append(
            AcceptedDish(
                Dot(stream, seq), Dot(plan_stream, plan_seq), found, recipe_id, meal, portions, dict(uses), cooked
            )
        )
    return dishes
