"""The outbox counts what nobody else is known to have: facts not signed yet, and blocks that no market confirmed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from node.actions.ids import new_action_id
from node.actions.items import set_par
from node.ledger.read.outbox import confirmed_blocks, outbox_count, own_stream
from node.ledger.seen import keep_seen
from tests.node.group import Market, a_group, seal_all

ITEM = "food/onions"


def count(market: Market) -> int:
    connection: sqlite3.Connection = market.store.reader
    ours = own_stream(connection)
    return outbox_count(connection, ours, max(confirmed_blocks(connection, ours.stream).values(), default=0))


def one_fact(market: Market) -> None:
    market.store.act("par", lambda tx: set_par(tx, action_id=new_action_id(), who=0, item_id=ITEM, par_milli=1_000_000))


def confirm(market: Market, other: Market, blocks: int) -> None:
    stream = own_stream(market.store.reader).stream
    market.store.act(
        "heard",
        lambda tx: keep_seen(
            tx,
            origin=other.origin,
            counter=1,
            clock=2,
            version="",
            our_stream=stream,
            our_blocks=blocks,
            missing_here=0,
            missing_there=0,
        ),
    )


def test_the_outbox_shrinks_only_by_what_a_market_confirms(tmp_path: Path) -> None:
    with a_group(tmp_path, "Harbour", "Mill") as (us, them):
        confirm(us, them, own_stream(us.store.reader).blocks)
        assert count(us) == 0
        one_fact(us)
        one_fact(us)
        assert count(us) == 2
        seal_all(us)
        assert count(us) == 2
        one_fact(us)
        assert count(us) == 3
        confirm(us, them, own_stream(us.store.reader).blocks)
        assert count(us) == 1


def test_a_market_nobody_has_heard_of_has_everything_in_its_outbox(tmp_path: Path) -> None:
    with a_group(tmp_path, "Harbour", "Mill") as (us, _them):
        for _number in range(3):
            one_fact(us)
        ours = own_stream(us.store.reader)

        assert count(us) == ours.events + ours.pending
        seal_all(us)
        assert count(us) == own_stream(us.store.reader).events
