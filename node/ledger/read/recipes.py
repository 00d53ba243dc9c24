"""The market's own recipes, put together from their registers: bounded, made safe to draw, whoever wrote them.

Not the starter book. Owns the rule that two versions written apart are a question for a person: such a recipe can be
read and cooked, and is planned only once somebody has chosen.
"""

from __future__ import annotations

import sqlite3
from typing import cast

import msgspec

from node.domain.recipes import Recipe, RecipeLine
from node.ledger.events import RegisterValue
from node.text import safe_text

RECIPE_KEY_PREFIX = "recipe/"
RECIPE_FIELDS = (
    "title",
    "meal",
    "portions",
    "minutes",
    "lines",
    "steps",
    "parent",
    "batch_min",
    "batch_max",
    "theme",
    "language",
)
RECIPES_MAX = 300
# Every field of every recipe, some of them with a second version.
_ROWS_MAX = RECIPES_MAX * len(RECIPE_FIELDS) * 2
TITLE_CHARACTERS_MAX = 80
LINE_CHARACTERS_MAX = 200
STEP_CHARACTERS_MAX = 600
LINES_MAX = 64
STEPS_MAX = 64
PORTIONS_MAX = 1_000
MINUTES_MAX = 1_440
LINE_QUANTITY_MILLI_MAX = 1_000_000_000


def recipe_key(recipe_id: str, field: str) -> str:
    """Return the register key of a field of a recipe, the same on every node."""
    return f"{RECIPE_KEY_PREFIX}{recipe_id}/{field}"


def line_word(line: RecipeLine) -> str:
    """Return a line as one word of a register's list."""
    return msgspec.json.encode(line).decode("utf-8")


def market_recipes(connection: sqlite3.Connection) -> list[Recipe]:
    """Return the recipes that markets of this group wrote down, by id; at most 300."""
    rows = connection.execute(
        "SELECT key, value FROM reg_head WHERE key >= ? AND key < ? ORDER BY key, hlc DESC, stream DESC, seq DESC"
        " LIMIT ?",
        (RECIPE_KEY_PREFIX, RECIPE_KEY_PREFIX[:-1] + "0", _ROWS_MAX),
    ).fetchall()
    fields: dict[str, dict[str, list[RegisterValue]]] = {}
    for key, value in rows:
        recipe_id, _mark, field = key.removeprefix(RECIPE_KEY_PREFIX).rpartition("/")
        if field in RECIPE_FIELDS and recipe_id:
            decoded = msgspec.msgpack.decode(value, type=RegisterValue)
            fields.setdefault(recipe_id, {}).setdefault(field, []).append(cast(RegisterValue, decoded))
    found = [_recipe(recipe_id, values) for recipe_id, values in sorted(fields.items())]
    return [recipe for recipe in found if recipe.title][:RECIPES_MAX]


def _recipe(recipe_id: str, fields: dict[str, list[RegisterValue]]) -> Recipe:
    # What decides amounts and allergens must have one value; of a title the newest is shown.
    is_settled = all(len(fields.get(name, [])) <= 1 for name in ("lines", "portions", "batch_min", "batch_max", "meal"))
    batch_min = _number(fields, "batch_min", 1, PORTIONS_MAX) or 1
    return Recipe(
        recipe_id=recipe_id,
        title=_text(fields, "title", TITLE_CHARACTERS_MAX),
        meal=_text(fields, "meal", 20) or "main",
        portions=_number(fields, "portions", 0, PORTIONS_MAX) if is_settled else 0,
        minutes=_number(fields, "minutes", 0, MINUTES_MAX),
        lines=tuple(_line(word) for word in _words(fields, "lines")[:LINES_MAX]),
        batch_min=batch_min,
        batch_max=max(batch_min, _number(fields, "batch_max", 0, PORTIONS_MAX)),
        theme=_text(fields, "theme", 20),
        language=_text(fields, "language", 8) or "en",
        steps=tuple(safe_text(step, STEP_CHARACTERS_MAX) for step in _words(fields, "steps")[:STEPS_MAX]),
        parent=_text(fields, "parent", 80) or None,
    )


def _line(word: str) -> RecipeLine:
    try:
        line = msgspec.json.decode(word, type=RecipeLine)
    except (msgspec.DecodeError, UnicodeEncodeError):
        # Newer software or damage: kept as words, and the recipe is not planned with.
        return RecipeLine(text=safe_text(word, LINE_CHARACTERS_MAX))
    quantity = line.quantity_milli
    is_possible = quantity is not None and 0 < quantity <= LINE_QUANTITY_MILLI_MAX
    return msgspec.structs.replace(
        line, text=safe_text(line.text, LINE_CHARACTERS_MAX), quantity_milli=quantity if is_possible else None
    )


def _first(fields: dict[str, list[RegisterValue]], name: str) -> RegisterValue:
    return fields[name][0] if fields.get(name) else None


def _text(fields: dict[str, list[RegisterValue]], name: str, characters_max: int) -> str:
    value = _first(fields, name)
    return safe_text(value, characters_max) if isinstance(value, str) else ""


def _number(fields: dict[str, list[RegisterValue]], name: str, least: int, most: int) -> int:
    value = _first(fields, name)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return cast(int, value) if is_number and least <= cast(int, value) <= most else 0


def _words(fields: dict[str, list[RegisterValue]], name: str) -> list[str]:
    value = _first(fields, name)
    return value if isinstance(value, list) else []
