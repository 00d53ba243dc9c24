"""What a person has to look at in the catalogue: allergens nobody declared, ones taken off elsewhere, differing names.

Not an answer. Owns nothing; every line is worked out from the registers and from what is here.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

import msgspec

from node.domain.allergens import union
from node.ledger.declared import Declared, acting
from node.ledger.events import RegisterValue
from node.ledger.items import item_key, item_of_key
from node.ledger.read.goods import Item, item
from node.ledger.registers import heads

QUESTIONS_MAX = 200


@dataclass(frozen=True, slots=True)
class Weakened:
    """Allergens of an item that another market took off, and that count here until somebody here agrees."""

    item: Item
    allergens: tuple[str, ...]
    origin: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Differing:
    """An item that two markets named at the same time; the first name is the one shown."""

    item: Item
    names: tuple[str, ...]


def undeclared_here(connection: sqlite3.Connection) -> list[Item]:
    """Return the items we have on hand whose allergens nobody declared, by name; at most 200."""
    rows = connection.execute(
        "SELECT DISTINCT i.item_id, i.name FROM item i JOIN lot l ON l.item_id = i.item_id AND l.is_open = 1"
        " AND l.on_hand_milli > 0 AND l.member = (SELECT origin FROM writer WHERE id = 1)"
        " WHERE i.allergens IS NULL ORDER BY i.name, i.item_id LIMIT ?",
        (QUESTIONS_MAX,),
    ).fetchall()
    return [found for item_id, _name in rows if (found := item(connection, item_id)) is not None]


def weakened_elsewhere(connection: sqlite3.Connection) -> list[Weakened]:
    """Return what other markets took off an item and what still counts here, by item; at most 200."""
    rows = connection.execute(
        "SELECT DISTINCT d.key FROM declared d WHERE NOT EXISTS (SELECT 1 FROM reg_head r WHERE r.key = d.key"
        " AND r.stream = d.stream AND r.seq = d.seq) ORDER BY d.key LIMIT ?",
        (QUESTIONS_MAX,),
    ).fetchall()
    found = (_weakened(connection, str(key)) for (key,) in rows)
    return [each for each in found if each is not None]


def differing_names(connection: sqlite3.Connection) -> list[Differing]:
    """Return the items with more than one name, by item; at most 200."""
    rows = connection.execute(
        "SELECT key FROM reg_head WHERE key >= 'item/' AND key < 'item0' AND key LIKE '%/name'"
        " GROUP BY key HAVING count(DISTINCT value) > 1 ORDER BY key LIMIT ?",
        (QUESTIONS_MAX,),
    ).fetchall()
    differing = []
    for (key,) in rows:
        found = item(connection, item_of_key(key))
        names = tuple(dict.fromkeys(head.value for head in heads(connection, key) if isinstance(head.value, str)))
        if found is not None and len(names) > 1:
            differing.append(Differing(found, names))
    return differing


def _weakened(connection: sqlite3.Connection, key: str) -> Weakened | None:
    found = item(connection, item_of_key(key))
    if found is None:
        return None
    counting = acting(connection, key)
    living = _living(connection, key, counting)
    allergens, elsewhere = union(each.allergens for each in counting), union(each.allergens for each in living)
    if allergens is None or elsewhere is None or not living:
        return None
    still = tuple(code for code in allergens if code not in elsewhere)
    if not still:
        return None
    newest = living[-1]
    return Weakened(found, still, newest.member, _reason(connection, found.item_id, newest.member))


def _living(connection: sqlite3.Connection, key: str, counting: list[Declared]) -> list[Declared]:
    dots = {head.dot for head in heads(connection, key)}
    return [each for each in counting if each.dot in dots]


def _reason(connection: sqlite3.Connection, item_id: str, member: bytes) -> str:
    row = connection.execute(
        "SELECT value FROM reg_head WHERE key = ? AND member = ? ORDER BY hlc DESC LIMIT 1",
        (item_key(item_id, "allergens_reason"), member),
    ).fetchone()
    value: RegisterValue = None if row is None else msgspec.msgpack.decode(row[0], type=RegisterValue)
    return value[0] if isinstance(value, list) and value else ""
