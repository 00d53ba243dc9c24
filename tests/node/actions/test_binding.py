"""A market of before streams were bound to their writers moves into bound ones when it pairs, and loses nothing."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from node.actions import founding
from node.actions.binding import bind_streams
from node.ledger.events import Event, StreamOpened, StreamOpenedUnbound
from node.ledger.read import stock
from node.ledger.streams import Writer, opened, unbound_streams
from tests.node.builders import a_received_lot, a_sale, an_item
from tests.node.markets import Market, a_market, exchange, pair


def opened_as_before(connection: sqlite3.Connection, **arguments: Any) -> tuple[Writer, Event]:
    """Open a stream as the first schema did: nothing in its first event says how its name was made."""
    writer, event = opened(connection, **arguments)
    assert isinstance(event.fact, StreamOpened)
    fact = StreamOpenedUnbound(*(getattr(event.fact, name) for name in StreamOpenedUnbound.__struct_fields__))
    return writer, event._replace(fact=fact)


def a_market_of_before(monkeypatch: pytest.MonkeyPatch, root: Path) -> Any:
    monkeypatch.setattr(founding, "opened", opened_as_before)
    return a_market(root, "Harbour")


def bind(market: Market) -> int:
    return market.store.act("bind", lambda tx: bind_streams(tx, who=0, load_signer=market.key))


def on_hand(market: Market) -> dict[str, int]:
    return {row.item.item_id: row.on_hand_milli for row in stock(market.store.reader, today=None)}


def test_what_a_market_of_before_has_is_said_again_in_streams_that_others_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_market_of_before(monkeypatch, tmp_path / "old") as old:
        monkeypatch.undo()
        item = an_item(old.store)
        a_received_lot(old.store, item, 9_000)
        old.seal()
        a_sale(old.store, item, 2_000)
        before = on_hand(old)
        us = old.store.reader.execute("SELECT origin FROM writer").fetchone()[0]
        assert len(unbound_streams(old.store.reader, us)) == 2
        assert bind(old) > 0
        assert before == on_hand(old)
        assert unbound_streams(old.store.reader, us) == []
        assert bind(old) == 0
        assert old.verified() == old.digest()
        with a_market(tmp_path / "new", "Mill Road") as new:
            pair(old, new)
            exchange(old, new)
            assert old.digest() == new.digest() == new.verified() == old.verified()
            # The first lot stays at home; the new market knows the one it was carried into.
            assert new.store.reader.execute("SELECT on_hand_milli FROM lot").fetchall() == [(7_000,)]


def test_a_market_made_now_has_nothing_to_bind(tmp_path: Path) -> None:
    with a_market(tmp_path, "Harbour") as market:
        before = market.digest()
        assert bind(market) == 0
        assert before == market.digest()
