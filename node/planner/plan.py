"""The words planners and the validator share: what is known (snapshot), what is proposed (plan), how it was judged.

Not a planner. Owns the identity of a snapshot: the sha256 of its canonical JSON, the same on every machine, so that a
plan can say exactly what it was made for. No private need is in any of these values, only sizes and recipe lists.
"""

from __future__ import annotations

import unicodedata
from hashlib import sha256
from typing import Literal

import msgspec

from node.domain.recipes import Recipe, RecipeLine

__all__ = [
    "Blocked",
    "DietClass",
    "Fault",
    "Limits",
    "Plan",
    "PlannedDish",
    "Recipe",
    "RecipeLine",
    "Snapshot",
    "StockBucket",
    "Verdict",
    "canonical",
    "canonical_bytes",
    "snapshot_id",
]

# Raised whenever the validator would judge the same plan differently.
RULES_VERSION = "1"
# Days of a bucket: 0 is the snapshot's day, this one stands for any later day.
LATER_DAY = 8
BucketState = Literal["", "past_best_before", "not_judged"]
BlockReason = Literal["past_use_by", "held", "recalled", "reserved", "elsewhere"]


class StockBucket(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """Free stock of one item, last usable `last_day` days after the snapshot's day (0..8; 8 = later, or no date).

    `amount_milli` in thousandths of the item's unit, reservations taken off. `lots` are a few labels, for sentences.
    """

    item_id: str
    last_day: int
    amount_milli: int
    state: BucketState = ""
    lots: tuple[str, ...] = ()


class Blocked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, order=True):
    """Stock that is there and may not be planned with, and why."""

    item_id: str
    reason: BlockReason
    amount_milli: int
    lots: tuple[str, ...] = ()


class DietClass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """People who can eat the same recipes. A label, a size and the recipes; never why."""

    label: str
    people: int
    recipes: tuple[str, ...]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the kitchen can do: portions of the smallest pot, dishes per meal, days a dish may return, minutes a day."""

    batch_min: int = 1
    mains: int = 8
    breakfasts: int = 3
    repeats: int = 2
    themes: int = 2
    minutes: int = 600

    def dishes(self, meal: str) -> int:
        """Return how many dishes a meal may have."""
        return self.breakfasts if meal == "breakfast" else self.mains


class Snapshot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a planner may know. `day` and `days` are ISO dates; each person eats each of `meals` once a day.

    `piece_g` is what one piece of an item weighs, in grams, for counting waste. `names` are the items' names.
    """

    day: str
    days: tuple[str, ...]
    meals: tuple[str, ...]
    people: int
    stock: tuple[StockBucket, ...]
    recipes: tuple[Recipe, ...]
    classes: tuple[DietClass, ...]
    limits: Limits = Limits()
    blocked: tuple[Blocked, ...] = ()
    piece_g: dict[str, int] = {}
    names: dict[str, str] = {}
    rules: str = RULES_VERSION
    seed: int = 0
    schema: Literal["snapshot/1"] = "snapshot/1"


class PlannedDish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One dish of one meal: which recipe, and how many portions for each class (by label)."""

    day: str
    meal: str
    recipe_id: str
    portions: dict[str, int]

    @property
    def total(self) -> int:
        """Return all its portions."""
        return sum(self.portions.values())


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A proposal for one snapshot. `planner` is name/version, `reasons` its own words: text from outside."""

    snapshot_id: str
    planner: str
    dishes: tuple[PlannedDish, ...]
    reasons: tuple[str, ...] = ()


class Fault(msgspec.Struct, frozen=True):
    """What is wrong with a plan: a stable code, where, and a sentence with its values, translated where it is shown."""

    code: str
    path: str
    text: str
    values: dict[str, str | int] = {}


class Verdict(msgspec.Struct, frozen=True):
    """How a plan was judged. `score` are costs, compared in order, smaller is better; empty where it was rejected."""

    word: Literal["ok", "ask", "reject"]
    faults: tuple[Fault, ...] = ()
    score: tuple[int, ...] = ()


def canonical(snapshot: Snapshot) -> Snapshot:
    """Return the snapshot with everything that has no order of its own sorted."""
    return msgspec.structs.replace(
        snapshot,
        stock=tuple(sorted(snapshot.stock)),
        blocked=tuple(sorted(snapshot.blocked)),
        recipes=tuple(sorted(snapshot.recipes, key=lambda recipe: recipe.recipe_id)),
        classes=tuple(
            sorted(
                (msgspec.structs.replace(each, recipes=tuple(sorted(each.recipes))) for each in snapshot.classes),
                key=lambda each: each.label,
            )
        ),
    )


def canonical_bytes(snapshot: Snapshot) -> bytes:
    """Return the one JSON form of a snapshot: sorted keys and arrays, integers only, NFC text, UTF-8."""
    raw = msgspec.json.encode(canonical(snapshot), order="sorted")
    return unicodedata.normalize("NFC", raw.decode("utf-8")).encode("utf-8")


def snapshot_id(snapshot: Snapshot) -> str:
    """Return the 64 hex digits by which a plan names the snapshot it was made for."""
    return sha256(canonical_bytes(snapshot)).hexdigest()
