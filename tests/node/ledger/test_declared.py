"""A declaration is weakened market by market: others add at once, and take off only where somebody here agrees."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.domain.allergens import Declaration
from node.domain.lots import Dot
from node.ledger.declared import acting, safest
from node.ledger.events import Event, RegisterSet, RegisterValue
from node.ledger.fold import fold
from tests.node.ledger.test_fold import MEMBERS, tables

KEY = "item/gtin/04006381333931/allergens"
US, MILL, QUAY = b"stream-a", b"stream-b", b"stream-c"
Write = tuple[bytes, int, RegisterValue, list[Dot]]


def fold_all(connection: sqlite3.Connection, *writes: Write) -> Declaration:
    """Fold declarations as market `US` sees them and return what counts there."""
    connection.execute("INSERT OR IGNORE INTO writer VALUES (1, ?, ?, '')", (MEMBERS[US], US))
    for stream, seq, value, over in writes:
        fact = RegisterSet(KEY, value, over)
        fold(connection, Event(Dot(stream, seq), 1, 0, fact), member=MEMBERS[stream], clock=2)
    return safest(acting(connection, KEY))


def counted(*writes: Write) -> Declaration:
    with tables() as connection:
        return fold_all(connection, *writes)


OURS = (US, 0, ["milk", "nuts"], [])
TAKEN_OFF = (MILL, 0, ["milk"], [Dot(US, 0)])


def test_what_another_market_takes_off_counts_here_until_we_agree() -> None:
    assert counted(OURS, TAKEN_OFF) == ("milk", "nuts")
    assert counted(OURS, TAKEN_OFF, (US, 1, ["milk"], [Dot(MILL, 0)])) == ("milk",)


def test_what_another_market_adds_counts_at_once() -> None:
    assert counted(OURS, (MILL, 0, ["milk", "nuts", "soy"], [Dot(US, 0)])) == ("soy", "milk", "nuts")
    assert counted(OURS, (MILL, 0, None, [Dot(US, 0)])) is None


def test_a_word_of_ours_ends_only_what_it_had_seen() -> None:
    unseen = (QUAY, 0, ["lupin"], [])
    assert counted(OURS, TAKEN_OFF, unseen, (US, 1, [], [Dot(MILL, 0)])) == ("lupin",)


def test_where_others_disagree_among_themselves_both_count_here() -> None:
    assert counted((MILL, 0, ["soy"], []), (QUAY, 0, ["milk"], [Dot(MILL, 0)])) == ("soy", "milk")


def test_the_item_shows_what_counts() -> None:
    with tables() as connection:
        fold_all(connection, OURS, TAKEN_OFF)
        (found,) = connection.execute("SELECT allergens FROM item WHERE item_id LIKE 'gtin/%'").fetchone()
        assert found == '["milk","nuts"]'


VALUES = st.one_of(st.none(), st.lists(st.sampled_from(["milk", "nuts", "soy"]), max_size=2, unique=True))
WRITES = st.lists(
    st.tuples(
        st.sampled_from([US, MILL, QUAY]),
        VALUES,
        st.lists(st.builds(Dot, st.sampled_from([US, MILL, QUAY]), st.integers(0, 5)), max_size=3),
    ),
    min_size=1,
    max_size=8,
)


def numbered(drawn: list[tuple[bytes, RegisterValue, list[Dot]]]) -> list[Write]:
    seqs = dict.fromkeys([US, MILL, QUAY], -1)
    writes: list[Write] = []
    for stream, value, over in drawn:
        seqs[stream] += 1
        writes.append((stream, seqs[stream], value, over))
    return writes


@given(drawn=WRITES, seed=st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_any_order_gives_the_same_and_only_our_own_words_weaken(drawn, seed) -> None:  # type: ignore[no-untyped-def]
    writes = numbered(drawn)
    shuffled = list(writes)
    seed.shuffle(shuffled)
    assert counted(*writes) == counted(*shuffled)
    foreign = [write for write in writes if write[0] != US]
    # Without a word of ours nothing that anybody declared is lost, however the others replace each other.
    said = [tuple(value) if isinstance(value, list) else None for _stream, _seq, value, _over in foreign]
    assert counted(*foreign) == (None if None in said else counted(*[(s, q, v, []) for s, q, v, _over in foreign]))


@pytest.mark.parametrize("value", ["milk", ["walnuts"], 7, True])
def test_what_cannot_be_read_is_not_declared(value: RegisterValue) -> None:
    assert counted((MILL, 0, value, [])) is None


def test_a_ring_of_writes_that_name_each_other_ends() -> None:
    ring: list[Write] = [(US, 0, ["milk"], [Dot(MILL, 0)]), (MILL, 0, ["soy"], [Dot(US, 0)])]
    assert counted(*ring) == ()


def test_every_declaration_is_kept_also_the_replaced_ones() -> None:
    with tables() as connection, closing(connection.cursor()) as cursor:
        fold_all(connection, OURS, TAKEN_OFF)
        assert cursor.execute("SELECT count(*) FROM declared").fetchone() == (2,)
        assert cursor.execute("SELECT count(*) FROM reg_head").fetchone() == (1,)
