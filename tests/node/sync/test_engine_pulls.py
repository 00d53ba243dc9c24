"""Asking: whom, in what order, and what becomes of those who promise what they do not have."""

from __future__ import annotations

from node.ledger.heads import BlockRange
from node.ledger.names import node_id
from node.sync import effects as fx
from node.sync.effects import FreeSpace, Kind
from node.sync.messages import (
    ListedHeads,
    decode_heads,
    encode_bucket_digests,
    encode_heads,
)
from node.sync.peers import RETRIES_BEFORE_GIVING_UP
from tests.node.sync.bench import ROSTER, Bench, claim, dropped, published, questions
from tests.simulation.store import CheapKey


def test_the_roster_is_asked_for_before_everything_else() -> None:
    bench = Bench()
    member = bench.members[0]
    member.seal(2)
    member.store.append(bench.key, ROSTER, CheapKey(50).public_key)
    ((_to, first),) = questions(bench.hear(member))
    assert [one.stream for one in first.ranges] == [ROSTER]
    effects = bench.give(member, member.store.streams[ROSTER][-1:], first.request) + bench.after(0.2)
    ((_to, then),) = questions(effects)
    assert [one.stream for one in then.ranges] == [member.stream]


def test_a_false_roster_holds_the_rest_up_only_for_one_question() -> None:
    bench = Bench()
    liar, honest = bench.members
    honest.seal(2)
    ((_to, asked),) = questions(bench.hear(liar, claims=[claim(b"fakelist", 9, is_roster=True)]))
    bench.give(liar, [], asked.request)
    effects = bench.hear(honest) + bench.after(0.3)
    assert [one.stream for _to, ranges in questions(effects) for one in ranges.ranges] == [honest.stream]


def test_one_peer_is_asked_then_another_then_everybody_then_nobody() -> None:
    bench = Bench(members=3)
    for member in bench.members:
        bench.receive(member, Kind.HEAD, member.beacon(claims=[claim(b"sought!!", 2)]))
    asked = [to for to, _ranges in questions(bench.after(10))]
    names = {node_id(member.key.origin) for member in bench.members}
    assert asked[0] in names
    assert asked[1] in names - {asked[0]}
    assert asked[2] == "any"


def test_a_peer_that_claims_what_it_cannot_give_is_asked_ever_more_rarely() -> None:
    bench = Bench(members=1)
    liar = bench.members[0]
    asked = 0
    for minute in range(120):
        for to, ranges in questions(bench.hear(liar, claims=[claim(b"nothing!", 5 + minute)]) + bench.after(59.7)):
            if to != "any":
                asked += 1
                bench.give(liar, [], ranges.request)
    assert asked <= RETRIES_BEFORE_GIVING_UP + 4


def test_honest_peers_are_asked_for_what_the_liar_did_not_give() -> None:
    bench = Bench()
    liar, honest = bench.members
    honest.seal(2)
    ((_to, first),) = questions(bench.hear(liar, claims=[claim(honest.stream, 2)]))
    bench.give(liar, [], first.request)
    ((to, _ranges),) = questions(bench.hear(honest))
    assert to == node_id(honest.key.origin)


def test_at_most_four_questions_are_out() -> None:
    bench = Bench(members=9)
    effects = []
    for number, member in enumerate(bench.members):
        effects += bench.receive(member, Kind.HEAD, member.beacon(claims=[claim(b"stream%02d" % number, 5)]))
    assert len(questions(effects + bench.after(1.5))) == 4


def test_an_answer_that_is_cut_is_gone_on_with() -> None:
    bench = Bench(members=1)
    member = bench.members[0]
    frames = member.seal(5)
    ((_to, first),) = questions(bench.hear(member))
    effects = bench.give(member, frames[:2], first.request, is_cut=True) + bench.after(0.3)
    ((_to, then),) = questions(effects)
    assert then.ranges == (BlockRange(member.stream, 2, 5),)


def test_a_full_disk_stops_asking_for_everything_but_the_roster() -> None:
    bench = Bench(members=1, free_space=FreeSpace.LOW)
    member = bench.members[0]
    member.seal(2)
    assert questions(bench.hear(member) + bench.after(5)) == []
    effects = bench.tell(fx.ConditionsChanged(2, FreeSpace.PLENTY)) + bench.after(2)
    assert len(questions(effects)) >= 1


def test_many_streams_are_compared_by_buckets() -> None:
    bench = Bench(members=1)
    member = bench.members[0]
    for number in range(100):
        member.seal(1, stream=bytes([number]) + b"-stream")
    effects = bench.receive(member, Kind.HEAD, member.beacon())
    (pull,) = [one for one in published(effects, Kind.PULL) if one.payload[0] == 4]
    assert len(pull.payload) == 1 + 64 * 8
    # The other side of it: our own list answers digests that differ.
    (give,) = published(
        bench.receive(member, Kind.PULL, encode_bucket_digests([bytes(8)] * 64), to=bench.my_id), Kind.GIVE
    )
    listed = decode_heads(give.payload)
    assert {one.stream for one in listed.claims} == set(bench.store.states)
    assert listed.buckets == frozenset(range(64))


def test_heads_that_nobody_asked_for_are_dropped() -> None:
    bench = Bench()
    payload = encode_heads(ListedHeads(frozenset(), (claim(b"unasked!", 3),)))
    assert dropped(bench.receive(bench.members[0], Kind.GIVE, payload, to=bench.my_id)) == ["unasked"]
