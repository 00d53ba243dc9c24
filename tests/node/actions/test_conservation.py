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

from node.actions.goods import discard, receive
from node.actions.ids import new_action_id
from node.actions.keeping import rebuild
from node.domain.transfers import State
from node.domain.words import DiscardReason
from node.errors import Refused
from node.ledger.read import item, lots, transfers
from node.ledger.store import Transaction
from tests.node.builders import a_received_lot, a_sale
from tests.node.group import a_group, carry, frames_of, meet, seal_all
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
START_MILLI = 20_000
PIECES = st.integers(1, 6).map(lambda pieces: pieces * 1_000)
MAYBE_PIECES = st.one_of(st.none(), PIECES)
PLACES = st.integers(0, 9)
WORDS = st.sampled_from(["accept", "refuse", "cancel", "withdraw"])


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
        found = item(self.markets[0].store.reader, ITEM_ID)
        assert found is not None
        self.item = found
        for market in self.markets:
            a_received_lot(market.store, self.item, START_MILLI)
            self.received += START_MILLI

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

    @rule(at=MARKETS, further=st.integers(1, 2), quantity_milli=PIECES, is_told=st.booleans())
    def offer_something(self, at: int, further: int, quantity_milli: int, is_told: bool) -> None:
        recipient = self.markets[(at + further) % len(NAMES)]
        try:
            offer(self.markets[at], recipient, self.item, quantity_milli)
        except Refused as refused:
            assert refused.error_id == "transfer.too_much"
        if is_told:
            self._tell_all(at)

    @rule(at=MARKETS, place=PLACES, quantity_milli=MAYBE_PIECES, is_told=st.booleans())
    def send_something(self, at: int, place: int, quantity_milli: int | None, is_told: bool) -> None:
        self._step(at, "out", "send", place, quantity_milli, {State.OFFERED, State.ACCEPTED})
        if is_told:
            self._tell_all(at)

    @rule(at=MARKETS, place=PLACES, good_milli=MAYBE_PIECES, damaged_milli=st.sampled_from([0, 1_000]))
    def take_something_in(self, at: int, place: int, good_milli: int | None, damaged_milli: int) -> None:
        wanted = {State.OFFERED, State.ACCEPTED, State.SENT, State.CLOSED, State.WITHDRAWN, State.REFUSED}
        self._step(at, "in", "receive", place, good_milli, wanted, damaged_milli=damaged_milli)

    @rule(at=MARKETS, place=PLACES, name=st.sampled_from(["return", "lost"]), quantity_milli=MAYBE_PIECES)
    def book_what_is_on_the_way(self, at: int, place: int, name: str, quantity_milli: int | None) -> None:
        self._step(at, "out", name, place, quantity_milli, {State.SENT, State.RECEIVED, State.REFUSED})

    @rule(at=MARKETS, place=PLACES, name=WORDS, quantity_milli=MAYBE_PIECES, is_told=st.booleans())
    def say_something(self, at: int, place: int, name: str, quantity_milli: int | None, is_told: bool) -> None:
        """Any word at any time: most are refused, and some cross each other on the way."""
        way = "in" if name in {"accept", "refuse"} else "out"
        self._step(at, way, name, place, quantity_milli if name == "accept" else None, set(State))
        if is_told:
            self._tell_all(at)

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

        def half_done(tx: Transaction) -> None:
            receive(tx, action_id=new_action_id(), who=0, item_id=ITEM_ID, quantity_milli=quantity_milli)
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

    def _tell_all(self, at: int) -> None:
        seal_all(self.markets[at])
        for market in self.markets:
            if market is not self.markets[at]:
                carry(frames_of(self.markets[at]), market)

    def _step(
        self, at: int, way: str, name: str, place: int, quantity_milli: int | None, wanted: set[State], **more: object
    ) -> None:
        rows = transfers(self.markets[at].store.reader, limit=500)
        likely = [row for row in rows if row.way == way and row.state in wanted]
        if not likely:
            return
        if quantity_milli:
            more["good_milli" if name == "receive" else "quantity_milli"] = quantity_milli
        if name in {"send", "receive"}:
            more["yes"] = ALL_YES
        try:
            step(self.markets[at], name, likely[place % len(likely)].transfer_id, **more)
        except Refused as refused:
            assert refused.error_id.startswith(("transfer.", "quantity.out_of_range")), refused.error_id

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


TestThreeMarkets = ThreeMarkets.TestCase
TestThreeMarkets.settings = settings(
    max_examples=10, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
