"""The relay between the demo's markets: everything passes, or nothing does, and it ends with whoever started it."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.node.sync.brokers import free_ports

RELAY = Path(__file__).resolve().parents[2] / "deploy" / "demo_relay.py"
WAIT_S = 20.0
SENT = bytes(range(256)) * 4096


@contextmanager
def an_echo() -> Iterator[int]:
    """A server that sends back what it gets; yields its port."""

    def answer(connection: socket.socket) -> None:
        with connection:
            try:
                while content := connection.recv(65536):
                    connection.sendall(content)
            except OSError:
                return  # the relay was cut

    def serve(listener: socket.socket) -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return  # closed: the test is over
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


@contextmanager
def a_relay(target: int) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A running relay to a port; yields it and where it listens."""
    (port,) = free_ports(1)
    command = [sys.executable, str(RELAY), f"{port}:{target}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as relay:
        try:
            assert relay.stdout is not None
            assert relay.stdout.readline() == "ready\n"
            yield relay, port
        finally:
            relay.kill()


def tell(relay: subprocess.Popen[str], order: str) -> None:
    assert relay.stdin is not None and relay.stdout is not None
    relay.stdin.write(f"{order}\n")
    relay.stdin.flush()
    assert relay.stdout.readline() == f"{order}\n"


def exchanged(connection: socket.socket, sent: bytes) -> bytes:
    """Send, and return what came back until as much came or the connection ended."""
    sender = threading.Thread(target=connection.sendall, args=(sent,), daemon=True)
    sender.start()
    came = b""
    while len(came) < len(sent) and (content := connection.recv(65536)):
        came += content
    sender.join(WAIT_S)
    return came


def is_ended(connection: socket.socket) -> bool:
    """Say whether the other side is gone, waiting for it."""
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)


def test_everything_passes_both_ways_until_it_is_cut_and_again_when_healed() -> None:
    with an_echo() as target, a_relay(target) as (relay, port):
        with connect(port) as before:
            assert exchanged(before, SENT) == SENT
            tell(relay, "cut")
            assert is_ended(before)
        with connect(port) as meanwhile:
            assert is_ended(meanwhile)
        tell(relay, "heal")
        with connect(port) as after:
            assert exchanged(after, SENT) == SENT


def test_it_passes_the_end_of_one_side_on_to_the_other() -> None:
    with an_echo() as target, a_relay(target) as (_relay, port), connect(port) as connection:
        assert exchanged(connection, b"last words") == b"last words"
        connection.shutdown(socket.SHUT_WR)
        assert is_ended(connection)


def test_nobody_behind_it_ends_the_connection_and_not_the_relay() -> None:
    (nobody,) = free_ports(1)
    with a_relay(nobody) as (relay, port):
        for _turn in range(3):
            with connect(port) as connection:
                assert is_ended(connection)
        assert relay.poll() is None


def test_it_ends_with_whoever_started_it() -> None:
    with an_echo() as target, a_relay(target) as (relay, port), connect(port) as connection:
        assert exchanged(connection, b"x") == b"x"
        assert relay.stdin is not None
        relay.stdin.close()
        assert relay.wait(WAIT_S) == 0
        assert is_ended(connection)


@pytest.mark.parametrize("arguments", [[], ["21901"], ["here:there"]])
def test_a_wrong_pair_of_ports_ends_with_2(arguments: list[str]) -> None:
    assert subprocess.run([sys.executable, str(RELAY), *arguments], capture_output=True, check=False).returncode == 2
