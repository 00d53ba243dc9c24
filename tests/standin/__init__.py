"""A scripted central planner on loopback: every way in which the real one could fail or lie, on demand.

Not the demo's planner (deploy/central_planner.py), whose honest plan it borrows and spoils. It speaks raw bytes on
sockets, since no HTTP server would send what a broken one sends. A scenario is a list of answers with a seed; the last
answer goes on for ever. Each request is kept, so that a test can count and read what left the market.

    python -m tests.standin --answers drip,good --seed 1
"""

from __future__ import annotations

import importlib.util
import json
import random
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
HEAD_BYTES_MAX = 64 * 1024
SOCKET_WAIT_S = 10.0


def load_honest_planner() -> ModuleType:
    """Return deploy/central_planner.py, which is a program and no package."""
    spec = importlib.util.spec_from_file_location("central_planner", CHECKOUT / "deploy" / "central_planner.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True, slots=True)
class Scenario:
    """What to answer, in order; the last one is repeated. `seed` decides whatever an answer leaves open."""

    answers: Sequence[str]
    seed: int = 0
    drip_s: float = 0.02
    late_s: float = 0.5

    @staticmethod
    def from_file(path: Path) -> Scenario:
        """Read a scenario: a JSON object with these fields."""
        return Scenario(**json.loads(path.read_text("utf-8")))


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived, and what it was answered with."""

    answer: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """Return the body, read."""
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value


@dataclass
class StandIn:
    """The server: a context manager with its address and the log of its requests."""

    scenario: Scenario
    seen: list[Seen] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.scenario.seed)
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.connections: list[socket.socket] = []
        self.threads: list[threading.Thread] = []
        self.listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.listener.bind(("127.0.0.1", 0))

    @property
    def url(self) -> str:
        """Return the address to ask."""
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def __enter__(self) -> StandIn:
        # A bound socket that does not listen refuses connections, and nobody else can take its port.
        if list(self.scenario.answers) != ["refuse"]:
            self.listener.listen(16)
            self.threads.append(threading.Thread(target=self._accept, daemon=True))
            self.threads[0].start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stopping.set()
        for each in [self.listener, *self.connections]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self.threads:
            thread.join(SOCKET_WAIT_S)

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                connection, _address = self.listener.accept()
            except OSError:
                return
            connection.settimeout(SOCKET_WAIT_S)
            self.connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        from tests.standin.answers import ANSWERS

        # Whoever asked may go at any moment; that is what most of these answers are for.
        with suppress(OSError), connection:
            headers, body = read_request(connection)
            with self.lock:
                number = len(self.seen)
                name = self.scenario.answers[min(number, len(self.scenario.answers) - 1)]
                self.seen.append(Seen(name, headers, body))
            ANSWERS[name](Asking(self, connection, json.loads(body), number))


@dataclass(frozen=True, slots=True)
class Asking:
    """One request being answered."""

    stand_in: StandIn
    connection: socket.socket
    request: dict[str, Any]
    number: int

    def send(self, content: bytes) -> None:
        """Write raw bytes."""
        self.connection.sendall(content)

    def wait(self, seconds: float) -> bool:
        """Wait, unless the stand-in ends; return whether it does."""
        return self.stand_in.stopping.wait(seconds)

    def wait_until_left(self) -> None:
        """Wait until whoever asked has gone."""
        while not self.stand_in.stopping.is_set():
            try:
                if not self.connection.recv(1):
                    return
            except TimeoutError:
                continue


def read_request(connection: socket.socket) -> tuple[dict[str, str], bytes]:
    """Read one HTTP request with a Content-Length."""
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(4096)
        if not more or len(received) > HEAD_BYTES_MAX:
            raise ConnectionError("no request")
        received += more
    head, _end, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")[1:]
    headers = {name.strip().lower(): value.strip() for name, _colon, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(65536)
    return headers, body
