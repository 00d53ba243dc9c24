"""What staff wait for is looked up, however long the log is, and nobody else's movements change what is ours."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable

import pytest

from node.domain.lots import Dot
from node.domain.words import Basis, MoveKind
from node.ledger.append import Appender
from node.ledger.events import Moved
from node.ledger.read.goods import lots, stock, stock_count
from node.ledger.read.log import log_facts
from node.ledger.read.movements import (
    DoneAction,
    expiring,
    last_actions,
    movements,
    movements_of_action,
    today_totals,
)
from tests.node.builders import TODAY, a_moment
from tests.node.ledger.authors import BAKERY, DAIRY, Chain, a_lot_fact, a_roster, a_sale_fact, an_observer, take

LONG_TABLES = ("movement_row", "movement", "contrib_row", "contrib", "lot", "block", "pending")
AN_ACTION = DoneAction(b"an action", "sell", Dot(b"a stream", 1), 3, 0, 0, False)

QUESTIONS: dict[str, Callable[[sqlite3.Connection], object]] = {
    "stock": lambda connection: stock(connection, today=TODAY),
    "stock by word": lambda connection: stock(connection, "apples", "expiring", today=TODAY),
    "stock count": lambda connection: stock_count(connection, today=TODAY),
    "lots of an item": lambda connection: lots(connection, "food/apples"),
    "what expires": lambda connection: expiring(connection, today=TODAY, days=3),
    "totals of today": lambda connection: today_totals(connection, a_moment()),
    "log": log_facts,
    "log of a market": lambda connection: log_facts(connection, BAKERY.origin),
    "history": movements,
    "history of an item": lambda connection: movements(connection, "food/apples"),
    "last actions": lambda connection: last_actions(connection, 1),
    "an action": lambda connection: movements_of_action(connection, AN_ACTION),
}
# Read along an index in the order that is asked for, up to a limit; or only what is open, which the shelves bound.
ALONG_AN_INDEX = re.compile(r"SCAN \w+ USING (COVERING )?INDEX (lot_by_hlc|lot_open)\b")


def whole_tables(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], object]) -> list[str]:
    """Return the steps in which the statements of `work` read a table that grows with the log from end to end."""
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    work(connection)
    connection.set_trace_callback(None)
    assert statements
    found = []
    for statement in statements:
        named = "|".join(LONG_TABLES)
        aliases = {*LONG_TABLES, *re.findall(rf"\b(?:FROM|JOIN) (?:{named}) (?:AS )?(\w+)", statement)}
        for *_ids, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}"):
            scanned = re.match(r"SCAN (\w+)", step)
            if scanned and scanned.group(1) in aliases and not ALONG_AN_INDEX.match(step):
                found.append(step)
    return found


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_staff_wait_for_reads_no_table_of_the_log_from_end_to_end(question: str) -> None:
    with an_observer() as tx:
        assert whole_tables(tx.connection, QUESTIONS[question]) == []


def test_a_question_that_reads_all_movements_would_be_seen() -> None:
    with an_observer() as tx:
        query = "SELECT sum(m.quantity_milli) FROM movement_row m WHERE m.kind = 3"
        assert whole_tables(tx.connection, lambda connection: connection.execute(query).fetchall()) == ["SCAN m"]


def test_another_market_cannot_take_back_what_was_sold_here() -> None:
    with an_observer(DAIRY, b"dairy-1.") as tx:
        opening = Chain(DAIRY, b"dairy-1.")
        opening.write(a_lot_fact(0))
        take(tx, *a_roster(BAKERY, DAIRY).frames, *opening.frames)
        tx.connection.execute("UPDATE writer SET witness = 'here'")
        appender = Appender(tx)
        lot = appender.append(a_lot_fact(), 0).dot
        sale = appender.append(a_sale_fact(lot), 0).dot
        bakery = Chain(BAKERY, b"bakery-1")
        bakery.write(*(Moved(lot, int(MoveKind.SELL), 1_000, about, int(Basis.CHOSEN), 0) for about in (lot, sale)))
        assert take(tx, *bakery.frames).new_blocks == 1
        assert [movement.is_undone for movement in movements(tx.connection)] == [False, False]
        totals = today_totals(tx.connection, a_moment())
        assert (totals.received_lines, totals.sold_lines) == (1, 1)
