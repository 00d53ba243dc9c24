"""What the greedy planner can choose from: the recipes of a snapshot that fill a pot for somebody, worked out once.

Not a planner: it prefers nothing. All attempts share these values, and what one of them worked out serves the next.
"""

from __future__ import annotations

from dataclasses import dataclass

from node.domain.recipes import Recipe, amounts
from node.planner.kitchen import fillable_pots, only_dishes
from node.planner.plan import Snapshot


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A recipe with all that stays the same while meals are planned.

    `number` is its place among them, in the alphabet's order. `pot` is the smallest and `most` the largest number of
    portions. `eaters` are the classes that can eat it, by their place in the snapshot, and `only_for` those of them
    without another dish. `known_needs` remembers what `needs` worked out.
    """

    number: int
    recipe: Recipe
    pot: int
    most: int
    eaters: tuple[int, ...]
    only_for: frozenset[int]
    known_needs: dict[int, dict[str, int]]

    def needs(self, portions: int) -> dict[str, int]:
        """Return what so many portions take of each item, thousandths."""
        known = self.known_needs.get(portions)
        if known is None:
            known = self.known_needs[portions] = amounts(self.recipe, portions)
        return known


def candidates(snapshot: Snapshot) -> list[Candidate]:
    """Return what can be cooked of a canonical snapshot on its first day, by recipe id."""
    pots = fillable_pots(snapshot)
    only = only_dishes(snapshot, pots)
    eaten_by: dict[str, list[int]] = {name: [] for name in pots}
    for place, each in enumerate(snapshot.classes):
        for name in each.recipes:
            if name in pots:
                eaten_by[name].append(place)
    cookable = [(name, pot) for name, pot in pots.items() if pot.portions <= pot.recipe.batch_max]
    return [
        Candidate(
            number=number,
            recipe=pot.recipe,
            pot=pot.portions,
            most=min(pot.recipe.batch_max, pot.people),
            eaters=tuple(eaten_by[name]),
            only_for=frozenset(place for place in eaten_by[name] if only.get(snapshot.classes[place].label) == name),
            known_needs={pot.portions: pot.needs},
        )
        for number, (name, pot) in enumerate(cookable)
    ]
