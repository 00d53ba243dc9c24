"""The starter catalogue: foods that every market knows from its first day, the same on every node.

It is not the market's catalogue: names, units and allergens that staff record are registers in the ledger and replace
what stands here. A branded product is never described by it, because its allergens are the business of its label.
SOURCE.md beside this file says where each number comes from; `deploy/make-starter` derives foods.json.
Owns a part of invariant 5: an allergen declaration that is None means "not declared" and is never read as "free from".
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

import msgspec

from node.domain.allergens import ALLERGENS

__all__ = ["STARTER_VERSION", "Nutrition", "StarterFood", "starter_foods"]

STARTER_VERSION = 1
"""Raised whenever foods.json changes. Ids are never removed and never given to another food."""

_FOODS = Path(__file__).parent / "foods.json"

# Nothing edible weighs a tonne a piece or lasts a century; a larger number is a slip in the file.
_Milli = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
_Days = Annotated[int, msgspec.Meta(ge=1, le=36_500)]
_FoodId = Annotated[str, msgspec.Meta(pattern=r"^food/[a-z0-9]+(-[a-z0-9]+)*$", max_length=64)]


class Nutrition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What 100 g of the edible part hold: milligrams, energy in thousandths of a kcal. None means not known.

    Carbohydrate is by difference and includes fibre, as in SR28; salt is sodium times 2.5.
    """

    energy_milli_kcal: _Milli | None
    protein_mg: _Milli | None
    fat_mg: _Milli | None
    saturated_fat_mg: _Milli | None
    carbohydrate_mg: _Milli | None
    sugars_mg: _Milli | None
    fibre_mg: _Milli | None
    salt_mg: _Milli | None


class StarterFood(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One food.

    `allergens` are the codes of Annex II that the food itself holds, in the order of the law; None means not declared.
    `shelf_life_days` is advice on quality from FoodKeeper for its storage, the shorter end; None means not known or
    without end. `unit_mass_milli_g` is one piece without refuse, in thousandths of a gram, for foods sold by the piece.
    """

    item_id: _FoodId
    name: str
    unit: Literal["each", "g", "ml"]
    storage: Literal["fridge", "freezer", "dry", "produce"]
    allergens: tuple[str, ...] | None
    shelf_life_days: _Days | None
    foodkeeper_id: int | None
    foodkeeper_column: str | None
    unit_mass_milli_g: _Milli | None
    ndb_no: str
    per_100_g: Nutrition


@lru_cache(maxsize=1)
def starter_foods() -> Mapping[str, StarterFood]:
    """Return all starter foods by item id, read once and checked.

    Raises msgspec.ValidationError where the file is not what it should be: the release itself is damaged then.
    """
    foods = msgspec.json.decode(_FOODS.read_bytes(), type=list[StarterFood])
    by_id = {food.item_id: food for food in foods}
    if len(by_id) != len(foods):
        raise msgspec.ValidationError("the starter catalogue names an item id twice")
    for food in foods:
        if food.allergens is not None and not set(food.allergens) <= set(ALLERGENS):
            raise msgspec.ValidationError(f"{food.item_id} declares an unknown allergen")
    return MappingProxyType(by_id)
