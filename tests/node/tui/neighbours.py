"""Two markets that are really paired, for the screens: hand-overs between them, and what each heard of the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from node import clock
from node.clock import ClockQuality
from node.ledger import read
from node.ledger.read import Item
from node.ledger.seen import keep_seen
from node.ledger.store import Transaction
from tests.node.group import Market, a_group, meet
from tests.node.hand_over import offer, step
from tests.node.tui.builders import a_lot, a_moment

VERSION = "0.1.0"
ONIONS = "food/onions"  # of the starter catalogue, so both markets mean the same


class Neighbours(NamedTuple):
    """This market, the other one, and the item that goes between them."""

    us: Market
    them: Market
    onions: Item


@contextmanager
def neighbours(root: Path) -> Iterator[Neighbours]:
    """Harbour St with 18 kg of onions, Mill Rd with 25 kg of onions; both heard each other 9 s ago."""
    with patch.object(clock, "now", a_moment), a_group(root, "Harbour St", "Mill Rd") as (us, them):
        us.store.act("fill", lambda tx: _fill(tx, 18_000_000))
        them.store.act("fill", lambda tx: _fill(tx, 25_000_000))
        meet(us, them)
        hear(us, them)
        onions = read.item(us.store.reader, ONIONS)
        assert onions is not None
        yield Neighbours(us, them, onions)


def hear(us: Market, them: Market, *, missing_there: int = 0, ago_ms: int = 9_000) -> None:
    """Let `us` have heard a beacon of `them` that covers all we have signed."""
    with patch.object(clock, "now", lambda: a_moment(later_ms=-ago_ms)):
        us.store.act("heard", lambda tx: _keep(tx, them.origin, missing_there))


def an_offer_to_us(both: Neighbours, quantity_milli: int = 6_000_000) -> None:
    """Mill Rd offers onions, and we have heard of it."""
    offer(both.them, both.us, both.onions, quantity_milli)
    meet(both.us, both.them)


def on_the_way_to_us(both: Neighbours, quantity_milli: int = 6_000_000) -> None:
    """Mill Rd has sent onions with courier 4, and we have heard of it."""
    row = offer(both.them, both.us, both.onions, quantity_milli)
    step(both.them, "send", row.transfer_id, carrier="courier 4")
    meet(both.us, both.them)


def _fill(tx: Transaction, onions_milli: int) -> None:
    a_lot(tx, ONIONS, onions_milli, days=9, batch="O-7")


def _keep(tx: Transaction, origin: bytes, missing_there: int) -> None:
    stream, blocks = tx.connection.execute(
        "SELECT w.stream, h.blocks FROM writer w JOIN head h ON h.stream = w.stream"
    ).fetchone()
    keep_seen(
        tx,
        origin=origin,
        counter=1,
        clock=int(ClockQuality.TRUSTED),
        version=VERSION,
        our_stream=stream,
        our_blocks=blocks - missing_there,
        missing_here=0,
        missing_there=missing_there,
    )
