"""Two real markets for tests: folders, cards handed over, brokers, larder-node processes, and what each knows."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from node import clock
from node.actions.cards import make_card
from node.actions.founding import create_market
from node.actions.keeping import open_market, verify
from node.actions.pairing import add_peer
from node.health import read_heartbeat
from node.ledger.keys import load_key
from node.ledger.read import digest, open_reader, pending_count
from node.places import Places
from node.sync.certificates import ensure_certificate
from node.sync.health import SyncHealth, read_sync
from tests.node.builders import a_received_lot, a_sale, an_item
from tests.node.sync.brokers import WITHIN_S, RunningBroker, free_ports, wait_until, who

AGREED = frozenset({"pair.compare"})


@dataclass(slots=True)
class Market:
    """A market's folder, its broker's ports, its processes."""

    places: Places
    name: str
    broker: RunningBroker
    node: subprocess.Popen[bytes] | None = None
    items: list[object] = field(default_factory=list)

    def sell(self, times: int = 1) -> None:
        """Take a delivery in and sell from it."""
        store = open_market(self.places)
        try:
            item = an_item(store, f"Milk of {self.name} {len(self.items)}", gtin14=_gtin(len(self.items), self.name))
            self.items.append(item)
            a_received_lot(store, item)
            for _sale in range(times):
                a_sale(store, item)
        finally:
            store.close()

    def start_node(self) -> None:
        self.node = subprocess.Popen(
            [sys.executable, "-m", "node.daemon.main", "--data", str(self.places.root)],
            stderr=(self.places.run / "node.log").open("ab"),
        )

    def kill_node(self, number: int = 9) -> None:
        if self.node is not None and self.node.poll() is None:
            self.node.send_signal(number)
            self.node.wait(WITHIN_S)

    def digest(self) -> str:
        reader = open_reader(self.places)
        try:
            return digest(reader)
        finally:
            reader.close()

    def pending(self) -> int:
        reader = open_reader(self.places)
        try:
            return pending_count(reader)
        finally:
            reader.close()

    def count(self, query: str) -> int:
        reader = open_reader(self.places)
        try:
            return int(reader.execute(query).fetchone()[0])
        finally:
            reader.close()

    def health(self) -> SyncHealth | None:
        return read_sync(self.places, clock.now())

    def trouble(self) -> str:
        return read_heartbeat(self.places.node_heartbeat, clock.now()).sentence

    def verify(self) -> None:
        reader = open_reader(self.places)
        try:
            verify(reader, self.places)
        finally:
            reader.close()

    def log(self) -> str:
        path = self.places.run / "node.log"
        return path.read_text() if path.exists() else ""


def a_market(root: Path, name: str, kind: str = "mosquitto") -> Market:
    """A market whose settings name a broker on free ports that is not started yet."""
    places = Places(root)
    create_market(places, name=name, moment=clock.now())
    port, tls_port = free_ports(2)
    market = Market(places, name, RunningBroker(kind, places, port, tls_port))
    places.settings.write_text(
        f'[sync]\nbroker = "127.0.0.1:{port}"\nadvertise = ["127.0.0.1:{tls_port}"]\n', encoding="utf-8"
    )
    return market


def pair(first: Market, second: Market, *, is_second_reachable: bool = True) -> None:
    """Hand both cards over and answer both, as two people do."""
    cards = []
    for market, is_reachable in ((first, True), (second, is_second_reachable)):
        certificate = ensure_certificate(market.places, node_id=who(market.places)[0])
        addresses = [f"127.0.0.1:{market.broker.tls_port}"] if is_reachable else []
        with opened(market) as store:
            cards.append(
                store.act("card", lambda tx, a=addresses, c=certificate: make_card(tx, addresses=a, certificate=c))
            )
    for market, theirs in ((first, cards[1]), (second, cards[0])):
        with opened(market) as store:
            store.act(
                "pair",
                lambda tx, m=market, card=theirs: add_peer(
                    tx, who=0, theirs=card, load_signer=lambda: load_key(m.places.node_key), yes=AGREED
                ),
            )


@contextmanager
def opened(market: Market) -> Iterator:
    store = open_market(market.places)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def running(*markets: Market, has_brokers: bool = True) -> Iterator[None]:
    """Brokers and nodes of these markets, ended by their ids at the end."""
    try:
        for market in markets:
            if has_brokers:
                market.broker.start()
            market.start_node()
        yield
    finally:
        for market in markets:
            market.kill_node(15)
            market.broker.kill(15)


def agree(*markets: Market, within_s: float = 45.0) -> None:
    """Wait until nothing is pending and all tables say the same."""

    def is_equal() -> bool:
        if any(market.pending() for market in markets):
            return False
        return len({market.digest() for market in markets}) == 1

    try:
        wait_until(is_equal, "the markets to agree", within_s)
    except BaseException:
        for market in markets:
            log = market.places.run / "broker.log"
            said = log.read_text() if log.exists() else ""
            print(market.name, market.log(), market.health(), market.trouble(), said, sep="\n")
        raise


def _gtin(number: int, name: str) -> str:
    digits = f"0400{len(name):02d}{number:07d}"
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(digits))
    return digits + str(-total % 10)
