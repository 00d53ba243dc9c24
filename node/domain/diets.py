"""What people avoid, and which recipes that leaves them: allergens, ways of eating, single foods.

Not a store of anybody's needs. Owns the rule that what is not declared or not decided is unsafe: a need is met only by
what is known to meet it, optional ingredients included. No way of eating is guessed from a food's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from node.domain.allergens import ALLERGENS, Declaration
from node.domain.recipes import Recipe
from node.errors import N_, Refused

WORD_CHARACTERS_MAX = 40
WORDS_PER_NEED_MAX = 20
PEOPLE_PER_NEED_MAX = 10_000

# Everyday words for the codes of the law. "Dairy" and "lactose" are milk, a "shellfish" is either of two codes.
_ALLERGEN_WORDS = {
    **{code: (code,) for code in ALLERGENS},
    "nut": ("nuts",),
    "peanut": ("peanuts",),
    "egg": ("eggs",),
    "soya": ("soy",),
    "dairy": ("milk",),
    "lactose": ("milk",),
    "wheat": ("gluten",),
    "coeliac": ("gluten",),
    "celiac": ("gluten",),
    "shellfish": ("crustaceans", "molluscs"),
    "sulfites": ("sulphites",),
}

_MEAT = frozenset(
    [
        "food/bacon",
        "food/beef-minced",
        "food/beef-stewing",
        "food/chicken-breast",
        "food/chicken-thighs",
        "food/chicken-whole",
        "food/lamb-minced",
        "food/pork-loin",
        "food/pork-minced",
    ]
)
_PORK = frozenset(["food/bacon", "food/pork-loin", "food/pork-minced"])
_SEAFOOD = frozenset(
    ["food/cod", "food/mackerel", "food/mussels", "food/prawns", "food/salmon", "food/trout", "food/tinned-tuna"]
)
# Cheese counts as vegetarian whatever its rennet; the hard one of the Parmesan kind is always made with a calf's.
_DAIRY_AND_EGGS = frozenset(
    [
        "food/butter",
        "food/buttermilk",
        "food/cheddar",
        "food/cottage-cheese",
        "food/cream",
        "food/cream-cheese",
        "food/eggs",
        "food/feta",
        "food/milk-semi-skimmed",
        "food/milk-skimmed",
        "food/milk-whole",
        "food/mozzarella",
        "food/ricotta",
        "food/sour-cream",
        "food/yogurt",
        "food/honey",
    ]
)
# Made of several things nobody listed: fat in bread, gelatine in jam and ice cream, what chips were fried in.
_NOT_DECIDED = frozenset(
    [
        "food/bread-rye",
        "food/bread-white",
        "food/bread-wholemeal",
        "food/ice-cream",
        "food/jam",
        "food/frozen-chips",
        "food/parmesan",
    ]
)
ANIMAL_OR_OPEN = _MEAT | _SEAFOOD | _DAIRY_AND_EGGS | _NOT_DECIDED
DIET_WORDS = {
    "vegan": "vegan",
    "vegetarian": "vegetarian",
    "meat": "no-meat",
    "pork": "no-pork",
    "alcohol": "no-alcohol",
}
_FORBIDDEN = {
    "vegan": ANIMAL_OR_OPEN,
    "vegetarian": _MEAT | _SEAFOOD | _NOT_DECIDED,
    "no-meat": _MEAT | _NOT_DECIDED,
    "no-pork": _PORK | _NOT_DECIDED,
    "no-alcohol": _NOT_DECIDED,
}
# Ways of eating that a list of ingredients cannot decide: how an animal was killed, what a kitchen was used for.
_UNDECIDABLE = frozenset({"halal", "kosher", "organic", "fair", "keto", "diabetic", "low-salt", "fodmap"})

_UNKNOWN = "unknown:"
_WORD = re.compile(r"[^\W_]+(?:[ -][^\W_]+)*\Z")
_PARTS = re.compile(r"[^\W_]+")


class Food(NamedTuple):
    """What is known of an item. `search` is every name it has, lower case; `is_starter`: of the starter catalogue."""

    item_id: str
    name: str
    allergens: Declaration
    search: str
    is_starter: bool


class Need(NamedTuple):
    """So many people who avoid all of these, sorted: `allergen:CODE`, `diet:NAME`, `word:WORD` or `unknown:WORD`."""

    people: int
    avoid: tuple[str, ...]

    @property
    def unknown(self) -> tuple[str, ...]:
        """Return the words nothing here can decide: these people are planned no dish at all."""
        return tuple(token.removeprefix(_UNKNOWN) for token in self.avoid if token.startswith(_UNKNOWN))


class Conflict(NamedTuple):
    """Why somebody cannot eat a recipe: a code of the validator, and the food that decides it (its name).

    `food` is empty where nothing here can tell which food it is.
    """

    code: str
    food: str


def read_needs(typed: Iterable[str], foods: Iterable[Food]) -> list[Need]:
    """Read what was typed as `nuts=2`, `milk,eggs=1`, `mushrooms`. Raises Refused for what could not be kept.

    A word that is neither an allergen, nor a diet, nor in the name of some food is kept as unknown: nothing here can
    tell what holds it, so everything might.
    """
    known = list(foods)
    counts: dict[tuple[str, ...], int] = {}
    for text in typed:
        words, mark, number = text.rpartition("=")
        if not mark:
            words, number = text, "1"
        if not number.isascii() or not number.isdigit() or not 0 < int(number[:9]) <= PEOPLE_PER_NEED_MAX:
            raise Refused(
                "need.people",
                N_("It is not clear for how many people that is left out."),
                N_("Write it as nuts=2 for two people, or without a number for one."),
            )
        parts = [part.strip().lower() for part in words.split(",")]
        if len(parts) > WORDS_PER_NEED_MAX:
            raise Refused(
                "need.too_many",
                N_("One person can avoid {most} things."),
                N_("Leave some out."),
                most=WORDS_PER_NEED_MAX,
            )
        avoid = tuple(sorted({token for part in parts for token in _tokens(part, known)}))
        counts[avoid] = counts.get(avoid, 0) + int(number)
    return [Need(people, avoid) for avoid, people in sorted(counts.items())]


def conflict(recipe: Recipe, avoid: Iterable[str], foods: Mapping[str, Food]) -> Conflict | None:
    """Return why somebody who avoids this cannot eat the recipe, the gravest reason first; None where it is safe."""
    found: list[Conflict] = []
    for token in avoid:
        kind, _mark, word = token.partition(":")
        if kind == "unknown":
            found.append(Conflict("DIET", ""))
            continue
        for line in recipe.lines:
            food = foods.get(line.item_id or "")
            name = food.name if food else line.text
            if kind == "allergen":
                if food is None or food.allergens is None:
                    found.append(Conflict("ALLERGEN_UNKNOWN", name))
                elif word in food.allergens:
                    found.append(Conflict("ALLERGEN", name))
            elif kind == "diet":
                if food is None or not _suits(food, word):
                    found.append(Conflict("DIET", name))
            elif has_word(f"{food.search if food else ''} {line.text}", word):
                found.append(Conflict("DIET", name))
    order = {"ALLERGEN": 0, "ALLERGEN_UNKNOWN": 1, "DIET": 2}
    return min(found, key=lambda each: (order[each.code], each.food), default=None)


def has_word(text: str, phrase: str) -> bool:
    """Tell whether each word of `phrase` begins some word of `text`, plural s left off: rather too much is left out."""
    words = _PARTS.findall(text.lower())
    return all(any(word.startswith(_stem(part)) for word in words) for part in _PARTS.findall(phrase.lower()))


def _suits(food: Food, diet: str) -> bool:
    return food.is_starter and food.item_id not in _FORBIDDEN[diet]


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") else word


def _tokens(word: str, foods: list[Food]) -> list[str]:
    if word in _ALLERGEN_WORDS:
        return [f"allergen:{code}" for code in _ALLERGEN_WORDS[word]]
    if word in DIET_WORDS:
        return [f"diet:{DIET_WORDS[word]}"]
    if not _WORD.match(word) or len(word) > WORD_CHARACTERS_MAX:
        raise Refused(
            "need.unreadable",
            N_("What is left out is not a word that can be looked for."),
            N_("Type an allergen, vegan, vegetarian, meat, pork, alcohol, or one word of a food's name."),
        )
    if word in _UNDECIDABLE or not any(has_word(food.search, word) for food in foods):
        return [f"{_UNKNOWN}{word}"]
    return [f"word:{word}"]
