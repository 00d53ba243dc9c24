"""How much a staff act costs beside the cheapest durable write: `python -m tests.bench.ledger [--quick]`.

`act` is one whole sale (locks, FEFO choice, event, fold, undo entry, FULL commit) against one transaction of two plain
statements with `synchronous=FULL` on the same disk, in turn. `seal` is what signing adds to an act, spread over blocks.
"""

from __future__ import annotations

import sqlite3
import statistics
import sys
import tempfile
import time
from pathlib import Path

from node.ledger.keys import load_key
from node.ledger.read import find_items
from node.ledger.schema import PAGE_BYTES
from node.ledger.seal import seal
from node.ledger.store import MarketStore
from node.places import Places
from tests.bench.report import Figure, report
from tests.node.builders import a_received_lot, a_sale, an_open_market

ROUND = 50
EVENTS_SEALED = 256


def plain_database(path: Path) -> sqlite3.Connection:
    """Open a database with our settings and two small tables."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in (f"page_size = {PAGE_BYTES}", "journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 0"):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("CREATE TABLE movement (id INTEGER PRIMARY KEY, lot INTEGER, kind INTEGER, quantity INTEGER)")
    connection.execute("CREATE TABLE stock (lot INTEGER PRIMARY KEY, quantity INTEGER)")
    return connection


def two_statements(connection: sqlite3.Connection, lot: int) -> None:
    """Commit one movement and one sum, durably."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO movement (lot, kind, quantity) VALUES (?, 2, -1000)", (lot,))
    connection.execute(
        "INSERT INTO stock VALUES (?, -1000) ON CONFLICT DO UPDATE SET quantity = quantity - 1000", (lot,)
    )
    connection.execute("COMMIT")


def a_stocked_market(store: MarketStore, items: int) -> list[str]:
    """Receive many pieces of some foods and return their ids."""
    foods = find_items(store.reader, "", items)
    for food in foods:
        a_received_lot(store, food, 90_000_000)
    return [food.item_id for food in foods]


def main(rounds: int) -> None:
    """Measure in turn and report medians."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder, an_open_market(Path(folder) / "market") as store:
        ids = a_stocked_market(store, 50)
        foods = {food.item_id: food for food in find_items(store.reader, "", 500)}
        plain = plain_database(Path(folder) / "plain.db")
        acts, plains = [], []
        for number in range(rounds):
            began = time.perf_counter()
            for sale in range(ROUND):
                a_sale(store, foods[ids[(number + sale) % len(ids)]])
            act_s = (time.perf_counter() - began) / ROUND
            began = time.perf_counter()
            for sale in range(ROUND):
                two_statements(plain, (number + sale) % len(ids))
            plain_s = (time.perf_counter() - began) / ROUND
            acts.append(act_s)
            plains.append(plain_s)
            store.checkpoint_if_due()
        act_us, plain_us = statistics.median(acts) * 1e6, statistics.median(plains) * 1e6
        seal_us = sealing(store, Places(Path(folder) / "market"))
        plain.close()
    report(
        "ledger",
        [
            Figure("act", act_us, "us", "two plain statements, FULL", plain_us),
            Figure("seal", seal_us, "us", "one act, per event sealed", act_us),
        ],
    )


def sealing(store: MarketStore, places: Places) -> float:
    """Return what signing one event costs in microseconds, with everything pending sealed."""
    key = load_key(places.node_key)
    began = time.perf_counter()
    blocks = store.batch("seal", lambda tx: seal(tx, key, blocks_max=1000))
    return (time.perf_counter() - began) / sum(block.header.event_count for block in blocks) * 1e6


if __name__ == "__main__":
    main(20 if "--quick" in sys.argv[1:] else 100)
