"""Which item, which lot: what was typed or scanned, found in the market or refused with what it could be.

Not a search for a screen. A verb acts on what is named here, so anything that is not one thing alone is refused.
"""

from __future__ import annotations

import re
import sqlite3

from node.domain.gtin import read_code
from node.domain.lots import Dot, Lot
from node.errors import N_, Refused
from node.ledger import read
from node.ledger.names import STREAM_BYTES
from node.text import safe_text

CANDIDATES_MAX = 5
NAME_CELLS = 60
TYPED_CELLS = 60

_DOT = re.compile(rf"([0-9a-f]{{{2 * STREAM_BYTES}}}):([0-9]{{1,15}})\Z")
_ID_PREFIXES = ("food/", "gtin/")


def find_item(connection: sqlite3.Connection, typed: str) -> read.Item | None:
    """Return the one item that `typed` names: an id, a barcode's number, an exact name, or a single hit.

    None where nothing is known by it. Raises Refused for a misread number and where several items could be meant.
    """
    text = typed.strip()
    if text.startswith(_ID_PREFIXES) or _DOT.match(text):
        return read.item(connection, text)
    gtin14 = read_code(text)
    if gtin14 is not None:
        return read.item_for_code(connection, gtin14)
    if not text:
        return None
    found = read.find_items(connection, text, CANDIDATES_MAX + 1)
    exact = [item for item in found if item.name.lower() == text.lower()]
    likely = exact or found
    if len(likely) > 1:
        raise _several(text, likely)
    return likely[0] if likely else None


def known_item(connection: sqlite3.Connection, typed: str) -> read.Item:
    """Like `find_item`. Raises Refused also where nothing is known by what was typed."""
    found = find_item(connection, typed)
    if found is not None:
        return found
    if read_code(typed) is not None:
        raise Refused(
            "item.unknown_code",
            N_("The number {code} is not known here."),
            N_("Scan again, or add it when you receive it: larder receive {code} QUANTITY --name NAME"),
            code=safe_text(typed.strip(), TYPED_CELLS),
        )
    raise Refused(
        "item.unknown_name",
        N_("No item is known by '{typed}'."),
        N_("Look for it with: larder items WORD; or add it: larder receive NAME QUANTITY --name NAME"),
        typed=safe_text(typed.strip(), TYPED_CELLS),
    )


def known_lot(connection: sqlite3.Connection, item: read.Item, typed: str) -> Lot:
    """Return the one lot of an item with that label or id. Raises Refused where it is none or several."""
    text = typed.strip()
    dot = _DOT.match(text)
    if dot is not None:
        named = read.find_lot(connection, Dot(bytes.fromhex(dot.group(1)), int(dot.group(2))))
        found = [named] if named is not None and named.item_id == item.item_id else []
    else:
        found = [lot for lot in read.lots(connection, item.item_id) if lot.label.lower() == text.lower()]
    if len(found) == 1:
        return found[0]
    values = {"lot": safe_text(text, TYPED_CELLS), "item": safe_text(item.name, NAME_CELLS)}
    if found:
        raise Refused(
            "lot.several",
            N_("{item} has several lots named {lot}."),
            N_("Name one by its id: {ids}"),
            ids=", ".join(str(lot.lot_id) for lot in found[:CANDIDATES_MAX]),
            **values,
        )
    raise Refused(
        "lot.unknown",
        N_("{item} has no lot named {lot} here."),
        N_("See its lots with: larder lots ITEM"),
        **values,
    )


def lot_of_action(connection: sqlite3.Connection, action_id: bytes) -> Lot | None:
    """Return the lot of an action that was done already, None where the id is new.

    An action sent again must give the same answer, and the lot it emptied is found by no label any more.
    """
    # Loaded only here: reading verbs do without the actions.
    from node.actions.once import find_action

    done = find_action(connection, action_id)
    moved = read.movements_of_action(connection, done) if done else []
    return read.find_lot(connection, moved[0].lot_id) if moved else None


def _several(typed: str, likely: list[read.Item]) -> Refused:
    shown = [f"{item.item_id} ({safe_text(item.name, NAME_CELLS)})" for item in likely[:CANDIDATES_MAX]]
    if len(likely) > CANDIDATES_MAX:
        shown.append("...")
    return Refused(
        "item.several",
        N_("'{typed}' could be several items."),
        N_("Name one by its id: {candidates}"),
        typed=safe_text(typed, TYPED_CELLS),
        candidates=", ".join(shown),
    )
