"""A recipe as a person writes it into a file: strict JSON, every slip named in one sentence.

Not the form in the ledger. Amounts become whole thousandths here, by exact fractions; an amount that is left out is
"to taste", and nothing is guessed.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any, Literal

import msgspec

from node.domain.recipes import Recipe, RecipeLine, Scale
from node.domain.words import Unit
from node.errors import N_, Refused
from node.language import _
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
            reason=safe_text(_plain(error), _REASON_CELLS),
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


# What a checker of JSON says, word for word, and what a person is told instead; `{...}` parts are kept.
_PLAIN: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"Object missing required field `(?P<name>[^`]*)`"), N_("{name} is missing{place}")),
    (re.compile(r"Object contains unknown field `(?P<name>[^`]*)`"), N_("{name} is not a part of a recipe{place}")),
    (re.compile(r"Invalid enum value (?P<name>\S+)"), N_("{name} is not one of its words{place}")),
    (re.compile(r"Expected `str"), N_("words in quotes are expected{place}")),
    (re.compile(r"Expected `int"), N_("a whole number without quotes is expected{place}")),
    (re.compile(r"Expected `bool"), N_("true or false is expected{place}")),
    (re.compile(r"Expected `array"), N_("a list in square brackets is expected{place}")),
    (re.compile(r"Expected `object"), N_("an object in curly brackets is expected{place}")),
)
_PLACE = re.compile(r"at `\$\.?(?P<path>[^`]+)`")
_ELEMENT = re.compile(r"\[(\d+)\]")
_NO_JSON = re.compile(r": line (?P<line>\d+) column (?P<column>\d+)")


def _plain(error: Exception) -> str:
    """Return what is wrong with a file in words that need no knowledge of programs."""
    if isinstance(error, UnicodeError):
        return _("it is not plain text in UTF-8")
    if isinstance(error, RecursionError):
        return _("it is nested too deeply")
    text = str(error)
    where = _NO_JSON.search(text)
    if isinstance(error, json.JSONDecodeError) and where:
        return _("it is no JSON from line {line}, column {column} on").format(**where.groupdict())
    if isinstance(error, msgspec.ValidationError):
        for pattern, words in _PLAIN:
            found = pattern.search(text)
            if found:
                return _(words).format(place=_place(text), **found.groupdict())
        return _("it does not have the form of a recipe")
    # Sentences of this file itself.
    return _(text)


def _place(text: str) -> str:
    """Return where in the file, counted from one as people count: ` (lines 2, quantity)`."""
    found = _PLACE.search(text)
    if not found:
        return ""
    path = _ELEMENT.sub(lambda match: f" {int(match.group(1)) + 1}", found.group("path"))
    return f" ({path.replace('[...]', '').replace('.', ', ')})"


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
        raise ValueError(N_("it names the same thing twice"))
    return found


def _whole(text: str) -> int:
    if len(text) > _NUMBER_CHARACTERS_MAX:
        raise ValueError(N_("a number in it is too long"))
    return int(text)


def _decimal(text: str) -> Decimal:
    if len(text) > _NUMBER_CHARACTERS_MAX or not text.replace(".", "", 1).lstrip("-").isdigit():
        raise ValueError(N_("a number in it is not a plain one, such as 200 or 0.5"))
    return Decimal(text)
