"""Counting: the books become what is there, and a large difference is asked about."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.actions.counting import Counted, count
from node.actions.ids import new_action_id
from node.actions.undo import undo
from node.domain.lots import Dot
from node.domain.words import MoveKind
from node.errors import NeedsYes, Refused
from node.ledger.read import lots, movements, stock
from node.ledger.store import MarketStore
from tests.node.builders import a_received_lot, a_sale, an_item, an_open_market

YES = frozenset({"count.differs_much"})


def counted(
    store: MarketStore,
    lot_id: Dot,
    counted_milli: int,
    *,
    yes: frozenset[str] = frozenset(),
    action_id: bytes | None = None,
) -> Counted:
    """Count a lot."""
    return store.act(
        "count",
        lambda tx: count(
            tx, action_id=action_id or new_action_id(), who=0, lot_id=lot_id, counted_milli=counted_milli, yes=yes
        ),
    )


def test_a_count_moves_the_books_by_the_difference(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        lot = a_received_lot(store, item, 24_000).lot
        assert counted(store, lot.lot_id, 22_000).change_milli == -2_000
        assert counted(store, lot.lot_id, 22_000).change_milli == 0
        assert [found.on_hand_milli for found in lots(store.reader, item.item_id)] == [22_000]
        assert movements(store.reader, limit=1)[0].kind is MoveKind.COUNT


def test_what_was_oversold_is_settled_by_a_count(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        lot = a_received_lot(store, item, 2_000).lot
        a_sale(store, item, 5_000, yes=frozenset({"sale.beyond_on_hand"}))
        assert stock(store.reader, today=None)[0].state == "OVERSOLD"
        counted(store, lot.lot_id, 4_000, yes=YES)
        assert [(row.state, row.on_hand_milli) for row in stock(store.reader, today=None)] == [("ok", 4_000)]


def test_a_large_difference_is_asked_about_and_nothing_is_written_before(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        lot = a_received_lot(store, item, 24_000).lot
        with pytest.raises(NeedsYes) as asked:
            counted(store, lot.lot_id, 0)
        assert asked.value.error_id == "count.differs_much"
        assert lots(store.reader, item.item_id)[0].on_hand_milli == 24_000
        counted(store, lot.lot_id, 0, yes=YES)
        assert lots(store.reader, item.item_id) == []


def test_the_same_count_sent_again_changes_nothing_and_a_count_can_be_undone(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        lot = a_received_lot(store, item, 24_000).lot
        action_id = new_action_id()
        first = counted(store, lot.lot_id, 23_000, action_id=action_id)
        a_sale(store, item, 1_000)
        assert counted(store, lot.lot_id, 23_000, action_id=action_id).change_milli == first.change_milli == -1_000
        store.act("undo", lambda tx: undo(tx, action_id=new_action_id(), who=0, target=action_id))
        assert lots(store.reader, item.item_id)[0].on_hand_milli == 23_000


@pytest.mark.parametrize("counted_milli", [-1_000, 10**12])
def test_an_impossible_count_or_lot_is_refused(tmp_path: Path, counted_milli: int) -> None:
    with an_open_market(tmp_path) as store:
        lot = a_received_lot(store, an_item(store), 24_000).lot
        with pytest.raises(Refused):
            counted(store, lot.lot_id, counted_milli)
        with pytest.raises(Refused):
            counted(store, Dot(b"nowhere!", 1), 1_000)
