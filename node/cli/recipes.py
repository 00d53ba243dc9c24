"""`larder recipe`: list, show and add recipes. A recipe is added from a JSON file and travels to the other markets."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from node.actions.recipes import add_recipe
from node.cli.desk import Desk, reading, writing
from node.cli.files import read_file
from node.cli.options import as_json, repeatable
from node.cli.output import answer
from node.domain.recipes import Recipe, is_plannable, scaled
from node.domain.words import Unit
from node.language import _
from node.planner.cookbook import all_recipes, check_parent, find_recipe
from node.planner.recipe_file import FILE_BYTES_MAX, read_recipe
from node.planner.words import amount_text

FORM = (
    '{"title": "Pea soup", "portions": 4, "meal": "main", "minutes": 40, "lines": [{"text": "300 g split peas",'
    ' "item": "food/peas-split", "quantity": 300, "unit": "g"}, {"text": "salt to taste"}], "steps": ["Simmer."]}'
)


class RecipeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One recipe for JSON: its fields as they are kept, quantities in thousandths, units 0 each, 1 g, 2 ml."""

    format: str = "larder-recipe/1"
    saved: bool = False
    is_plannable: bool
    recipe: Recipe


class RecipesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Every recipe, by title."""

    format: str = "larder-recipes/1"
    recipes: list[RecipeAnswer]


@click.group("recipe", help=_("Recipes: the starter book, and what markets wrote down."))
def recipe_verb() -> None:
    """Hold the three verbs about recipes."""


@recipe_verb.command("list", help=_("Every recipe, by title."))
@as_json
@click.pass_obj
def list_verb(desk: Desk) -> None:
    """Print every recipe on a line."""
    with reading(desk) as connection:
        found = sorted(all_recipes(connection).values(), key=lambda recipe: (recipe.title, recipe.recipe_id))
    answer(desk, RecipesAnswer(recipes=[_value(recipe) for recipe in found]), [_line(recipe) for recipe in found])


@recipe_verb.command("show", help=_("One recipe, for another number of portions where asked."))
@click.argument("recipe")
@click.option("--portions", type=click.IntRange(1, 1_000), metavar="N", help=_("Scale the amounts to N portions."))
@as_json
@click.pass_obj
def show_verb(desk: Desk, recipe: str, portions: int | None) -> None:
    """Print one recipe."""
    with reading(desk) as connection:
        found = find_recipe(all_recipes(connection), recipe)
    if portions is not None and found.portions > 0:
        found = scaled(found, portions)
    lines = [_line(found)]
    lines += [_ingredient(each.text, each.quantity_milli, int(each.unit)) for each in found.lines]
    lines += [f"{number}. {step}" for number, step in enumerate(found.steps, 1)]
    if found.parent:
        lines.append(_("changed from {parent}").format(parent=found.parent))
    answer(desk, _value(found), lines)


@recipe_verb.command("add", help=_("Write a recipe down from a JSON file such as: {form}").format(form=FORM))
@click.argument("file", type=click.Path(path_type=Path))
@repeatable
@as_json
@click.pass_obj
def add_verb(desk: Desk, file: Path, action_id: bytes) -> None:
    """Read a file, check it whole, and keep it."""
    recipe = read_recipe(read_file(file, FILE_BYTES_MAX))
    with writing(desk) as market:
        if recipe.parent is not None:
            check_parent(all_recipes(market.reader), recipe.parent)
        recipe_id = market.act("recipe", lambda tx, who: add_recipe(tx, action_id=action_id, who=who, recipe=recipe))
        kept = all_recipes(market.reader)[recipe_id]
        lines = [_("saved: {line}").format(line=_line(kept)), _("action {id}").format(id=action_id.hex())]
        answer(desk, msgspec.structs.replace(_value(kept), saved=True), lines)


def _value(recipe: Recipe) -> RecipeAnswer:
    return RecipeAnswer(is_plannable=is_plannable(recipe), recipe=recipe)


def _line(recipe: Recipe) -> str:
    state = "" if is_plannable(recipe) else _("; cannot be planned: an amount is not known")
    return _("{title}; {meal}, {portions} portions, {minutes} min, id {id}{state}").format(
        title=recipe.title,
        meal=recipe.meal,
        portions=recipe.portions or "?",
        minutes=recipe.minutes,
        id=recipe.recipe_id,
        state=state,
    )


def _ingredient(text: str, quantity_milli: int | None, unit: int) -> str:
    amount = _("to taste") if quantity_milli is None else amount_text(quantity_milli, Unit(unit))
    return _("- {text}: {amount}").format(text=text, amount=amount)
