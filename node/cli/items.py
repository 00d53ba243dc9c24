"""`larder item`: one item in full, its name, its allergens, and what about the catalogue needs a person."""

from __future__ import annotations

import sqlite3

import click
import msgspec

from node.cli.answers import ItemAnswer, item_answer
from node.cli.asking import act_after_questions
from node.cli.choosing import known_item
from node.cli.desk import Desk, reading, writing
from node.cli.options import as_json, confirmed, repeatable
from node.cli.output import answer
from node.cli.sentences import allergens_text, name_text
from node.cli.stock import item_line
from node.domain.allergens import ALLERGENS, Declaration
from node.language import _
from node.ledger.read.goods import Item
from node.ledger.read.members import members
from node.ledger.read.questions import differing_names, undeclared_here, weakened_elsewhere
from node.text import safe_text

NONE, UNKNOWN = "none", "unknown"
REASON_CELLS = 120


class ChangedItemAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What renaming and declaring print with --json."""

    format: str = "larder-item/1"
    saved: bool = True
    action_id: str
    item: ItemAnswer


class QuestionsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder item questions --json` prints: item ids by question, and the same as sentences."""

    format: str = "larder-item-questions/1"
    undeclared: list[str]
    taken_off_elsewhere: list[str]
    differing_names: list[str]
    lines: list[str]


@click.group("item", help=_("One item: its name, its allergens, and what about the catalogue needs a person."))
def item_verb() -> None:
    """Hold the three verbs about items."""


@item_verb.command("rename", help=_("Give an item another name, on every market."))
@click.argument("code_or_name")
@click.argument("name")
@repeatable
@as_json
@click.pass_obj
def rename_verb(desk: Desk, code_or_name: str, name: str, action_id: bytes) -> None:
    """Rename an item and print it."""
    from node.actions.declaring import rename_item

    with writing(desk) as market:
        item = known_item(market.reader, code_or_name)
        changed = market.act(
            "rename", lambda tx, who: rename_item(tx, action_id=action_id, who=who, item_id=item.item_id, name=name)
        )
        _tell(desk, changed, action_id)


@item_verb.command(
    "allergens",
    help=_(
        "Declare what the label says: LIST is milk,nuts or none; 'unknown' where nobody knows. Taking one off asks, and"
        " needs --who before the verb and --reason."
    ),
)
@click.argument("code_or_name")
@click.argument("said", metavar="LIST")
@click.option("--reason", metavar="TEXT", help=_("Why an allergen is taken off; kept in the log."))
@confirmed
@repeatable
@as_json
@click.pass_obj
def allergens_verb(desk: Desk, code_or_name: str, said: str, reason: str | None, yes: bool, action_id: bytes) -> None:
    """Declare the allergens of an item and print it."""
    from node.actions.declaring import declare_allergens

    with writing(desk) as market:
        item = known_item(market.reader, code_or_name)
        changed = act_after_questions(
            market,
            "item",
            lambda tx, who, answered: declare_allergens(
                tx,
                action_id=action_id,
                who=who,
                item_id=item.item_id,
                allergens=read_declaration(said),
                reason=reason,
                yes=answered,
            ),
            is_yes=yes,
        )
        _tell(desk, changed, action_id)


@item_verb.command("questions", help=_("What about the catalogue needs a person, and how to answer it."))
@as_json
@click.pass_obj
def questions_verb(desk: Desk) -> None:
    """Print every open question."""
    with reading(desk) as connection:
        undeclared = undeclared_here(connection)
        weakened = weakened_elsewhere(connection)
        differing = differing_names(connection)
        lines = [
            *(undeclared_line(item) for item in undeclared),
            *_weakened_lines(connection),
            *(
                _(
                    "{name}: two markets named it at once: {names}; choose with larder item rename {item_id} NAME"
                ).format(
                    name=name_text(each.item.name),
                    names=", ".join(name_text(name) for name in each.names),
                    item_id=each.item.item_id,
                )
                for each in differing
            ),
        ]
    value = QuestionsAnswer(
        undeclared=[item.item_id for item in undeclared],
        taken_off_elsewhere=[each.item.item_id for each in weakened],
        differing_names=[each.item.item_id for each in differing],
        lines=lines,
    )
    answer(desk, value, lines or [_("nothing about the catalogue needs a person")])


def undeclared_line(item: Item) -> str:
    """Return the question about an item whose allergens nobody declared, with the way to answer it."""
    return _(
        "{name}: no allergens are declared, so it is unsafe for whoever has one; read the label, then {verb}"
    ).format(name=name_text(item.name), verb=f"larder item allergens {item.item_id} LIST")


def read_declaration(said: str) -> Declaration:
    """Return what was typed as allergens: `milk,nuts`, `none`, or None for `unknown`. Words are not judged here."""
    words = said.strip().lower()
    if words == UNKNOWN:
        return None
    if words == NONE:
        return ()
    return tuple(dict.fromkeys(word.strip() for word in words.split(",")))


def _weakened_lines(connection: sqlite3.Connection) -> list[str]:
    names = {member.origin: member.name for member in members(connection)}
    lines = []
    for each in weakened_elsewhere(connection):
        kept = [code for code in ALLERGENS if code in (each.item.allergens or ()) and code not in each.allergens]
        text = _("{name}: {market} took off {allergens}{reason}; it counts here until somebody says so with {verb}")
        lines.append(
            text.format(
                name=name_text(each.item.name),
                market=names.get(each.origin) or _("another market"),
                allergens=", ".join(each.allergens),
                reason=f" ({safe_text(each.reason, REASON_CELLS)})" if each.reason else "",
                verb=f"larder item allergens {each.item.item_id} {','.join(kept) or NONE} --reason TEXT",
            )
        )
    return lines


def _tell(desk: Desk, changed: Item, action_id: bytes) -> None:
    lines = [
        _("saved: {name}, {allergens}").format(
            name=name_text(changed.name), allergens=name_text(allergens_text(changed))
        ),
        item_line(changed),
        _("action {action_id}").format(action_id=action_id.hex()),
    ]
    answer(desk, ChangedItemAnswer(action_id=action_id.hex(), item=item_answer(changed)), lines)
