"""The markets of the reference workload before they meet: their ledgers written and sealed, and blocks of one event.

Not the merging (`sync_ours`), which alone is measured with its memory.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from node.domain.lots import Dot
from node.domain.words import Basis, Unit
from node.ledger.append import Appender
from node.ledger.events import LotReceived, Moved
from node.ledger.heads import stream_states
from node.ledger.keys import is_signed
from node.ledger.receive import receive_blocks
from node.ledger.seal import seal
from node.ledger.store import Transaction
from tests.bench.ledger import plain_database, two_statements
from tests.bench.sync_ours import LOT_MILLI, NAMES, exchange, frames_of_own, give, item_id
from tests.bench.sync_workload import ITEMS, OPENED_MS, Change, changes
from tests.node.group import Market, a_group, seal_all


def write_apart(folder: Path, count: int, per_block: int) -> None:
    """Make the three markets and let each write and seal its movements, before anything is measured."""
    with a_group(folder, *NAMES) as markets:
        lots = [stock(market) for market in markets]
        exchange([market.store for market in markets])
        for number, market in enumerate(markets):
            write(market, lots[number], changes(number, count), per_block)
            market.store.checkpoint_if_due(is_idle=True)


def stock(market: Market) -> list[Dot]:
    """Receive one lot of each item, sealed, and return their names."""

    def work(tx: Transaction) -> list[Dot]:
        appender = Appender(_at(tx, OPENED_MS))
        return [
            appender.append(
                LotReceived(item_id(item), int(Unit.EACH), LOT_MILLI, None, None, None, None, None, None, []), 1
            ).dot
            for item in range(ITEMS)
        ]

    lots = market.store.batch("receive", work)
    seal_all(market)
    return lots


def write(market: Market, lots: list[Dot], moved: Iterator[Change], per_block: int) -> None:
    """Append the movements of one replica and seal every `per_block` of them."""
    while rows := list(islice(moved, per_block)):

        def work(tx: Transaction, rows: list[Change] = rows) -> None:
            for item, pieces, kind, at_ms in rows:
                fact = Moved(lots[item], kind, pieces * 1000, None, int(Basis.ASSUMED), 0)
                Appender(_at(tx, OPENED_MS + at_ms)).append(fact, 1)
            seal(tx, market.key, blocks_max=1)

        market.store.batch("write", work)
        market.store.checkpoint_if_due()


def one_by_one(folder: Path, rounds: int) -> dict[str, float]:
    """Receive blocks of one movement, each beside two plain statements, both FULL, and one signature checked."""
    with a_group(folder, *NAMES[:2]) as (giver, taker):
        lots = stock(giver)
        give(taker.store, frames_of_own(giver.store, stream_states(taker.store.reader)))
        write(giver, lots, changes(0, rounds), 1)
        frames = frames_of_own(giver.store, stream_states(taker.store.reader))
        key, message = giver.key, b"a message as long as a header, its context and the id of its group " * 2
        signature = key.sign(message)
        plain = plain_database(folder / "plain.db")
        block_us, plain_us = [], []
        for number, frame in enumerate(frames):
            began = time.perf_counter()
            taker.store.batch("receive", lambda tx, frame=frame: receive_blocks(tx, [frame]))  # type: ignore[misc]
            block_us.append((time.perf_counter() - began) * 1e6)
            began = time.perf_counter()
            two_statements(plain, number % ITEMS)
            is_signed(key.public_key, signature, message)
            plain_us.append((time.perf_counter() - began) * 1e6)
            taker.store.checkpoint_if_due()
        plain.close()
    return {"block_us": statistics.median(block_us), "plain_us": statistics.median(plain_us)}


def _at(tx: Transaction, wall_ms: int) -> Transaction:
    """Return the transaction with the workload's clock in place of the wall's."""
    return Transaction(tx.connection, replace(tx.moment, wall_ms=wall_ms), tx.witness)
