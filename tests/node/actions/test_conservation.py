"""Conservation across markets: whatever is lost, doubled, late or cut off, no goods are made and none vanish.

Three real markets that are really paired act, seal and exchange real blocks in any order. At the end everybody has
every block: the digests are equal, and stock + what is on the way = received - sold - wasted - lost.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from node.actions.goods import discard
from node.actions.ids import new_action_id
from node.actions.keeping import rebuild
from node.domain.words import DiscardReason
from node.errors import Refused
from node.ledger.read import TransferRow, lots, transfers
from tests.node.builders import a_received_lot, a_sale
from tests.node.group import Market, a_group, carry, frames_of, meet, seal_all
from tests.node.hand_over import offer, step

ITEM_ID = "food/onions"
NAMES = ("Harbour", "Mill Rd", "Canal")
ALL_YES = frozenset(
    {
        "sale.reserved",
        "sale.beyond_on_hand",
        "sale.date_not_judged",
        "transfer.more_than_sent",
        "transfer.not_measured",
    }
)
MARKETS = st.integers(0, len(NAMES) - 1)
PIECES = st.integers(1, 6).map(lambda pieces: pieces * 1_000)
MAYBE_PIECES = st.one_of(st.none(), PIECES)
SENDERS_STEPS = st.sampled_from(["cancel", "withdraw", "send", "return", "lost"])
RECIPIENTS_STEPS = st.sampled_from(["accept", "receive", "refuse"])
STEPS_WITH_QUANTITY = frozenset({"accept", "send", "return", "lost"})


class Crash(Exception):
    """The power goes before the commit."""


class ThreeMarkets(RuleBasedStateMachine):
    """Three markets that hand things to each other over a network that does what it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.ends = ExitStack()
        self.root = Path(tempfile.mkdtemp(prefix="larder-conservation-"))
        self.ends.callback(shutil.rmtree, self.root)
        self.received = self.sold = self.wasted = 0

    @initialize()
    def found(self) -> None:
        self.markets = self.ends.enter_context(a_group(self.root, *NAMES))
        self.item = _an_item_everybody_knows(self.markets[0])

    @rule(at=MARKETS, quantity_milli=PIECES)
    def receive(self, at: int, quantity_milli: int) -> None:
        a_received_lot(self.markets[at].store, self.item, quantity_milli)
        self.received += quantity_milli

    @rule(at=MARKETS, quantity_milli=PIECES)
    def sell(self, at: int, quantity_milli: int) -> None:
        a_sale(self.markets[at].store, self.item, quantity_milli, yes=ALL_YES)
        self.sold += quantity_milli

    @rule(at=MARKETS, choice=st.randoms(use_true_random=False))
    def waste(self, at: int, choice: random.Random) -> None:
        mine = [lot for lot in lots(self.markets[at].store.reader, ITEM_ID) if lot.on_hand_milli > 0]
        if mine:
            lot = choice.choice(mine)
            self.markets[at].store.act(
                "discard",
                lambda tx: discard(
                    tx, action_id=new_action_id(), who=0, lot_id=lot.lot_id, reason=DiscardReason.QUALITY
                ),
            )
            self.wasted += lot.on_hand_milli

    @rule(at=MARKETS, further=st.integers(1, 2), quantity_milli=PIECES)
    def offer_something(self, at: int, further: int, quantity_milli: int) -> None:
        recipient = self.markets[(at + further) % len(NAMES)]
        try:
            offer(self.markets[at], recipient, self.item, quantity_milli)
        except Refused as refused:
            assert refused.error_id == "transfer.too_much"

    @rule(at=MARKETS, name=SENDERS_STEPS, quantity_milli=MAYBE_PIECES, choice=st.randoms(use_true_random=False))
    def sender_steps(self, at: int, name: str, quantity_milli: int | None, choice: random.Random) -> None:
        self._step(at, "out", name, quantity_milli, choice)

    @rule(at=MARKETS, name=RECIPIENTS_STEPS, quantity_milli=MAYBE_PIECES, choice=st.randoms(use_true_random=False))
    def recipient_steps(self, at: int, name: str, quantity_milli: int | None, choice: random.Random) -> None:
        self._step(at, "in", name, quantity_milli, choice)

    @rule(giver=MARKETS, taker=MARKETS, choice=st.randoms(use_true_random=False))
    def some_blocks_arrive(self, giver: int, taker: int, choice: random.Random) -> None:
        """Some are lost, some come twice, all in any order."""
        if giver == taker:
            return
        seal_all(self.markets[giver])
        frames = frames_of(self.markets[giver])
        arriving = choice.sample(frames, choice.randint(0, len(frames))) + choice.choices(frames, k=3)
        choice.shuffle(arriving)
        carry(arriving, self.markets[taker])

    @rule(at=MARKETS, quantity_milli=PIECES)
    def crash(self, at: int, quantity_milli: int) -> None:
        """The power goes in the middle of a delivery: nothing of it was acknowledged, nothing of it is there."""
        market = self.markets[at]
        before = market.digest()

        def half_done(tx: object) -> None:
            from node.actions.goods import receive

            receive(tx, action_id=new_action_id(), who=0, item_id=ITEM_ID, quantity_milli=quantity_milli)  # type: ignore[arg-type]
            raise Crash

        try:
            market.store.act("receive", half_done)
        except Crash:
            market.open_again()
        assert before == market.digest()

    @rule(at=MARKETS)
    def rebuild_the_tables(self, at: int) -> None:
        before = self.markets[at].digest()
        assert rebuild(self.markets[at].store) == before

    @rule(at=MARKETS)
    def restart_in_a_new_stream(self, at: int) -> None:
        """As after a boot at which nobody could confirm our head."""
        self.markets[at].store.act("boot", lambda tx: tx.connection.execute("UPDATE writer SET witness = ''"))

    @invariant()
    def every_row_sums_up_and_nothing_is_promised_twice(self) -> None:
        for market in getattr(self, "markets", []):
            reader = market.store.reader
            wrong = reader.execute(
                "SELECT count(*) FROM transfer WHERE sent_milli <> good_milli + damaged_milli + returned_milli"
                " + lost_milli + on_way_milli"
            ).fetchone()
            assert wrong == (0,)
            strangers = reader.execute(
                "SELECT count(*) FROM contrib c JOIN lot l ON (l.stream, l.seq) = (c.lot_stream, c.lot_seq)"
                " WHERE c.member <> l.member"
            ).fetchone()
            assert strangers == (0,)

    def teardown(self) -> None:
        if hasattr(self, "markets"):
            # A stream's block waits for the one before it, and a lot for its stream: three meetings bring all.
            meet(*self.markets)
            meet(*self.markets)
            self._check_the_whole_group()
        self.ends.close()

    def _step(self, at: int, way: str, name: str, quantity_milli: int | None, choice: random.Random) -> None:
        rows = [row for row in transfers(self.markets[at].store.reader, limit=500) if row.way == way]
        if not rows:
            return
        row: TransferRow = choice.choice(rows)
        more: dict[str, object] = {}
        if name in STEPS_WITH_QUANTITY and quantity_milli:
            more["quantity_milli"] = quantity_milli
        if name in {"send", "receive"}:
            more["yes"] = ALL_YES
        if name == "receive" and quantity_milli:
            more |= {"good_milli": quantity_milli, "damaged_milli": choice.choice([0, 1_000])}
        try:
            step(self.markets[at], name, row.transfer_id, **more)
        except Refused as refused:
            assert refused.error_id.startswith(("transfer.", "quantity.", "lot.on_hold")), refused.error_id

    def _check_the_whole_group(self) -> None:
        assert len({market.digest() for market in self.markets}) == 1
        reader = self.markets[0].store.reader
        (stock,) = reader.execute("SELECT coalesce(sum(on_hand_milli), 0) FROM lot").fetchone()
        on_way, damaged, lost = reader.execute(
            "SELECT coalesce(sum(on_way_milli), 0), coalesce(sum(damaged_milli), 0), coalesce(sum(lost_milli), 0)"
            " FROM transfer"
        ).fetchone()
        assert stock + on_way == self.received - self.sold - self.wasted - damaged - lost
        per_market = {
            market.origin: sum(lot.on_hand_milli for lot in lots(market.store.reader, ITEM_ID, 1_000))
            for market in self.markets
        }
        for market in self.markets:
            seen = dict(
                market.store.reader.execute("SELECT member, sum(on_hand_milli) FROM lot GROUP BY member").fetchall()
            )
            assert {origin: milli for origin, milli in per_market.items() if milli} == {
                origin: milli for origin, milli in seen.items() if milli
            }


def _an_item_everybody_knows(market: Market):  # type: ignore[no-untyped-def]
    from node.ledger.read import item

    found = item(market.store.reader, ITEM_ID)
    assert found is not None
    return found


TestThreeMarkets = ThreeMarkets.TestCase
TestThreeMarkets.settings = settings(
    max_examples=10, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
