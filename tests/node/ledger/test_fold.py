"""The fold is a function of the set of events: any order of streams gives the same tables."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.domain.lots import Dot
from node.domain.words import MoveKind
from node.ledger.declared import acting, safest
from node.ledger.digest import state_digest
from node.ledger.events import Event, Fact, LotCounted, LotReceived, Moved, RegisterSet
from node.ledger.fold import fold
from node.ledger.registers import heads, shown
from node.ledger.schema import migrate

MEMBERS = {b"stream-a": b"member-a", b"stream-b": b"member-b", b"stream-c": b"member-c"}
STREAMS = sorted(MEMBERS)


@contextmanager
def tables() -> Iterator[sqlite3.Connection]:
    """Empty tables in memory."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(_empty())
    try:
        yield connection
    finally:
        connection.close()


@lru_cache(maxsize=1)
def _empty() -> bytes:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    return connection.serialize()


DOTS = st.builds(Dot, st.sampled_from(STREAMS), st.integers(0, 7))
FACTS: st.SearchStrategy[Fact] = st.one_of(
    st.builds(
        Moved,
        DOTS,
        st.sampled_from([2, 3, 4]),
        st.integers(-5, 5).map(lambda n: n * 1000),
        st.none(),
        st.just(3),
        st.just(0),
    ),
    st.builds(
        LotReceived,
        st.sampled_from(["food/apples", "gtin/04006381333931"]),
        st.just(0),
        st.integers(0, 9),
        st.none(),
        st.none(),
        st.none(),
        st.none(),
        st.none(),
        st.none(),
        st.just([]),
    ),
    st.builds(LotCounted, DOTS, st.integers(0, 9), st.integers(-3, 3).map(lambda n: n * 1000)),
    st.builds(
        RegisterSet,
        st.sampled_from(["item/food/apples/name", "item/x/allergens", "note/a/b"]),
        st.one_of(st.text(max_size=3), st.lists(st.sampled_from(["milk", "eggs"]), max_size=2)),
        st.lists(DOTS, max_size=3),
    ),
)


@st.composite
def logs(draw: st.DrawFn) -> list[list[Event]]:
    """Up to 8 events in each of three streams of three members; references may point anywhere."""
    return [
        [
            Event(Dot(stream, seq), draw(st.integers(0, 5)), 0, fact)
            for seq, fact in enumerate(draw(st.lists(FACTS, max_size=8)))
        ]
        for stream in STREAMS
    ]


def folded(
    log: list[list[Event]], rng: random.Random
) -> tuple[str, list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Fold the streams interleaved at random, each in its own order."""
    waiting = [list(events) for events in log if events]
    with tables() as connection:
        while waiting:
            events = rng.choice(waiting)
            event = events.pop(0)
            fold(connection, event, member=MEMBERS[event.dot.stream], clock=2)
            waiting = [left for left in waiting if left]
        lots = connection.execute("SELECT stream, seq, on_hand_milli FROM lot ORDER BY stream, seq").fetchall()
        items = connection.execute("SELECT * FROM item ORDER BY item_id").fetchall()
        return state_digest(connection), lots, items


@settings(max_examples=60)
@given(log=logs(), seeds=st.tuples(st.integers(0, 2**32), st.integers(0, 2**32)))
def test_any_order_of_streams_gives_the_same_tables(log: list[list[Event]], seeds: tuple[int, int]) -> None:
    assert folded(log, random.Random(seeds[0])) == folded(log, random.Random(seeds[1]))


@settings(max_examples=60)
@given(log=logs())
def test_on_hand_is_the_sum_of_what_the_custodian_wrote(log: list[list[Event]]) -> None:
    _digest, lots, _items = folded(log, random.Random(0))
    events = [event for stream in log for event in stream]
    for stream, seq, on_hand_milli in lots:
        by_custodian = [event for event in events if event.dot.stream == stream]
        received = [
            event.fact.quantity_milli
            for event in by_custodian
            if event.dot.seq == seq and isinstance(event.fact, LotReceived)
        ]
        moved = [
            event.fact.quantity_milli if isinstance(event.fact, Moved) else event.fact.change_milli
            for event in by_custodian
            if isinstance(event.fact, Moved | LotCounted) and event.fact.lot == (stream, seq)
        ]
        assert sum(received) + sum(moved) == on_hand_milli


def test_a_movement_by_somebody_else_is_kept_and_changes_no_stock() -> None:
    lot = Dot(b"stream-a", 0)
    with tables() as connection:
        received = LotReceived("food/apples", 0, 9_000, None, None, None, None, None, None, [])
        fold(connection, Event(lot, 1, 0, received), member=b"member-a", clock=2)
        stolen = Moved(lot, int(MoveKind.SELL), -4_000, None, 3, 0)
        fold(connection, Event(Dot(b"stream-b", 0), 2, 0, stolen), member=b"member-b", clock=2)
        assert connection.execute("SELECT on_hand_milli FROM lot").fetchone() == (9_000,)
        assert connection.execute("SELECT count(*) FROM movement").fetchone() == (1,)


def set_register(
    connection: sqlite3.Connection, stream: bytes, seq: int, value: object, over: list[Dot], hlc: int
) -> None:
    """Fold one write of the allergens of an item."""
    fact = RegisterSet("item/x/allergens", value, over)  # type: ignore[arg-type]
    fold(connection, Event(Dot(stream, seq), hlc, 0, fact), member=MEMBERS[stream], clock=2)


def test_concurrent_values_are_all_kept_and_allergens_take_the_safest() -> None:
    with tables() as connection:
        set_register(connection, b"stream-a", 0, ["milk"], [], hlc=5)
        set_register(connection, b"stream-b", 0, ["eggs"], [], hlc=9)
        living = heads(connection, "item/x/allergens")
        assert [head.value for head in living] == [["eggs"], ["milk"]]
        assert shown(connection, "item/x/allergens") == ["eggs"]
        assert safest(acting(connection, "item/x/allergens")) == ("eggs", "milk")
        set_register(connection, b"stream-c", 0, ["milk", "eggs"], [head.dot for head in living], hlc=1)
        assert [head.value for head in heads(connection, "item/x/allergens")] == [["milk", "eggs"]]


def test_a_value_replaced_before_it_arrives_is_born_dead() -> None:
    with tables() as connection:
        set_register(connection, b"stream-b", 0, ["eggs"], [Dot(b"stream-a", 0)], hlc=1)
        set_register(connection, b"stream-a", 0, ["milk"], [], hlc=9)
        assert shown(connection, "item/x/allergens") == ["eggs"]


def declared(connection: sqlite3.Connection, item_id: str, value: object) -> object:
    """Fold what one market declares for an item and return the allergens that everybody sees."""
    fact = RegisterSet(f"item/{item_id}/allergens", value, [])  # type: ignore[arg-type]
    fold(connection, Event(Dot(b"stream-b", 0), 9, 0, fact), member=MEMBERS[b"stream-b"], clock=2)
    (found,) = connection.execute("SELECT allergens FROM item WHERE item_id = ?", (item_id,)).fetchone()
    return found


def test_no_market_takes_an_allergen_of_the_starter_catalogue_off() -> None:
    with tables() as connection:
        assert declared(connection, "food/milk-whole", []) == '["milk"]'
    with tables() as connection:
        assert declared(connection, "food/milk-whole", ["eggs"]) == '["eggs","milk"]'


@pytest.mark.parametrize("value", [["walnuts"], ["milk", "walnuts"], "milk"])
def test_a_declaration_that_cannot_be_read_is_no_declaration(value: object) -> None:
    with tables() as connection:
        assert declared(connection, "gtin/04006381333931", value) is None
