"""`larder count`: what is really there of a lot."""

from __future__ import annotations

import click
import msgspec

from node.actions.counting import Counted, count
from node.cli.answers import ItemAnswer, item_answer
from node.cli.asking import act_after_questions
from node.cli.choosing import known_item, known_lot, lot_of_action
from node.cli.desk import Desk, writing
from node.cli.options import as_json, confirmed, repeatable
from node.cli.output import answer
from node.cli.sentences import name_text
from node.domain.quantity import parse_quantity
from node.language import _, decimal_mark
from node.ledger.read import Item
from node.tui.sentences import lot_name, quantity_text

NOTHING = "0"


class CountAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder count --json` prints. Quantities in thousandths of `item.unit`."""

    format: str = "larder-count/1"
    saved: bool = True
    action_id: str
    item: ItemAnswer
    lot_id: str
    lot: str
    counted_milli: int
    change_milli: int


@click.command("count", help=_("Say that QUANTITY was counted of a lot; 0 where nothing is left."))
@click.argument("code_or_name")
@click.argument("quantity")
@click.option("--lot", "lot_named", required=True, metavar="LOT", help=_("The text on its label, or its id."))
@confirmed
@repeatable
@as_json
@click.pass_obj
def count_verb(desk: Desk, code_or_name: str, quantity: str, lot_named: str, yes: bool, action_id: bytes) -> None:
    """Count a lot and print by how much the books changed."""
    with writing(desk) as market:
        item = known_item(market.reader, code_or_name)
        lot = lot_of_action(market.reader, action_id) or known_lot(market.reader, item, lot_named)
        counted_milli = 0 if quantity.strip() == NOTHING else parse_quantity(quantity, item.unit, decimal_mark())
        counted = act_after_questions(
            market,
            "count",
            lambda tx, who, said: count(
                tx, action_id=action_id, who=who, lot_id=lot.lot_id, counted_milli=counted_milli, yes=said
            ),
            is_yes=yes,
        )
        _tell(desk, item, counted, action_id)


def _tell(desk: Desk, item: Item, counted: Counted, action_id: bytes) -> None:
    value = CountAnswer(
        action_id=action_id.hex(),
        item=item_answer(item),
        lot_id=str(counted.lot.lot_id),
        lot=counted.lot.label,
        counted_milli=counted.counted_milli,
        change_milli=counted.change_milli,
    )
    sign = "+" if counted.change_milli > 0 else ""
    lines = [
        _("saved: counted {name} {quantity}, lot {lot}").format(
            name=name_text(item.name),
            quantity=quantity_text(counted.counted_milli, item.unit),
            lot=lot_name(counted.lot),
        ),
        _("changed by {change}").format(change=sign + quantity_text(counted.change_milli, item.unit)),
        _("action {action_id}").format(action_id=action_id.hex()),
    ]
    answer(desk, value, lines)
