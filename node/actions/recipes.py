"""Recipes: write one down, so that it travels to the other markets as registers.

Not a reader of files (`node.planner.recipe_file`) and not a planner. A recipe is named by the event of its first field.
"""

from __future__ import annotations

from node.actions.checks import checked_words
from node.actions.once import done_before, finish
from node.domain.recipes import MEALS, Recipe
from node.errors import N_, Refused
from node.ledger.append import Appender
from node.ledger.events import RegisterSet, RegisterValue
from node.ledger.read import item
from node.ledger.read.recipes import (
    LINE_CHARACTERS_MAX,
    LINE_QUANTITY_MILLI_MAX,
    LINES_MAX,
    MINUTES_MAX,
    PORTIONS_MAX,
    STEP_CHARACTERS_MAX,
    STEPS_MAX,
    TITLE_CHARACTERS_MAX,
    line_word,
    recipe_key,
)
from node.ledger.store import Transaction

# One register's list stands in one block of 16 KiB; this leaves room for its neighbours' names.
LIST_BYTES_MAX = 12 * 1024


def add_recipe(tx: Transaction, *, action_id: bytes, who: int, recipe: Recipe) -> str:
    """Write a recipe down and return its id; what `recipe.recipe_id` says is not used. Raises Refused, nothing written.

    The parent is the caller's to check: it may be one of a book that the ledger does not know.
    """
    done = done_before(tx, action_id)
    if done is not None:
        return str(done.first)
    _check(tx, recipe)
    fields: dict[str, RegisterValue] = {
        "title": recipe.title.strip(),
        "meal": recipe.meal,
        "portions": recipe.portions,
        "minutes": recipe.minutes,
        "lines": [line_word(line) for line in recipe.lines],
        "steps": list(recipe.steps),
        "batch_min": recipe.batch_min,
        "batch_max": recipe.batch_max,
        "theme": recipe.theme,
        "language": recipe.language,
    }
    if recipe.parent is not None:
        fields["parent"] = recipe.parent
    appender = Appender(tx)
    recipe_id = str(appender.next_dot)
    events = [
        appender.append(RegisterSet(recipe_key(recipe_id, field), value, []), who) for field, value in fields.items()
    ]
    finish(tx, events, action_id=action_id, verb="recipe", who=who)
    return recipe_id


def _check(tx: Transaction, recipe: Recipe) -> None:
    checked_words(recipe.title, field="title", characters_max=TITLE_CHARACTERS_MAX)
    for text, field, most in (
        *((line.text, "line", LINE_CHARACTERS_MAX) for line in recipe.lines),
        *((step, "step", STEP_CHARACTERS_MAX) for step in recipe.steps),
        *((word, "theme", 20) for word in [recipe.theme] if word),
        *((line.group, "group", 20) for line in recipe.lines if line.group),
        (recipe.language, "language", 8),
    ):
        checked_words(text, field=field, characters_max=most)
    if recipe.meal not in MEALS:
        raise Refused(
            "recipe.meal", N_("The meal of a recipe is one of: {known}."), N_("Write it so."), known=", ".join(MEALS)
        )
    if not 0 < recipe.portions <= PORTIONS_MAX or not 0 < recipe.batch_min <= recipe.batch_max <= PORTIONS_MAX:
        raise Refused(
            "recipe.portions",
            N_("The portions of a recipe are whole numbers from 1 to {most}, the smallest pot before the largest."),
            N_("Write for how many people it is."),
            most=PORTIONS_MAX,
        )
    if not 0 <= recipe.minutes <= MINUTES_MAX:
        raise Refused("recipe.minutes", N_("The minutes of a recipe are at most a day."), N_("Write them again."))
    sizes = [
        sum(len(word.encode("utf-8", "replace")) for word in words)
        for words in ([line_word(line) for line in recipe.lines], recipe.steps)
    ]
    if not 1 <= len(recipe.lines) <= LINES_MAX or len(recipe.steps) > STEPS_MAX or max(sizes) > LIST_BYTES_MAX:
        raise Refused(
            "recipe.size",
            N_("A recipe has 1 to {lines} ingredients and at most {steps} steps, not too long."),
            N_("Shorten it."),
            lines=LINES_MAX,
            steps=STEPS_MAX,
        )
    for line in recipe.lines:
        _check_line(tx, line.item_id, line.quantity_milli, int(line.unit), line.text)


def _check_line(tx: Transaction, item_id: str | None, quantity_milli: int | None, unit: int, text: str) -> None:
    if item_id is not None:
        found = item(tx.connection, item_id)
        if found is None:
            raise Refused(
                "recipe.item",
                N_("No item is known by {item}, in the line '{line}'."),
                N_("Find it with: larder items WORD; or leave its item out: then the recipe is cooked, not planned."),
                item=item_id[:60],
                line=text,
            )
        if quantity_milli is not None and int(found.unit) != unit:
            raise Refused(
                "recipe.unit",
                N_("{item} is not counted in the unit of the line '{line}'."),
                N_("Write the amount in the unit of the item: see larder items WORD."),
                item=found.name,
                line=text,
            )
    if quantity_milli is not None and not 0 < quantity_milli <= LINE_QUANTITY_MILLI_MAX:
        raise Refused(
            "recipe.quantity",
            N_("The amount in the line '{line}' is not above zero, or it is too large."),
            N_("Write the amount again, or leave it out for 'to taste'."),
            line=text,
        )
