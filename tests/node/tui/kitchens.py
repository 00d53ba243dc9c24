"""A market with food that recipes of the starter book need, for the Plan screen's tests."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

from node import clock
from node.actions.founding import create_market
from node.actions.keeping import open_market
from node.domain.diets import Need
from node.ledger.store import Transaction
from node.places import Places
from node.planner.private import keep_needs
from tests.node.tui.builders import a_lot, a_moment

# Item, thousandths of its unit, days from the standing day.
FOODS = (
    ("food/potatoes", 20_000_000, 9),
    ("food/carrots", 12_000_000, 2),
    ("food/onions", 9_000_000, 9),
    ("food/ginger", 300_000, 20),
    ("food/oil-sunflower", 3_000_000, 90),
    ("food/salt", 2_000_000, 90),
    ("food/oats", 4_000_000, 90),
    ("food/celeriac", 2_800_000, 4),
    ("food/apples", 16_000, 4),
    ("food/butter", 500_000, 12),
)


def a_kitchen(folder: Path, *needs: Need, foods: tuple[tuple[str, int, int], ...] = FOODS) -> Places:
    """Make a market with these foods and needs."""
    places = Places(folder)
    create_market(places, name="Harbour St", moment=a_moment())
    with patch.object(clock, "now", a_moment):
        store = open_market(places)
        try:
            store.act("build", lambda tx: _fill(tx, foods))
        finally:
            store.close()
    if needs:
        keep_needs(places, needs)
    return places


def _fill(tx: Transaction, foods: tuple[tuple[str, int, int], ...]) -> None:
    for number, (item_id, quantity_milli, days) in enumerate(foods):
        a_lot(tx, item_id, quantity_milli, days=days, batch=f"K-{number}")
