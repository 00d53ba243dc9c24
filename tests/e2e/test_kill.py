"""SIGKILL at any instant loses nothing that was acknowledged: sellers, larder-node and larder-bridge as processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.judging import damage, lost_sales, sold, wrong_readings, wrong_sales
from tests.e2e.killing import BOARDS, Market, a_market, boards, campaign, larder, settle
from tests.e2e.mutants import (
    READING_ACKNOWLEDGED_BEFORE_ITS_COMMIT,
    SALE_SAID_BEFORE_ITS_COMMIT,
    a_mutant,
)
from tests.firmware_bridge.running import Shop, a_shop

SELLER_KILLS, NODE_KILLS, BRIDGE_KILLS = 32, 12, 20


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with a_shop(tmp_path / "shop") as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_nothing_acknowledged_is_lost_however_often_and_wherever_processes_are_killed(shop: Shop) -> None:
    market = a_market(shop, seed=11)
    boards(market, 2)
    campaign(market, seller_kills=SELLER_KILLS, node_kills=NODE_KILLS, bridge_kills=BRIDGE_KILLS)
    settle(market)
    count_kills(market)
    assert wrong_sales(market.market_db, market.sales) == []
    for name in market.boards:
        assert readings_wrong(market, name) == []
    assert damage(market.market_db) == damage(shop.database) == []
    assert larder(market, "verify")["is_ok"] is True
    # The tables could be right and the log behind them not: made again from the log alone they say the same.
    before = sold(market.market_db)
    larder(market, "rebuild")
    assert sold(market.market_db) == before
    assert wrong_sales(market.market_db, market.sales) == []
    sell_the_unanswered_again(market)


def count_kills(market: Market) -> None:
    """Check that as many died as was promised, where it was promised."""
    places = Counter((killed.part, killed.place) for killed in market.kills)
    assert len(market.kills) >= 60
    assert sum(count for (_part, place), count in places.items() if place == "commit") >= 20
    parts = ("seller", "node", "bridge")
    assert set(places) == {(part, place) for part in parts for place in ("commit", "any instant", "checkpoint")}
    # Killed in its commit, a seller has said nothing; killed in the checkpoint behind it, it has.
    said = {(killed.place, killed.is_acknowledged) for killed in market.kills if killed.part == "seller"}
    assert said - {("any instant", False), ("any instant", True)} == {("commit", False), ("checkpoint", True)}


def sell_the_unanswered_again(market: Market) -> None:
    """Whoever got no answer may ask once more with the same id, and it has happened exactly once then."""
    unanswered = sorted(market.sales.asked.keys() - market.sales.acknowledged)
    assert unanswered != []
    for action_id in unanswered:
        quantity = str(market.sales.asked[action_id])
        assert larder(market, "sell", "4006381333931", quantity, "--action-id", action_id)["action_id"] == action_id
        market.sales.acknowledged.add(action_id)
    assert sold(market.market_db) == market.sales.asked
    assert wrong_sales(market.market_db, market.sales) == []


def readings_wrong(market: Market, name: str) -> list[str]:
    return wrong_readings(market.shop.database, BOARDS[name], market.produced(name), market.ring(name))


@pytest.mark.slow
def test_a_seller_that_answers_before_its_commit_is_found_out(shop: Shop, tmp_path: Path) -> None:
    market = a_market(shop, build=a_mutant(tmp_path / "build", SALE_SAID_BEFORE_ITS_COMMIT), seed=12)
    campaign(market, seller_kills=8)
    assert lost_sales(market.market_db, market.sales.acknowledged) != []
    assert [line for line in wrong_sales(market.market_db, market.sales) if "acknowledged and lost" in line] != []


@pytest.mark.slow
def test_a_bridge_that_acknowledges_before_its_commit_is_found_out(shop: Shop, tmp_path: Path) -> None:
    market = a_market(shop, build=a_mutant(tmp_path / "build", READING_ACKNOWLEDGED_BEFORE_ITS_COMMIT), seed=13)
    boards(market, 2)
    campaign(market, bridge_kills=8)
    settle(market)
    wrong = [line for name in market.boards for line in readings_wrong(market, name)]
    assert [line for line in wrong if line.startswith("acknowledged and lost")] != []
