"""What the screens know of the other markets and of the central planner: one value for the status, read with it.

Not the sync and not the planner. Owns the words for a peer's state: what is said is when it was heard, never that two
markets have the same facts, since nobody can know that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, replace

from node.clock import ClockQuality, Moment
from node.language import N_, _
from node.ledger.read.members import OurRetirement
from node.ledger.read.outbox import confirmed_blocks, outbox_count, own_stream
from node.ledger.read.peers import PeerRow, SeenBy, peers
from node.places import Places
from node.planner.central.health import PlannerHealth, read_planner_health
from node.sync.health import LOGIN_REFUSED, HeardRow, SyncHealth, read_sync
from node.text import local_time_text
from node.tui.text import age_text

# Hearing a peer is kept once a minute while nothing changes; two of these intervals without a word read as away.
HERE_WITHIN_S = 120
_CLOCK_WORDS = {
    ClockQuality.TRUSTED: N_("ok"),
    ClockQuality.RTC: N_("not checked"),
    ClockQuality.NOT_SET: N_("not set"),
    None: "?",
}


@dataclass(frozen=True, slots=True)
class Sharing:
    """The other markets that have not left, who has our facts, what nobody confirmed, and the central planner."""

    peers: tuple[PeerRow, ...]
    seen: SeenBy
    outbox: int
    planner: PlannerHealth

    def here(self, later_s: float) -> int:
        """Count the peers heard within the last two minutes."""
        return sum(is_here(peer, later_s) for peer in self.peers)


ALONE = Sharing((), SeenBy(0, 0, is_pending=True), 0, PlannerHealth())


def sharing(connection: sqlite3.Connection, places: Places, moment: Moment) -> Sharing:
    """Read it."""
    rows, live = peers_now(connection, places, moment)
    rows = tuple(row for row in rows if not row.is_retired)
    seen, outbox = confirmed_now(connection, rows, live)
    return Sharing(rows, seen, outbox if rows else 0, read_planner_health(places))


def confirmed_now(
    connection: sqlite3.Connection, rows: tuple[PeerRow, ...], live: SyncHealth | None
) -> tuple[SeenBy, int]:
    """Return who has all that we signed, and how many of our facts nobody confirmed; the live word is newer."""
    ours = own_stream(connection)
    confirmed = confirmed_blocks(connection, ours.stream)
    heard = {row.node_id: row for row in live.heard} if live is not None else {}
    members = [row for row in rows if row.is_member and not row.is_retired]
    have = []
    for row in members:
        blocks = confirmed.get(row.origin, 0)
        word = heard.get(row.node_id)
        if word is not None and word.our_stream == ours.stream.hex():
            blocks = max(blocks, word.our_blocks)
        have.append(blocks)
    seen = SeenBy(sum(blocks >= ours.blocks for blocks in have), len(members), ours.pending > 0)
    return seen, outbox_count(connection, ours, max(have, default=0))


def peers_now(
    connection: sqlite3.Connection, places: Places, moment: Moment
) -> tuple[tuple[PeerRow, ...], SyncHealth | None]:
    """Return the other markets, as larder-node hears them now where it says so, else as the database remembers."""
    rows = peers(connection, moment)
    live = read_sync(places, moment)
    if live is None:
        return tuple(rows), None
    heard = {row.node_id: row for row in live.heard}
    return tuple(
        _with_live(row, heard[row.node_id], live, moment) if row.node_id in heard else row for row in rows
    ), live


def _with_live(row: PeerRow, heard: HeardRow, live: SyncHealth, moment: Moment) -> PeerRow:
    age_s = live.age_s(heard, moment)
    return replace(
        row,
        heard_ms=moment.wall_ms - age_s * 1000,
        heard_age_s=age_s,
        missing_here=heard.missing_here,
        missing_there=heard.missing_there,
        clock=ClockQuality(heard.clock) if heard.clock in set(ClockQuality) else ClockQuality.NOT_SET,
        version=heard.version,
    )


def is_here(peer: PeerRow, later_s: float) -> bool:
    """Tell whether a market was heard lately by this computer itself."""
    return not peer.is_retired and peer.heard_age_s is not None and peer.heard_age_s + later_s <= HERE_WITHIN_S


def peer_state(peer: PeerRow, later_s: float) -> str:
    """Say how a market is: retired, not in the group, never heard, here or away."""
    if peer.is_retired:
        return _("retired")
    if peer.heard_ms is None:
        return _("never heard") if peer.is_member else _("not in yet")
    return _("here") if is_here(peer, later_s) else _("away")


def heard_s(peer: PeerRow, moment: Moment) -> float | None:
    """Return how long ago a market was heard, seconds; None where it never was or where no clock can say."""
    if peer.heard_age_s is not None:
        return float(peer.heard_age_s)
    if peer.heard_ms is None or moment.quality is ClockQuality.NOT_SET:
        return None
    return max(0, moment.wall_ms - peer.heard_ms) / 1000


def heard_text(peer: PeerRow, moment: Moment, later_s: float) -> str:
    """Say how long ago a market was heard: `2 min`, `-` for never, `?` where no clock can say."""
    if peer.heard_ms is None:
        return "-"
    # Only the age since this start of the computer was taken when the row was read; the other one is of now.
    return age_text(heard_s(peer, moment), later_s if peer.heard_age_s is not None else 0.0)


def clock_text(peer: PeerRow) -> str:
    """Say what a market's clock says of itself."""
    word = _CLOCK_WORDS[peer.clock]
    return _(word) if word != "?" else word


def retirement_text(retirement: OurRetirement) -> str:
    """Say that this market was retired, by whom and, where that market's clock could say, on which day."""
    if retirement.clock is ClockQuality.NOT_SET:
        return _("This market was retired from the group by {name}. All work here goes on.").format(
            name=retirement.by_name
        )
    return _("This market was retired from the group on {date} by {name}. All work here goes on.").format(
        date=local_time_text(retirement.wall_ms, "%Y-%m-%d"), name=retirement.by_name
    )


def refusal_texts(rows: Iterable[PeerRow], live: SyncHealth | None) -> list[str]:
    """Say which markets do not let this one in: a retired market that was not told so yet sees nothing else."""
    refusing = {link.name for link in live.links if not link.is_up and link.reason == LOGIN_REFUSED} if live else set()
    words = _("{name} refuses this market: it may have been retired. Ask its staff, or pair again.")
    return [words.format(name=row.name) for row in rows if row.node_id in refusing]


def blocks_text(count: int | None) -> str:
    """Show a count of blocks, `?` where nothing was heard."""
    return "?" if count is None else str(count)
