"""Clients for tests: a BrokerLink that remembers what arrived."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from node.places import Places
from node.sync.broker import own_secret
from node.sync.certificates import read_certificate
from node.sync.effects import LinkDown, LinkUp, Received
from node.sync.mqtt import Address, BrokerLink, LinkEvent, Login, Will
from node.sync.pinning import pinned_context
from tests.node.sync.brokers import RunningBroker, wait_until


@dataclass(slots=True)
class Remembered:
    """Everything a link said, in order."""

    events: list[LinkEvent] = field(default_factory=list)

    @property
    def received(self) -> list[Received]:
        return [event for event in list(self.events) if isinstance(event, Received)]

    def count(self, kind: type[LinkUp] | type[LinkDown]) -> int:
        return sum(isinstance(event, kind) for event in list(self.events))


def a_link(
    login: Login,
    addresses: Sequence[Address],
    remembered: Remembered,
    *,
    topics: Sequence[str] = ("larder/1/#",),
    will: Will | None = None,
    certificate: bytes | None = None,
) -> BrokerLink:
    """A link that is not started yet."""
    tls = None if certificate is None else pinned_context(certificate)
    return BrokerLink(
        "test",
        addresses,
        login,
        topics=topics,
        will=will,
        tls=tls,
        on_event=remembered.events.append,
        spread=lambda: 0.0,
    )


@contextmanager
def connected(
    broker: RunningBroker,
    login: Login,
    *,
    topics: Sequence[str] = ("larder/1/#",),
    will: Will | None = None,
    is_tls: bool = False,
) -> Iterator[tuple[BrokerLink, Remembered]]:
    """A link that is up at a running broker, over TLS where asked, and what it remembers."""
    remembered = Remembered()
    port = broker.tls_port if is_tls else broker.port
    certificate = read_certificate(broker.places.tls_certificate) if is_tls else None
    link = a_link(login, [Address("127.0.0.1", port)], remembered, topics=topics, will=will, certificate=certificate)
    link.start()
    try:
        wait_until(lambda: link.state().is_up, f"the link to {broker.kind} ({link.state().reason})")
        yield link, remembered
    finally:
        link.stop()


def own_login(places: Places, node_id: str) -> Login:
    """How a market logs in at its own broker."""
    return Login(node_id, own_secret(places))
