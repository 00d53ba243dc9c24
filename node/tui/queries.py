"""What the screens read, each as one value, on one thread with one read-only connection.

Thin over `node.ledger.read` and `node.cold.watch`: no rule, no SQL. Nothing here touches a widget; a screen awaits an
answer in a worker and draws it itself.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from node.actions.shelves_kept import open_step_count
from node.clock import ClockQuality, Moment
from node.cold.watch import ColdView, cold_status
from node.domain.gtin import read_code
from node.domain.lots import Dot, Lot
from node.health import read_heartbeat
from node.ledger import read
from node.ledger.read.members import OurRetirement, members, our_retirement
from node.ledger.refusals import refusals
from node.places import Places
from node.tui.sharing import sharing
from node.tui.status import Status

STOCK_ROWS_MAX = 500
HOME_MOVEMENTS = 3
HOME_LINES_MAX = 8
EXPIRING_MAX = 50
LOW_MAX = 20
MOVEMENTS_MAX = 20
FOUND_MAX = 50
TRANSFERS_MAX = 20
PEERS_ASKED_MAX = 8  # markets looked through for what is low here; a list of each takes some milliseconds
# What was refused longer ago is on Peers and in its verb; Home shows what needs a person now.
REFUSED_WITHIN_MS = 24 * 60 * 60 * 1000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What another market could spare of an item, in thousandths of its unit."""

    market: str
    spare_milli: int


@dataclass(frozen=True, slots=True)
class HomeView:
    """What Home shows besides the status.

    `elsewhere` says for items that are low which market could spare most; `transfers` are those with something left to
    do; `shelf_steps` wait to be confirmed; `refused` counts what came from outside within a day and was not taken,
    `unknown` facts of newer software.
    """

    totals: read.TodayTotals
    expiring: tuple[read.ExpiringLot, ...]
    low: tuple[read.StockRow, ...]
    last: tuple[read.Movement, ...]
    has_items: bool
    elsewhere: dict[str, Elsewhere]
    transfers: tuple[read.TransferRow, ...]
    refused: int
    unknown: int
    retirement: OurRetirement | None = None
    shelf_steps: int = 0


@dataclass(frozen=True, slots=True)
class StockView:
    """The stock list: at most 500 rows, and how many there are."""

    rows: tuple[read.StockRow, ...]
    count: int


@dataclass(frozen=True, slots=True)
class ItemView:
    """One item with its lots, first expired first, and its last movements.

    `held` are the lots on hold with the reason (English), `promised` what other markets were promised of a lot.
    """

    item: read.Item
    lots: tuple[Lot, ...]
    movements: tuple[read.Movement, ...]
    held: dict[Dot, str]
    promised: dict[Dot, int]


@dataclass(frozen=True, slots=True)
class Found:
    """What a scan or a typed text means: items, or a number (`gtin14`) that is not known here."""

    items: tuple[read.Item, ...]
    gtin14: str | None


class Reader:
    """Run questions one after another on the reading thread. The connection is opened there with the first one."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._connection: sqlite3.Connection | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="market-reader")

    async def ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Answer one question. Raises what `open_reader` raises, and sqlite3.Error."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._answer, question)

    def close(self) -> None:
        """Let the running question finish, drop the others, and close the connection."""
        self._pool.submit(self._close)
        self._pool.shutdown(wait=True)

    def _answer(self, question: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None:
            self._connection = read.open_reader(self._places)
        return question(self._connection)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()


def judged_day(moment: Moment) -> date | None:
    """Return the day by which dates are judged, None where the clock is not set."""
    return None if moment.quality is ClockQuality.NOT_SET else moment.today


def status_view(connection: sqlite3.Connection, places: Places, moment: Moment, acts: int = 0) -> Status:
    """Return what the status bar is made of; `acts` is what this screen had saved when it asked."""
    return Status(
        read.market(connection).name,
        cold_status(places, moment, connection),
        read_heartbeat(places.node_heartbeat, moment),
        moment.boottime_ms,
        sharing(connection, places, moment),
        acts,
    )


def cold_view(connection: sqlite3.Connection, places: Places, moment: Moment) -> ColdView:
    """Return every unit with its state and its last two hours, computed here: right also while the daemon is dead."""
    return cold_status(places, moment, connection, with_recent=True)


def home_view(connection: sqlite3.Connection, moment: Moment) -> HomeView:
    """Return what Home shows besides the status."""
    today = judged_day(moment)
    low = tuple(read.stock(connection, show="low", today=today, limit=LOW_MAX))
    return HomeView(
        read.today_totals(connection, moment),
        tuple(read.expiring(connection, today=today, limit=EXPIRING_MAX)),
        low,
        tuple(read.movements(connection, limit=HOME_MOVEMENTS)),
        read.stock_count(connection, today=today) > 0,
        _elsewhere(connection, {row.item.item_id for row in low}, today),
        tuple(read.transfers(connection, open_only=True, limit=TRANSFERS_MAX)),
        sum(row.count for row in refusals(connection) if abs(moment.wall_ms - row.last_ms) <= REFUSED_WITHIN_MS),
        read.unknown_count(connection),
        our_retirement(connection),
        open_step_count(connection),
    )


def _elsewhere(connection: sqlite3.Connection, wanted: set[str], today: date | None) -> dict[str, Elsewhere]:
    """Return for each wanted item the market that could spare most of it, as last heard."""
    best: dict[str, Elsewhere] = {}
    others = [member for member in members(connection) if not member.is_us and not member.is_retired]
    for member in others[:PEERS_ASKED_MAX] if wanted else []:
        for row in read.spare(connection, member.origin, today, only=wanted):
            known = best.get(row.item_id)
            if known is None or known.spare_milli < row.spare_milli:
                best[row.item_id] = Elsewhere(member.name, row.spare_milli)
    return best


def stock_view(connection: sqlite3.Connection, text: str, show: str, moment: Moment) -> StockView:
    """Return the stock list for a search text and a filter."""
    today = judged_day(moment)
    rows = read.stock(connection, text, show, today=today, limit=STOCK_ROWS_MAX)
    count = len(rows) if len(rows) < STOCK_ROWS_MAX else read.stock_count(connection, text, show, today=today)
    return StockView(tuple(rows), count)


def item_view(connection: sqlite3.Connection, item_id: str) -> ItemView | None:
    """Return one item with its lots and movements, None where it is not known."""
    item = read.item(connection, item_id)
    if item is None:
        return None
    return ItemView(
        item,
        tuple(read.lots(connection, item_id)),
        tuple(read.movements(connection, item_id, limit=MOVEMENTS_MAX)),
        read.held_lots(connection, item_id),
        read.reservations(connection, item_id),
    )


def find(connection: sqlite3.Connection, text: str) -> Found:
    """Return what a scan or a typed text means. Raises Refused for a number that was misread."""
    gtin14 = read_code(text)
    if gtin14 is None:
        return Found(tuple(read.find_items(connection, text, FOUND_MAX)), None)
    item = read.item_for_code(connection, gtin14)
    return Found((item,) if item else (), gtin14)


def stocked(connection: sqlite3.Connection, text: str) -> list[read.Item]:
    """Return the items of that name or number of which something is on hand."""
    return [row.item for row in read.stock(connection, text, today=None, limit=FOUND_MAX) if row.on_hand_milli > 0]
