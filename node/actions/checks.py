"""Checks that several actions share: words within bounds, an item that exists, a day that can be judged."""

from __future__ import annotations

from datetime import date

from node.clock import ClockQuality, Moment
from node.domain.quantity import QUANTITY_MILLI_MAX
from node.errors import N_, Refused
from node.ledger.read import Item, item
from node.ledger.store import Transaction
from node.text import safe_text

NAME_CHARACTERS_MAX = 60
# GS1 General Specifications, AI (10): a batch or lot number has at most 20 characters.
BATCH_CHARACTERS_MAX = 20


def checked_words(text: str, *, field: str, characters_max: int) -> str:
    """Return `text` without spaces around it. Raises Refused where it is empty, too long or could steer a terminal."""
    words = text.strip()
    if not words:
        raise Refused("text.empty", N_("The {field} is empty."), N_("Type the {field}."), field=field)
    if len(words) > characters_max:
        raise Refused(
            "text.too_long",
            N_("The {field} is longer than {most} characters."),
            N_("Shorten it."),
            field=field,
            most=characters_max,
        )
    if safe_text(words, len(words) * 2) != words:
        raise Refused(
            "text.control",
            N_("The {field} has characters that cannot be shown."),
            N_("Type it by hand."),
            field=field,
        )
    return words


def optional_words(text: str | None, *, field: str, characters_max: int) -> str | None:
    """Like `checked_words`, but nothing typed is None: unknown stays unknown."""
    return checked_words(text, field=field, characters_max=characters_max) if text and text.strip() else None


def known_item(tx: Transaction, item_id: str) -> Item:
    """Return an item. Raises Refused where nothing is known by that id."""
    found = item(tx.connection, item_id)
    if found is None:
        raise Refused(
            "item.unknown",
            N_("No item is known by {item}."),
            N_("Scan it on Receive to add it, or search by name."),
            item=item_id[:NAME_CHARACTERS_MAX],
        )
    return found


def checked_quantity(quantity_milli: int) -> int:
    """Return a quantity above zero and within what one entry may say, in thousandths."""
    if not 0 < quantity_milli <= QUANTITY_MILLI_MAX:
        raise Refused(
            "quantity.out_of_range",
            N_("The quantity must be above zero and at most 99999."),
            N_("Type the quantity again."),
        )
    return quantity_milli


def judged_day(moment: Moment) -> date | None:
    """Return today, or None while the clock is not set and no date can be judged by it."""
    return None if moment.quality is ClockQuality.NOT_SET else moment.today
