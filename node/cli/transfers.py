"""`larder transfer`: hand-overs between markets, one step at a time.

Not the rules (`node.actions.transfers`, `handing`). Every step that cannot be taken now is refused in one sentence; the
same step sent again under its action id has no second effect.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

from node import clock
from node.cli.asking import act_after_questions
from node.cli.choosing import known_item, known_lot, lot_of_action
from node.cli.desk import Desk, Writing, reading, writing
from node.cli.options import as_json, confirmed, repeatable
from node.cli.output import answer
from node.cli.transfer_words import (
    TYPED_CELLS,
    TransferAnswer,
    known_market,
    read_celsius,
    transfer_answer,
    transfer_line,
)
from node.domain.quantity import parse_quantity
from node.errors import N_, Refused
from node.language import _, decimal_mark, ngettext
from node.ledger import read
from node.ledger.read import TransferRow
from node.ledger.read.goods import ROWS_MAX
from node.ledger.store import Transaction
from node.text import safe_text

LIST_DEFAULT = 50
F = TypeVar("F", bound=Callable[..., Any])
NOTHING_YET = N_("No hand-overs. Offer something with: larder transfer offer ITEM QUANTITY --to MARKET")
NOTHING_OPEN = N_("No hand-over has anything left to do. See all with: larder transfer list --all")


class TransfersAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder transfer --json` prints. `is_cut` says that there are more."""

    format: str = "larder-transfers/1"
    transfers: list[TransferAnswer]
    is_cut: bool


class TransferStepAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What each step of `larder transfer` prints: the hand-over as it stands after it."""

    format: str = "larder-transfer/1"
    saved: bool = True
    action_id: str
    step: str
    transfer: TransferAnswer


@click.group("transfer", invoke_without_command=True, help=_("Hand goods over to another market, step by step."))
@as_json
@click.pass_context
def transfer_verb(context: click.Context) -> None:
    """Print the hand-overs where no step is named."""
    if context.invoked_subcommand is None:
        _list(context.obj, is_all=False, limit=LIST_DEFAULT)


@transfer_verb.command("list", help=_("Show the hand-overs with something left to do, or --all."))
@click.option("--all", "is_all", is_flag=True, help=_("Those that are over, too."))
@click.option("--limit", type=click.IntRange(1, ROWS_MAX), default=LIST_DEFAULT, show_default=True)
@as_json
@click.pass_obj
def list_verb(desk: Desk, is_all: bool, limit: int) -> None:
    """Print the hand-overs of this market."""
    _list(desk, is_all=is_all, limit=limit)


@transfer_verb.command("offer", help=_("Offer QUANTITY of an item to a market; it is reserved until they answer."))
@click.argument("code_or_name")
@click.argument("quantity")
@click.option("--to", "market_named", required=True, metavar="MARKET", help=_("Its name, or the start of its id."))
@click.option("--lot", "lot_named", metavar="LOT", help=_("Of this lot: the text on its label, or its id."))
@confirmed
@repeatable
@as_json
@click.pass_obj
def offer_verb(
    desk: Desk,
    code_or_name: str,
    quantity: str,
    market_named: str,
    lot_named: str | None,
    yes: bool,
    action_id: bytes,
) -> None:
    """Offer a part of one lot."""
    from node.actions.transfers import offer

    with writing(desk) as market:
        item = known_item(market.reader, code_or_name)
        recipient = known_market(market.reader, market_named).origin
        quantity_milli = parse_quantity(quantity, item.unit, decimal_mark())
        lot = None
        if lot_named:
            lot = lot_of_action(market.reader, action_id) or known_lot(market.reader, item, lot_named)

        def work(tx: Transaction, who: int, given: frozenset[str]) -> TransferRow:
            return offer(
                tx,
                action_id=action_id,
                who=who,
                recipient=recipient,
                item_id=item.item_id,
                quantity_milli=quantity_milli,
                lot_id=lot.lot_id if lot else None,
                yes=given,
            )

        row = act_after_questions(market, "offer", work, is_yes=yes)
        _tell(desk, row, "offer", action_id)


def _step_verb(name: str, sentence: str, *, is_partial: bool = False) -> Callable[[F], click.Command]:
    """Make a verb of one step: of the hand-over NUMBER, where `is_partial` of all of it or a QUANTITY."""

    def named(function: F) -> click.Command:
        stepped = repeatable(as_json(click.pass_obj(function)))
        if is_partial:
            stepped = click.argument("quantity", required=False)(stepped)
        return transfer_verb.command(name, help=sentence)(click.argument("number")(stepped))

    return named


@_step_verb("accept", _("Take up an offer, all of it or QUANTITY."), is_partial=True)
def accept_verb(desk: Desk, number: str, quantity: str | None, action_id: bytes) -> None:
    """Accept an offer."""
    from node.actions.transfers import accept

    _step(desk, number, "accept", accept, action_id, lambda row: {"quantity_milli": _quantity(quantity, row)})


@_step_verb("cancel", _("Take back an offer that nobody has accepted."))
def cancel_verb(desk: Desk, number: str, action_id: bytes) -> None:
    """Cancel an offer."""
    from node.actions.transfers import cancel

    _step(desk, number, "cancel", cancel, action_id)


@_step_verb("withdraw", _("Go back on an offer that was accepted, before it is sent."))
def withdraw_verb(desk: Desk, number: str, action_id: bytes) -> None:
    """Withdraw an accepted offer."""
    from node.actions.transfers import withdraw

    _step(desk, number, "withdraw", withdraw, action_id)


@_step_verb("send", _("Say that the goods have left: what was accepted, or QUANTITY."), is_partial=True)
@click.option("--carrier", metavar="NAME", help=_("Who carries it."))
@click.option("--temperature", metavar="CELSIUS", help=_("Measured when it left; leave out if not measured."))
@confirmed
def send_verb(
    desk: Desk,
    number: str,
    quantity: str | None,
    carrier: str | None,
    temperature: str | None,
    yes: bool,
    action_id: bytes,
) -> None:
    """Send what was promised."""
    from node.actions.handing import send

    def values(row: TransferRow) -> dict[str, Any]:
        return {
            "quantity_milli": _quantity(quantity, row),
            "carrier": carrier,
            "departure_milli_c": read_celsius(temperature),
        }

    _step(desk, number, "send", send, action_id, values, is_yes=yes)


@_step_verb("receive", _("Say what has arrived: all of it, or QUANTITY in good order."), is_partial=True)
@click.option("--damaged", metavar="QUANTITY", help=_("How much arrived damaged."))
@click.option("--temperature", metavar="CELSIUS", help=_("Measured on arrival; leave out if not measured."))
@confirmed
def receive_verb(
    desk: Desk,
    number: str,
    quantity: str | None,
    damaged: str | None,
    temperature: str | None,
    yes: bool,
    action_id: bytes,
) -> None:
    """Take in what another market sent."""
    from node.actions.handing import receive

    def values(row: TransferRow) -> dict[str, Any]:
        return {
            "good_milli": _quantity(quantity, row, may_be_none=True),
            "damaged_milli": _quantity(damaged, row, may_be_none=True) or 0,
            "arrival_milli_c": read_celsius(temperature),
        }

    _step(desk, number, "receive", receive, action_id, values, is_yes=yes)


@_step_verb("refuse", _("Say no to an offer, or to goods at the door."))
@click.option("--reason", metavar="TEXT", help=_("Why, for the other market."))
def refuse_verb(desk: Desk, number: str, reason: str | None, action_id: bytes) -> None:
    """Refuse an offer or its goods."""
    from node.actions.transfers import refuse

    _step(desk, number, "refuse", refuse, action_id, lambda _row: {"reason": reason})


@_step_verb("return", _("Book goods of ours that came back: all on the way, or QUANTITY."), is_partial=True)
def return_verb(desk: Desk, number: str, quantity: str | None, action_id: bytes) -> None:
    """Book what came back."""
    from node.actions.handing import give_back

    _step(desk, number, "return", give_back, action_id, lambda row: {"quantity_milli": _quantity(quantity, row)})


@_step_verb("lost", _("Write off goods of ours that never arrived: all on the way, or QUANTITY."), is_partial=True)
def lost_verb(desk: Desk, number: str, quantity: str | None, action_id: bytes) -> None:
    """Write off what was lost."""
    from node.actions.handing import lose

    _step(desk, number, "lost", lose, action_id, lambda row: {"quantity_milli": _quantity(quantity, row)})


def _list(desk: Desk, *, is_all: bool, limit: int) -> None:
    moment = clock.now()
    with reading(desk) as connection:
        # One more than is shown, to know whether there are more.
        found = read.transfers(connection, open_only=not is_all, limit=limit + 1)
        is_first = not found and not read.transfers(connection, limit=1)
    shown, is_cut = found[:limit], len(found) > limit
    lines = [transfer_line(row, moment) for row in shown] or [_(NOTHING_YET if is_first else NOTHING_OPEN)]
    if is_cut:
        lines.append(_("the first {count}; there are more").format(count=len(shown)))
    elif shown:
        lines.append(ngettext("{count} hand-over", "{count} hand-overs", len(shown)).format(count=len(shown)))
    answer(desk, TransfersAnswer(transfers=[transfer_answer(row) for row in shown], is_cut=is_cut), lines)


def _step(
    desk: Desk,
    number: str,
    name: str,
    action: Callable[..., TransferRow],
    action_id: bytes,
    values: Callable[[TransferRow], dict[str, Any]] = lambda _row: {},
    *,
    is_yes: bool | None = None,
) -> None:
    """Take one step of a hand-over: `values` reads what was typed, `is_yes` is None where the step asks nothing."""
    with writing(desk) as market:
        row = _known_transfer(market, number)

        def work(tx: Transaction, who: int, given: frozenset[str]) -> TransferRow:
            answers = {} if is_yes is None else {"yes": given}
            return action(tx, action_id=action_id, who=who, transfer_id=row.transfer_id, **values(row), **answers)

        done = act_after_questions(market, f"transfer {name}", work, is_yes=bool(is_yes))
        _tell(desk, done, name, action_id)


def _known_transfer(market: Writing, typed: str) -> TransferRow:
    row = read.transfer_named(market.reader, typed)
    if row is None:
        raise Refused(
            "transfer.unknown_number",
            N_("No hand-over is known by '{typed}'."),
            N_("See them with: larder transfer list. What another market has just done may not have arrived yet."),
            typed=safe_text(typed.strip(), TYPED_CELLS),
        )
    return row


def _quantity(typed: str | None, row: TransferRow, *, may_be_none: bool = False) -> int | None:
    if typed is None:
        return None
    if may_be_none and typed.strip() == "0":
        return 0
    return parse_quantity(typed, row.unit, decimal_mark())


def _tell(desk: Desk, row: TransferRow, name: str, action_id: bytes) -> None:
    value = TransferStepAnswer(action_id=action_id.hex(), step=name, transfer=transfer_answer(row))
    lines = [
        _("saved: {line}").format(line=transfer_line(row, clock.now())),
        _("action {action_id}").format(action_id=action_id.hex()),
    ]
    answer(desk, value, lines)
