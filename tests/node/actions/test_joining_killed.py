"""SIGKILL while a market joins another's group: before or after, nothing in between, and nothing is lost."""

from __future__ import annotations

import subprocess
from pathlib import Path

from node.actions import goods
from node.actions.ids import new_action_id
from node.ledger.card import encode_card, wrapped
from node.ledger.read import stock
from node.ledger.store import Transaction
from tests.node.builders import TODAY
from tests.node.cli.verbs import command, environment
from tests.node.markets import Market, exchange, two_markets

LOTS = 250
JOIN_WAIT_S = 60.0
# Kills are spread over the time that a whole run takes, start of the interpreter included.
MOMENTS = 8
FIRST_KILL_S, NEXT_KILL_S = 0.1, 0.08


def fill(market: Market) -> None:
    """Many lots, so that joining takes a while."""

    def work(tx: Transaction) -> None:
        for number in range(LOTS):
            goods.receive(
                tx,
                action_id=new_action_id(),
                who=0,
                item_id="food/milk-whole",
                quantity_milli=1_000_000 + number,
                batch=f"B-{number}",
            )

    market.store.act("fill", work)


def on_hand(market: Market) -> int:
    (row,) = stock(market.store.reader, today=TODAY)
    return row.on_hand_milli


def is_joined(market: Market) -> bool:
    return bool(market.store.reader.execute("SELECT EXISTS (SELECT 1 FROM home_stream)").fetchone()[0])


def test_a_market_killed_while_it_joins_has_joined_or_not(tmp_path: Path) -> None:
    with two_markets(tmp_path) as (stays, joins):
        fill(joins)
        card = tmp_path / "card"
        card.write_text(wrapped(encode_card(stays.card("stays.local:8883"))))
        theirs = joins.card()
        had, before = on_hand(joins), joins.verified()
        arguments = command(joins.places, "pair", "add", str(card), "--yes")
        outcomes = []
        for moment in range(MOMENTS + 1):
            with subprocess.Popen(arguments, env=environment(), stdout=subprocess.DEVNULL) as process:
                try:
                    process.wait(JOIN_WAIT_S if moment == MOMENTS else FIRST_KILL_S + NEXT_KILL_S * moment)
                except subprocess.TimeoutExpired:
                    process.kill()
            outcomes.append(is_joined(joins))
            assert had == on_hand(joins)
            assert (joins.verified() == before) is not outcomes[-1]
            if outcomes[-1]:
                break
        assert outcomes[-1]
        stays.add(theirs)
        exchange(stays, joins)
        assert stays.verified() == joins.verified()
        assert had == on_hand(joins)
