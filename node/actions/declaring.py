"""Names and allergens of items: rename one, declare what its label says.

Not a new item (`items`). Owns the rule that a declaration is weakened by a named person with a reason, not in passing;
what the starter catalogue declares for one of its own foods is not taken off at all.
"""

from __future__ import annotations

from collections.abc import Sequence

from node.actions.checks import NAME_CHARACTERS_MAX, checked_words, known_item, optional_words
from node.actions.items import check_allergens, check_name_is_free
from node.actions.once import done_before, finish
from node.domain.allergens import ALLERGENS, Declaration
from node.errors import N_, NeedsYes, Refused
from node.language import _
from node.ledger.append import Appender
from node.ledger.decisions import ALLERGENS_REASON_FIELD
from node.ledger.declared import acting
from node.ledger.events import Event, RegisterSet, RegisterValue
from node.ledger.items import item_key
from node.ledger.read import Item
from node.ledger.read.members import members
from node.ledger.registers import heads
from node.ledger.starter import starter_foods
from node.ledger.store import Transaction

REASON_CHARACTERS_MAX = 120


def rename_item(tx: Transaction, *, action_id: bytes, who: int, item_id: str, name: str) -> Item:
    """Give an item another name, on every market once they hear of it. Raises Refused."""
    found = known_item(tx, item_id)
    if done_before(tx, action_id) is not None:
        return found
    words = checked_words(name, field="name", characters_max=NAME_CHARACTERS_MAX)
    if words.lower() != found.name.lower():
        check_name_is_free(tx, words, found.gtin)
    key = item_key(item_id, "name")
    event = Appender(tx).append(RegisterSet(key, words, [head.dot for head in heads(tx.connection, key)]), who)
    finish(tx, [event], action_id=action_id, verb="rename", who=who)
    return known_item(tx, item_id)


def declare_allergens(
    tx: Transaction,
    *,
    action_id: bytes,
    who: int,
    item_id: str,
    allergens: Declaration,
    reason: str | None = None,
    yes: frozenset[str] = frozenset(),
) -> Item:
    """Declare what a label says; None says that nobody knows, which is always allowed.

    Raises Refused, and NeedsYes `item.allergens_weaker` where an allergen is taken off that counted so far: that takes
    a person with a name (`who` is not 0) and a reason, which are kept in the log.
    """
    found = known_item(tx, item_id)
    if done_before(tx, action_id) is not None:
        return found
    check_allergens(allergens)
    wanted = None if allergens is None else tuple(code for code in ALLERGENS if code in allergens)
    removed = _removed(found, wanted)
    if removed:
        reason = _asked(tx, found, removed, who, reason, yes)
    key = item_key(item_id, "allergens")
    # Also those that another market replaced and that count here all the same: this is the word that ends them.
    over = {head.dot for head in heads(tx.connection, key)} | {each.dot for each in acting(tx.connection, key)}
    value: RegisterValue = None if wanted is None else list(wanted)
    appender = Appender(tx)
    events: list[Event] = [appender.append(RegisterSet(key, value, sorted(over)), who)]
    if removed:
        why = item_key(item_id, ALLERGENS_REASON_FIELD)
        said: RegisterValue = [reason or "", *removed]
        events.append(appender.append(RegisterSet(why, said, [head.dot for head in heads(tx.connection, why)]), who))
    finish(tx, events, action_id=action_id, verb="declare", who=who)
    return known_item(tx, item_id)


def _removed(found: Item, wanted: Declaration) -> tuple[str, ...]:
    """Return the allergens that would no longer count. Raises Refused for what the starter catalogue declares."""
    if wanted is None or found.allergens is None:
        return ()
    removed = tuple(code for code in found.allergens if code not in wanted)
    food = starter_foods().get(found.item_id)
    fixed = [code for code in removed if food is not None and food.allergens is not None and code in food.allergens]
    if fixed:
        raise Refused(
            "item.allergens_fixed",
            N_("{item} is a food of the starter catalogue and always holds: {allergens}."),
            N_("Name a product without it as an item of its own, by its barcode: larder receive CODE QUANTITY --name"),
            item=found.name,
            allergens=", ".join(fixed),
        )
    return removed


def _asked(
    tx: Transaction, found: Item, removed: Sequence[str], who: int, reason: str | None, yes: frozenset[str]
) -> str:
    """Return the reason for a weaker declaration, once somebody has a name, a reason and said yes."""
    words = optional_words(reason, field="reason", characters_max=REASON_CHARACTERS_MAX)
    allergens = ", ".join(removed)
    if who == 0 or words is None:
        raise Refused(
            "item.allergens_reason",
            N_("Taking {allergens} off {item} needs the name of a person and a reason."),
            N_("Say both: larder --who NAME item allergens ITEM LIST --reason TEXT"),
            allergens=allergens,
            item=found.name,
        )
    if "item.allergens_weaker" not in yes:
        raise NeedsYes(
            "item.allergens_weaker",
            N_("No longer counted for {item}: {allergens}, declared by {markets}."),
            N_("Say yes only with the label in your hand. Your name and your reason are kept."),
            allergens=allergens,
            item=found.name,
            markets=_declared_by(tx, found, removed),
        )
    return words


def _declared_by(tx: Transaction, found: Item, removed: Sequence[str]) -> str:
    """Name the markets whose declarations hold one of these allergens."""
    names = {member.origin: member.name for member in members(tx.connection)}
    declared = acting(tx.connection, item_key(found.item_id, "allergens"))
    origins = {each.member for each in declared if set(each.allergens or ()) & set(removed)}
    return ", ".join(sorted(names.get(origin, _("a market not known here")) for origin in origins)) or "-"
