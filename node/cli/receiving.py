"""`larder receive`: take a delivery line in, and add the item where its number is new here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b

import click
import msgspec

from node import clock
from node.actions.goods import Received, receive
from node.actions.items import add_item
from node.cli.answers import ItemAnswer, item_answer
from node.cli.asking import act_after_questions
from node.cli.choosing import find_item, known_item
from node.cli.desk import Desk, Writing, writing
from node.cli.options import as_json, confirmed, repeatable
from node.cli.output import answer
from node.cli.sentences import name_text
from node.domain.allergens import Declaration
from node.domain.dates import parse_date
from node.domain.gtin import read_code
from node.domain.quantity import parse_quantity
from node.domain.words import STORAGE_CLASSES, UNIT_WORDS, Unit
from node.errors import N_, Refused
from node.language import _, decimal_mark
from node.ledger.read import Item, item_for_code
from node.ledger.store import Transaction
from node.tui.sentences import date_text, lot_name, quantity_text

NO_ALLERGENS = "none"
_UNITS = {word: unit for unit, word in UNIT_WORDS.items()}
_ACTION_ID_BYTES = 16
_WHOLE_DATE = re.compile(r"\d{4}-\d{1,2}-\d{1,2}\Z")


class ReceiveAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder receive --json` prints. Quantities in thousandths of `item.unit`."""

    format: str = "larder-receive/1"
    saved: bool = True
    action_id: str
    item: ItemAnswer
    is_new_item: bool
    lot_id: str
    lot: str
    quantity_milli: int
    use_by: date | None
    best_before: date | None
    batch: str | None
    supplier: str | None
    on_hand_after_milli: int


@dataclass(frozen=True, slots=True)
class NewItem:
    """What was said about an item that is not known yet."""

    name: str
    unit: Unit | None
    like: str | None
    storage: str | None
    allergens: str | None


@click.command(
    "receive", help=_("Take a delivery line in. QUANTITY is 24, 1.5kg or 750ml; a bare number is pieces, kg or l.")
)
@click.argument("code_or_name")
@click.argument("quantity")
@click.option("--use-by", metavar="DATE", help=_("Safety date on the label: 2026-11-29, 2911, 29 or +7."))
@click.option("--best-before", metavar="DATE", help=_("Quality date on the label."))
@click.option("--batch", metavar="TEXT", help=_("Lot text on the label, at most 20 characters."))
@click.option("--supplier", metavar="TEXT", help=_("Who brought it."))
@click.option("--name", metavar="NAME", help=_("For an item not known yet: what it is called."))
@click.option("--unit", type=click.Choice(sorted(_UNITS)), help=_("For a new item: what it is counted in."))
@click.option("--like", metavar="FOOD", help=_("For a new item: the starter food it is like."))
@click.option("--storage", type=click.Choice(STORAGE_CLASSES), help=_("For a new item: where it is kept."))
@click.option("--allergens", metavar="A,B", help=_("For a new item: those on its label, or none."))
@confirmed
@repeatable
@as_json
@click.pass_obj
def receive_verb(
    desk: Desk,
    /,
    code_or_name: str,
    quantity: str,
    *,
    use_by: str | None,
    best_before: str | None,
    batch: str | None,
    supplier: str | None,
    yes: bool,
    action_id: bytes,
    **of_new_item: str | None,
) -> None:
    """Receive, add the item where it is new, and print what is on hand."""
    dates = (_label_date(use_by), _label_date(best_before))
    with writing(desk) as market:
        new = _new_item(market, code_or_name, of_new_item)
        found = _item(market, code_or_name, new)
        unit = found.unit if found else new.unit if new and new.unit is not None else Unit.EACH
        quantity_milli = parse_quantity(quantity, unit, decimal_mark())

        def work(tx: Transaction, who: int, given: frozenset[str]) -> Received:
            item = found or _added(tx, code_or_name, new, unit, action_id=action_id, who=who)
            return receive(
                tx,
                action_id=action_id,
                who=who,
                item_id=item.item_id,
                quantity_milli=quantity_milli,
                use_by=dates[0],
                best_before=dates[1],
                batch=batch,
                supplier=supplier,
                yes=given,
            )

        received = act_after_questions(market, "receive", work, is_yes=yes)
        _tell(desk, received, action_id, is_new_item=found is None)


def _tell(desk: Desk, received: Received, action_id: bytes, *, is_new_item: bool) -> None:
    item, lot = received.item, received.lot
    value = ReceiveAnswer(
        action_id=action_id.hex(),
        item=item_answer(item),
        is_new_item=is_new_item,
        lot_id=str(lot.lot_id),
        lot=lot.label,
        quantity_milli=received.quantity_milli,
        use_by=lot.use_by,
        best_before=lot.best_before,
        batch=lot.batch,
        supplier=lot.supplier,
        on_hand_after_milli=received.on_hand_after_milli,
    )
    lines = [
        _("saved: received {name} {quantity}, lot {lot}, {date}").format(
            name=name_text(item.name),
            quantity=quantity_text(received.quantity_milli, item.unit),
            lot=lot_name(lot),
            date=date_text(lot),
        ),
        _("on hand {quantity}").format(quantity=quantity_text(received.on_hand_after_milli, item.unit)),
        _("action {action_id}").format(action_id=action_id.hex()),
    ]
    if is_new_item:
        lines.insert(1, _("new item {name}, id {item_id}").format(name=name_text(item.name), item_id=item.item_id))
    answer(desk, value, lines)


def _label_date(typed: str | None) -> date | None:
    if not typed:
        return None
    moment = clock.now()
    if moment.quality is clock.ClockQuality.NOT_SET and not _WHOLE_DATE.match(typed.strip()):
        # What is typed short is read against today, and nobody knows what day it is.
        raise Refused(
            "date.clock_not_set",
            N_("The clock is not set, so '{text}' cannot be read as a date."),
            N_("Type the whole date, such as 2026-11-29."),
            text=typed[:20],
        )
    return parse_date(typed, moment.today)


def _new_item(market: Writing, typed: str, said: dict[str, str | None]) -> NewItem | None:
    """Return what is said about a new item, None where nothing is. Raises Refused where its name is left out."""
    if not any(said.values()):
        return None
    name, unit = said["name"], said["unit"]
    if not name:
        raise Refused(
            "item.name_missing",
            N_("A new item needs a name."),
            N_("Add --name NAME, or leave out --unit, --like, --storage and --allergens."),
        )
    like = known_item(market.reader, said["like"]) if said["like"] else None
    # What has a number of its own is a package, counted in pieces, whatever is inside.
    is_loose = like is not None and read_code(typed) is None
    unit_of_it = _UNITS[unit] if unit else like.unit if like and is_loose else None
    return NewItem(name, unit_of_it, like.item_id if like else None, said["storage"], said["allergens"])


def _item(market: Writing, typed: str, new: NewItem | None) -> Item | None:
    """Return the item named, None where it is new. Raises Refused where it is known under another name."""
    if new is None:
        return known_item(market.reader, typed)
    found = find_item(market.reader, typed)
    if found is not None and found.name.lower() != new.name.strip().lower():
        raise Refused(
            "item.exists",
            N_("{typed} is {item} already."),
            N_("Leave --name out to receive that, or name the new item so that nothing else is meant."),
            typed=name_text(typed),
            item=name_text(found.name),
        )
    return found


def _added(tx: Transaction, typed: str, new: NewItem | None, unit: Unit, *, action_id: bytes, who: int) -> Item:
    assert new is not None
    gtin14 = read_code(typed)
    # Another program may have added it since it was looked up, or this is the same action sent again.
    known = item_for_code(tx.connection, gtin14) if gtin14 else None
    return known or add_item(
        tx,
        action_id=_id_of_adding(action_id),
        who=who,
        name=new.name,
        unit=unit,
        gtin14=gtin14,
        storage=new.storage,
        like=new.like,
        allergens=_declaration(new.allergens),
    )


def _id_of_adding(action_id: bytes) -> bytes:
    """Return the id under which the item of a delivery is added: the same whenever the delivery is sent again."""
    return blake2b(action_id, digest_size=_ACTION_ID_BYTES, person=b"new item").digest()


def _declaration(typed: str | None) -> Declaration:
    if typed is None:
        return None
    codes = [code.strip().lower() for code in typed.split(",") if code.strip()]
    return () if codes == [NO_ALLERGENS] else tuple(codes)
