"""`larder discard`: throw away a quantity of a lot, with its reason. Hard to take back, so it asks."""

from __future__ import annotations

import click
import msgspec

from node.actions.goods import Discarded, discard
from node.cli.answers import ItemAnswer, item_answer
from node.cli.asking import ask
from node.cli.choosing import known_item, known_lot, lot_of_action
from node.cli.desk import Desk, writing
from node.cli.options import as_json, confirmed, repeatable
from node.cli.output import answer
from node.cli.sentences import name_text
from node.domain.quantity import parse_quantity
from node.domain.words import DiscardReason
from node.errors import N_, NeedsYes
from node.language import _, decimal_mark
from node.tui.sentences import lot_name, quantity_text

ALL = "all"
REASONS = {reason.name.lower(): reason for reason in DiscardReason if reason is not DiscardReason.NONE}


class DiscardAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder discard --json` prints. Quantities in thousandths of `item.unit`."""

    format: str = "larder-discard/1"
    saved: bool = True
    action_id: str
    item: ItemAnswer
    lot_id: str
    lot: str
    quantity_milli: int
    reason: str
    on_hand_after_milli: int


@click.command("discard", help=_("Throw away QUANTITY (or all) of a lot. Asks before it does."))
@click.argument("code_or_name")
@click.argument("quantity", default=ALL)
@click.option("--lot", "lot_named", required=True, metavar="LOT", help=_("The text on its label, or its id."))
@click.option("--reason", required=True, type=click.Choice(tuple(REASONS)), help=_("Why it is thrown away."))
@confirmed
@repeatable
@as_json
@click.pass_obj
def discard_verb(
    desk: Desk, code_or_name: str, quantity: str, lot_named: str, reason: str, yes: bool, action_id: bytes
) -> None:
    """Ask, discard, and print what is left."""
    with writing(desk) as market:
        item = known_item(market.reader, code_or_name)
        done = lot_of_action(market.reader, action_id)
        lot = done or known_lot(market.reader, item, lot_named)
        quantity_milli = (
            None if quantity.strip().lower() == ALL else parse_quantity(quantity, item.unit, decimal_mark())
        )
        ask(
            NeedsYes(
                "discard.confirm",
                N_("Discard {quantity} of {item}, lot {lot}? Reason: {reason}."),
                N_("What is discarded leaves the stock."),
                quantity=quantity_text(lot.on_hand_milli if quantity_milli is None else quantity_milli, item.unit),
                item=name_text(item.name),
                lot=lot_name(lot),
                reason=reason,
            ),
            is_yes=yes or done is not None,
        )
        discarded = market.act(
            "discard",
            lambda tx, who: discard(
                tx,
                action_id=action_id,
                who=who,
                lot_id=lot.lot_id,
                reason=REASONS[reason],
                quantity_milli=quantity_milli,
            ),
        )
        _tell(desk, discarded, action_id)


def _tell(desk: Desk, discarded: Discarded, action_id: bytes) -> None:
    item, lot = discarded.item, discarded.lot
    reason = discarded.reason.name.lower()
    value = DiscardAnswer(
        action_id=action_id.hex(),
        item=item_answer(item),
        lot_id=str(lot.lot_id),
        lot=lot.label,
        quantity_milli=discarded.quantity_milli,
        reason=reason,
        on_hand_after_milli=discarded.on_hand_after_milli,
    )
    lines = [
        _("saved: discarded {name} {quantity}, lot {lot}, reason {reason}").format(
            name=name_text(item.name),
            quantity=quantity_text(discarded.quantity_milli, item.unit),
            lot=lot_name(lot),
            reason=reason,
        ),
        _("on hand {quantity}").format(quantity=quantity_text(discarded.on_hand_after_milli, item.unit)),
        _("action {action_id}").format(action_id=action_id.hex()),
    ]
    answer(desk, value, lines)
