"""What the Peers screen reads, each as one value: the other markets, the hand-overs, what a market could spare."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from node.actions.requests import answered
from node.clock import Moment
from node.ledger import read
from node.ledger.read.members import OurRetirement, our_retirement
from node.ledger.read.peers import PeerRow, SeenBy
from node.ledger.refusals import refusals
from node.places import Places
from node.sync.health import SyncHealth
from node.tui.queries import judged_day
from node.tui.sharing import confirmed_now, peers_now

TRANSFERS_MAX = 100
SPARE_MAX = 12


@dataclass(frozen=True, slots=True)
class PeersView:
    """Every other market, our hand-overs, and what of ours waits.

    `refused` counts what came from outside and was not taken; `answer` is what larder-node said to the last request,
    None while it has not; `live` is how its connections are, None where it did not say so lately.
    """

    peers: tuple[PeerRow, ...]
    transfers: tuple[read.TransferRow, ...]
    outbox: int
    seen: SeenBy
    refused: int
    unknown: int
    answer: str | None
    live: SyncHealth | None
    read_at_ms: int  # CLOCK_BOOTTIME
    retirement: OurRetirement | None = None


@dataclass(frozen=True, slots=True)
class SpareView:
    """What one market could spare as last heard, at most 12 items."""

    origin: bytes
    heard: read.LastHeard | None
    rows: tuple[read.SpareRow, ...]
    count: int


def peers_view(connection: sqlite3.Connection, places: Places, moment: Moment, asked: int | None) -> PeersView:
    """Return what the screen shows; `asked` is the number of the last request to larder-node."""
    rows, live = peers_now(connection, places, moment)
    seen, outbox = confirmed_now(connection, rows, live)
    return PeersView(
        rows,
        tuple(read.transfers(connection, limit=TRANSFERS_MAX)),
        outbox,
        seen,
        sum(refusal.count for refusal in refusals(connection)),
        read.unknown_count(connection),
        answered(connection, asked) if asked is not None else None,
        live,
        moment.boottime_ms,
        our_retirement(connection),
    )


def spare_view(connection: sqlite3.Connection, origin: bytes, moment: Moment) -> SpareView:
    """Return what a market could spare, and when it was heard."""
    rows = read.spare(connection, origin, judged_day(moment))
    return SpareView(origin, read.last_heard(connection, origin, moment), tuple(rows[:SPARE_MAX]), len(rows))
