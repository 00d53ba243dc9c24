"""The C device against the Python host in memory, and against the Python device rule by rule."""

import itertools
import random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from firmware_bridge.link.device import DeviceSession
from firmware_bridge.link.framing import encode_frame
from firmware_bridge.link.messages import Ack, Cmd, CmdRsp, Desc, Hello, Message, TimeReq, TimeRsp, encode
from firmware_bridge.link.receiver import host_receiver
from firmware_bridge.link.ring import Ring, buffer_bytes
from firmware_bridge.link.thinning import KEEP_FARTHEST, KEEP_HIGHEST, KEEP_LATEST, KEEP_LOWEST, RingRecord
from tests.firmware.board import BROWN_OUT, MODULUS, PIN, POWER_ON, CBoard
from tests.firmware_bridge.link.simulated import UID, Host, Line, World, a_door_desc, a_temperature_desc

SMALL, USUAL, LARGE = 48, 256, 4096
LO, HI = -1_000, 2_001  # an odd sum, so that no two values are equally far from the middle by chance alone
KEEPS = (KEEP_HIGHEST, KEEP_LOWEST, KEEP_LATEST, KEEP_FARTHEST)
DESCRIPTIONS = (
    *(Desc(channel, 1, -3, keep << 2, LO, HI, 10, 1, "Cel", f"keeps-{keep}") for channel, keep in enumerate(KEEPS)),
    a_door_desc(4),
)
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # reading a failure is quicker than shrinking it
RECORDS = st.lists(
    st.tuples(
        st.integers(0, 4), st.sampled_from([0, 0, 0, 0x21, 0x02]), st.integers(-40, 40) | st.integers(-5000, 5000)
    ),
    min_size=1,
    max_size=200,
)


def a_board(ring_records: int = USUAL, descriptions: tuple[Desc, ...] = DESCRIPTIONS, **start: int) -> CBoard:
    board = CBoard(uid=UID, descriptions=descriptions, ring_records=ring_records)
    board.start(**start)
    return board


def a_c_world(seed: int = 1, *, ring_records: int = LARGE, first_seq: int = 0, **faults: float) -> World:
    """Join a C board and a host by lines with these faults."""
    source = random.Random(seed)
    board = a_board(ring_records, (a_temperature_desc(), a_door_desc()), first_seq=first_seq)
    lines = [Line(source, faults.get("loss", 0), faults.get("duplicate", 0), faults.get("flip", 0)) for _ in range(2)]
    world = World(board, Host(), lines[0], lines[1])  # type: ignore[arg-type]
    world.host.take(world.host.session.opened(world.now_ms), world.now_ms)
    return world


def said(board: CBoard, now_ms: int) -> list[Message]:
    """Return what a board says when it is looked at."""
    board.poll(now_ms)
    return list(host_receiver().receive(board.take_output(), 0))


def tell(board: CBoard, message: Message, now_ms: int = 0) -> None:
    board.receive(encode_frame(encode(message)), now_ms)


def test_a_good_line_delivers_everything_in_order() -> None:
    world = a_c_world()
    world.run(10_000, produce_every_ms=20)
    world.run(2_000)
    assert world.produced == [value for _, _, value in world.host.rows]
    assert world.host.gaps == []


@settings(max_examples=20, phases=PHASES, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    fault=st.sampled_from(["loss", "duplicate", "flip"]),
    share=st.sampled_from([0.0005, 0.003, 0.01]),
    first_seq=st.sampled_from([0, MODULUS - 40]),
    restarts=st.integers(0, 3),
)
def test_whatever_the_line_does_all_arrives_once_and_in_order(
    seed: int, fault: str, share: float, first_seq: int, restarts: int
) -> None:
    world = a_c_world(seed, first_seq=first_seq, **{fault: share})
    for _ in range(restarts):
        world.run(1_500, produce_every_ms=50)
        world.restart_host()
    world.run(1_500, produce_every_ms=50)
    world.up.loss = world.up.duplicate = world.up.flip = world.down.loss = world.down.duplicate = world.down.flip = 0.0
    world.run(15_000)
    assert world.produced == [value for _, _, value in world.host.rows]
    assert world.host.gaps == []


@settings(max_examples=150, phases=PHASES, deadline=None)
@given(records=RECORDS)
def test_a_full_ring_keeps_what_the_python_board_keeps(records: list[tuple[int, int, int]]) -> None:
    ring = Ring(bytearray(buffer_bytes(SMALL)), boot=9)
    described = {desc.channel: desc for desc in DESCRIPTIONS}
    with a_board(SMALL) as board:
        for number, (channel, status, value) in enumerate(records):
            board.put(channel, value, number * 10, status=status)
            ring.put(RingRecord(number * 10, value, 9, channel, status), described)
            assert ring.dropped_total == board.get("dropped")
        assert [ring.get(seq) for seq in range(ring.tail, ring.head)] == board.records()
        assert ring.tail == board.get("tail")


@settings(max_examples=60, phases=PHASES, deadline=None)
@given(data=st.data(), hot=st.integers(200, 5_000))
def test_the_worst_of_an_outage_is_kept_however_long_it_lasts(data: st.DataObject, hot: int) -> None:
    with a_board(SMALL) as board:
        at = data.draw(st.integers(0, 999))
        for number in range(1_000):
            board.put(0, hot if number == at else number % 100, number * 1_000)
        held = board.records()
        assert hot in [record.value for record in held]
        assert sorted(record.ms for record in held) == [record.ms for record in held]
        assert board.get("dropped") == 0
        assert held[0].ms < 100_000 or held[0].status & 4


def test_what_was_sent_is_never_merged() -> None:
    with a_board(SMALL) as board:
        for value in range(40):
            board.put(0, value, value)
        tell(board, Ack(9, 0, 0))
        board.poll(0)
        sent = board.get("fixed")
        assert sent == SMALL // 2, "no more than half the ring is on its way"
        before = board.records()[:sent]
        for value in range(500):
            board.put(0, value, 100 + value)
        assert before == board.records()[:sent]


def test_an_outright_loss_is_counted_when_nothing_merges() -> None:
    with a_board(16) as board:
        for number in range(20):
            board.put(0, number, number, status=0x21 if number % 2 else 0)
        assert (board.get("dropped"), board.get("tail"), board.get("used")) == (4, 4, 16)


@pytest.mark.parametrize("cause", [PIN, POWER_ON, BROWN_OUT])
def test_a_ring_outlives_a_reset_but_not_a_loss_of_power(cause: int) -> None:
    with a_board(SMALL) as board:
        for value in range(10):
            board.put(0, value, value)
        board.start(boot=77, cause=cause)
        is_kept = cause == PIN
        assert (board.get("kept"), board.get("used")) == (int(is_kept), 10 if is_kept else 0)
        assert board.get("boot") == (10 if is_kept else 77)


def test_a_board_with_memory_that_lasts_keeps_its_ring_without_power_too() -> None:
    with CBoard(uid=UID, descriptions=DESCRIPTIONS, ring_records=SMALL, flags=("-DLL_HAS_SAVE",)) as board:
        board.start()
        before = board.library.save_count()
        for value in range(10):
            board.put(0, value, value)
        assert board.library.save_count() - before >= 10
        board.start(cause=POWER_ON)
        assert (board.get("kept"), board.get("used")) == (1, 10)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("byte", range(0, 20, 3))
def test_a_reset_in_the_middle_of_a_step_finds_the_ring_of_the_step_before(which: int, byte: int) -> None:
    with a_board(USUAL) as board:
        for value in range(10):
            board.put(0, value, value)
        board.call("device_damage", which, byte)
        board.start(boot=77)
        assert (board.get("kept"), board.get("used")) == (1, 10)


def test_a_ring_with_both_controls_damaged_is_lost_and_says_so() -> None:
    with a_board() as board:
        board.put(0, 1, 1)
        board.call("device_damage", 0, 3)
        board.call("device_damage", 1, 9)
        board.start(boot=77)
        assert (board.get("kept"), board.get("used"), board.get("boot")) == (0, 0, 77)


def test_records_of_the_boot_before_are_marked_and_not_mixed() -> None:
    with a_board() as board:
        for value in range(3):
            board.put(0, value, 1_000 + value)
        board.start(boot=77)
        board.put(0, 3, 5)
        tell(board, Ack(10, 0, 0))
        first = said(board, 10)
        assert [(data.boot, [record[2] for record in data.records]) for data in first] == [  # type: ignore[union-attr]
            (9, [16, 16, 16]),
            (10, [0]),
        ]


@settings(max_examples=60, phases=PHASES, deadline=None)
@given(committed=st.integers(-3, 40), seen=st.integers(-3, 40), first_seq=st.sampled_from([0, 7, MODULUS - 5]))
def test_an_ack_frees_what_it_may_and_nothing_else(committed: int, seen: int, first_seq: int) -> None:
    with a_board(USUAL, first_seq=first_seq) as board:
        for value in range(30):
            board.put(0, value, value)
        tell(board, Ack(9, first_seq, first_seq))
        board.poll(0)
        board.take_output()
        body = encode(Ack(9, (first_seq + committed) % MODULUS, (first_seq + seen) % MODULUS))
        board.receive(encode_frame(body), 1)
        heard = host_receiver().receive(board.take_output(), 0)
        is_inside = 0 <= committed <= 30 and 0 <= seen <= 30
        assert bool(heard) == (not is_inside), "outside of what was sent it says HELLO"
        freed = (board.get("tail") - first_seq) % MODULUS
        assert freed == (committed if is_inside and seen >= committed else 0)


def test_a_hole_sends_the_board_back_once_in_a_round_trip() -> None:
    with a_board() as board:
        for value in range(60):
            board.put(0, value, value)
        tell(board, Ack(9, 0, 0), 1_000)
        assert len(said(board, 1_000)) == 3
        tell(board, Ack(9, 0, 29), 1_100)
        for _ in range(5):
            tell(board, Ack(9, 0, 29), 1_300)
        again = said(board, 1_300)
        assert [message.first_seq for message in again] == [29, 58]  # type: ignore[union-attr]
        tell(board, Ack(9, 0, 29), 1_310)
        assert said(board, 1_310) == []


def test_five_expiries_in_a_row_unlink_and_hello_is_said_each_second() -> None:
    with a_board() as board:
        board.put(0, 1, 1)
        tell(board, Ack(9, 0, 0), 1_000)
        heard: list[tuple[int, str]] = []
        for now_ms in range(1_000, 14_000, 10):
            heard += [(now_ms, type(message).__name__) for message in said(board, now_ms)]
        sent_at = [at for at, name in heard if name == "Data"]
        assert [later - earlier for earlier, later in itertools.pairwise(sent_at)] == [250, 500, 1000, 2000]
        hellos = [at for at, name in heard if name == "Hello"]
        assert hellos[0] - sent_at[-1] == 4_000
        assert {later - earlier for earlier, later in itertools.pairwise(hellos)} == {1_000}


def test_the_timeout_comes_down_again_though_all_is_sent_twice() -> None:
    with a_board() as board:
        for value in range(100):
            board.put(0, value, value)
        tell(board, Ack(9, 0, 0), 1_000)
        for now_ms in range(1_000, 5_000, 10):
            said(board, now_ms)
        raised = board.get("rto")
        assert raised == 4_000
        for number in range(1, 13):
            tell(board, Ack(9, 0, 2 * number), 5_000 + number)
        assert board.get("rto") < raised / 3, "each step forward takes an eighth off"


def test_frames_shrink_on_a_bad_line_and_grow_again_on_a_good_one() -> None:
    world = a_c_world(3, loss=0.01)
    world.run(20_000, produce_every_ms=10)
    assert world.device.get("halvings") == 3  # type: ignore[attr-defined]
    world.up.loss = world.down.loss = 0.0
    world.run(20_000, produce_every_ms=10)
    assert world.device.get("halvings") == 0  # type: ignore[attr-defined]


def test_a_command_is_done_once_and_answered_as_often_as_it_is_asked() -> None:
    with a_board() as board:
        board.put(3, 5, 1)
        for _ in range(3):
            tell(board, Cmd(9, 4, 1, b"\x03"))
        answers = host_receiver().receive(board.take_output(), 0)
        assert answers == [CmdRsp(9, 4, 0, (1).to_bytes(4, "little"))] * 3
        assert (board.get("commands"), board.get("fixed")) == (1, 1)


@pytest.mark.parametrize(
    ("op", "arguments", "status"),
    [(1, b"\x05", 2), (1, b"", 2), (2, b"\x00\x01", 2), (4, b"", 2), (5, b"\x01", 2), (9, b"", 1), (0, b"", 2)],
)
def test_a_command_that_makes_no_sense_is_refused_and_not_done(op: int, arguments: bytes, status: int) -> None:
    with a_board() as board:
        tell(board, Cmd(9, 4, op, arguments))
        (answered,) = host_receiver().receive(board.take_output(), 0)
        assert isinstance(answered, CmdRsp)
        assert (answered.status, board.get("commands")) == (status, 0)


def test_a_new_period_is_described_and_announced() -> None:
    with a_board() as board:
        before = board.get("desc_crc")
        tell(board, Cmd(9, 4, 2, b"\x01\x2c\x01"))
        answered, hello = host_receiver().receive(board.take_output(), 0)
        assert isinstance(hello, Hello)
        assert hello.desc_crc == board.get("desc_crc") != before
        tell(board, Ack(9, 0, 0))
        tell(board, Cmd(9, 5, 3))
        described = [message for message in said(board, 0) if isinstance(message, Desc)]
        assert [desc.period_ds for desc in described] == [10, 300, 10, 10, 600]
        assert isinstance(answered, CmdRsp)


def test_the_c_board_describes_itself_as_the_python_board_does() -> None:
    ring = Ring(bytearray(buffer_bytes(USUAL)), boot=9)
    python = DeviceSession(ring, uid=UID, descriptions=DESCRIPTIONS, reset_cause=PIN)
    python.poll(5_000)
    with a_board() as board:
        board.poll(5_000)
        assert python.take_output() == board.take_output()


def test_a_board_tells_its_uptime_and_speaks_to_no_other_boot() -> None:
    with a_board() as board:
        tell(board, TimeReq(9, 5), 61_042)
        tell(board, TimeReq(8, 6), 61_042)
        heard = host_receiver().receive(board.take_output(), 0)
        assert heard[0] == TimeRsp(9, 5, 61_042)
        assert isinstance(heard[1], Hello)
