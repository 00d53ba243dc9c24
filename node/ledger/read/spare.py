"""What another market has and what it could spare, as far as its facts have arrived here; always with its age.

Not a promise: only the market itself knows what was sold since. Owns invariant 5 for what is seen of a peer: old facts
carry their age, food whose date is past is not shown as spare, and a date that nobody can judge is said to be so.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from node.clock import ClockQuality, Moment
from node.domain.words import Unit
from node.ledger.holds import held_lots_at
from node.ledger.items import par_key
from node.ledger.read.goods import ROWS_MAX, from_day, to_day, unit_of
from node.ledger.registers import shown


class LastHeard(NamedTuple):
    """When a market's newest facts were heard. `age_s` None: nobody can say, since a clock is not set.

    `is_live` tells that this computer heard the market itself under this boot, so no wall clock was needed.
    """

    wall_ms: int
    age_s: int | None
    is_live: bool


@dataclass(frozen=True, slots=True)
class SpareRow:
    """What a market has of an item, quantities in thousandths of `unit`.

    `usable_milli` is on hand less what is past its date or on hold; `spare_milli` is that less what is reserved and
    less the market's own par level, never below zero. `is_date_checked` False: the clock is not set, so a date counts
    for nothing here and somebody must look at the labels.
    """

    item_id: str
    item_name: str
    unit: Unit
    lots: int
    on_hand_milli: int
    usable_milli: int
    reserved_milli: int
    par_milli: int | None
    spare_milli: int
    next_use_by: date | None
    next_best_before: date | None
    is_date_checked: bool


def last_heard(connection: sqlite3.Connection, origin: bytes, moment: Moment) -> LastHeard | None:
    """Return when a market was last heard: by this computer, else by the clock of its newest fact; None for never."""
    seen = connection.execute(
        "SELECT heard_ms, boot_id, heard_boottime_ms FROM peer_seen WHERE origin = ?", (origin,)
    ).fetchone()
    if seen is not None and seen[1] == moment.boot_id:
        return LastHeard(seen[0], max(0, moment.boottime_ms - seen[2]) // 1000, is_live=True)
    (newest,) = connection.execute("SELECT max(hlc) FROM head WHERE origin = ?", (origin,)).fetchone()
    times = [ms for ms in (seen[0] if seen else None, newest) if ms is not None]
    if not times:
        return None
    wall_ms = max(times)
    if moment.quality is ClockQuality.NOT_SET:
        return LastHeard(wall_ms, None, is_live=False)
    return LastHeard(wall_ms, max(0, moment.wall_ms - wall_ms) // 1000, is_live=False)


def stock_at(
    connection: sqlite3.Connection,
    origin: bytes,
    *,
    today: date | None,
    text: str = "",
    only: Collection[str] | None = None,
    limit: int = ROWS_MAX,
) -> list[SpareRow]:
    """Return what a market had on hand when its facts were last heard, by name; `text` narrows by words of the name.

    `only`, where given, narrows to these items.

    `today` None says that the clock is not set; then no date is judged, and rows with one say so.
    """
    words = text.lower().split()[:8]
    rows = connection.execute(_STOCK_AT, {"origin": origin, "day": to_day(today), "limit": _ITEMS_MAX}).fetchall()
    wanted = rows if only is None else [row for row in rows if row[0] in only]
    named = [row for row in wanted if all(word in f"{row[1]} {row[0]}".lower() for word in words)]
    return [_spare_row(connection, origin, row, today) for row in named[: min(limit, ROWS_MAX)]]


def spare(
    connection: sqlite3.Connection, origin: bytes, today: date | None, *, only: Collection[str] | None = None
) -> list[SpareRow]:
    """Return what a market could spare: on hand less what is reserved, held, past its date, and its own par level.

    `only` asks for these items, however many others there are.
    """
    return [row for row in stock_at(connection, origin, today=today, only=only) if row.spare_milli > 0]


# A market handles some thousand items; beyond this a list is not read anyway.
_ITEMS_MAX = 10_000
_STOCK_AT = f"""
WITH RECURSIVE {held_lots_at(":origin")}, reserved(stream, seq, milli) AS (
  SELECT lot_stream, lot_seq, sum(reserved_milli) FROM transfer
  WHERE sender = :origin AND reserved_milli > 0 GROUP BY 1, 2
), mine AS (
  SELECT l.*, coalesce(r.milli, 0) AS reserved, h.stream IS NULL AND l.on_hand_milli > 0
    AND (:day IS NULL OR coalesce(l.use_by, l.best_before) IS NULL OR coalesce(l.use_by, l.best_before) >= :day)
    AS is_usable
  FROM lot l LEFT JOIN held h ON h.stream = l.stream AND h.seq = l.seq
  LEFT JOIN reserved r ON r.stream = l.stream AND r.seq = l.seq
  WHERE l.member = :origin AND l.is_open = 1
)
SELECT m.item_id, coalesce(i.name, m.item_id) AS name, max(m.unit), count(*), sum(m.on_hand_milli),
  sum(CASE WHEN m.is_usable THEN m.on_hand_milli ELSE 0 END),
  sum(CASE WHEN m.is_usable THEN min(m.on_hand_milli, m.reserved) ELSE 0 END),
  min(CASE WHEN m.is_usable THEN m.use_by END), min(CASE WHEN m.is_usable THEN m.best_before END)
FROM mine m LEFT JOIN item i ON i.item_id = m.item_id GROUP BY m.item_id ORDER BY name, m.item_id
LIMIT :limit"""


def _spare_row(connection: sqlite3.Connection, origin: bytes, row: tuple[object, ...], today: date | None) -> SpareRow:
    item_id, name, unit, lots, on_hand, usable, reserved, use_by, best_before = row
    assert isinstance(unit, int) and isinstance(lots, int) and isinstance(on_hand, int)
    assert isinstance(usable, int) and isinstance(reserved, int)
    par = shown(connection, par_key(str(item_id), origin))
    par_milli = par if isinstance(par, int) and not isinstance(par, bool) else None
    return SpareRow(
        str(item_id),
        str(name),
        unit_of(unit),
        lots,
        on_hand,
        usable,
        reserved,
        par_milli,
        max(0, usable - reserved - max(0, par_milli or 0)),
        from_day(use_by if isinstance(use_by, int) else None),
        from_day(best_before if isinstance(best_before, int) else None),
        today is not None or (use_by is None and best_before is None),
    )
