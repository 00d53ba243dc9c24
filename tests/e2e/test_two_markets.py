"""Two markets at work while their brokers and nodes are killed at random: nothing acknowledged is lost, and they agree.

Real mosquitto, real larder-node processes, and staff who type verbs. The model beside them counts only what a verb
called saved; afterwards it must be what both databases say, and what an independent reading of the blocks gives.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.independent_check import check_tables, on_the_way, totals, what_blocks_say
from tests.node.sync.markets import Market, a_market, agree, pair, running

SEED = 20261122
KILLS_EACH = 10  # of four processes: two brokers, two nodes
ITEMS = ("food/apples", "food/pears", "food/onions")
DELIVERED = 5000
OFFERS_OPEN_MAX = 4
# How often goods leave before the acceptance was heard of.
UNHEARD_SHARE = 0.3
# Verbs that are not killed end by themselves long before.
VERB_WITHIN_S = 60.0


@dataclass(slots=True)
class Book:
    """What was called saved, in thousandths: per market and item, and per hand-over what left and what arrived."""

    stock: dict[str, Counter[str]] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    arrived: Counter[str] = field(default_factory=Counter)
    done: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, name: str, verb: str, answer: dict[str, Any]) -> None:
        """Count one verb that was called saved."""
        with self.lock:
            self.done[verb] += 1
            if verb in {"receive", "sell"}:
                sign = 1 if verb == "receive" else -1
                self.stock.setdefault(name, Counter())[answer["item"]["item_id"]] += sign * answer["quantity_milli"]
                return
            transfer = answer["transfer"]
            if verb == "transfer send":
                self.stock[name][transfer["item_id"]] -= transfer["sent_milli"]
                self.sent[transfer["transfer_id"]] += transfer["sent_milli"]
            elif verb == "transfer receive":
                self.stock[name][transfer["item_id"]] += transfer["good_milli"]
                self.arrived[transfer["transfer_id"]] += transfer["good_milli"]


@dataclass(slots=True)
class Staff:
    """The people of one market: they sell, and take the next step of whatever hand-over waits for them."""

    market: Market
    other: str
    book: Book
    chance: random.Random

    def deliver(self) -> None:
        """Take in what there is to sell."""
        for item in ITEMS:
            self.do("receive", item, str(DELIVERED))

    def work(self, closing: threading.Event) -> None:
        """Work until closing time."""
        while not closing.is_set():
            if self.chance.random() < 0.5:
                self.do("sell", self._item(), str(self.chance.randint(1, 5)), "--yes")
            else:
                self._hand_over()

    def do(self, *arguments: str, may_be_late: bool = False) -> None:
        """Type a verb; where it could not be saved now, the same once more, until it is.

        `may_be_late`: it may be refused because the hand-over has moved on; then nothing was saved and nothing counts.
        """
        verb = " ".join(arguments[:2]) if arguments[0] == "transfer" else arguments[0]
        action_id = self.chance.randbytes(16).hex()
        deadline = time.monotonic() + VERB_WITHIN_S
        while (done := self._typed(*arguments, "--action-id", action_id)).returncode == 3:
            assert time.monotonic() < deadline, done.stderr
        if may_be_late and done.returncode == 1 and json.loads(done.stderr)["error"] == "transfer.wrong_state":
            return
        assert done.returncode == 0, f"larder {arguments}: {done.stderr}"
        answer: dict[str, Any] = json.loads(done.stdout)
        self.book.note(self.market.name, verb, answer)

    def _typed(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "node.cli.main", "--data", str(self.market.places.root), *arguments, "--json"]
        return subprocess.run(command, capture_output=True, text=True, timeout=VERB_WITHIN_S, check=False)

    def _hand_over(self) -> None:
        """Take the next step of a hand-over that waits for us, or offer something."""
        waiting = json.loads(self._typed("transfer").stdout)["transfers"]
        steps = {("in", "offered"): "accept", ("out", "accepted"): "send", ("in", "sent"): "receive"}
        if self.chance.random() < UNHEARD_SHARE:
            steps["out", "offered"] = "send"  # agreed on the phone: the acceptance has not arrived yet
        open_steps = [(steps[row["way"], row["state"]], row) for row in waiting if (row["way"], row["state"]) in steps]
        if open_steps:
            step, row = self.chance.choice(open_steps)
            if step != "accept":
                self.do("transfer", step, row["number"], "--yes")
                return
            # The goods may have been sent since we looked: then there is nothing left to accept, and it says so.
            self.do("transfer", "accept", row["number"], may_be_late=True)
        elif sum(row["way"] == "out" for row in waiting) < OFFERS_OPEN_MAX:
            offered = str(self.chance.randint(1, 20))
            self.do("transfer", "offer", self._item(), offered, "--to", self.other, "--yes")

    def _item(self) -> str:
        return self.chance.choice(ITEMS)


def kill_at_random(markets: tuple[Market, Market], chance: random.Random) -> int:
    """Kill brokers and nodes with SIGKILL one after another and start them again; return how many died by it."""
    victims = [(market, what) for market in markets for what in ("broker", "node")] * KILLS_EACH
    chance.shuffle(victims)
    kills = 0
    for market, what in victims:
        time.sleep(chance.uniform(0.0, 1.3))
        process = market.broker.process if what == "broker" else market.node
        assert process is not None and process.poll() is None, f"the {what} of {market.name} had ended: {market.log()}"
        (market.broker.kill if what == "broker" else market.kill_node)()
        kills += process.returncode == -9
        time.sleep(chance.uniform(0.0, 0.3))
        (market.broker.start if what == "broker" else market.start_node)()
    return kills


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_two_markets_at_work_agree_and_lose_nothing_while_brokers_and_nodes_are_killed(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    markets = a_market(tmp_path / "harbour", "Harbour"), a_market(tmp_path / "mill-road", "Mill Road")
    pair(*markets)
    book, closing = Book(), threading.Event()
    harbour, mill_road = markets
    staff = [
        Staff(harbour, "Mill Road", book, random.Random(chance.random())),
        Staff(mill_road, "Harbour", book, random.Random(chance.random())),
    ]
    with ThreadPoolExecutor() as threads:
        for future in [threads.submit(each.deliver) for each in staff]:
            future.result()
        with running(*markets):
            shifts = [threads.submit(each.work, closing) for each in staff]
            try:
                kills = kill_at_random(markets, chance)
            finally:
                closing.set()
            for shift in shifts:
                shift.result()
            agree(*markets)
    assert kills == 4 * KILLS_EACH >= 40
    steps = ("transfer offer", "transfer accept", "transfer send", "transfer receive")
    assert min(book.done[verb] for verb in ("sell", *steps)) > 0, book.done
    expected = {name: {item: stock for item, stock in items.items() if stock} for name, items in book.stock.items()}
    for market in markets:
        known = what_blocks_say(market.places.root)
        check_tables(market.places.root, known)
        assert totals(known) == expected
        on_way = {f"{stream.hex()}:{seq}": milli for (stream, seq), milli in on_the_way(known).items() if milli}
        assert on_way == {name: left for name in book.sent if (left := book.sent[name] - book.arrived[name])}
        market.verify()
        assert market.count("SELECT count(*) FROM quarantine") == 0
        assert market.count("SELECT count(*) FROM lot WHERE on_hand_milli < 0") == 0
