"""`larder transfer`: hand-overs between markets, one step at a time.

Not the rules (`node.actions.transfers`, `handing`). Every step that cannot be taken now is refused in one sentence; the
same step sent again under its action id has no second effect.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable

import click
import msgspec

from node import clock
from node.cli.asking import act_after_questions
from node.cli.choosing import known_item, known_lot, lot_of_action
from node.cli.desk import Desk, Writing, reading, writing
from node.cli.options import as_json, confirmed, repeatable
from node.cli.output import answer
from node.cli.sentences import name_text
from node.clock import ClockQuality, Moment
from node.domain.quantity import parse_quantity
from node.domain.words import UNIT_WORDS
from node.errors import N_, Refused
from node.language import _, decimal_mark, ngettext
from node.ledger import read
from node.ledger.names import node_id
from node.ledger.read import TransferRow
from node.ledger.read.goods import ROWS_MAX
from node.ledger.read.members import Member, member_named
from node.ledger.read.transfers import WAY_IN
from node.ledger.store import Transaction
from node.text import safe_text
from node.tui.sentences import quantity_text
from node.tui.text import age_text, temperature_text

LIST_DEFAULT = 50
TYPED_CELLS = 40
_CELSIUS = re.compile(r"(-?)([0-9]{1,3})(?:[.,]([0-9]{1,3}))?\s*[cC]?\Z")
# The word before each line: what it is to us.
WAY_WORDS = {"in": N_("in"), "out": N_("out")}
NOTHING_YET = N_("No hand-overs. Offer something with: larder transfer offer ITEM QUANTITY --to MARKET")
NOTHING_OPEN = N_("No hand-over has anything left to do. See all with: larder transfer list --all")


class TransferAnswer(msgspec.Struct, frozen=True):
    """One hand-over. Quantities in thousandths of `unit`, temperatures in thousandths of a degree Celsius."""

    transfer_id: str
    number: str
    way: str
    peer: str
    peer_node_id: str
    item_id: str | None
    name: str
    unit: str
    lot_id: str
    lot: str
    state: str
    is_open: bool
    offered_milli: int
    accepted_milli: int | None
    reserved_milli: int
    sent_milli: int
    good_milli: int
    damaged_milli: int
    returned_milli: int
    lost_milli: int
    on_way_milli: int
    flags: list[str]
    limit_milli_c: int | None
    carrier: str | None
    reason: str | None
    last_ms: int


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


@transfer_verb.command("accept", help=_("Take up an offer, all of it or QUANTITY."))
@click.argument("number")
@click.argument("quantity", required=False)
@repeatable
@as_json
@click.pass_obj
def accept_verb(desk: Desk, number: str, quantity: str | None, action_id: bytes) -> None:
    """Accept an offer."""
    from node.actions.transfers import accept

    def work(tx: Transaction, who: int, row: TransferRow, _given: frozenset[str]) -> TransferRow:
        quantity_milli = _quantity(quantity, row)
        return accept(tx, action_id=action_id, who=who, transfer_id=row.transfer_id, quantity_milli=quantity_milli)

    _step(desk, number, "accept", work, action_id)


@transfer_verb.command("cancel", help=_("Take back an offer that nobody has accepted."))
@click.argument("number")
@repeatable
@as_json
@click.pass_obj
def cancel_verb(desk: Desk, number: str, action_id: bytes) -> None:
    """Cancel an offer."""
    from node.actions.transfers import cancel

    def work(tx: Transaction, who: int, row: TransferRow, _given: frozenset[str]) -> TransferRow:
        return cancel(tx, action_id=action_id, who=who, transfer_id=row.transfer_id)

    _step(desk, number, "cancel", work, action_id)


@transfer_verb.command("withdraw", help=_("Go back on an offer that was accepted, before it is sent."))
@click.argument("number")
@repeatable
@as_json
@click.pass_obj
def withdraw_verb(desk: Desk, number: str, action_id: bytes) -> None:
    """Withdraw an accepted offer."""
    from node.actions.transfers import withdraw

    def work(tx: Transaction, who: int, row: TransferRow, _given: frozenset[str]) -> TransferRow:
        return withdraw(tx, action_id=action_id, who=who, transfer_id=row.transfer_id)

    _step(desk, number, "withdraw", work, action_id)


@transfer_verb.command("send", help=_("Say that the goods have left: what was accepted, or QUANTITY."))
@click.argument("number")
@click.argument("quantity", required=False)
@click.option("--carrier", metavar="NAME", help=_("Who carries it."))
@click.option("--temperature", metavar="CELSIUS", help=_("Measured when it left; leave out if not measured."))
@confirmed
@repeatable
@as_json
@click.pass_obj
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

    def work(tx: Transaction, who: int, row: TransferRow, given: frozenset[str]) -> TransferRow:
        return send(
            tx,
            action_id=action_id,
            who=who,
            transfer_id=row.transfer_id,
            quantity_milli=_quantity(quantity, row),
            carrier=carrier,
            departure_milli_c=read_celsius(temperature),
            yes=given,
        )

    _step(desk, number, "send", work, action_id, is_yes=yes)


@transfer_verb.command("receive", help=_("Say what has arrived: all of it, or QUANTITY in good order."))
@click.argument("number")
@click.argument("quantity", required=False)
@click.option("--damaged", metavar="QUANTITY", help=_("How much arrived damaged."))
@click.option("--temperature", metavar="CELSIUS", help=_("Measured on arrival; leave out if not measured."))
@confirmed
@repeatable
@as_json
@click.pass_obj
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

    def work(tx: Transaction, who: int, row: TransferRow, given: frozenset[str]) -> TransferRow:
        return receive(
            tx,
            action_id=action_id,
            who=who,
            transfer_id=row.transfer_id,
            good_milli=_quantity(quantity, row, may_be_none=True),
            damaged_milli=_quantity(damaged, row, may_be_none=True) or 0,
            arrival_milli_c=read_celsius(temperature),
            yes=given,
        )

    _step(desk, number, "receive", work, action_id, is_yes=yes)


@transfer_verb.command("refuse", help=_("Say no to an offer, or to goods at the door."))
@click.argument("number")
@click.option("--reason", metavar="TEXT", help=_("Why, for the other market."))
@repeatable
@as_json
@click.pass_obj
def refuse_verb(desk: Desk, number: str, reason: str | None, action_id: bytes) -> None:
    """Refuse an offer or its goods."""
    from node.actions.transfers import refuse

    def work(tx: Transaction, who: int, row: TransferRow, _given: frozenset[str]) -> TransferRow:
        return refuse(tx, action_id=action_id, who=who, transfer_id=row.transfer_id, reason=reason)

    _step(desk, number, "refuse", work, action_id)


@transfer_verb.command("return", help=_("Book goods of ours that came back: all on the way, or QUANTITY."))
@click.argument("number")
@click.argument("quantity", required=False)
@repeatable
@as_json
@click.pass_obj
def return_verb(desk: Desk, number: str, quantity: str | None, action_id: bytes) -> None:
    """Book what came back."""
    from node.actions.handing import give_back

    def work(tx: Transaction, who: int, row: TransferRow, _given: frozenset[str]) -> TransferRow:
        quantity_milli = _quantity(quantity, row)
        return give_back(tx, action_id=action_id, who=who, transfer_id=row.transfer_id, quantity_milli=quantity_milli)

    _step(desk, number, "return", work, action_id)


@transfer_verb.command("lost", help=_("Write off goods of ours that never arrived: all on the way, or QUANTITY."))
@click.argument("number")
@click.argument("quantity", required=False)
@repeatable
@as_json
@click.pass_obj
def lost_verb(desk: Desk, number: str, quantity: str | None, action_id: bytes) -> None:
    """Write off what was lost."""
    from node.actions.handing import lose

    def work(tx: Transaction, who: int, row: TransferRow, _given: frozenset[str]) -> TransferRow:
        quantity_milli = _quantity(quantity, row)
        return lose(tx, action_id=action_id, who=who, transfer_id=row.transfer_id, quantity_milli=quantity_milli)

    _step(desk, number, "lost", work, action_id)


def known_market(connection: sqlite3.Connection, typed: str) -> Member:
    """Return the market that was named. Raises Refused for nobody and for several."""
    found = member_named(connection, typed)
    if found is None:
        raise Refused(
            "member.unknown_name",
            N_("No market is known by '{typed}'."),
            N_("See the markets with: larder peers"),
            typed=safe_text(typed.strip(), TYPED_CELLS),
        )
    return found


def read_celsius(typed: str | None) -> int | None:
    """Read a typed temperature in degrees Celsius as thousandths; None stays None. Raises Refused."""
    if typed is None:
        return None
    match = _CELSIUS.match(typed.strip())
    if match is None:
        raise Refused(
            "temperature.unreadable",
            N_("'{text}' is not a temperature."),
            N_("Type degrees Celsius, such as 4.2 or -18."),
            text=safe_text(typed, TYPED_CELLS),
        )
    sign, whole, part = match.groups()
    milli_c = int(whole) * 1000 + int((part or "").ljust(3, "0"))
    return -milli_c if sign else milli_c


def transfer_answer(row: TransferRow) -> TransferAnswer:
    """Return a hand-over for JSON."""
    peer = row.sender if row.way == WAY_IN else row.recipient
    return TransferAnswer(
        transfer_id=str(row.transfer_id),
        number=row.number,
        way=row.way,
        peer=row.peer_name,
        peer_node_id=node_id(peer),
        item_id=row.item_id,
        name=row.item_name,
        unit=UNIT_WORDS[row.unit],
        lot_id=str(row.lot_id),
        lot=row.lot_label,
        state=row.state.value,
        is_open=row.is_open,
        offered_milli=row.offered_milli,
        accepted_milli=row.accepted_milli,
        reserved_milli=row.reserved_milli,
        sent_milli=row.sent_milli,
        good_milli=row.good_milli,
        damaged_milli=row.damaged_milli,
        returned_milli=row.returned_milli,
        lost_milli=row.lost_milli,
        on_way_milli=row.on_way_milli,
        flags=[flag.value for flag in row.flags],
        limit_milli_c=row.limit_milli_c,
        carrier=row.carrier,
        reason=row.reason,
        last_ms=row.last_ms,
    )


def transfer_line(row: TransferRow, moment: Moment) -> str:
    """Return one line about a hand-over: `out T30-9f2c Mill Rd, Tomato 5 kg, sent, not confirmed, 2 h ago`."""
    parts = [
        f"{_(WAY_WORDS[row.way])} {row.number} {name_text(row.peer_name)}",
        f"{name_text(row.item_name)} {quantity_text(row.quantity_milli, row.unit)}",
        _(row.words),
        *_amounts(row),
        *(_(words) for words in row.flag_words),
    ]
    if row.limit_milli_c is not None and row.is_open:
        parts.append(_("keep at or below {limit}").format(limit=temperature_text(row.limit_milli_c)))
    if row.carrier:
        parts.append(_("carried by {name}").format(name=name_text(row.carrier)))
    if row.reason:
        parts.append(_("reason: {reason}").format(reason=name_text(row.reason)))
    if moment.quality is not ClockQuality.NOT_SET:
        parts.append(_("{age} ago").format(age=age_text((moment.wall_ms - row.last_ms) / 1000)))
    return ", ".join(parts)


def _amounts(row: TransferRow) -> list[str]:
    """Say where the goods are, once they are not all in one place."""
    sentences = (
        (N_("{quantity} good"), row.good_milli),
        (N_("{quantity} damaged"), row.damaged_milli),
        (N_("{quantity} came back"), row.returned_milli),
        (N_("{quantity} lost"), row.lost_milli),
        (N_("{quantity} still on the way"), max(0, row.on_way_milli)),
    )
    said = [_(words).format(quantity=quantity_text(milli, row.unit)) for words, milli in sentences if milli]
    return said if len(said) > 1 else []


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
    work: Callable[[Transaction, int, TransferRow, frozenset[str]], TransferRow],
    action_id: bytes,
    *,
    is_yes: bool = False,
) -> None:
    with writing(desk) as market:
        row = _known_transfer(market, number)
        done = act_after_questions(
            market, f"transfer {name}", lambda tx, who, given: work(tx, who, row, given), is_yes=is_yes
        )
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
