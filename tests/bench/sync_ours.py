"""Larder's side of the reference workload: three real markets of one group, their ledgers written, sealed and merged.

Not MQTT: frames go from file to file as the sync daemon loads and keeps them, at most 50 blocks to a transaction.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from node.actions.keeping import open_market
from node.domain.lots import Dot
from node.domain.words import Basis, Unit
from node.ledger.append import Appender
from node.ledger.connection import connect
from node.ledger.digest import state_digest
from node.ledger.events import LotReceived, Moved
from node.ledger.heads import BlockRange, StreamState, load_frames, stream_states
from node.ledger.keys import is_signed, load_key
from node.ledger.receive import BLOCKS_PER_BATCH_MAX, receive_blocks
from node.ledger.seal import seal
from node.ledger.store import Transaction
from node.places import Places
from tests.bench.ledger import plain_database, two_statements
from tests.bench.sync_workload import DIRECTIONS, ITEMS, OPENED_MS, REPLICAS, Change, changes, check_totals
from tests.node.group import Market, a_group, seal_all

LOT_MILLI = 100_000
NAMES = ("Harbour", "Mill", "Station")
# What one load of the sync daemon may hold is less; here a whole log is loaded at once, as it is from a stick.
LOAD_BYTES_MAX = 64 * 1024 * 1024


def give(taker: Market, frames: Sequence[bytes]) -> None:
    """Let a market take frames in, batch by batch. Raises AssertionError where one is not taken."""
    waiting = iter(frames)
    while batch := list(islice(waiting, BLOCKS_PER_BATCH_MAX)):
        intake = taker.store.batch("receive", lambda tx, batch=batch: receive_blocks(tx, batch))
        if intake.new_blocks != len(batch):
            raise AssertionError(f"of {len(batch)} blocks not all were taken: {intake}")
        taker.store.checkpoint_if_due()


def places_of(folder: Path, name: str) -> Places:
    """Return where a market of the group lies."""
    return Places(folder / name.lower())


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


def write_apart(folder: Path, count: int, per_block: int) -> None:
    """Make the three markets and let each write and seal its movements, before anything is measured."""
    with a_group(folder, *NAMES) as markets:
        lots = [stock(market) for market in markets]
        exchange(markets)
        for number, market in enumerate(markets):
            write(market, lots[number], changes(number, count), per_block)
            market.store.checkpoint_if_due(is_idle=True)


def merge(folder: Path, count: int) -> dict[str, float]:
    """Open the markets, exchange in the six directions, check, and return what it took."""
    markets = [opened(folder, name) for name in NAMES]
    began, worked = time.perf_counter(), time.process_time()
    wire = exchange(markets)
    merge_s, cpu_s = time.perf_counter() - began, time.process_time() - worked
    for market in markets:
        market.store.checkpoint_if_due(is_idle=True)
        market.store.close()
    check([market.places for market in markets], count)
    disk = max(market.places.market_db.stat().st_size for market in markets)
    return {"merge_s": merge_s, "cpu_s": cpu_s, "wire": wire, "disk": disk}


def opened(folder: Path, name: str) -> Market:
    """Open a market that `write_apart` made."""
    places = places_of(folder, name)
    return Market(name, places, open_market(places), load_key(places.node_key))


def one_by_one(folder: Path, rounds: int) -> dict[str, float]:
    """Receive blocks of one movement, each beside two plain statements, both FULL, and one signature checked."""
    with a_group(folder, *NAMES[:2]) as (giver, taker):
        lots = stock(giver)
        give(taker, frames_of_own(giver, stream_states(taker.store.reader)))
        write(giver, lots, changes(0, rounds), 1)
        frames = frames_of_own(giver, stream_states(taker.store.reader))
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


def exchange(markets: list[Market]) -> int:
    """Let every market take what it lacks from every other one; return how many bytes that were."""
    wire = 0
    # Every taker says first what it has, as its beacon does, and each giver gives what it wrote itself.
    had = [stream_states(market.store.reader) for market in markets]
    for giver, taker in DIRECTIONS:
        frames = frames_of_own(markets[giver], had[taker])
        give(markets[taker], frames)
        wire += sum(map(len, frames))
    return wire


def frames_of_own(market: Market, had: dict[bytes, StreamState]) -> list[bytes]:
    """Return the frames that a market wrote itself and that one with these streams lacks."""
    lacks = [
        BlockRange(stream, had[stream].blocks if stream in had else 0, state.blocks)
        for stream, state in own_streams(market).items()
    ]
    return load_frames(market.store.reader, lacks, LOAD_BYTES_MAX)


def own_streams(market: Market) -> dict[bytes, StreamState]:
    """Return the streams that a market wrote."""
    (us,) = market.store.reader.execute("SELECT origin FROM writer").fetchone()
    return {stream: state for stream, state in stream_states(market.store.reader).items() if state.origin == us}


def check(all_places: list[Places], count: int) -> None:
    """Reopen the files: the totals, the movements, and one state on all of them."""
    digests = set()
    for places in all_places:
        connection = connect(places, is_read_only=True)
        found = dict(connection.execute("SELECT item_id, sum(on_hand_milli) FROM lot GROUP BY item_id").fetchall())
        (movements,) = connection.execute("SELECT count(*) FROM movement").fetchone()
        digests.add(state_digest(connection))
        connection.close()
        check_totals([found[item_id(item)] - REPLICAS * LOT_MILLI for item in range(ITEMS)], movements, count)
    if len(digests) != 1:
        raise AssertionError("the markets do not agree on the state")


def item_id(item: int) -> str:
    """Return the id of an item, the same at every market."""
    return f"gtin/{item:014d}"


def _at(tx: Transaction, wall_ms: int) -> Transaction:
    """Return the transaction with the workload's clock in place of the wall's."""
    return Transaction(tx.connection, replace(tx.moment, wall_ms=wall_ms), tx.witness)
