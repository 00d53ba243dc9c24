"""Larder's side of the reference workload: real markets of one group that were apart, merged.

Not MQTT: frames go from file to file as the sync daemon loads and keeps them, at most 50 blocks to a transaction. What
they wrote before is made by `sync_apart`, and is not imported here: memory is measured too.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from node.actions.keeping import open_market
from node.ledger.connection import connect
from node.ledger.digest import state_digest
from node.ledger.heads import BlockRange, StreamState, load_frames, stream_states
from node.ledger.receive import BLOCKS_PER_BATCH_MAX, receive_blocks
from node.ledger.store import MarketStore
from node.places import Places
from tests.bench.sync_workload import DIRECTIONS, ITEMS, REPLICAS, check_totals

LOT_MILLI = 100_000
NAMES = ("Harbour", "Mill", "Station")
# What one load of the sync daemon may hold is less; here a whole log is loaded at once, as it is from a stick.
LOAD_BYTES_MAX = 64 * 1024 * 1024


def merge(folder: Path, count: int) -> dict[str, float]:
    """Open the markets, exchange in the six directions, check, and return what it took."""
    all_places = [places_of(folder, name) for name in NAMES]
    stores = [open_market(places) for places in all_places]
    began, worked = time.perf_counter(), time.process_time()
    wire = exchange(stores)
    merge_s, cpu_s = time.perf_counter() - began, time.process_time() - worked
    for store in stores:
        store.checkpoint_if_due(is_idle=True)
        store.close()
    check(all_places, count)
    disk = max(places.market_db.stat().st_size for places in all_places)
    return {"merge_s": merge_s, "cpu_s": cpu_s, "wire": wire, "disk": disk}


def places_of(folder: Path, name: str) -> Places:
    """Return where a market of the group lies."""
    return Places(folder / name.lower())


def exchange(stores: list[MarketStore]) -> int:
    """Let every market take what it lacks from every other one; return how many bytes that were."""
    wire = 0
    # Every taker says first what it has, as its beacon does, and each giver gives what it wrote itself.
    had = [stream_states(store.reader) for store in stores]
    for giver, taker in DIRECTIONS:
        frames = frames_of_own(stores[giver], had[taker])
        give(stores[taker], frames)
        wire += sum(map(len, frames))
    return wire


def give(taker: MarketStore, frames: Sequence[bytes]) -> None:
    """Let a market take frames in, batch by batch. Raises AssertionError where one is not taken."""
    waiting = iter(frames)
    while batch := list(islice(waiting, BLOCKS_PER_BATCH_MAX)):
        intake = taker.batch("receive", lambda tx, batch=batch: receive_blocks(tx, batch))
        if intake.new_blocks != len(batch):
            raise AssertionError(f"of {len(batch)} blocks not all were taken: {intake}")
        taker.checkpoint_if_due()


def frames_of_own(store: MarketStore, had: dict[bytes, StreamState]) -> list[bytes]:
    """Return the frames that a market wrote itself and that one with these streams lacks."""
    lacks = [
        BlockRange(stream, had[stream].blocks if stream in had else 0, state.blocks)
        for stream, state in own_streams(store).items()
    ]
    return load_frames(store.reader, lacks, LOAD_BYTES_MAX)


def own_streams(store: MarketStore) -> dict[bytes, StreamState]:
    """Return the streams that a market wrote."""
    (us,) = store.reader.execute("SELECT origin FROM writer").fetchone()
    return {stream: state for stream, state in stream_states(store.reader).items() if state.origin == us}


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
