"""Hypothesis strategies for events of one stream, as a node may write them."""

from __future__ import annotations

from hypothesis import strategies as st

from node.domain.lots import Dot
from node.ledger.events import (
    Event,
    Fact,
    LotCounted,
    LotReceived,
    MemberEnrolled,
    Moved,
    RegisterSet,
    StreamHead,
    StreamOpened,
)

OWN = b"own-strm"
STREAMS = st.sampled_from([OWN, b"stream-2", b"stream-3", b"stream-4"])
DOTS = st.builds(Dot, STREAMS, st.integers(0, 2**32))
WORDS = st.text(max_size=40)
QUANTITIES = st.one_of(st.integers(-50, 50).map(lambda pieces: pieces * 1000), st.integers(-(10**12), 10**12))
DAYS = st.one_of(st.none(), st.integers(0, 40_000))
VALUES = st.one_of(st.none(), st.booleans(), st.integers(-(2**40), 2**40), WORDS, st.lists(WORDS, max_size=5))
HASHES = st.binary(min_size=32, max_size=32)

FACTS: st.SearchStrategy[Fact] = st.one_of(
    st.builds(
        Moved, DOTS, st.integers(1, 6), QUANTITIES, st.one_of(st.none(), DOTS), st.integers(1, 3), st.integers(0, 10)
    ),
    st.builds(
        LotReceived,
        WORDS,
        st.integers(0, 2),
        QUANTITIES,
        DAYS,
        DAYS,
        DAYS,
        DAYS,
        st.one_of(st.none(), WORDS),
        st.one_of(st.none(), WORDS),
        st.lists(DOTS, max_size=4),
    ),
    st.builds(LotCounted, DOTS, QUANTITIES, QUANTITIES),
    st.builds(RegisterSet, WORDS, VALUES, st.lists(DOTS, max_size=4)),
    st.builds(
        StreamOpened,
        st.integers(0, 1),
        st.integers(0, 2),
        WORDS,
        st.lists(st.builds(StreamHead, STREAMS, st.integers(0, 2**31), HASHES), max_size=3),
        st.binary(min_size=16, max_size=16),
    ),
    st.builds(
        MemberEnrolled,
        HASHES,
        WORDS,
        st.integers(0, 3),
        st.one_of(st.none(), st.binary(max_size=16)),
        st.none(),
        st.lists(DOTS, max_size=2),
    ),
)


@st.composite
def runs_of_events(draw: st.DrawFn) -> list[Event]:
    """Consecutive events of the stream OWN with a rising clock."""
    facts = draw(st.lists(FACTS, min_size=1, max_size=24))
    first_seq, hlc = draw(st.integers(0, 2**31)), draw(st.integers(0, 2**45))
    events = []
    for place, fact in enumerate(facts):
        hlc += draw(st.integers(1, 10**6))
        events.append(Event(Dot(OWN, first_seq + place), hlc, draw(st.integers(0, 5)), fact))
    return events
