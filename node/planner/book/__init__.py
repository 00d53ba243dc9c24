"""The starter book: recipes of our own that every market has from its first day, the same on every node.

Not the market's recipes (`node.ledger.read.recipes`). Every line names a food of the starter catalogue. Amounts are per
four portions, what a kitchen book of that dish would say; they are no promise about nutrition. A line is optional where
the dish is the same dish without it: salt, garlic, herbs, lemon. Optional lines count for allergens all the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import msgspec

from node.domain.recipes import Recipe

__all__ = ["BOOK_VERSION", "book_recipes"]

BOOK_VERSION = 2
"""Raised whenever recipes.json changes. Ids are never removed and never given to another recipe."""

_RECIPES = Path(__file__).parent / "recipes.json"


@lru_cache(maxsize=1)
def book_recipes() -> Mapping[str, Recipe]:
    """Return the recipes of the book by id. Raises msgspec.ValidationError where the file is damaged."""
    recipes = msgspec.json.decode(_RECIPES.read_bytes(), type=list[Recipe])
    by_id = {recipe.recipe_id: recipe for recipe in recipes}
    if len(by_id) != len(recipes):
        raise msgspec.ValidationError("the starter book names a recipe id twice")
    return MappingProxyType(by_id)
