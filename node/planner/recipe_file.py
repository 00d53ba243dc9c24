"""A recipe as a person writes it into a file: strict JSON, every slip named in one sentence.

Not the form in the ledger. Amounts become whole thousandths here, by exact fractions; an amount that is left out is
"to taste", and nothing is guessed.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, Literal

import msgspec

from node.domain.recipes import Recipe, RecipeLine, Scale
from node.domain.words import Unit
from node.errors import N_, Refused
from node.text import safe_text

FILE_BYTES_MAX = 64 * 1024
_REASON_CELLS = 160
_NUMBER_CHARACTERS_MAX = 12

UNITS: dict[str, tuple[Unit, int]] = {
    "g": (Unit.GRAM, 1_000),
    "kg": (Unit.GRAM, 1_000_000),
    "ml": (Unit.MILLILITRE, 1_000),
    "l": (Unit.MILLILITRE, 1_000_000),
    "each": (Unit.EACH, 1_000),
}


class _Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str
    item: str | None = None
    quantity: Any = None
    unit: str = "g"
    optional: bool = False
    scale: Literal["linear", "sqrt", "fixed"] = "linear"
    group: str = ""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    title: str
    portions: int
    lines: list[_Line]
    meal: str = "main"
    minutes: int = 0
    steps: list[str] = []
    batch_min: int = 1
    batch_max: int = 200
    theme: str = ""
    language: str = "en"
    parent: str | None = None


def read_recipe(raw: bytes) -> Recipe:
    """Return the recipe in a file, without an id. Raises Refused with one sentence for anything that is not one."""
    if len(raw) > FILE_BYTES_MAX:
        raise Refused(
            "recipe.file_size",
            N_("The file is longer than {most} bytes."),
            N_("A recipe is one JSON object; see larder recipe --help."),
            most=FILE_BYTES_MAX,
        )
    try:
        value = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_once_each,
            parse_float=_decimal,
            parse_constant=_decimal,
            parse_int=_whole,
        )
        file = msgspec.convert(value, _File)
        json.dumps(value, default=str, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise Refused(
            "recipe.file",
            N_("The file is not a recipe: {reason}."),
            N_("Correct it; larder recipe add --help shows the form."),
            reason=safe_text(str(error), _REASON_CELLS),
        ) from error
    return Recipe(
        recipe_id="",
        title=file.title,
        meal=file.meal,
        portions=file.portions,
        minutes=file.minutes,
        lines=tuple(_line(line) for line in file.lines),
        batch_min=file.batch_min,
        batch_max=file.batch_max,
        theme=file.theme,
        language=file.language,
        steps=tuple(file.steps),
        parent=file.parent,
    )


def _line(line: _Line) -> RecipeLine:
    if line.item is not None and line.item.startswith(("book/", "recipe/")):
        raise Refused(
            "recipe.nested",
            N_("The line '{line}' names a recipe, and a recipe in a recipe cannot be planned."),
            N_("Write its ingredients, or leave the item out."),
            line=safe_text(line.text, 80),
        )
    if line.unit not in UNITS:
        raise Refused(
            "recipe.unit_unknown",
            N_("'{unit}' is not a unit, in the line '{line}'."),
            N_("Use one of: {known}."),
            unit=safe_text(line.unit, 20),
            line=safe_text(line.text, 80),
            known=", ".join(UNITS),
        )
    unit, factor = UNITS[line.unit]
    return RecipeLine(
        line.text, line.item, _milli(line, factor), unit, line.optional, Scale(line.scale), line.group[:20]
    )


def _milli(line: _Line, factor: int) -> int | None:
    if line.quantity is None:
        return None
    is_number = isinstance(line.quantity, int | Decimal) and not isinstance(line.quantity, bool)
    milli = line.quantity * factor if is_number else None
    if milli is None or milli != int(milli):
        raise Refused(
            "recipe.not_a_number",
            N_("The amount in the line '{line}' is not a number with at most three decimals."),
            N_("Write a number such as 200 or 0.5, or leave it out for 'to taste'."),
            line=safe_text(line.text, 80),
        )
    return int(milli)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        # Two amounts of one ingredient: whoever wrote them meant one of them, and not surely the last.
        raise ValueError("it names the same thing twice")
    return found


def _whole(text: str) -> int:
    if len(text) > _NUMBER_CHARACTERS_MAX:
        raise ValueError("a number is too long")
    return int(text)


def _decimal(text: str) -> Decimal:
    if len(text) > _NUMBER_CHARACTERS_MAX or not text.replace(".", "", 1).lstrip("-").isdigit():
        raise ValueError(f"{text[:12]} is not a plain number")
    return Decimal(text)
