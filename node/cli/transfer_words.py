"""How hand-overs read in the verbs: one line each, one JSON object each; and what a person types for them.

Not the steps (`transfers`).
"""

from __future__ import annotations

import sqlite3

import msgspec

from node.cli.sentences import name_text
from node.clock import ClockQuality, Moment
from node.domain.celsius import parse_celsius
from node.domain.words import UNIT_WORDS
from node.errors import N_, Refused
from node.language import _
from node.ledger.names import node_id
from node.ledger.read import TransferRow
from node.ledger.read.members import Member, member_named
from node.ledger.read.transfers import WAY_IN
from node.text import safe_text
from node.tui.sentences import quantity_text
from node.tui.text import age_text, temperature_text

TYPED_CELLS = 40
# The word before each line: what it is to us.
WAY_WORDS = {"in": N_("in"), "out": N_("out")}


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
    return None if typed is None else parse_celsius(typed)


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
