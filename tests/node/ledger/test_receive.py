"""Other nodes' blocks: each check refuses alone and changes nothing; the set decides, not the order."""

from __future__ import annotations

import random
import zlib

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.actions.once import find_action, finish
from node.domain.lots import Dot
from node.domain.words import StreamPurpose, StreamReason, Unit
from node.errors import LocalFault
from node.ledger import chain
from node.ledger.append import Appender
from node.ledger.block import MAGIC, Header, body_hash, make_block, read_frame
from node.ledger.digest import state_digest
from node.ledger.events import Fact, MemberRetired, Moved, RegisterSet, StreamHead, StreamOpened, StreamOpenedUnbound
from node.ledger.items import par_key
from node.ledger.read.members import members
from node.ledger.receive import BLOCKS_PER_BATCH_MAX, receive_blocks
from node.ledger.retiring import QUARANTINED_PER_MEMBER_MAX
from node.ledger.roster import cutoffs
from node.ledger.seal import store_block
from tests.node.ledger.authors import (
    BAKERY,
    DAIRY,
    FOUNDER,
    GROUP,
    STRANGER,
    Author,
    Chain,
    a_lot_fact,
    a_roster,
    a_sale_fact,
    an_observer,
    everything,
    resigned,
    stream_named,
    take,
    take_until_still,
)

LONG_AGO = 1_000


def test_blocks_of_members_are_stored_folded_and_counted() -> None:
    roster, bakery = a_roster(BAKERY), Chain(BAKERY, b"bakery-1")
    lot = bakery.next_dot
    bakery.write(a_lot_fact(5_000))
    bakery.write(a_sale_fact(lot, 2_000))
    with an_observer() as tx:
        first = take(tx, *roster.frames)
        assert (first.new_blocks, first.is_roster_changed, first.refused) == (2, True, {})
        second = take(tx, *bakery.frames)
        assert (second.new_blocks, second.is_roster_changed) == (2, False)
        state = second.heads[bakery.stream]
        assert (BAKERY.origin, False, 2, 3, bakery.head_hash, 0) == state
        assert first.heads[roster.stream].is_roster
        assert tx.connection.execute("SELECT on_hand_milli FROM lot").fetchall() == [(3_000,)]
        assert [member.name for member in members(tx.connection)] == ["Observer", "Bakery", "Founder"]


def test_one_batch_may_hold_the_roster_and_what_its_members_wrote_in_any_order() -> None:
    roster, bakery = a_roster(BAKERY), Chain(BAKERY, b"a-stream")
    bakery.write(a_lot_fact())
    bakery.write(a_lot_fact())
    with an_observer() as tx:
        intake = take(tx, *reversed([*roster.frames, *bakery.frames]))
        assert (intake.new_blocks, intake.early_blocks, intake.refused) == (4, 0, {})


def test_a_block_known_already_is_not_checked_again_and_changes_nothing() -> None:
    roster = a_roster(BAKERY)
    with an_observer() as tx:
        take(tx, *roster.frames)
        before = everything(tx)
        again = take(tx, *roster.frames, roster.frames[0])
        assert (again.new_blocks, again.known_blocks, again.heads) == (0, 3, {})
        assert before == everything(tx)


def test_a_block_beyond_the_next_one_is_early_and_not_kept() -> None:
    roster, bakery = a_roster(BAKERY), Chain(BAKERY, b"bakery-1")
    for _block in range(3):
        bakery.write(a_lot_fact())
    with an_observer() as tx:
        take(tx, *roster.frames)
        assert take(tx, bakery.frames[2]).early_blocks == 1
        assert take(tx, bakery.frames[0], bakery.frames[2]).early_blocks == 1
        assert take(tx, bakery.frames[1], bakery.frames[2]).new_blocks == 2


def test_more_blocks_than_one_transaction_takes_are_a_mistake_of_the_caller() -> None:
    with an_observer() as tx, pytest.raises(ValueError, match="at most"):
        take(tx, *[b""] * (BLOCKS_PER_BATCH_MAX + 1))


def of_another_group() -> bytes:
    other = Chain(BAKERY, b"bakery-2", group=bytes(16))
    return other.write(a_lot_fact())


def without_an_opening() -> bytes:
    return Chain(BAKERY, b"bakery-2").write_raw(a_lot_fact())


def in_a_stream_of_another(intruder: Author) -> bytes:
    theirs = Chain(intruder, b"bakery-1")
    theirs.stream = stream_named(BAKERY, b"bakery-1")
    theirs.write(a_lot_fact())
    return theirs.write(a_lot_fact())


def under_a_name_made_by_another(intruder: Author) -> bytes:
    squatting = Chain(intruder, b"bakery-2")
    squatting.stream = stream_named(BAKERY, b"bakery-2")
    return squatting.write(a_lot_fact())


def with_an_opening_of_before() -> bytes:
    return Chain(BAKERY, b"bakery-2").write_raw(StreamOpenedUnbound(0, 0, "1", []), a_lot_fact())


def with_a_nonce(nonce: bytes | None) -> bytes:
    opening = StreamOpened(0, 0, "1", [], nonce)  # type: ignore[arg-type]
    return Chain(BAKERY, b"bakery-2").write_raw(opening, a_lot_fact())


def with_a_wrong_body() -> bytes:
    return with_body(zlib.compress(msgspec.msgpack.encode([[], [[2, 1, None, 0]]])))


def with_body(body: bytes) -> bytes:
    """A block of the bakery's second stream with any body, rightly signed."""
    header = Header(BAKERY.origin, stream_named(BAKERY, b"bakery-2"), 0, 0, 1, 2, LONG_AGO, bytes(32), body_hash(body))
    return make_block(header, body, GROUP, BAKERY.key).frame


def changed(frame: bytes, at: int, value: bytes) -> bytes:
    return frame[:at] + value + frame[at + len(value) :]


def hostile_frames(bakery: Chain) -> dict[str, tuple[bytes, str]]:
    """One frame for each check, and the reason under which it is counted."""
    good = bakery.write(a_lot_fact())  # it would be the third block of its stream
    return {
        "nothing": (b"", "length"),
        "a cut frame": (good[:-1], "length"),
        "a frame with more behind it": (good + b"x", "length"),
        "a version of the future": (changed(good, 2, b"L\x02"), "version"),
        "a flag that means nothing": (changed(good, 2 + 36, b"\x80"), "flags"),
        "no events": (changed(good, 2 + 34, b"\x00\x00"), "count"),
        "a stranger": (Chain(STRANGER, b"strange!").write(a_lot_fact()), "origin"),
        "a changed clock": (changed(good, 2 + 37, b"\x01"), "signature"),
        "another group": (of_another_group(), "signature"),
        "a changed body": (changed(good, len(good) - 3, b"xx"), "body hash"),
        "a body that is no body": (with_a_wrong_body(), "body"),
        "a bomb": (with_body(zlib.compress(bytes(10_000_000))), "body"),
        "another number of the first event": (resigned(good, BAKERY, first_seq=99), "first event number"),
        "another block before": (resigned(good, BAKERY, prev=bytes(32)), "chain"),
        "no opening": (without_an_opening(), "opening"),
        "a stream of another market": (in_a_stream_of_another(DAIRY), "owner"),
        "a stream whose name another market made": (under_a_name_made_by_another(DAIRY), "binding"),
        "a nonce of the wrong length": (with_a_nonce(b"short"), "binding"),
        "no nonce": (with_a_nonce(None), "body"),
        "an opening that binds no name": (with_an_opening_of_before(), "opening"),
    }


HOSTILE_NAMES = tuple(hostile_frames(Chain(BAKERY, b"bakery-1")))


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_hostile_block_is_refused_alone_and_changes_nothing(name: str) -> None:
    roster, bakery, dairy = a_roster(BAKERY, DAIRY), Chain(BAKERY, b"bakery-1"), Chain(DAIRY, b"dairy-1.")
    bakery.write(a_lot_fact())
    bakery.write(a_lot_fact())
    dairy.write(a_lot_fact())
    known = list(bakery.frames)
    frame, reason = hostile_frames(bakery)[name]
    with an_observer() as tx, an_observer() as without:
        for node in (tx, without):
            take(node, *roster.frames)
            take(node, *known)
        intake = take(tx, frame, *dairy.frames)
        take(without, *dairy.frames)
        assert {reason: 1} == intake.refused
        assert intake.new_blocks == 1
        assert everything(without) == everything(tx)


@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
@settings(max_examples=100)
def test_a_bit_flipped_anywhere_is_refused_and_the_state_stays(place: int, bit: int) -> None:
    roster, bakery = a_roster(BAKERY), Chain(BAKERY, b"bakery-1")
    frame = bakery.write(a_lot_fact())
    at = place % len(frame)
    flipped = changed(frame, at, bytes([frame[at] ^ (1 << bit)]))
    with an_observer() as tx:
        take(tx, *roster.frames)
        before = everything(tx)
        intake = take(tx, flipped)
        assert (intake.new_blocks, intake.early_blocks, sum(intake.refused.values())) == (0, 0, 1)
        assert before == everything(tx)
        assert take(tx, frame).new_blocks == 1


@given(frames=st.lists(st.binary(max_size=400).map(lambda body: (len(body)).to_bytes(2, "little") + body), max_size=5))
def test_garbage_is_counted_and_nothing_else(frames: list[bytes]) -> None:
    with an_observer() as tx:
        intake = take(tx, *frames, *[MAGIC + frame for frame in frames])
        assert sum(intake.refused.values()) == 2 * len(frames)


UNHEARD_OF: list[Fact] = [
    Moved(Dot(stream_named(BAKERY, b"bakery-1"), 1), 99, -1_000, None, 2, 0),
    Moved(Dot(stream_named(BAKERY, b"bakery-1"), 1), 2, -(2**61), None, 2, 0),
    Moved(Dot(stream_named(BAKERY, b"bakery-1"), 1), 2, -1_000, None, 77, 0),
    Moved(Dot(stream_named(BAKERY, b"bakery-1"), 1), 4, -1_000, None, 2, 88),
    msgspec.structs.replace(a_lot_fact(), unit=9),
    msgspec.structs.replace(a_lot_fact(), use_by=10**9),
    msgspec.structs.replace(a_lot_fact(), quantity_milli=2**61),
]


@pytest.mark.parametrize("fact", UNHEARD_OF)
def test_a_value_no_screen_could_show_is_kept_as_not_understood(fact: Fact) -> None:
    roster, bakery = a_roster(BAKERY), Chain(BAKERY, b"bakery-1")
    bakery.write(a_lot_fact())
    with an_observer() as tx:
        take(tx, *roster.frames, *bakery.frames)
        before = state_digest(tx.connection)
        intake = take(
            tx, bakery.write(fact, fact, fact), bakery.write(a_sale_fact(Dot(stream_named(BAKERY, b"bakery-1"), 1)))
        )
        assert (intake.new_blocks, intake.refused) == (2, {})
        assert tx.connection.execute("SELECT count(*) FROM unknown_event").fetchone() == (3,)
        assert before != state_digest(tx.connection)  # the sale behind it counts


def test_a_clock_of_the_year_12000_is_not_understood_either() -> None:
    roster, bakery = a_roster(BAKERY), Chain(BAKERY, b"bakery-1")
    with an_observer() as tx:
        take(tx, *roster.frames, bakery.write(a_lot_fact(), hlc=2**49))
        assert tx.connection.execute("SELECT count(*) FROM lot").fetchone() == (0,)


def test_nobody_but_a_market_itself_sets_its_par_level() -> None:
    roster, ours, theirs = a_roster(BAKERY, DAIRY), Chain(BAKERY, b"bakery-1"), Chain(DAIRY, b"dairy-1.")
    key = par_key("food/milk-whole", BAKERY.origin)
    ours.write(RegisterSet(key, 5_000, []))
    theirs.write(RegisterSet(key, 2**61, []), RegisterSet("item/food/milk-whole/unit", 99, []), hlc=2**42)
    with an_observer(BAKERY) as tx:
        take(tx, *roster.frames, *ours.frames, *theirs.frames)
        assert [(5_000, int(Unit.MILLILITRE))] == tx.connection.execute(
            "SELECT par_milli, unit FROM item WHERE item_id = 'food/milk-whole'"
        ).fetchall()


# The roster.


def test_only_the_founder_lets_markets_in() -> None:
    roster, bakery = a_roster(BAKERY), Chain(BAKERY, b"bakery-r", StreamPurpose.ROSTER)
    bakery.write(DAIRY.enrolment())
    dairy = Chain(DAIRY, b"dairy-1.")
    dairy.write(a_lot_fact())
    with an_observer() as tx:
        intake = take(tx, *roster.frames, *bakery.frames)
        assert (intake.new_blocks, intake.refused) == (3, {})
        assert take(tx, *dairy.frames).refused == {"origin": 1}
        assert {"Observer", "Founder", "Bakery"} == {member.name for member in members(tx.connection)}


def test_a_second_steward_is_let_in_as_a_market() -> None:
    roster = a_roster()
    roster.write(BAKERY.enrolment(roles=3))
    with an_observer() as tx:
        take(tx, *roster.frames)
        assert [
            (member.name, member.is_steward)
            for member in sorted(members(tx.connection), key=lambda member: not member.is_steward)
            if not member.is_us
        ] == [("Founder", True), ("Bakery", False)]
        assert tx.connection.execute("SELECT roles FROM member WHERE name = 'Bakery'").fetchall() == [(1,)]


def test_a_founder_with_another_nonce_founded_another_group() -> None:
    roster = Chain(FOUNDER, b"roster-1", StreamPurpose.ROSTER)
    roster.write(FOUNDER.enrolment(3, b"another nonce 16"))
    with an_observer() as tx:
        take(tx, *roster.frames)
        assert tx.connection.execute("SELECT count(*) FROM member").fetchone() == (0,)


def test_a_key_of_the_wrong_length_is_nobody() -> None:
    roster = a_roster()
    roster.write(msgspec.structs.replace(BAKERY.enrolment(), public_key=b"short"))
    with an_observer() as tx:
        assert take(tx, *roster.frames).refused == {}
        assert tx.connection.execute("SELECT count(*) FROM member").fetchone() == (1,)


# Retirement.


def retired(member: Author, *cutoffs: StreamHead) -> MemberRetired:
    return MemberRetired(member.origin, list(cutoffs), "left", [])


def test_a_retirement_takes_out_what_lies_beyond_it_whenever_it_arrives() -> None:
    roster, dairy = a_roster(DAIRY), Chain(DAIRY, b"dairy-1.")
    dairy.write(a_lot_fact(1_000))
    cut = dairy.head
    dairy.write(a_lot_fact(2_000))
    other = Chain(DAIRY, b"dairy-2.")
    other.write(a_lot_fact(4_000))
    retirement = roster.write(retired(DAIRY, cut))
    before = roster.frames[:-1]
    with an_observer() as early, an_observer() as late, an_observer() as at_once:
        take(early, *before, retirement)
        refused = take(early, *dairy.frames, *other.frames).refused
        assert refused == {"retired": 2}
        take(late, *before, *dairy.frames, *other.frames)
        intake = take(late, retirement)
        assert (intake.new_blocks, intake.refused) == (1, {"retired": 2})
        assert (intake.heads[dairy.stream].blocks, intake.heads[other.stream].blocks) == (1, 0)
        take(at_once, *dairy.frames, *other.frames, *roster.frames)
        for node in (early, late, at_once):
            assert node.connection.execute("SELECT quantity_milli FROM lot").fetchall() == [(1_000,)]
            assert node.connection.execute("SELECT count(*) FROM quarantine WHERE reason = 'retired'").fetchone() == (
                2,
            )
            assert "Dairy" in {member.name for member in members(node.connection) if member.is_retired}
        assert everything(early) == everything(late) == everything(at_once)


def test_of_two_retirements_the_lower_position_holds() -> None:
    roster, dairy = a_roster(DAIRY), Chain(DAIRY, b"dairy-1.")
    dairy.write(a_lot_fact(1_000))
    low = dairy.head
    dairy.write(a_lot_fact(2_000))
    roster.write(retired(DAIRY, dairy.head))
    roster.write(retired(DAIRY, low))
    with an_observer() as tx:
        take(tx, *roster.frames[:3], *dairy.frames)
        assert tx.connection.execute("SELECT count(*) FROM lot").fetchone() == (2,)
        take(tx, roster.frames[3])
        assert tx.connection.execute("SELECT count(*) FROM lot").fetchone() == (1,)


def test_a_stream_that_one_of_two_retirements_leaves_out_counts_not_at_all() -> None:
    roster, first, second = a_roster(DAIRY), Chain(DAIRY, b"dairy-1."), Chain(DAIRY, b"dairy-2.")
    first.write(a_lot_fact(1_000))
    second.write(a_lot_fact(2_000))
    roster.write(retired(DAIRY, first.head))
    roster.write(retired(DAIRY, second.head))
    with an_observer() as tx:
        take(tx, *roster.frames, *first.frames, *second.frames)
        assert tx.connection.execute("SELECT count(*) FROM lot").fetchone() == (0,)
        assert cutoffs(tx.connection, DAIRY.origin) == {}


def test_nobody_but_the_founder_retires_and_the_founder_is_never_retired() -> None:
    roster, bakery = a_roster(BAKERY, DAIRY), Chain(BAKERY, b"bakery-1")
    bakery.write(retired(DAIRY), retired(FOUNDER))
    roster.write(retired(FOUNDER))
    with an_observer() as tx:
        take(tx, *roster.frames, *bakery.frames)
        assert tx.connection.execute("SELECT count(*) FROM retirement").fetchone() == (0,)
        assert tx.connection.execute("SELECT count(*) FROM block WHERE origin = ?", (FOUNDER.origin,)).fetchone() == (
            4,
        )


def test_what_a_retired_member_goes_on_writing_is_kept_aside_within_bounds() -> None:
    roster, dairy = a_roster(DAIRY), Chain(DAIRY, b"dairy-1.")
    roster.write(retired(DAIRY))
    with an_observer() as tx:
        take(tx, *roster.frames)
        for _block in range(QUARANTINED_PER_MEMBER_MAX + 10):
            dairy.write(a_lot_fact())
        for at in range(0, len(dairy.frames), BLOCKS_PER_BATCH_MAX):
            take(tx, *dairy.frames[at : at + BLOCKS_PER_BATCH_MAX])
        assert tx.connection.execute("SELECT count(*) FROM quarantine").fetchone() == (QUARANTINED_PER_MEMBER_MAX,)
        assert tx.connection.execute("SELECT count(*) FROM lot").fetchone() == (0,)


def test_a_market_keeps_its_own_acts_when_it_learns_that_it_was_retired() -> None:
    roster, ours = a_roster(BAKERY), Chain(BAKERY, b"bakery-1")
    ours.write(a_lot_fact())
    roster.write(retired(BAKERY))
    with an_observer(BAKERY, b"bakery-1") as tx:
        take(tx, *roster.frames[:2], *ours.frames)
        take(tx, roster.frames[2])
        # What we had lost comes back to us all the same.
        assert take(tx, ours.write(a_sale_fact(Dot(stream_named(BAKERY, b"bakery-1"), 1)))).refused == {}
        assert tx.connection.execute("SELECT count(*) FROM lot").fetchone() == (1,)
        assert [member.is_retired for member in members(tx.connection) if member.is_us] == [True]


# Our own blocks.


def test_blocks_of_our_own_stream_that_we_had_lost_are_taken_back_and_the_stream_is_left() -> None:
    roster, ours = a_roster(BAKERY), Chain(BAKERY, b"bakery-1")
    ours.write(a_lot_fact(1_000))
    ours.write(a_lot_fact(2_000))
    with an_observer(BAKERY, b"bakery-1") as tx:
        take(tx, *roster.frames, ours.frames[0])
        tx.connection.execute("UPDATE writer SET witness = 'here'")
        intake = take(tx, ours.frames[1])
        assert (intake.new_blocks, intake.refused) == (1, {})
        assert tx.connection.execute("SELECT witness FROM writer").fetchone() == ("",)


def test_our_pending_events_whose_names_come_back_as_others_are_said_again_under_new_names() -> None:
    roster, ours = a_roster(BAKERY), Chain(BAKERY, b"bakery-1")
    ours.write(a_lot_fact(1_000))
    lot = ours.next_dot
    ours.write(a_lot_fact(2_000))
    with an_observer(BAKERY, b"bakery-1") as tx:
        take(tx, *roster.frames, ours.frames[0])
        tx.connection.execute("UPDATE writer SET witness = 'here'")
        appender = Appender(tx)
        assert lot == appender.append(a_lot_fact(7_000), 0).dot
        sold = appender.append(a_sale_fact(lot, 500), 3)
        appender.append(a_sale_fact(Dot(stream_named(BAKERY, b"bakery-1"), 1), 300), 0)
        finish(tx, [sold], action_id=b"a", verb="sell", who=3)
        intake = take(tx, ours.frames[1])
        assert (intake.new_blocks, intake.refused) == (1, {"pending replaced": 3})
        # The lot that came back, the delivery and its sale under new names, and the sale from before.
        stock = tx.connection.execute("SELECT on_hand_milli FROM lot ORDER BY 1").fetchall()
        assert stock == [(700,), (2_000,), (6_500,)]
        assert tx.connection.execute("SELECT count(*) FROM pending WHERE stream = 'bakery-1'").fetchone() == (0,)
        again = find_action(tx.connection, b"a")
        assert again is not None
        moved = tx.connection.execute(
            "SELECT who, quantity_milli FROM movement WHERE (stream, seq) = (?, ?)", again.first
        )
        assert moved.fetchall() == [(3, -500)]
        before = state_digest(tx.connection)
        chain.refold(tx.connection, tx.connection)
        assert before == state_digest(tx.connection)
        new = Appender(tx).append(a_lot_fact(9_000), 0)
        assert new.dot.stream == again.first.stream != ours.stream
        opening = tx.connection.execute("SELECT fact FROM pending WHERE stream = ? AND seq = 0", (new.dot.stream,))
        assert msgspec.msgpack.decode(opening.fetchone()[0])[1] == StreamReason.HEAD_NOT_CONFIRMED


def test_our_pending_events_that_come_back_as_they_are_are_not_said_twice() -> None:
    roster, ours = a_roster(BAKERY), Chain(BAKERY, b"bakery-1")
    ours.write(a_lot_fact(1_000))
    with an_observer(BAKERY, b"bakery-1") as tx:
        take(tx, *roster.frames, ours.frames[0])
        tx.connection.execute("UPDATE writer SET witness = 'here'")
        appender = Appender(tx)
        said = [appender.append(a_lot_fact(2_000), 0), appender.append(a_lot_fact(3_000), 0)]
        ours.write(said[0].fact, hlc=said[0].hlc)
        intake = take(tx, ours.frames[1])
        assert (intake.new_blocks, intake.refused) == (1, {"pending replaced": 1})
        assert [said[1].dot] == tx.connection.execute("SELECT stream, seq FROM pending").fetchall()
        stock = tx.connection.execute("SELECT on_hand_milli FROM lot ORDER BY 1").fetchall()
        assert stock == [(1_000,), (2_000,), (3_000,)]


def test_an_item_made_under_a_name_that_was_taken_keeps_its_fields_under_the_new_one() -> None:
    roster, ours = a_roster(BAKERY), Chain(BAKERY, b"bakery-1")
    ours.write(a_lot_fact(1_000))
    ours.write(RegisterSet("item/food/apples/name", "Windfalls", []))
    with an_observer(BAKERY, b"bakery-1") as tx:
        take(tx, *roster.frames, ours.frames[0])
        tx.connection.execute("UPDATE writer SET witness = 'here'")
        appender = Appender(tx)
        made = str(appender.next_dot)
        name = appender.append(RegisterSet(f"item/{made}/name", "Jam", []), 0)
        appender.append(RegisterSet(f"item/{made}/name", "Plum jam", [name.dot]), 0)
        appender.append(a_lot_fact(4_000, made), 0)
        take(tx, ours.frames[1])
        found = tx.connection.execute(
            "SELECT i.name, l.on_hand_milli, i.item_id = ? FROM item i JOIN lot l USING (item_id) ORDER BY 2", (made,)
        )
        assert found.fetchall() == [("Windfalls", 1_000, 0), ("Plum jam", 4_000, 0)]


# The set decides.


@st.composite
def logs(draw: st.DrawFn) -> list[bytes]:
    """Blocks of three markets with sales across them, fields, and retirements at any position."""
    roster = a_roster(BAKERY, DAIRY)
    chains = [
        Chain(FOUNDER, b"founder1"),
        Chain(BAKERY, b"bakery-1"),
        Chain(DAIRY, b"dairy-1."),
        Chain(DAIRY, b"dairy-2."),
    ]
    lots = [Dot(one.stream, seq) for one in chains for seq in (1, 2, 3)]
    heads: list[StreamHead] = []
    for _block in range(draw(st.integers(1, 9))):
        one = draw(st.sampled_from(chains))
        facts: list[Fact] = draw(
            st.lists(
                st.one_of(
                    st.builds(a_lot_fact, st.integers(1, 9).map(lambda pieces: pieces * 1_000)),
                    st.builds(a_sale_fact, st.sampled_from(lots), st.integers(1, 3_000)),
                    st.builds(
                        RegisterSet,
                        st.sampled_from(["item/food/apples/name", "item/food/apples/unit"]),
                        st.integers(0, 5),
                        st.lists(st.sampled_from(lots), max_size=2),
                    ),
                ),
                min_size=1,
                max_size=3,
            )
        )
        one.write(*facts)
        if one.author is DAIRY:
            heads.append(one.head)
    for _retirement in range(draw(st.integers(0, 2))):
        roster.write(retired(DAIRY, *draw(st.lists(st.sampled_from(heads), max_size=2)) if heads else ()))
    return [*roster.frames, *(frame for one in chains for frame in one.frames)]


@given(frames=logs(), seed=st.integers(0, 2**32), batch=st.integers(1, 7))
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_the_same_blocks_in_any_order_and_number_give_the_same_state(
    frames: list[bytes], seed: int, batch: int
) -> None:
    rng = random.Random(seed)
    shuffled = [*frames, *rng.choices(frames, k=len(frames) // 2)]
    rng.shuffle(shuffled)
    with an_observer() as tx, an_observer() as other:
        take_until_still(tx, frames)
        take_until_still(other, shuffled, batch)
        assert everything(tx) == everything(other)
        said = state_digest(other.connection)
        assert said == chain.refold(other.connection, other.connection)


def test_a_node_without_a_group_takes_nothing() -> None:
    with an_observer() as tx:
        tx.connection.execute("DELETE FROM setting WHERE key = 'group_id'")
        with pytest.raises(LocalFault, match="whose market"):
            receive_blocks(tx, [])


def test_verify_names_the_first_block_beyond_a_retirement() -> None:
    roster, dairy = a_roster(DAIRY), Chain(DAIRY, b"dairy-1.")
    dairy.write(a_lot_fact())
    cut = dairy.head
    dairy.write(a_lot_fact())
    with an_observer(BAKERY, b"bakery-1") as tx:
        ours = Chain(BAKERY, b"bakery-1")
        ours.write(a_lot_fact())
        roster.write(BAKERY.enrolment())
        take(tx, *roster.frames, *ours.frames, *dairy.frames)
        chain.verify(tx.connection)
        # Folded without the step that takes the blocks out.
        roster.write(retired(DAIRY, cut))
        block = read_frame(roster.frames[-1])
        store_block(tx.connection, block, last_hlc=LONG_AGO)
        chain.refold(tx.connection, tx.connection)
        with pytest.raises(LocalFault) as fault:
            chain.verify(tx.connection)
        assert (fault.value.values["check"], fault.value.values["n"]) == ("retirement", 1)


def test_a_second_roster_stream_of_the_founder_counts_whichever_arrives_first() -> None:
    roster, second = a_roster(BAKERY), Chain(FOUNDER, b"roster-0", StreamPurpose.ROSTER)
    second.write(DAIRY.enrolment())
    second.write(retired(BAKERY))
    with an_observer() as tx, an_observer() as other:
        take(tx, *roster.frames)
        take(tx, *second.frames)
        take(other, *second.frames)
        take(other, *roster.frames)
        assert everything(tx) == everything(other)
        assert {"Bakery"} == {member.name for member in members(tx.connection) if member.is_retired}
        assert state_digest(other.connection) == chain.refold(other.connection, other.connection)
