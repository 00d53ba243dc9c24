"""Movements read and folded as columns are what they are as events: the same is refused, the same tables come out."""

from __future__ import annotations

import zlib

import msgspec
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from node.domain.lots import Dot
from node.ledger.bulk import Bulk
from node.ledger.codec import Body, BodyRefused, decode_body, decoded_group
from node.ledger.events import BY_NUMBER, Event
from node.ledger.fold import fold
from node.ledger.moved import events_of, moved_columns
from node.ledger.understood import HLC_MAX, QUANTITY_MILLI_MAX
from tests.node.ledger.authors import derived_rows
from tests.node.ledger.test_fold import tables

OWN, OTHER = b"own-strm", b"stream-2"
MEMBER = b"member-a"
STREAMS = [OWN, OTHER]
HLC_BASE = 1_000
NATURALS = st.one_of(st.integers(0, 3), st.sampled_from([7, 2**32, 2**62, HLC_MAX]))
NUMBERS = st.one_of(
    st.integers(-3, 12), st.sampled_from([2**62, -(2**62), QUANTITY_MILLI_MAX, -QUANTITY_MILLI_MAX - 1])
)
# What no column of numbers may hold, and what an honest writer never sends but a body may carry.
STRANGE = st.one_of(st.none(), st.booleans(), st.text(max_size=2), st.binary(max_size=2), st.lists(st.integers(0, 2)))


def columns(values: st.SearchStrategy[object], count: int) -> st.SearchStrategy[object]:
    """A column of some values: one for all, or one for each row."""
    return st.one_of(values, st.lists(values, min_size=count, max_size=count))


@st.composite
def groups(draw: st.DrawFn) -> tuple[list[object], int]:
    """A group of movements with up to two parts that may be anything, and how many rows it has."""
    count = draw(st.integers(1, 4))
    indexes = st.integers(0, 1)
    abouts = draw(st.booleans())
    parts = [
        columns(st.integers(0, 10**6), count),  # clock values
        columns(st.integers(0, 5), count),  # who
        columns(indexes, count),
        columns(NATURALS, count),
        columns(st.integers(0, 9), count),  # kind
        st.tuples(st.integers(1, 1000), columns(NUMBERS, count)).map(list),
        columns(st.one_of(st.none(), indexes), count) if abouts else st.none(),
        columns(st.one_of(st.none(), NATURALS), count) if abouts else st.none(),
        columns(st.integers(0, 4), count),  # basis
        columns(st.integers(0, 12), count),  # reason
    ]
    group: list[object] = [2, 1, None, *(draw(part) for part in parts)]
    for _strange in range(draw(st.sampled_from([0, 0, 1, 2]))):
        place = draw(st.integers(3, len(group) - 1))
        group[place] = draw(st.one_of(STRANGE, columns(STRANGE, count), columns(NUMBERS, count)))
    if draw(st.integers(0, 9)) == 0:
        group = draw(st.sampled_from([group[:-1], [*group, 0]]))
    return group, count


def as_events(group: list[object], count: int) -> list[Event] | None:
    """What a group says when it is read as events, None where it is refused."""
    try:
        return decoded_group(group, BY_NUMBER[2, 1], [Dot(OWN, seq) for seq in range(count)], HLC_BASE, STREAMS)
    except BodyRefused:
        return None


@settings(max_examples=200)
@given(drawn=groups())
def test_movements_are_refused_and_read_as_columns_as_they_are_as_events(drawn: tuple[list[object], int]) -> None:
    group, count = drawn
    try:
        found = events_of(moved_columns(group, OWN, list(range(count)), HLC_BASE, STREAMS))
    except BodyRefused:
        found = None
    assert as_events(group, count) == found


@settings(max_examples=60)
@given(drawn=st.lists(groups(), min_size=1, max_size=3))
def test_movements_folded_as_columns_give_the_tables_of_the_events(drawn: list[tuple[list[object], int]]) -> None:
    bodies: list[Body] = []
    seq = 0
    for group, count in drawn:
        if as_events(group, count) is not None:
            stored = zlib.compress(msgspec.msgpack.encode([[OTHER], [group]]))
            try:
                bodies.append(decode_body(stored, stream=OWN, first_seq=seq, count=count, hlc_base=HLC_BASE))
            except BodyRefused:  # a number that no body may hold
                continue
            seq += count
    assume(bodies)
    with tables() as one_by_one, tables() as together:
        bulk = Bulk(together)
        for body in bodies:
            for event in body.events:
                fold(one_by_one, event, member=MEMBER, clock=2)
            bulk.fold(body, member=MEMBER, clock=2)
        bulk.write()
        assert derived_rows(one_by_one) == derived_rows(together)
