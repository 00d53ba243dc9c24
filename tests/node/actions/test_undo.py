"""Undo: exact opposites, once, in the right cases; and totals as if nothing had been done."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from node.actions import goods, people
from node.actions.ids import new_action_id
from node.actions.keeping import open_market, rebuild, verify
from node.actions.undo import Undone, undo
from node.domain.lots import Dot
from node.domain.words import DiscardReason
from node.errors import Refused
from node.ledger.keys import load_key
from node.ledger.read import Item, digest, last_actions, lots, movements, open_reader
from node.ledger.seal import seal
from node.ledger.store import MarketStore
from node.places import Places
from tests.node.builders import a_market_folder, a_received_lot, a_sale, an_item, an_open_market

YES = frozenset({"sale.beyond_on_hand"})


def take_back(
    store: MarketStore, *, who: int = 0, target: bytes | None = None, action_id: bytes | None = None
) -> Undone:
    """Undo the last action of a person, or the one named."""
    return store.act("undo", lambda tx: undo(tx, action_id=action_id or new_action_id(), who=who, target=target))


def throw_away(store: MarketStore, lot_id: Dot, quantity_milli: int, reason: DiscardReason) -> None:
    """Discard a quantity of a lot."""
    store.act(
        "discard",
        lambda tx: goods.discard(
            tx, action_id=new_action_id(), who=0, lot_id=lot_id, reason=reason, quantity_milli=quantity_milli
        ),
    )


def test_a_sale_taken_back_appends_its_opposite_and_stays_on_the_list(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        a_received_lot(store, item, 9_000)
        a_sale(store, item, 2_000)
        assert take_back(store).verb == "sell"
        back, sale, _received = movements(store.reader)
        assert (back.quantity_milli, back.about, sale.quantity_milli) == (2_000, sale.dot, -2_000)
        assert (sale.is_undone, back.is_undo) == (True, True)


def test_the_same_thing_is_undone_once(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        a_received_lot(store, item, 9_000)
        sale_id, undo_id = new_action_id(), new_action_id()
        a_sale(store, item, 2_000, action_id=sale_id)
        take_back(store, target=sale_id, action_id=undo_id)
        assert take_back(store, target=sale_id, action_id=undo_id).action_id == sale_id
        with pytest.raises(Refused) as refused:
            take_back(store, target=sale_id)
        assert refused.value.error_id == "undo.already"
        assert lots(store.reader, item.item_id)[0].on_hand_milli == 9_000


def test_a_delivery_that_was_partly_sold_is_not_taken_back(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        delivery_id = new_action_id()
        a_received_lot(store, item, 24_000, action_id=delivery_id)
        a_sale(store, item, 3_000)
        with pytest.raises(Refused) as refused:
            take_back(store, target=delivery_id)
        assert str(refused.value).startswith("3 of 24 of Milk 1 L have gone out since.")
        take_back(store)
        take_back(store, target=delivery_id)
        assert lots(store.reader, item.item_id) == []


@pytest.mark.parametrize("reason", [DiscardReason.USE_BY, DiscardReason.COLD_CHAIN, DiscardReason.RECALL])
def test_what_was_thrown_away_because_it_was_not_safe_stays_thrown_away(tmp_path: Path, reason: DiscardReason) -> None:
    with an_open_market(tmp_path) as store:
        lot = a_received_lot(store, an_item(store), 9_000).lot
        throw_away(store, lot.lot_id, 1_000, reason)
        with pytest.raises(Refused) as refused:
            take_back(store)
        assert refused.value.error_id == "undo.safety"


def test_a_person_undoes_their_own_and_only_the_last_twenty(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        item = an_item(store)
        ana = store.act("person", lambda tx: people.person_named(tx, "Ana")).number
        musa = store.act("person", lambda tx: people.person_named(tx, "Musa")).number
        a_received_lot(store, item, 99_000, who=ana)
        for _sale in range(25):
            a_sale(store, item, who=musa)
        with pytest.raises(Refused) as refused:
            take_back(store, who=0)
        assert refused.value.error_id == "undo.nothing"
        undone = 0
        while True:
            try:
                take_back(store, who=musa)
            except Refused:
                break
            undone += 1
        assert undone == 20
        assert lots(store.reader, item.item_id)[0].on_hand_milli == (99 - 25 + 20) * 1000


class Stock(RuleBasedStateMachine):
    """A market against a plain model: after any sequence, on hand is what the model says, and the ledger verifies."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.places = Places(Path(self.folder.name))
        self.store: MarketStore | None = None
        self.key = None
        self.on_hand = [0, 0]
        self.items: list[Item] = []
        self.deltas: dict[bytes, tuple[int, int]] = {}

    @initialize()
    def open(self) -> None:
        """Make a market with two items."""
        a_market_folder(self.places.root)
        self.store = open_market(self.places)
        self.items = [an_item(self.store), an_item(self.store, "Bread", "00000096385074")]

    def done(self, action_id: bytes, item: int, delta_milli: int) -> None:
        """Note an action in the model."""
        self.deltas[action_id] = (item, delta_milli)
        self.on_hand[item] += delta_milli

    @rule(item=st.integers(0, 1), pieces=st.integers(1, 30))
    def receive(self, item: int, pieces: int) -> None:
        """Take a delivery in."""
        assert self.store is not None
        action_id = new_action_id()
        a_received_lot(self.store, self.items[item], pieces * 1000, action_id=action_id)
        self.done(action_id, item, pieces * 1000)

    @rule(item=st.integers(0, 1), pieces=st.integers(1, 12), again=st.booleans())
    def sell(self, item: int, pieces: int, again: bool) -> None:
        """Sell, sometimes sending the same action twice."""
        assert self.store is not None
        action_id = new_action_id()
        a_sale(self.store, self.items[item], pieces * 1000, yes=YES, action_id=action_id)
        if again:
            a_sale(self.store, self.items[item], pieces * 1000, yes=YES, action_id=action_id)
        self.done(action_id, item, -pieces * 1000)

    @rule(item=st.integers(0, 1), pieces=st.integers(1, 5))
    def throw_away(self, item: int, pieces: int) -> None:
        """Discard from the first lot that has enough."""
        assert self.store is not None
        lot = next((lot for lot in lots(self.store.reader, self.items[item].item_id) if lot.on_hand_milli > 0), None)
        if lot is None or lot.on_hand_milli < pieces * 1000:
            return
        throw_away(self.store, lot.lot_id, pieces * 1000, DiscardReason.QUALITY)
        self.done(last_actions(self.store.reader, limit=1)[0].action_id, item, -pieces * 1000)

    @precondition(lambda self: self.deltas)
    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        """Take back any action done before; a refusal changes nothing."""
        assert self.store is not None
        # By place, not by id: ids are random, and a case must be the same when it is run again.
        target = list(self.deltas)[data.draw(st.integers(0, len(self.deltas) - 1))]
        try:
            take_back(self.store, target=target)
        except Refused:
            return
        item, delta_milli = self.deltas.pop(target)
        self.on_hand[item] -= delta_milli

    @rule()
    def seal(self) -> None:
        """Seal what is pending."""
        assert self.store is not None
        key = load_key(self.places.node_key)
        self.store.batch("seal", lambda tx: seal(tx, key, blocks_max=9))

    @rule()
    def rebuild(self) -> None:
        """Make the tables again."""
        assert self.store is not None
        before = digest(self.store.reader)
        assert rebuild(self.store) == before

    @invariant()
    def on_hand_is_what_the_model_says(self) -> None:
        """Compare the totals of both items."""
        if self.store is None or not self.items:
            return
        found = [sum(lot.on_hand_milli for lot in lots(self.store.reader, item.item_id, 1000)) for item in self.items]
        assert found == self.on_hand

    def teardown(self) -> None:
        """Verify the whole ledger at the end."""
        if self.store is not None:
            self.store.close()
            reader = open_reader(self.places)
            verify(reader, self.places)
            reader.close()
        self.folder.cleanup()


Stock.TestCase.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
TestStock = Stock.TestCase
