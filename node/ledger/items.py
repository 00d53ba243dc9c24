"""The table `item`: what the starter catalogue says, overridden by what the registers say.

Not the catalogue and not the registers. Derived: any row can be computed again from both. Par levels are kept per
market and only our own is shown.
"""

from __future__ import annotations

import sqlite3

import msgspec

from node.domain.allergens import Declaration, union
from node.domain.words import UNIT_WORDS, Unit
from node.ledger.declared import Declared, acting, safest
from node.ledger.events import RegisterValue
from node.ledger.names import node_id
from node.ledger.registers import shown
from node.ledger.starter import StarterFood, starter_foods

ITEM_KEY_PREFIXES = ("item/", "par/")
GTIN_ITEM_PREFIX = "gtin/"


def item_key(item_id: str, field: str) -> str:
    """Return the register key of a field of an item, the same on every node."""
    return f"item/{item_id}/{field}"


def par_key(item_id: str, origin: bytes) -> str:
    """Return the register key of one market's own par level of an item."""
    return f"par/{item_id}/{node_id(origin)}"


def gtin_item_id(gtin14: str) -> str:
    """Return the identity of an item with a trade item number."""
    return f"{GTIN_ITEM_PREFIX}{gtin14}"


def item_of_key(key: str) -> str:
    """Return the id of the item that a register key with one of the prefixes is about."""
    return key.split("/", 1)[1].rsplit("/", 1)[0]


def insert_starter_items(connection: sqlite3.Connection) -> None:
    """Put every starter food into the table, before any register is folded."""
    for item_id in starter_foods():
        refresh_item(connection, item_id)


def refresh_item(connection: sqlite3.Connection, item_id: str) -> None:
    """Compute one row again from the starter catalogue and the registers."""
    foods = starter_foods()
    own = foods.get(item_id)
    like = _text(connection, item_id, "like")
    model = own or foods.get(like or "")
    name = _text(connection, item_id, "name") or (own.name if own else None) or item_id
    unit = shown(connection, item_key(item_id, "unit"))
    declared = acting(connection, item_key(item_id, "allergens"))
    connection.execute(
        "INSERT OR REPLACE INTO item (item_id, name, unit, storage, allergens, shelf_life_days, par_milli, like,"
        " is_starter, search) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            item_id,
            name,
            _known_unit(unit, model),
            _text(connection, item_id, "storage") or (model.storage if model else None),
            _declaration_text(_safest(declared, own)),
            model.shelf_life_days if model else None,
            _par_milli(connection, item_id),
            like,
            int(own is not None),
            f"{name} {item_id}".lower(),
        ),
    )


def _text(connection: sqlite3.Connection, item_id: str, field: str) -> str | None:
    value = shown(connection, item_key(item_id, field))
    return value if isinstance(value, str) else None


def _known_unit(value: RegisterValue, model: StarterFood | None) -> int:
    """Return what a register says, where it is a unit at all: any member may have written it."""
    if isinstance(value, int) and not isinstance(value, bool) and value in set(Unit):
        return value
    return int(_unit(model))


def _unit(food: StarterFood | None) -> Unit:
    words = {word: unit for unit, word in UNIT_WORDS.items()}
    return words[food.unit] if food else Unit.EACH


def _declared(food: StarterFood | None) -> Declaration:
    # What is like a starter food is not that food: a branded product's allergens are on its own label.
    return None if food is None or food.allergens is None else tuple(food.allergens)


def _safest(written: list[Declared], own: StarterFood | None) -> Declaration:
    """Combine what markets wrote with what the starter catalogue declares: no market takes an allergen off for all."""
    declared = _declared(own)
    if not written:
        return declared
    return safest(written) if declared is None else union([safest(written), declared])


def _declaration_text(declaration: Declaration) -> str | None:
    return None if declaration is None else msgspec.json.encode(declaration).decode("ascii")


def _par_milli(connection: sqlite3.Connection, item_id: str) -> int | None:
    row = connection.execute("SELECT origin FROM writer WHERE id = 1").fetchone()
    if row is None:
        return None
    # Only our own word sets our par level; the key names the market it is of.
    found = connection.execute(
        "SELECT value FROM reg_head WHERE key = ? AND member = ? ORDER BY hlc DESC, stream DESC, seq DESC LIMIT 1",
        (par_key(item_id, row[0]), row[0]),
    ).fetchone()
    value = None if found is None else msgspec.msgpack.decode(found[0], type=RegisterValue)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
