"""Items, lots and stock as people look for them."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import date, timedelta

import msgspec

from node.domain.allergens import Declaration
from node.domain.lots import Dot, Lot, first_expired_first
from node.domain.words import Unit
from node.ledger.holds import OURS, held_lots_at
from node.ledger.items import gtin_item_id

ROWS_MAX = 500
LOTS_MAX = 1000
_EPOCH = date(1970, 1, 1)
# Days come from other markets as well, and they may be any number.
_FIRST_DAY, _LAST_DAY = (date.min - _EPOCH).days, (date.max - _EPOCH).days

_ITEM_COLUMNS = (
    "i.item_id, i.name, i.unit, i.storage, i.allergens, i.shelf_life_days, i.par_milli, i.like, i.is_starter"
)


@dataclass(frozen=True, slots=True)
class Item:
    """What is stocked and sold. `allergens` None means not declared; `par_milli` in thousandths of `unit`."""

    item_id: str
    name: str
    unit: Unit
    storage: str | None
    allergens: Declaration
    shelf_life_days: int | None
    par_milli: int | None
    like: str | None
    is_starter: bool

    @property
    def gtin(self) -> str | None:
        """Return the 14-digit number where the item has one."""
        return self.item_id.removeprefix("gtin/") if self.item_id.startswith("gtin/") else None


@dataclass(frozen=True, slots=True)
class StockRow:
    """One line of the stock list, quantities in thousandths of the item's unit.

    `available_milli` is on hand less what is past its use-by date, on hold or promised to other markets, never below
    zero. `state` is one of `ok`, `LOW`, `out`, `OVERSOLD`, `PAST USE-BY`, `HOLD`, `USE BY TODAY`, `DATE NOT CHECKED`,
    the one that matters most first.
    """

    item: Item
    on_hand_milli: int
    available_milli: int
    lots: int
    next_use_by: date | None
    next_best_before: date | None
    state: str
    reserved_milli: int
    held_milli: int


def from_day(day: int | None) -> date | None:
    """Return the date of a stored day (days since 1970-01-01); what no calendar has is its first or last day."""
    return None if day is None else _EPOCH + timedelta(days=min(max(day, _FIRST_DAY), _LAST_DAY))


def unit_of(number: int | None) -> Unit:
    """Return the unit of a lot; a number that this software does not know, or none, is read as pieces."""
    return Unit(number) if number in set(Unit) else Unit.EACH


def to_day(value: date | None) -> int | None:
    """Return a date as it is stored: days since 1970-01-01."""
    return None if value is None else (value - _EPOCH).days


def item(connection: sqlite3.Connection, item_id: str) -> Item | None:
    """Return one item, None where nothing is known by that id."""
    row = connection.execute(f"SELECT {_ITEM_COLUMNS} FROM item i WHERE i.item_id = ?", (item_id,)).fetchone()
    return None if row is None else _item(row)


def item_for_code(connection: sqlite3.Connection, gtin14: str) -> Item | None:
    """Return the item with a trade item number."""
    return item(connection, gtin_item_id(gtin14))


def find_items(connection: sqlite3.Connection, text: str, limit: int = 50) -> list[Item]:
    """Return items whose name or number holds every word of `text`: the exact name first, then what the market has
    handled before, then starter foods, each by name."""
    words = text.lower().split()
    where, values = _like_all(words)
    rows = connection.execute(
        f"SELECT {_ITEM_COLUMNS} FROM item i WHERE {where} ORDER BY lower(i.name) <> ?,"
        " NOT EXISTS (SELECT 1 FROM lot WHERE lot.item_id = i.item_id AND is_open = 1), i.is_starter, i.name"
        " LIMIT ?",
        (*values, " ".join(words), min(limit, ROWS_MAX)),
    )
    return [_item(row) for row in rows.fetchall()]


def lots(connection: sqlite3.Connection, item_id: str, limit: int = 100) -> list[Lot]:
    """Return our own lots of an item that have anything on hand (or are oversold), first expired first."""
    rows = connection.execute(
        f"SELECT {_LOT_COLUMNS} FROM lot WHERE item_id = ? AND is_open = 1"
        " AND member = (SELECT origin FROM writer WHERE id = 1)"
        " ORDER BY coalesce(use_by, best_before, 9999999), hlc, stream, seq LIMIT ?",
        (item_id, min(limit, LOTS_MAX)),
    )
    return first_expired_first(lot_of(row) for row in rows.fetchall())


def find_lot(connection: sqlite3.Connection, lot_id: Dot) -> Lot | None:
    """Return one lot, whatever is left of it."""
    row = connection.execute(f"SELECT {_LOT_COLUMNS} FROM lot WHERE stream = ? AND seq = ?", lot_id).fetchone()
    return None if row is None else lot_of(row)


def stock(
    connection: sqlite3.Connection, text: str = "", show: str = "all", *, today: date | None, limit: int = ROWS_MAX
) -> list[StockRow]:
    """Return the stock list by name: items handled here or with a par level, all of them or only `low`, `expiring`.

    `today` None says that the clock is not set, and then no date is judged. `expiring` is the next three days.
    """
    where, values = _like_all(text.lower().split())
    day = to_day(today)
    rows = connection.execute(
        f"{_STOCK_QUERY} WHERE {where} AND (l.item_id IS NOT NULL OR i.par_milli IS NOT NULL OR {_IS_OURS})"
        f" AND {_SHOW[show]} ORDER BY i.name, i.item_id LIMIT :limit",
        _named(values, day, limit=min(limit, ROWS_MAX)),
    )
    return [_stock_row(row, today) for row in rows.fetchall()]


def stock_count(connection: sqlite3.Connection, text: str = "", show: str = "all", *, today: date | None) -> int:
    """Return how many lines the stock list would have without a limit."""
    where, values = _like_all(text.lower().split())
    (count,) = connection.execute(
        f"SELECT count(*) FROM ({_STOCK_QUERY} WHERE {where}"
        f" AND (l.item_id IS NOT NULL OR i.par_milli IS NOT NULL OR {_IS_OURS}) AND {_SHOW[show]})",
        _named(values, to_day(today), limit=ROWS_MAX),
    ).fetchone()
    return int(count)


# An item of the group is on our list once we named it or had it: what only others trade in is not "out" here.
_IS_OURS = """(i.is_starter = 0 AND (
  EXISTS (SELECT 1 FROM lot o WHERE o.item_id = i.item_id AND o.member = (SELECT origin FROM writer WHERE id = 1))
  OR EXISTS (SELECT 1 FROM reg_head n WHERE n.key = 'item/' || i.item_id || '/name'
             AND n.member = (SELECT origin FROM writer WHERE id = 1))))"""

_LOT_COLUMNS = "stream, seq, item_id, unit, on_hand_milli, batch, supplier, use_by, best_before, hlc"

# Our lots on hold with all their descendants: the first part of a query that begins with WITH RECURSIVE.
HELD_LOTS = held_lots_at(OURS)

# Bound is what cannot be sold of a lot: all of it past its date or on hold, else what is promised to other markets.
_STOCK_QUERY = f"""
WITH RECURSIVE {HELD_LOTS}, promised(stream, seq, milli) AS (
  SELECT lot_stream, lot_seq, sum(reserved_milli) FROM transfer WHERE reserved_milli > 0 GROUP BY 1, 2
)
SELECT {_ITEM_COLUMNS}, coalesce(l.on_hand, 0), coalesce(l.bound, 0), coalesce(l.lots, 0), l.use_by, l.best_before,
  coalesce(l.is_oversold, 0), coalesce(l.reserved, 0), coalesce(l.held, 0) FROM item i LEFT JOIN (
  SELECT item_id, sum(on_hand_milli) AS on_hand, count(*) AS lots,
    sum(CASE WHEN use_by < :day OR h.stream IS NOT NULL THEN max(on_hand_milli, 0)
        ELSE min(max(on_hand_milli, 0), coalesce(r.milli, 0)) END) AS bound,
    min(CASE WHEN on_hand_milli > 0 THEN use_by END) AS use_by,
    min(CASE WHEN on_hand_milli > 0 THEN best_before END) AS best_before, max(on_hand_milli < 0) AS is_oversold,
    sum(coalesce(r.milli, 0)) AS reserved,
    sum(CASE WHEN h.stream IS NOT NULL THEN max(on_hand_milli, 0) ELSE 0 END) AS held
  FROM lot LEFT JOIN held h ON h.stream = lot.stream AND h.seq = lot.seq
    LEFT JOIN promised r ON r.stream = lot.stream AND r.seq = lot.seq
  WHERE is_open = 1 AND member = (SELECT origin FROM writer WHERE id = 1) GROUP BY item_id
) l ON l.item_id = i.item_id"""

EXPIRING_DAYS = 3
_SHOW = {
    "all": "1",
    "low": "coalesce(l.on_hand, 0) < i.par_milli",
    "expiring": f"coalesce(l.use_by, l.best_before) <= :day + {EXPIRING_DAYS}",
}


def _named(values: list[str], day: int | None, *, limit: int) -> dict[str, object]:
    return {"day": day, "limit": limit, **{f"w{place}": value for place, value in enumerate(values)}}


def _like_all(words: list[str]) -> tuple[str, list[str]]:
    patterns = [f"%{word.replace('~', '~~').replace('%', '~%').replace('_', '~_')}%" for word in words[:8]]
    return " AND ".join(["1", *(f"i.search LIKE :w{place} ESCAPE '~'" for place in range(len(patterns)))]), patterns


def _item(row: tuple[object, ...]) -> Item:
    item_id, name, unit, storage, allergens, shelf_life_days, par_milli, like, is_starter = row
    declared = None if allergens is None else msgspec.json.decode(str(allergens), type=tuple[str, ...])
    return msgspec.convert(
        {
            "item_id": item_id,
            "name": name,
            "unit": unit,
            "storage": storage,
            "allergens": declared,
            "shelf_life_days": shelf_life_days,
            "par_milli": par_milli,
            "like": like,
            "is_starter": bool(is_starter),
        },
        Item,
    )


def lot_of(row: tuple[object, ...]) -> Lot:
    """Return the lot of a row of `_LOT_COLUMNS`."""
    stream, seq, item_id, unit, on_hand_milli, batch, supplier, use_by, best_before, hlc = row
    assert isinstance(stream, bytes) and isinstance(seq, int) and isinstance(on_hand_milli, int)
    assert isinstance(unit, int) and isinstance(hlc, int)
    return Lot(
        Dot(stream, seq),
        str(item_id),
        unit_of(unit),
        on_hand_milli,
        None if batch is None else str(batch),
        None if supplier is None else str(supplier),
        from_day(use_by if isinstance(use_by, int) else None),
        from_day(best_before if isinstance(best_before, int) else None),
        hlc,
    )


def _stock_row(row: tuple[object, ...], today: date | None) -> StockRow:
    *of_item, on_hand, bound, lot_count, use_by, best_before, is_oversold, reserved, held = row
    assert isinstance(on_hand, int) and isinstance(bound, int) and isinstance(lot_count, int)
    assert isinstance(reserved, int) and isinstance(held, int)
    found = _item(tuple(of_item))
    next_use_by = from_day(use_by if isinstance(use_by, int) else None)
    next_best_before = from_day(best_before if isinstance(best_before, int) else None)
    state = _state(found, on_hand, next_use_by, bool(is_oversold), today, is_held=held > 0)
    return StockRow(
        found, on_hand, max(0, on_hand - bound), lot_count, next_use_by, next_best_before, state, reserved, held
    )


def _state(
    found: Item, on_hand_milli: int, use_by: date | None, is_oversold: bool, today: date | None, *, is_held: bool
) -> str:
    if is_oversold:
        return "OVERSOLD"
    if use_by is not None and today is not None and use_by < today:
        return "PAST USE-BY"
    if is_held:
        return "HOLD"
    if use_by is not None:
        if today is None:
            return "DATE NOT CHECKED"
        if use_by == today:
            return "USE BY TODAY"
    if found.par_milli is not None and on_hand_milli < found.par_milli:
        return "LOW"
    return "ok" if on_hand_milli > 0 else "out"
