"""This market's own pairing card: made, kept open for a day, used up by one pairing.

Not the other market's card and not the pairing. There is one open card at most; a new one takes the place of the last.
"""

from __future__ import annotations

import os
import sqlite3
from base64 import urlsafe_b64encode
from collections.abc import Sequence

from node.clock import Moment
from node.errors import N_, LocalFault
from node.ledger.card import ROSTER_FRAMES_MAX, Card, decode_card, encode_card
from node.ledger.names import NONCE_BYTES, node_id
from node.ledger.roster import load_roster
from node.ledger.store import Transaction

CARD_AGE_MS_MAX = 24 * 60 * 60 * 1000
_SECRET_BYTES = 32


def make_card(tx: Transaction, *, addresses: Sequence[str], certificate: bytes | None) -> Card:
    """Make the open card of this market, in place of the last. Arguments as for `build_card`."""
    card = build_card(tx.connection, tx.moment, addresses=addresses, certificate=certificate)
    keep_card(tx, card)
    return card


def keep_card(tx: Transaction, card: Card) -> None:
    """Let a card that was built be the open one, in place of the last."""
    tx.connection.execute(
        "INSERT OR REPLACE INTO card (id, nonce, secret, text, made_ms) VALUES (1, ?, ?, ?, ?)",
        (card.nonce, card.secret, encode_card(card), card.made_ms),
    )


def build_card(
    connection: sqlite3.Connection, moment: Moment, *, addresses: Sequence[str], certificate: bytes | None
) -> Card:
    """Return a new card that is not open yet. `addresses` are host:port of our broker, `certificate` its own (DER)."""
    roster = load_roster(connection)
    (us,) = connection.execute("SELECT origin FROM writer WHERE id = 1").fetchone()
    (name,) = connection.execute("SELECT value FROM setting WHERE key = 'name'").fetchone()
    founder = connection.execute(
        "SELECT public_key, nonce, stream, seq FROM member WHERE origin = ?", (roster.founder,)
    ).fetchone()
    if founder is None or us not in roster.keys:
        raise LocalFault(
            "card.no_group",
            N_("The list of members does not say who founded this group."),
            N_("Run larder rebuild, then try again."),
        )
    founder_key, founder_nonce, stream, seq = founder
    return Card(
        group=roster.group,
        founder_key=founder_key,
        founder_nonce=founder_nonce,
        public_key=roster.keys[us],
        name=name,
        members=members_count(connection),
        addresses=list(addresses),
        certificate=certificate,
        nonce=os.urandom(NONCE_BYTES),
        secret=urlsafe_b64encode(os.urandom(_SECRET_BYTES)).decode("ascii").rstrip("="),
        made_ms=max(0, moment.wall_ms),
        roster=_founding_frames(connection, stream, seq) if us == roster.founder else [],
    )


def open_card(connection: sqlite3.Connection, moment: Moment) -> Card | None:
    """Return the card that waits to be answered: made within a day, for the group that this market is in now."""
    row = connection.execute("SELECT text, made_ms FROM card WHERE id = 1").fetchone()
    if row is None or not 0 <= moment.wall_ms - row[1] < CARD_AGE_MS_MAX:
        return None
    card = decode_card(row[0])
    return card if card.group == load_roster(connection).group else None


def use_up_card(tx: Transaction) -> None:
    """Close the open card: its secret is known to one market now, and must be known to no other."""
    tx.connection.execute("DELETE FROM card")


def members_count(connection: sqlite3.Connection) -> int:
    """Count the markets of the group, retired ones and this one included."""
    (count,) = connection.execute(
        "SELECT count(*) FROM (SELECT origin FROM member UNION SELECT origin FROM writer)"
    ).fetchone()
    return int(count)


def own_node_id(connection: sqlite3.Connection) -> str:
    """Return the id of this market as people read it."""
    (us,) = connection.execute("SELECT origin FROM writer WHERE id = 1").fetchone()
    return node_id(us)


def _founding_frames(connection: sqlite3.Connection, stream: bytes, seq: int) -> list[bytes]:
    """Return the sealed blocks by which the founder enrolled itself; the rest of the roster comes over the network."""
    rows = connection.execute(
        "SELECT frame FROM block WHERE stream = ? AND first_seq <= ? ORDER BY n LIMIT ?",
        (stream, seq, ROSTER_FRAMES_MAX),
    )
    return [frame for (frame,) in rows.fetchall()]
