"""Who belongs to the group, for screens, verbs and the sync engine. Names of other markets are text from outside."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from node.clock import ClockQuality
from node.errors import N_, Refused
from node.ledger.block import read_frame
from node.ledger.names import node_id
from node.ledger.roster import load_roster, retired_members
from node.text import safe_text

MEMBERS_MAX = 1_000
NAME_CELLS_MAX = 60
# A prefix of a node id shorter than this names nobody: it would too often be a word.
NODE_ID_PREFIX_MIN = 4
_IDS_SAID_MAX = 4


@dataclass(frozen=True, slots=True)
class OurRetirement:
    """By whom this market was retired (safe to draw), and when by that market's clock, which is as good as `clock`."""

    by_name: str
    wall_ms: int
    clock: ClockQuality


class Named(Protocol):
    """Anything with the name and the id of a market."""

    @property
    def name(self) -> str: ...

    @property
    def node_id(self) -> str: ...


Market = TypeVar("Market", bound=Named)


@dataclass(frozen=True, slots=True)
class Member:
    """One market of the group. `name` is safe to draw; `is_us` is this node, enrolled already or not yet."""

    origin: bytes
    name: str
    node_id: str
    is_us: bool
    is_steward: bool
    is_retired: bool


def members(connection: sqlite3.Connection) -> list[Member]:
    """Return every market of the group by name, this one first, retired ones too."""
    founder, us, own_name = _who_is_who(connection)
    retired = retired_members(connection)
    rows = dict(
        connection.execute("SELECT origin, name FROM member ORDER BY origin LIMIT ?", (MEMBERS_MAX,)).fetchall()
    )
    rows.setdefault(us, own_name)
    found = [
        Member(origin, _shown(name), node_id(origin), origin == us, origin == founder, origin in retired)
        for origin, name in rows.items()
    ]
    return sorted(found, key=lambda member: (not member.is_us, member.name.lower(), member.origin))


def member_named(connection: sqlite3.Connection, text: str) -> Member | None:
    """Return the market of that name (whatever its capitals) or of that beginning of a node id, None for nobody.

    Raises Refused where several are meant.
    """
    return the_one_named(members(connection), text)


def the_one_named(markets: Sequence[Market], text: str) -> Market | None:
    """Return the one of these markets that is meant by a name or by the beginning of a node id. Raises Refused."""
    wanted = text.strip().lower()
    found = [market for market in markets if market.name.lower() == wanted]
    if not found and len(wanted) >= NODE_ID_PREFIX_MIN:
        found = [market for market in markets if market.node_id.startswith(wanted)]
    if len(found) > 1:
        raise Refused(
            "member.ambiguous",
            N_("{count} markets are meant by {text}."),
            N_("Use the node id of one of them: {ids}."),
            count=len(found),
            text=safe_text(wanted, NAME_CELLS_MAX),
            ids=", ".join(market.node_id for market in found[:_IDS_SAID_MAX]),
        )
    return found[0] if found else None


def our_retirement(connection: sqlite3.Connection) -> OurRetirement | None:
    """Return who retired this market and when, None where no such block is here."""
    row = connection.execute(
        "SELECT b.frame FROM writer w JOIN retirement r ON r.member = w.origin"
        " JOIN block b ON b.stream = r.stream AND r.seq BETWEEN b.first_seq AND b.first_seq + b.event_count - 1"
        " WHERE w.id = 1 ORDER BY r.seq LIMIT 1"
    ).fetchone()
    if row is None:
        return None
    header = read_frame(row[0]).header
    name = connection.execute("SELECT name FROM member WHERE origin = ?", (header.origin,)).fetchone()
    return OurRetirement(_shown(name[0] if name else ""), header.hlc_base, ClockQuality(header.clock))


def member_keys(connection: sqlite3.Connection) -> dict[bytes, bytes]:
    """Return origin to public key of every market that may write now: retired ones left out, this node in."""
    keys = load_roster(connection).keys
    _founder, us, _name = _who_is_who(connection)
    silenced = retired_members(connection) - {us}
    return {origin: key for origin, key in keys.items() if origin not in silenced}


def _who_is_who(connection: sqlite3.Connection) -> tuple[bytes, bytes, str]:
    (us,) = connection.execute("SELECT origin FROM writer WHERE id = 1").fetchone()
    (own_name,) = connection.execute("SELECT value FROM setting WHERE key = 'name'").fetchone()
    return load_roster(connection).founder, us, own_name


def _shown(name: str) -> str:
    return safe_text(name, NAME_CELLS_MAX).strip() or "?"
