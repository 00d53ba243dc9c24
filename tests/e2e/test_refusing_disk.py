"""A full or read-only disk refuses visibly, leaves nothing half-written, and all goes on when it takes writes again."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from tests.e2e.cutting import a_market_with_milk, end
from tests.e2e.judging import Sales, damage, freed, wrong_readings, wrong_sales
from tests.e2e.market import (
    BOARDS,
    DEADLINE_S,
    GTIN,
    TIMEOUT_S,
    Market,
    boards,
    bridge_command,
    node_command,
    running,
    stop_measuring,
    verb,
    wait_drained,
)
from tests.e2e.mutants import AS_IT_IS
from tests.e2e.small_disk import SmallDisk, a_small_disk
from tests.faults import faulty
from tests.firmware_bridge.running import Shop, a_shop, until

MARKET_DB, TELEMETRY_DB = "data/market/market.db", "data/telemetry/telemetry.db"
RECEIVED = 1000
# A sale writes about 24 times, the checkpoint behind it a dozen times more.
REFUSED_FROM = (1, 2, 3, 5, 8, 12, 16, 20, 22, 24, 26, 30, 34)

pytestmark = pytest.mark.timeout(TIMEOUT_S)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with a_small_disk(tmp_path / "disk") as mounted:
        yield mounted


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with a_shop(tmp_path / "shop") as opened_shop:
        yield opened_shop


def larder(
    disk: SmallDisk, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a verb on the small disk."""
    command = [sys.executable, "-m", "node.cli.main", "--data", str(disk.inside / "data"), *arguments]
    return subprocess.run(
        disk.command(command),
        env=environment or AS_IT_IS.environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def a_market_on(disk: SmallDisk) -> Path:
    """Make a market with milk on the small disk; return its database as seen from outside (SQLite cannot open that)."""
    for arguments in (
        ("init", "--name", "Harbour"),
        ("receive", GTIN, str(RECEIVED), "--name", "Milk", "--unit", "each", "--like", "food/milk-whole"),
    ):
        done = larder(disk, *arguments)
        assert done.returncode == 0, done.stderr
    return disk.outside / MARKET_DB


def sale(number: int) -> tuple[str, ...]:
    """Return the words of one sale with an id of its own."""
    return ("sell", GTIN, "--action-id", f"{number:032x}")


def test_on_a_full_disk_the_ballast_serves_one_more_time_and_then_words_do(disk: SmallDisk, tmp_path: Path) -> None:
    database = a_market_on(disk)
    ballast = database.with_name("ballast")
    assert ballast.exists()
    disk.fill()
    done = larder(disk, *sale(1))
    assert (done.returncode, ballast.exists()) == (0, False), done.stderr
    disk.fill()
    refused = larder(disk, *sale(2))
    assert (refused.returncode, refused.stdout) == (3, "")
    assert refused.stderr.splitlines() == [
        "The disk is full; this was not saved.",
        f"Free space in {disk.inside / 'data' / 'market'}, then try again. What was saved before is safe.",
    ]
    in_json = larder(disk, *sale(3), "--json")
    assert (in_json.returncode, in_json.stdout) == (3, "")
    assert json.loads(in_json.stderr)["error"] == "disk.full"
    assert json.loads(in_json.stderr)["is_transient"] is True
    disk.free()
    assert larder(disk, *sale(2)).returncode == larder(disk, *sale(3)).returncode == 0
    sales = Sales(RECEIVED, {f"{number:032x}": 1 for number in (1, 2, 3)}, {f"{number:032x}" for number in (1, 2, 3)})
    copy = disk.copy(MARKET_DB, tmp_path / "copy")
    assert (wrong_sales(copy, sales), damage(copy)) == ([], [])
    assert larder(disk, "verify").returncode == 0


def test_on_a_read_only_disk_a_sale_is_refused_in_words_and_done_later(disk: SmallDisk, tmp_path: Path) -> None:
    a_market_on(disk)
    remount = ["mount", "-o", "remount,bind,{}", str(disk.inside)]
    subprocess.run(disk.command([word.format("ro") for word in remount]), check=True)
    refused = larder(disk, *sale(1))
    assert (refused.returncode, refused.stdout, len(refused.stderr.splitlines())) == (3, "", 2)
    assert refused.stderr.startswith("The disk does not take writes")
    assert "Milk" in larder(disk, "stock").stdout
    subprocess.run(disk.command([word.format("rw") for word in remount]), check=True)
    assert larder(disk, *sale(1)).returncode == 0
    sales = Sales(RECEIVED, {f"{1:032x}": 1}, {f"{1:032x}"})
    assert wrong_sales(disk.copy(MARKET_DB, tmp_path / "copy"), sales) == []


@pytest.mark.slow
def test_larder_node_outlives_a_full_disk_and_seals_afterwards(disk: SmallDisk, tmp_path: Path) -> None:
    database = a_market_on(disk)
    database.with_name("ballast").unlink()
    market = Market(Shop(tmp_path / "shop"), AS_IT_IS, Sales(RECEIVED), random.Random(1))
    market.shop.data = disk.inside / "data"
    journal = tmp_path / "journal"
    with journal.open("wb") as lines:
        node = subprocess.Popen(disk.command(node_command(market)), env=AS_IT_IS.environment, stderr=lines)
    try:
        until((database.parents[1] / "run" / "node.json").exists, what="larder-node is at work", deadline_s=DEADLINE_S)
        sales = sell_and_fill_before_it_is_sealed(disk)
        until(lambda: "The disk is full" in journal.read_text(), what="the node says so", deadline_s=DEADLINE_S)
        assert node.poll() is None
        disk.free()
        until(lambda: pending(disk) == 0, what="the node has sealed the sale", deadline_s=DEADLINE_S)
        assert larder(disk, *sale(sales + 1)).returncode == 0
        node.terminate()
        assert node.wait(DEADLINE_S) == 0
    finally:
        if node.poll() is None:
            node.kill()
            node.wait()
    assert pending(disk) == 0
    assert larder(disk, "verify").returncode == 0


def sell_and_fill_before_it_is_sealed(disk: SmallDisk) -> int:
    """Fill the disk while a sale waits for its signature; return how many it took. A busy computer may be too late."""
    for number in range(1, 21):
        assert larder(disk, *sale(number)).returncode == 0
        disk.fill()
        if pending(disk):
            return number
        disk.free()
    raise AssertionError("every sale was sealed before the disk was full")


def pending(disk: SmallDisk) -> int:
    """Return how many facts wait for their signature."""
    return disk.number(MARKET_DB, "SELECT count(*) FROM pending")


@pytest.mark.slow
def test_a_full_disk_costs_no_reading(disk: SmallDisk, shop: Shop, tmp_path: Path) -> None:
    market = Market(shop, AS_IT_IS, Sales(0), random.Random(2))
    shop.data = disk.inside / "data"
    (disk.outside / "data").mkdir()
    boards(market, 1)
    (name,) = market.boards
    with running(disk.command(bridge_command(market)), AS_IT_IS.environment) as bridge:
        until(lambda: freed(market.ring(name)).tail > 50, what="readings are stored", deadline_s=DEADLINE_S)
        disk.fill()
        # What fits into the log of the database that is there already may still be kept.
        before = freed(market.ring(name))
        until(lambda: freed(market.ring(name)).head > before.head + 120, what="120 more", deadline_s=DEADLINE_S)
        memory = freed(market.ring(name))
        assert memory.tail <= disk.number(TELEMETRY_DB, "SELECT count(*) FROM readings") < memory.head - 60
        assert bridge.poll() is None
        disk.free()
        until(lambda: freed(market.ring(name)).tail > memory.head, what="the bridge goes on", deadline_s=DEADLINE_S)
        stop_measuring(market)
        wait_drained(market)
        end(bridge)
    copy = disk.copy(TELEMETRY_DB, tmp_path / "copy")
    assert wrong_readings(copy, BOARDS[name], market.produced(name), market.ring(name)) == []
    assert damage(copy) == []


@pytest.mark.slow
@pytest.mark.parametrize("refusal", ["ENOSPC", "EROFS"])
def test_wherever_the_disk_begins_to_refuse_a_sale_is_saved_or_said_not_to_be(
    tmp_path: Path, refusal: Literal["ENOSPC", "EROFS"]
) -> None:
    data = tmp_path / "data"
    a_market_with_milk(data)
    sales, codes = Sales(RECEIVED), []
    for number in REFUSED_FROM:
        words = sale(number)
        sales.asked[words[-1]] = 1
        command = [sys.executable, "-m", "node.cli.main", "--data", str(data), *words]
        environment = {**faulty(data, refuse=refusal, refuse_from=number), **AS_IT_IS.environment}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
        codes.append(done.returncode)
        if done.returncode == 0:
            assert done.stdout.startswith("saved: sold Milk 1\n")
            sales.acknowledged.add(words[-1])
        else:
            assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (3, "", 2), done.stderr
        assert wrong_sales(data / "market" / "market.db", sales) == []
        # Now it takes writes again: the same action is done once, whatever became of the first try.
        verb(data, *words)
        sales.acknowledged.add(words[-1])
    assert set(codes) == {0, 3}
    assert wrong_sales(data / "market" / "market.db", sales) == []
    assert len(sales.acknowledged) == len(REFUSED_FROM)
    assert verb(data, "verify")["is_ok"] is True
