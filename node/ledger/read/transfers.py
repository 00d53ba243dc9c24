"""Hand-overs of this market as people look for them, and what they bind of our lots: reservations and holds.

Not the rules (`node.domain.transfers`). A transfer's number is made from its name, so it is the same at both markets.
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from typing import Any

from node.domain.lots import Dot
from node.domain.transfers import Flag, State
from node.domain.words import Unit
from node.errors import N_, Refused
from node.ledger.events import TransferRefused, TransferSent
from node.ledger.holds import OURS, is_not_lifted_at
from node.ledger.names import node_id
from node.ledger.read.goods import HELD_LOTS, ROWS_MAX, unit_of
from node.ledger.transfers import decoded_fact

WAY_OUT = "out"
WAY_IN = "in"
_NUMBER_HEX = 4
_NUMBER = re.compile(r"[tT]?([0-9]{1,15})(?:-([0-9a-fA-F]{0,16}))?\Z")
_DOT = re.compile(r"([0-9a-f]{16}):([0-9]{1,15})\Z")

# What stands in the column "state", as seen by the sender and by the recipient.
_WORDS = {
    (State.UNFOUNDED, WAY_OUT): N_("not known yet"),
    (State.UNFOUNDED, WAY_IN): N_("offered to us; the facts of its lot have not arrived"),
    (State.OFFERED, WAY_OUT): N_("offered, no answer yet"),
    (State.OFFERED, WAY_IN): N_("offered to us: accept or refuse it"),
    (State.ACCEPTED, WAY_OUT): N_("accepted: send it"),
    (State.ACCEPTED, WAY_IN): N_("accepted, not sent yet"),
    (State.CANCELLED, WAY_OUT): N_("cancelled"),
    (State.CANCELLED, WAY_IN): N_("cancelled by the sender"),
    (State.WITHDRAWN, WAY_OUT): N_("withdrawn after it was accepted"),
    (State.WITHDRAWN, WAY_IN): N_("withdrawn by the sender after we accepted"),
    (State.REFUSED, WAY_OUT): N_("refused"),
    (State.REFUSED, WAY_IN): N_("refused by us"),
    (State.SENT, WAY_OUT): N_("sent, not confirmed"),
    (State.SENT, WAY_IN): N_("on the way to us"),
    (State.RECEIVED, WAY_OUT): N_("received in part: book the rest as returned or lost"),
    (State.RECEIVED, WAY_IN): N_("received in part; the sender books the rest"),
}
_REFUSED_ON_WAY = {
    WAY_OUT: N_("refused: book the goods as returned or lost"),
    WAY_IN: N_("refused by us, on the way back"),
}
SENDING_NOT_HEARD = N_("received; its sending has not been heard of yet")
FLAG_WORDS = {
    Flag.ACCEPTED_AFTER_CANCEL: N_("accepted while it was being cancelled: send it or withdraw it"),
    Flag.SECOND_RECEIPT: N_("received twice: the second lot is on hold"),
    Flag.OVER_RECEIVED: N_("more arrived than was sent"),
    Flag.LOST_AND_RECEIVED: N_("arrived after it was booked as lost"),
    Flag.OVERDRAWN: N_("more was booked back or lost than was sent"),
}
HOLD_WORDS = {
    "second_receipt": N_("received twice"),
    "not_measured": N_("temperature on the way not measured"),
    "too_warm": N_("too warm on the way"),
}
OTHER_HOLD = N_("on hold")


@dataclass(frozen=True, slots=True)
class TransferRow:
    """One hand-over of ours, quantities in thousandths of `unit`. `item_id` is None while its lot is not known here.

    `way` is `out` or `in`. `last_ms` is the writer's clock at its last step; `carrier` and `reason` are what the sender
    and the recipient wrote. `words` and `flag_words` are English and go through gettext where they are shown.
    """

    transfer_id: Dot
    way: str
    sender: bytes
    recipient: bytes
    peer_name: str
    item_id: str | None
    item_name: str
    unit: Unit
    lot_id: Dot
    lot_label: str
    state: State
    offered_milli: int
    accepted_milli: int | None
    reserved_milli: int
    sent_milli: int
    good_milli: int
    damaged_milli: int
    returned_milli: int
    lost_milli: int
    on_way_milli: int
    flags: tuple[Flag, ...]
    limit_milli_c: int | None
    offered_ms: int
    last_ms: int
    carrier: str | None
    reason: str | None

    @property
    def number(self) -> str:
        """Return the number that both markets read: `T31-9f2c`."""
        return f"T{self.transfer_id.seq}-{self.transfer_id.stream.hex()[:_NUMBER_HEX]}"

    @property
    def is_open(self) -> bool:
        """Tell whether somebody has something to do, here or there."""
        if self.state is State.REFUSED:
            return self.on_way_milli > 0
        return self.state not in {State.CANCELLED, State.WITHDRAWN, State.CLOSED}

    @property
    def quantity_milli(self) -> int:
        """Return the quantity that this is about now: sent, else accepted, else received, else offered."""
        received_milli = self.good_milli + self.damaged_milli
        return self.sent_milli or received_milli or self.accepted_milli or self.offered_milli

    @property
    def words(self) -> str:
        """Return what the state means to us, in English."""
        if self.state is State.CLOSED:
            return _closed_words(self)
        if self.state is State.REFUSED and self.on_way_milli > 0:
            return _REFUSED_ON_WAY[self.way]
        if self.state is State.RECEIVED and not self.sent_milli:
            return SENDING_NOT_HEARD
        return _WORDS[self.state, self.way]

    @property
    def flag_words(self) -> tuple[str, ...]:
        """Return what a person should look at, in English."""
        return tuple(FLAG_WORDS[flag] for flag in self.flags)


def transfers(connection: sqlite3.Connection, *, open_only: bool = False, limit: int = 100) -> list[TransferRow]:
    """Return our hand-overs, those with something to do first, then the newest first."""
    only = f"AND {_IS_OPEN}" if open_only else ""
    rows = connection.execute(
        f"{_TRANSFERS} {only} ORDER BY {_IS_OPEN} DESC, t.last_hlc DESC, t.stream, t.seq LIMIT ?",
        (min(limit, ROWS_MAX),),
    )
    return [_row(connection, row) for row in rows.fetchall()]


def find_transfer(connection: sqlite3.Connection, transfer_id: Dot) -> TransferRow | None:
    """Return one hand-over of ours, None where it is not known or not ours."""
    row = connection.execute(f"{_TRANSFERS} AND t.stream = ? AND t.seq = ?", transfer_id).fetchone()
    return None if row is None else _row(connection, row)


def transfer_named(connection: sqlite3.Connection, typed: str) -> TransferRow | None:
    """Return the hand-over with that number (`T31`, `T31-9f2c`) or id. Raises Refused where several have it."""
    text = typed.strip()
    dot = _DOT.match(text)
    if dot is not None:
        seq = int(dot.group(2))
        return find_transfer(connection, Dot(bytes.fromhex(dot.group(1)), seq))
    number = _NUMBER.match(text)
    if number is None:
        return None
    rows = connection.execute(f"{_TRANSFERS} AND t.seq = ? LIMIT ?", (int(number.group(1)), ROWS_MAX)).fetchall()
    start = (number.group(2) or "").lower()
    found = [_row(connection, row) for row in rows if row[0].hex().startswith(start)]
    # A person names what is still going on: what is over is meant only where nothing else has the number.
    likely = [row for row in found if row.is_open] or found
    if len(likely) > 1:
        raise Refused(
            "transfer.several",
            N_("Several hand-overs have the number {number}."),
            N_("Name one in full: {numbers}."),
            number=text[:20],
            numbers=", ".join(row.number for row in likely[:5]),
        )
    return likely[0] if likely else None


def transfer_of_event(connection: sqlite3.Connection, event: Dot) -> TransferRow | None:
    """Return the hand-over that an event of ours belongs to."""
    row = connection.execute(
        "SELECT transfer_stream, transfer_seq FROM transfer_event WHERE stream = ? AND seq = ?", event
    ).fetchone()
    return None if row is None else find_transfer(connection, Dot(*row))


def reservations(connection: sqlite3.Connection, item_id: str) -> dict[Dot, int]:
    """Return how much of each open lot of an item is promised to other markets, in thousandths."""
    rows = connection.execute(
        "SELECT t.lot_stream, t.lot_seq, sum(t.reserved_milli) FROM lot l JOIN transfer t ON t.lot_stream = l.stream"
        " AND t.lot_seq = l.seq WHERE l.item_id = ? AND l.is_open = 1 AND t.reserved_milli > 0 GROUP BY 1, 2",
        (item_id,),
    )
    return {Dot(stream, seq): int(reserved) for stream, seq, reserved in rows.fetchall()}


def reserved_of_lot(connection: sqlite3.Connection, lot_id: Dot, *, but: Dot | None = None) -> int:
    """Return how much of a lot is promised to other markets, by every hand-over `but` one."""
    (reserved,) = connection.execute(
        "SELECT coalesce(sum(reserved_milli), 0) FROM transfer WHERE lot_stream = ? AND lot_seq = ?"
        " AND NOT (stream = ? AND seq = ?)",
        (*lot_id, *(but or (b"", -1))),
    ).fetchone()
    return int(reserved)


def held_lots(connection: sqlite3.Connection, item_id: str) -> dict[Dot, str]:
    """Return the open lots of an item that are on hold, with the reason in English; a hold reaches all descendants."""
    if connection.execute("SELECT 1 FROM lot_hold LIMIT 1").fetchone() is None:
        return {}
    rows = connection.execute(
        f"WITH RECURSIVE {HELD_LOTS} SELECT l.stream, l.seq, (SELECT min(reason) FROM lot_hold h"
        f" WHERE h.stream = l.stream AND h.seq = l.seq AND {is_not_lifted_at(OURS)})"
        " FROM lot l JOIN held h ON h.stream = l.stream AND h.seq = l.seq WHERE l.item_id = ? AND l.is_open = 1",
        (item_id,),
    )
    return {Dot(stream, seq): HOLD_WORDS.get(reason, OTHER_HOLD) for stream, seq, reason in rows.fetchall()}


_OPEN_STATES = ", ".join(
    f"'{state.value}'" for state in (State.UNFOUNDED, State.OFFERED, State.ACCEPTED, State.SENT, State.RECEIVED)
)
_IS_OPEN = f"(t.state IN ({_OPEN_STATES}) OR (t.state = '{State.REFUSED.value}' AND t.on_way_milli > 0))"
# What somebody offered out of a lot that is not theirs is kept in the log, and shown to nobody as an offer.
_TRANSFERS = f"""
SELECT t.stream, t.seq, t.sender = w.origin, t.sender, t.recipient, m.name, l.item_id, i.name, l.unit, t.lot_stream,
  t.lot_seq, l.batch, t.state, t.offered_milli, t.accepted_milli, t.reserved_milli, t.sent_milli, t.good_milli,
  t.damaged_milli, t.returned_milli, t.lost_milli, t.on_way_milli, t.flags, t.limit_milli_c, t.hlc, t.last_hlc
FROM writer w JOIN transfer t ON t.sender = w.origin OR t.recipient = w.origin
LEFT JOIN lot l ON l.stream = t.lot_stream AND l.seq = t.lot_seq LEFT JOIN item i ON i.item_id = l.item_id
LEFT JOIN member m ON m.origin = CASE WHEN t.sender = w.origin THEN t.recipient ELSE t.sender END
WHERE NOT (t.state = '{State.UNFOUNDED.value}' AND l.stream IS NOT NULL)"""


_QUANTITIES = (
    "offered_milli",
    "accepted_milli",
    "reserved_milli",
    "sent_milli",
    "good_milli",
    "damaged_milli",
    "returned_milli",
    "lost_milli",
    "on_way_milli",
)


def _row(connection: sqlite3.Connection, row: tuple[Any, ...]) -> TransferRow:
    stream, seq, is_out, sender, recipient, peer, item_id, item_name, unit, lot_stream, lot_seq, batch, state = row[:13]
    flags, limit_milli_c, offered_ms, last_ms = row[22:]
    transfer_id = Dot(stream, seq)
    carrier, reason = _said(connection, transfer_id, sender, recipient)
    return TransferRow(
        transfer_id=transfer_id,
        way=WAY_OUT if is_out else WAY_IN,
        sender=sender,
        recipient=recipient,
        peer_name=peer or node_id(recipient if is_out else sender),
        item_id=item_id,
        item_name=item_name or item_id or "?",
        unit=unit_of(unit),
        lot_id=Dot(lot_stream, lot_seq),
        lot_label=batch or f"#{lot_seq}",
        state=State(state),
        flags=tuple(Flag(flag) for flag in flags.split()),
        limit_milli_c=limit_milli_c,
        offered_ms=offered_ms,
        last_ms=last_ms,
        carrier=carrier,
        reason=reason,
        **dict(zip(_QUANTITIES, row[13:22], strict=True)),
    )


def _said(
    connection: sqlite3.Connection, transfer_id: Dot, sender: bytes, recipient: bytes
) -> tuple[str | None, str | None]:
    """Return who carries it, as its sender last wrote, and why its recipient refused it."""
    rows = connection.execute(
        "SELECT type, fact, member FROM transfer_event WHERE transfer_stream = ? AND transfer_seq = ?"
        " AND type IN (14, 17) AND member IN (?, ?) ORDER BY hlc, stream, seq LIMIT ?",
        (*transfer_id, sender, recipient, ROWS_MAX),
    )
    carrier = reason = None
    for type_id, fact, member in rows.fetchall():
        found = decoded_fact(type_id, fact)
        if isinstance(found, TransferSent) and member == sender:
            carrier = found.carrier
        elif isinstance(found, TransferRefused) and member == recipient:
            reason = found.reason
    return carrier, reason


def _closed_words(row: TransferRow) -> str:
    if row.good_milli:
        return N_("received")
    if row.damaged_milli:
        return N_("arrived damaged")
    return N_("came back") if row.returned_milli else N_("lost")
