"""Join another market's group: what was written so far stays at home, what is here now is said again there.

Not the decision who joins whom (`pairing`). Owns the promise that joining loses nothing: the stock of every item is
what it was, and the log of before stays in the database, verified, as history.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

import msgspec

from node.domain.lots import Dot
from node.domain.words import StreamPurpose, StreamReason
from node.errors import N_, Refused
from node.ledger import chain
from node.ledger.append import Appender, clock_of, write_pending
from node.ledger.block import Signer
from node.ledger.card import Card
from node.ledger.events import Fact, LotCarried, RegisterSet, RegisterValue
from node.ledger.fold import fold
from node.ledger.receive import receive_blocks
from node.ledger.roster import load_roster
from node.ledger.seal import backlog, seal
from node.ledger.store import Transaction
from node.ledger.streams import leave_roster_stream, load_writer, opened

# Said again in one transaction: about 0.1 ms each, so a second at the most.
FACTS_CARRIED_MAX = 10_000
_BLOCKS_PER_SEAL = 64


def join_group(tx: Transaction, theirs: Card, *, who: int, load_signer: Callable[[], Signer]) -> int:
    """Leave our group of one for theirs and return how many facts were said again there.

    `load_signer` is called only where something still waits for its signature, and then raises Refused where the key
    cannot be read. Raises Refused where the card does not hold the roster of its group.
    """
    roster = load_roster(tx.connection)
    before = load_writer(tx.connection)
    seal_all(tx, load_signer)
    facts = what_is_here(tx.connection, before.origin)
    own_key = roster.keys[before.origin]
    tx.connection.execute(
        "INSERT INTO home_stream (stream, group_id) SELECT stream, ? FROM head WHERE true ON CONFLICT DO NOTHING",
        (roster.group,),
    )
    _change_group(tx, theirs, own_key)
    chain.refold(tx.connection, tx.connection)
    intake = receive_blocks(tx, theirs.roster, founder_key=theirs.founder_key)
    if (
        intake.refused
        or tx.connection.execute("SELECT 1 FROM member WHERE origin = ?", (theirs.origin,)).fetchone() is None
    ):
        raise Refused(
            "join.no_roster",
            N_("The card of {name} does not show that it founded its group."),
            N_("Ask for a new card: larder pair card --out FILE on the other computer."),
            name=theirs.name,
        )
    open_stream(tx, before.origin, before.hlc)
    return say_again(tx, facts, who)


def say_again(tx: Transaction, facts: Sequence[Fact], who: int) -> int:
    """Append what this market had before to the stream just opened; return how many facts."""
    appender = Appender(tx)
    for fact in facts:
        appender.append(fact, who)
    return len(facts)


def seal_all(tx: Transaction, load_signer: Callable[[], Signer]) -> None:
    """Seal what waits: it was written in the old group and can be signed for that one only."""
    if backlog(tx.connection).event_count == 0:
        return
    signer = load_signer()
    while seal(tx, signer, blocks_max=_BLOCKS_PER_SEAL):
        pass


def _change_group(tx: Transaction, theirs: Card, own_key: bytes) -> None:
    settings = {"group_id": theirs.group, "founder": theirs.origin, "public_key": own_key}
    tx.connection.executemany("INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)", settings.items())
    leave_roster_stream(tx.connection)


def open_stream(tx: Transaction, origin: bytes, last_hlc: int) -> None:
    """Begin a new market stream under this boot and in this file."""
    writer, opening = opened(
        tx.connection,
        origin=origin,
        hlc=max(tx.moment.wall_ms, last_hlc + 1),
        witness=tx.witness,
        purpose=StreamPurpose.MARKET,
        reason=StreamReason.JOINED,
    )
    tx.connection.execute("UPDATE writer SET stream = ?, witness = ? WHERE id = 1", (writer.stream, writer.witness))
    write_pending(tx, opening)
    fold(tx.connection, opening, member=origin, clock=clock_of(tx.moment, opening.hlc))


def what_is_here(connection: sqlite3.Connection, us: bytes) -> list[Fact]:
    """Return what this market says again elsewhere: its fields first, then what is left of each lot.

    Raises Refused for more than FACTS_CARRIED_MAX.
    """
    fields: list[Fact] = [
        RegisterSet(key, msgspec.msgpack.decode(value, type=RegisterValue), [])
        for key, value in connection.execute(
            "SELECT key, value FROM reg_head WHERE member = ? ORDER BY hlc, stream, seq", (us,)
        ).fetchall()
    ]
    lots: list[Fact] = [
        LotCarried(Dot(stream, seq), *rest)
        for stream, seq, *rest in connection.execute(
            "SELECT stream, seq, item_id, unit, on_hand_milli, use_by, best_before, sell_by, produced, batch, supplier,"
            " hlc FROM lot WHERE member = ? AND on_hand_milli <> 0 ORDER BY hlc, stream, seq",
            (us,),
        ).fetchall()
    ]
    facts = [*fields, *lots]
    if len(facts) > FACTS_CARRIED_MAX:
        raise Refused(
            "join.too_much",
            N_("This market has {count} lots and settings; at most {most} can move to another group."),
            N_("Let the other market join this one."),
            count=len(facts),
            most=FACTS_CARRIED_MAX,
        )
    return facts
