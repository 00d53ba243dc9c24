"""From needs to classes: people who can eat the same recipes are one class, with a label and a size.

Not a store of needs (`private`). Owns the line between the two sides: a need goes in, only sizes and recipe lists come
out; the map from label back to needs stays with the staff process.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from node.domain.diets import Conflict, Food, Need, conflict
from node.domain.recipes import Recipe, is_plannable
from node.errors import N_, Refused
from node.planner.plan import DietClass

CLASSES_MAX = 100


class Served(NamedTuple):
    """Portions of a dish of an accepted plan that go to people of a class, and what one kind of them leaves out."""

    recipe_id: str
    meal: str
    portions: int
    avoid: tuple[str, ...]


class PrivateNeeds(NamedTuple):
    """What the staff process alone knows: who hides behind each label, and the foods to judge by."""

    needs: Mapping[str, tuple[Need, ...]]
    foods: Mapping[str, Food]

    def conflict(self, label: str, recipe: Recipe) -> Conflict | None:
        """Return why somebody of a class cannot eat a recipe, None where all can."""
        for need in self.needs.get(label, ()):
            found = conflict(recipe, need.avoid, self.foods)
            if found is not None:
                return found
        return None


class Classes(NamedTuple):
    """The classes for a number of people, and the private map behind them."""

    classes: tuple[DietClass, ...]
    private: PrivateNeeds


def classes_for(people: int, needs: Sequence[Need], recipes: Iterable[Recipe], foods: Mapping[str, Food]) -> Classes:
    """Divide `people` into classes. Raises Refused where more people have needs than there are portions."""
    plannable = [recipe for recipe in recipes if is_plannable(recipe)]
    rest = people - sum(need.people for need in needs)
    if rest < 0:
        raise Refused(
            "need.more_than_portions",
            N_("More people leave something out than there are portions."),
            N_("Type more portions, or fewer people."),
        )
    by_menu: dict[tuple[str, ...], list[Need]] = {}
    for need in [*needs, *([Need(rest, ())] if rest else [])]:
        menu = tuple(sorted(each.recipe_id for each in plannable if conflict(each, need.avoid, foods) is None))
        by_menu.setdefault(menu, []).append(need)
    # Numbered by size and recipe list alone: two sets of needs with equal classes give equal bytes.
    ordered = sorted(by_menu.items(), key=lambda entry: (-sum(need.people for need in entry[1]), entry[0]))
    if len(ordered) > CLASSES_MAX:
        raise Refused(
            "need.too_many_kinds", N_("There are too many different needs to plan for."), N_("Plan in parts.")
        )
    width = len(str(len(ordered)))
    classes, behind = [], {}
    for number, (menu, members) in enumerate(ordered, 1):
        label = f"c{number:0{width}d}"
        classes.append(DietClass(label, sum(need.people for need in members), menu))
        behind[label] = tuple(sorted(members))
    return Classes(tuple(classes), PrivateNeeds(behind, foods))
