"""The question to the central planner, made from a snapshot alone: sizes and recipe lists, never a need or a name.

Not the transport. Owns what leaves this market (invariant 8): classes of fewer than three people are merged or kept
back, and labels say nothing but the order of size. Equal classes give equal bytes, whoever the people are.

Amounts on the wire (`g`) are whole grams, millilitres or pieces, whichever the item is counted in: stock rounded down
and portions rounded up, so that rounding never plans more than is there.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import msgspec

from node.domain.recipes import Recipe, amounts, is_plannable
from node.planner.plan import DietClass, Snapshot, snapshot_id

SCHEMA = "plan-request/1"
# A recipe list of one or two people would say too much about them.
CLASS_PEOPLE_MIN = 3
REQUEST_BYTES_MAX = 1024 * 1024
_MILLI = 1000


class StockOnWire(msgspec.Struct, frozen=True):
    """What is free of an ingredient and last usable on this day (0..8, 8 = later)."""

    ingredient: str
    day: int
    g: int


class RecipeOnWire(msgspec.Struct, frozen=True):
    """A recipe: what one portion takes of each ingredient."""

    id: str
    meal: str
    minutes: int
    portion: dict[str, int]


class ClassOnWire(msgspec.Struct, frozen=True):
    """People who can eat the same recipes."""

    id: str
    people: int
    recipes: tuple[str, ...]


class LimitsOnWire(msgspec.Struct, frozen=True):
    """What the kitchen can do in one day."""

    batch_min: int
    mains: int
    breakfasts: int
    repeats: int
    minutes: int


class PlanRequest(msgspec.Struct, frozen=True):
    """The body of POST /v1/plan-proposals."""

    schema: str
    snapshot_id: str
    rules: str
    horizon: tuple[str, ...]
    limits: LimitsOnWire
    stock: tuple[StockOnWire, ...]
    recipes: tuple[RecipeOnWire, ...]
    classes: tuple[ClassOnWire, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question and what its words stand for: the snapshot as it was shown, and who is behind each of its labels."""

    snapshot: Snapshot
    members: dict[str, tuple[DietClass, ...]]
    kept_back: tuple[DietClass, ...]
    body: bytes

    @property
    def snapshot_id(self) -> str:
        """Return the id that an answer has to name."""
        return snapshot_id(self.snapshot)

    def key(self, ask_id: int) -> str:
        """Return the Idempotency-Key: the same for the same question of the same request, else another."""
        return sha256(self.body + b"/%d" % ask_id).hexdigest()[:32]


def make_request(snapshot: Snapshot) -> Asked | None:
    """Return the question for a snapshot, None where too few people are left to ask for."""
    recipes = tuple(each for each in snapshot.recipes if is_plannable(each) and each.meal in snapshot.meals)
    known = {each.recipe_id for each in recipes}
    classes_of_now = tuple(
        DietClass(each.label, each.people, tuple(name for name in each.recipes if name in known))
        for each in snapshot.classes
    )
    shown, kept_back = _shown_classes(classes_of_now)
    if not shown:
        return None
    shown.sort(key=lambda group: (-sum(each.people for each in group), _common(group)))
    members = {f"c{number}": tuple(group) for number, group in enumerate(shown, start=1)}
    classes = tuple(
        DietClass(label, sum(each.people for each in group), _common(list(group))) for label, group in members.items()
    )
    people = sum(each.people for each in classes)
    asked_for = msgspec.structs.replace(snapshot, classes=classes, people=people, recipes=recipes)
    body = msgspec.json.encode(_on_wire(asked_for), order="deterministic")
    return Asked(asked_for, members, tuple(kept_back), body)


def _shown_classes(classes: tuple[DietClass, ...]) -> tuple[list[list[DietClass]], list[DietClass]]:
    """Group classes for the wire, and say who is kept back. Classes that can eat the same are one."""
    by_recipes: dict[tuple[str, ...], list[DietClass]] = {}
    for each in sorted(classes, key=lambda each: each.label):
        by_recipes.setdefault(tuple(sorted(each.recipes)), []).append(each)
    groups = list(by_recipes.values())
    large = [group for group in groups if sum(each.people for each in group) >= CLASS_PEOPLE_MIN]
    small = [each for group in groups if group not in large for each in group if each.people > 0]
    if sum(each.people for each in small) >= CLASS_PEOPLE_MIN and _common(small):
        return [*large, small], []
    return large, small


def _common(group: list[DietClass]) -> tuple[str, ...]:
    """Return the recipes that everybody of a group can eat."""
    return tuple(sorted(set.intersection(*(set(each.recipes) for each in group))))


def _on_wire(snapshot: Snapshot) -> PlanRequest:
    stock: dict[tuple[str, int], int] = {}
    for bucket in snapshot.stock:
        place = (bucket.item_id, bucket.last_day)
        stock[place] = stock.get(place, 0) + bucket.amount_milli
    limits = snapshot.limits
    # The contract has one smallest pot for all: the largest of them keeps every recipe's.
    pots = [limits.batch_min, *(recipe.batch_min for recipe in snapshot.recipes)]
    smallest_pot = max(limits.batch_min, min(max(pots), snapshot.people))
    return PlanRequest(
        schema=SCHEMA,
        snapshot_id=snapshot_id(snapshot),
        rules=snapshot.rules,
        horizon=snapshot.days,
        limits=LimitsOnWire(smallest_pot, limits.mains, limits.breakfasts, limits.repeats, limits.minutes),
        stock=tuple(
            StockOnWire(item_id, day, milli // _MILLI) for (item_id, day), milli in sorted(stock.items()) if milli > 0
        ),
        recipes=tuple(
            RecipeOnWire(recipe.recipe_id, recipe.meal, recipe.minutes, _portion(recipe))
            for recipe in sorted(snapshot.recipes, key=lambda recipe: recipe.recipe_id)
        ),
        classes=tuple(ClassOnWire(each.label, each.people, each.recipes) for each in snapshot.classes),
    )


def _portion(recipe: Recipe) -> dict[str, int]:
    needed = amounts(recipe, recipe.portions)
    return {item_id: -(-milli // (recipe.portions * _MILLI)) for item_id, milli in sorted(needed.items())}
