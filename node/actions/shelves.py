"""Shelves that are weighed: which scale carries which items, and what a unit of each weighs. One register each.

Not the steps (`shelves_kept`, `shelves_decided`) and not the reading of a scale. A shelf belongs to the market that set
it; what is read from its scale stays local.
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass

import msgspec

from node.actions.checks import checked_words, known_item
from node.actions.once import done_before, finish
from node.actions.units import checked_sensor
from node.domain.shelf import ShelfItem
from node.domain.words import Unit
from node.errors import N_, Refused
from node.ledger.append import Appender
from node.ledger.events import RegisterSet, RegisterValue
from node.ledger.names import node_id
from node.ledger.registers import heads
from node.ledger.store import Transaction

SHELVES_MAX = 32
SHELF_NAME_CHARACTERS_MAX = 24
ITEMS_PER_SHELF_MAX = 8
UNIT_MG_MIN, UNIT_MG_MAX = 1_000, 50_000_000  # lighter than 1 g no shelf scale sees; heavier nobody lifts
SPREAD_SHARE_MAX = 2  # a spread above half a unit tells nothing apart
KEY_PREFIX = "shelf/"
TRUST, ASK = "trust", "ask"
_MG = 1_000
_GRAMS = re.compile(r"([0-9]{1,5})(?:[.,]([0-9]{1,3}))?\Z")


@dataclass(frozen=True, slots=True)
class Shelf:
    """One shelf on a scale. `sensor` is DEVICE/CHANNEL; `is_trusted` books probable steps without asking."""

    name: str
    sensor: str
    items: tuple[ShelfItem, ...]
    is_trusted: bool


def shelves(connection: sqlite3.Connection) -> list[Shelf]:
    """Return the shelves of this market by name; of concurrent writings the one that is shown."""
    row = connection.execute("SELECT origin FROM writer WHERE id = 1").fetchone()
    if row is None:
        return []
    prefix = f"{KEY_PREFIX}{node_id(row[0])}/"
    rows = connection.execute(
        "SELECT key, value FROM reg_head WHERE key >= ? AND key < ? AND member = ? ORDER BY key, hlc, stream, seq",
        (prefix, prefix[:-1] + "0", row[0]),
    )
    last = dict(rows.fetchall())
    found = [_shelf(key.removeprefix(prefix), value) for key, value in last.items()]
    return [shelf for shelf in found if shelf is not None][:SHELVES_MAX]


def shelf_named(connection: sqlite3.Connection, name: str) -> Shelf:
    """Return the shelf of that name, whatever case it is typed in. Raises Refused."""
    for shelf in shelves(connection):
        if shelf.name.lower() == name.strip().lower():
            return shelf
    raise Refused(
        "shelf.unknown",
        N_("There is no shelf '{name}' on a scale."),
        N_("See them with: larder shelf; make one with: larder shelf set"),
        name=name[:SHELF_NAME_CHARACTERS_MAX],
    )


def set_shelf(
    tx: Transaction,
    *,
    action_id: bytes,
    who: int,
    name: str,
    sensor: str,
    items: tuple[ShelfItem, ...],
    is_trusted: bool = False,
) -> Shelf:
    """Say which scale carries a shelf and which items lie on it, in place of what was said before. Raises Refused."""
    shelf = Shelf(_checked_name(name), checked_sensor(sensor), items, is_trusted)
    if done_before(tx, action_id) is not None:
        return shelf
    _check_items(tx, items)
    others = [other for other in shelves(tx.connection) if other.name.lower() != shelf.name.lower()]
    if len(others) >= SHELVES_MAX:
        raise Refused("shelf.too_many", N_("There are {most} shelves on scales already."), most=SHELVES_MAX)
    for other in others:
        if other.sensor == sensor:
            raise Refused(
                "shelf.scale_taken",
                N_("That scale carries the shelf {name} already."),
                N_("Take another channel, or end that one: larder shelf forget {name}"),
                name=other.name,
            )
    value: list[str] = [shelf.sensor, TRUST if is_trusted else ASK]
    for item in items:
        value += [item.item_id, str(item.unit_mg), str(item.spread_mg)]
    _write(tx, shelf.name, value, action_id=action_id, who=who)
    return shelf


def forget_shelf(tx: Transaction, *, action_id: bytes, who: int, name: str) -> Shelf | None:
    """Stop weighing a shelf. Steps that were decided stay; those that wait turn into suspicions. Raises Refused."""
    if done_before(tx, action_id) is not None:
        return None
    shelf = shelf_named(tx.connection, name)
    _write(tx, shelf.name, None, action_id=action_id, who=who)
    tx.connection.execute("DELETE FROM shelf_mark WHERE shelf = ?", (shelf.name,))
    tx.connection.execute(
        "UPDATE shelf_step SET state = 'expired', decided_ms = ? WHERE shelf = ? AND state = 'open'",
        (tx.moment.wall_ms, shelf.name),
    )
    return shelf


def parse_grams(text: str) -> int:
    """Read a typed weight in grams, such as `500` or `12.5`, as milligrams. Raises Refused."""
    match = _GRAMS.match(text.strip())
    if match is None:
        raise Refused(
            "shelf.grams",
            N_("'{text}' is not a weight in grams."),
            N_("Type grams such as 500 or 12.5."),
            text=text[:20],
        )
    whole, part = match.groups()
    return int(whole) * _MG + int((part or "").ljust(3, "0"))


def _checked_name(name: str) -> str:
    words = checked_words(name, field="name", characters_max=SHELF_NAME_CHARACTERS_MAX)
    if "/" in words:
        raise Refused("shelf.name", N_("The name of a shelf has no slash in it."), N_("Choose another name."))
    return words


def _check_items(tx: Transaction, items: tuple[ShelfItem, ...]) -> None:
    if not 0 < len(items) <= ITEMS_PER_SHELF_MAX or len({item.item_id for item in items}) != len(items):
        raise Refused(
            "shelf.items",
            N_("A shelf has one to {most} different items."),
            N_("Give each once, with its unit weight: --item ITEM --unit-weight GRAMS"),
            most=ITEMS_PER_SHELF_MAX,
        )
    for item in items:
        found = known_item(tx, item.item_id)
        if found.unit is not Unit.EACH:
            raise Refused(
                "shelf.loose",
                N_("{item} is not counted in pieces, so no step of a scale is a number of it."),
                N_("Weigh loose goods at the till."),
                item=found.name,
            )
        is_weight = UNIT_MG_MIN <= item.unit_mg <= UNIT_MG_MAX
        if not is_weight or not 0 <= item.spread_mg * SPREAD_SHARE_MAX <= item.unit_mg:
            raise Refused(
                "shelf.unit_weight",
                N_("A unit weighs 1 g to 50 kg, and units differ by at most half of that."),
                N_("Weigh ten units: a tenth of it is the unit weight."),
            )


def _write(tx: Transaction, name: str, value: RegisterValue, *, action_id: bytes, who: int) -> None:
    (origin,) = tx.connection.execute("SELECT origin FROM writer WHERE id = 1").fetchone()
    known = {shelf.name.lower(): shelf.name for shelf in shelves(tx.connection)}
    key = f"{KEY_PREFIX}{node_id(origin)}/{known.get(name.lower(), name)}"
    event = Appender(tx).append(RegisterSet(key, value, [head.dot for head in heads(tx.connection, key)]), who)
    finish(tx, [event], action_id=action_id, verb="shelf", who=who)


def _shelf(name: str, value: bytes) -> Shelf | None:
    """Return what a register says, None where it says that the shelf ended, or nothing that can be used."""
    words = msgspec.msgpack.decode(value)
    if not isinstance(words, list) or len(words) < 5 or (len(words) - 2) % 3 or words[1] not in (TRUST, ASK):
        return None
    try:
        items = tuple(ShelfItem(words[at], int(words[at + 1]), int(words[at + 2])) for at in range(2, len(words), 3))
    except ValueError:
        return None
    is_usable = all(UNIT_MG_MIN <= item.unit_mg <= UNIT_MG_MAX and item.spread_mg >= 0 for item in items)
    return Shelf(name, words[0], items, words[1] == TRUST) if is_usable else None
