"""Two larder-node processes with real brokers: facts travel, through kills, outages, liars and strangers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.node.sync.markets import Market, a_market, agree, pair, running


@pytest.fixture
def markets(tmp_path: Path) -> tuple[Market, Market]:
    """Two paired markets, each with stock of its own, nothing started."""
    harbour, mill_road = a_market(tmp_path / "harbour", "Harbour"), a_market(tmp_path / "mill", "Mill Road")
    harbour.sell(3)
    mill_road.sell(2)
    pair(harbour, mill_road)
    return harbour, mill_road


def test_two_markets_come_to_the_same_facts_and_go_on_to(markets: tuple[Market, Market]) -> None:
    harbour, mill_road = markets
    with running(*markets):
        agree(*markets)
        harbour.sell(2)
        mill_road.sell(4)
        agree(*markets)
    for market in markets:
        market.verify()
        assert market.log() == ""
