"""Move a market of before streams were bound to their writers into streams that are: other markets take no others.

Not a migration: nothing changes until the market wants to pair, and one that joins another group needs none of it.
Owns the promise that the move loses nothing; the log of before stays, verified, as history.
"""

from __future__ import annotations

from collections.abc import Callable

from node.actions.joining import open_stream, say_again, seal_all, what_is_here
from node.ledger import chain
from node.ledger.append import append_to_roster
from node.ledger.block import Signer
from node.ledger.events import ROLE_MARKET, ROLE_STEWARD, MemberEnrolled
from node.ledger.roster import load_roster
from node.ledger.store import Transaction
from node.ledger.streams import leave_roster_stream, load_writer, unbound_streams


def bind_streams(tx: Transaction, *, who: int, load_signer: Callable[[], Signer]) -> int:
    """Leave streams whose names anybody could have taken; return how many facts were said again in bound ones.

    Does nothing where there are none. Raises Refused where the key cannot be read, or where there is too much to say.
    """
    before = load_writer(tx.connection)
    roster = load_roster(tx.connection)
    if not unbound_streams(tx.connection, before.origin):
        return 0
    seal_all(tx, load_signer)
    facts = what_is_here(tx.connection, before.origin)
    row = tx.connection.execute("SELECT name, nonce FROM member WHERE origin = ?", (before.origin,)).fetchone()
    tx.connection.execute(
        "INSERT INTO home_stream (stream, group_id) SELECT stream, ? FROM head WHERE true ON CONFLICT DO NOTHING",
        (roster.group,),
    )
    leave_roster_stream(tx.connection)
    chain.refold(tx.connection, tx.connection)
    if row is not None:
        name, nonce = row
        key = roster.keys[before.origin]
        append_to_roster(tx, MemberEnrolled(key, name, ROLE_MARKET | ROLE_STEWARD, nonce, None, []), who)
    open_stream(tx, before.origin, before.hlc)
    said = say_again(tx, facts, who)
    seal_all(tx, load_signer)
    return said
