"""`larder sell` and `larder issue`: goods out, first expired first or from the lot named."""

from __future__ import annotations

import click
import msgspec

from node import clock
from node.actions.checks import judged_day
from node.actions.goods import Sold, sell
from node.cli.answers import ItemAnswer, TakenAnswer, item_answer
from node.cli.asking import act_after_questions
from node.cli.choosing import known_item, known_lot, lot_of_action
from node.cli.desk import Desk, Writing, writing
from node.cli.options import as_json, confirmed, repeatable
from node.cli.output import answer
from node.cli.sentences import DATE_WORDS, name_text
from node.domain.lots import DateState, Lot, date_state, sellable
from node.domain.quantity import parse_quantity
from node.domain.words import Basis, MoveKind
from node.language import _, decimal_mark
from node.ledger.read import Item, held_lots, lots
from node.ledger.store import Transaction
from node.tui.sentences import date_text, lot_name, quantity_text

_WORTH_SAYING = (DateState.USE_BY_TODAY, DateState.PAST_BEST_BEFORE)


class SellAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder sell --json` and `larder issue --json` print. Quantities in thousandths of `item.unit`.

    `lot_id` and `lot` are those of the first of `takes`; `oversold_milli` is the part that was not on the books.
    `plan_needs_milli` is what accepted plans still need of the item, `plan_lacks_milli` what of that is not here now.
    """

    format: str
    saved: bool = True
    action_id: str
    item: ItemAnswer
    quantity_milli: int
    lot_id: str
    lot: str
    takes: list[TakenAnswer]
    on_hand_after_milli: int
    oversold_milli: int
    plan_needs_milli: int
    plan_lacks_milli: int


@click.command("sell", help=_("Sell an item: first expired first, or from the lot named."))
@click.argument("code_or_name")
@click.argument("quantity", default="1")
@click.option("--lot", "lot_named", metavar="LOT", help=_("Take it from this lot: the text on its label, or its id."))
@confirmed
@repeatable
@as_json
@click.pass_obj
def sell_verb(desk: Desk, code_or_name: str, quantity: str, lot_named: str | None, yes: bool, action_id: bytes) -> None:
    """Sell, and print what went out of which lot."""
    _hand_out(desk, MoveKind.SELL, code_or_name, quantity, lot_named, is_yes=yes, action_id=action_id)


@click.command("issue", help=_("Give an item out to the kitchen; like sell, but not for money."))
@click.argument("code_or_name")
@click.argument("quantity", default="1")
@click.option("--lot", "lot_named", metavar="LOT", help=_("Take it from this lot: the text on its label, or its id."))
@confirmed
@repeatable
@as_json
@click.pass_obj
def issue_verb(
    desk: Desk, code_or_name: str, quantity: str, lot_named: str | None, yes: bool, action_id: bytes
) -> None:
    """Issue, and print what went out of which lot."""
    _hand_out(desk, MoveKind.ISSUE, code_or_name, quantity, lot_named, is_yes=yes, action_id=action_id)


def _hand_out(
    desk: Desk, kind: MoveKind, typed: str, quantity: str, lot_named: str | None, *, is_yes: bool, action_id: bytes
) -> None:
    verb = kind.name.lower()
    with writing(desk) as market:
        item = known_item(market.reader, typed)
        quantity_milli = parse_quantity(quantity, item.unit, decimal_mark())
        lot = None
        if lot_named:
            lot = lot_of_action(market.reader, action_id) or known_lot(market.reader, item, lot_named)
        earlier = _earlier_lot(market, item, lot)

        def work(tx: Transaction, who: int, given: frozenset[str]) -> Sold:
            return sell(
                tx,
                action_id=action_id,
                who=who,
                item_id=item.item_id,
                quantity_milli=quantity_milli,
                lot_id=lot.lot_id if lot else None,
                basis=Basis.CHOSEN if lot else Basis.ASSUMED,
                kind=kind,
                yes=given,
            )

        sold = act_after_questions(market, verb, work, is_yes=is_yes)
        answer(desk, _value(sold, verb, action_id), _lines(sold, kind, earlier, action_id))


def _earlier_lot(market: Writing, item: Item, chosen: Lot | None) -> Lot | None:
    """Return the lot that should have gone first, None where the right one (or none) was chosen."""
    if chosen is None:
        return None
    held = held_lots(market.reader, item.item_id)
    free = (lot for lot in lots(market.reader, item.item_id) if lot.lot_id not in held)
    first = next(iter(sellable(free, judged_day(clock.now()))), chosen)
    return None if first.lot_id == chosen.lot_id else first


def _value(sold: Sold, verb: str, action_id: bytes) -> SellAnswer:
    takes = [
        TakenAnswer(
            str(taken.lot.lot_id), taken.lot.label, taken.quantity_milli, taken.lot.use_by, taken.lot.best_before
        )
        for taken in sold.takes
    ]
    return SellAnswer(
        format=f"larder-{verb}/1",
        action_id=action_id.hex(),
        item=item_answer(sold.item),
        quantity_milli=sold.quantity_milli,
        lot_id=takes[0].lot_id,
        lot=takes[0].lot,
        takes=takes,
        on_hand_after_milli=sold.on_hand_after_milli,
        oversold_milli=sold.oversold_milli,
        plan_needs_milli=sold.plan_needs_milli,
        plan_lacks_milli=sold.plan_lacks_milli,
    )


def _lines(sold: Sold, kind: MoveKind, earlier: Lot | None, action_id: bytes) -> list[str]:
    unit = sold.item.unit
    said = _("saved: issued {name} {quantity}") if kind is MoveKind.ISSUE else _("saved: sold {name} {quantity}")
    lines = [said.format(name=name_text(sold.item.name), quantity=quantity_text(sold.quantity_milli, unit))]
    today = judged_day(clock.now())
    for taken in sold.takes:
        state = date_state(taken.lot, today)
        note = f"{_(DATE_WORDS[state])} " if state in _WORTH_SAYING else ""
        lines.append(
            _("{note}lot {lot} {quantity}, {date}").format(
                note=note,
                lot=lot_name(taken.lot),
                quantity=quantity_text(taken.quantity_milli, unit),
                date=date_text(taken.lot),
            )
        )
    if earlier is not None:
        lines.append(
            _("LATER LOT taken: {lot} ({date}) should go first").format(lot=lot_name(earlier), date=date_text(earlier))
        )
    if sold.oversold_milli:
        lines.append(
            _("OVERSOLD {quantity} more than the books have; count this item").format(
                quantity=quantity_text(sold.oversold_milli, unit)
            )
        )
    if sold.plan_lacks_milli:
        lines.append(
            _("note: the accepted plan needs {need} of it and now lacks {lack}").format(
                need=quantity_text(sold.plan_needs_milli, unit), lack=quantity_text(sold.plan_lacks_milli, unit)
            )
        )
    lines.append(_("on hand {quantity}").format(quantity=quantity_text(sold.on_hand_after_milli, unit)))
    lines.append(_("action {action_id}").format(action_id=action_id.hex()))
    return lines
