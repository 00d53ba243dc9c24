"""The starter catalogue: enough foods, ids that stay, known allergens, numbers equal to the sources."""

from __future__ import annotations

import csv
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from node.domain.allergens import ALLERGENS
from node.domain.words import STORAGE_CLASSES, UNIT_WORDS
from node.ledger import starter
from node.ledger.starter import StarterFood, starter_foods

CHECKOUT = Path(__file__).resolve().parents[3]
GOLDEN_IDS = Path(__file__).parent / "starter_ids.txt"
FOOD_DATA = CHECKOUT.parent / "shared" / "data" / "food"

with_the_sources = pytest.mark.skipif(
    not FOOD_DATA.is_dir(), reason="the public food tables do not lie beside the checkout (../shared/data/food)"
)


def rows(name: str, key: str) -> dict[str, dict[str, str]]:
    with (FOOD_DATA / name).open(newline="", encoding="utf-8") as file:
        return {row[key]: row for row in csv.DictReader(file)}


def test_there_are_at_least_sixty_foods_in_the_words_of_the_domain() -> None:
    foods = starter_foods().values()
    assert len(foods) >= 60
    assert {food.unit for food in foods} <= set(UNIT_WORDS.values())
    assert {food.storage for food in foods} <= set(STORAGE_CLASSES)


def test_an_id_once_given_stays_and_a_new_one_is_added_to_the_list() -> None:
    assert sorted(starter_foods()) == GOLDEN_IDS.read_text().split()


def test_every_declared_allergen_is_known_and_in_the_order_of_the_law() -> None:
    for food in starter_foods().values():
        if food.allergens is not None:
            assert food.allergens == tuple(code for code in ALLERGENS if code in food.allergens), food.item_id


@pytest.mark.parametrize(
    ("slug", "allergens"),
    [
        ("flour-wheat", ("gluten",)),
        ("oats", ("gluten",)),
        ("milk-whole", ("milk",)),
        ("eggs", ("eggs",)),
        ("celery", ("celery",)),
        ("almonds", ("nuts",)),
        ("tofu", ("soy",)),
        ("apples", ()),
        ("bread-white", None),
        ("prawns", None),
        ("tinned-tuna", None),
    ],
)
def test_the_declaration_says_what_the_food_holds_and_nothing_about_recipes(
    slug: str, allergens: tuple[str, ...] | None
) -> None:
    assert starter_foods()[f"food/{slug}"].allergens == allergens


def test_only_what_is_sold_by_the_piece_has_a_mass_of_a_piece() -> None:
    assert [food.item_id for food in starter_foods().values() if food.unit != "each" and food.unit_mass_milli_g] == []


def test_a_shelf_life_speaks_of_the_place_the_food_is_kept_in() -> None:
    places = {"fridge": "refrigerate", "freezer": "freeze", "dry": "pantry", "produce": "pantry"}
    for food in starter_foods().values():
        assert (food.foodkeeper_id is None) == (food.foodkeeper_column is None), food.item_id
        assert places[food.storage] in (food.foodkeeper_column or places[food.storage]), food.item_id


@pytest.mark.parametrize(
    "damage",
    [
        lambda food: food | {"allergens": ["wheat"]},
        lambda food: food | {"shelf_life_days": 0},
        lambda food: food | {"item_id": "Food/Apples"},
        lambda food: food | {"unit": "kg"},
        lambda food: food | {"brand": "none"},
    ],
)
def test_a_damaged_catalogue_is_refused(damage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foods = msgspec.json.decode(starter._FOODS.read_bytes())
    path = tmp_path / "foods.json"
    path.write_bytes(msgspec.json.encode([damage(foods[0]), *foods[1:]]))
    monkeypatch.setattr(starter, "_FOODS", path)
    with pytest.raises(msgspec.ValidationError):
        starter.starter_foods.__wrapped__()


def test_a_food_named_twice_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foods = msgspec.json.decode(starter._FOODS.read_bytes())
    path = tmp_path / "foods.json"
    path.write_bytes(msgspec.json.encode([*foods, foods[0]]))
    monkeypatch.setattr(starter, "_FOODS", path)
    with pytest.raises(msgspec.ValidationError):
        starter.starter_foods.__wrapped__()


@with_the_sources
def test_the_catalogue_is_what_the_tables_give() -> None:
    command = [sys.executable, CHECKOUT / "deploy" / "make-starter", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@with_the_sources
def test_the_numbers_equal_the_sources_read_another_way() -> None:
    """Reads the tables without the code that derived the catalogue, backwards: from our integers to their text."""
    nutrients = rows("usda_sr28_per100g.csv", "ndb_no")
    periods = rows("usda_foodkeeper_shelf_life.csv", "id")
    names = {"energy_milli_kcal": "kcal", "protein_mg": "protein_g", "saturated_fat_mg": "satfat_g"}

    def thousandths(value: int | None) -> Decimal | None:
        return None if value is None else Decimal(value) / 1000

    def number(text: str) -> Decimal | None:
        return Decimal(text) if text else None

    def check_food(food: StarterFood) -> None:
        row = nutrients[food.ndb_no]
        for ours, theirs in names.items():
            assert thousandths(getattr(food.per_100_g, ours)) == number(row[theirs]), (food.item_id, theirs)
        assert abs(Decimal(food.per_100_g.salt_mg or 0) / Decimal("2.5") - Decimal(row["sodium_mg"])) <= Decimal("0.2")
        if food.shelf_life_days is not None:
            period = periods[str(food.foodkeeper_id)][str(food.foodkeeper_column)]
            assert food.shelf_life_days == int(Decimal(period)), food.item_id

    for food in starter_foods().values():
        check_food(food)
