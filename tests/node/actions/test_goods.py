"""Goods in and out: what is written, what is asked, what is refused."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from node import clock
from node.actions import goods
from node.actions.ids import new_action_id
from node.clock import ClockQuality
from node.domain.words import DiscardReason, MoveKind
from node.errors import NeedsYes, Refused
from node.ledger.read import lots, movements, stock
from node.ledger.store import Transaction
from tests.node.builders import TODAY, a_moment, a_received_lot, a_sale, an_item, an_open_market

BEYOND = frozenset({"sale.beyond_on_hand"})


@pytest.fixture(autouse=True)
def _clock_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", a_moment)


def test_a_delivery_is_one_lot_with_what_the_label_said(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        received = a_received_lot(store, item, use_by=TODAY + timedelta(days=7), batch="M-2291")
        assert received.on_hand_after_milli == 24_000
        (lot,) = lots(store.reader, item.item_id)
        assert (lot.batch, lot.use_by, lot.on_hand_milli) == ("M-2291", TODAY + timedelta(days=7), 24_000)


def test_selling_takes_first_what_expires_first_across_lots_in_one_transaction(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        late = a_received_lot(store, item, 5_000, use_by=TODAY + timedelta(days=9)).lot
        soon = a_received_lot(store, item, 2_000, use_by=TODAY + timedelta(days=1)).lot
        sold = a_sale(store, item, 3_000)
        assert [(take.lot.lot_id, take.quantity_milli) for take in sold.takes] == [
            (soon.lot_id, 2_000),
            (late.lot_id, 1_000),
        ]
        assert sold.on_hand_after_milli == 4_000
        assert [m.quantity_milli for m in movements(store.reader, limit=2)] == [-1_000, -2_000]


def test_a_sale_beyond_what_is_on_hand_is_recorded_and_flagged_after_a_yes(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        a_received_lot(store, item, 2_000)
        with pytest.raises(NeedsYes) as asked:
            a_sale(store, item, 3_000)
        assert asked.value.error_id == "sale.beyond_on_hand"
        assert stock(store.reader, today=TODAY)[0].on_hand_milli == 2_000
        sold = a_sale(store, item, 3_000, yes=BEYOND)
        assert (sold.oversold_milli, sold.on_hand_after_milli) == (1_000, -1_000)
        (row,) = stock(store.reader, today=TODAY)
        assert (row.state, row.on_hand_milli, row.available_milli) == ("OVERSOLD", -1_000, 0)


def test_a_sale_from_a_lot_overdrawn_already_counts_only_itself_as_too_much(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        lot_id = a_received_lot(store, item, 1_000).lot.lot_id
        a_sale(store, item, 3_000, lot_id=lot_id, yes=BEYOND)
        with pytest.raises(NeedsYes) as asked:
            a_sale(store, item, 1_000, lot_id=lot_id)
        assert asked.value.values["missing_milli"] == 1_000
        sold = a_sale(store, item, 1_000, lot_id=lot_id, yes=BEYOND)
        assert (sold.oversold_milli, sold.on_hand_after_milli) == (1_000, -3_000)


def test_selling_what_was_never_received_keeps_one_lot_of_nothing(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        a_sale(store, item, 2_000, yes=BEYOND)
        a_sale(store, item, 1_000, yes=BEYOND)
        (lot,) = lots(store.reader, item.item_id)
        assert lot.on_hand_milli == -3_000


def test_food_past_its_use_by_date_is_not_sold_when_its_lot_was_named(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        old = a_received_lot(store, item, 5_000, use_by=TODAY).lot
        a_sale(store, item, 1_000, lot_id=old.lot_id)
        store.act("receive", lambda tx: _receive_expired(tx, item.item_id))
        expired = next(lot for lot in lots(store.reader, item.item_id) if lot.use_by and lot.use_by < TODAY)
        with pytest.raises(Refused) as refused:
            a_sale(store, item, 1_000, lot_id=expired.lot_id, yes=BEYOND)
        assert refused.value.error_id == "lot.past_use_by"
        assert not isinstance(refused.value, NeedsYes)


def _receive_expired(tx: Transaction, item_id: str) -> goods.Received:
    return goods.receive(
        tx,
        action_id=new_action_id(),
        who=0,
        item_id=item_id,
        quantity_milli=4_000,
        use_by=TODAY - timedelta(days=1),
        yes=frozenset({"receive.past_use_by"}),
    )


def test_only_expired_lots_on_the_books_ask_whether_it_is_another_one(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        store.act("receive", lambda tx: _receive_expired(tx, item.item_id))
        with pytest.raises(NeedsYes) as asked:
            a_sale(store, item)
        assert asked.value.error_id == "sale.only_expired"
        sold = a_sale(store, item, yes=frozenset({"sale.only_expired"}))
        assert sold.oversold_milli == 1_000
        expired = [lot for lot in lots(store.reader, item.item_id) if lot.use_by is not None]
        assert [lot.on_hand_milli for lot in expired] == [4_000]


def test_a_lot_named_by_a_person_is_asked_for_itself_whatever_expired_lots_lie_beside_it(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        good = a_received_lot(store, item, 1_000).lot
        store.act("receive", lambda tx: _receive_expired(tx, item.item_id))
        with pytest.raises(NeedsYes) as asked:
            a_sale(store, item, 2_000, lot_id=good.lot_id)
        assert asked.value.error_id == "sale.beyond_on_hand"
        assert a_sale(store, item, 2_000, lot_id=good.lot_id, yes=BEYOND).oversold_milli == 1_000


def test_receiving_what_is_past_its_use_by_date_asks_first(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        with pytest.raises(NeedsYes) as asked:
            a_received_lot(store, item, use_by=TODAY - timedelta(days=1))
        assert asked.value.error_id == "receive.past_use_by"


def test_with_an_unset_clock_a_person_looks_at_the_label_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", lambda: a_moment(quality=ClockQuality.NOT_SET))
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        a_received_lot(store, item, use_by=TODAY - timedelta(days=30))
        with pytest.raises(NeedsYes) as asked:
            a_sale(store, item)
        assert asked.value.error_id == "sale.date_not_judged"
        a_sale(store, item, yes=frozenset({"sale.date_not_judged"}))
        a_sale(store, item)
        monkeypatch.setattr(clock, "now", lambda: a_moment(quality=ClockQuality.NOT_SET, later_ms=7 * 3600 * 1000))
        with pytest.raises(NeedsYes):
            a_sale(store, item)


def test_the_same_action_sent_again_has_no_second_effect_and_the_same_answer(tmp_path: Path) -> None:
    action_id = new_action_id()
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        received = a_received_lot(store, item, 9_000, action_id=action_id)
        again = a_received_lot(store, item, 9_000, action_id=action_id)
        assert (received.lot.lot_id, received.quantity_milli) == (again.lot.lot_id, again.quantity_milli)
        sale_id = new_action_id()
        first = a_sale(store, item, 2_000, action_id=sale_id)
        second = a_sale(store, item, 2_000, action_id=sale_id)
        assert first.quantity_milli == second.quantity_milli == 2_000
        assert stock(store.reader, today=TODAY)[0].on_hand_milli == 7_000


@pytest.mark.parametrize("quantity_milli", [0, -1_000, 10**12])
def test_a_quantity_out_of_bounds_is_refused(tmp_path: Path, quantity_milli: int) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        for act in (a_received_lot, a_sale):
            with pytest.raises(Refused) as refused:
                act(store, item, quantity_milli)
            assert refused.value.error_id == "quantity.out_of_range"


def test_throwing_away_names_a_reason_and_never_more_than_there_is(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        lot = a_received_lot(store, item, 5_000).lot

        def throw_away(quantity_milli: int | None) -> goods.Discarded:
            return store.act(
                "discard",
                lambda tx: goods.discard(
                    tx,
                    action_id=new_action_id(),
                    who=0,
                    lot_id=lot.lot_id,
                    reason=DiscardReason.QUALITY,
                    quantity_milli=quantity_milli,
                ),
            )

        assert throw_away(2_000).on_hand_after_milli == 3_000
        with pytest.raises(Refused) as refused:
            throw_away(4_000)
        assert refused.value.error_id == "discard.beyond_on_hand"
        assert throw_away(None).quantity_milli == 3_000
        (last,) = movements(store.reader, limit=1)
        assert (last.kind, last.reason) == (MoveKind.DISCARD, DiscardReason.QUALITY)


def test_an_unknown_item_and_words_that_steer_a_terminal_are_refused(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        with pytest.raises(Refused) as refused:
            a_received_lot(store, item, batch="\x1b[2J")
        assert refused.value.error_id == "text.control"
        with pytest.raises(Refused) as refused:
            store.act(
                "sell",
                lambda tx: goods.sell(
                    tx, action_id=new_action_id(), who=0, item_id="gtin/nobody", quantity_milli=1_000
                ),
            )
        assert refused.value.error_id == "item.unknown"
