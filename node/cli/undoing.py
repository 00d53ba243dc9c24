"""`larder undo` and `larder history`: take the last action back by its opposite, and see what happened."""

from __future__ import annotations

import click
import msgspec

from node.actions.undo import Undone, undo
from node.cli.answers import MovementAnswer, movement_answer
from node.cli.choosing import known_item
from node.cli.desk import Desk, reading, writing
from node.cli.options import as_json, read_hex_id, repeatable
from node.cli.output import answer
from node.cli.sentences import movement_line, name_text
from node.language import _
from node.ledger import read
from node.ledger.read.goods import ROWS_MAX
from node.tui.sentences import batch_text, kind_text, quantity_text

HISTORY_DEFAULT = 50


class UndoAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder undo --json` prints: the action taken back, and the movements it had made.

    `kept` says what was done about a plan since and stays; empty where there is nothing.
    """

    format: str = "larder-undo/1"
    saved: bool = True
    action_id: str
    undone_action_id: str
    verb: str
    movements: list[MovementAnswer]
    kept: str


class HistoryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder history --json` prints, newest first. `is_cut` says that there are more."""

    format: str = "larder-history/1"
    movements: list[MovementAnswer]
    is_cut: bool


@click.command("undo", help=_("Take back the last action of --who, by an opposite entry; nothing is erased."))
@click.option("--action", "target", metavar="HEX", help=_("Take back this action; its id was printed with it."))
@repeatable
@as_json
@click.pass_obj
def undo_verb(desk: Desk, target: str | None, action_id: bytes) -> None:
    """Take an action back and print the movements that it had made."""
    wanted = read_hex_id(target) if target else None
    with writing(desk) as market:
        undone = market.act("undo", lambda tx, who: undo(tx, action_id=action_id, who=who, target=wanted))
        value = UndoAnswer(
            action_id=action_id.hex(),
            undone_action_id=undone.action_id.hex(),
            verb=undone.verb,
            # As they stand now, whether this is the first answer or the same action sent again.
            movements=[
                msgspec.structs.replace(movement_answer(movement), is_taken_back=True) for movement in undone.movements
            ],
            kept=undone.kept,
        )
        answer(desk, value, _undone_lines(undone, action_id))


def _undone_lines(undone: Undone, action_id: bytes) -> list[str]:
    lines = [
        _("saved: taken back: {kind} {name} {quantity}, lot {lot}").format(
            kind=kind_text(movement),
            name=name_text(movement.item_name),
            quantity=quantity_text(abs(movement.quantity_milli), movement.unit),
            lot=batch_text(movement.batch, movement.lot_id.seq),
        )
        for movement in undone.movements
    ]
    lines += [undone.kept] if undone.kept else []
    return [*lines, _("action {action_id}").format(action_id=action_id.hex())]


@click.command("history", help=_("Show the last movements, of one item or of all, newest first."))
@click.argument("code_or_name", required=False)
@click.option(
    "--limit",
    type=click.IntRange(1, ROWS_MAX),
    default=HISTORY_DEFAULT,
    show_default=True,
    help=_("How many at most."),
)
@as_json
@click.pass_obj
def history_verb(desk: Desk, code_or_name: str | None, limit: int) -> None:
    """Print the last movements."""
    with reading(desk) as connection:
        item_id = known_item(connection, code_or_name).item_id if code_or_name else None
        # One more than is shown, to know whether there are more.
        found = read.movements(connection, item_id, limit + 1)
    shown, is_cut = found[:limit], len(found) > limit
    lines = [movement_line(movement) for movement in shown] or [_("Nothing has moved yet.")]
    if is_cut:
        lines.append(_("the last {count}; there are more").format(count=len(shown)))
    answer(desk, HistoryAnswer(movements=[movement_answer(movement) for movement in shown], is_cut=is_cut), lines)
