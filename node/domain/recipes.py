"""Recipes as values: their lines, how an amount grows with the portions, and what makes one plannable.

Not a store and not a file format. Owns two rules: an amount that is not a number is never guessed (such a recipe can be
cooked, not planned), and what a dish needs is never rounded down.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from math import isqrt

import msgspec

from node.domain.words import Unit

MEALS = ("main", "breakfast")
WHOLE_MILLI = 1000
PARENTS_MAX = 64  # a line of forks longer than this is a loop or an attack
_SQRT_DIGITS = 10**6  # the root of a ratio is taken to a millionth


class Scale(StrEnum):
    """How an amount follows the number of portions: salt and spice less than linearly, a pan of water not at all."""

    LINEAR = "linear"
    SQRT = "sqrt"
    FIXED = "fixed"


_LINEAR, _FIXED = Scale.LINEAR, Scale.FIXED  # planners ask for an amount by the thousand: each dot takes its time


class RecipeLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One ingredient for all portions of its recipe. `text` is the line as it was written.

    `item_id` None: nobody said which food it is. `quantity_milli` None: "to taste", a range, or not understood.
    `unit` is the unit of the item, `group` a name under which foods may stand for one another.
    """

    text: str = ""
    item_id: str | None = None
    quantity_milli: int | None = None
    unit: Unit = Unit.GRAM
    optional: bool = False
    scale: Scale = Scale.LINEAR
    group: str = ""


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One recipe. `portions` 0 means nobody said for how many; `minutes` are those at work.

    `batch_min` and `batch_max` are portions of one pot. `parent` is the recipe it was changed from.
    """

    recipe_id: str
    title: str
    meal: str
    portions: int
    minutes: int
    lines: tuple[RecipeLine, ...]
    batch_min: int = 1
    batch_max: int = 200
    theme: str = ""
    language: str = "en"
    steps: tuple[str, ...] = ()
    parent: str | None = None


def is_plannable(recipe: Recipe) -> bool:
    """Tell whether every amount is known: portions, and food and quantity of each line that is not optional."""
    return (
        recipe.portions > 0
        and recipe.meal in MEALS
        and any(not line.optional for line in recipe.lines)
        and all(line.optional or (line.item_id is not None and bool(line.quantity_milli)) for line in recipe.lines)
        # An optional line nobody linked to a food could hold any allergen.
        and all(line.item_id is not None for line in recipe.lines)
    )


def scale_quantity(quantity_milli: int, scale: Scale, *, portions: int, to: int) -> int:
    """Return an amount for `to` portions of one given for `portions`, thousandths, rounded up.

    Linear amounts that grow by a whole factor come back exactly when scaled down again.
    """
    if scale is _LINEAR:
        return -(-quantity_milli * to // portions)
    if scale is _FIXED:
        return quantity_milli
    root = isqrt(to * _SQRT_DIGITS * _SQRT_DIGITS // portions)
    return -(-quantity_milli * root // _SQRT_DIGITS)


def scaled(recipe: Recipe, to: int) -> Recipe:
    """Return the recipe for another number of portions, every quantified line scaled by its own rule."""
    lines = tuple(
        line
        if line.quantity_milli is None
        else msgspec.structs.replace(
            line, quantity_milli=scale_quantity(line.quantity_milli, line.scale, portions=recipe.portions, to=to)
        )
        for line in recipe.lines
    )
    return msgspec.structs.replace(recipe, portions=to, lines=lines)


def amounts(recipe: Recipe, portions: int) -> dict[str, int]:
    """Return what a dish needs of each item, thousandths of its unit; optional lines left out.

    Rounded up to whole grams, millilitres and pieces: nobody weighs a part of a gram into a pot.
    """
    needed: dict[str, int] = {}
    for line in recipe.lines:
        if line.optional or line.item_id is None or line.quantity_milli is None:
            continue
        amount = scale_quantity(line.quantity_milli, line.scale, portions=recipe.portions, to=portions)
        needed[line.item_id] = needed.get(line.item_id, 0) + amount
    return {item_id: -(-amount // WHOLE_MILLI) * WHOLE_MILLI for item_id, amount in needed.items()}


def portions_possible(recipe: Recipe, free_milli: Mapping[str, int], most: int) -> int:
    """Return for how many portions, at most `most`, there is enough of everything. `free_milli` is free per item."""
    limit, is_exact, seen = most, True, set()
    for line in recipe.lines:
        item_id, quantity_milli = line.item_id, line.quantity_milli
        if line.optional or item_id is None or not quantity_milli:
            continue
        free = free_milli.get(item_id, 0)
        if line.scale is _LINEAR:
            possible = free // WHOLE_MILLI * WHOLE_MILLI * recipe.portions // quantity_milli
            if possible < limit:
                limit = possible
        elif free < WHOLE_MILLI:
            return 0
        else:
            is_exact = False
        if item_id in seen:
            is_exact = False
        seen.add(item_id)
    if is_exact:  # each line by itself says how far its food goes
        return max(0, limit)
    low, high = 0, limit + 1  # enough for `low`, not for `high`: amounts never shrink with portions
    middle = limit
    while high - low > 1:
        enough = all(free_milli.get(item_id, 0) >= amount for item_id, amount in amounts(recipe, middle).items())
        low, high = (middle, high) if enough else (low, middle)
        middle = (low + high) // 2
    return low
