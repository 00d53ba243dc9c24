"""The steps of a hand-over on the screen: what is asked for each, then one question with `y`, then the action.

Not the rules (`node.actions.transfers`, `node.actions.handing`) and not the state (`node.domain.transfers`). A step of
a hand-over is heard by another market, so no single key takes one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.actions import handing, transfers
from node.domain.celsius import parse_celsius
from node.errors import N_
from node.language import _
from node.ledger.read import TransferRow
from node.ledger.read.transfers import WAY_IN
from node.text import safe_text
from node.tui.deciding import Act, Decisions
from node.tui.dialogs.ask_quantity import AskQuantity
from node.tui.dialogs.ask_words import AskWords
from node.tui.dialogs.choose import Choose
from node.tui.sentences import NAME_CELLS, quantity_text
from node.tui.steps import CANCEL, REFUSE, WITHDRAW, steps_of
from node.tui.text import temperature_text
from node.tui.widgets.marked_table import Column

if TYPE_CHECKING:
    from node.tui.app import LarderApp

PEER_CELLS = 30


class Steps:
    """Take the later steps of hand-overs for one screen."""

    def __init__(self, app: LarderApp, decisions: Decisions) -> None:
        self._app, self._decisions = app, decisions

    async def accept(self, row: TransferRow) -> None:
        """Take up an offer, all of it or a part."""
        question = _("{what}: how much do you take? Empty is all.").format(what=_what(row))
        quantity_milli = await self._app.push_screen_wait(AskQuantity(question, row.unit, row.offered_milli))
        if quantity_milli is None or not await self._decisions.sure(
            N_("Accept {quantity} of {item} from {market}?"),
            N_("They are told, and send it. Nothing is booked here before you confirm that it came."),
            quantity=quantity_text(quantity_milli, row.unit),
            item=safe_text(row.item_name, NAME_CELLS),
            market=safe_text(row.peer_name, PEER_CELLS),
        ):
            return
        self._write(
            _("accept {number}").format(number=row.number),
            lambda tx, action_id, _yes: transfers.accept(
                tx,
                action_id=action_id,
                who=self._app.who,
                transfer_id=row.transfer_id,
                quantity_milli=quantity_milli,
            ),
        )

    async def send(self, row: TransferRow) -> None:
        """Let goods leave: how much, who carries them, how cold they are."""
        app = self._app
        question = _("{what}: how much leaves? Empty is {all}.").format(
            what=_what(row), all=quantity_text(row.reserved_milli, row.unit)
        )
        quantity_milli = await app.push_screen_wait(AskQuantity(question, row.unit, row.reserved_milli))
        if quantity_milli is None:
            return
        carrier = await app.push_screen_wait(
            AskWords(_("Who carries it? Empty if nobody in particular."), _("Carrier"), may_be_empty=True)
        )
        if carrier is None:
            return
        is_told, measured_milli_c = await self._temperature(row)
        if not is_told or not await self._decisions.sure(
            N_("{quantity} of {item} leaves for {market} now, {temperature}?"),
            N_("It leaves the stock here and is on the way until they confirm it."),
            quantity=quantity_text(quantity_milli, row.unit),
            item=safe_text(row.item_name, NAME_CELLS),
            market=safe_text(row.peer_name, PEER_CELLS),
            temperature=_measured(row, measured_milli_c),
        ):
            return
        self._write(
            _("send {number}").format(number=row.number),
            lambda tx, action_id, yes: handing.send(
                tx,
                action_id=action_id,
                who=app.who,
                transfer_id=row.transfer_id,
                quantity_milli=quantity_milli,
                carrier=carrier or None,
                departure_milli_c=measured_milli_c,
                yes=yes,
            ),
        )

    async def receive(self, row: TransferRow) -> None:
        """Confirm what came: how much is good, how much is damaged, how cold it is."""
        app = self._app
        due_milli = row.quantity_milli
        question = _("{what}: how much came in good order? Empty is {all}.").format(
            what=_what(row), all=quantity_text(due_milli, row.unit)
        )
        good_milli = await app.push_screen_wait(AskQuantity(question, row.unit, due_milli, may_be_zero=True))
        if good_milli is None:
            return
        damaged_milli = await app.push_screen_wait(
            AskQuantity(_("How much came damaged? Empty is none."), row.unit, 0, may_be_zero=True)
        )
        if damaged_milli is None:
            return
        is_told, measured_milli_c = await self._temperature(row)
        if not is_told or not await self._decisions.sure(
            N_("Take in {item} from {market}: {good} good, {damaged} damaged, {temperature}?"),
            N_("The good part becomes a lot of this market. This cannot be undone; count the lot to correct it."),
            item=safe_text(row.item_name, NAME_CELLS),
            market=safe_text(row.peer_name, PEER_CELLS),
            good=quantity_text(good_milli, row.unit),
            damaged=quantity_text(damaged_milli, row.unit),
            temperature=_measured(row, measured_milli_c),
        ):
            return
        self._write(
            _("confirm {number}").format(number=row.number),
            lambda tx, action_id, yes: handing.receive(
                tx,
                action_id=action_id,
                who=app.who,
                transfer_id=row.transfer_id,
                good_milli=good_milli,
                damaged_milli=damaged_milli,
                arrival_milli_c=measured_milli_c,
                yes=yes,
            ),
        )

    async def take_back(self, row: TransferRow) -> None:
        """Cancel, withdraw or refuse, whichever is ours to do now."""
        steps = steps_of(row)
        who, transfer_id = self._app.who, row.transfer_id
        named = {"number": row.number, "market": safe_text(row.peer_name, PEER_CELLS), "what": _what(row)}
        if CANCEL in steps:
            if await self._decisions.sure(
                N_("Take back the offer {what}?"), N_("What was reserved is free again."), **named
            ):
                self._write(
                    _("cancel {number}").format(number=row.number),
                    lambda tx, action_id, _yes: transfers.cancel(
                        tx, action_id=action_id, who=who, transfer_id=transfer_id
                    ),
                )
        elif WITHDRAW in steps:
            if await self._decisions.sure(
                N_("Go back on {what}, which {market} has accepted?"), N_("Their screen says so."), **named
            ):
                self._write(
                    _("withdraw {number}").format(number=row.number),
                    lambda tx, action_id, _yes: transfers.withdraw(
                        tx, action_id=action_id, who=who, transfer_id=transfer_id
                    ),
                )
        elif REFUSE in steps:
            await self._refuse(row)

    async def book(self, row: TransferRow) -> None:
        """Book what is still on the way: it came back, or it is lost."""
        app = self._app
        question = _("{what}: {quantity} is still on the way. What became of it?").format(
            what=_what(row), quantity=quantity_text(row.on_way_milli, row.unit)
        )
        rows = [(_("it came back to us"),), (_("it is lost; write it off"),)]
        place = await app.push_screen_wait(Choose(question, [Column(_("What"), 60)], rows))
        if place is None:
            return
        quantity_milli = await app.push_screen_wait(
            AskQuantity(_("How much? Empty is all of it."), row.unit, row.on_way_milli)
        )
        if quantity_milli is None or not await self._decisions.sure(
            N_("Book {quantity} of {item} as come back?") if place == 0 else N_("Write off {quantity} of {item}?"),
            N_("This cannot be undone. The other market sees it."),
            quantity=quantity_text(quantity_milli, row.unit),
            item=safe_text(row.item_name, NAME_CELLS),
        ):
            return
        step = handing.give_back if place == 0 else handing.lose
        self._write(
            _("book {number}").format(number=row.number),
            lambda tx, action_id, _yes: step(
                tx,
                action_id=action_id,
                who=app.who,
                transfer_id=row.transfer_id,
                quantity_milli=quantity_milli,
            ),
        )

    async def _refuse(self, row: TransferRow) -> None:
        reason = await self._app.push_screen_wait(
            AskWords(
                _("Refuse {what}. Why? The other market reads it.").format(what=_what(row)),
                _("Reason"),
                may_be_empty=True,
            )
        )
        if reason is None or not await self._decisions.sure(
            N_("Refuse {what}?"), N_("Goods that are on the way stay theirs until they book them."), what=_what(row)
        ):
            return
        self._write(
            _("refuse {number}").format(number=row.number),
            lambda tx, action_id, _yes: transfers.refuse(
                tx, action_id=action_id, who=self._app.who, transfer_id=row.transfer_id, reason=reason or None
            ),
        )

    async def _temperature(self, row: TransferRow) -> tuple[bool, int | None]:
        """Ask how cold it is where it must be cold; return whether the person went on, and thousandths of a degree."""
        if row.limit_milli_c is None:
            return True, None
        question = _("How cold is it? Limit {limit}. Empty if nobody measured: then it goes on hold.").format(
            limit=temperature_text(row.limit_milli_c)
        )
        typed = await self._app.push_screen_wait(
            AskWords(question, _("Temperature, C"), may_be_empty=True, check=parse_celsius)
        )
        if typed is None:
            return False, None
        return True, parse_celsius(typed) if typed else None

    def _write(self, label: str, act: Act) -> None:
        self._decisions.write(label, act, lambda row: self._app.front.say(saved_sentence(row)))


def saved_sentence(row: TransferRow) -> str:
    """Say how a hand-over stands after a step of ours."""
    return _("Saved {what}: {words}.").format(what=_what(row), words=_(row.words))


def _what(row: TransferRow) -> str:
    way = (
        _("{number}, {item} {quantity} from {peer}")
        if row.way == WAY_IN
        else _("{number}, {item} {quantity} to {peer}")
    )
    return way.format(
        number=row.number,
        item=safe_text(row.item_name, NAME_CELLS),
        quantity=quantity_text(row.quantity_milli, row.unit),
        peer=safe_text(row.peer_name, PEER_CELLS),
    )


def _measured(row: TransferRow, measured_milli_c: int | None) -> str:
    if row.limit_milli_c is None:
        return _("not chilled")
    return _("not measured") if measured_milli_c is None else temperature_text(measured_milli_c)
