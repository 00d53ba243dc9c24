"""Requests to larder-node: asked once, answered in words, bounded, and old ones dropped."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from node.actions.requests import (
    ANSWER_CHARACTERS_MAX,
    BODY_BYTES_MAX,
    OPEN_REQUESTS_MAX,
    answer,
    answered,
    ask,
    drop,
    open_requests,
)
from node.errors import Refused
from node.ledger.schema import migrate
from node.ledger.store import Transaction
from tests.node.builders import a_moment


@pytest.fixture
def tx() -> Iterator[Transaction]:
    """An open transaction on an empty database."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    yield Transaction(connection, a_moment(), "here")
    connection.close()


def later(tx: Transaction, ms: int) -> Transaction:
    return Transaction(tx.connection, a_moment(later_ms=ms), "here")


def test_a_request_is_asked_answered_and_read(tx: Transaction) -> None:
    number = ask(tx, "sync", {"deep": [1, "a"]})
    (waiting,) = open_requests(tx.connection)
    assert (waiting.id, waiting.kind, waiting.body) == (number, "sync", {"deep": [1, "a"]})
    assert answered(tx.connection, number) is None
    answer(tx, number, "x" * (ANSWER_CHARACTERS_MAX + 1))
    assert answered(tx.connection, number) == "x" * ANSWER_CHARACTERS_MAX
    assert open_requests(tx.connection) == []
    drop(tx, number)
    assert answered(tx.connection, number) is None


def test_the_same_thing_asked_twice_is_one_request(tx: Transaction) -> None:
    assert ask(tx, "plan", {"a": 1, "b": 2}) == ask(tx, "plan", {"b": 2, "a": 1})
    assert ask(tx, "plan", {"a": 2}) != ask(tx, "sync", {"a": 2})
    assert len(open_requests(tx.connection)) == 3


def test_too_many_open_requests_are_refused_and_a_day_later_there_is_room(tx: Transaction) -> None:
    for number in range(OPEN_REQUESTS_MAX):
        ask(tx, "plan", {"number": number})
    with pytest.raises(Refused):
        ask(tx, "plan", {"number": "one more"})
    assert ask(tx, "plan", {"number": 0}) > 0
    ask(later(tx, 24 * 3_600_000 + 1), "plan", {"number": "one more"})
    assert [request.body for request in open_requests(tx.connection)] == [{"number": "one more"}]


def test_a_request_from_before_the_clock_was_set_back_is_dropped_too(tx: Transaction) -> None:
    ask(later(tx, 25 * 3_600_000), "sync", {})
    ask(tx, "plan", {})
    assert [request.kind for request in open_requests(tx.connection)] == ["plan"]


def test_a_body_beyond_its_bounds_is_a_mistake_of_the_caller(tx: Transaction) -> None:
    with pytest.raises(ValueError, match="small body"):
        ask(tx, "plan", {"text": "x" * BODY_BYTES_MAX})
