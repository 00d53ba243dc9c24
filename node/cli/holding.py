"""`larder hold`: which lots are on hold and why, and the decision of a named person to lift a hold or put it back."""

from __future__ import annotations

import click
import msgspec

from node.cli.answers import ItemAnswer, LotAnswer, item_answer, lot_answer
from node.cli.asking import act_after_questions
from node.cli.choosing import known_item, known_lot
from node.cli.desk import Desk, Writing, reading, writing
from node.cli.options import as_json, confirmed, repeatable
from node.cli.output import answer
from node.cli.sentences import name_text
from node.cli.stock import HOLD
from node.domain.lots import Lot
from node.language import _
from node.ledger.read.goods import Item
from node.ledger.read.holds import HeldLot, Hold, held_here
from node.tui.sentences import date_text, lot_name, quantity_text


class HeldAnswer(msgspec.Struct, frozen=True):
    """A lot on hold; `reasons` are fixed words."""

    item_id: str
    name: str
    lot: LotAnswer
    reasons: list[str]


class HoldsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder hold list --json` prints."""

    format: str = "larder-holds/1"
    lots: list[HeldAnswer]


class HoldAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What lifting a hold and putting it back print with --json."""

    format: str = "larder-hold/1"
    saved: bool = True
    done: str
    action_id: str
    item: ItemAnswer
    lot_id: str
    lot: str
    reasons: list[str]


@click.group("hold", help=_("Lots on hold: which, why, and lifting a hold."))
def hold_verb() -> None:
    """Hold the three verbs about holds."""


@hold_verb.command("list", help=_("Every lot of this market that is on hold, with the reason."))
@as_json
@click.pass_obj
def list_verb(desk: Desk) -> None:
    """Print the lots on hold."""
    with reading(desk) as connection:
        found = held_here(connection)
    value = HoldsAnswer(
        lots=[
            HeldAnswer(each.lot.item_id, each.item_name, lot_answer(each.lot, HOLD), _reasons(each.holds))
            for each in found
        ]
    )
    answer(desk, value, [_held_line(each) for each in found] or [_("no lot is on hold")])


@hold_verb.command(
    "lift",
    help=_("Say that a lot on hold may be used after all. Asks; needs --who before the verb, and a reason."),
)
@click.argument("code_or_name")
@click.option("--lot", "lot_named", required=True, metavar="LOT", help=_("The text on its label, or its id."))
@click.option("--reason", metavar="TEXT", help=_("Why it may be used; kept in the log."))
@confirmed
@repeatable
@as_json
@click.pass_obj
def lift_verb(desk: Desk, code_or_name: str, lot_named: str, reason: str | None, yes: bool, action_id: bytes) -> None:
    """Lift the holds of one lot."""
    from node.actions.holds import lift_hold

    with writing(desk) as market:
        item, lot = _named(market, code_or_name, lot_named)
        decided = act_after_questions(
            market,
            "hold",
            lambda tx, who, said: lift_hold(
                tx, action_id=action_id, who=who, lot_id=lot.lot_id, reason=reason, yes=said
            ),
            is_yes=yes,
        )
        _tell(desk, "lifted", item, lot, decided.holds, action_id)


@hold_verb.command("back", help=_("Put a lot on hold again whose hold was lifted here."))
@click.argument("code_or_name")
@click.option("--lot", "lot_named", required=True, metavar="LOT", help=_("The text on its label, or its id."))
@repeatable
@as_json
@click.pass_obj
def back_verb(desk: Desk, code_or_name: str, lot_named: str, action_id: bytes) -> None:
    """Put the holds of one lot back."""
    from node.actions.holds import put_back_hold

    with writing(desk) as market:
        item, lot = _named(market, code_or_name, lot_named)
        decided = market.act("hold", lambda tx, who: put_back_hold(tx, action_id=action_id, who=who, lot_id=lot.lot_id))
        _tell(desk, "back", item, lot, decided.holds, action_id)


def _named(market: Writing, code_or_name: str, lot_named: str) -> tuple[Item, Lot]:
    item = known_item(market.reader, code_or_name)
    return item, known_lot(market.reader, item, lot_named)


def _held_line(held: HeldLot) -> str:
    return _("HOLD {name} {quantity}, lot {lot}, {date}: {reasons}; id {lot_id}").format(
        name=name_text(held.item_name),
        quantity=quantity_text(held.lot.on_hand_milli, held.lot.unit),
        lot=lot_name(held.lot),
        date=date_text(held.lot),
        reasons=_words(held.holds),
        lot_id=held.lot.lot_id,
    )


def _words(holds: tuple[Hold, ...]) -> str:
    return ", ".join(sorted({_(hold.words) for hold in holds if not hold.is_lifted}))


def _reasons(holds: tuple[Hold, ...]) -> list[str]:
    return sorted({hold.reason for hold in holds if not hold.is_lifted})


def _tell(desk: Desk, done: str, item: Item, lot: Lot, holds: tuple[Hold, ...], action_id: bytes) -> None:
    words = ", ".join(sorted({_(hold.words) for hold in holds}))
    sentence = {
        "lifted": _("saved: {name}, lot {lot}, may be used again; lifted: {reasons}"),
        "back": _("saved: {name}, lot {lot}, is on hold again: {reasons}"),
    }[done]
    value = HoldAnswer(
        done=done,
        action_id=action_id.hex(),
        item=item_answer(item),
        lot_id=str(lot.lot_id),
        lot=lot.label,
        reasons=sorted({hold.reason for hold in holds}),
    )
    lines = [
        sentence.format(name=name_text(item.name), lot=lot_name(lot), reasons=words),
        _("action {action_id}").format(action_id=action_id.hex()),
    ]
    answer(desk, value, lines)
