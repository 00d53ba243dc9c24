"""`larder status`: the market on one page, what needs a person first. The twin of Home."""

from __future__ import annotations

import sqlite3

import click
import msgspec

from node import clock
from node.actions.checks import judged_day
from node.actions.shelves_kept import open_step_count
from node.cli.answers import LotAnswer, MovementAnswer, lot_answer, movement_answer
from node.cli.cold import ColdAnswer, cold_answer, cold_lines
from node.cli.desk import Desk, reading
from node.cli.options import as_json
from node.cli.output import answer
from node.cli.sentences import lot_state, movement_line, name_text
from node.cli.stock import NO_ITEMS, stock_line
from node.clock import ClockQuality, Moment
from node.cold.board_clock import BoardClock, board_clock
from node.cold.watch import ColdView, cold_status
from node.domain.lots import date_state
from node.health import Heartbeat, read_heartbeat
from node.language import _, ngettext
from node.ledger import read
from node.ledger.read import ExpiringLot
from node.text import local_time_text
from node.tui.sentences import date_text, lot_name, quantity_text
from node.tui.shelf_words import waiting_text
from node.tui.text import age_text

EXPIRING_MAX = 8
LOW_MAX = 8
LAST_MAX = 5


class MarketAnswer(msgspec.Struct, frozen=True):
    """Who this market is."""

    name: str
    node_id: str
    group_id: str


class StockTotals(msgspec.Struct, frozen=True):
    """Lines of the stock list: all, below par, and with a date in the next three days."""

    item_count: int
    low_count: int
    expiring_count: int


class TodayAnswer(msgspec.Struct, frozen=True):
    """Lines of today; those taken back are left out."""

    received_lines: int
    sold_lines: int
    discarded_lines: int


class ProcessAnswer(msgspec.Struct, frozen=True):
    """A process by its heartbeat: `here` or `away`, the age of its word, and its own sentence."""

    state: str
    age_s: int | None
    sentence: str


class ExpiringAnswer(msgspec.Struct, frozen=True):
    """A lot that is due today or past its use-by date."""

    name: str
    lot: LotAnswer


class LedgerAnswer(msgspec.Struct, frozen=True):
    """The log: signed blocks, facts that wait for their signature, facts of newer software."""

    sealed_block_count: int
    pending_count: int
    unknown_count: int


class StatusAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder status --json` prints. `clock` is trusted, rtc or not_set; `shelf_steps` wait to be confirmed."""

    format: str = "larder-status/1"
    market: MarketAnswer
    clock: str
    cold: ColdAnswer
    stock: StockTotals
    due: list[ExpiringAnswer]
    today: TodayAnswer
    node: ProcessAnswer
    bridge: ProcessAnswer
    ledger: LedgerAnswer
    shelf_steps: int
    last: list[MovementAnswer]


class _Facts(msgspec.Struct, frozen=True):
    moment: Moment
    market: read.MarketFacts
    cold: ColdView
    totals: StockTotals
    low: list[read.StockRow]
    due: list[ExpiringLot]
    today: read.TodayTotals
    node: Heartbeat
    bridge: Heartbeat
    ledger: LedgerAnswer
    last: list[read.Movement]
    board_clock: BoardClock | None
    shelf_steps: int


@click.command("status", help=_("Show the market on one page, what needs a person first."))
@as_json
@click.pass_obj
def status_verb(desk: Desk) -> None:
    """Print the whole page."""
    moment = clock.now()
    with reading(desk) as connection:
        facts = _facts(desk, connection, moment)
    answer(desk, _value(facts), _lines(facts))


def _facts(desk: Desk, connection: sqlite3.Connection, moment: Moment) -> _Facts:
    today = judged_day(moment)
    counts = (read.stock_count(connection, show=show, today=today) for show in ("all", "low", "expiring"))
    return _Facts(
        moment=moment,
        market=read.market(connection),
        cold=cold_status(desk.places, moment, connection),
        totals=StockTotals(*counts),
        low=read.stock(connection, show="low", today=today, limit=LOW_MAX),
        due=read.expiring(connection, today=today, limit=EXPIRING_MAX),
        today=read.today_totals(connection, moment),
        node=read_heartbeat(desk.places.node_heartbeat, moment),
        bridge=read_heartbeat(desk.places.bridge_heartbeat, moment),
        ledger=LedgerAnswer(
            read.sealed_count(connection), read.pending_count(connection), read.unknown_count(connection)
        ),
        last=read.movements(connection, limit=LAST_MAX),
        board_clock=board_clock(desk.places, moment),
        shelf_steps=open_step_count(connection),
    )


def _value(facts: _Facts) -> StatusAnswer:
    today = judged_day(facts.moment)
    return StatusAnswer(
        market=MarketAnswer(facts.market.name, facts.market.node_id, facts.market.group_id),
        clock=facts.moment.quality.name.lower(),
        cold=cold_answer(facts.cold),
        stock=facts.totals,
        due=[
            ExpiringAnswer(due.item_name, lot_answer(due.lot, lot_state(due.lot, date_state(due.lot, today))))
            for due in facts.due
        ],
        today=TodayAnswer(facts.today.received_lines, facts.today.sold_lines, facts.today.discarded_lines),
        node=_process_answer(facts.node),
        bridge=_process_answer(facts.bridge),
        ledger=facts.ledger,
        shelf_steps=facts.shelf_steps,
        last=[movement_answer(movement) for movement in facts.last],
    )


def _process_answer(heartbeat: Heartbeat) -> ProcessAnswer:
    return ProcessAnswer(heartbeat.state, heartbeat.age_s, heartbeat.sentence)


def _lines(facts: _Facts) -> list[str]:
    lines = [_("market {name}").format(name=name_text(facts.market.name))]
    if facts.moment.quality is ClockQuality.NOT_SET:
        lines.append(_("clock not set: no use-by date is judged, selling asks for the label"))
    if facts.board_clock is not None:
        lines.append(_board_clock_line(facts.board_clock))
    lines += cold_lines(facts.cold)
    lines += _due_lines(facts)
    if facts.shelf_steps:
        lines.append(_("SHELF {words}").format(words=waiting_text(facts.shelf_steps)))
    lines += [stock_line(row) for row in facts.low]
    lines += _stock_lines(facts)
    lines += [_process_line(_("node"), facts.node), _process_line(_("bridge"), facts.bridge)]
    lines.append(_ledger_line(facts.ledger))
    return [*lines, *(_("last: {what}").format(what=movement_line(movement)) for movement in facts.last)]


def _board_clock_line(said: BoardClock) -> str:
    about = local_time_text(said.wall_ms, "%Y-%m-%d %H:%M")
    template = ngettext(
        "about {about} by the sensor board, give or take {count} second",
        "about {about} by the sensor board, give or take {count} seconds",
        said.error_s,
    )
    return template.format(about=about, count=said.error_s)


def _due_lines(facts: _Facts) -> list[str]:
    today = judged_day(facts.moment)
    return [
        _("{state} {name} {quantity}, lot {lot}, {date}").format(
            state=_(lot_state(due.lot, date_state(due.lot, today))),
            name=name_text(due.item_name),
            quantity=quantity_text(due.lot.on_hand_milli, due.lot.unit),
            lot=lot_name(due.lot),
            date=date_text(due.lot),
        )
        for due in facts.due
    ]


def _stock_lines(facts: _Facts) -> list[str]:
    totals, today = facts.totals, facts.today
    if totals.item_count == 0:
        return [_(NO_ITEMS)]
    return [
        ngettext(
            "stock: {count} item, {low} below par, {expiring} with a date in the next 3 days",
            "stock: {count} items, {low} below par, {expiring} with a date in the next 3 days",
            totals.item_count,
        ).format(count=totals.item_count, low=totals.low_count, expiring=totals.expiring_count),
        _("today: lines received {received}, sold or issued {sold}, discarded {discarded}").format(
            received=today.received_lines, sold=today.sold_lines, discarded=today.discarded_lines
        ),
    ]


def _process_line(name: str, heartbeat: Heartbeat) -> str:
    if heartbeat.state == "here":
        sentence = f", {heartbeat.sentence}" if heartbeat.sentence else ""
        return _("here: {process}{sentence}").format(process=name, sentence=sentence)
    if heartbeat.age_s is None:
        return _("away: {process}").format(process=name)
    return _("away: {process}, since {age}").format(process=name, age=age_text(heartbeat.age_s))


def _ledger_line(ledger: LedgerAnswer) -> str:
    blocks = ngettext("{count} signed block", "{count} signed blocks", ledger.sealed_block_count)
    waiting = ngettext("{count} fact waits", "{count} facts wait", ledger.pending_count)
    return _("log: {blocks}, {waiting} for a signature").format(
        blocks=blocks.format(count=ledger.sealed_block_count), waiting=waiting.format(count=ledger.pending_count)
    )
