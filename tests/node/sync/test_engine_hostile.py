"""What is not right is dropped, counted, and does nothing else."""

from __future__ import annotations

import pytest

from node.ledger.names import node_id
from node.sync import effects as fx
from node.sync.effects import Kind
from node.sync.messages import (
    PAYLOAD_BYTES_MAX,
    build_topic,
    encode_frames,
)
from tests.node.sync.bench import GROUP, Bench, claim, dropped, heard, published, questions
from tests.simulation.store import CheapKey


@pytest.mark.parametrize(
    ("reason", "change"),
    [
        ("topic", {"topic": "larder/1/x"}),
        ("group", {"group": bytes(16)}),
        ("unknown publisher", {"publisher": bytes(16)}),
        ("own", {"publisher": CheapKey(0).origin}),
        ("retained", {"is_retained": True}),
        ("too long", {"payload": b"\x01" + bytes(PAYLOAD_BYTES_MAX)}),
        ("kind", {"payload": b""}),
        ("kind", {"payload": b"\x03" + bytes(20)}),
        ("kind", {"payload": b"\x05" + bytes(20)}),
        ("frames", {"payload": b"\x01\0\0\0\0\0garbage"}),
        ("frames", {"payload": b"\x01\0\0\0\0\xff"}),
        ("not for us", {"kind": Kind.GIVE, "to": node_id(bytes(16))}),
    ],
)
def test_what_is_not_right_is_dropped_and_does_nothing_else(reason: str, change: dict) -> None:
    bench = Bench()
    bench.after(3)
    member = bench.members[0]
    topic = change.get("topic") or build_topic(
        change.get("group", GROUP),
        change.get("kind", Kind.BLOCKS),
        change.get("publisher", member.key.origin),
        change.get("to"),
    )
    payload = change.get("payload", encode_frames(member.seal()))
    effects = bench.tell(fx.Received("shared", topic, payload, change.get("is_retained", False)))
    assert [one.reason for one in effects if not isinstance(one, fx.SetTimer)] == [reason]


def test_a_forged_beacon_is_dropped_and_its_claims_with_it() -> None:
    bench = Bench()
    member, other = bench.members
    forged = other.beacon(claims=[claim(b"forged!!", 9)])
    effects = bench.receive(member, Kind.HEAD, forged) + bench.after(5)
    assert dropped(effects) == ["signature"]
    assert questions(effects) == heard(effects) == []


def test_a_flood_of_beacons_is_not_even_verified() -> None:
    bench = Bench()
    effects = []
    for _ in range(300):
        bench.now_s += 0.001
        effects += bench.receive(bench.members[0], Kind.HEAD, bench.members[0].beacon())
    assert dropped(effects).count("flood") > 270


def test_a_flood_in_our_own_name_is_not_verified_without_end() -> None:
    bench = Bench()
    forged = bytearray(bench.members[0].beacon(counter=1 << 62))
    verified = []
    bench.engine._reading._is_signed = lambda *parts: bool(verified.append(parts))
    for number in range(300):
        bench.now_s += 0.001
        forged[20] = number % 256
        bench.tell(fx.Received("shared", build_topic(GROUP, Kind.HEAD, bench.key.origin), bytes(forged), False))
    assert 0 < len(verified) < 30


def test_a_flood_of_frames_fills_only_its_senders_part_of_the_queue() -> None:
    bench = Bench()
    bench.is_storing = False
    flooder, honest = bench.members
    for number in range(2_000):
        bench.now_s += 0.01
        frames = flooder.seal(1, stream=number.to_bytes(8, "big"), size=16_000)
        bench.receive(flooder, Kind.BLOCKS, encode_frames(frames))
    assert dropped(bench.effects).count("in queue full") > 1_800
    (frame,) = honest.seal()
    assert dropped(bench.receive(honest, Kind.BLOCKS, encode_frames([frame]))) == []
    # It is stored with the next batches, before the flood is through.
    (persist,) = [one for one in bench.effects if isinstance(one, fx.Persist)]
    bench.is_storing = True
    bench.tell(bench.store.receive(persist.token, persist.frames))
    assert bench.store.states[honest.stream].blocks == 1


def test_a_person_who_wants_it_now_gets_the_beacon_and_the_questions_now() -> None:
    bench = Bench(members=1)
    member = bench.members[0]
    ((_to, asked),) = questions(bench.hear(member, claims=[claim(b"perhaps!", 1)]))
    for _ in range(6):
        for _to, again in questions(bench.give(member, [], asked.request) + bench.after(40)):
            bench.give(member, [], again.request)
    bench.after(2)
    effects = bench.tell(fx.SyncAsked())
    assert len(published(effects, Kind.HEAD)) == 1
    assert len(questions(effects)) == 1
