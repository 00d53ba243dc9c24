"""Say that a stream is forked, and settle what is not counted of our own: said again, or let go with a reason.

Not the choice of a branch (`ledger.forks`). Owns the bound on what a node says of forks by itself: once a stream,
and of so many streams of one member at most.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from node.actions.checks import optional_words
from node.errors import N_, Refused
from node.ledger.append import Appender
from node.ledger.block import body_of, read_frame
from node.ledger.displaced import Displaced, refers_to, say_again
from node.ledger.events import ForkSeen, ForkSettled
from node.ledger.forks import branches_of
from node.ledger.read.forks import OPEN, UncountedBranch, frames_of, uncounted_branches
from node.ledger.store import Transaction

# A member with more forked streams has said enough about itself.
FORKS_NOTED_PER_MEMBER_MAX = 16
# Said again in one transaction: about 0.1 ms each, so a second at the most.
FACTS_TAKEN_MAX = 10_000
REASON_CHARACTERS_MAX = 200


def note_forks(tx: Transaction, streams: Iterable[bytes]) -> int:
    """Append `fork seen` for those of these streams of which nobody here said it yet; return how many."""
    appender: Appender | None = None
    noted = 0
    for stream in sorted(streams):
        branches = branches_of(tx.connection, stream)
        if len(branches) < 2 or not _is_worth_noting(tx.connection, stream):
            continue
        # Where the first two part: both blocks follow the same one.
        other = next((one for one in branches[1:] if one.first_n == branches[0].first_n), branches[1])
        place = other.first_n - branches[0].first_n
        appender = appender or Appender(tx)
        appender.append(ForkSeen(stream, other.first_n, branches[0].hashes[place], other.hashes[0]), 0)
        noted += 1
    return noted


def take_over(tx: Transaction, *, who: int, tip: bytes) -> int:
    """Say the facts of a branch of ours that is not counted again, under new names; return how many. Raises Refused."""
    branch = _own_branch(tx, tip)
    if branch.facts > FACTS_TAKEN_MAX:
        raise Refused(
            "fork.too_much",
            N_("This branch has {count} facts; at most {most} can be said again at once."),
            N_("Count what is on the shelves instead, and dismiss it with a reason."),
            count=branch.facts,
            most=FACTS_TAKEN_MAX,
        )
    events = [
        event
        for frame in frames_of(tx.connection, branch.stream, branch.part)
        for event in body_of(read_frame(frame)).events
    ]
    first_seq = events[0].dot.seq
    since = range(first_seq - branch.facts_settled, first_seq)
    if any(refers_to(event.fact, branch.stream, since) for event in events):
        raise Refused(
            "fork.goes_on",
            N_("These facts go on with others of this branch that were settled before, whose names are others' now."),
            N_("Count what is on the shelves instead, and dismiss it with a reason."),
        )
    said = say_again(tx, [Displaced(branch.is_roster, events)], is_done_here=False)
    Appender(tx).append(ForkSettled(branch.stream, tip, 1, None), who)
    return said


def dismiss(tx: Transaction, *, who: int, tip: bytes, reason: str) -> None:
    """Let the facts of a branch of ours go, with a reason. The blocks stay as evidence. Raises Refused."""
    words = optional_words(reason, field="reason", characters_max=REASON_CHARACTERS_MAX)
    if words is None:
        raise Refused(
            "fork.no_reason",
            N_("Facts are only let go with a reason."),
            N_("Say why, for whoever looks at the books later."),
        )
    branch = _own_branch(tx, tip)
    Appender(tx).append(ForkSettled(branch.stream, tip, 0, words), who)


def _own_branch(tx: Transaction, tip: bytes) -> UncountedBranch:
    found = [branch for branch in uncounted_branches(tx.connection) if branch.tip == tip]
    if not found:
        raise Refused(
            "fork.unknown",
            N_("No branch of that name waits here."),
            N_("See them with larder forks."),
        )
    if not found[0].is_ours:
        raise Refused(
            "fork.not_ours",
            N_("Only {name} can say what becomes of these facts."),
            N_("Tell its staff: the screen there shows them, too."),
            name=found[0].name or found[0].node_id,
        )
    if found[0].state != OPEN:
        raise Refused(
            "fork.settled",
            N_("These facts were taken over or dismissed already."),
            N_("See them with larder forks."),
        )
    return found[0]


def _is_worth_noting(connection: sqlite3.Connection, stream: bytes) -> bool:
    if connection.execute("SELECT 1 FROM fork_seen WHERE forked = ?", (stream,)).fetchone() is not None:
        return False
    (noted,) = connection.execute(
        "SELECT count(DISTINCT f.forked) FROM fork_seen f JOIN head h ON h.stream = f.forked"
        " WHERE h.origin = (SELECT origin FROM head WHERE stream = ?)",
        (stream,),
    ).fetchone()
    return int(noted) < FORKS_NOTED_PER_MEMBER_MAX
