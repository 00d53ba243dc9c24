"""Transfers through the real fold: a function of the set of events; goods are neither made nor lost."""

from __future__ import annotations

import random
import sqlite3

from hypothesis import given, settings
from hypothesis import strategies as st

from node.domain.lots import Dot
from node.domain.words import MoveKind
from node.ledger.digest import state_digest
from node.ledger.events import (
    Event,
    Fact,
    LotReceived,
    Moved,
    TransferAccepted,
    TransferCancelled,
    TransferLost,
    TransferOffered,
    TransferReceived,
    TransferRefused,
    TransferReturned,
    TransferSent,
    TransferWithdrawn,
)
from node.ledger.fold import fold
from tests.node.ledger.authors import derived_rows
from tests.node.ledger.test_fold import tables

A, B, C = b"market-a", b"market-b", b"market-c"
# Market a has two streams, as after a restart: what it wrote first may arrive last.
MEMBERS = {b"stream-a": A, b"stream-A": A, b"stream-b": B, b"stream-c": C}
LOT, OFFER = Dot(b"stream-a", 0), Dot(b"stream-a", 1)

Log = list[Event]


def a_received_lot(quantity_milli: int = 10_000, use_by: int | None = 20_800) -> LotReceived:
    """What the label said when it came in."""
    return LotReceived("food/apples", 1, quantity_milli, use_by, None, None, None, "B-7", "Farm", [])


def a_receipt(good_milli: int, *, damaged_milli: int = 0, arrival_milli_c: int | None = None) -> TransferReceived:
    """What the recipient wrote down."""
    return TransferReceived(
        OFFER, good_milli, damaged_milli, arrival_milli_c, "food/apples", 1, 20_800, None, "B-7", "Farm"
    )


def a_log(*facts: tuple[bytes, Fact]) -> Log:
    """Events in the order in which they happened, each stream numbered from 0."""
    counts: dict[bytes, int] = {}
    events = []
    for place, (stream, fact) in enumerate(facts):
        seq = counts.get(stream, 0)
        counts[stream] = seq + 1
        events.append(Event(Dot(stream, seq), 100 + place, 0, fact))
    return events


def shuffled(log: Log, rng: random.Random) -> Log:
    """The same events in an order in which they may arrive: any, but each stream's in its own."""
    queues = [[event for event in log if event.dot.stream == stream] for stream in sorted(MEMBERS)]
    arrived = []
    while waiting := [queue for queue in queues if queue]:
        arrived.append(rng.choice(waiting).pop(0))
    return arrived


def folded(connection: sqlite3.Connection, log: Log) -> None:
    """Fold events as they arrive."""
    # Whose a stream is stands in its head, which whoever receives it keeps.
    connection.executemany(
        "INSERT INTO head (stream, origin, purpose, blocks, events, hash, hlc) VALUES (?, ?, 0, 0, 0, zeroblob(32), 0)"
        " ON CONFLICT DO NOTHING",
        MEMBERS.items(),
    )
    for event in log:
        fold(connection, event, member=MEMBERS[event.dot.stream], clock=2)


def everything(log: Log) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every derived table after these events, and the digest."""
    with tables() as connection:
        folded(connection, log)
        return {**derived_rows(connection), "digest": [(state_digest(connection),)]}


HAND_OVER = a_log(
    (b"stream-a", a_received_lot()),
    (b"stream-a", TransferOffered(LOT, 6_000, B, 5_000)),
    (b"stream-b", TransferAccepted(OFFER, 5_000)),
    (b"stream-a", TransferSent(OFFER, 5_000, "courier 4", 3_000)),
    (b"stream-b", a_receipt(3_000, damaged_milli=1_000, arrival_milli_c=4_000)),
    (b"stream-A", TransferReturned(OFFER, 400)),
    (b"stream-A", TransferLost(OFFER, 600)),
    (b"stream-b", Moved(Dot(b"stream-b", 1), int(MoveKind.SELL), -500, None, 3, 0)),
)


def test_a_hand_over_moves_the_good_part_and_names_the_parent() -> None:
    with tables() as connection:
        folded(connection, HAND_OVER)
        lots = connection.execute(
            "SELECT stream, seq, member, item_id, use_by, batch, quantity_milli, on_hand_milli FROM lot ORDER BY hlc"
        ).fetchall()
        same = ("food/apples", 20_800, "B-7")
        assert lots == [
            (*LOT, A, *same, 10_000, 5_000),
            (b"stream-b", 1, B, *same, 3_000, 2_500),
            (b"stream-A", 0, A, *same, 400, 400),
        ]
        parents = connection.execute("SELECT stream, seq, parent_stream, parent_seq FROM lot_parent").fetchall()
        assert sorted(parents) == sorted([(b"stream-b", 1, *LOT), (b"stream-A", 0, *LOT)])
        assert connection.execute(
            "SELECT state, sent_milli, good_milli, damaged_milli, returned_milli, lost_milli, on_way_milli, flags"
            " FROM transfer"
        ).fetchall() == [("closed", 5_000, 3_000, 1_000, 400, 600, 0, "")]
        assert connection.execute("SELECT kind, quantity_milli FROM movement WHERE kind = 7").fetchall() == [(7, -5000)]
        # Measured at departure and arrival: free. What came back was not measured.
        assert connection.execute("SELECT stream, reason FROM lot_hold").fetchall() == [(b"stream-A", "not_measured")]


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32))
def test_a_hand_over_gives_the_same_tables_in_any_order_of_arrival(seed: int) -> None:
    assert everything(HAND_OVER) == everything(shuffled(HAND_OVER, random.Random(seed)))


def test_nothing_of_a_transfer_counts_before_its_lot_is_here() -> None:
    with tables() as connection:
        for event in HAND_OVER[1:]:
            fold(connection, event, member=MEMBERS[event.dot.stream], clock=2)
        assert connection.execute("SELECT state, sent_milli FROM transfer").fetchall() == [("unfounded", 0)]
        assert connection.execute("SELECT count(*) FROM lot").fetchone() == (0,)


def test_nobody_can_offer_or_send_what_another_market_has() -> None:
    stolen = a_log(
        (b"stream-a", a_received_lot()),
        (b"stream-c", TransferOffered(LOT, 6_000, B, None)),
        (b"stream-c", TransferSent(Dot(b"stream-c", 0), 6_000, None, None)),
        (b"stream-b", TransferReceived(Dot(b"stream-c", 0), 6_000, 0, None, "food/apples", 1, None, None, None, None)),
    )
    with tables() as connection:
        folded(connection, stolen)
        assert connection.execute("SELECT member, on_hand_milli FROM lot").fetchall() == [(A, 10_000)]
        assert connection.execute("SELECT state FROM transfer").fetchall() == [("unfounded",)]


def test_a_lot_handed_on_from_market_to_market_may_arrive_last_one_first() -> None:
    """One long chain, whose first lot comes last: booked by a list, not by a recursion."""
    hops = 1_500
    streams = [b"stream-a", b"stream-b"]
    events: Log = [Event(Dot(b"stream-c", 0), 1, 0, a_received_lot())]
    offers: list[tuple[bytes, Event]] = []
    lot, owner = events[0].dot, C
    for hop in range(hops):
        stream, other = streams[hop % 2], streams[(hop + 1) % 2]
        offer = Dot(b"stream-c" if hop == 0 else other, 10 * hop + 1)
        offers.append((owner, Event(offer, 10, 0, TransferOffered(lot, 1_000, MEMBERS[stream], None))))
        receipt = TransferReceived(offer, 1_000, 0, None, "food/apples", 1, None, None, None, None)
        lot, owner = Dot(stream, 10 * hop + 2), MEMBERS[stream]
        offers.append((owner, Event(lot, 11, 0, receipt)))
    with tables() as connection:
        for member, event in reversed(offers):
            fold(connection, event, member=member, clock=2)
        assert connection.execute("SELECT count(*) FROM lot").fetchone() == (0,)
        fold(connection, events[0], member=C, clock=2)
        assert connection.execute("SELECT count(*) FROM lot").fetchone() == (hops + 1,)


def test_a_receipt_that_was_second_by_arrival_takes_the_hold_over() -> None:
    late = Event(Dot(b"stream-b", 0), 5, 0, a_receipt(1_000))
    early = Event(Dot(b"stream-b", 1), 6, 0, a_receipt(2_000))
    with tables() as connection:
        folded(connection, a_log((b"stream-a", a_received_lot()), (b"stream-a", TransferOffered(LOT, 6_000, B, None))))
        fold(connection, early, member=B, clock=2)
        assert connection.execute("SELECT count(*) FROM lot_hold").fetchone() == (0,)
        fold(connection, late, member=B, clock=2)
        assert connection.execute("SELECT stream, seq, reason FROM lot_hold").fetchall() == [
            (*early.dot, "second_receipt")
        ]
        assert connection.execute("SELECT good_milli FROM transfer").fetchone() == (1_000,)


LOTS = st.sampled_from([LOT, Dot(b"stream-b", 0), *(Dot(stream, seq) for stream in MEMBERS for seq in (2, 3))])
OFFERS = st.sampled_from([OFFER, Dot(b"stream-b", 1), Dot(b"stream-a", 3)])
DOTS = st.builds(Dot, st.sampled_from(sorted(MEMBERS)), st.integers(0, 6))
QUANTITIES = st.one_of(st.integers(-1, 8).map(lambda pieces: pieces * 1_000), st.integers(-(2**62), 2**62))
TEMPERATURES = st.one_of(st.none(), st.integers(0, 9_000))
FACTS: st.SearchStrategy[Fact] = st.one_of(
    st.builds(a_received_lot, st.integers(0, 9).map(lambda pieces: pieces * 1_000)),
    st.builds(TransferOffered, LOTS, QUANTITIES, st.sampled_from([A, B, C]), TEMPERATURES),
    st.builds(TransferAccepted, OFFERS, QUANTITIES),
    st.builds(TransferCancelled, OFFERS),
    st.builds(TransferWithdrawn, OFFERS, DOTS),
    st.builds(TransferSent, OFFERS, QUANTITIES, st.none(), TEMPERATURES),
    st.builds(
        TransferReceived,
        OFFERS,
        QUANTITIES,
        st.integers(0, 2_000),
        TEMPERATURES,
        st.just("food/apples"),
        st.just(1),
        st.none(),
        st.none(),
        st.none(),
        st.none(),
    ),
    st.builds(TransferRefused, OFFERS, st.none()),
    st.builds(TransferReturned, OFFERS, QUANTITIES),
    st.builds(TransferLost, OFFERS, QUANTITIES),
    st.builds(Moved, LOTS, st.sampled_from([2, 7]), st.sampled_from([-1_000]), st.none(), st.just(3), st.just(0)),
)


@st.composite
def hostile_logs(draw: st.DrawFn) -> Log:
    """Two honest offers, and after them whatever anybody may write about any of them, from four streams."""
    start = [
        (b"stream-a", a_received_lot()),
        (b"stream-a", TransferOffered(LOT, 6_000, B, 5_000)),
        (b"stream-b", a_received_lot(5_000)),
        (b"stream-b", TransferOffered(Dot(b"stream-b", 0), 2_000, A, None)),
    ]
    more = draw(st.lists(st.tuples(st.sampled_from(sorted(MEMBERS)), FACTS), max_size=14))
    return a_log(*start, *more)


@settings(max_examples=150)
@given(log=hostile_logs(), seed=st.integers(0, 2**32))
def test_hostile_events_in_any_order_give_the_same_tables(log: Log, seed: int) -> None:
    assert everything(log) == everything(shuffled(log, random.Random(seed)))


@settings(max_examples=100)
@given(log=hostile_logs())
def test_no_set_of_events_makes_goods_out_of_nothing(log: Log) -> None:
    """Stock and what is on the way are what came in less what is gone; a second receipt is on hold and counts apart."""
    with tables() as connection:
        folded(connection, log)
        (came_in,) = connection.execute(
            "SELECT coalesce(sum(quantity_milli), 0) FROM contrib WHERE kind = 1"
        ).fetchone()
        (sold,) = connection.execute(
            "SELECT coalesce(-sum(c.quantity_milli), 0) FROM contrib c JOIN lot l ON (l.stream, l.seq) ="
            " (c.lot_stream, c.lot_seq) AND l.member = c.member WHERE c.kind = 2"
        ).fetchone()
        # A bare movement of the kind "transfer out" is written by no action; it takes from the lot like a sale.
        (moved_out,) = connection.execute(
            "SELECT coalesce(-sum(m.quantity_milli), 0) FROM movement m JOIN lot l ON (l.stream, l.seq) ="
            " (m.lot_stream, m.lot_seq) AND l.member = m.member WHERE m.kind = 7 AND NOT EXISTS"
            " (SELECT 1 FROM transfer_event t WHERE (t.stream, t.seq) = (m.stream, m.seq))"
        ).fetchone()
        (on_hand,) = connection.execute("SELECT coalesce(sum(on_hand_milli), 0) FROM lot").fetchone()
        (twice,) = connection.execute(
            "SELECT coalesce(sum(l.quantity_milli), 0) FROM lot l JOIN lot_hold h ON (l.stream, l.seq) ="
            " (h.stream, h.seq) WHERE h.reason = 'second_receipt'"
        ).fetchone()
        on_way, damaged, lost = connection.execute(
            "SELECT coalesce(sum(on_way_milli), 0), coalesce(sum(damaged_milli), 0), coalesce(sum(lost_milli), 0)"
            " FROM transfer"
        ).fetchone()
        assert on_hand - twice + on_way == came_in - sold - moved_out - damaged - lost
