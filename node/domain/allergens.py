"""The 14 allergens of Regulation (EU) No 1169/2011, Annex II, and how declarations combine.

Owns the rule that what is not declared is unsafe: None means "not declared" and survives every union.
"""

from __future__ import annotations

from collections.abc import Iterable

ALLERGENS = (
    "gluten",
    "crustaceans",
    "eggs",
    "fish",
    "peanuts",
    "soy",
    "milk",
    "nuts",
    "celery",
    "mustard",
    "sesame",
    "sulphites",
    "lupin",
    "molluscs",
)

Declaration = tuple[str, ...] | None
"""The allergens declared for an item, in the order of Annex II; None where nothing was declared."""


def union(declarations: Iterable[Declaration]) -> Declaration:
    """Combine declarations to the safest: every allergen named by any of them, and "not declared" wins over all."""
    named: set[str] = set()
    for declaration in declarations:
        if declaration is None:
            return None
        named.update(declaration)
    return tuple(code for code in ALLERGENS if code in named)
