"""One market of real processes: its folder, its boards, its verbs and daemons, and the record kept outside of them.

Nothing here is killed on purpose (killing.py) and nothing is judged (judging.py). What was acknowledged is written down
by those who heard it: a seller's answer is read from its pipe, a board's memory is its own file.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.judging import Sales, freed, made
from tests.e2e.mutants import AS_IT_IS, Build
from tests.faults import Kill, faulty
from tests.firmware_bridge.running import Process, Shop, until

GTIN = "4006381333931"
RECEIVED = 10_000
DEADLINE_S = 90.0
# Of one whole test: for a computer several times slower, or as busy.
TIMEOUT_S = 600
BOARDS = {"fridge": "01eeffc0420000a1", "freezer": "01eeffc0420000a2", "shelf": "01eeffc0420000a3"}


@dataclass(slots=True)
class Market:
    """One market's folder, its boards, and the records kept outside of what is killed."""

    shop: Shop
    build: Build
    sales: Sales
    chance: random.Random
    boards: dict[str, Process] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.shop.data

    @property
    def market_db(self) -> Path:
        return self.data / "market" / "market.db"

    def ring(self, name: str) -> Path:
        return Path(f"{self.shop.state_file}{name}")

    def produced(self, name: str) -> Path:
        return Path(f"{self.shop.produced_file}-{name}")

    def environment(self, kill: Kill | None) -> dict[str, str]:
        return {**(faulty(self.data, kill=kill) if kill else {}), **self.build.environment}


def a_market(shop: Shop, *, build: Build = AS_IT_IS, seed: int) -> Market:
    """Make a market with one delivery of milk, by the checkout's own verbs."""
    market = Market(shop, build, Sales(RECEIVED), random.Random(seed))
    larder(market, "init", "--name", "Harbour")
    larder(market, "receive", GTIN, str(RECEIVED), "--name", "Milk", "--unit", "each", "--like", "food/milk-whole")
    return market


def boards(market: Market, count: int) -> None:
    """Start boards with a memory of their own, each measuring 25 times a second."""
    for name, uid in list(BOARDS.items())[:count]:
        options = ("--period-s", "0.04", "--name", name, "--produced", str(market.produced(name)))
        market.boards[name] = market.shop.board(*options, link=name, uid=uid)


def larder(market: Market, name: str, *arguments: str) -> dict[str, object]:
    """Run a verb of the checkout on a market."""
    return verb(market.data, name, *arguments)


def verb(data: Path, name: str, *arguments: str) -> dict[str, object]:
    """Run a verb of the checkout to its end and return its answer."""
    command = [sys.executable, "-m", "node.cli.main", "--data", str(data), name, *arguments, "--json"]
    done = subprocess.run(
        command, env=AS_IT_IS.environment, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert done.returncode == 0, f"larder {name} ended with {done.returncode}: {done.stderr}"
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def node_command(market: Market) -> list[str]:
    return [sys.executable, "-m", "node.daemon.main", "--data", str(market.data)]


def bridge_command(market: Market) -> list[str]:
    options = ("--data", str(market.data), "--ports", f"{market.shop.ports}/*", "--commit-interval-s", "1")
    return [sys.executable, "-m", "firmware_bridge.main", *options]


@contextmanager
def running(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Start a process and make sure that it has ended afterwards, whatever happened."""
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.communicate()


def settle(market: Market) -> None:
    """Let the boards stop measuring and give all they hold to a bridge that lives."""
    stop_measuring(market)
    with running(bridge_command(market), market.environment(None)) as bridge:
        wait_drained(market)
        bridge.terminate()
        _out, err = bridge.communicate(timeout=DEADLINE_S)
    assert bridge.returncode == 0, err


def stop_measuring(market: Market) -> None:
    """Start each board anew with its memory: it makes one record and has all the time to send the rest."""
    for name, board in market.boards.items():
        assert board.end()[0] == 0
        produced = market.produced(name)
        count = len(made(produced))
        options = ("--period-s", "3600", "--name", name, "--produced", str(produced))
        market.shop.board(*options, link=name, uid=BOARDS[name])
        # Not before the one record is made may anybody ask whether all are stored.
        until(
            lambda path=produced, before=count: len(made(path)) == before + 1,  # type: ignore[misc]
            what=f"{name} makes its one record",
            deadline_s=DEADLINE_S,
        )


def wait_drained(market: Market) -> None:
    """Wait until the host has acknowledged every record of every board."""
    until(
        lambda: all(is_drained(market, name) for name in market.boards),
        what="every board has given all it held",
        deadline_s=DEADLINE_S,
    )


def is_drained(market: Market, name: str) -> bool:
    """Say whether the host has acknowledged the newest record of a board."""
    memory = freed(market.ring(name))
    return memory.tail == memory.head == len(made(market.produced(name)))
