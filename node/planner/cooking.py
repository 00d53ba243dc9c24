"""Cook a dish of an accepted plan, after looking again whether everybody it was planned for can still eat it.

Not the act itself (`node.actions.plans`). Owns the rule that an accepted plan stays advice: an allergen that was
declared since, or a declaration that was taken back, stops the dish before anything leaves the stock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

import msgspec

from node.actions.once import done_before
from node.actions.plans import Cooked, cook_dish
from node.domain.diets import conflict
from node.domain.lots import Dot
from node.domain.recipes import Recipe, RecipeLine
from node.errors import N_, Refused
from node.ledger.read.plans import AcceptedDish, find_dish
from node.ledger.store import Transaction
from node.planner.cookbook import all_recipes
from node.planner.snapshot import foods_of
from node.planner.validator import conflict_fault
from node.planner.words import fault_text

Avoided = Sequence[tuple[str, ...]]


def cook_planned(
    tx: Transaction,
    *,
    action_id: bytes,
    who: int,
    dish: Dot,
    avoided: Avoided,
    portions: int | None = None,
    yes: frozenset[str] = frozenset(),
) -> Cooked:
    """Cook a dish as `cook_dish` does. `avoided` is what the people it was planned for leave out.

    Raises Refused `dish.unsafe_now` where one of them can no longer eat it, and whatever `cook_dish` raises.
    """
    found = find_dish(tx.connection, dish)
    if found is not None and found.cooked_portions is None and done_before(tx, action_id) is None:
        check_still_safe(tx.connection, found, avoided)
    return cook_dish(tx, action_id=action_id, who=who, dish=dish, portions=portions, yes=yes)


def check_still_safe(connection: sqlite3.Connection, dish: AcceptedDish, avoided: Iterable[tuple[str, ...]]) -> None:
    """Judge a dish against what is declared now. Raises Refused."""
    recipe = _as_it_is_now(connection, dish)
    foods = foods_of(connection, [recipe])
    for avoid in sorted(set(avoided)):
        against = conflict(recipe, avoid, foods)
        if against is not None:
            raise Refused(
                "dish.unsafe_now",
                N_("Since this plan was accepted, something has changed. {reason}"),
                N_("Withdraw the plan and plan again. What is in the pot already goes out with larder issue."),
                reason=fault_text(conflict_fault(against, "", recipe.title)),
            )


def _as_it_is_now(connection: sqlite3.Connection, dish: AcceptedDish) -> Recipe:
    """Return the recipe with the food that the plan reserves: what it was planned with is in the pot all the same."""
    recipe = all_recipes(connection).get(dish.recipe_id)
    if recipe is None:
        recipe = Recipe(dish.recipe_id, dish.recipe_id, dish.meal, dish.portions, 0, ())
    known = {line.item_id for line in recipe.lines}
    reserved = tuple(RecipeLine(item_id=item_id) for item_id in sorted(dish.items) if item_id not in known)
    return msgspec.structs.replace(recipe, lines=(*recipe.lines, *reserved))
