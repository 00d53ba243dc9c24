"""Retire a market from the group: its blocks count up to where they stand here now, and no further.

Not a punishment that can be taken back: a retired key stays retired, the market comes again under a new one. Only the
founder may, and never itself.
"""

from __future__ import annotations

from dataclasses import dataclass

from node.actions.checks import optional_words
from node.actions.pairing import leave, roster_dots
from node.errors import N_, NeedsYes, Refused
from node.ledger.append import append_to_roster
from node.ledger.columns import HEADS_MAX
from node.ledger.events import MemberRetired, StreamHead
from node.ledger.heads import stream_states
from node.ledger.read.members import Member
from node.ledger.roster import load_roster
from node.ledger.store import Transaction

REASON_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True)
class Retired:
    """Who was retired, and how many of its blocks count."""

    member: Member
    blocks: int


def retire(
    tx: Transaction, *, who: int, member: Member, reason: str | None, yes: frozenset[str] = frozenset()
) -> Retired:
    """Retire a member at its heads as known here, and close our broker to it. Raises NeedsYes, or Refused."""
    words = optional_words(reason, field="reason", characters_max=REASON_CHARACTERS_MAX)
    _check_may_retire(tx, member)
    cutoffs = [
        StreamHead(stream, state.blocks, state.block_hash)
        for stream, state in sorted(stream_states(tx.connection).items())
        if state.origin == member.origin
    ]
    if len(cutoffs) > HEADS_MAX:
        raise Refused(
            "retire.too_many_streams",
            N_("{name} has {count} streams; a retirement can name {most}."),
            N_("Close the broker to it with larder pair forget, and tell who looks after this market."),
            name=member.name,
            count=len(cutoffs),
            most=HEADS_MAX,
        )
    blocks = sum(cut.blocks for cut in cutoffs)
    if "retire.confirm" not in yes:
        raise NeedsYes(
            "retire.confirm",
            N_("Retire {name}, node {node_id}: its {blocks} blocks known here count, later ones never will."),
            N_("This cannot be taken back; that computer can only come again as a new market."),
            name=member.name,
            node_id=member.node_id,
            blocks=blocks,
        )
    append_to_roster(tx, MemberRetired(member.origin, cutoffs, words, roster_dots(tx)), who)
    leave(tx, member.origin)
    return Retired(member, blocks)


def _check_may_retire(tx: Transaction, member: Member) -> None:
    roster = load_roster(tx.connection)
    (us,) = tx.connection.execute("SELECT origin FROM writer WHERE id = 1").fetchone()
    if us != roster.founder:
        raise Refused(
            "retire.not_steward",
            N_("Only the market that founded this group may retire a member."),
            N_("Ask there; to close only this market's broker, use larder pair forget."),
        )
    if member.origin == roster.founder:
        raise Refused(
            "retire.steward",
            N_("The market that founded the group cannot be retired."),
            N_("Nothing was changed."),
        )
    if member.is_retired:
        raise Refused("retire.already", N_("{name} was retired already."), N_("Nothing was changed."), name=member.name)
