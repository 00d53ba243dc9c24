"""Modbus RTU: the golden vectors, hostile lines, the pace of the poll."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.adapters.modbus.frames import (
    BUFFER_BYTES_MAX,
    Refusal,
    Registers,
    ReplyReader,
    crc16,
    foreign_request,
    read_request,
    with_crc,
)
from firmware_bridge.adapters.modbus.profile import load_profile, parse_profile, shipped_profiles
from firmware_bridge.adapters.modbus.session import ModbusSession
from firmware_bridge.adapters.modbus.values import read_value, registers_of
from firmware_bridge.adapters.values import NoValue, as_milli
from firmware_bridge.errors import LocalFault
from firmware_bridge.link.states import State
from firmware_bridge.session_protocol import LineSettings
from tests.firmware_bridge.adapters.talking import Clock, Talk
from tests.firmware_bridge.adapters.vectors import VECTORS, cases, named

USUAL_INVALID = frozenset({0x8000, 0x7FFF, 0xFFFF})
SCRIPTED = [case for case in cases("modbus") if "script" in case]
PLAIN = [case for case in cases("modbus") if "script" not in case]


def outcome(case: dict[str, Any], rx: bytes, chunk: int) -> dict[str, Any]:
    """Feed a vector's bytes in pieces and say what came of them, in the words of the vectors."""
    reader = ReplyReader(case["unit"], case["fc"], case["count"])
    answer: Registers | Refusal | None = None
    for start in range(0, len(rx), chunk):
        answer = answer or reader.receive(rx[start : start + chunk])
    if answer is None:
        return {"outcome": "wait"}
    if isinstance(answer, Refusal):
        return {
            "outcome": "exception",
            "code": answer.code,
            "retry": answer.may_retry,
            "meaning": answer.meaning,
        }
    size = 2 * registers_of(case["type"])
    words = [answer.data[place : place + size] for place in range(0, len(answer.data), size)]
    invalid = USUAL_INVALID if "invalid" in case["name"] else frozenset()
    values = [read_value(case["type"], word, scale=Decimal(case["scale"]), invalid=invalid) for word in words]
    for value in values:
        if isinstance(value, NoValue):
            return {"outcome": "fault", "reason": value.reason}
    return {"outcome": "values", "values": [format(value, "f") for value in values], "skipped": answer.skipped}


@pytest.mark.parametrize("case", PLAIN, ids=named)
@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_each_vector_gives_what_it_says_however_it_is_cut(case: dict[str, Any], chunk: int) -> None:
    assert outcome(case, bytes.fromhex(case["rx"]), chunk) == case["expect"]


def test_the_crc_is_that_of_the_standard() -> None:
    check = VECTORS["crc16_check"]
    assert crc16(bytes.fromhex(check["input"])).to_bytes(2, "little") == bytes.fromhex(check["crc"])
    for case in PLAIN:
        if "request" in case:
            request = bytes.fromhex(case["request"])
            assert with_crc(request[:-2]) == request


@given(garbage=st.binary(min_size=1, max_size=6), registers=st.binary(min_size=4, max_size=4))
def test_a_reply_behind_one_to_six_stray_bytes_is_always_recovered(garbage: bytes, registers: bytes) -> None:
    reply = with_crc(bytes((17, 3, 4)) + registers)
    answer = ReplyReader(17, 3, 2).receive(garbage + reply)
    assert answer is not None
    if garbage + reply == with_crc(garbage[:3]) + reply:
        return  # the stray bytes were a whole refusal by themselves
    assert isinstance(answer, Registers)
    assert answer.data == registers


@given(chunks=st.lists(st.binary(max_size=80), max_size=12))
def test_a_reader_never_holds_more_than_its_buffer_and_takes_no_frame_with_a_wrong_crc(chunks: list[bytes]) -> None:
    reader = ReplyReader(1, 4, 1)
    for chunk in chunks:
        answer = reader.receive(chunk)
        assert len(reader.held) <= BUFFER_BYTES_MAX
        if answer is not None:
            start = answer.skipped if isinstance(answer, Registers | Refusal) else 0
            size = 7 if isinstance(answer, Registers) else 5
            whole = b"".join(chunks)[start : start + size]
            assert whole == with_crc(whole[:-2])
            return


def a_profile(period_s: int = 10, probes: int = 1) -> str:
    block = '[[probe]]\nunit = 1\nfc = 4\naddress = {}\ntype = "i16"\nscale = "0.1"\nunit_name = "{}"\n'
    block += 'invalid = [0x8000]\nperiod_s = {}\nchannel = "{}"\n'
    names = [("Cel", "temperature"), ("%RH", "humidity")][:probes]
    return "\n".join(block.format(index, unit, period_s, name) for index, (unit, name) in enumerate(names))


def a_session(clock: Clock, *, probes: int = 1, units: tuple[int, ...] = ()) -> ModbusSession:
    profile = parse_profile(a_profile(probes=probes), Path("x.toml"))
    return ModbusSession("mb-cold-room", profile, units, LineSettings(9_600), clock)


def reply(value: int, unit: int = 1) -> bytes:
    return with_crc(bytes((unit, 4, 2)) + value.to_bytes(2, "big", signed=True))


def test_a_probe_is_asked_and_its_value_is_booked_in_thousandths() -> None:
    talk = Talk(a_session(clock := Clock()), clock)
    assert bytes(talk.written) == read_request(1, 4, 0, 1)
    clock.now_ms += 20
    talk.hear(reply(-185))
    assert talk.values == [("temperature", -18_500)]
    assert talk.session.state is State.LINKED
    assert talk.stored[0][4] == clock.now_ms
    assert talk.wait(9_900) == b""
    assert talk.wait(200) == read_request(1, 4, 0, 1)


@pytest.mark.parametrize("case", SCRIPTED, ids=named)
def test_a_late_reply_never_passes_for_that_to_the_next_question(case: dict[str, Any]) -> None:
    talk = Talk(a_session(clock := Clock(), probes=2), clock)
    for step in case["script"]:
        if "silence_ms" in step:
            talk.wait(step["silence_ms"])
        elif "rx" in step:
            talk.hear(bytes.fromhex(step["rx"]))
        else:
            for _ in range(100):
                if bytes(talk.written).endswith(bytes.fromhex(step["send"])):
                    break
                talk.wait(10)
            assert bytes(talk.written).endswith(bytes.fromhex(step["send"]))
    timeout, value = case["expect"]["outcomes"]
    assert talk.session.receiver.errors[timeout] == 1
    assert [raw for name, raw in talk.values if name == "humidity"] == [int(Decimal(value) * 1000)]


@pytest.mark.parametrize("late_ms", [315, 345, 372, 400, 480, 610])
def test_a_slow_station_is_heard_late_but_never_for_another_register(late_ms: int) -> None:
    talk = Talk(a_session(clock := Clock(), probes=2), clock)
    answers: list[tuple[int, bytes]] = []
    seen = 0
    for _ in range(4_000):
        if len(talk.written) > seen:
            address = int.from_bytes(talk.written[-6:-4], "big")
            answers.append((clock.now_ms + late_ms, reply(40 if address == 0 else 550)))
            seen = len(talk.written)
        talk.wait(5)
        while answers and answers[0][0] <= clock.now_ms:
            talk.hear(answers.pop(0)[1])
    assert set(talk.values) <= {("temperature", 4_000), ("humidity", 55_000)}


def test_nothing_is_sent_while_the_line_still_talks_after_a_timeout() -> None:
    talk = Talk(a_session(clock := Clock()), clock)
    talk.wait(330)
    assert talk.session.receiver.errors["timeout"] == 1
    for _ in range(5):
        assert talk.wait(30) == b""
        talk.hear(b"\x55")
    assert talk.wait(49) == b""
    assert talk.wait(5) == read_request(1, 4, 0, 1)


def test_a_line_that_is_never_silent_is_asked_all_the_same() -> None:
    talk = Talk(a_session(clock := Clock()), clock)
    for _ in range(300):
        talk.wait(10)
        talk.hear(b"\x55\xaa")
    assert talk.session.receiver.errors["noise"] >= 1
    assert bytes(talk.written).count(read_request(1, 4, 0, 1)) >= 2


def test_a_station_that_is_gone_is_tried_three_times_and_then_once_a_turn() -> None:
    talk = Talk(a_session(clock := Clock()), clock)
    talk.wait(9_000)
    assert talk.session.receiver.errors["timeout"] == 3
    talk.wait(10_000)
    assert talk.session.receiver.errors["timeout"] == 4
    talk.wait(1_500)
    talk.hear(reply(40))
    assert talk.values == [("temperature", 4_000)] or talk.session.receiver.errors["stray"]


def test_a_refused_register_is_not_asked_again_and_said_once() -> None:
    talk = Talk(a_session(clock := Clock()), clock)
    talk.hear(with_crc(bytes((1, 0x84, 2))))
    assert talk.wait(60_000) == b""
    assert talk.session.receiver.errors["exception_02"] == 1
    busy = Talk(a_session(clock := Clock()), clock)
    busy.hear(with_crc(bytes((1, 0x84, 6))))
    assert busy.wait(10_100) == read_request(1, 4, 0, 1)


def test_a_value_that_means_nothing_is_kept_as_a_fault_with_its_reason() -> None:
    talk = Talk(a_session(clock := Clock()), clock)
    talk.hear(reply(-0x8000))
    assert [(status & 1, doubt) for _name, status, _raw, doubt, _at in talk.stored] == [(1, "invalid")]


def test_an_echo_is_no_damage_and_another_master_is_reported() -> None:
    talk = Talk(a_session(clock := Clock()), clock)
    talk.hear(read_request(1, 4, 0, 1) + reply(40))
    assert talk.values == [("temperature", 4_000)]
    assert not talk.session.receiver.errors
    clock.now_ms += 2_000
    talk.hear(read_request(9, 3, 0, 2))
    assert talk.session.receiver.errors["foreign_master"] == 1
    assert foreign_request(read_request(1, 4, 0, 1), read_request(1, 4, 0, 1)) is None


def test_several_stations_share_a_profile_and_a_dead_one_does_not_stop_the_others() -> None:
    talk = Talk(a_session(clock := Clock(), units=(1, 2)), clock)
    for _ in range(40):
        asked = bytes(talk.written[-8:])
        if asked[0] == 2 and talk.session.receiver.frames_good < 3:
            talk.hear(reply(40, unit=2))
        talk.wait(400)
    assert ("2 temperature", 4_000) in talk.values
    assert talk.session.receiver.errors["timeout"] >= 3


def test_silence_ends_the_session_and_the_next_word_begins_a_new_one() -> None:
    talk = Talk(a_session(clock := Clock()), clock)
    talk.hear(reply(40))
    talk.wait(25_000)
    assert talk.session.state is State.STALE
    talk.wait(10_000)
    assert talk.session.state is State.PROBING
    while not talk.wait(100):
        pass
    talk.hear(reply(41))
    assert talk.sessions == 2
    assert talk.values == [("temperature", 4_000), ("temperature", 4_100)]


def test_records_wait_while_the_writer_cannot_take_them() -> None:
    talk = Talk(a_session(clock := Clock()), clock)
    talk.hear(reply(40), may_take=False)
    assert talk.stored == []
    assert talk.session.records_waiting == 1
    talk.wait(10_000)
    talk.hear(reply(41))
    assert talk.values == [("temperature", 4_000), ("temperature", 4_100)]


def test_every_shipped_profile_can_be_read_and_says_where_its_facts_come_from() -> None:
    names = shipped_profiles()
    assert {"xy-md02", "sdm120", "pt100-8"} <= set(names)
    for name in names:
        profile = load_profile(name, Path())
        assert profile.probes
        assert "# Facts: " in (Path("firmware_bridge/adapters/profiles") / f"{name}.toml").read_text("utf-8")


@pytest.mark.parametrize(
    ("wrong", "line", "words"),
    [
        ("fc = 4|fc = 6", 3, "fc must be"),
        ('type = "i16"|type = "i15"', 5, "type must be"),
        ('scale = "0.1"|scale = 0.1', 6, "in quotes"),
        ('scale = "0.1"|scale = "NaN"', 6, "in quotes"),
        ('unit_name = "Cel"|unit_name = "furlong"', 7, "unit of SenML"),
        ("invalid = [0x8000]|invalid = [-1]", 8, "register values"),
        ("period_s = 10|period_s = 0", 9, "period_s must be"),
        ('channel = "temperature"|chanel = "x"', 10, "chanel is not known"),
        ('channel = "temperature"|channel = "\\u001b[2J"', 10, "plain letters"),
        ("[[probe]]|[[probe]", 1, ""),
    ],
)
def test_a_wrong_profile_is_refused_with_its_line_and_reason(tmp_path: Path, wrong: str, line: int, words: str) -> None:
    before, after = wrong.split("|")
    (tmp_path / "own.toml").write_text(a_profile().replace(before, after), "utf-8")
    with pytest.raises(LocalFault) as caught:
        load_profile("own.toml", tmp_path)
    assert f"own.toml, line {line}: " in caught.value.message
    assert words in caught.value.message
    assert "\x1b" not in caught.value.message


def test_an_unknown_profile_names_those_that_are_shipped() -> None:
    with pytest.raises(LocalFault, match="xy-md02"):
        load_profile("nobody", Path())


@given(st.sampled_from(["f32_ABCD", "f32_CDAB", "i32_BADC", "u32_DCBA"]), st.binary(min_size=4, max_size=4))
def test_every_register_pair_is_a_bounded_number_or_a_fault(type_name: str, data: bytes) -> None:
    value = read_value(type_name, data, scale=Decimal("0.1"), invalid=frozenset())
    if not isinstance(value, NoValue):
        milli = as_milli(value)
        assert isinstance(milli, NoValue) or abs(milli) < 10**12
