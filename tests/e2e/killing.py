"""Kills one process after another of a market: sellers, larder-node and larder-bridge, side by side.

Not the judge of what is left (judging.py). Each kill is counted with the kind of place at which it happened; where the
process killed itself at a hook, its own last line must agree.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

from tests.e2e.market import DEADLINE_S, GTIN, Market, bridge_command, node_command, running
from tests.faults import Kill
from tests.firmware_bridge.running import until

# A life that ends by itself (its kill was never reached) is no kill; so many of them mean that the plan is wrong.
LIVES_PER_KILL_MAX = 6
# A commit writes many frames and syncs once: a fourth of the deaths at the sync is plenty.
SYNC_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Death:
    """How one life is to end: at a hook inside the process, or by our hand after so many seconds of it.

    With a hook and a `heartbeat`, the process is asked to end `after_s` after its first sign of life there, to die at
    the hook while it tidies up.
    """

    place: str
    kill: Kill | None = None
    after_s: float = 0.0
    heartbeat: Path | None = None


@dataclass(frozen=True, slots=True)
class Killed:
    """One SIGKILL: which part, at which kind of place, and whether the seller had been told `saved` by then."""

    part: str
    place: str
    is_acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """A kind of place to die at: operations on one file, or any instant between two ages of the process."""

    name: str
    suffix: str = ""
    operations: tuple[int, int] = (1, 1)
    after_s: tuple[float, float] = (0.0, 0.0)
    heartbeat: str = ""

    def death(self, chance: random.Random, data: Path, note: Path) -> Death:
        """Draw one death of a process that works in a data folder."""
        heartbeat = data / self.heartbeat if self.heartbeat else None
        after_s = chance.uniform(*self.after_s)
        if not self.suffix:
            return Death(self.name, None, after_s)
        on: str = "sync" if self.name == "commit" and chance.random() < SYNC_SHARE else "write"
        at = 1 if on == "sync" else chance.randint(*self.operations)
        when = chance.choice(("before", "after"))
        return Death(self.name, Kill(on, at, when, self.suffix, note), after_s, heartbeat)  # type: ignore[arg-type]


# "commit": between BEGIN and the acknowledgement, since the log of the database is written at no other time.
SELLER_PLACES = (
    Place("commit", "market.db-wal", (1, 18)),
    Place("any instant", after_s=(0.0, 0.5)),
    Place("commit", "market.db-wal", (1, 18)),
    Place("checkpoint", "/market.db", (1, 8)),
)
NODE_PLACES = (
    Place("commit", "market.db-wal", (1, 12)),
    Place("any instant", after_s=(0.2, 2.5)),
    Place("checkpoint", "/market.db", (1, 8), after_s=(0.1, 1.0), heartbeat="run/node.json"),
)
BRIDGE_PLACES = (
    Place("commit", "telemetry.db-wal", (1, 120)),
    Place("any instant", after_s=(0.2, 2.0)),
    Place("commit", "telemetry.db-wal", (20, 200)),
    Place("checkpoint", "/telemetry.db", (1, 6), after_s=(0.5, 1.5), heartbeat="run/bridge.json"),
)


@dataclass(slots=True)
class Campaign:
    """What was killed so far in a market, and where the dying leave their last lines."""

    market: Market
    notes: Path
    # The person at the till tries again with the same action, or goes away; both must leave the books right.
    tries_again_share: float
    kills: list[Killed] = field(default_factory=list)
    _lives: int = 0
    _book: threading.Lock = field(default_factory=threading.Lock)

    def note(self) -> Path:
        """Return a file for the last line of one life."""
        with self._book:
            self._lives += 1
            return self.notes / str(self._lives)

    def count(self, killed: Killed) -> None:
        """Add one kill."""
        with self._book:
            self.kills.append(killed)


def campaign(
    market: Market,
    notes: Path,
    *,
    seller_kills: int = 0,
    node_kills: int = 0,
    bridge_kills: int = 0,
    tills: int = 2,
    tries_again_share: float = 0.5,
) -> list[Killed]:
    """Kill all three side by side; the sellers are at work for as long as a daemon is being killed."""
    notes.mkdir()
    run = Campaign(market, notes, tries_again_share)
    sources = [random.Random(market.chance.random()) for _ in range(2 + tills)]
    daemons = [
        ("node", node_command(market), NODE_PLACES, node_kills),
        ("bridge", bridge_command(market), BRIDGE_PLACES, bridge_kills),
    ]
    with ThreadPoolExecutor(len(sources)) as pool:
        busy = [
            pool.submit(kill_daemons, run, *daemon, source) for daemon, source in zip(daemons, sources, strict=False)
        ]

        def is_over() -> bool:
            return all(daemon.done() for daemon in busy)

        if seller_kills:
            busy_tills = [
                pool.submit(kill_sellers, run, seller_kills // tills, is_over, source) for source in sources[2:]
            ]
            for till in busy_tills:
                till.result()
        for daemon in busy:
            daemon.result()
    return run.kills


def kill_sellers(run: Campaign, kills: int, is_over: Callable[[], bool], chance: random.Random) -> None:
    """Sell again and again until so many sellers were killed and `is_over`."""
    places = cycle(SELLER_PLACES)
    done, lives = 0, 0
    while done < kills or not is_over():
        lives += 1
        assert done >= kills or lives <= LIVES_PER_KILL_MAX * kills, "sellers do not reach the place they should die at"
        assert one_sale(run.market, chance.randbytes(16).hex(), chance.randint(1, 4), None) is None
        if done >= kills:
            continue
        death = next(places).death(chance, run.market.data, run.note())
        action_id, quantity = chance.randbytes(16).hex(), chance.randint(1, 4)
        killed = one_sale(run.market, action_id, quantity, death)
        if killed is None:
            continue
        done += 1
        run.count(killed)
        if chance.random() < run.tries_again_share:
            assert one_sale(run.market, action_id, quantity, None) is None


def kill_daemons(
    run: Campaign, part: str, command: list[str], places: Sequence[Place], kills: int, chance: random.Random
) -> None:
    """Start a daemon again and again until it was killed so many times."""
    done = 0
    for place, life in zip(cycle(places), range(LIVES_PER_KILL_MAX * kills), strict=False):
        if done == kills:
            break
        death = place.death(chance, run.market.data, run.note())
        code, _out, err = live(command, run.market.environment(death.kill), death)
        assert code in (0, -signal.SIGKILL), f"{part}, life {life}: {code}, {err}"
        if code == -signal.SIGKILL:
            done += 1
            run.count(Killed(part, death.place))
    assert done == kills, f"{part} does not reach the places it should die at"


def one_sale(market: Market, action_id: str, quantity: int, death: Death | None) -> Killed | None:
    """Run `larder sell` once; keep what it acknowledged; return how it was killed, None where it ended by itself."""
    market.sales.asked[action_id] = quantity
    command = [sys.executable, "-m", "node.cli.main", "--data", str(market.data), "--wait", "60", "sell", GTIN]
    words = [str(quantity), "--action-id", action_id, "--json"]
    code, out, err = live([*command, *words], market.environment(death.kill if death else None), death)
    is_acknowledged = out.endswith("\n") and json.loads(out)["action_id"] == action_id
    if is_acknowledged:
        market.sales.acknowledged.add(action_id)
    if code == 0:
        assert is_acknowledged, f"a sale ended well and said nothing: {out} {err}"
        return None
    assert death is not None and code == -signal.SIGKILL, f"a sale ended with {code}: {err}"
    return Killed("seller", death.place, is_acknowledged)


def live(command: list[str], environment: dict[str, str], death: Death | None) -> tuple[int, str, str]:
    """Run a process to its death or its end; return its code and what it said."""
    with running(command, environment) as process:
        if death is not None and death.heartbeat is not None:
            wait_for_life(process, death.heartbeat)
        if death is not None and death.after_s:
            try:
                process.wait(death.after_s)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGTERM if death.kill else signal.SIGKILL)
        out, err = process.communicate(timeout=DEADLINE_S)
    hook = death.kill if death else None
    if hook is not None and hook.note is not None and process.returncode == -signal.SIGKILL:
        said = hook.note.read_text()
        assert said.startswith("killed at ") and said.endswith(f"{hook.suffix}\n"), f"killed elsewhere: {said}"
    return process.returncode, out, err


def wait_for_life(process: subprocess.Popen[str], heartbeat: Path) -> None:
    """Wait until a daemon has written its heartbeat, or has ended before that."""

    def is_there() -> bool:
        is_its_own = heartbeat.exists() and json.loads(heartbeat.read_bytes())["pid"] == process.pid
        return is_its_own or process.poll() is not None

    until(is_there, what=f"{heartbeat.name} is written", deadline_s=DEADLINE_S)
