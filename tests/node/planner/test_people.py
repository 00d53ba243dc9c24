"""From needs to classes: sizes and recipe lists come out, and equal classes say nothing of different needs."""

from __future__ import annotations

import pytest

from node.domain.diets import Food, Need
from node.errors import Refused
from node.planner.people import classes_for
from node.planner.plan import DietClass
from tests.node.planner.builders import a_line, a_recipe

FOODS = {
    name: Food(name, name, allergens, name, True)
    for name, allergens in (
        ("food/walnuts", ("nuts",)),
        ("food/milk-whole", ("milk",)),
        ("food/carrots", ()),
        ("food/lentils", None),
    )
}
RECIPES = [a_recipe(f"r-{name[5:]}", a_line(name)) for name in FOODS]
ALL = tuple(sorted(recipe.recipe_id for recipe in RECIPES))


def test_people_who_can_eat_the_same_are_one_class_and_the_rest_eat_everything() -> None:
    needs = [Need(2, ("allergen:nuts",)), Need(1, ("word:walnut", "word:lentil")), Need(3, ("allergen:milk",))]
    found = classes_for(20, needs, RECIPES, FOODS)
    assert found.classes == (
        DietClass("c1", 14, ALL),
        DietClass("c2", 3, ("r-carrots", "r-milk-whole")),
        DietClass("c3", 3, ("r-carrots", "r-walnuts")),
    )
    assert found.private.needs["c2"] == (Need(1, ("word:walnut", "word:lentil")), Need(2, ("allergen:nuts",)))


def test_people_of_whom_nothing_can_be_told_have_no_recipe() -> None:
    found = classes_for(10, [Need(2, ("unknown:zebrafruit",))], RECIPES, FOODS)
    assert found.classes == (DietClass("c1", 8, ALL), DietClass("c2", 2, ()))


def test_two_sets_of_needs_with_equal_classes_cannot_be_told_apart() -> None:
    # Crustaceans and sesame are in nothing here, and what declares nothing is left out for both.
    one = classes_for(10, [Need(2, ("allergen:crustaceans",))], RECIPES, FOODS)
    other = classes_for(10, [Need(2, ("allergen:sesame",))], RECIPES, FOODS)
    assert one.classes == other.classes
    assert one.private.needs != other.private.needs


def test_a_recipe_that_cannot_be_planned_is_on_no_list() -> None:
    found = classes_for(3, [], [a_recipe("r1", a_line(quantity_milli=None))], FOODS)
    assert found.classes == (DietClass("c1", 3, ()),)


def test_labels_keep_their_order_as_text() -> None:
    many = [a_recipe(f"r{number:02d}", a_line(f"food/i{number:02d}")) for number in range(12)]
    foods = {f"food/i{number:02d}": Food(f"food/i{number:02d}", "", (), f"i{number:02d}", True) for number in range(12)}
    needs = [Need(1, (f"word:i{number:02d}",)) for number in range(12)]
    labels = [each.label for each in classes_for(20, needs, many, foods).classes]
    assert labels == sorted(labels)
    assert labels[-1] == "c13"


def test_more_people_with_needs_than_portions_is_refused() -> None:
    with pytest.raises(Refused) as refused:
        classes_for(1, [Need(2, ("allergen:nuts",))], RECIPES, FOODS)
    assert refused.value.error_id == "need.more_than_portions"
