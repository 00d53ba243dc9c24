"""Pair with another market by the card it handed over: who joins whom, and how the two reach each other's broker.

Not the carrying of blocks. Safe to do again and in any order on the two sides. Owns the rule that two markets become
one group only after a person at each of them said yes to the same 6 digits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from node.actions.cards import members_count, open_card, use_up_card
from node.actions.joining import join_group
from node.domain.lots import Dot
from node.errors import N_, NeedsYes, Refused
from node.ledger.append import append_to_roster
from node.ledger.block import Signer
from node.ledger.card import Card, Meeting, check_digits, meeting
from node.ledger.events import ROLE_MARKET, MemberEnrolled
from node.ledger.logins import password_hash
from node.ledger.roster import load_roster, retired_members
from node.ledger.store import Transaction

# Roster events named as seen by an enrolment or a retirement.
SEEN_MAX = 64


@dataclass(frozen=True, slots=True)
class Paired:
    """What a pairing did. `digits` is empty where the card was answered before.

    `our_card` is the fresh card that the other market has not seen and needs now, None where it has ours already.
    """

    name: str
    node_id: str
    digits: str
    meeting: Meeting
    facts_carried: int
    is_known: bool
    our_card: Card | None


def add_peer(
    tx: Transaction,
    *,
    who: int,
    theirs: Card,
    load_signer: Callable[[], Signer],
    fresh: Card | None = None,
    yes: frozenset[str] = frozenset(),
) -> Paired:
    """Pair with the market whose card this is, by our own open card, or by a `fresh` one where none is open.

    Raises NeedsYes with the digits to compare; Refused where the two cannot be one group, or where it was retired.
    """
    _check_may_pair(tx, theirs)
    if _is_answered(tx, theirs):
        _keep_peer(tx, theirs, our_secret=None)
        return Paired(theirs.name, theirs.node_id, "", Meeting.SAME_GROUP, 0, is_known=True, our_card=None)
    waiting = open_card(tx.connection, tx.moment)
    ours = waiting or fresh
    if ours is None:
        raise Refused(
            "pair.no_card",
            N_("This market has no open card of its own."),
            N_("Make one with larder pair card --out FILE and give it to {name}, then run this again."),
            name=theirs.name,
        )
    result = _meeting_of(tx, ours, theirs)
    digits = check_digits(ours, theirs)
    _ask(result, theirs, digits, yes)
    carried = 0
    if result is Meeting.WE_JOIN:
        carried = join_group(tx, theirs, who=who, load_signer=load_signer)
    elif result is Meeting.WE_STAY:
        enrol(tx, theirs, who=who)
    _keep_peer(tx, theirs, our_secret=ours.secret)
    use_up_card(tx)
    return Paired(
        theirs.name, theirs.node_id, digits, result, carried, is_known=False, our_card=None if waiting else ours
    )


def enrol(tx: Transaction, theirs: Card, *, who: int) -> None:
    """Let a market into our group, once. Only the founder may."""
    if tx.connection.execute("SELECT 1 FROM member WHERE origin = ?", (theirs.origin,)).fetchone() is not None:
        return
    fact = MemberEnrolled(theirs.public_key, theirs.name.strip(), ROLE_MARKET, None, None, roster_dots(tx))
    append_to_roster(tx, fact, who)


def forget(tx: Transaction, origin: bytes) -> bool:
    """Close our broker to a market and stop dialling it; return whether it was paired. It stays a member."""
    done = tx.connection.execute(
        "UPDATE peer SET is_active = 0, password_hash = NULL, secret = NULL WHERE origin = ? AND is_active = 1",
        (origin,),
    )
    return done.rowcount > 0


def leave(tx: Transaction, origin: bytes) -> None:
    """Stop dialling a market that is retired. Its login stays: it is let in to hear that, and nothing else."""
    tx.connection.execute("UPDATE peer SET is_active = 0, secret = NULL WHERE origin = ?", (origin,))


def roster_dots(tx: Transaction) -> list[Dot]:
    """Return the last event of each roster stream known here: what the author of a roster event has seen."""
    rows = tx.connection.execute(
        "SELECT stream, events - 1 FROM head WHERE purpose = 1 AND events > 0"
        " AND stream NOT IN (SELECT stream FROM home_stream) ORDER BY stream LIMIT ?",
        (SEEN_MAX,),
    )
    return [Dot(*row) for row in rows.fetchall()]


def _check_may_pair(tx: Transaction, theirs: Card) -> None:
    (us,) = tx.connection.execute("SELECT origin FROM writer WHERE id = 1").fetchone()
    if theirs.origin == us:
        raise Refused(
            "pair.own_card",
            N_("This is the card of this market itself."),
            N_("Take it to the other computer, and bring the card made there."),
        )
    if theirs.origin in retired_members(tx.connection):
        raise Refused(
            "pair.retired",
            N_("{name} was retired from this group; that computer cannot come back."),
            N_("Set the market up again in a new folder and pair that one."),
            name=theirs.name,
        )


def _is_answered(tx: Transaction, theirs: Card) -> bool:
    row = tx.connection.execute(
        "SELECT 1 FROM peer WHERE origin = ? AND is_active = 1 AND secret = ? AND password_hash IS NOT NULL",
        (theirs.origin, theirs.secret),
    ).fetchone()
    return row is not None


def _meeting_of(tx: Transaction, ours: Card, theirs: Card) -> Meeting:
    """Return what becomes of the two groups. Raises Refused where nobody may let the other in."""
    result = meeting(ours, theirs)
    if result is Meeting.TWO_GROUPS or (result is Meeting.WE_JOIN and members_count(tx.connection) > 1):
        raise Refused(
            "pair.two_groups",
            N_("{name} and this market are each in a group with other markets; two groups cannot become one."),
            N_("Set one market up again in a new folder, and pair that one."),
            name=theirs.name,
        )
    roster = load_roster(tx.connection)
    if result is Meeting.WE_STAY and roster.keys.get(roster.founder) != ours.public_key:
        row = tx.connection.execute("SELECT name FROM member WHERE origin = ?", (roster.founder,)).fetchone()
        raise Refused(
            "pair.not_steward",
            N_("Only {steward} may let a market into this group."),
            N_("Pair {name} with {steward} first; after that, run this again."),
            steward=row[0] if row else "?",
            name=theirs.name,
        )
    if result is Meeting.WE_JOIN and not (theirs.is_founder and theirs.roster):
        raise Refused(
            "pair.their_steward",
            N_("{name} cannot let this market into its group; the market that founded the group can."),
            N_("Pair with that market first; after that, run this again."),
            name=theirs.name,
        )
    return result


def _ask(result: Meeting, theirs: Card, digits: str, yes: frozenset[str]) -> None:
    if "pair.compare" in yes:
        return
    hints = {
        Meeting.WE_STAY: N_("Then {name} becomes a member of this market's group and reads its facts."),
        Meeting.WE_JOIN: N_(
            "Then this market joins the group of {name}; its stock moves along, undo reaches no further back."
        ),
        Meeting.SAME_GROUP: N_("Both are in one group already; then the two can reach each other directly."),
    }
    raise NeedsYes(
        "pair.compare",
        N_("Pair with {name}, node {node_id}: the other computer must show {digits}, too."),
        hints[result],
        name=theirs.name,
        node_id=theirs.node_id,
        digits=digits,
    )


def _keep_peer(tx: Transaction, theirs: Card, *, our_secret: str | None) -> None:
    """Keep how to reach the other's broker, and let it log in at ours with the secret of our card."""
    tx.connection.execute(
        "INSERT INTO peer (origin, public_key, name, addresses, certificate, secret, password_hash, paired_ms,"
        " is_active) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT DO UPDATE SET name = excluded.name,"
        " addresses = excluded.addresses, certificate = excluded.certificate, secret = excluded.secret,"
        " password_hash = coalesce(excluded.password_hash, password_hash), is_active = 1",
        (
            theirs.origin,
            theirs.public_key,
            theirs.name.strip(),
            msgspec.json.encode(theirs.addresses).decode("ascii"),
            theirs.certificate,
            theirs.secret,
            password_hash(our_secret) if our_secret else None,
            tx.moment.wall_ms,
        ),
    )
