"""Host and board over good and hostile lines: what was produced is stored, once, in order."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from firmware_bridge.link.events import (
    CommandAnswered,
    DescriptionsHeard,
    NamelessHeard,
    NewerLinkHeard,
    StateChanged,
    UptimeHeard,
)
from firmware_bridge.link.framing import encode_frame
from firmware_bridge.link.messages import STATUS_MERGED, Ack, Data, Hello, Op, TimeReq, encode
from firmware_bridge.link.receiver import device_receiver
from firmware_bridge.link.reconcile import Stored, reconcile
from firmware_bridge.link.session import RECORDS_PER_SECOND_MAX, RECORDS_WAITING_MAX, HostSession
from firmware_bridge.link.states import TRANSITIONS, Happening, State
from tests.firmware_bridge.link.simulated import UID, World, a_door_desc, a_temperature_desc, a_world


def assert_all_stored_once(world: World) -> None:
    values = [value for _, _, value in world.host.rows]
    assert world.produced == values
    seqs = [seq for _, seq, _ in world.host.rows]
    assert list(range(seqs[0], seqs[0] + len(seqs))) == seqs


def a_hello(boot: int = 9, tail: int = 0, head: int = 0, now_ms: int = 5000) -> Hello:
    return Hello(
        boot=boot,
        tail=tail,
        head=head,
        now_ms=now_ms,
        dropped_total=0,
        uid=UID,
        firmware=1,
        channels=0,
        reset_cause=1,
        is_ring_kept=False,
        desc_crc=0,
        ring_records=4096,
    )


def a_linked_session(now_ms: int = 0) -> HostSession:
    session = HostSession()
    session.opened(now_ms)
    session.receive(encode_frame(encode(a_hello())), now_ms)
    session.reconciled(a_hello(), 0, 0, now_ms)
    session.take_output()
    return session


def data_frame(first_seq: int, count: int, *, boot: int = 9, status: int = 0) -> bytes:
    records = [(index, 0, status, first_seq + index) for index in range(count)]
    return encode_frame(encode(Data(boot, first_seq % (1 << 32), 1000, records)))


def sent_by(session: HostSession) -> list[object]:
    return list(device_receiver().receive(session.take_output(), 0))


def acks_of(session: HostSession) -> list[tuple[int, int]]:
    return [(message.next_seq, message.seen_seq) for message in sent_by(session) if isinstance(message, Ack)]


@pytest.mark.parametrize(("state", "happening"), list(itertools.product(State, Happening)))
def test_every_state_says_what_every_happening_does(state: State, happening: Happening) -> None:
    assert isinstance(TRANSITIONS[state, happening], State)


def test_the_table_has_no_entry_beyond_states_and_happenings() -> None:
    assert len(State) * len(Happening) == len(TRANSITIONS)


def test_a_lost_port_is_absent_from_every_state() -> None:
    assert {State.ABSENT} == {TRANSITIONS[state, Happening.LOST] for state in State}


def test_a_board_is_linked_described_and_dated_within_a_second() -> None:
    world = a_world()
    world.run(1000)
    assert world.states() == ["probing", "linked"]
    described = [event for event in world.host.events if isinstance(event, DescriptionsHeard)]
    assert [(a_temperature_desc(), a_door_desc())] == [event.descriptions for event in described]
    assert any(isinstance(event, UptimeHeard) for event in world.host.events)


def test_descriptions_arrive_before_the_first_record() -> None:
    world = a_world()
    for _ in range(50):
        world.produce()
    world.run(2000)
    kinds = [type(event).__name__ for event in world.host.events]
    assert kinds.index("DescriptionsHeard") < kinds.index("RecordsArrived")
    assert_all_stored_once(world)


def test_uptime_is_asked_again_every_minute() -> None:
    world = a_world()
    world.run(185_000, produce_every_ms=1000)
    heard = [event for event in world.host.events if isinstance(event, UptimeHeard)]
    assert len(heard) == 4


def test_sequence_numbers_and_uptime_pass_their_wrap() -> None:
    world = a_world(first_seq=(1 << 32) - 20)
    world.now_ms = (1 << 32) // 100 * 100 - 3000
    world.run(10_000, produce_every_ms=100)
    world.run(2000)
    assert_all_stored_once(world)
    assert world.host.rows[-1][1] > 1 << 32


@pytest.mark.parametrize("rate", ["loss", "duplicate", "flip"])
def test_a_hostile_line_loses_nothing_finally(rate: str) -> None:
    world = a_world(seed=7, **{rate: 0.002})
    world.run(30_000, produce_every_ms=50)
    world.run(60_000)
    assert len(world.produced) == 600
    assert_all_stored_once(world)


def test_frames_cut_in_the_middle_are_sent_again() -> None:
    world = a_world(seed=3, cut=0.2)
    world.run(30_000, produce_every_ms=50)
    world.run(60_000)
    assert_all_stored_once(world)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    loss=st.floats(0, 0.004),
    flip=st.floats(0, 0.004),
    duplicate=st.floats(0, 0.004),
    cut=st.floats(0, 0.1),
    first_seq=st.sampled_from([0, 5, (1 << 32) - 40]),
    kills=st.lists(st.integers(200, 5000), max_size=4),
)
def test_whatever_the_line_does_stored_is_produced(
    seed: int, loss: float, flip: float, duplicate: float, cut: float, first_seq: int, kills: list[int]
) -> None:
    world = a_world(seed, loss=loss, flip=flip, duplicate=duplicate, cut=cut, first_seq=first_seq)
    for alive_ms in kills:
        world.run(alive_ms, produce_every_ms=50)
        world.restart_host()
    world.run(3000, produce_every_ms=50)
    for line in (world.up, world.down):
        line.loss = line.flip = line.duplicate = line.cut = 0.0
    world.run(30_000)
    assert_all_stored_once(world)
    assert world.host.gaps == []


def test_a_host_restart_continues_at_the_committed_record() -> None:
    world = a_world()
    world.host.commit_every_ms = 5000
    world.run(12_000, produce_every_ms=100)
    world.restart_host()
    world.run(20_000, produce_every_ms=100)
    world.run(10_000)
    assert_all_stored_once(world)


def test_a_host_that_cannot_commit_frees_nothing_on_the_board() -> None:
    world = a_world(ring_records=64)
    world.host.is_committing = False
    world.run(5000, produce_every_ms=200)
    assert world.device.ring.tail == 0
    world.host.is_committing = True
    world.run(10_000)
    assert_all_stored_once(world)


def test_while_nothing_is_committed_the_board_keeps_all_that_was_sent_and_thins_the_rest() -> None:
    """A host that says `seen` and never `next`, for longer than 30 s: nothing is freed, an outage stays covered."""
    world = a_world(ring_records=64)
    world.host.is_committing = False
    world.run(60_000, produce_every_ms=200)
    ring = world.device.ring
    assert ring.tail == 0
    assert ring.head - ring.tail <= 64
    assert any(ring.get(seq).status & STATUS_MERGED for seq in range(ring.sent, ring.head))
    assert world.host.session.seen_seq <= 32, "what the host cannot commit does not pin more than half of the ring"
    assert ring.get(ring.head - 1).value == world.produced[-1]
    world.host.is_committing = True
    world.run(10_000)
    seqs = [seq for _, seq, _ in world.host.rows]
    assert seqs == list(range(len(seqs)))
    assert world.host.rows[-1][2] == world.produced[-1]


def test_a_record_below_seen_is_acknowledged_again_and_not_taken_twice() -> None:
    session = a_linked_session()
    assert len(session.receive(data_frame(0, 3), 10)) == 1
    assert acks_of(session) == [(0, 3)]
    assert session.receive(data_frame(0, 3), 20) == []
    assert acks_of(session) == [(0, 3)]


def test_of_an_overlapping_frame_only_the_new_part_is_taken() -> None:
    session = a_linked_session()
    session.receive(data_frame(0, 3), 10)
    (arrived,) = session.receive(data_frame(1, 5), 20)
    assert (arrived.first_seq, [value for *_, value in arrived.records]) == (3, [3, 4, 5])


def test_a_hole_is_answered_at_once_by_the_repeated_ack() -> None:
    session = a_linked_session()
    session.receive(data_frame(0, 3) + data_frame(5, 3), 10)
    assert acks_of(session) == [(0, 3), (0, 3)]


def test_next_moves_only_when_the_store_says_so() -> None:
    session = a_linked_session()
    session.receive(data_frame(0, 10), 10)
    assert acks_of(session) == [(0, 10)]
    session.committed(10, 20)
    assert acks_of(session) == [(10, 10)]


def test_a_board_that_reset_unseen_is_asked_for_hello_and_its_records_are_dropped() -> None:
    session = a_linked_session()
    events = session.receive(data_frame(0, 3, boot=10), 10)
    assert [type(event).__name__ for event in events] == ["StateChanged"]
    assert State.PROBING is session.state
    assert [type(message).__name__ for message in sent_by(session)] == ["HelloReq"]


def test_records_of_an_earlier_boot_are_taken_when_each_says_so() -> None:
    session = a_linked_session()
    (arrived,) = session.receive(data_frame(0, 3, boot=8, status=0x10), 10)
    assert (arrived.boot, arrived.is_earlier_boot, session.seen_seq) == (8, True, 3)


def test_beyond_512_waiting_records_frames_stay_unacknowledged() -> None:
    session = a_linked_session()
    for first in range(0, 580, 29):
        session.receive(data_frame(first, 29), first * 10)
    session.take_output()
    assert session.seen_seq <= RECORDS_WAITING_MAX
    assert session.receive(data_frame(session.seen_seq, 29), 9000) == []
    assert session.take_output() == b""


def test_a_writer_that_cannot_take_records_leaves_them_on_the_board() -> None:
    session = a_linked_session()
    assert session.receive(data_frame(0, 3), 10, may_take=False) == []
    assert (session.take_output(), session.seen_seq) == (b"", 0)


def test_a_flood_is_held_to_its_limit_by_not_acknowledging() -> None:
    session = a_linked_session()
    for first in range(0, 4000, 25):
        session.receive(data_frame(first, 25), 100)
        session.committed(session.seen_seq, 100)
    assert session.seen_seq == RECORDS_PER_SECOND_MAX


def test_silence_makes_a_port_stale_then_probing_and_a_frame_heals_it() -> None:
    session = a_linked_session()
    session.describe((a_temperature_desc(period_ds=100),))
    session.tick(20_001)
    assert State.STALE is session.state
    session.receive(data_frame(0, 1), 20_100)
    assert State.LINKED is session.state
    session.tick(20_100 + 30_001)
    assert State.PROBING is session.state


def test_a_fast_channel_is_not_stale_before_five_seconds() -> None:
    session = a_linked_session()
    session.describe((a_temperature_desc(period_ds=1),))
    session.tick(5000)
    assert State.LINKED is session.state
    session.tick(5001)
    assert State.STALE is session.state


def test_a_newer_link_is_reported_and_asked_for_hello_once_in_ten_seconds() -> None:
    session = a_linked_session()
    newer = bytes.fromhex("04020209020101010372ee0105d85f779d00")
    assert [NewerLinkHeard()] == session.receive(newer, 100)
    assert session.receive(newer, 5000) == []
    assert [type(message).__name__ for message in sent_by(session)] == ["HelloReq"]
    assert [NewerLinkHeard()] == session.receive(newer, 10_200)


def test_a_probing_port_asks_often_at_first_and_rarely_when_nobody_ever_answered() -> None:
    session = HostSession()
    session.opened(0)
    asked = []
    for now_ms in range(0, 120_000, 50):
        session.tick(now_ms)
        asked += [now_ms for message in sent_by(session) if type(message).__name__ == "HelloReq"]
    assert 15 <= sum(1 for at in asked if at < 3000) <= 16
    assert 12 <= sum(1 for at in asked if 3000 <= at < 30_000) <= 15
    assert sum(1 for at in asked if at >= 30_000) <= 4


def test_a_command_waits_a_second_and_is_tried_five_times() -> None:
    session = HostSession()
    session.opened(0)
    hello = a_hello()
    described = Hello(
        **{name: getattr(hello, name) for name in hello.__struct_fields__} | {"channels": 1, "desc_crc": 7}
    )
    session.reconciled(described, 0, None, 0)
    tries = 0
    for now_ms in range(0, 4_900, 100):
        session.tick(now_ms)
        tries += sum(type(message).__name__ == "Cmd" for message in sent_by(session))
    assert tries == 5


def test_an_uptime_with_an_old_token_is_not_believed() -> None:
    world = a_world()
    world.run(500)
    session = world.host.session
    heard = session.receive(bytes.fromhex("04010209020101010372ee0105288de9ea00"), 600)
    assert [event for event in heard if isinstance(event, UptimeHeard)] == []
    assert not any(isinstance(message, TimeReq) for message in sent_by(session))


def test_garbage_between_frames_costs_only_the_frames_it_touched() -> None:
    session = a_linked_session()
    events = session.receive(b"\xaa\x55garbage\xff\x00" + data_frame(0, 3), 10)
    assert session.seen_seq == 3
    assert len(events) == 1


def test_a_smaller_uptime_is_a_reset_only_where_it_cannot_have_wrapped() -> None:
    shortly_before_the_wrap_ms = 2**32 - 60_000
    kept = replace(a_hello(now_ms=4_000, tail=10, head=12), is_ring_kept=True)
    ten_minutes = Stored(9, 12, shortly_before_the_wrap_ms, 0, elapsed_ms=600_000)
    assert not reconcile(ten_minutes, kept).is_new_epoch
    ten_seconds = Stored(9, 12, shortly_before_the_wrap_ms, 0, elapsed_ms=10_000)
    assert reconcile(ten_seconds, kept).is_new_epoch


@pytest.mark.parametrize("uid", [bytes(8), b"\xff" * 8])
def test_a_board_without_a_name_of_its_own_is_refused_and_nothing_more_is_sent(uid: bytes) -> None:
    session = HostSession()
    session.opened(0)
    session.take_output()
    events = session.receive(encode_frame(encode(replace(a_hello(), uid=uid))), 10)
    assert NamelessHeard() in events
    assert (session.state, session.receiver.errors["field"]) == (State.REFUSED, 1)
    session.tick(10_000)
    assert session.take_output() == b""


def test_a_command_of_somebody_is_answered_under_its_name_and_given_up_after_five_tries() -> None:
    world = a_world()
    world.run(1000)
    session = world.host.session
    assert session.command("tare-1", Op.TARE, b"\x00")
    world.run(500)
    answered = [event for event in world.host.events if isinstance(event, CommandAnswered) and event.ask_id]
    assert [(event.ask_id, event.op, event.answer and event.answer.status) for event in answered] == [
        ("tare-1", Op.TARE, 1)  # a board that cannot says so
    ]


def test_a_command_is_tried_five_times_and_given_up_when_the_board_stays_silent() -> None:
    session = a_linked_session()
    session.describe((a_temperature_desc(period_ds=600),))
    assert session.command("blink-1", Op.BLINK, b"\x01")
    tries, ended = 0, []
    for now_ms in range(0, 6_000, 100):
        ended += [event for event in session.tick(now_ms) if isinstance(event, CommandAnswered)]
        tries += sum(type(message).__name__ == "Cmd" for message in sent_by(session))
    assert tries == 5
    assert ended == [CommandAnswered(Op.BLINK, None, "blink-1")]


def test_a_silent_board_answers_nobody_who_still_waits() -> None:
    session = a_linked_session()
    for number in range(2):
        session.command(f"blink-{number}", Op.BLINK, b"\x01")
    ended = [event for event in session.tick(25_000) if isinstance(event, CommandAnswered)]
    assert [event.ask_id for event in ended] == ["blink-0", "blink-1"]
    assert {event.answer for event in ended} == {None}


def test_commands_wait_in_turn_and_too_many_are_refused() -> None:
    world = a_world()
    world.run(1000)
    accepted = [world.host.session.command(f"blink-{number}", Op.BLINK, b"\x01") for number in range(10)]
    assert accepted == [True] * 8 + [False] * 2
    world.run(2000)
    answered = [event.ask_id for event in world.host.events if isinstance(event, CommandAnswered) and event.ask_id]
    assert answered == [f"blink-{number}" for number in range(8)]


@given(
    st.lists(
        st.tuples(st.sampled_from(["open", "lose", "hello", "link", "reject", "data", "tick"]), st.integers(0, 9_000))
    )
)
def test_a_session_moves_only_as_its_table_says(steps: list[tuple[str, int]]) -> None:
    """Whatever happens in whatever order: each move is an entry of the table, and nothing moves without saying so."""
    session, now_ms = HostSession(), 0
    for step, passed_ms in steps:
        now_ms += passed_ms
        before = session.state
        hello = a_hello(boot=9 + passed_ms % 2)
        if step == "open":
            events = session.opened(now_ms)
        elif step == "lose":
            events = session.lost()
        elif step == "link":
            events = session.reconciled(hello, 0, 0, now_ms)
        elif step == "reject":
            events = session.rejected()
        elif step == "tick":
            events = session.tick(now_ms)
        else:
            frame = encode_frame(encode(hello)) if step == "hello" else data_frame(0, 1, boot=hello.boot)
            events = session.receive(frame, now_ms)
        moves = [event for event in events if isinstance(event, StateChanged)]
        for move in moves:
            assert move.before is before
            assert move.after in {TRANSITIONS[before, happening] for happening in Happening}
            before = move.after
        assert session.state is before
