"""SIGKILL at any instant loses nothing that was acknowledged: sellers, larder-node and larder-bridge as processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from tests.e2e.judging import damage, lost_sales, sold, wrong_readings, wrong_sales
from tests.e2e.killing import Death, Killed, campaign, one_sale
from tests.e2e.market import BOARDS, GTIN, TIMEOUT_S, Market, a_market, boards, larder, settle
from tests.e2e.mutants import (
    READING_ACKNOWLEDGED_BEFORE_ITS_COMMIT,
    SALE_SAID_BEFORE_ITS_COMMIT,
    a_mutant,
)
from tests.faults import Kill
from tests.firmware_bridge.running import Shop, a_shop

SELLER_KILLS_ALONE, SELLER_KILLS, NODE_KILLS, BRIDGE_KILLS = 8, 24, 12, 20
OPERATIONS_MAX = 100

pytestmark = pytest.mark.timeout(TIMEOUT_S)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with a_shop(tmp_path / "shop") as opened:
        yield opened


@pytest.mark.slow
def test_nothing_acknowledged_is_lost_however_often_and_wherever_processes_are_killed(
    shop: Shop, tmp_path: Path
) -> None:
    market = a_market(shop, seed=11)
    boards(market, 2)
    # First one seller alone: only the last one to close a market moves its log into the file.
    kills = campaign(market, tmp_path / "alone", seller_kills=SELLER_KILLS_ALONE, tills=1)
    kills += campaign(
        market, tmp_path / "notes", seller_kills=SELLER_KILLS, node_kills=NODE_KILLS, bridge_kills=BRIDGE_KILLS
    )
    settle(market)
    assert_killed_as_promised(kills)
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


def assert_killed_as_promised(kills: list[Killed]) -> None:
    """As many died as was promised, and where it was promised."""
    places = Counter((killed.part, killed.place) for killed in kills)
    assert len(kills) >= 60
    assert sum(count for (_part, place), count in places.items() if place == "commit") >= 20
    parts = ("seller", "node", "bridge")
    assert set(places) == {(part, place) for part in parts for place in ("commit", "any instant", "checkpoint")}
    # Killed in its commit, a seller has said nothing; killed in the checkpoint behind it, it has.
    said = {(killed.place, killed.is_acknowledged) for killed in kills if killed.part == "seller"}
    assert said - {("any instant", False), ("any instant", True)} == {("commit", False), ("checkpoint", True)}


def sell_the_unanswered_again(market: Market) -> None:
    """Whoever got no answer may ask once more with the same id, and it has happened exactly once then."""
    unanswered = sorted(market.sales.asked.keys() - market.sales.acknowledged)
    assert unanswered != []
    for action_id in unanswered:
        quantity = str(market.sales.asked[action_id])
        assert larder(market, "sell", GTIN, quantity, "--action-id", action_id)["action_id"] == action_id
        market.sales.acknowledged.add(action_id)
    assert sold(market.market_db) == market.sales.asked
    assert wrong_sales(market.market_db, market.sales) == []


def readings_wrong(market: Market, name: str) -> list[str]:
    return wrong_readings(market.shop.database, BOARDS[name], market.produced(name), market.ring(name))


@pytest.mark.slow
@pytest.mark.parametrize("on", ["write", "sync"])
def test_a_sale_killed_at_each_of_its_operations_is_there_whole_or_not_at_all(
    shop: Shop, tmp_path: Path, on: Literal["write", "sync"]
) -> None:
    """Every write and every sync of a sale and of the checkpoint behind it, before and after each."""
    market = a_market(shop, seed=14)
    endings = Counter(
        killed.is_acknowledged
        for when in ("before", "after")
        for killed in kill_at_each(market, tmp_path / f"note-{when}", on, when)
    )
    # Both sides of the commit were reached.
    assert set(endings) == {False, True}
    assert larder(market, "verify")["is_ok"] is True
    sell_the_unanswered_again(market)


def kill_at_each(
    market: Market, note: Path, on: Literal["write", "sync"], when: Literal["before", "after"]
) -> Iterator[Killed]:
    """Sell with a kill at the first, second, ... operation until a sale gets through, and judge each time."""
    for at in range(1, OPERATIONS_MAX):
        death = Death("each operation", Kill(on, at, when, suffix="", note=note))
        killed = one_sale(market, market.chance.randbytes(16).hex(), 1, death)
        assert wrong_sales(market.market_db, market.sales) == []
        if killed is None:
            return
        yield killed
    raise AssertionError("a sale has more operations than anybody thought")


@pytest.mark.slow
def test_a_seller_that_answers_before_its_commit_is_found_out(shop: Shop, tmp_path: Path) -> None:
    market = a_market(shop, build=a_mutant(tmp_path / "build", SALE_SAID_BEFORE_ITS_COMMIT), seed=12)
    # Nobody tries again: that would mend what was lost.
    campaign(market, tmp_path / "notes", seller_kills=8, tries_again_share=0.0)
    assert lost_sales(market.market_db, market.sales.acknowledged) != []
    assert [line for line in wrong_sales(market.market_db, market.sales) if "acknowledged and lost" in line] != []


@pytest.mark.slow
def test_a_bridge_that_acknowledges_before_its_commit_is_found_out(shop: Shop, tmp_path: Path) -> None:
    market = a_market(shop, build=a_mutant(tmp_path / "build", READING_ACKNOWLEDGED_BEFORE_ITS_COMMIT), seed=13)
    boards(market, 2)
    campaign(market, tmp_path / "notes", bridge_kills=6)
    settle(market)
    wrong = [line for name in market.boards for line in readings_wrong(market, name)]
    assert [line for line in wrong if line.startswith("acknowledged and lost")] != []
