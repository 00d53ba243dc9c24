"""Which brokers this market is connected to: its own, and that of each paired market. Opened and closed as rows change.

Not a connection (`mqtt`). Owns the rule that one reachable side of a pair is enough: everything is published at and
read from every broker there is.
"""

from __future__ import annotations

import json
import sqlite3
import ssl
from collections.abc import Callable
from random import Random
from threading import Thread
from typing import NamedTuple

from node.errors import N_
from node.ledger.names import node_id
from node.places import Places
from node.settings import SyncSettings
from node.sync.broker import PEERS_MAX, own_secret
from node.sync.effects import Kind
from node.sync.health import LinkRow
from node.sync.messages import build_topic
from node.sync.mqtt import STOP_WITHIN_S, Address, BrokerLink, LinkEvent, Login, Will
from node.sync.pinning import PinnedContext, pinned_context
from node.sync.rights import peer_rights

OWN = "own"
ADDRESSES_MAX = 8
ADDRESS_CHARACTERS_MAX = 255
PORT_MAX = 65_535


class PairedRow(NamedTuple):
    """What a row of a paired market says about reaching its broker."""

    origin: bytes
    addresses: frozenset[Address]
    in_order: tuple[Address, ...]
    certificate: bytes | None
    secret: str | None


def address_of(text: str) -> Address:
    """Return `host:port` (or `[::1]:port`) taken apart. Raises ValueError."""
    host, colon, port = text.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or len(text) > ADDRESS_CHARACTERS_MAX or not (port.isascii() and port.isdigit()):
        raise ValueError("an address is host:port")
    if any(character.isspace() or not character.isprintable() for character in host):
        raise ValueError("an address is host:port")
    if not 0 < int(port) <= PORT_MAX:
        raise ValueError("a port is 1 to 65535")
    return Address(host, int(port))


def paired_rows(connection: sqlite3.Connection) -> list[PairedRow]:
    """Return the markets that are paired now and not retired. An address that is none is left out."""
    rows = connection.execute(
        "SELECT origin, addresses, certificate, secret FROM peer WHERE is_active = 1"
        " AND origin NOT IN (SELECT member FROM retirement)"
        " ORDER BY paired_ms, origin LIMIT ?",
        (PEERS_MAX,),
    ).fetchall()
    found = []
    for origin, addresses, certificate, secret in rows:
        in_order = _addresses(addresses)
        found.append(PairedRow(origin, frozenset(in_order), in_order, certificate, secret))
    return found


class Links:
    """All connections of one group. Belongs to the driver's thread."""

    def __init__(
        self,
        places: Places,
        settings: SyncSettings,
        *,
        me: bytes,
        group: bytes,
        on_event: Callable[[LinkEvent], None],
        rng: Random,
    ) -> None:
        self._places = places
        self._settings = settings
        self._my_id = node_id(me)
        self._topics = peer_rights(group, self._my_id).reads
        self._will = Will(build_topic(group, Kind.BYE, me), b"")
        self._on_event = on_event
        self._rng = rng
        self._links: dict[str, BrokerLink] = {}
        self._made_for: dict[str, PairedRow] = {}
        self._unusable: dict[str, str] = {}

    def follow(self, rows: list[PairedRow], *, is_expecting: bool = False) -> None:
        """Open and close connections so that they are those of the markets paired now.

        A market without any pair has nobody to talk to, so its own broker is not even tried; unless `is_expecting`
        somebody who was retired and is to be told.
        """
        wanted = {node_id(row.origin): row for row in rows}
        changed = [name for name, row in self._made_for.items() if not _is_same(row, wanted.get(name))]
        for name in changed:
            self._close(name)
        for name in [name for name in self._unusable if name != OWN]:
            del self._unusable[name]
        for name, row in wanted.items():
            if name not in self._links:
                self._open_peer(name, row)
        is_needed = bool(wanted) or is_expecting
        if is_needed and OWN not in self._links:
            self._open_own()
        elif not is_needed:
            self._close(OWN)

    def publish(self, topic: str, payload: bytes, *, qos: int, is_retained: bool) -> None:
        """Send at every broker that is connected."""
        for link in self._links.values():
            link.publish(topic, payload, qos=qos, is_retained=is_retained)

    def tend(self) -> None:
        """Look after every connection; called about each second."""
        for link in self._links.values():
            link.tend()

    def retry_now(self) -> None:
        """Try again at once what is down."""
        for link in self._links.values():
            link.retry_now()

    def address_of(self, name: str) -> Address | None:
        """Return the address by which a market is reached now."""
        link = self._links.get(name)
        return None if link is None or not link.state().is_up else link.address

    def rows(self) -> list[LinkRow]:
        """Return how every connection is, our own first."""
        states = {name: link.state() for name, link in sorted(self._links.items(), key=lambda pair: pair[0] != OWN)}
        rows = [LinkRow(name, state.address, state.is_up, state.reason) for name, state in states.items()]
        return rows + [LinkRow(name, "", False, reason) for name, reason in sorted(self._unusable.items())]

    def close(self) -> None:
        """Say goodbye everywhere and end."""
        self.publish(self._will.topic, self._will.payload, qos=0, is_retained=False)
        endings = [Thread(target=link.stop, daemon=True) for link in self._links.values()]
        for ending in endings:
            ending.start()
        for ending in endings:
            ending.join(STOP_WITHIN_S)
        self._links.clear()
        self._made_for.clear()

    def _open_own(self) -> None:
        self._unusable.pop(OWN, None)
        if not self._settings.broker:
            return
        try:
            address = address_of(self._settings.broker)
        except ValueError:
            self._unusable[OWN] = N_("the address of the broker in larder.toml is no host:port")
            return
        self._open(OWN, [address], Login(self._my_id, own_secret(self._places)), None)

    def _open_peer(self, name: str, row: PairedRow) -> None:
        if not row.in_order or row.secret is None or row.certificate is None:
            self._unusable[name] = N_("it gave no address of its own; it can only come to our broker")
            return
        try:
            tls = pinned_context(row.certificate)
        except ssl.SSLError:
            self._unusable[name] = N_("its certificate cannot be used; pair with it again")
            return
        self._made_for[name] = row
        self._open(name, row.in_order, Login(self._my_id, row.secret), tls)

    def _open(
        self, name: str, addresses: tuple[Address, ...] | list[Address], login: Login, tls: PinnedContext | None
    ) -> None:
        link = BrokerLink(
            name,
            addresses,
            login,
            topics=self._topics,
            will=self._will,
            tls=tls,
            on_event=self._on_event,
            spread=self._rng.random,
        )
        self._links[name] = link
        link.start()

    def _close(self, name: str) -> None:
        self._made_for.pop(name, None)
        link = self._links.pop(name, None)
        if link is not None:
            link.stop()


def _is_same(before: PairedRow, now: PairedRow | None) -> bool:
    """Tell whether a connection made for `before` serves `now`: the order of its addresses changes by itself."""
    return now is not None and before._replace(in_order=()) == now._replace(in_order=())


def _addresses(text: str) -> tuple[Address, ...]:
    try:
        listed = json.loads(text)
    except ValueError:
        return ()
    found: list[Address] = []
    for one in listed if isinstance(listed, list) else []:
        try:
            address = address_of(str(one))
        except ValueError:
            continue
        if address not in found and len(found) < ADDRESSES_MAX:
            found.append(address)
    return tuple(found)
