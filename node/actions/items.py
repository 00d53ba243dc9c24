"""Items: a new one for a number nobody knew, and the market's own par level.

Not their stock. An item with a GTIN has the same id on every node; another is named by the event that made it.
"""

from __future__ import annotations

from node.actions.checks import NAME_CHARACTERS_MAX, checked_words, known_item
from node.actions.once import done_before, finish
from node.domain.allergens import ALLERGENS, Declaration
from node.domain.gtin import is_gtin
from node.domain.quantity import QUANTITY_MILLI_MAX
from node.domain.words import STORAGE_CLASSES, Unit
from node.errors import N_, Refused
from node.ledger.append import Appender
from node.ledger.events import Event, RegisterSet, RegisterValue
from node.ledger.items import gtin_item_id, item_key, par_key
from node.ledger.read import Item, item
from node.ledger.registers import heads
from node.ledger.store import Transaction
from node.ledger.streams import load_writer


def add_item(
    tx: Transaction,
    *,
    action_id: bytes,
    who: int,
    name: str,
    unit: Unit,
    gtin14: str | None = None,
    storage: str | None = None,
    like: str | None = None,
    allergens: Declaration = None,
) -> Item:
    """Add an item. `like` is the id of a starter food it takes its storage and shelf life from, never its allergens.

    Raises Refused where the number or the name is taken, or a field is not one of its list.
    """
    done = done_before(tx, action_id)
    if done is not None:
        return known_item(tx, _item_of_action(tx, action_id))
    words = checked_words(name, field="name", characters_max=NAME_CHARACTERS_MAX)
    _check_is_free(tx, words, gtin14)
    _check_lists(tx, storage, like, allergens)
    appender = Appender(tx)
    item_id = gtin_item_id(gtin14) if gtin14 else str(appender.next_dot)
    fields: dict[str, RegisterValue] = {"name": words, "unit": int(unit)}
    if storage is not None:
        fields["storage"] = storage
    if like is not None:
        fields["like"] = like
    if allergens is not None:
        fields["allergens"] = [code for code in ALLERGENS if code in allergens]
    events = [_set(tx, appender, item_key(item_id, field), value, who) for field, value in fields.items()]
    finish(tx, events, action_id=action_id, verb="item", who=who)
    return known_item(tx, item_id)


def set_par(tx: Transaction, *, action_id: bytes, who: int, item_id: str, par_milli: int) -> Item:
    """Set up to how much this market refills an item, in thousandths of its unit. Raises Refused."""
    found = known_item(tx, item_id)
    if done_before(tx, action_id) is not None:
        return found
    if not 0 <= par_milli <= QUANTITY_MILLI_MAX:
        raise Refused("par.out_of_range", N_("A par level is between 0 and 99999."), N_("Type the par level again."))
    appender = Appender(tx)
    key = par_key(item_id, load_writer(tx.connection).origin)
    event = _set(tx, appender, key, par_milli, who)
    finish(tx, [event], action_id=action_id, verb="par", who=who)
    return known_item(tx, item_id)


def _set(tx: Transaction, appender: Appender, key: str, value: RegisterValue, who: int) -> Event:
    over = [head.dot for head in heads(tx.connection, key)]
    return appender.append(RegisterSet(key, value, over), who)


def _item_of_action(tx: Transaction, action_id: bytes) -> str:
    row = tx.connection.execute(
        "SELECT key FROM reg_head r JOIN action a ON a.stream = r.stream AND a.first_seq = r.seq WHERE a.action_id = ?",
        (action_id,),
    ).fetchone()
    return str(row[0]).split("/", 1)[1].rsplit("/", 1)[0] if row else ""


def _check_is_free(tx: Transaction, name: str, gtin14: str | None) -> None:
    if gtin14 is not None:
        if len(gtin14) != 14 or not is_gtin(gtin14):
            raise Refused(
                "item.bad_number",
                N_("{number} is not a trade item number."),
                N_("Scan the barcode again."),
                number=gtin14[:20],
            )
        known = item(tx.connection, gtin_item_id(gtin14))
        if known is not None:
            raise Refused("item.exists", N_("The number {number} is {item} already."), number=gtin14, item=known.name)
    check_name_is_free(tx, name, gtin14)


def check_name_is_free(tx: Transaction, name: str, gtin14: str | None) -> None:
    """Raise Refused where another item has this name, and no number tells the two apart."""
    taken = tx.connection.execute("SELECT 1 FROM item WHERE lower(name) = lower(?)", (name,)).fetchone()
    if taken is not None and gtin14 is None:
        raise Refused(
            "item.name_taken",
            N_("There is an item named {name} already."),
            N_("Use that one, or add what tells them apart, such as the brand or the size."),
            name=name,
        )


def _check_lists(tx: Transaction, storage: str | None, like: str | None, allergens: Declaration) -> None:
    if storage is not None and storage not in STORAGE_CLASSES:
        raise Refused(
            "item.bad_storage",
            N_("'{storage}' is not a place to keep food."),
            N_("Use one of: {known}."),
            storage=storage[:20],
            known=", ".join(STORAGE_CLASSES),
        )
    check_allergens(allergens)
    if like is not None:
        model = known_item(tx, like)
        if not model.is_starter:
            raise Refused(
                "item.bad_model",
                N_("{item} is not a food of the starter catalogue."),
                N_("Name one that is, or leave it out."),
                item=model.name,
            )


def check_allergens(allergens: Declaration) -> None:
    """Raise Refused for a word that is none of the 14."""
    unknown = [code for code in allergens or () if code not in ALLERGENS]
    if unknown:
        raise Refused(
            "item.bad_allergen",
            N_("'{allergen}' is not one of the 14 allergens."),
            N_("Use: {known}."),
            allergen=unknown[0][:20],
            known=", ".join(ALLERGENS),
        )
