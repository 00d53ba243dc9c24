"""A market of real processes in which one after another is killed: sellers, larder-node, larder-bridge.

Not the judge of what is left (judging.py). What was acknowledged is written down here, outside the processes that die:
a seller's answer is read from its pipe, a board's memory is its own file.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from tests.e2e.judging import Sales, freed, made
from tests.e2e.mutants import AS_IT_IS, Build
from tests.faults import Kill, faulty
from tests.firmware_bridge.running import Process, Shop, until

GTIN = "4006381333931"
RECEIVED = 10_000
DEADLINE_S = 90.0
BOARDS = {"fridge": "01eeffc0420000a1", "freezer": "01eeffc0420000a2", "shelf": "01eeffc0420000a3"}
# A life that ends by itself (its kill was never reached) is no kill; so many of them mean that the plan is wrong.
LIVES_PER_KILL_MAX = 6


@dataclass(frozen=True, slots=True)
class Killed:
    """One SIGKILL: which part, at which kind of place, and whether the seller had been told `saved` by then."""

    part: str
    place: str
    is_acknowledged: bool = False


@dataclass(slots=True)
class Market:
    """One market's folder, its boards, and the records kept outside of what is killed."""

    shop: Shop
    build: Build
    sales: Sales
    chance: random.Random
    kills: list[Killed] = field(default_factory=list)
    notes: int = 0
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

    def note(self) -> Path:
        """Return a new name for the line a process writes where it kills itself."""
        self.notes += 1
        return self.shop.ports.parent / f"note-{self.notes}"

    def environment(self, kill: Kill | None) -> dict[str, str]:
        return {**(faulty(self.data, kill=kill) if kill else {}), **self.build.environment}


@dataclass(frozen=True, slots=True)
class Place:
    """A kind of place to die at: a hook in a file (with the numbers it may count to), or any instant within a time."""

    name: str
    suffix: str = ""
    counts: tuple[int, int] = (1, 1)
    within_s: float = 0.0
    is_asked_to_end: bool = False

    def kill(self, chance: random.Random, note: Path) -> Kill | None:
        if not self.suffix:
            return None
        # A commit writes many frames and syncs once: a fourth of the deaths at the sync is plenty.
        on = "sync" if self.name == "commit" and chance.random() < 0.25 else "write"
        at = 1 if on == "sync" else chance.randint(*self.counts)
        return Kill(on, at, chance.choice(("before", "after")), self.suffix, note)


# "commit": between BEGIN and the acknowledgement, since the log of the database is written at no other time.
SELLER_PLACES = (
    Place("commit", "market.db-wal", (1, 18)),
    Place("any instant", within_s=0.5),
    Place("commit", "market.db-wal", (1, 18)),
    Place("checkpoint", "/market.db", (1, 8)),
)
NODE_PLACES = (
    Place("commit", "market.db-wal", (1, 12)),
    Place("any instant", within_s=2.5),
    Place("checkpoint", "/market.db", (1, 8), is_asked_to_end=True),
)
BRIDGE_PLACES = (
    Place("commit", "telemetry.db-wal", (1, 120)),
    Place("any instant", within_s=2.0),
    Place("commit", "telemetry.db-wal", (20, 200)),
    Place("checkpoint", "/telemetry.db", (1, 6), is_asked_to_end=True),
)


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


def kill_sellers(
    market: Market, chance: random.Random, kills: int, is_over: Callable[[], bool], book: threading.Lock
) -> None:
    """Sell again and again until so many sellers were killed and `is_over`."""
    places = cycle(SELLER_PLACES)
    done, lives = 0, 0
    while done < kills or not is_over():
        lives += 1
        assert done >= kills or lives <= LIVES_PER_KILL_MAX * kills, "sellers do not reach the place they should die at"
        place = next(places) if done < kills else None
        action_id, quantity = chance.randbytes(16).hex(), chance.randint(1, 4)
        with book:
            market.sales.asked[action_id] = quantity
            note = market.note()
        killed = one_sale(market, action_id, quantity, place, chance, note)
        if killed is not None:
            done += 1
            with book:
                market.kills.append(killed)
            # The person at the till tries again, or goes away; both must leave the books right.
            if chance.random() < 0.5:
                assert one_sale(market, action_id, quantity, None, chance, note) is None


def one_sale(
    market: Market, action_id: str, quantity: int, place: Place | None, chance: random.Random, note: Path
) -> Killed | None:
    """Run `larder sell` once; note what it acknowledged; return how it was killed, None where it ended by itself."""
    command = [sys.executable, "-m", "node.cli.main", "--data", str(market.data), "--wait", "60", "sell", GTIN]
    kill = place.kill(chance, note) if place else None
    with running([*command, str(quantity), "--action-id", action_id, "--json"], market.environment(kill)) as seller:
        if place is not None and kill is None:
            kill_within(seller, chance.uniform(0, place.within_s))
        out, err = seller.communicate(timeout=DEADLINE_S)
    is_acknowledged = out.endswith("\n") and json.loads(out)["action_id"] == action_id
    if is_acknowledged:
        market.sales.acknowledged.add(action_id)
    if seller.returncode == 0:
        assert is_acknowledged, f"a sale ended well and said nothing: {out} {err}"
        return None
    assert place is not None and seller.returncode == -signal.SIGKILL, f"{seller.returncode}: {err}"
    return Killed("seller", where_killed(place, kill, note), is_acknowledged)


def kill_within(child: subprocess.Popen[str], seconds: float) -> None:
    """Kill a process at this instant of its life, unless it has ended by then."""
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGKILL)


def where_killed(place: Place, kill: Kill | None, note: Path) -> str:
    """Return the kind of place, once the process's own last line agrees."""
    if kill is not None:
        assert note.read_text().rstrip("\n").endswith(place.suffix), f"killed elsewhere than {place}"
    return place.name


def kill_daemons(
    market: Market,
    part: str,
    places: Sequence[Place],
    chance: random.Random,
    kills: int,
    book: threading.Lock,
) -> None:
    """Start larder-node or larder-bridge again and again until it was killed so many times."""
    done = 0
    for place, life in zip(cycle(places), range(LIVES_PER_KILL_MAX * kills), strict=False):
        if done == kills:
            return
        with book:
            note = market.note()
        kill = place.kill(chance, note)
        with running(
            node_command(market) if part == "node" else bridge_command(market), market.environment(kill)
        ) as daemon:
            if kill is None:
                kill_within(daemon, chance.uniform(0.2, place.within_s))
            elif place.is_asked_to_end:
                kill_at_the_end(daemon, chance)
            _out, err = daemon.communicate(timeout=DEADLINE_S)
        # SIGTERM: asked to end before it was ready to hear that.
        ends = (0, -signal.SIGKILL, -signal.SIGTERM)
        assert daemon.returncode in ends, f"{part}, life {life}: {daemon.returncode}, {err}"
        if daemon.returncode == -signal.SIGKILL:
            done += 1
            with book:
                market.kills.append(Killed(part, where_killed(place, kill, note)))
    assert done == kills, f"{part} does not reach the places it should die at"


def kill_at_the_end(daemon: subprocess.Popen[str], chance: random.Random) -> None:
    """Ask a daemon to end after some work; it dies at its hook while it tidies up."""
    try:
        daemon.wait(chance.uniform(1.5, 2.5))
    except subprocess.TimeoutExpired:
        daemon.terminate()


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


def campaign(market: Market, *, seller_kills: int = 0, node_kills: int = 0, bridge_kills: int = 0) -> None:
    """Kill all three side by side, with two sellers at work for as long as a daemon is being killed."""
    book = threading.Lock()
    sources = [random.Random(market.chance.random()) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        daemons: list[Future[None]] = []
        if node_kills:
            daemons.append(pool.submit(kill_daemons, market, "node", NODE_PLACES, sources[0], node_kills, book))
        if bridge_kills:
            daemons.append(pool.submit(kill_daemons, market, "bridge", BRIDGE_PLACES, sources[1], bridge_kills, book))

        def is_over() -> bool:
            return all(daemon.done() for daemon in daemons)

        halves = (seller_kills // 2, seller_kills - seller_kills // 2) if seller_kills else ()
        sellers = [
            pool.submit(kill_sellers, market, source, half, is_over, book)
            for half, source in zip(halves, sources[2:], strict=False)
        ]
        for each in (*daemons, *sellers):
            each.result()


def settle(market: Market) -> None:
    """Let the boards stop measuring and give all they hold to a bridge that lives."""
    for name, board in market.boards.items():
        end_between_records(market, name, board)
        # The board comes back with its memory, makes one record and has all the time to send the rest.
        options = ("--period-s", "3600", "--name", name, "--produced", str(market.produced(name)))
        market.shop.board(*options, link=name, uid=BOARDS[name])
    with running(bridge_command(market), market.environment(None)) as bridge:
        until(
            lambda: all(is_drained(market, name) for name in market.boards),
            what="every board has given all it held",
            deadline_s=DEADLINE_S,
        )
        bridge.terminate()
        _out, err = bridge.communicate(timeout=DEADLINE_S)
    assert bridge.returncode == 0, err


def end_between_records(market: Market, name: str, board: Process) -> None:
    """End a board just after it wrote a record down, so that none is in its memory alone."""
    count = len(made(market.produced(name)))
    until(lambda: len(made(market.produced(name))) > count, what=f"{name} makes a record")
    assert board.end()[0] == 0


def is_drained(market: Market, name: str) -> bool:
    """Say whether the host has acknowledged the newest record of a board."""
    memory = freed(market.ring(name))
    return memory.tail == memory.head == len(made(market.produced(name)))
