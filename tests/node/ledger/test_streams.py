"""A sequence number is never used twice: copies, clones and new boots open a new stream."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from node import clock
from node.actions.keeping import open_market, verify
from node.clock import ClockQuality
from node.ledger.keys import load_key
from node.ledger.read import open_reader
from node.ledger.seal import seal
from node.ledger.store import MarketStore
from node.ledger.streams import load_writer
from node.places import Places
from tests.node.builders import a_moment, a_received_lot, a_sale, an_item, an_open_market

# Beyond the real clock of whoever runs this, since time that lies behind the log's is no time.
DAYS_LATER_MS = 36_500 * 86_400_000


def streams_of(store: MarketStore) -> list[bytes]:
    """The market streams of a node (its roster stream left out), in the order of their first event."""
    rows = store.reader.execute("SELECT stream FROM head WHERE purpose = 0")
    return [stream for (stream,) in rows]


def test_the_stream_goes_on_in_the_same_boot_and_file(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        an_item(store)
    again = open_market(Places(tmp_path))
    a_received_lot(again, an_item(again, "Rice", "00000096385074"))
    assert len(streams_of(again)) == 1
    again.close()


def test_a_copied_market_never_uses_a_number_again(tmp_path: Path) -> None:
    with an_open_market(tmp_path / "first") as store:
        item = an_item(store)
        a_received_lot(store, item)
        shutil.copytree(tmp_path / "first", tmp_path / "copy")
        a_sale(store, item)
        original = load_writer(store.reader)
    copy = open_market(Places(tmp_path / "copy"))
    a_sale(copy, item)
    cloned = load_writer(copy.reader)
    assert original.stream != cloned.stream
    assert len(streams_of(copy)) == 2
    copy.close()


def test_a_new_boot_opens_a_new_stream_at_the_first_act(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        a_received_lot(store, item)
    monkeypatch.setattr(clock, "boot_id", lambda: "another-boot")
    again = open_market(Places(tmp_path))
    assert len(streams_of(again)) == 1
    a_sale(again, item)
    assert len(streams_of(again)) == 2
    a_sale(again, item)
    assert len(streams_of(again)) == 2
    again.close()
    reader = open_reader(Places(tmp_path))
    assert verify(reader, Places(tmp_path)).streams == 3
    reader.close()


def test_a_clock_that_was_set_back_gives_no_event_an_earlier_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        a_received_lot(store, item)
        monkeypatch.setattr(clock, "now", lambda: a_moment(day=date(2020, 1, 1)))
        for _time in range(3):
            a_sale(store, item)
        rows = store.reader.execute(
            "SELECT hlc FROM pending WHERE stream = (SELECT stream FROM writer) ORDER BY seq"
        ).fetchall()
        values = [hlc for (hlc,) in rows]
        assert values == sorted(set(values))


def test_the_block_after_a_seal_goes_on_from_the_clock_of_the_last_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        a_received_lot(store, item)
        key = load_key(Places(tmp_path).node_key)
        store.batch("seal", lambda tx: seal(tx, key, blocks_max=9))
        before = load_writer(store.reader).hlc
        monkeypatch.setattr(clock, "now", lambda: a_moment(day=date(2020, 1, 1)))
        a_sale(store, item)
        assert load_writer(store.reader).hlc > before


def test_facts_written_under_another_quality_of_the_clock_share_no_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        key = load_key(Places(tmp_path).node_key)
        store.batch("seal", lambda tx: seal(tx, key, blocks_max=9))
        for quality in (ClockQuality.TRUSTED, ClockQuality.NOT_SET):
            monkeypatch.setattr(clock, "now", lambda quality=quality: a_moment(quality=quality, later_ms=DAYS_LATER_MS))
            a_received_lot(store, item)
        blocks = store.batch("seal", lambda tx: seal(tx, key, blocks_max=9))
        assert [int(ClockQuality.TRUSTED), int(ClockQuality.NOT_SET)] == [block.header.clock for block in blocks]
