"""Builders of two real markets on disk that can be paired and can exchange blocks by function calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from node.actions.cards import make_card
from node.actions.keeping import open_market, verify
from node.actions.pairing import Paired, add_peer
from node.ledger.card import Card
from node.ledger.heads import BlockRange, load_frames, stream_states
from node.ledger.keys import NodeKey, load_key
from node.ledger.read import digest, open_reader
from node.ledger.receive import BLOCKS_PER_BATCH_MAX, receive_blocks
from node.ledger.seal import seal
from node.ledger.store import MarketStore
from node.places import Places
from tests.node.builders import a_market_folder

YES = frozenset({"pair.compare", "retire.confirm"})


@dataclass
class Market:
    """One open market and its key."""

    places: Places
    store: MarketStore

    def key(self) -> NodeKey:
        return load_key(self.places.node_key)

    def card(self, *addresses: str) -> Card:
        """Make this market's open card."""
        return self.store.act("card", lambda tx: make_card(tx, addresses=addresses, certificate=None))

    def add(self, theirs: Card, *, fresh: Card | None = None) -> Paired:
        """Answer a card with a yes."""
        return self.store.act(
            "add", lambda tx: add_peer(tx, who=0, theirs=theirs, load_signer=self.key, fresh=fresh, yes=YES)
        )

    def seal(self) -> None:
        """Seal everything that waits."""
        key = self.key()
        self.store.batch("seal", lambda tx: seal(tx, key, blocks_max=1_000))

    def frames(self) -> list[bytes]:
        """Everything that may leave this market."""
        ranges = [BlockRange(stream, 0, state.blocks) for stream, state in stream_states(self.store.reader).items()]
        return load_frames(self.store.reader, ranges, 2**30)

    def take(self, frames: list[bytes]) -> int:
        """Take blocks in until none is new; return how many were."""
        new = 0
        while True:
            found = 0
            for at in range(0, len(frames), BLOCKS_PER_BATCH_MAX):
                batch = frames[at : at + BLOCKS_PER_BATCH_MAX]
                found += self.store.batch("receive", lambda tx, batch=batch: receive_blocks(tx, batch)).new_blocks
            new += found
            if not found:
                return new

    def digest(self) -> str:
        return digest(self.store.reader)

    def verified(self) -> str:
        """Check the whole log from a second connection and return the digest."""
        reader = open_reader(self.places)
        try:
            return verify(reader, self.places).digest
        finally:
            reader.close()


@contextmanager
def a_market(root: Path, name: str) -> Iterator[Market]:
    """A market made and opened for writing."""
    places = a_market_folder(root, name)
    store = open_market(places)
    try:
        yield Market(places, store)
    finally:
        store.close()


@contextmanager
def two_markets(root: Path) -> Iterator[tuple[Market, Market]]:
    """Two markets of a group of one each; the first one's group stays when they are paired."""
    with a_market(root / "one", "Harbour") as one, a_market(root / "two", "Mill Road") as two:
        in_order = sorted([one, two], key=lambda market: market.card().group)
        yield in_order[0], in_order[1]


def pair(stays: Market, joins: Market) -> None:
    """Pair two markets by real cards."""
    theirs, ours = joins.card(), stays.card("stays.local:8883")
    stays.add(theirs)
    joins.add(ours)


def exchange(*markets: Market) -> None:
    """Seal and carry blocks both ways until everybody has everything."""
    for market in markets:
        market.seal()
    while sum(taker.take(giver.frames()) for giver in markets for taker in markets if giver is not taker):
        pass
