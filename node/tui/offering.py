"""Offer a part of a lot of ours to another market: which item, which lot, how much, to whom, and a `y`.

Not the rules (`node.actions.transfers`) and not the later steps (`handing`).
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, NamedTuple

from node.actions import transfers
from node.domain.lots import Lot
from node.errors import N_
from node.language import _
from node.ledger import read
from node.ledger.read import TransferRow
from node.ledger.read.members import Member, members
from node.ledger.store import Transaction
from node.text import safe_text
from node.tui import queries
from node.tui.deciding import Decisions
from node.tui.dialogs.ask_quantity import AskQuantity
from node.tui.dialogs.ask_words import AskWords
from node.tui.dialogs.choose import choose_item, choose_lot, choose_market
from node.tui.handing import PEER_CELLS, saved_sentence
from node.tui.sentences import NAME_CELLS, lot_name, quantity_text

if TYPE_CHECKING:
    from node.tui.app import LarderApp


class Stock(NamedTuple):
    """What may be offered of an item: its lots without those on hold, and what is promised of each, in thousandths."""

    lots: list[Lot]
    free_milli: list[int]


async def ask_and_offer(app: LarderApp, decisions: Decisions) -> None:
    """Offer a part of a lot of ours: item, lot, quantity, market."""
    recipients = await app.answer_to(_recipients)
    if not recipients:
        app.front.say(_("There is no other market to offer to."))
        return
    item = await _item(app)
    if item is None:
        return
    item_id, name = item.item_id, safe_text(item.name, NAME_CELLS)
    stock = await app.answer_to(lambda connection: _stock(connection, item_id))
    if not stock.lots:
        app.front.say(_("Nothing of {item} is free to offer here.").format(item=name))
        return
    place: int | None = 0
    if len(stock.lots) > 1:
        question = _("Which lot of {item}?").format(item=name)
        place = await app.push_screen_wait(choose_lot(question, stock.lots, queries.judged_day(app.now())))
    if place is None:
        return
    lot, free_milli = stock.lots[place], stock.free_milli[place]
    question = _("How much of lot {lot} of {item}? Empty is all that is free: {all}.").format(
        lot=lot_name(lot), item=name, all=quantity_text(free_milli, lot.unit)
    )
    quantity_milli = await app.push_screen_wait(AskQuantity(question, lot.unit, free_milli))
    if quantity_milli is None:
        return
    market = await _market(app, recipients)
    if market is None:
        return
    is_sure = await decisions.sure(
        N_("Offer {quantity} of {item}, lot {lot}, to {market}?"),
        N_("It is reserved for them until they answer or you take the offer back."),
        quantity=quantity_text(quantity_milli, lot.unit),
        item=name,
        lot=lot_name(lot),
        market=safe_text(market.name, PEER_CELLS),
    )
    if not is_sure:
        return

    def act(tx: Transaction, action_id: bytes, yes: frozenset[str]) -> TransferRow:
        return transfers.offer(
            tx,
            action_id=action_id,
            who=app.who,
            recipient=market.origin,
            item_id=item_id,
            quantity_milli=quantity_milli,
            lot_id=lot.lot_id,
            yes=yes,
        )

    decisions.write(_("offer {item}").format(item=name), act, lambda row: app.front.say(saved_sentence(row)))


async def _item(app: LarderApp) -> read.Item | None:
    text = await app.push_screen_wait(
        AskWords(_("Offer what? Type a part of its name or its number."), _("Item"), may_be_empty=False)
    )
    if not text:
        return None
    found = await app.answer_to(lambda connection: queries.stocked(connection, text))
    if not found:
        app.front.say(_("Nothing on hand is named '{text}'.").format(text=safe_text(text, NAME_CELLS)))
        return None
    if len(found) == 1:
        return found[0]
    place = await app.push_screen_wait(choose_item(found))
    return None if place is None else found[place]


async def _market(app: LarderApp, recipients: list[Member]) -> Member | None:
    if len(recipients) == 1:
        return recipients[0]
    names = [safe_text(member.name, PEER_CELLS) for member in recipients]
    place = await app.push_screen_wait(choose_market(_("Offer it to which market?"), names))
    return None if place is None else recipients[place]


def _recipients(connection: sqlite3.Connection) -> list[Member]:
    return [member for member in members(connection) if not member.is_us and not member.is_retired]


def _stock(connection: sqlite3.Connection, item_id: str) -> Stock:
    held, promised = read.held_lots(connection, item_id), read.reservations(connection, item_id)
    free = [
        (lot, lot.on_hand_milli - promised.get(lot.lot_id, 0))
        for lot in read.lots(connection, item_id)
        if lot.lot_id not in held
    ]
    free = [(lot, free_milli) for lot, free_milli in free if free_milli > 0]
    return Stock([lot for lot, _free in free], [free_milli for _lot, free_milli in free])
