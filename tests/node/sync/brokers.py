"""Real brokers on loopback for tests: mosquitto, or the embedded one, started as children and ended by their id."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from node.ledger.logins import password_hash
from node.ledger.names import node_id, origin_of
from node.ledger.read import market, open_reader
from node.ledger.store import MarketStore
from node.places import Places
from node.sync.broker import broker_files, prepare
from tests.components import need_program

WITHIN_S = 30.0
KINDS = ("mosquitto", "embedded")


def wait_until(condition: Callable[[], bool], what: str, within_s: float = WITHIN_S) -> None:
    """Wait for something that happens in another thread or process."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"still waiting for {what}")
        time.sleep(0.01)


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody uses now, from below the range the kernel gives to outgoing connections."""
    ports: list[int] = []
    while len(ports) < count:
        port = secrets.choice(range(10_000, 32_000))
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            ports.append(port)
    return ports


@dataclass(slots=True)
class RunningBroker:
    """A broker that can be killed and started again on the same ports."""

    kind: str
    places: Places
    port: int
    tls_port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until both ports answer."""
        if self.kind == "mosquitto":
            program = need_program("mosquitto")
            files = prepare(self.places, port=self.port, tls_port=self.tls_port)
            command = [program, "-c", str(files.config)]
        else:
            ports = ["--port", str(self.port), "--tls-port", str(self.tls_port)]
            command = [sys.executable, "-m", "node.sync.embedded", "--data", str(self.places.root), *ports]
        log = (self.places.run / "broker.log").open("ab")
        with log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(lambda: self._answers() or self.process.poll() is not None, f"{self.kind} to start")
        if self.process.poll() is not None:
            pytest.fail((self.places.run / "broker.log").read_text())

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End the process, by default without a warning."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(WITHIN_S)

    def _answers(self) -> bool:
        for port in (self.port, self.tls_port):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) != 0:
                    return False
        return True


@contextmanager
def a_broker(places: Places, kind: str = "mosquitto") -> Iterator[RunningBroker]:
    """A running broker of a market, ended at the end."""
    port, tls_port = free_ports(2)
    broker = RunningBroker(kind, places, port, tls_port)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill(signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Paired:
    """A market that is paired by hand: who it is and how it logs in."""

    origin: bytes
    node_id: str
    secret: str


def a_paired_market(store: MarketStore, name: str = "Mill Road", *, is_active: bool = True) -> Paired:
    """A row of a paired market that exists only as a row."""
    public_key = os.urandom(32)
    origin = origin_of(public_key)
    secret = secrets.token_urlsafe(32)
    store.batch(
        "test",
        lambda tx: tx.connection.execute(
            "INSERT INTO peer (origin, public_key, name, addresses, password_hash, paired_ms, is_active)"
            " VALUES (?, ?, ?, '[]', ?, 0, ?)",
            (origin, public_key, name, password_hash(secret), is_active),
        ),
    )
    return Paired(origin, node_id(origin), secret)


def who(places: Places) -> tuple[str, bytes]:
    """The node id and the group of a market."""
    reader = open_reader(places)
    try:
        facts = market(reader)
    finally:
        reader.close()
    return facts.node_id, bytes.fromhex(facts.group_id)


def pid_in(places: Places) -> Path:
    return broker_files(places).pid
