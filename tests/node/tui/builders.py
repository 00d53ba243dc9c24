"""Builders of small markets for the screen's tests: real folders, real databases, real actions."""

from __future__ import annotations

import sqlite3
from datetime import date, timedelta
from pathlib import Path
from unittest.mock import patch

from node import clock
from node.actions import goods, items
from node.actions.founding import create_market
from node.actions.ids import new_action_id
from node.actions.keeping import open_market
from node.clock import ClockQuality, Moment, boot_id
from node.domain.words import Unit
from node.ledger.store import Transaction
from node.places import Places

MILK, BREAD = "4006381333931", "40170725"
UNKNOWN = "4006381333948"
TODAY = date(2026, 11, 22)
# 2026-11-22T19:07:00 in UTC, which the tests run in.
NOW_MS = 1_795_374_420_000
HOSTILE = "[red]x[/]\x1b[2J\u202e"


def a_moment(*, is_clock_set: bool = True, later_ms: int = 0, days_later: int = 0) -> Moment:
    """Return a moment that stands still: Sunday 22 November 2026, 19:07, or later."""
    quality = ClockQuality.TRUSTED if is_clock_set else ClockQuality.NOT_SET
    return Moment(NOW_MS + later_ms, quality, TODAY + timedelta(days=days_later), boot_id(), 1_000_000 + later_ms)


def a_market(folder: Path, *, items: int = 0, name: str = "Harbour St") -> Places:
    """Make a market with milk in two lots, bread that must be used today, loose tomatoes, and `items` more."""
    places = Places(folder)
    create_market(places, name=name, moment=a_moment())
    with patch.object(clock, "now", a_moment):
        store = open_market(places)
        try:
            store.act("build", lambda tx: _fill(tx, items))
        finally:
            store.close()
    return places


def an_empty_market(folder: Path) -> Places:
    """Make a market in which nothing has happened yet."""
    places = Places(folder)
    create_market(places, name="Harbour St", moment=a_moment())
    return places


def _fill(tx: Transaction, more: int) -> None:
    milk = an_item(tx, "Milk 1 L", Unit.EACH, MILK.rjust(14, "0"))
    bread = an_item(tx, "Bread", Unit.EACH, BREAD.rjust(14, "0"))
    tomato = an_item(tx, "Tomatoes, loose", Unit.GRAM)
    a_lot(tx, milk, 24_000, days=2, batch="M-2291")
    a_lot(tx, milk, 10_000, days=5, batch="M-2292")
    a_lot(tx, bread, 14_000, days=0, batch="B-1122")
    a_lot(tx, tomato, 18_000_000, days=None, batch="T-1107")
    items.set_par(tx, action_id=new_action_id(), who=0, item_id=bread, par_milli=20_000)
    for number in range(more):
        a_lot(tx, an_item(tx, f"Item {number:04d}", Unit.EACH), 5_000, days=30, batch=f"L-{number}")


def an_item(tx: Transaction, name: str, unit: Unit, gtin14: str | None = None) -> str:
    """Add an item and return its id."""
    return items.add_item(tx, action_id=new_action_id(), who=0, name=name, unit=unit, gtin14=gtin14).item_id


def a_lot(tx: Transaction, item_id: str, quantity_milli: int, *, days: int | None, batch: str) -> None:
    """Receive a lot with a use-by date `days` from the standing day."""
    goods.receive(
        tx,
        action_id=new_action_id(),
        who=0,
        item_id=item_id,
        quantity_milli=quantity_milli,
        use_by=TODAY + timedelta(days=days) if days is not None else None,
        batch=batch,
        yes=frozenset({"receive.past_use_by"}),
    )


def moves(places: Places) -> list[tuple[str, int, int, bool]]:
    """Return every movement in order: item name, kind, thousandths, whether it takes another one back."""
    connection = sqlite3.connect(f"file:{places.market_db}?mode=ro", uri=True)
    try:
        return [
            (name, kind, quantity, bool(is_undo))
            for name, kind, quantity, is_undo in connection.execute(
                "SELECT i.name, m.kind, m.quantity_milli, m.about_stream IS NOT NULL FROM movement m"
                " JOIN lot l ON l.stream = m.lot_stream AND l.seq = m.lot_seq JOIN item i ON i.item_id = l.item_id"
                " ORDER BY m.stream, m.seq"
            ).fetchall()
        ]
    finally:
        connection.close()


def rows(places: Places, query: str) -> list[tuple[object, ...]]:
    """Return the rows of any query, read-only."""
    connection = sqlite3.connect(f"file:{places.market_db}?mode=ro", uri=True)
    try:
        return list(connection.execute(query).fetchall())
    finally:
        connection.close()
