"""What people avoid: undeclared is unsafe, optional counts too, and a word that decides nothing leaves no dish."""

from __future__ import annotations

import pytest

from node.domain.allergens import ALLERGENS, Declaration
from node.domain.diets import ANIMAL_OR_OPEN, Conflict, Food, Need, conflict, has_word, read_needs
from node.errors import Refused
from node.ledger.starter import starter_foods
from tests.node.planner.builders import a_line, a_recipe


def a_food(item_id: str, allergens: Declaration = (), *, is_starter: bool = True) -> Food:
    return Food(item_id, item_id, allergens, item_id.replace("food/", "").replace("-", " "), is_starter)


def foods(*known: Food) -> dict[str, Food]:
    return {food.item_id: food for food in known}


STARTER = [
    Food(key, food.name, food.allergens, f"{food.name} {key}".lower(), True) for key, food in starter_foods().items()
]


def test_a_declared_allergen_is_a_conflict_and_names_the_food() -> None:
    recipe = a_recipe("r1", a_line("food/walnuts"), a_line("food/rice"))
    known = foods(a_food("food/walnuts", ("nuts",)), a_food("food/rice"))
    assert conflict(recipe, ["allergen:nuts"], known) == Conflict("ALLERGEN", "food/walnuts")
    assert conflict(recipe, ["allergen:milk"], known) is None


def test_what_is_not_declared_is_unsafe_for_any_allergy_and_for_nobody_else() -> None:
    recipe = a_recipe("r1", a_line("food/lentils"))
    known = foods(a_food("food/lentils", None))
    for code in ALLERGENS:
        assert conflict(recipe, [f"allergen:{code}"], known) == Conflict("ALLERGEN_UNKNOWN", "food/lentils")
    assert conflict(recipe, [], known) is None
    assert conflict(recipe, ["word:mushroom"], known) is None


def test_a_food_nobody_knows_is_unsafe() -> None:
    assert conflict(a_recipe("r1", a_line("gtin/1")), ["allergen:nuts"], {}) == Conflict("ALLERGEN_UNKNOWN", "gtin/1")
    assert conflict(a_recipe("r1", a_line("gtin/1")), ["diet:vegan"], {}) == Conflict("DIET", "gtin/1")


def test_an_optional_ingredient_counts() -> None:
    recipe = a_recipe("r1", a_line("food/rice"), a_line("food/walnuts", optional=True))
    known = foods(a_food("food/walnuts", ("nuts",)), a_food("food/rice"))
    assert conflict(recipe, ["allergen:nuts"], known) == Conflict("ALLERGEN", "food/walnuts")


def test_the_gravest_reason_is_named_first() -> None:
    recipe = a_recipe("r1", a_line("food/lentils"), a_line("food/walnuts"))
    known = foods(a_food("food/lentils", None), a_food("food/walnuts", ("nuts",)))
    assert conflict(recipe, ["allergen:nuts"], known) == Conflict("ALLERGEN", "food/walnuts")


def test_an_item_of_the_market_is_never_taken_for_vegan() -> None:
    known = foods(a_food("gtin/04006381333931", (), is_starter=False))
    assert conflict(a_recipe("r1", a_line("gtin/04006381333931")), ["diet:vegan"], known) is not None


def test_every_food_named_in_a_diet_is_in_the_starter_catalogue() -> None:
    assert starter_foods().keys() >= ANIMAL_OR_OPEN


def test_no_food_with_an_animal_allergen_counts_as_vegan() -> None:
    animal = {"milk", "eggs", "fish", "crustaceans", "molluscs"}
    for food in STARTER:
        if food.allergens and animal & set(food.allergens):
            assert food.item_id in ANIMAL_OR_OPEN


@pytest.mark.parametrize("name", ["bacon", "chicken-breast", "prawns", "cream", "honey", "ice-cream", "bread-white"])
def test_foods_that_declare_nothing_are_not_vegan_either(name: str) -> None:
    assert f"food/{name}" in ANIMAL_OR_OPEN


def test_needs_are_read_as_typed() -> None:
    needs = read_needs(["nuts=2", "milk,eggs=1", "mushrooms", "vegan=3", "dairy, egg"], STARTER)
    assert needs == [
        Need(2, ("allergen:eggs", "allergen:milk")),
        Need(2, ("allergen:nuts",)),
        Need(3, ("diet:vegan",)),
        Need(1, ("word:mushrooms",)),
    ]


def test_shellfish_is_both_of_its_codes() -> None:
    assert read_needs(["shellfish"], STARTER) == [Need(1, ("allergen:crustaceans", "allergen:molluscs"))]


@pytest.mark.parametrize("word", ["halal", "kosher", "zebrafruit", "low-salt"])
def test_a_word_nothing_here_can_decide_is_kept_and_leaves_no_dish_at_all(word: str) -> None:
    (need,) = read_needs([f"{word},nuts=2"], STARTER)
    assert need == Need(2, ("allergen:nuts", f"unknown:{word}"))
    assert need.unknown == (word,)
    known = {food.item_id: food for food in STARTER}
    water = a_recipe("r1", a_line("food/carrots"))
    assert conflict(water, need.avoid, known) == Conflict("DIET", "")
    assert conflict(water, ("allergen:nuts",), known) is None


@pytest.mark.parametrize(
    ("typed", "error_id"),
    [
        ("nuts=0", "need.people"),
        ("nuts=-1", "need.people"),
        ("nuts=two", "need.people"),
        ("nuts=1.5", "need.people"),
        ("nuts=99999999999999999999", "need.people"),
        ("=2", "need.unreadable"),
        ("", "need.unreadable"),
        ("milk,,eggs", "need.unreadable"),
        ("a" * 41, "need.unreadable"),
        ("mush\x1b[2Jroom", "need.unreadable"),
        (",".join(["nuts"] * 21), "need.too_many"),
    ],
)
def test_what_is_not_a_word_or_no_number_is_refused(typed: str, error_id: str) -> None:
    with pytest.raises(Refused) as refused:
        read_needs([typed], STARTER)
    assert error_id == refused.value.error_id
    assert not typed or typed[:30] not in str(refused.value)  # what somebody avoids is in no message


@pytest.mark.parametrize(
    ("text", "word", "expected"),
    [
        ("Mushrooms food/mushrooms", "mushroom", True),
        ("Mushrooms", "mushrooms", True),
        ("Green beans", "bean", True),
        ("Goat cheese", "oat", False),
        ("Red cabbage", "red cabbage", True),
        ("Cabbage, red", "red cabbage", True),
        ("Red lentils", "red cabbage", False),
    ],
)
def test_a_word_is_matched_at_the_start_of_words(text: str, word: str, expected: bool) -> None:
    assert expected == has_word(text, word)
