"""Beacons, ours and theirs: when one is sent, and what one that is heard changes."""

from __future__ import annotations

from itertools import pairwise

from node.sync import effects as fx
from node.sync.effects import FreeSpace, Kind
from node.sync.messages import build_topic, encode_frames
from tests.node.sync.bench import GROUP, OURS, Bench, claim, heard, published, questions


def test_the_beacon_comes_every_fifteen_seconds_give_or_take_thirty_percent() -> None:
    bench = Bench()
    times = []
    for _ in range(3000):
        bench.now_s += 0.1
        times += [bench.now_s for _ in published(bench.tell(fx.TimerDue("sync")), Kind.HEAD)]
    gaps = [later - before for before, later in pairwise(times)]
    assert 10.4 < min(gaps) < max(gaps) < 19.7
    assert max(gaps) - min(gaps) > 2


def test_a_change_is_told_soon_but_never_twice_within_a_second() -> None:
    bench = Bench()
    bench.after(5)
    sent = []
    for _ in range(50):
        bench.now_s += 0.1
        frame = bench.store.append(bench.key, OURS, b"sold")
        effects = bench.tell(fx.Appended((frame,), {OURS: bench.store.states[OURS]}, OURS))
        sent += [(bench.now_s, head) for head in published(effects, Kind.HEAD)]
    assert 4 <= len(sent) <= 6
    assert all(head.qos == 1 and head.is_retained for _at, head in sent)


def test_nothing_is_published_before_a_link_is_up() -> None:
    bench = Bench(start=False)
    started = fx.Started(dict(bench.store.states), dict(bench.store.members), OURS, 2, FreeSpace.PLENTY, "0.1.0")
    assert published(bench.tell(started) + bench.after(40), Kind.HEAD) == []
    assert len(published(bench.tell(fx.LinkUp("shared")), Kind.HEAD)) == 1


def test_a_node_that_lost_count_goes_on_above_its_own_older_beacon() -> None:
    old = Bench()
    old.after(60)
    last = published(old.effects, Kind.HEAD)[-1].payload
    bench = Bench()
    # A peer gives it back, or a broker has kept it: both are signed by ourselves.
    for kind, to in ((Kind.HEAD, None), (Kind.GIVE, None)):
        bench = Bench()
        publisher = bench.key.origin if kind is Kind.HEAD else bench.members[0].key.origin
        topic = build_topic(GROUP, kind, publisher, bench.my_id if kind is Kind.GIVE else to)
        bench.tell(fx.Received("shared", topic, last, is_retained=kind is Kind.HEAD))
        newest = published(bench.after(2), Kind.HEAD)[-1].payload
        assert int.from_bytes(newest[2:10], "little") > int.from_bytes(last[2:10], "little")


def test_a_peer_that_lost_count_is_shown_its_newest_beacon_but_not_again_and_again() -> None:
    bench = Bench()
    member = bench.members[0]
    newest = member.beacon(counter=900)
    bench.receive(member, Kind.HEAD, newest)
    effects = bench.receive(member, Kind.HEAD, member.beacon(counter=1))
    assert [give.payload for give in published(effects, Kind.GIVE)] == [newest]
    assert published(bench.receive(member, Kind.HEAD, member.beacon(counter=2)), Kind.GIVE) == []
    assert heard(effects) == []


def test_a_peer_is_heard_by_a_live_beacon_with_a_higher_counter_only() -> None:
    bench = Bench()
    member = bench.members[0]
    retained = member.beacon(counter=10)
    assert heard(bench.receive(member, Kind.HEAD, retained, is_retained=True)) == []
    assert heard(bench.receive(member, Kind.HEAD, retained)) == []
    assert heard(bench.receive(member, Kind.HEAD, member.beacon(counter=9))) == []
    assert [one.counter for one in heard(bench.receive(member, Kind.HEAD, member.beacon(counter=11)))] == [11]


def test_a_replayed_beacon_only_adds_to_what_a_peer_is_known_to_have() -> None:
    bench = Bench()
    member = bench.members[0]
    member.seal(3)
    newer, older = member.beacon(counter=20), member.beacon(counter=10, claims=[claim(b"elsewher", 4)])
    bench.receive(member, Kind.HEAD, newer)
    effects = bench.receive(member, Kind.HEAD, older) + bench.after(0.3)
    asked = {one.stream: one.end for _to, ranges in questions(effects) for one in ranges.ranges}
    assert asked == {member.stream: 3, b"elsewher": 4}


def test_the_screen_is_told_what_is_missing_here_and_there() -> None:
    bench = Bench()
    member = bench.members[0]
    member.seal(3)
    (one,) = heard(bench.hear(member))
    assert (one.missing_here, one.missing_there) == (3, 1)
    assert (one.our_stream, one.our_blocks, one.is_ahead_of_us) == (OURS, 0, False)
    member.store.receive(0, bench.store.streams[OURS])
    (two,) = heard(bench.hear(member))
    assert (two.our_blocks, two.missing_there) == (1, 0)


def test_a_peer_with_more_of_our_own_stream_proves_that_we_were_rolled_back() -> None:
    bench = Bench()
    (one,) = heard(bench.hear(bench.members[0], claims=[claim(OURS, 7)]))
    assert one.is_ahead_of_us


def test_a_clock_two_hundred_years_off_changes_only_what_is_shown() -> None:
    unset, trusted = Bench(), Bench()
    shown = []
    asked = []
    for bench, clock in ((unset, 0), (trusted, 2)):
        bench.members[0].seal(2)
        effects = bench.hear(bench.members[0], clock=clock)
        shown.append(heard(effects)[0].clock)
        asked.append(questions(effects))
    assert shown == [0, 2]
    assert asked[0] == asked[1] != []


def test_a_broker_that_says_goodbye_for_a_peer_only_changes_the_screen() -> None:
    bench = Bench()
    effects = bench.receive(bench.members[0], Kind.BYE, b"")
    assert [one for one in effects if not isinstance(one, fx.SetTimer)] == [fx.PeerLeft(bench.members[0].key.origin)]


def test_a_stream_is_named_only_once_it_has_a_block_of_its_owner() -> None:
    """A name that is seen before could be taken by whoever signs a first block under it."""
    bench = Bench()
    new = b"opening!"
    bench.tell(fx.Appended((), {}, new))
    payloads = [head.payload for head in published(bench.after(40), Kind.HEAD)]
    assert payloads
    assert not any(new in payload for payload in payloads)
    frame = bench.store.append(bench.key, new, b"opened")
    bench.tell(fx.Appended((frame,), {new: bench.store.states[new]}, new))
    assert new in published(bench.after(40), Kind.HEAD)[-1].payload


def test_what_a_peer_had_beyond_us_is_said_to_be_here_as_soon_as_it_is() -> None:
    bench = Bench()
    member = bench.members[0]
    frames = member.seal(2)
    assert heard(bench.hear(member))[0].missing_here == 2
    effects = bench.receive(member, Kind.BLOCKS, encode_frames(frames)) + bench.after(1)
    assert fx.CaughtUp(member.key.origin) in effects
    assert fx.CaughtUp(bench.members[1].key.origin) not in effects
