"""Transfers between markets, folded: every event kept, and the state that the set of them gives.

Not the rules (`node.domain.transfers`). Owns the tables `transfer_event` and `transfer`.
"""

from __future__ import annotations

import sqlite3

import msgspec

from node.ledger.events import (
    BY_VALUE,
    Event,
    Fact,
    TransferAccepted,
    TransferCancelled,
    TransferLost,
    TransferOffered,
    TransferReceived,
    TransferRefused,
    TransferReturned,
    TransferSent,
    TransferWithdrawn,
)

TRANSFER_FACTS = (
    TransferOffered,
    TransferAccepted,
    TransferCancelled,
    TransferWithdrawn,
    TransferSent,
    TransferReceived,
    TransferRefused,
    TransferReturned,
    TransferLost,
)
_ENCODER = msgspec.msgpack.Encoder()


def fold_transfer(connection: sqlite3.Connection, event: Event, fact: Fact, *, member: bytes, clock: int) -> None:
    """Fold one event of a transfer, written by `member`."""
    transfer = event.dot if isinstance(fact, TransferOffered) else fact.transfer  # type: ignore[union-attr]
    connection.execute(
        "INSERT INTO transfer_event (stream, seq, transfer_stream, transfer_seq, type, member, fact, hlc, clock, who)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *event.dot,
            *transfer,
            BY_VALUE[type(fact)].type_id,
            member,
            _ENCODER.encode(fact),
            event.hlc,
            clock,
            event.who,
        ),
    )
