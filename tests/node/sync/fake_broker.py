"""A TCP server that speaks just enough MQTT 3.1.1 to misbehave on purpose."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, PINGREQ = 1, 2, 3, 4, 8, 9, 12


@dataclass(slots=True)
class FakeBroker:
    """What it does: `code` of its CONNACK, whether it says anything, acknowledges, and how often it repeats a message.

    It never delivers anything but what `send` is told to.
    """

    port: int = 0
    code: int = 0
    is_mute: bool = False
    published: list[tuple[str, bytes]] = field(default_factory=list)
    connections: list[socket.socket] = field(default_factory=list)
    subscriptions: int = 0
    connects: int = 0

    def send(self, topic: str, payload: bytes, *, times: int = 1) -> None:
        """Send a message to everybody who is connected, as often as asked."""
        name = topic.encode()
        packet = _packet(PUBLISH, struct.pack("!H", len(name)) + name + payload)
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.sendall(packet * times)

    def drop_all(self) -> None:
        """Cut every connection."""
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError, EOFError):
            while True:
                kind, flags, body = _read(connection)
                if self.is_mute:
                    continue
                if kind == CONNECT:
                    self.connects += 1
                    connection.sendall(bytes([CONNACK << 4, 2, 0, self.code]))
                    if self.code:
                        return
                elif kind == SUBSCRIBE:
                    self.subscriptions += 1
                    count = 0
                    at = 2
                    while at < len(body):
                        at += 3 + struct.unpack_from("!H", body, at)[0]
                        count += 1
                    connection.sendall(_packet(SUBACK, body[:2] + b"\x01" * count))
                    self.connections.append(connection)
                elif kind == PUBLISH:
                    self._published(connection, flags, body)
                elif kind == PINGREQ:
                    connection.sendall(b"\xd0\x00")

    def _published(self, connection: socket.socket, flags: int, body: bytes) -> None:
        (length,) = struct.unpack_from("!H", body)
        rest = body[2 + length :]
        if flags & 0b110:
            connection.sendall(_packet(PUBACK, rest[:2]))
            rest = rest[2:]
        self.published.append((body[2 : 2 + length].decode(), rest))


@contextmanager
def a_fake_broker(*, code: int = 0, is_mute: bool = False) -> Iterator[FakeBroker]:
    """A running fake broker."""
    listener = socket.create_server(("127.0.0.1", 0))
    broker = FakeBroker(listener.getsockname()[1], code, is_mute)
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                connection, _address = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=broker._serve, args=(connection,), daemon=True))
            threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield broker
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        broker.drop_all()
        acceptor.join(10)


def _packet(kind: int, body: bytes) -> bytes:
    length, encoded = len(body), bytearray()
    while True:
        length, digit = divmod(length, 128)
        encoded.append(digit | (0x80 if length else 0))
        if not length:
            return bytes([kind << 4]) + bytes(encoded) + body


def _read(connection: socket.socket) -> tuple[int, int, bytes]:
    first = _exactly(connection, 1)[0]
    length, shift = 0, 0
    while True:
        digit = _exactly(connection, 1)[0]
        length |= (digit & 0x7F) << shift
        shift += 7
        if not digit & 0x80:
            return first >> 4, first & 0x0F, _exactly(connection, length)


def _exactly(connection: socket.socket, count: int) -> bytes:
    content = b""
    while len(content) < count:
        part = connection.recv(count - len(content))
        if not part:
            raise EOFError
        content += part
    return content
