"""The open database: what is committed stays, what is refused leaves nothing, and every fault is one sentence."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest

from node.actions.checks import checked_words
from node.errors import LocalFault, NotSavedNow, Refused
from node.ledger.ballast import BALLAST_BYTES, make_ballast, release_ballast
from node.ledger.read import movements, open_reader
from node.ledger.schema import PAGE_BYTES, SCHEMA_VERSION
from node.ledger.store import MarketStore, Transaction
from node.places import Places
from tests.node.builders import a_market_folder, a_received_lot, a_sale, an_item, an_open_market


def test_the_database_is_made_for_a_card_that_wears_out(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        pragmas = ("page_size", "journal_mode", "synchronous", "wal_autocheckpoint", "user_version")
        values = [store.reader.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas]
    assert values == [PAGE_BYTES, "wal", 2, 0, SCHEMA_VERSION]


def test_a_refused_action_leaves_nothing(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        before = list(store.reader.iterdump())

        def work(tx: Transaction) -> None:
            tx.connection.execute("INSERT INTO person (name) VALUES ('Ana')")
            checked_words("", field="name", characters_max=3)

        with pytest.raises(Refused):
            store.act("person", work)
        assert before == list(store.reader.iterdump())


def test_one_refusal_in_a_shared_transaction_does_not_touch_the_others(tmp_path: Path) -> None:
    def add(tx: Transaction, name: str) -> None:
        with tx.savepoint():
            tx.connection.execute("INSERT INTO person (name) VALUES (?)", (name,))
            checked_words(name, field="name", characters_max=3)

    def work(tx: Transaction) -> list[str]:
        refused = []
        for name in ("Ana", "Maximilian", "Musa"[:3]):
            try:
                add(tx, name)
            except Refused:
                refused.append(name)
        return refused

    with an_open_market(tmp_path) as store:
        assert store.act("people", work) == ["Maximilian"]
        names = [name for (name,) in store.reader.execute("SELECT name FROM person ORDER BY name")]
    assert names == ["Ana", "Mus"]


def test_a_market_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(LocalFault) as fault:
        MarketStore.open(Places(tmp_path))
    assert fault.value.error_id == "market.missing"
    assert "larder init" in fault.value.hint


def test_a_database_of_newer_software_is_not_touched(tmp_path: Path) -> None:
    places = a_market_folder(tmp_path)
    with sqlite3.connect(places.market_db) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    before = places.market_db.read_bytes()
    with pytest.raises(LocalFault) as fault:
        MarketStore.open(places)
    assert fault.value.error_id == "market.newer"
    assert before == places.market_db.read_bytes()


@pytest.mark.parametrize("content", [b"no database at all" * 100, bytes(8192)])
def test_a_damaged_database_is_said_plainly_and_kept(tmp_path: Path, content: bytes) -> None:
    places = a_market_folder(tmp_path)
    places.market_db.write_bytes(content)
    with pytest.raises(LocalFault) as fault:
        MarketStore.open(places)
    assert fault.value.error_id in {"market.damaged", "market.unfinished"}
    assert content == places.market_db.read_bytes()


def test_at_idle_even_a_short_log_goes_into_the_database(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        an_item(store)
        log = tmp_path / "market" / "market.db-wal"
        assert not store.checkpoint_if_due()
        assert log.stat().st_size > 0
        assert store.checkpoint_if_due(is_idle=True)
        assert log.stat().st_size == 0
        assert not store.checkpoint_if_due(is_idle=True)


def test_no_ballast_is_made_where_it_would_fill_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = a_market_folder(tmp_path)
    release_ballast(places)
    total = 100 * BALLAST_BYTES
    for free, is_made in ((11 * BALLAST_BYTES - 1, False), (11 * BALLAST_BYTES, True)):
        usage = SimpleNamespace(total=total, free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _path, usage=usage: usage)
        assert is_made is make_ballast(places)
        assert is_made is (tmp_path / "market" / "ballast").exists()


def test_a_full_disk_gives_up_the_ballast_once_and_then_refuses_visibly(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        a_received_lot(store, item, 90_000_000)
        ballast = tmp_path / "market" / "ballast"
        assert ballast.stat().st_size == BALLAST_BYTES
        (pages,) = store.reader.execute("PRAGMA page_count").fetchone()
        store.reader.execute(f"PRAGMA max_page_count = {pages}")
        sold = 0
        with pytest.raises(NotSavedNow) as refused:
            for _sale in range(2_000):
                a_sale(store, item)
                sold += 1
        assert refused.value.error_id == "disk.full"
        assert not ballast.exists()
        store.reader.execute("PRAGMA max_page_count = 1000000")
        a_sale(store, item)
        count = sum(1 for movement in movements(store.reader, limit=500) if movement.quantity_milli < 0)
        assert min(sold + 1, 499) <= count


def test_what_one_process_saved_another_reads_at_once(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        reader = open_reader(Places(tmp_path))
        item = an_item(store)
        a_received_lot(store, item, 3_000)
        assert [movement.quantity_milli for movement in movements(reader)] == [3_000]
        reader.close()


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    reader = open_reader(a_market_folder(tmp_path))
    with pytest.raises(sqlite3.OperationalError):
        reader.execute("DELETE FROM pending")
    reader.close()


def test_the_write_ahead_log_stays_bounded_without_any_daemon(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        a_received_lot(store, item, 90_000_000)
        largest = 0
        for _sale in range(400):
            a_sale(store, item)
            store.checkpoint_if_due()
            largest = max(largest, (tmp_path / "market" / "market.db-wal").stat().st_size)
    assert largest < 1024 * 1024
    assert not (tmp_path / "market" / "market.db-wal").exists()
