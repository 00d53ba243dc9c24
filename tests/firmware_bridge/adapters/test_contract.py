"""What every adapter owes the thread, the writer and the store, whatever its hardware; and hostile lines for all."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from firmware_bridge.adapters.modbus.frames import with_crc
from firmware_bridge.adapters.modbus.profile import parse_profile
from firmware_bridge.adapters.modbus.session import ModbusSession
from firmware_bridge.adapters.mt_sics.session import MtSicsSession
from firmware_bridge.adapters.mysensors.session import MySensorsSession
from firmware_bridge.adapters.senml.session import SenmlSession
from firmware_bridge.adapters.session import RECORDS_WAITING_MAX, AdapterSession
from firmware_bridge.link.events import DescriptionsHeard, HelloHeard, RecordsArrived, UptimeHeard
from firmware_bridge.link.identity import uid_bytes, uid_text
from firmware_bridge.link.states import State
from firmware_bridge.session_protocol import LineSettings, Session
from tests.firmware_bridge.adapters.talking import Clock, Talk

PROFILE = (
    '[[probe]]\nfc = 4\naddress = 0\ntype = "i16"\nscale = "0.1"\nunit_name = "Cel"\nperiod_s = 1\nchannel = "t"\n'
)


@dataclass(frozen=True)
class Kind:
    """One adapter: how its session is made, and what its hardware says: unasked, and to what it hears."""

    name: str
    make: Callable[[Clock], AdapterSession]
    says: Callable[[int], bytes] = lambda _turn: b""
    answer: Callable[[bytes, int], bytes] = lambda _heard, _turn: b""
    held_max: int = 1_024  # LINK section 10: of noise; a long line that may become a pack is held up to 4 KiB


def modbus_answer(heard: bytes, turn: int) -> bytes:
    return with_crc(bytes((1, 4, 2)) + (turn % 100).to_bytes(2, "big")) if heard else b""


def scale_answer(heard: bytes, turn: int) -> bytes:
    replies = {b"SI": f"S S {turn + 1:>10} g\r\n".encode(), b"I4": b'I4 A "B02"\r\n'}
    return b"".join(replies.get(line, b"") for line in heard.splitlines())


KINDS = [
    Kind(
        "modbus",
        lambda clock: ModbusSession("mb-1", parse_profile(PROFILE, Path("x")), (), LineSettings(9_600), clock),
        answer=modbus_answer,
        held_max=384,
    ),
    Kind(
        "mysensors",
        lambda clock: MySensorsSession("ms-1", LineSettings(), clock),
        says=lambda turn: b"1;0;0;0;6;t\n1;0;1;0;0;%d\n" % (turn % 9),
        held_max=121,
    ),
    Kind(
        "senml",
        lambda clock: SenmlSession("sl-1", LineSettings(), clock),
        says=lambda turn: b'[{"n":"a","u":"Cel","v":%d}]\n' % (turn % 9),
    ),
    Kind("mt-sics", lambda clock: MtSicsSession("sc-1", LineSettings(), clock), answer=scale_answer, held_max=81),
]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def converse(talk: Talk, kind: Kind, turns: int, *, through: Callable[[bytes], list[bytes]] = lambda b: [b]) -> None:
    """Let the hardware talk for some turns of a fifth of a second each."""
    written = bytes(talk.written)
    for turn in range(turns):
        for chunk in through(kind.says(turn) + kind.answer(written, turn)):
            talk.hear(chunk)
        before = len(talk.written)
        talk.wait(200)
        written = bytes(talk.written[before:])


def a_talk(kind: Kind) -> Talk:
    clock = Clock()
    return Talk(kind.make(clock), clock)


@each_kind
def test_it_looks_like_every_session(kind: Kind) -> None:
    session: Session = kind.make(Clock())
    assert session.state is State.ABSENT
    assert session.uid is None
    assert session.records_waiting == 0


@each_kind
def test_a_session_says_hello_once_then_who_it_is_then_records_in_order(kind: Kind) -> None:
    talk = a_talk(kind)
    assert talk.session.state is State.PROBING
    converse(talk, kind, 60)
    assert talk.session.state is State.LINKED
    hellos = [event for event in talk.events if isinstance(event, HelloHeard)]
    assert [(uid_text(hello.hello.uid), hello.protocol) for hello in hellos] == [
        (uid_text(talk.session.uid or b""), kind.name)
    ]
    arrived = [event for event in talk.events if isinstance(event, RecordsArrived)]
    assert len(talk.stored) >= 5
    assert all(one.next_seq == two.first_seq for one, two in pairwise(arrived))
    kinds = [type(event) for event in talk.events]
    assert kinds.index(UptimeHeard) < kinds.index(RecordsArrived)
    assert kinds.index(DescriptionsHeard) < kinds.index(RecordsArrived)


@each_kind
def test_it_hears_the_same_one_byte_at_a_time(kind: Kind) -> None:
    whole, cut = a_talk(kind), a_talk(kind)
    converse(whole, kind, 30)
    converse(cut, kind, 30, through=lambda data: [data[index : index + 1] for index in range(len(data))])
    assert whole.values
    assert cut.values == whole.values


@each_kind
def test_noise_is_bounded_counted_and_never_a_reading(kind: Kind) -> None:
    talk = a_talk(kind)
    source = random.Random(5)
    held = 0
    for _ in range(250):
        talk.hear(source.randbytes(4_096))
        held = max(held, talk.session.held_bytes)
        talk.wait(20)
    assert held <= kind.held_max
    assert talk.stored == []
    assert talk.session.state is State.PROBING
    assert sum(talk.session.receiver.errors.values()) > 0
    talk.hear(b"\r\n")
    converse(talk, kind, 60)
    assert talk.values


def test_damaged_bytes_behind_a_check_sum_make_no_value_that_was_not_said() -> None:
    kind = KINDS[0]
    source = random.Random(11)

    def flip(data: bytes) -> list[bytes]:
        if data and source.random() < 0.5:
            place = source.randrange(len(data))
            data = data[:place] + bytes((data[place] ^ 1 << source.randrange(8),)) + data[place + 1 :]
        return [data]

    talk = a_talk(kind)
    converse(talk, kind, 400, through=flip)
    assert len(talk.values) >= 30
    assert {raw for _name, raw in talk.values} <= {value * 100 for value in range(100)}


@each_kind
def test_an_unplugged_session_begins_again_and_a_rejected_one_says_nothing_more(kind: Kind) -> None:
    talk = a_talk(kind)
    converse(talk, kind, 30)
    talk.handle(talk.session.lost())
    assert (talk.session.state, talk.session.uid) == (State.ABSENT, None)
    talk.written.clear()
    talk.handle(talk.session.opened(talk.clock.now_ms))
    converse(talk, kind, 30)
    assert talk.sessions == 2
    talk.handle(talk.session.rejected())
    assert talk.session.state is State.REFUSED
    before = len(talk.stored)
    talk.written.clear()
    talk.session.take_output()
    converse(talk, kind, 30)
    assert len(talk.stored) == before
    assert talk.written == b""


@each_kind
def test_it_is_patient_but_never_longer_than_half_a_second(kind: Kind) -> None:
    talk = a_talk(kind)
    for turn in range(200):
        assert 1 <= talk.session.patience_ms(talk.clock.now_ms) <= 500
        talk.wait(37)
        if turn == 100:
            talk.hear(kind.says(turn))


def test_a_label_and_a_board_are_never_the_same_name() -> None:
    for text in ("mb-cold-room", "a", "12345678", "01eeffc042000001"):
        assert uid_text(uid_bytes(text)) == text
    assert len(uid_bytes("12345678")) != 8


def test_what_gave_way_while_the_writer_took_nothing_begins_a_session_so_that_the_store_writes_a_gap() -> None:
    clock = Clock()
    talk = Talk(SenmlSession("sl-1", LineSettings(), clock), clock)
    talk.hear('{"ch":"a","v":1,"u":"Cel"}\n')
    for value in range(RECORDS_WAITING_MAX + 100):
        clock.now_ms += 1_000
        talk.hear(f'{{"ch":"a","v":{value % 9},"u":"Cel"}}\n', may_take=False)
    assert talk.session.receiver.errors["not_taken"] == 100
    talk.hear('{"ch":"a","v":7,"u":"Cel"}\n')
    assert talk.sessions == 2
    assert len(talk.stored) == 1 + RECORDS_WAITING_MAX


def test_a_flood_that_gives_way_all_the_time_begins_a_session_a_minute_and_no_more() -> None:
    clock = Clock()
    talk = Talk(SenmlSession("sl-1", LineSettings(), clock), clock)
    talk.commits = False
    for _tenth_of_a_second in range(1_200):
        clock.now_ms += 100
        talk.hear('{"ch":"a","v":1,"u":"Cel"}\n' * 20)
    assert talk.session.receiver.errors["not_taken"] > 0
    assert talk.sessions <= 3
