"""Builders for tests: plain functions that make markets, items and lots. Nothing here checks anything."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from node import clock
from node.actions import goods, items
from node.actions.founding import create_market
from node.actions.ids import new_action_id
from node.actions.keeping import open_market
from node.clock import ClockQuality, Moment
from node.domain.lots import Dot, Lot
from node.domain.words import Unit
from node.ledger.read import Item
from node.ledger.store import MarketStore
from node.places import Places

TODAY = date(2026, 11, 22)
NOON_MS = 1_795_348_800_000  # 2026-11-22T12:00:00Z
MILK_GTIN = "04006381333931"


def a_moment(*, day: date = TODAY, quality: ClockQuality = ClockQuality.TRUSTED, later_ms: int = 0) -> Moment:
    """A reading of the clocks: noon of `day`, set by NTP unless said otherwise."""
    wall_ms = NOON_MS + (day - TODAY).days * 86_400_000 + later_ms
    return Moment(wall_ms, quality, day, clock.boot_id(), 1_000_000 + later_ms)


def a_market_folder(root: Path, name: str = "Harbour") -> Places:
    """A market on disk, made as `larder init` makes it."""
    places = Places(root)
    create_market(places, name=name, moment=a_moment())
    return places


@contextmanager
def an_open_market(root: Path, name: str = "Harbour") -> Iterator[MarketStore]:
    """A market made and opened for writing, closed at the end."""
    store = open_market(a_market_folder(root, name))
    try:
        yield store
    finally:
        store.close()


def an_item(store: MarketStore, name: str = "Milk 1 L", gtin14: str = MILK_GTIN, unit: Unit = Unit.EACH) -> Item:
    """An item with a trade item number."""
    return store.act(
        "item",
        lambda tx: items.add_item(tx, action_id=new_action_id(), who=0, name=name, unit=unit, gtin14=gtin14),
    )


def a_received_lot(
    store: MarketStore,
    item: Item,
    quantity_milli: int = 24_000,
    *,
    use_by: date | None = None,
    best_before: date | None = None,
    batch: str | None = None,
    action_id: bytes | None = None,
    who: int = 0,
) -> goods.Received:
    """A delivery line taken in."""
    return store.act(
        "receive",
        lambda tx: goods.receive(
            tx,
            action_id=action_id or new_action_id(),
            who=who,
            item_id=item.item_id,
            quantity_milli=quantity_milli,
            use_by=use_by,
            best_before=best_before,
            batch=batch,
        ),
    )


def a_sale(
    store: MarketStore,
    item: Item,
    quantity_milli: int = 1_000,
    *,
    yes: frozenset[str] = frozenset(),
    lot_id: Dot | None = None,
    action_id: bytes | None = None,
    who: int = 0,
) -> goods.Sold:
    """A sale at the till."""
    return store.act(
        "sell",
        lambda tx: goods.sell(
            tx,
            action_id=action_id or new_action_id(),
            who=who,
            item_id=item.item_id,
            quantity_milli=quantity_milli,
            yes=yes,
            lot_id=lot_id,
        ),
    )


def a_lot(
    seq: int = 1,
    *,
    on_hand_milli: int = 5_000,
    use_by: date | None = None,
    best_before: date | None = None,
    received_hlc: int = 1,
) -> Lot:
    """A lot in memory."""
    return Lot(
        Dot(b"streamAA", seq), "food/apples", Unit.EACH, on_hand_milli, None, None, use_by, best_before, received_hlc
    )
