"""A recipe file is read whole or refused in one sentence."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from node.domain.diets import Food, conflict
from node.domain.recipes import Recipe, RecipeLine, is_plannable
from node.domain.words import Unit
from node.errors import Refused
from node.ledger.starter import starter_foods
from node.planner.book import book_recipes
from node.planner.cookbook import check_parent
from node.planner.recipe_file import FILE_BYTES_MAX, read_recipe
from tests.node.planner.builders import a_recipe

FOODS = starter_foods()
LINE = {"text": "300 g split peas", "item": "food/peas-split", "quantity": 300, "unit": "g"}
SOUP = {"title": "Pea soup", "portions": 4, "lines": [LINE]}


def file(**more: Any) -> bytes:
    return json.dumps(SOUP | more).encode()


def line(**more: Any) -> bytes:
    return file(lines=[LINE | more])


def test_a_recipe_is_read_with_its_amounts_in_thousandths() -> None:
    recipe = read_recipe(file(lines=[LINE, {"text": "oil", "item": "food/oil-olive", "quantity": 0.05, "unit": "l"}]))
    assert recipe.lines[0].quantity_milli == 300_000
    assert recipe.lines[1] == RecipeLine("oil", "food/oil-olive", 50_000, Unit.MILLILITRE)
    assert is_plannable(recipe)


def test_to_taste_can_be_cooked_and_not_planned() -> None:
    assert not is_plannable(read_recipe(file(lines=[LINE, {"text": "salt to taste"}])))


@pytest.mark.parametrize(
    ("raw", "error_id"),
    [
        (b"", "recipe.file"),
        (b"[]", "recipe.file"),
        (b"\xff", "recipe.file"),
        (b"[" * 60_000, "recipe.file"),
        (file().replace(b'"portions"', b'"portions": 9, "portions"', 1), "recipe.file"),
        (b" " * (FILE_BYTES_MAX + 1), "recipe.file_size"),
        (file(colour="green"), "recipe.file"),
        (file(portions="four"), "recipe.file"),
        (file(portions=4.5), "recipe.file"),
        (file(title="\ud800"), "recipe.file"),
        (line(unit="handful"), "recipe.unit_unknown"),
        (line(quantity="two"), "recipe.not_a_number"),
        (line(quantity=True), "recipe.not_a_number"),
        (line(quantity=[1]), "recipe.not_a_number"),
        (line(quantity=0.00001, unit="kg"), "recipe.file"),
        (line(quantity=0.0005, unit="g"), "recipe.not_a_number"),
        (line(quantity=10**20), "recipe.file"),
        (line(item="book/pumpkin-soup"), "recipe.nested"),
        (file(lines=[LINE]).replace(b"300,", b"NaN,"), "recipe.file"),
        (file(lines=[LINE]).replace(b"300,", b"1e5,"), "recipe.file"),
    ],
)
def test_a_slip_is_one_sentence(raw: bytes, error_id: str) -> None:
    with pytest.raises(Refused) as refused:
        read_recipe(raw)
    assert refused.value.error_id == error_id
    assert len(str(refused.value)) < 500


def test_parents_end_somewhere() -> None:
    def chain(length: int) -> dict[str, Recipe]:
        return {
            f"r{number}": a_recipe(f"r{number}", parent=f"r{number + 1}" if number + 1 < length else None)
            for number in range(length)
        }

    check_parent(chain(63), "r0")
    circle = chain(3) | {"r2": a_recipe("r2", parent="r0")}
    for recipes, error_id in ((chain(64), "recipe.parents"), (circle, "recipe.parents"), ({}, "recipe.parent_unknown")):
        with pytest.raises(Refused) as refused:
            check_parent(recipes, "r0")
        assert refused.value.error_id == error_id


def test_every_recipe_of_the_book_can_be_planned_with_the_starter_catalogue() -> None:
    words = {Unit.EACH: "each", Unit.GRAM: "g", Unit.MILLILITRE: "ml"}
    assert len(book_recipes()) >= 24
    for recipe in book_recipes().values():
        assert is_plannable(recipe), recipe.recipe_id
        assert recipe.steps
        for each in recipe.lines:
            assert each.item_id is not None
            assert words[each.unit] == starter_foods()[each.item_id].unit, recipe.recipe_id


STAPLES = ("onions", "carrots", "potatoes", "rice-white", "lentils", "tomatoes", "oil-olive", "oil-rapeseed")


def test_a_good_part_of_the_book_is_cooked_from_staples_and_little_else() -> None:
    staples = {f"food/{name}" for name in (*STAPLES, "oil-sunflower")}
    lacks = {
        recipe.recipe_id: {each.item_id for each in recipe.lines if not each.optional} - staples
        for recipe in book_recipes().values()
        if recipe.meal == "main"
    }
    assert sum(1 for items in lacks.values() if not items) >= 5
    assert sum(1 for items in lacks.values() if len(items) <= 1) >= 11
    assert 2 * sum(1 for items in lacks.values() if len(items) <= 2) > len(lacks)


def test_no_dish_of_the_book_hangs_on_a_seasoning_and_none_does_without_its_oil() -> None:
    seasonings = {f"food/{name}" for name in ("garlic", "ginger", "salt", "basil", "parsley", "coriander", "lemons")}
    for recipe in book_recipes().values():
        for each in recipe.lines:
            assert each.optional or each.item_id not in seasonings, recipe.recipe_id
            assert not each.optional or not (each.item_id or "").startswith("food/oil"), recipe.recipe_id
        assert sum(1 for each in recipe.lines if not each.optional) >= 2


def test_what_a_dish_does_without_counts_for_allergens_all_the_same() -> None:
    foods = {item_id: Food(item_id, item_id, food.allergens, item_id, True) for item_id, food in FOODS.items()}
    greens = book_recipes()["book/sesame-greens-rice"]
    assert next(each for each in greens.lines if each.item_id == "food/sesame-seeds").optional
    assert conflict(greens, ["allergen:sesame"], foods) == ("ALLERGEN", "food/sesame-seeds")


def test_a_portion_of_every_dish_of_the_book_has_a_plausible_weight() -> None:
    for recipe in book_recipes().values():
        total_g = 0
        for each in recipe.lines:
            food = starter_foods()[each.item_id or ""]
            piece_g = (food.unit_mass_milli_g or 100_000) // 1000 if each.unit is Unit.EACH else 1
            total_g += (each.quantity_milli or 0) * piece_g // 1000
        assert 100 <= total_g // recipe.portions <= 800, (recipe.recipe_id, total_g // recipe.portions)


def test_a_recipe_survives_being_written_and_read() -> None:
    for recipe in book_recipes().values():
        assert msgspec.json.decode(msgspec.json.encode(recipe), type=Recipe) == recipe
