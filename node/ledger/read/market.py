"""The market as a whole: its name, its people, how much is sealed, and whether anything changed."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from node.ledger.connection import connect
from node.ledger.digest import state_digest
from node.ledger.names import node_id
from node.places import Places

PEOPLE_MAX = 200


@dataclass(frozen=True, slots=True)
class MarketFacts:
    """Who this market is. `node_id` is 26 characters, `group_id` hex."""

    name: str
    node_id: str
    group_id: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who works here. The name stays in this market; events carry the number."""

    number: int
    name: str


def open_reader(places: Places) -> sqlite3.Connection:
    """Open the market read-only. Raises LocalFault: missing, newer, damaged, unreadable."""
    return connect(places, is_read_only=True)


def data_version(connection: sqlite3.Connection) -> int:
    """Return a number that changes when another connection has committed."""
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    return int(version)


def market(connection: sqlite3.Connection) -> MarketFacts:
    """Return who this market is."""
    settings = dict(connection.execute("SELECT key, value FROM setting WHERE key IN ('name', 'group_id')").fetchall())
    (origin,) = connection.execute("SELECT origin FROM writer WHERE id = 1").fetchone()
    return MarketFacts(settings["name"], node_id(origin), settings["group_id"].hex())


def people(connection: sqlite3.Connection) -> list[Person]:
    """Return everybody who works here, by name."""
    rows = connection.execute("SELECT number, name FROM person ORDER BY name LIMIT ?", (PEOPLE_MAX,))
    return [Person(*row) for row in rows.fetchall()]


def pending_count(connection: sqlite3.Connection) -> int:
    """Return how many facts wait for their signature."""
    return _count(connection, "SELECT count(*) FROM pending")


def sealed_count(connection: sqlite3.Connection) -> int:
    """Return how many signed blocks there are."""
    return _count(connection, "SELECT count(*) FROM block")


def unknown_count(connection: sqlite3.Connection) -> int:
    """Return how many facts from newer software are kept but not understood."""
    return _count(connection, "SELECT count(*) FROM unknown_event")


def digest(connection: sqlite3.Connection) -> str:
    """Return the state digest, equal on every node with the same facts."""
    return state_digest(connection)


def _count(connection: sqlite3.Connection, query: str) -> int:
    (count,) = connection.execute(query).fetchone()
    return int(count)
