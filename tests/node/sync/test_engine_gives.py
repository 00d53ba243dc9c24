"""Giving: whole, bounded, and nothing that is not on the disk."""

from __future__ import annotations

from node.ledger.heads import BlockRange
from node.sync import effects as fx
from node.sync.effects import Kind
from node.sync.messages import (
    PAYLOAD_BYTES_MAX,
    decode_frames,
)
from tests.node.sync.bench import OURS, Bench, dropped, published


def test_a_question_for_what_is_not_here_is_answered_with_nothing_at_once() -> None:
    bench = Bench()
    (give,) = published(bench.pull(bench.members[0], BlockRange(b"nowhere!", 0, 3)), Kind.GIVE)
    assert (decode_frames(give.payload).frames, decode_frames(give.payload).is_last) == ((), True)


def test_a_large_answer_is_cut_and_says_so() -> None:
    bench = Bench()
    for _ in range(30):
        bench.store.append(bench.key, OURS, bytes(16_000))
    bench.tell(fx.Appended((), {OURS: bench.store.states[OURS]}, OURS))
    gives = published(bench.pull(bench.members[0], BlockRange(OURS, 0, 31)), Kind.GIVE)
    messages = [decode_frames(give.payload) for give in gives]
    assert all(len(give.payload) <= PAYLOAD_BYTES_MAX for give in gives)
    assert sum(len(give.payload) for give in gives) <= 257 * 1024
    assert [one.is_last for one in messages] == [False] * (len(messages) - 1) + [True]
    assert messages[-1].is_cut


def test_a_question_to_everybody_is_left_alone_once_the_requester_has_it() -> None:
    for has_it in (True, False):
        bench = Bench()
        requester = bench.members[0]
        effects = bench.pull(requester, BlockRange(OURS, 0, 1), to="any")
        assert published(effects, Kind.GIVE) == []
        if has_it:
            requester.store.receive(0, bench.store.streams[OURS])
        effects = bench.receive(requester, Kind.HEAD, requester.beacon()) + bench.after(2.1)
        assert len(published(effects, Kind.GIVE)) == (0 if has_it else 1)


def test_a_member_gets_sixty_four_answers_a_minute_and_no_more() -> None:
    bench = Bench()
    effects = []
    for _ in range(200):
        bench.now_s += 0.05
        effects += bench.pull(bench.members[0], BlockRange(OURS, 0, 1))
    # 64 at once and one more for each of the ten seconds.
    assert 64 <= len(published(effects, Kind.GIVE)) <= 76
    assert set(dropped(effects)) == {"too many pulls"}
    assert len(published(bench.pull(bench.members[1], BlockRange(OURS, 0, 1)), Kind.GIVE)) == 1


def test_a_member_gets_one_mebibyte_a_second_and_no_more() -> None:
    bench = Bench()
    for _ in range(30):
        bench.store.append(bench.key, OURS, bytes(16_000))
    bench.tell(fx.Appended((), {OURS: bench.store.states[OURS]}, OURS))
    effects = []
    for _ in range(40):
        effects += bench.pull(bench.members[0], BlockRange(OURS, 0, 31)) + bench.after(0.1)
    size = sum(len(give.payload) for give in published(effects, Kind.GIVE))
    assert size <= (4 + 1) * 1024 * 1024 + 2 * 256 * 1024
    assert "out queue full" in dropped(effects)
