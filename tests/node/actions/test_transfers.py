"""Hand-overs between two real markets: what each step writes, and the sentence for each wrong one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from node import clock
from node.actions.ids import new_action_id
from node.actions.retiring import retire
from node.actions.transfers import write_step
from node.actions.undo import undo
from node.clock import ClockQuality
from node.domain.lots import Dot
from node.domain.transfers import Flag, State
from node.domain.words import Unit
from node.errors import NeedsYes, Refused
from node.ledger.events import TransferCancelled, TransferSent
from node.ledger.read import Item, find_lot, held_lots, lots, stock, transfer_named, transfers
from node.ledger.read import item as find_item
from node.ledger.read.members import member_named
from node.ledger.roster import load_roster
from tests.node.builders import TODAY, a_moment, a_received_lot, a_sale, an_item
from tests.node.group import Market, a_group, carry, frames_of, meet, seal_all
from tests.node.hand_over import offer, step

CHEESE = "food/cheddar"
NEVER = Dot(b"12345678", 3)


@pytest.fixture(autouse=True)
def _clock_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", a_moment)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Market, Market]]:
    """Two markets of one group."""
    with a_group(tmp_path, "Harbour", "Mill Rd") as (harbour, mill):
        yield harbour, mill


def onions(market: Market, quantity_milli: int = 10_000, **more: object) -> Item:
    """An item with one lot of it."""
    item = an_item(market.store, "Onion", unit=Unit.EACH)
    a_received_lot(market.store, item, quantity_milli, **more)  # type: ignore[arg-type]
    return item


def on_hand(market: Market, item: Item) -> int:
    """What a market has of an item."""
    return sum(lot.on_hand_milli for lot in lots(market.store.reader, item.item_id))


def error_of(caught: pytest.ExceptionInfo[Refused]) -> str:
    return caught.value.error_id


def test_a_hand_over_from_offer_to_receipt(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    item = onions(harbour, batch="B-7", use_by=TODAY + timedelta(days=5))
    row = offer(harbour, mill, item, 6_000)
    assert (row.state, row.way, row.peer_name, row.reserved_milli) == (State.OFFERED, "out", "Mill Rd", 6_000)
    meet(harbour, mill)
    (there,) = transfers(mill.store.reader, open_only=True)
    assert (there.number, there.way, there.peer_name, there.item_name) == (row.number, "in", "Harbour", "Onion")
    step(mill, "accept", row.transfer_id, quantity_milli=5_000)
    meet(harbour, mill)
    sent = step(harbour, "send", row.transfer_id, carrier="courier 4")
    assert (sent.state, sent.sent_milli, sent.on_way_milli, sent.carrier) == (State.SENT, 5_000, 5_000, "courier 4")
    assert on_hand(harbour, item) == 5_000
    meet(harbour, mill)
    step(mill, "receive", row.transfer_id, good_milli=4_000, damaged_milli=1_000)
    (lot,) = lots(mill.store.reader, item.item_id)
    assert (lot.on_hand_milli, lot.batch, lot.use_by) == (4_000, "B-7", TODAY + timedelta(days=5))
    meet(harbour, mill)
    done = transfer_named(harbour.store.reader, row.number)
    assert done is not None
    assert (done.state, done.words, done.is_open) == (State.CLOSED, "received", False)
    assert harbour.digest() == mill.digest()
    assert transfers(harbour.store.reader, open_only=True) == []


def test_what_is_promised_is_not_for_sale_without_a_yes(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    item = onions(harbour)
    offer(harbour, mill, item, 6_000)
    (row,) = stock(harbour.store.reader, "onion", today=TODAY)
    assert (row.on_hand_milli, row.available_milli, row.reserved_milli) == (10_000, 4_000, 6_000)
    with pytest.raises(NeedsYes) as asked:
        a_sale(harbour.store, item, 5_000)
    assert (error_of(asked), asked.value.values["promised_milli"]) == ("sale.reserved", 1_000)
    sold = a_sale(harbour.store, item, 5_000, yes=frozenset({"sale.reserved"}))
    assert (sold.on_hand_after_milli, sold.oversold_milli) == (5_000, 0)


def test_selling_takes_free_lots_before_promised_ones(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    item = onions(harbour, 4_000, use_by=TODAY + timedelta(days=1))
    later = a_received_lot(harbour.store, item, 5_000, use_by=TODAY + timedelta(days=9)).lot
    offer(harbour, mill, item, 4_000)
    sold = a_sale(harbour.store, item, 3_000)
    assert [(take.lot.lot_id, take.quantity_milli) for take in sold.takes] == [(later.lot_id, 3_000)]


def test_less_is_sent_when_promised_goods_were_sold(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    item = onions(harbour)
    row = offer(harbour, mill, item, 6_000)
    a_sale(harbour.store, item, 7_000, yes=frozenset({"sale.reserved"}))
    with pytest.raises(Refused) as refused:
        step(harbour, "send", row.transfer_id, quantity_milli=6_000)
    assert (error_of(refused), refused.value.values["most"]) == ("transfer.too_much", "3")
    assert step(harbour, "send", row.transfer_id).sent_milli == 3_000
    assert on_hand(harbour, item) == 0


def test_no_more_is_offered_than_is_free_in_one_lot(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    item = onions(harbour)
    offer(harbour, mill, item, 6_000)
    with pytest.raises(Refused) as refused:
        offer(harbour, mill, item, 5_000)
    assert (error_of(refused), refused.value.values["most"]) == ("transfer.too_much", "4")
    assert offer(harbour, mill, item, 4_000).reserved_milli == 4_000


def test_an_offer_takes_the_first_lot_to_expire_that_has_enough(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    item = onions(harbour, 2_000, use_by=TODAY + timedelta(days=1))
    enough = a_received_lot(harbour.store, item, 8_000, use_by=TODAY + timedelta(days=2)).lot
    assert offer(harbour, mill, item, 3_000).lot_id == enough.lot_id


def test_food_past_its_date_is_offered_to_nobody(pair: tuple[Market, Market], monkeypatch: pytest.MonkeyPatch) -> None:
    harbour, mill = pair
    item = onions(harbour, use_by=TODAY)
    row = offer(harbour, mill, item, 1_000)
    monkeypatch.setattr(clock, "now", lambda: a_moment(day=TODAY + timedelta(days=1)))
    with pytest.raises(Refused) as refused:
        step(harbour, "send", row.transfer_id)
    assert error_of(refused) == "lot.past_use_by"
    with pytest.raises(Refused) as refused:
        offer(harbour, mill, item, 1_000, lot_id=row.lot_id)
    assert error_of(refused) == "lot.past_use_by"
    with pytest.raises(Refused) as refused:
        offer(harbour, mill, item, 1_000)
    assert error_of(refused) == "transfer.too_much"


def test_an_unset_clock_asks_for_the_label_before_goods_are_promised(
    pair: tuple[Market, Market], monkeypatch: pytest.MonkeyPatch
) -> None:
    harbour, mill = pair
    item = onions(harbour, use_by=TODAY + timedelta(days=3))
    monkeypatch.setattr(clock, "now", lambda: a_moment(quality=ClockQuality.NOT_SET))
    with pytest.raises(NeedsYes) as asked:
        offer(harbour, mill, item, 1_000)
    assert error_of(asked) == "sale.date_not_judged"
    offer(harbour, mill, item, 1_000, yes=frozenset({"sale.date_not_judged"}))


def test_an_offer_goes_to_another_market_of_the_group_only(pair: tuple[Market, Market]) -> None:
    harbour, _mill = pair
    item = onions(harbour)
    for recipient, error_id in ((harbour.origin, "transfer.to_ourselves"), (b"x" * 16, "member.unknown")):
        with pytest.raises(Refused) as refused:
            offer(harbour, recipient, item, 1_000)
        assert error_of(refused) == error_id


def test_nothing_is_offered_to_a_market_that_has_left(tmp_path: Path) -> None:
    with a_group(tmp_path, "Harbour", "Mill Rd") as (harbour, mill):
        founder = next(m for m in (harbour, mill) if load_roster(m.store.reader).founder == m.origin)
        other = mill if founder is harbour else harbour
        item = onions(founder)
        gone = member_named(founder.store.reader, other.name)
        assert gone is not None
        yes = frozenset({"retire.confirm"})
        founder.store.act("retire", lambda tx: retire(tx, who=0, member=gone, reason=None, yes=yes))
        with pytest.raises(Refused) as refused:
            offer(founder, other, item, 1_000)
        assert error_of(refused) == "member.retired"


def test_a_cancel_that_crosses_an_accept_brings_the_reservation_back(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    item = onions(harbour)
    row = offer(harbour, mill, item, 6_000)
    meet(harbour, mill)
    step(mill, "accept", row.transfer_id)
    assert step(harbour, "cancel", row.transfer_id).state is State.CANCELLED
    assert stock(harbour.store.reader, "onion", today=TODAY)[0].available_milli == 10_000
    meet(harbour, mill)
    (conflict,) = transfers(harbour.store.reader, open_only=True)
    assert (conflict.state, conflict.reserved_milli) == (State.ACCEPTED, 6_000)
    assert conflict.flags == (Flag.ACCEPTED_AFTER_CANCEL,)
    assert step(harbour, "withdraw", row.transfer_id).state is State.WITHDRAWN
    meet(harbour, mill)
    gone = transfer_named(mill.store.reader, row.number)
    assert gone is not None
    assert gone.words == "withdrawn by the sender after we accepted"
    assert harbour.digest() == mill.digest()


def test_a_cancel_after_the_accept_arrived_names_the_withdrawal(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    row = offer(harbour, mill, onions(harbour), 6_000)
    meet(harbour, mill)
    step(mill, "accept", row.transfer_id)
    meet(harbour, mill)
    with pytest.raises(Refused) as refused:
        step(harbour, "cancel", row.transfer_id)
    assert error_of(refused) == "transfer.accepted_already"


def test_goods_refused_at_the_door_come_back_as_a_new_lot_and_the_rest_is_lost(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    item = onions(harbour, batch="B-7")
    row = offer(harbour, mill, item, 6_000)
    step(harbour, "send", row.transfer_id)
    meet(harbour, mill)
    step(mill, "refuse", row.transfer_id, reason="bruised")
    meet(harbour, mill)
    (there,) = transfers(harbour.store.reader, open_only=True)
    assert (there.on_way_milli, there.reason) == (6_000, "bruised")
    step(harbour, "return", row.transfer_id, quantity_milli=5_000)
    done = step(harbour, "lost", row.transfer_id)
    assert (done.state, done.returned_milli, done.lost_milli, done.words) == (State.CLOSED, 5_000, 1_000, "came back")
    assert sorted(lot.on_hand_milli for lot in lots(harbour.store.reader, item.item_id)) == [4_000, 5_000]
    assert {lot.batch for lot in lots(harbour.store.reader, item.item_id)} == {"B-7"}


def test_what_was_booked_as_lost_and_arrives_is_received(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    item = onions(harbour)
    row = offer(harbour, mill, item, 6_000)
    step(harbour, "send", row.transfer_id)
    step(harbour, "lost", row.transfer_id)
    meet(harbour, mill)
    found = step(mill, "receive", row.transfer_id)
    assert (found.good_milli, found.lost_milli, found.flags) == (6_000, 0, (Flag.LOST_AND_RECEIVED,))


def test_more_than_was_sent_needs_a_yes_and_is_flagged(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    row = offer(harbour, mill, onions(harbour), 6_000)
    step(harbour, "send", row.transfer_id)
    meet(harbour, mill)
    with pytest.raises(NeedsYes) as asked:
        step(mill, "receive", row.transfer_id, good_milli=7_000)
    assert error_of(asked) == "transfer.more_than_sent"
    found = step(mill, "receive", row.transfer_id, good_milli=7_000, yes=frozenset({"transfer.more_than_sent"}))
    assert (found.on_way_milli, found.flags) == (-1_000, (Flag.OVER_RECEIVED,))


def test_goods_that_arrive_before_the_fact_that_they_were_sent_are_taken_in(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    row = offer(harbour, mill, onions(harbour), 6_000)
    meet(harbour, mill)
    step(harbour, "send", row.transfer_id)
    found = step(mill, "receive", row.transfer_id)
    assert (found.state, found.good_milli, found.flags) == (State.RECEIVED, 6_000, ())
    assert found.words == "received; its sending has not been heard of yet"
    meet(harbour, mill)
    done = transfer_named(mill.store.reader, row.number)
    assert done is not None
    assert done.state is State.CLOSED


def cheese(market: Market, quantity_milli: int = 4_000_000) -> Item:
    """A starter food of the fridge, with one lot of it."""
    item = find_item(market.store.reader, CHEESE)
    assert item is not None
    a_received_lot(market.store, item, quantity_milli, use_by=TODAY + timedelta(days=9))
    return item


def test_chilled_goods_without_a_temperature_are_on_hold_and_cannot_be_sold(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    item = cheese(harbour)
    row = offer(harbour, mill, item, 1_000_000)
    assert row.limit_milli_c == 5_000
    with pytest.raises(NeedsYes) as asked:
        step(harbour, "send", row.transfer_id)
    assert error_of(asked) == "transfer.not_measured"
    step(harbour, "send", row.transfer_id, departure_milli_c=3_000)
    meet(harbour, mill)
    step(mill, "receive", row.transfer_id, yes=frozenset({"transfer.not_measured"}))
    (lot,) = lots(mill.store.reader, item.item_id)
    assert held_lots(mill.store.reader, item.item_id) == {lot.lot_id: "temperature on the way not measured"}
    (line,) = stock(mill.store.reader, "cheddar", today=TODAY)
    assert (line.state, line.available_milli, line.held_milli) == ("HOLD", 0, 1_000_000)
    beyond = frozenset({"sale.beyond_on_hand", "sale.reserved"})
    for lot_id in (None, lot.lot_id):
        with pytest.raises(Refused) as refused:
            a_sale(mill.store, item, 1_000, lot_id=lot_id, yes=beyond)
        assert error_of(refused) == "lot.on_hold"
    with pytest.raises(Refused) as refused:
        offer(mill, harbour, item, 1_000, lot_id=lot.lot_id)
    assert error_of(refused) == "lot.on_hold"


def test_chilled_goods_measured_at_both_ends_can_be_sold(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    item = cheese(harbour)
    row = offer(harbour, mill, item, 1_000_000)
    step(harbour, "send", row.transfer_id, departure_milli_c=3_000)
    meet(harbour, mill)
    with pytest.raises(NeedsYes) as asked:
        step(mill, "receive", row.transfer_id, arrival_milli_c=5_100)
    assert error_of(asked) == "transfer.too_warm"
    step(mill, "receive", row.transfer_id, arrival_milli_c=4_900)
    assert held_lots(mill.store.reader, item.item_id) == {}
    assert a_sale(mill.store, item, 1_000).oversold_milli == 0


def test_a_hold_reaches_what_was_handed_on_before_anybody_knew_of_it(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    item = cheese(harbour)
    row = offer(harbour, mill, item, 1_000_000)
    step(harbour, "send", row.transfer_id, departure_milli_c=3_000)
    meet(harbour, mill)
    step(mill, "receive", row.transfer_id, arrival_milli_c=4_000)
    (lot,) = lots(mill.store.reader, item.item_id)
    onward = offer(mill, harbour, item, 500_000, lot_id=lot.lot_id)
    step(mill, "send", onward.transfer_id, departure_milli_c=3_000)
    meet(harbour, mill)
    step(harbour, "receive", onward.transfer_id, arrival_milli_c=4_000)
    (child,) = [one for one in lots(harbour.store.reader, item.item_id) if one.on_hand_milli == 500_000]
    assert held_lots(harbour.store.reader, item.item_id) == {}
    # A second sending of the same hand-over, as after a restore, that nobody measured.
    unmeasured = TransferSent(row.transfer_id, 1_000, None, None)
    harbour.store.act("again", lambda tx: write_step(tx, unmeasured, action_id=new_action_id(), verb="send", who=0))
    assert set(held_lots(harbour.store.reader, item.item_id)) == {lot.lot_id, child.lot_id}


@pytest.mark.parametrize("name", ["accept", "cancel", "withdraw", "refuse", "send", "receive", "return", "lost"])
def test_a_step_of_a_hand_over_that_nobody_knows_is_refused(pair: tuple[Market, Market], name: str) -> None:
    with pytest.raises(Refused) as refused:
        step(pair[0], name, NEVER)
    assert error_of(refused) == "transfer.unknown"


def test_each_step_is_refused_to_the_market_whose_step_it_is_not(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    row = offer(harbour, mill, onions(harbour), 6_000)
    meet(harbour, mill)
    for market, names in ((harbour, ("accept", "refuse", "receive")), (mill, ("cancel", "withdraw", "send", "lost"))):
        for name in names:
            with pytest.raises(Refused) as refused:
                step(market, name, row.transfer_id)
            assert error_of(refused) == "transfer.not_our_step"


def test_a_step_out_of_turn_is_refused_with_where_the_hand_over_stands(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    row = offer(harbour, mill, onions(harbour), 6_000)
    with pytest.raises(Refused) as refused:
        step(harbour, "withdraw", row.transfer_id)
    assert (error_of(refused), refused.value.values["words"]) == ("transfer.wrong_state", "offered, no answer yet")
    with pytest.raises(Refused):
        step(harbour, "return", row.transfer_id)
    step(harbour, "send", row.transfer_id)
    for name in ("send", "cancel", "withdraw"):
        with pytest.raises(Refused):
            step(harbour, name, row.transfer_id)
    with pytest.raises(Refused) as refused:
        step(harbour, "return", row.transfer_id, quantity_milli=7_000)
    assert error_of(refused) == "transfer.too_much"
    meet(harbour, mill)
    with pytest.raises(Refused):
        step(mill, "accept", row.transfer_id)
    step(mill, "receive", row.transfer_id)
    with pytest.raises(Refused) as refused:
        step(mill, "receive", row.transfer_id)
    assert error_of(refused) == "transfer.received_already"


def test_an_accept_beyond_the_offer_is_refused(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    row = offer(harbour, mill, onions(harbour), 6_000)
    meet(harbour, mill)
    with pytest.raises(Refused) as refused:
        step(mill, "accept", row.transfer_id, quantity_milli=6_001)
    assert error_of(refused) == "transfer.too_much"


def test_goods_are_not_taken_in_before_the_facts_of_their_lot_arrived(tmp_path: Path) -> None:
    """After a restart the sender writes in a new stream, and that one may arrive first."""
    with a_group(tmp_path, "Harbour", "Mill Rd") as (harbour, mill):
        item = onions(harbour)
        seal_all(harbour)
        before = set(frames_of(harbour))
        harbour.store.act("restart", lambda tx: tx.connection.execute("UPDATE writer SET witness = ''"))
        row = offer(harbour, mill, item, 6_000)
        seal_all(harbour)
        carry([frame for frame in frames_of(harbour) if frame not in before], mill)
        (waiting,) = transfers(mill.store.reader)
        assert (waiting.state, waiting.item_id) == (State.UNFOUNDED, None)
        with pytest.raises(Refused) as refused:
            step(mill, "receive", row.transfer_id)
        assert error_of(refused) == "transfer.lot_unknown"
        meet(harbour, mill)
        assert step(mill, "receive", row.transfer_id).good_milli == 6_000


def test_an_action_sent_again_has_no_second_effect(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    item = onions(harbour)
    ids = [new_action_id() for _ in range(3)]
    rows = [offer(harbour, mill, item, 6_000, action_id=ids[0]) for _ in range(2)]
    assert rows[0] == rows[1]
    for _ in range(2):
        step(harbour, "send", rows[0].transfer_id, action_id=ids[1])
    meet(harbour, mill)
    for _ in range(2):
        step(mill, "receive", rows[0].transfer_id, action_id=ids[2])
    assert (on_hand(harbour, item), on_hand(mill, item)) == (4_000, 6_000)


def test_undo_stops_at_a_hand_over_and_names_the_step_that_takes_it_back(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    item = onions(harbour)
    action_id = new_action_id()
    row = offer(harbour, mill, item, 6_000, action_id=action_id)
    for target in (None, action_id):
        with pytest.raises(Refused) as refused:
            harbour.store.act("undo", lambda tx, of=target: undo(tx, action_id=new_action_id(), who=0, target=of))  # type: ignore[misc]
        assert (error_of(refused), refused.value.values["number"]) == ("undo.hand_over", row.number)
        assert "cancel" in refused.value.hint
    a_sale(harbour.store, item, 1_000)
    assert harbour.store.act("undo", lambda tx: undo(tx, action_id=new_action_id(), who=0)).verb == "sell"


def test_a_delivery_that_is_promised_is_not_undone(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    item = an_item(harbour.store, "Onion")
    action_id = new_action_id()
    a_received_lot(harbour.store, item, 5_000, action_id=action_id)
    row = offer(harbour, mill, item, 2_000)
    with pytest.raises(Refused) as refused:
        harbour.store.act("undo", lambda tx: undo(tx, action_id=new_action_id(), who=0, target=action_id))
    assert error_of(refused) == "undo.promised"
    step(harbour, "cancel", row.transfer_id)
    harbour.store.act("undo", lambda tx: undo(tx, action_id=new_action_id(), who=0, target=action_id))
    assert on_hand(harbour, item) == 0


def test_a_step_by_the_wrong_market_that_arrives_all_the_same_changes_nothing(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    row = offer(harbour, mill, onions(harbour), 6_000)
    meet(harbour, mill)
    mill.store.act(
        "forged",
        lambda tx: write_step(tx, TransferCancelled(row.transfer_id), action_id=new_action_id(), verb="cancel", who=0),
    )
    meet(harbour, mill)
    for market in (harbour, mill):
        found = transfer_named(market.store.reader, row.number)
        assert found is not None
        assert found.state is State.OFFERED
    assert harbour.digest() == mill.digest()


def test_a_lot_of_another_market_is_never_offered(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    item = onions(harbour)
    (lot,) = lots(harbour.store.reader, item.item_id)
    meet(harbour, mill)
    assert find_lot(mill.store.reader, lot.lot_id) is not None
    with pytest.raises(Refused) as refused:
        offer(mill, harbour, item, 1_000, lot_id=lot.lot_id)
    assert error_of(refused) == "lot.unknown"
