"""`larder peers` and `larder sync`: what is known of the other markets, and asking the node to look now."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence

import click
import msgspec

from node import clock
from node.cli.desk import Desk, reading, writing
from node.cli.forks import fork_line
from node.cli.options import as_json
from node.cli.output import answer
from node.cli.sentences import when_text
from node.clock import ClockQuality, Moment
from node.errors import N_
from node.health import read_heartbeat
from node.language import _, ngettext
from node.ledger import read
from node.ledger.names import node_id
from node.ledger.read.forks import OPEN, UncountedBranch, uncounted_branches
from node.ledger.read.members import our_retirement, the_one_named
from node.ledger.read.peers import PeerRow, SeenBy, peers, seen_by
from node.ledger.refusals import Refusal, refusals
from node.tui.sharing import peers_now, refusal_texts, retirement_text
from node.tui.text import age_text

SYNC_REQUEST = "sync"
POLL_S = 0.1
# Branches that are not counted, in the list of markets; all of them are in `larder forks`.
FORK_LINES_MAX = 5

RETIRED = N_("RETIRED")
NO_MEMBER = N_("NOT YET A MEMBER")
PAIRED = N_("paired")
RELAYED = N_("not paired")
CLOCK_WORDS = {
    ClockQuality.NOT_SET: N_("its clock is not set"),
    ClockQuality.RTC: N_("its clock was not checked"),
    ClockQuality.TRUSTED: N_("its clock is right"),
}


class PeerAnswer(msgspec.Struct, frozen=True):
    """One other market. Counts are blocks, null where it was never heard; `heard_ms` is on our wall clock.

    `unreachable` says why its broker cannot be reached from here, null where it can or where nobody tried lately.
    """

    name: str
    node_id: str
    state: str
    is_steward: bool
    heard_ms: int | None
    heard_age_s: int | None
    missing_here: int | None
    missing_there: int | None
    clock: str | None
    version: str
    unreachable: str | None


class RefusalAnswer(msgspec.Struct, frozen=True):
    """How often something from outside was refused; `node_id` null where nobody knows whose it was."""

    reason: str
    node_id: str | None
    count: int
    last_ms: int


class PeersAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder peers --json` prints."""

    format: str = "larder-peers/1"
    peers: list[PeerAnswer]
    seen_by_count: int
    other_count: int
    is_pending: bool
    refused: list[RefusalAnswer]
    retired: str | None
    unknown_fact_count: int


class SyncAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder sync --json` prints. `answer` null: the node did not answer in time, or is away."""

    format: str = "larder-sync/1"
    is_asked: bool
    node: str
    answer: str | None


@click.command("peers", help=_("Show every other market: heard when, behind by how much."))
@as_json
@click.pass_obj
def peers_verb(desk: Desk) -> None:
    """Print what is known of the other markets."""
    with reading(desk) as connection:
        rows, live = peers_now(connection, desk.places, clock.now())
        retirement = our_retirement(connection)
        uncounted = uncounted_branches(connection)
        seen, refused, unknown = seen_by(connection), refusals(connection), read.unknown_count(connection)
    reasons = {} if live is None else {link.name: link.reason for link in live.links if not link.is_up}
    value = PeersAnswer(
        peers=[_peer_answer(row, reasons.get(row.node_id)) for row in rows],
        seen_by_count=seen.have,
        other_count=seen.of,
        is_pending=seen.is_pending,
        refused=[_refusal_answer(row) for row in refused],
        retired=None if retirement is None else retirement_text(retirement),
        unknown_fact_count=unknown,
    )
    lines = [peer_line(row, reasons.get(row.node_id, "")) for row in rows] or [
        _("No other market yet. Pair one with: larder pair card")
    ]
    lines += refusal_texts(rows, live) if retirement is None else [retirement_text(retirement)]
    if seen.of:
        lines.append(_seen_line(seen))
    lines += [_refusal_line(row, rows) for row in refused]
    lines += fork_lines(uncounted)
    if unknown:
        words = ngettext(
            "{count} fact from newer software is not understood",
            "{count} facts from newer software not understood",
            unknown,
        )
        lines.append(words.format(count=unknown))
    answer(desk, value, lines)


@click.command("sync", help=_("Ask larder-node to exchange facts with the other markets now."))
@as_json
@click.pass_obj
def sync_verb(desk: Desk) -> None:
    """Ask, and print the answer where it comes within --wait."""
    from node.actions.requests import ask, drop

    with writing(desk) as market:
        asked = market.act("sync", lambda tx, _who: ask(tx, SYNC_REQUEST, {}))
    if read_heartbeat(desk.places.node_heartbeat, clock.now()).state != "here":
        lines = [_("asked; larder-node is away, and nothing is lost: it exchanges facts when it is back")]
        answer(desk, SyncAnswer(is_asked=True, node="away", answer=None), lines)
        return
    said = _wait_for_answer(desk, asked)
    if said is None:
        line = _("asked; larder-node has not answered yet")
    else:
        line = _("asked: {answer}").format(answer=said)
        with writing(desk) as market:
            market.act("sync", lambda tx, _who: drop(tx, asked))
    answer(desk, SyncAnswer(is_asked=True, node="here", answer=said), [line, *_not_let_in(desk)])


def _not_let_in(desk: Desk) -> list[str]:
    """Say why nothing is exchanged where this market was, or may have been, retired."""
    with reading(desk) as connection:
        retirement = our_retirement(connection)
        if retirement is not None:
            return [retirement_text(retirement)]
        return refusal_texts(*peers_now(connection, desk.places, clock.now()))


def known_peer(connection: sqlite3.Connection, moment: Moment, name: str) -> PeerRow | None:
    """Return the other market of that name or beginning of a node id. Raises Refused where several are meant."""
    return the_one_named(peers(connection, moment), name)


def pairing_word(row: PeerRow) -> str:
    """Return the word that matters most about another market, untranslated."""
    if row.is_retired:
        return RETIRED
    if not row.is_member:
        return NO_MEMBER
    return PAIRED if row.is_paired else RELAYED


def peer_line(row: PeerRow, reason: str = "") -> str:
    """Return one line about another market: `paired Mill Road, heard 12 s ago, has 3 blocks that are not here`.

    `reason` is why its broker cannot be reached from here, where it cannot.
    """
    parts = [f"{_(pairing_word(row))} {row.name}", heard_text(row)]
    if row.missing_here:
        words = ngettext("has {count} block that is not here", "has {count} blocks that are not here", row.missing_here)
        parts.append(words.format(count=row.missing_here))
    if row.missing_there:
        words = ngettext("lacks {count} block of ours", "lacks {count} blocks of ours", row.missing_there)
        parts.append(words.format(count=row.missing_there))
    if row.clock is not None:
        parts.append(_(CLOCK_WORDS[row.clock]))
    if reason:
        parts.append(_("its broker cannot be reached: {reason}").format(reason=_(reason)))
    return ", ".join([*parts, _("node {node_id}").format(node_id=row.node_id)])


def heard_text(row: PeerRow) -> str:
    """Say when a market was heard last."""
    if row.heard_ms is None:
        return _("never heard")
    if row.heard_age_s is not None:
        return _("heard {age} ago").format(age=age_text(row.heard_age_s))
    return _("last heard {when}, before this computer was started").format(
        when=when_text(row.heard_ms, ClockQuality.TRUSTED)
    )


def _wait_for_answer(desk: Desk, asked: int) -> str | None:
    from node.actions.requests import answered

    until_s = clock.monotonic_s() + desk.wait_s
    while True:
        with reading(desk) as connection:
            said = answered(connection, asked)
        if said is not None or clock.monotonic_s() >= until_s:
            return said
        time.sleep(POLL_S)


def _seen_line(seen: SeenBy) -> str:
    line = _("what was signed here was seen by {have} of {of}").format(have=seen.have, of=seen.of)
    return f"{line}; {_('newer facts wait for their signature')}" if seen.is_pending else line


def _refusal_line(row: Refusal, rows: Sequence[PeerRow]) -> str:
    name = next((peer.name for peer in rows if peer.origin == row.origin), None)
    who = name or (node_id(row.origin) if row.origin else _("nobody known"))
    words = ngettext(
        "refused {count} time: {reason}, from {who}, last {when}",
        "refused {count} times: {reason}, from {who}, last {when}",
        row.count,
    )
    return words.format(count=row.count, reason=row.reason, who=who, when=when_text(row.last_ms, ClockQuality.TRUSTED))


def fork_lines(uncounted: list[UncountedBranch]) -> list[str]:
    """Return a line about each branch nobody settled yet, a few at most: any market can make hundreds of them."""
    unsettled = [branch for branch in uncounted if branch.state == OPEN]
    lines = [fork_line(branch) for branch in unsettled[:FORK_LINES_MAX]]
    more = len(unsettled) - len(lines)
    if more:
        words = ngettext(
            "{count} more branch is not counted; see: larder forks",
            "{count} more branches are not counted; see: larder forks",
            more,
        )
        lines.append(words.format(count=more))
    return lines


def _peer_answer(row: PeerRow, reason: str | None) -> PeerAnswer:
    return PeerAnswer(
        row.name,
        row.node_id,
        pairing_word(row),
        row.is_steward,
        row.heard_ms,
        row.heard_age_s,
        row.missing_here,
        row.missing_there,
        None if row.clock is None else row.clock.name.lower(),
        row.version,
        reason,
    )


def _refusal_answer(row: Refusal) -> RefusalAnswer:
    return RefusalAnswer(row.reason, node_id(row.origin) if row.origin else None, row.count, row.last_ms)
