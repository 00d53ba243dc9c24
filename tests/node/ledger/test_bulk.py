"""A batch folded at once gives the tables that folding event by event gives, and one bad block stops no other."""

from __future__ import annotations

from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st

from node.domain.lots import Dot
from node.domain.words import MoveKind
from node.ledger.bulk import Bulk
from node.ledger.codec import Body, decode_body, encode_body
from node.ledger.events import Event, Fact, LotReceived, Moved, RegisterSet, TransferCancelled, TransferOffered
from node.ledger.fold import fold
from tests.node.ledger.authors import (
    BAKERY,
    DAIRY,
    Chain,
    a_lot_fact,
    a_roster,
    a_sale_fact,
    an_observer,
    derived_rows,
    take,
)
from tests.node.ledger.test_fold import MEMBERS, logs, tables


def travelled(events: list[Event]) -> Body:
    """The events of one stream after their journey in a block."""
    (stream, first_seq), hlc = events[0].dot, events[0].hlc
    return decode_body(encode_body(events), stream=stream, first_seq=first_seq, count=len(events), hlc_base=hlc)


@settings(max_examples=60)
@given(log=logs(), per_batch=st.integers(1, 3))
def test_a_batch_folded_at_once_gives_the_same_tables(log: list[list[Event]], per_batch: int) -> None:
    # The clock of a stream does not run back.
    log = [
        [event._replace(hlc=hlc) for event, hlc in zip(events, accumulate((e.hlc for e in events), max), strict=True)]
        for events in log
    ]
    with tables() as one_by_one, tables() as together:
        for events in log:
            for event in events:
                fold(one_by_one, event, member=MEMBERS[event.dot.stream], clock=2)
        blocks = [events[at : at + 4] for events in log for at in range(0, len(events), 4)]
        for at in range(0, len(blocks), per_batch):
            bulk = Bulk(together)
            for events in blocks[at : at + per_batch]:
                bulk.fold(travelled(events), member=MEMBERS[events[0].dot.stream], clock=2)
            bulk.write()
        assert derived_rows(one_by_one) == derived_rows(together)


def test_a_lot_emptied_and_filled_again_within_batches_is_open_only_while_something_is_left() -> None:
    lot = Dot(b"stream-a", 0)
    received = LotReceived("food/apples", 0, 3_000, None, None, None, None, None, None, [])

    def moves(first_seq: int, *quantities: int) -> list[Event]:
        return [
            Event(Dot(b"stream-a", first_seq + place), 9, 0, Moved(lot, int(MoveKind.SELL), milli, None, 3, 0))
            for place, milli in enumerate(quantities)
        ]

    found = []
    with tables() as connection:
        for events in (
            [Event(lot, 1, 0, received)],
            moves(1, -1_000, -2_000),
            moves(3, -1_000, 6_000),
            moves(5, -5_000),
        ):
            bulk = Bulk(connection)
            bulk.fold(travelled(events), member=b"member-a", clock=2)
            bulk.write()
            found.append(connection.execute("SELECT on_hand_milli, is_open FROM lot").fetchone())
    assert found == [(3_000, 1), (0, 0), (5_000, 1), (0, 0)]


def test_a_movement_beyond_the_closed_lists_is_not_understood_and_the_rest_of_its_block_counts() -> None:
    lot = Dot(b"stream-a", 0)
    events = [
        Event(lot, 1, 0, LotReceived("food/apples", 0, 3_000, None, None, None, None, None, None, [])),
        Event(Dot(b"stream-a", 1), 2, 0, Moved(lot, int(MoveKind.SELL), -1_000, None, 3, 0)),
        Event(Dot(b"stream-a", 2), 3, 0, Moved(lot, 9_999, -1_000, None, 3, 0)),
    ]
    with tables() as connection:
        bulk = Bulk(connection)
        bulk.fold(travelled(events), member=b"member-a", clock=2)
        bulk.write()
        assert connection.execute("SELECT on_hand_milli FROM lot").fetchone() == (2_000,)
        assert connection.execute("SELECT seq FROM unknown_event").fetchall() == [(2,)]


def test_a_block_that_cannot_be_folded_is_refused_alone() -> None:
    bakery, dairy = Chain(BAKERY, b"bakery-1"), Chain(DAIRY, b"dairy--1")
    lot = bakery.next_dot
    frames = [bakery.write(a_lot_fact()), bakery.write(a_sale_fact(lot)), dairy.write(a_lot_fact(item_id="food/bad"))]
    with an_observer() as tx:
        tx.connection.execute(
            "CREATE TEMP TRIGGER broken BEFORE INSERT ON main.lot WHEN NEW.item_id = 'food/bad'"
            " BEGIN SELECT RAISE(ABORT, 'cannot be folded'); END"
        )
        intake = take(tx, *a_roster(BAKERY, DAIRY).frames, *frames)
        assert intake.refused == {"fold": 1}
        assert tx.connection.execute("SELECT on_hand_milli FROM lot").fetchall() == [(9_000,)]
        assert tx.connection.execute("SELECT count(*) FROM movement").fetchall() == [(1,)]
        assert tx.connection.execute("SELECT 1 FROM head WHERE stream = ?", (dairy.stream,)).fetchone() is None


def test_however_often_a_batch_writes_one_field_or_one_transfer_each_is_computed_once() -> None:
    # A member that writes a field or a step ten thousand times must not hold up a sale: all heads are read each time.
    stream = b"stream-a"
    lot, offer = Dot(stream, 0), Dot(stream, 1)
    facts: list[Fact] = [
        LotReceived("food/apples", 0, 3_000, None, None, None, None, None, None, []),
        TransferOffered(lot, 1_000, b"member-b", None),
        *[RegisterSet("item/food/apples/name", f"name {number}", []) for number in range(100)],
        *[TransferCancelled(offer) for _number in range(100)],
    ]
    events = [Event(Dot(stream, seq), 1 + seq, 0, fact) for seq, fact in enumerate(facts)]
    said: list[str] = []
    with tables() as connection:
        bulk = Bulk(connection)
        connection.set_trace_callback(said.append)
        bulk.fold(travelled(events), member=b"member-a", clock=2)
        bulk.write()
        connection.set_trace_callback(None)
        assert connection.execute("SELECT name FROM item WHERE item_id = 'food/apples'").fetchone() == ("name 99",)
        assert connection.execute("SELECT state FROM transfer").fetchone() == ("cancelled",)
    assert sum(statement.startswith("INSERT OR REPLACE INTO item") for statement in said) == 1
    assert sum(statement.startswith("UPDATE transfer") for statement in said) == 1
