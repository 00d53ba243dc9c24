"""Food that is here, that recipes need, and whose allergens nobody declared: a question for a person, not a silence.

Not a judgement (`node.domain.diets`): what declares nothing stays unsafe for whoever has an allergy. What is said here
is about the food and never about anybody's needs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from node.domain.diets import Need
from node.domain.recipes import Recipe
from node.language import _, ngettext
from node.ledger.read.goods import Item, item
from node.planner.plan import Snapshot
from node.text import safe_text

NAMED_MAX = 5
NAME_CELLS = 40


def asks_for_allergens(needs: Iterable[Need]) -> bool:
    """Tell whether anybody leaves out an allergen: only then does it matter tonight."""
    return any(token.startswith("allergen:") for need in needs for token in need.avoid)


def undeclared_in(connection: sqlite3.Connection, recipes: Iterable[Recipe]) -> list[Item]:
    """Return the foods of these recipes whose allergens nobody declared, by name."""
    wanted = sorted({line.item_id for recipe in recipes for line in recipe.lines if line.item_id})
    found = (item(connection, item_id) for item_id in wanted)
    return sorted(
        (each for each in found if each is not None and each.allergens is None),
        key=lambda each: (each.name, each.item_id),
    )


def undeclared_stock(connection: sqlite3.Connection, snapshot: Snapshot) -> list[Item]:
    """Return what of the free stock of a snapshot recipes need and nobody declared, by name."""
    here = {bucket.item_id for bucket in snapshot.stock}
    return [each for each in undeclared_in(connection, snapshot.recipes) if each.item_id in here]


def undeclared_line(items: Sequence[Item]) -> str:
    """Return the question about some of these foods in one sentence, with what to do."""
    names = ", ".join(safe_text(each.name, NAME_CELLS) for each in items[:NAMED_MAX])
    more = len(items) - NAMED_MAX
    if more > 0:
        names += " " + ngettext("and {count} more", "and {count} more", more).format(count=more)
    return _("allergens not declared: {names}; read the label, then larder item allergens {item_id} LIST").format(
        names=names, item_id=items[0].item_id
    )
