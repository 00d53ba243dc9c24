"""Every recipe of this market: the starter book and what the markets of the group wrote down.

Not a writer. Owns the lineage: a recipe's parents are a line that ends, at most 64 long.
"""

from __future__ import annotations

import sqlite3

from node.domain.recipes import PARENTS_MAX, Recipe
from node.errors import N_, Refused
from node.ledger.read.recipes import market_recipes
from node.planner.book import book_recipes


def all_recipes(connection: sqlite3.Connection) -> dict[str, Recipe]:
    """Return every recipe by id. A market's recipe never takes the place of one of the book."""
    return {recipe.recipe_id: recipe for recipe in market_recipes(connection)} | dict(book_recipes())


def check_parent(recipes: dict[str, Recipe], parent: str) -> None:
    """Refuse a parent that is not known, or whose own parents go in a circle or too far back."""
    seen: set[str] = set()
    current: str | None = parent
    while current is not None:
        if current not in recipes:
            raise Refused(
                "recipe.parent_unknown",
                N_("The recipe it was changed from is not known here: {parent}."),
                N_("See the ids with: larder recipe list"),
                parent=current[:60],
            )
        if current in seen or len(seen) >= PARENTS_MAX - 1:
            raise Refused(
                "recipe.parents",
                N_("The line of recipes it was changed from goes in a circle, or is longer than {most}."),
                N_("Name another one, or none."),
                most=PARENTS_MAX,
            )
        seen.add(current)
        current = recipes[current].parent


def find_recipe(recipes: dict[str, Recipe], typed: str) -> Recipe:
    """Return the one recipe that was named by id, by title or by a part of its title. Raises Refused."""
    text = typed.strip().lower()
    for wanted in (text, f"book/{text}"):
        if wanted in recipes:
            return recipes[wanted]
    exact = [recipe for recipe in recipes.values() if recipe.title.lower() == text]
    found = exact or [recipe for recipe in recipes.values() if text and text in recipe.title.lower()]
    if len(found) == 1:
        return found[0]
    if found:
        raise Refused(
            "recipe.several",
            N_("'{typed}' could be several recipes."),
            N_("Name one by its id: {ids}"),
            typed=typed[:60],
            ids=", ".join(sorted(recipe.recipe_id for recipe in found)[:5]),
        )
    raise Refused(
        "recipe.unknown",
        N_("No recipe is known by '{typed}'."),
        N_("See them with: larder recipe list"),
        typed=typed[:60],
    )
