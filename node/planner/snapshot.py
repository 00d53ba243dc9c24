"""A snapshot of the market as planners may know it: free stock by last usable day, recipes, classes, limits.

Not a plan. Nothing private goes in. Reads one moment of the database; the day is an argument, no clock is read here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from datetime import date
from typing import cast

import msgspec

from node.domain.diets import Food
from node.domain.lots import DateState
from node.domain.recipes import Recipe, RecipeLine
from node.domain.words import Unit
from node.ledger.read.goods import Item, item
from node.ledger.read.plans import LotState, lot_states, reserved_by_plans
from node.ledger.starter import starter_foods
from node.planner.plan import (
    LATER_DAY,
    Blocked,
    BlockReason,
    BucketState,
    DietClass,
    Limits,
    Snapshot,
    StockBucket,
    canonical,
)
from node.planner.stock import PIECE_G_DEFAULT
from node.text import safe_text

LOT_LABELS_MAX = 3
LABEL_CELLS = 24
NAME_CELLS = 60


def foods_of(connection: sqlite3.Connection, recipes: Iterable[Recipe]) -> dict[str, Food]:
    """Return what is known of every food in these recipes."""
    wanted = {line.item_id for recipe in recipes for line in recipe.lines if line.item_id}
    found = (item(connection, item_id) for item_id in sorted(wanted))
    return {each.item_id: _food(each) for each in found if each is not None}


def all_foods(connection: sqlite3.Connection) -> list[Food]:
    """Return every item of the catalogue as a food, to look a word up in; at most 20,000."""
    rows = connection.execute("SELECT item_id FROM item ORDER BY item_id LIMIT 20000").fetchall()
    found = (item(connection, item_id) for (item_id,) in rows)
    return [_food(each) for each in found if each is not None]


def usable_recipes(connection: sqlite3.Connection, recipes: Iterable[Recipe]) -> list[Recipe]:
    """Return recipes as planners see them: no steps, and no amount in a unit that its item is not counted in."""
    units: dict[str, Unit | None] = {}
    stripped = []
    for recipe in recipes:
        lines = []
        for line in recipe.lines:
            if line.item_id is not None and line.item_id not in units:
                found = item(connection, line.item_id)
                units[line.item_id] = found.unit if found else None
            lines.append(_line(line, units))
        stripped.append(msgspec.structs.replace(recipe, lines=tuple(lines), steps=(), parent=None))
    return sorted(stripped, key=lambda recipe: recipe.recipe_id)


def take_snapshot(
    connection: sqlite3.Connection,
    *,
    day: date,
    today: date | None,
    meals: tuple[str, ...],
    people: int,
    recipes: Iterable[Recipe],
    classes: Iterable[DietClass],
    limits: Limits | None = None,
    seed: int = 0,
) -> Snapshot:
    """Return the state of the market for one day. `today` None: the clock is not set, and no date is judged as past.

    `recipes` come from `usable_recipes`, `classes` from `people.classes_for`.
    """
    chosen = tuple(recipes)
    wanted = {line.item_id for recipe in chosen for line in recipe.lines if line.item_id}
    lots = [each for each in lot_states(connection, None if today is None else day) if each.lot.item_id in wanted]
    reserved = reserved_by_plans(connection, today)
    buckets, blocked = _buckets(lots, {name: reserved.get(name, 0) for name in wanted}, day)
    names = {name: item(connection, name) for name in sorted(wanted)}
    known = {name: found for name, found in names.items() if found is not None}
    return canonical(
        Snapshot(
            day=day.isoformat(),
            days=(day.isoformat(),),
            meals=meals,
            people=people,
            stock=tuple(buckets),
            recipes=chosen,
            classes=tuple(classes),
            limits=limits or Limits(),
            blocked=(*blocked, *_elsewhere(connection, wanted)),
            piece_g={name: _piece_g(name) for name, found in known.items() if found.unit is Unit.EACH},
            names={name: safe_text(found.name, NAME_CELLS) for name, found in known.items()},
            seed=seed,
        )
    )


def _food(found: Item) -> Food:
    search = f"{found.name} {found.item_id} {found.like or ''}".lower()
    return Food(found.item_id, safe_text(found.name, NAME_CELLS), found.allergens, search, found.is_starter)


def _line(line: RecipeLine, units: Mapping[str, Unit | None]) -> RecipeLine:
    is_right = line.item_id is not None and units.get(line.item_id) is line.unit
    # An amount in another unit is no amount: the recipe is shown as one that cannot be planned.
    quantity = line.quantity_milli if is_right else None
    return msgspec.structs.replace(line, quantity_milli=quantity)


def _buckets(lots: list[LotState], reserved: dict[str, int], day: date) -> tuple[list[StockBucket], list[Blocked]]:
    amounts: dict[tuple[str, int, str], int] = {}
    labels: dict[tuple[str, str], list[str]] = {}
    blocked: dict[tuple[str, str], int] = {}
    for each in lots:
        name, label = each.lot.item_id, safe_text(each.lot.label, LABEL_CELLS)
        if each.blocked:
            _add(blocked, labels, (name, each.blocked), max(0, each.lot.on_hand_milli), label)
            continue
        free = each.usable_milli
        # Accepted plans use what expires first; what is left for this one is taken off in the same order.
        bound = min(free, reserved[name])
        reserved[name] -= bound
        promised = min(max(0, each.lot.on_hand_milli), each.promised_milli)
        _add(blocked, labels, (name, "reserved"), bound + promised, label)
        if free > bound:
            key = (name, _last_day(each, day), _STATES.get(each.state, ""))
            amounts[key] = amounts.get(key, 0) + free - bound
            labels.setdefault((name, f"{key[1]}{key[2]}"), []).append(label)
    buckets = [
        StockBucket(
            name, last, amount, cast(BucketState, state), tuple(labels[name, f"{last}{state}"][:LOT_LABELS_MAX])
        )
        for (name, last, state), amount in amounts.items()
    ]
    return buckets, [
        Blocked(name, cast(BlockReason, why), amount, tuple(labels[name, why][:LOT_LABELS_MAX]))
        for (name, why), amount in blocked.items()
    ]


_STATES = {DateState.NOT_JUDGED: "not_judged", DateState.PAST_BEST_BEFORE: "past_best_before"}


def _add(
    blocked: dict[tuple[str, str], int],
    labels: dict[tuple[str, str], list[str]],
    key: tuple[str, str],
    amount: int,
    label: str,
) -> None:
    if amount > 0:
        blocked[key] = blocked.get(key, 0) + amount
        labels.setdefault(key, []).append(label)


def _last_day(each: LotState, day: date) -> int:
    last = each.lot.use_by or each.lot.best_before
    return LATER_DAY if last is None else max(0, min(LATER_DAY, (last - day).days))


def _elsewhere(connection: sqlite3.Connection, wanted: set[str]) -> list[Blocked]:
    """Return what other markets have of these items, as far as their facts are here: it is not ours to take."""
    rows = connection.execute(
        "SELECT item_id, sum(on_hand_milli) FROM lot WHERE is_open = 1 AND on_hand_milli > 0"
        " AND member <> (SELECT origin FROM writer WHERE id = 1) GROUP BY item_id ORDER BY item_id LIMIT 20000"
    ).fetchall()
    return [Blocked(name, "elsewhere", int(amount)) for name, amount in rows if name in wanted]


def _piece_g(item_id: str) -> int:
    food = starter_foods().get(item_id)
    milli_g = food.unit_mass_milli_g if food else None
    return max(1, milli_g // 1000) if milli_g else PIECE_G_DEFAULT
