"""Forked streams: every node keeps and folds the same branches, whatever came first; nothing counts twice."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.actions.forks import FORKS_NOTED_PER_MEMBER_MAX, dismiss, note_forks, take_over
from node.domain.lots import Dot
from node.domain.words import StreamPurpose
from node.errors import LocalFault, Refused
from node.ledger import chain, forks
from node.ledger.append import Appender
from node.ledger.block import read_frame
from node.ledger.codec import decode_body
from node.ledger.digest import state_digest
from node.ledger.fork_exchange import frames_beyond, locator
from node.ledger.forks import BRANCHES_PER_STREAM_MAX, branches_of, choose
from node.ledger.heads import stream_states
from node.ledger.partings import PARTINGS_PER_MEMBER_MAX, PARTINGS_WINDOW_MS, Partings
from node.ledger.read.forks import FORKED_STREAMS_MAX, OPEN, TAKEN, uncounted_branches
from node.ledger.read.members import members
from node.ledger.receive import receive_blocks
from node.ledger.store import Transaction
from tests.node.builders import a_moment
from tests.node.ledger.authors import (
    BAKERY,
    DAIRY,
    Author,
    Chain,
    a_lot_fact,
    a_roster,
    a_sale_fact,
    an_observer,
    everything,
    stream_named,
    take,
    take_until_still,
)
from tests.node.ledger.test_receive import retired

AARDVARK = Author("Aardvark")


def cloned(one: Chain) -> Chain:
    """The same card in another computer: it goes on from the same block."""
    other = copy.copy(one)
    other.frames = list(one.frames)
    return other


def hash_of(frame: bytes) -> bytes:
    return read_frame(frame).block_hash


def lots(tx: Transaction) -> list[int]:
    return [quantity for (quantity,) in tx.connection.execute("SELECT on_hand_milli FROM lot ORDER BY 1")]


def a_tree(draws: Iterable[tuple[int, bool]], stream: bytes = b"bakery-1") -> list[bytes]:
    """The blocks of a stream that was written by several clones; each draw is whose turn it is and whether it parts."""
    first = Chain(BAKERY, stream)
    frames = [first.write(a_lot_fact(1_000))]
    clones = [first]
    for number, (whose, is_parting) in enumerate(draws):
        clone = clones[whose % len(clones)]
        if is_parting:
            clone = cloned(clone)
            clones.append(clone)
        lot = clone.next_dot
        frames.append(clone.write(a_lot_fact((number + 2) * 1_000), a_sale_fact(lot, number + 1)))
    return frames


TREES = st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=24)
CALM = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(draws=TREES, seed=st.integers(0, 2**32), batch=st.integers(1, 9))
@CALM
def test_branches_in_any_order_and_number_give_the_same_state(
    draws: list[tuple[int, bool]], seed: int, batch: int
) -> None:
    roster, frames = a_roster(BAKERY), a_tree(draws)
    rng = random.Random(seed)
    shuffled = [*frames, *rng.choices(frames, k=len(frames) // 2)]
    rng.shuffle(shuffled)
    with an_observer() as tx, an_observer() as other:
        for node in (tx, other):
            take(node, *roster.frames)
        take_until_still(tx, frames)
        take_until_still(other, shuffled, batch)
        assert everything(tx) == everything(other)
        assert stream_states(tx.connection) == stream_states(other.connection)
        said = state_digest(other.connection)
        assert said == chain.refold(other.connection, other.connection)
        # The movements that count are those of one branch: a lot for each of its blocks.
        (blocks,) = other.connection.execute("SELECT count(*) FROM block WHERE origin = ?", (BAKERY.origin,)).fetchone()
        assert blocks == len(lots(other))


@given(draws=TREES, seed=st.integers(0, 2**32))
@CALM
def test_two_nodes_with_other_branches_ask_each_other_until_both_have_all(
    draws: list[tuple[int, bool]], seed: int
) -> None:
    roster, frames = a_roster(BAKERY), a_tree(draws)
    rng = random.Random(seed)
    with an_observer() as one, an_observer() as two:
        for node in (one, two):
            take(node, *roster.frames)
            take_until_still(node, rng.sample(frames, k=rng.randint(0, len(frames))))
        stream = stream_named(BAKERY, b"bakery-1")
        for _round in range(2):
            for asker, giver in ((one, two), (two, one)):
                missing, is_cut = frames_beyond(giver.connection, stream, locator(asker.connection, stream), 2**30)
                assert not is_cut
                take_until_still(asker, missing)
        assert stream_states(one.connection) == stream_states(two.connection)
        assert everything(one) == everything(two)


@given(
    st.lists(
        st.tuples(st.integers(0, 200), st.integers(0, 10**9)), min_size=1, max_size=60, unique_by=lambda pair: pair[1]
    ),
    st.integers(0, 2**32),
)
@settings(max_examples=200)
def test_what_is_left_out_early_is_left_out_of_the_whole_set_as_well(places: list[tuple[int, int]], seed: int) -> None:
    """Keeping within bounds while blocks come in ends where keeping out of all of them at once does."""
    names = [b"%d" % name for _place, name in places]
    parents = {
        name: (b"root" if place % (at + 1) == at else names[place % (at + 1)])
        for at, ((place, _name), name) in enumerate(zip(places, names, strict=True))
    }
    whole = kept_of(parents, set(parents))
    order = list(parents)
    random.Random(seed).shuffle(order)
    here: set[bytes] = set()
    while True:
        before = set(here)
        for name in order:
            if name not in here and (parents[name] == b"root" or parents[name] in here):
                here = kept_of(parents, here | {name})
        if here == before:
            break
    assert whole == here


def kept_of(parents: dict[bytes, bytes], here: set[bytes]) -> set[bytes]:
    children: dict[bytes, list[bytes]] = {}
    for name in here:
        children.setdefault(parents[name], []).append(name)
    return {name for branch in choose(children, b"root", 0) for name in branch.hashes}


def test_the_branch_whose_first_differing_block_has_the_lowest_hash_is_folded() -> None:
    roster, ours = a_roster(BAKERY), Chain(BAKERY, b"bakery-1")
    ours.write(a_lot_fact(1_000))
    other = cloned(ours)
    ends = {hash_of(ours.write(a_lot_fact(2_000))): 2_000, hash_of(other.write(a_lot_fact(4_000))): 4_000}
    other.write(a_lot_fact(8_000))
    with an_observer() as tx:
        take(tx, *roster.frames, *ours.frames)
        intake = take(tx, *other.frames)
        assert (intake.new_blocks, intake.known_blocks, intake.forked) == (2, 1, {ours.stream})
        assert ends[min(ends)] in lots(tx)
        assert ends[max(ends)] not in lots(tx)
        assert intake.heads[ours.stream].tips == stream_states(tx.connection)[ours.stream].tips != 0
        assert len(branches_of(tx.connection, ours.stream)) == 2


def test_a_stream_keeps_eight_branches_and_evidence_of_a_few_more() -> None:
    roster, bakery = a_roster(BAKERY), Chain(BAKERY, b"bakery-1")
    bakery.write(a_lot_fact())
    clones = [cloned(bakery) for _clone in range(BRANCHES_PER_STREAM_MAX + 4)]
    ends = [clone.write(a_lot_fact(1_000 + number)) for number, clone in enumerate(clones)]
    with an_observer() as tx:
        take(tx, *roster.frames)
        intake = take(tx, *bakery.frames, *ends)
        again = take(tx, *ends)
        kept = {branch.tip for branch in branches_of(tx.connection, bakery.stream)}
        assert set(sorted(map(hash_of, ends))[:BRANCHES_PER_STREAM_MAX]) == kept
        assert intake.new_blocks + intake.refused.get("fork", 0) == len(ends) + 1
        assert again.refused == {"fork": 4}
        left_out = tx.connection.execute("SELECT count(*) FROM quarantine WHERE reason = 'fork'").fetchone()
        assert left_out == (4,)


def test_a_block_whose_place_is_on_an_unknown_branch_tells_that_the_stream_has_parted() -> None:
    roster, bakery = a_roster(BAKERY), Chain(BAKERY, b"bakery-1")
    bakery.write(a_lot_fact())
    other = cloned(bakery)
    bakery.write(a_lot_fact())
    other.write(a_lot_fact(2_000))
    beyond = other.write(a_lot_fact(3_000))
    with an_observer() as tx:
        take(tx, *roster.frames, *bakery.frames)
        before = everything(tx)
        intake = take(tx, beyond)
        assert (intake.diverged, intake.refused) == ({bakery.stream}, {"chain": 1})
        assert before == everything(tx)


def test_two_first_blocks_of_one_stream_are_a_fork_too_and_the_chosen_one_says_what_it_is_for() -> None:
    roster, first = a_roster(BAKERY), Chain(BAKERY, b"bakery-1")
    second = Chain(BAKERY, b"bakery-1", StreamPurpose.ROSTER)
    first.write(a_lot_fact(1_000))
    second.write(a_lot_fact(2_000))
    with an_observer() as tx, an_observer() as other:
        take(tx, *roster.frames, *first.frames)
        take(tx, *second.frames)
        take(other, *roster.frames, *second.frames)
        take(other, *first.frames)
        assert everything(tx) == everything(other)
        assert stream_states(tx.connection) == stream_states(other.connection)


def test_a_retirement_names_the_branch_that_counts_whenever_it_arrives() -> None:
    for place in (0, 1):  # whichever of the two has the lower hash
        roster, dairy = a_roster(DAIRY), Chain(DAIRY, b"dairy-1.")
        dairy.write(a_lot_fact(1_000))
        other = cloned(dairy)
        dairy.write(a_lot_fact(2_000))
        other.write(a_lot_fact(4_000))
        named, unnamed = [(dairy, other), (other, dairy)][place]
        retirement = roster.write(retired(DAIRY, named.head))
        beyond = [named.write(a_lot_fact(8_000)), unnamed.write(a_lot_fact(16_000))]
        frames = [*dairy.frames, *other.frames, *beyond]
        with an_observer() as early, an_observer() as late:
            take(early, *roster.frames)
            take_until_still(early, frames)
            take(late, *roster.frames[:-1])
            take_until_still(late, frames)
            take(late, retirement)
            for node in (early, late):
                quantities = lots(node)
                assert quantities == ([1_000, 2_000] if place == 0 else [1_000, 4_000])
            assert everything(early) == everything(late)
            assert stream_states(early.connection) == stream_states(late.connection)


def test_a_forked_roster_lets_in_whom_its_chosen_branch_lets_in_and_nobody_else() -> None:
    roster = a_roster()
    other = cloned(roster)
    roster.write(BAKERY.enrolment())
    other.write(DAIRY.enrolment())
    bakery, dairy = Chain(BAKERY, b"bakery-1"), Chain(DAIRY, b"dairy-1.")
    bakery.write(a_lot_fact(1_000))
    dairy.write(a_lot_fact(2_000))
    frames = [*roster.frames, *other.frames, *bakery.frames, *dairy.frames]
    with an_observer() as tx, an_observer() as back:
        take_until_still(tx, frames, 1)
        take_until_still(back, frames[::-1], 1)
        assert everything(tx) == everything(back)
        assert len({member.name for member in members(tx.connection)} & {"Bakery", "Dairy"}) == 1
        assert len(lots(tx)) == 1


# What a member that means harm can make of it.


def branches_with_falling_hashes(one: Chain, count: int) -> list[bytes]:
    """Blocks that all follow the same one, each with a lower hash than the one before it."""
    ends = [cloned(one).write(a_lot_fact(1_000 + number)) for number in range(count)]
    return sorted(ends, key=hash_of, reverse=True)


def test_a_member_that_signs_ever_lower_hashes_has_everything_folded_again_a_few_times_an_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bakery, refolds = Chain(BAKERY, b"bakery-1"), []
    bakery.write(a_lot_fact())
    ends = branches_with_falling_hashes(bakery, 3 * PARTINGS_PER_MEMBER_MAX)
    refold = chain.refold
    monkeypatch.setattr(chain, "refold", lambda *both: refolds.append(1) or refold(*both))
    with an_observer() as tx:
        take(tx, *a_roster(BAKERY).frames, *bakery.frames)
        partings = Partings()
        refused = [receive_blocks(tx, [frame], partings=partings).refused for frame in ends]
        assert len(refolds) <= PARTINGS_PER_MEMBER_MAX
        assert refused[-1] == {"fork too often": 1}
        # An hour later what was put off is taken, and the lowest of all is what counts.
        later = Transaction(tx.connection, a_moment(later_ms=PARTINGS_WINDOW_MS), "here")
        assert receive_blocks(later, [ends[-1]], partings=partings).new_blocks == 1
        assert branches_of(tx.connection, bakery.stream)[0].tip == hash_of(ends[-1])


def test_a_member_that_parted_its_stream_too_often_goes_on_in_the_branches_that_are_kept() -> None:
    bakery = Chain(BAKERY, b"bakery-1")
    bakery.write(a_lot_fact())
    clones = [cloned(bakery) for _clone in range(2)]
    for number, clone in enumerate(clones):
        clone.write(a_lot_fact(500 + number))
    ends = branches_with_falling_hashes(bakery, 3 * PARTINGS_PER_MEMBER_MAX)
    with an_observer() as tx:
        take(tx, *a_roster(BAKERY).frames, *clones[0].frames, *clones[1].frames)
        partings = Partings()
        while partings.left(BAKERY.origin, tx.moment.boottime_ms):
            partings.note(BAKERY.origin, tx.moment.boottime_ms)
        assert receive_blocks(tx, ends, partings=partings).refused == {"fork too often": len(ends)}
        going_on = [clone.write(a_lot_fact(5_000)) for clone in clones]
        intake = receive_blocks(tx, going_on, partings=partings)
        assert (intake.new_blocks, intake.refused) == (2, {})
        assert state_digest(tx.connection) == chain.refold(tx.connection, tx.connection)


def test_a_long_branch_that_is_not_folded_grows_without_all_branches_being_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bakery = Chain(BAKERY, b"bakery-1")
    bakery.write(a_lot_fact())
    other = cloned(bakery)
    low, high = sorted((bakery, other), key=lambda one: hash_of(one.write(a_lot_fact(1_000 + (one is other)))))
    with an_observer() as tx:
        take(tx, *a_roster(BAKERY).frames, *low.frames, *high.frames)
        looked: list[bytes] = []
        monkeypatch.setattr(forks, "branches_of", lambda _connection, stream: looked.append(stream))
        intake = take(tx, *(high.write(a_lot_fact(2_000)) for _block in range(10)))
        assert (intake.new_blocks, looked) == (10, [])
        monkeypatch.undo()
        assert forks.is_settled(tx.connection, bakery.stream)


# Our own streams.


def a_fork_of_ours(tx: Transaction, *, are_theirs_lower: bool) -> tuple[Chain, bytes]:
    """A stream of ours that goes on here with 5 kg, sealed, and elsewhere with something else."""
    roster, ours = a_roster(BAKERY), Chain(BAKERY, b"bakery-1")
    ours.write(a_lot_fact(1_000))
    theirs = cloned(ours)
    mine = ours.write(a_lot_fact(5_000))
    take(tx, *roster.frames, *ours.frames)
    tx.connection.execute("UPDATE writer SET witness = 'here'")
    for quantity in range(2_000, 3_000):
        clone = cloned(theirs)
        frame = clone.write(a_lot_fact(quantity))
        if (hash_of(frame) < hash_of(mine)) == are_theirs_lower:
            return clone, frame
    raise AssertionError("no hash on that side")


def test_a_fork_of_our_own_stream_ends_it_and_the_next_act_opens_another() -> None:
    with an_observer(BAKERY, b"bakery-1") as tx:
        clone, frame = a_fork_of_ours(tx, are_theirs_lower=False)
        take(tx, frame)
        assert lots(tx) == [1_000, 5_000]
        assert Appender(tx).append(a_lot_fact(7_000), 0).dot.stream != clone.stream


def test_what_staff_saw_saved_counts_once_where_another_branch_of_ours_is_folded() -> None:
    with an_observer(BAKERY, b"bakery-1") as tx:
        clone, frame = a_fork_of_ours(tx, are_theirs_lower=True)
        appender = Appender(tx)
        lot = read_frame(frame).header.first_seq  # our own lot of 5 kg has the same name as theirs
        appender.append(a_sale_fact(clone.next_dot._replace(seq=lot), 300), 0)
        take(tx, frame)
        # Theirs is whole, ours was said again with its sale.
        assert lots(tx) == sorted([1_000, quantity_in(frame), 4_700])
        settled = tx.connection.execute("SELECT is_taken FROM fork_settled").fetchall()
        assert settled == [(1,)]
        assert state_digest(tx.connection) == chain.refold(tx.connection, tx.connection)
        before = lots(tx)
        take(tx, frame)
        assert before == lots(tx)


def test_facts_of_a_branch_that_goes_on_after_it_was_taken_over_are_not_said_again_twice() -> None:
    with an_observer(BAKERY, b"bakery-1") as tx:
        clone, frame = a_fork_of_ours(tx, are_theirs_lower=False)
        take(tx, frame)
        (branch,) = uncounted_branches(tx.connection)
        assert take_over(tx, who=0, tip=branch.tip) == 1
        before = lots(tx)
        take(tx, clone.write(a_lot_fact(7_000), a_lot_fact(8_000)))
        (branch,) = uncounted_branches(tx.connection)
        assert (branch.state, branch.blocks, branch.facts) == (OPEN, 1, 2)
        assert take_over(tx, who=0, tip=branch.tip) == 2
        assert lots(tx) == sorted([*before, 7_000, 8_000])
        assert [row.state for row in uncounted_branches(tx.connection)] == [TAKEN]


def test_facts_about_what_was_taken_over_before_are_not_said_about_something_else() -> None:
    with an_observer(BAKERY, b"bakery-1") as tx:
        clone, frame = a_fork_of_ours(tx, are_theirs_lower=False)
        lot = Dot(clone.stream, read_frame(frame).header.first_seq)
        take(tx, frame)
        take_over(tx, who=0, tip=hash_of(frame))
        before = lots(tx)
        # In the branch that counts the same name is another lot.
        sale = clone.write(a_sale_fact(lot, 500))
        take(tx, sale)
        with pytest.raises(Refused) as refused:
            take_over(tx, who=0, tip=hash_of(sale))
        assert refused.value.error_id == "fork.goes_on"
        assert lots(tx) == before
        dismiss(tx, who=0, tip=hash_of(sale), reason="counted the shelf")
        assert lots(tx) == before


def test_our_own_branches_come_first_however_many_another_market_makes() -> None:
    with an_observer(BAKERY, b"bakery-1") as tx:
        _clone, frame = a_fork_of_ours(tx, are_theirs_lower=False)
        take(tx, *a_roster(BAKERY, AARDVARK).frames, frame)
        for number in range(FORKED_STREAMS_MAX):
            one = Chain(AARDVARK, b"fork-%03d" % number)
            one.write(a_lot_fact())
            other = cloned(one)
            take(tx, *one.frames, one.write(a_lot_fact()), other.write(a_lot_fact(2_000)))
        rows = uncounted_branches(tx.connection)
        assert (rows[0].is_ours, len(rows)) == (True, FORKED_STREAMS_MAX)


def quantity_in(frame: bytes) -> int:
    header = read_frame(frame).header
    body = decode_body(
        read_frame(frame).body,
        stream=header.stream,
        first_seq=header.first_seq,
        count=header.event_count,
        hlc_base=header.hlc_base,
    )
    return int(body.events[0].fact.quantity_milli)  # type: ignore[union-attr]


def test_verify_checks_the_branches_that_are_not_folded_as_well() -> None:
    with an_observer(BAKERY, b"bakery-1") as tx:
        _clone, frame = a_fork_of_ours(tx, are_theirs_lower=False)
        take(tx, frame)
        chain.verify(tx.connection)
        altered = bytearray(frame)
        altered[50] ^= 1
        tx.connection.execute("UPDATE quarantine SET frame = ?", (bytes(altered),))
        with pytest.raises(LocalFault) as fault:
            chain.verify(tx.connection)
        assert fault.value.values["n"] == 1


def test_verify_sees_that_another_branch_than_the_chosen_one_is_folded() -> None:
    with an_observer(BAKERY, b"bakery-1") as tx:
        _clone, frame = a_fork_of_ours(tx, are_theirs_lower=False)
        take(tx, frame)
        frames = tx.connection.execute(
            "SELECT q.frame, b.frame FROM quarantine q JOIN block b USING (stream, n)"
        ).fetchone()
        other, chosen = map(read_frame, frames)
        for table, old, new in (("block", chosen, other), ("quarantine", other, chosen)):
            tx.connection.execute(
                f"UPDATE {table} SET frame = ?, hash = ?, stream = stream WHERE hash = ?",
                (new.frame, new.block_hash, old.block_hash),
            )
        tx.connection.execute("UPDATE head SET hash = ? WHERE hash = ?", (other.block_hash, chosen.block_hash))
        chain.refold(tx.connection, tx.connection)
        with pytest.raises(LocalFault) as fault:
            chain.verify(tx.connection)
        assert fault.value.values["check"] == "branch"


# What is said of them.


def test_whoever_sees_a_fork_says_it_once() -> None:
    bakery = Chain(BAKERY, b"bakery-1")
    bakery.write(a_lot_fact())
    clones = [cloned(bakery) for _clone in range(3)]
    for number, clone in enumerate(clones):
        clone.write(a_lot_fact(1_000 + number))
    with an_observer(DAIRY, b"dairy-1.") as tx:
        ours = Chain(DAIRY, b"dairy-1.")
        ours.write(a_lot_fact())
        take(tx, *a_roster(BAKERY, DAIRY).frames, *ours.frames)
        tx.connection.execute("UPDATE writer SET witness = 'here'")
        intake = take(tx, *clones[0].frames, *clones[1].frames)
        assert note_forks(tx, intake.forked) == 1
        intake = take(tx, *clones[2].frames)
        assert (intake.forked, note_forks(tx, [bakery.stream])) == (frozenset(), 0)
        assert tx.connection.execute("SELECT forked, n FROM fork_seen").fetchall() == [(bakery.stream, 1)]


def test_a_member_that_forks_without_end_is_noted_so_many_times() -> None:
    with an_observer(DAIRY, b"dairy-1.") as tx:
        ours = Chain(DAIRY, b"dairy-1.")
        ours.write(a_lot_fact())
        take(tx, *a_roster(BAKERY, DAIRY).frames, *ours.frames)
        tx.connection.execute("UPDATE writer SET witness = 'here'")
        for number in range(FORKS_NOTED_PER_MEMBER_MAX + 2):
            one = Chain(BAKERY, b"forked%d" % number)
            two = cloned(one)
            one.write(a_lot_fact(1_000))
            two.write(a_lot_fact(2_000))
            note_forks(tx, take(tx, *one.frames, *two.frames).forked)
        assert tx.connection.execute("SELECT count(*) FROM fork_seen").fetchone() == (FORKS_NOTED_PER_MEMBER_MAX,)
