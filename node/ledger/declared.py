"""Which allergens count for an item at this market: what anybody declared, less what our own people took off.

Not the field as it travels (`registers`). Owns the rule that a declaration is weakened market by market: others add to
it at once; what one of them takes off counts here until somebody here has said so as well.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

import msgspec

from node.domain.allergens import ALLERGENS, Declaration, union
from node.domain.lots import Dot
from node.ledger.events import Event, RegisterSet, RegisterValue

ALLERGENS_FIELD = "/allergens"
_ITEM_PREFIX = "item/"
_ENCODER = msgspec.msgpack.Encoder()


class Declared(NamedTuple):
    """One market's declaration. It stands in for those of `over` and for all that those had stood in for."""

    dot: Dot
    member: bytes
    value: RegisterValue
    over: tuple[Dot, ...]

    @property
    def allergens(self) -> Declaration:
        """Return the codes; "not declared" where a word is none of the 14: that was said, and cannot be read here."""
        is_read = isinstance(self.value, list) and set(self.value) <= set(ALLERGENS)
        return tuple(self.value) if isinstance(self.value, list) and is_read else None


def is_declaration(key: str) -> bool:
    """Tell whether a register is the allergens of an item."""
    return key.startswith(_ITEM_PREFIX) and key.endswith(ALLERGENS_FIELD)


def keep_declaration(connection: sqlite3.Connection, event: Event, fact: RegisterSet, member: bytes) -> None:
    """Keep a declaration, living or replaced: what it says may still count here."""
    connection.execute(
        "INSERT INTO declared (key, stream, seq, member, value, over) VALUES (?, ?, ?, ?, ?, ?)",
        (fact.key, *event.dot, member, _ENCODER.encode(fact.value), _ENCODER.encode(fact.over)),
    )


def acting(connection: sqlite3.Connection, key: str) -> list[Declared]:
    """Return the declarations that count at this market: all but those that one of our own stands in for."""
    rows = connection.execute(
        "SELECT stream, seq, member, value, over FROM declared WHERE key = ? ORDER BY stream, seq", (key,)
    ).fetchall()
    found = {
        Dot(stream, seq): Declared(
            Dot(stream, seq),
            member,
            msgspec.msgpack.decode(value, type=RegisterValue),
            tuple(msgspec.msgpack.decode(over, type=list[Dot])),
        )
        for stream, seq, member, value, over in rows
    }
    row = connection.execute("SELECT origin FROM writer WHERE id = 1").fetchone()
    us = row[0] if row else None
    replaced: set[Dot] = set()
    waiting = [dot for each in found.values() if each.member == us for dot in each.over]
    while waiting:
        dot = waiting.pop()
        if dot not in replaced:
            replaced.add(dot)
            waiting += found[dot].over if dot in found else ()
    return [each for dot, each in found.items() if dot not in replaced]


def safest(declarations: list[Declared]) -> Declaration:
    """Return the union of declarations; "not declared" in any of them stays not declared."""
    return union(each.allergens for each in declarations)
