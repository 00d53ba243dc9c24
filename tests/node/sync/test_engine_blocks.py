"""Blocks that come and go: nothing is claimed or given before it is on the disk."""

from __future__ import annotations

from node.ledger.heads import BlockRange
from node.ledger.names import node_id
from node.sync import effects as fx
from node.sync.effects import Kind
from node.sync.messages import (
    PAYLOAD_BYTES_MAX,
    decode_frames,
    encode_frames,
)
from tests.node.sync.bench import OURS, ROSTER, Bench, dropped, published, questions
from tests.simulation.store import CheapKey


def test_own_blocks_are_published_at_once_in_messages_that_fit() -> None:
    bench = Bench()
    frames = tuple(bench.store.append(bench.key, OURS, bytes(9_000)) for _ in range(10))
    sent = published(bench.tell(fx.Appended(frames, {OURS: bench.store.states[OURS]}, OURS)), Kind.BLOCKS)
    assert frames == tuple(frame for one in sent for frame in decode_frames(one.payload).frames)
    assert all(len(one.payload) <= PAYLOAD_BYTES_MAX and one.qos == 1 and not one.is_retained for one in sent)


def test_more_than_four_mebibytes_at_once_are_left_to_those_who_ask() -> None:
    bench = Bench()
    frames = tuple(bench.store.append(bench.key, OURS, bytes(16_000)) for _ in range(400))
    effects = bench.tell(fx.Appended(frames, {OURS: bench.store.states[OURS]}, OURS))
    assert sum(len(one.payload) for one in published(effects, Kind.BLOCKS)) <= 4 * 1024 * 1024
    assert dropped(effects) == ["out queue full"]


def test_a_received_frame_is_never_published_again_unless_asked_for() -> None:
    bench = Bench()
    member, other = bench.members
    frames = member.seal(3)
    effects = bench.receive(member, Kind.BLOCKS, encode_frames(frames)) + bench.after(60)
    assert bench.store.states[member.stream].blocks == 3
    assert published(effects, Kind.BLOCKS) == published(effects, Kind.GIVE) == []
    (give,) = published(bench.pull(other, BlockRange(member.stream, 1, 3)), Kind.GIVE)
    assert tuple(frames[1:]) == decode_frames(give.payload).frames
    assert give.to == node_id(other.key.origin)


def test_a_frame_that_comes_twice_goes_to_the_disk_once() -> None:
    bench = Bench()
    bench.is_storing = False
    (frame,) = bench.members[0].seal()
    payload = encode_frames([frame])
    first = bench.receive(bench.members[0], Kind.BLOCKS, payload)
    again = bench.receive(bench.members[0], Kind.BLOCKS, payload) + bench.receive(
        bench.members[1], Kind.BLOCKS, payload
    )
    assert [one.frames for one in first if isinstance(one, fx.Persist)] == [(frame,)]
    assert [one for one in again if isinstance(one, fx.Persist)] == []


def test_a_beacon_claims_what_was_received_only_once_it_is_on_the_disk() -> None:
    bench = Bench()
    bench.is_storing = False
    member = bench.members[0]
    effects = bench.receive(member, Kind.BLOCKS, encode_frames(member.seal(2))) + bench.after(40)
    assert all(member.stream not in head.payload for head in published(effects, Kind.HEAD))
    (persist,) = [one for one in effects if isinstance(one, fx.Persist)]
    effects = bench.tell(bench.store.receive(persist.token, persist.frames)) + bench.after(1.1)
    assert member.stream in published(effects, Kind.HEAD)[-1].payload


def test_what_could_not_be_stored_is_not_claimed_and_is_asked_for_later() -> None:
    bench = Bench()
    bench.is_storing = False
    member = bench.members[0]
    member.seal(2)
    effects = bench.receive(member, Kind.BLOCKS, encode_frames(member.store.streams[member.stream]))
    (persist,) = [one for one in effects if isinstance(one, fx.Persist)]
    effects = bench.tell(fx.PersistFailed(persist.token, "disk full"))
    assert published(effects, Kind.HEAD) == []
    bench.is_storing = True
    effects = bench.hear(member) + bench.after(3)
    ((_to, asked),) = questions(effects)[:1]
    bench.give(member, member.store.streams[member.stream], asked.request)
    assert bench.store.states[member.stream].blocks == 2


def test_a_batch_holds_at_most_fifty_blocks_and_the_next_waits_for_it() -> None:
    bench = Bench()
    bench.is_storing = False
    frames = bench.members[0].seal(120)
    effects = bench.receive(bench.members[0], Kind.BLOCKS, encode_frames(frames))
    (persist,) = [one for one in effects if isinstance(one, fx.Persist)]
    assert len(persist.frames) == 50
    bench.is_storing = True
    bench.tell(bench.store.receive(persist.token, persist.frames))
    assert bench.store.states[bench.members[0].stream].blocks == 120


def test_a_gap_is_asked_for_at_whoever_sent_what_lies_beyond_it() -> None:
    bench = Bench()
    member = bench.members[0]
    frames = member.seal(3)
    effects = bench.receive(member, Kind.BLOCKS, encode_frames(frames[2:])) + bench.after(0.3)
    ((to, asked),) = questions(effects)
    assert (to, asked.ranges) == (node_id(member.key.origin), (BlockRange(member.stream, 0, 3),))


def test_a_damaged_copy_does_not_stand_in_the_way_of_the_right_one() -> None:
    bench = Bench()
    bench.is_storing = False
    member = bench.members[0]
    (frame,) = member.seal()
    damaged = frame[:-1] + bytes([frame[-1] ^ 1])
    bench.receive(bench.members[1], Kind.BLOCKS, encode_frames([damaged]))
    bench.receive(member, Kind.BLOCKS, encode_frames([frame]))
    bench.is_storing = True
    (persist,) = [one for one in bench.effects if isinstance(one, fx.Persist)]
    bench.tell(bench.store.receive(persist.token, persist.frames))
    assert bench.store.states[member.stream].blocks == 1


def test_a_block_refused_for_an_unknown_author_is_judged_again_when_the_roster_grew() -> None:
    bench = Bench()
    newcomer = CheapKey(77)
    frame = bench.members[0].store.append(newcomer, b"newcomer", b"opened")
    bench.receive(bench.members[0], Kind.BLOCKS, encode_frames([frame]))
    assert b"newcomer" not in bench.store.states
    roster = bench.members[0].store
    roster.append(bench.key, ROSTER, newcomer.public_key)
    bench.receive(bench.members[0], Kind.BLOCKS, encode_frames(roster.streams[ROSTER][-1:]))
    bench.receive(bench.members[0], Kind.BLOCKS, encode_frames([frame]))
    assert bench.store.states[b"newcomer"].blocks == 1


def test_another_last_block_of_a_stream_goes_to_the_disk_as_evidence_of_a_fork() -> None:
    bench = Bench()
    member, other = bench.members
    bench.receive(member, Kind.BLOCKS, encode_frames(member.seal(2)))
    forked = [other.store.append(member.key, member.stream, b"other %d" % n) for n in range(2)]
    effects = bench.receive(other, Kind.BLOCKS, encode_frames(forked))
    assert [one.frames for one in effects if isinstance(one, fx.Persist)] == [(forked[1],)]
    again = bench.receive(other, Kind.BLOCKS, encode_frames(forked))
    assert [one for one in again if isinstance(one, fx.Persist)] == []


def test_a_stream_cut_back_by_a_retirement_is_claimed_no_further() -> None:
    bench = Bench()
    bench.is_storing = False
    member = bench.members[0]
    effects = bench.receive(member, Kind.BLOCKS, encode_frames(member.seal(3)))
    (persist,) = [one for one in effects if isinstance(one, fx.Persist)]
    bench.tell(bench.store.receive(persist.token, persist.frames))
    bench.after(2)
    gone = bench.store.states[member.stream]._replace(blocks=0, events=0)
    effects = bench.tell(fx.Appended((), {member.stream: gone}, OURS)) + bench.after(1.1)
    assert member.stream not in published(effects, Kind.HEAD)[-1].payload
