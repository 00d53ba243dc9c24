"""Builders for tests with several markets: real folders, really paired, and blocks carried by hand between them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from node.actions.cards import make_card
from node.actions.keeping import open_market
from node.actions.pairing import add_peer
from node.ledger.card import Card
from node.ledger.heads import BlockRange, load_frames, stream_states
from node.ledger.keys import NodeKey, load_key
from node.ledger.read import digest
from node.ledger.receive import Intake, receive_blocks
from node.ledger.roster import load_roster
from node.ledger.seal import seal
from node.ledger.store import MarketStore
from node.places import Places
from tests.node.builders import a_market_folder

ALL_BYTES = 64 * 1024 * 1024
YES_TO_PAIRING = frozenset({"pair.compare"})
BLOCKS_PER_BATCH = 50


@dataclass(slots=True)
class Market:
    """One market of a group: its folder, its open store, its key."""

    name: str
    places: Places
    store: MarketStore
    key: NodeKey

    @property
    def origin(self) -> bytes:
        """Its place in the roster."""
        (origin,) = self.store.reader.execute("SELECT origin FROM writer WHERE id = 1").fetchone()
        return bytes(origin)

    def digest(self) -> str:
        """The state digest."""
        return digest(self.store.reader)

    def open_again(self) -> None:
        """Close the store and open it again, as after a restart."""
        self.store.close()
        self.store = open_market(self.places)


@contextmanager
def a_group(root: Path, *names: str) -> Iterator[list[Market]]:
    """Markets in one group, each paired with the founder, with every fact of the roster everywhere."""
    with ExitStack() as stack:
        markets = []
        for name in names:
            places = a_market_folder(root / name.lower(), name)
            market = Market(name, places, open_market(places), load_key(places.node_key))
            stack.callback(lambda market=market: market.store.close())  # type: ignore[misc]
            markets.append(market)
        founder = markets[0]
        for other in markets[1:]:
            founder = pair(founder, other)
            meet(*markets)
        meet(*markets)
        yield markets


def pair(one: Market, other: Market) -> Market:
    """Pair two markets by their cards, and return the one whose group it is now."""
    cards = [_card(one), _card(other)]
    for market, theirs in ((one, cards[1]), (other, cards[0])):
        market.store.act(
            "pair",
            lambda tx, market=market, theirs=theirs: add_peer(  # type: ignore[misc]
                tx, who=0, theirs=theirs, load_signer=lambda: market.key, yes=YES_TO_PAIRING
            ),
        )
    return one if load_roster(one.store.reader).founder == one.origin else other


def seal_all(market: Market) -> None:
    """Sign everything that waits."""
    while market.store.batch("seal", lambda tx: seal(tx, market.key, blocks_max=BLOCKS_PER_BATCH)):
        pass


def frames_of(market: Market) -> list[bytes]:
    """Every block that a market can give."""
    ranges = [BlockRange(stream, 0, state.blocks) for stream, state in stream_states(market.store.reader).items()]
    return load_frames(market.store.reader, ranges, ALL_BYTES)


def carry(frames: list[bytes], to: Market) -> list[Intake]:
    """Let a market take blocks in, batch by batch."""
    return [
        to.store.batch("receive", lambda tx, start=start: receive_blocks(tx, frames[start : start + BLOCKS_PER_BATCH]))  # type: ignore[misc]
        for start in range(0, len(frames), BLOCKS_PER_BATCH)
    ]


def meet(*markets: Market) -> None:
    """Let every market have every block of every other, twice over, since a roster opens the way for the rest."""
    for market in markets:
        seal_all(market)
    for _round in range(2):
        for giver in markets:
            for taker in markets:
                if giver is not taker:
                    carry(frames_of(giver), taker)


def _card(market: Market) -> Card:
    return market.store.act("card", lambda tx: make_card(tx, addresses=[], certificate=None))
