"""The bench of replication measures what it says: its workload is the written one, and a wrong result is no result."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from node.domain.words import MoveKind
from node.ledger.connection import connect
from tests.bench.sync import run
from tests.bench.sync_apart import write_apart
from tests.bench.sync_ours import NAMES, check, item_id, merge, places_of
from tests.bench.sync_workload import (
    ITEMS,
    MOVEMENTS,
    OPENED_MS,
    REPLICAS,
    changes,
    check_folded,
    check_totals,
    fold_rows,
    folded_database,
    item_totals,
    movement_rows,
)

FEW = 60
PER_BLOCK = 20


def test_each_replica_draws_the_same_ten_thousand_movements_every_time() -> None:
    drawn = list(changes(0))
    assert len(drawn) == MOVEMENTS
    assert list(changes(0)) == drawn
    assert list(changes(1)) != drawn
    steps = [later.at_ms - earlier.at_ms for earlier, later in pairwise(drawn)]
    assert 50 <= min(steps) <= max(steps) <= 5_000
    assert set(range(ITEMS)) == {change.item for change in drawn}
    assert {-1, -2, -3, -5, 4, 12, 24} == {change.pieces for change in drawn}
    kinds = Counter(change.kind for change in drawn)
    assert kinds[MoveKind.SELL] == pytest.approx(MOVEMENTS / 2, rel=0.05)
    assert {MoveKind.SELL, MoveKind.DISCARD, MoveKind.RECEIVE, MoveKind.ISSUE} == set(kinds)


def test_totals_are_what_all_replicas_moved() -> None:
    moved = sum(change.pieces * 1000 for replica in range(REPLICAS) for change in changes(replica, FEW))
    assert sum(item_totals(FEW)) == moved


@pytest.mark.parametrize("engine", ["ours", "pycrdt", "loro"])
def test_an_engine_ends_in_the_state_of_the_generator(engine: str, tmp_path: Path) -> None:
    found = run(engine, FEW, PER_BLOCK, where=tmp_path)
    assert found["wire"] > 0
    assert found["merge_s"] > 0


def test_a_file_that_lacks_a_movement_or_has_another_total_is_no_result(tmp_path: Path) -> None:
    rows = [row for replica in range(REPLICAS) for row in movement_rows(replica, changes(replica, FEW), is_ours=False)]
    whole, short, other = tmp_path / "whole.db", tmp_path / "short.db", tmp_path / "other.db"
    for path, kept in ((whole, rows), (short, rows[1:]), (other, [(*rows[0][:5], 7, *rows[0][6:]), *rows[1:]])):
        file = folded_database(path)
        fold_rows(file, kept)
        file.close()
    check_folded(whole, FEW)
    for path in (short, other):
        with pytest.raises(AssertionError):
            check_folded(path, FEW)


@pytest.fixture(scope="module")
def merged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three markets that wrote a few movements apart and met."""
    folder = tmp_path_factory.mktemp("merged")
    write_apart(folder, FEW, PER_BLOCK)
    merge(folder, FEW)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_every_market_holds_the_generators_movements_at_its_times(merged: Path, name: str) -> None:
    expected = Counter(
        (item_id(change.item), change.kind, change.pieces * 1000, OPENED_MS + change.at_ms)
        for replica in range(REPLICAS)
        for change in changes(replica, FEW)
    )
    with closing(connect(places_of(merged, name), is_read_only=True)) as connection:
        rows = connection.execute(
            "SELECT lot.item_id, m.kind, m.quantity_milli, m.hlc FROM movement m"
            " JOIN lot ON lot.stream = m.lot_stream AND lot.seq = m.lot_seq"
        ).fetchall()
        sizes = connection.execute("SELECT count(*) FROM block WHERE event_count = ?", (PER_BLOCK,)).fetchone()
    assert expected == Counter(rows)
    assert sizes == (REPLICAS * FEW // PER_BLOCK,)


def test_markets_that_disagree_are_no_result(merged: Path, tmp_path: Path) -> None:
    shutil.copytree(merged, tmp_path / "copy")
    places = [places_of(tmp_path / "copy", name) for name in NAMES]
    check(places, FEW)
    with closing(sqlite3.connect(places[0].market_db)) as file:
        # The stock stays what it was, only what made it is another: the digests tell.
        file.execute("UPDATE contrib_row SET quantity_milli = quantity_milli + 1 WHERE kind = ?", (int(MoveKind.SELL),))
        file.commit()
    with pytest.raises(AssertionError, match="agree"):
        check(places, FEW)


def test_a_wrong_total_is_said() -> None:
    totals = item_totals(FEW)
    check_totals(totals, REPLICAS * FEW, FEW)
    with pytest.raises(AssertionError, match="totals"):
        check_totals([totals[0] + 1, *totals[1:]], REPLICAS * FEW, FEW)
