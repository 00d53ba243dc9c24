"""An MT-SICS scale: the golden vectors, a scripted scale, what is never sent."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.adapters.lines import Malformed
from firmware_bridge.adapters.mt_sics.replies import (
    Done,
    Error,
    NotNow,
    OutOfRange,
    Serial,
    Tare,
    Weight,
    read_reply,
)
from firmware_bridge.adapters.mt_sics.session import MtSicsSession
from firmware_bridge.link.states import State
from firmware_bridge.session_protocol import LineSettings
from tests.firmware_bridge.adapters.talking import Clock, Talk
from tests.firmware_bridge.adapters.vectors import cases, named


def as_vector(line: bytes) -> dict[str, Any]:
    try:
        reply = read_reply(line)
    except Malformed:
        return {"outcome": "reject"}
    match reply:
        case Weight(mg, is_stable):
            return {"outcome": "weight", "stable": is_stable, "mg": mg, "book": reply.may_book}
        case Tare(mg):
            return {"outcome": "tare", "mg": mg}
        case OutOfRange(reason):
            return {"outcome": "fault", "reason": reason}
        case NotNow():
            return {"outcome": "not_executable", "retry": True}
        case Error(code):
            return {"outcome": "error", "code": code}
        case Done(command):
            return {"outcome": "done", "command": command}
    raise AssertionError(reply)


@pytest.mark.parametrize("case", cases("mt_sics"), ids=named)
def test_each_vector_is_read_as_it_says(case: dict[str, Any]) -> None:
    expected = {key: value for key, value in case["expect"].items() if not (key == "reason" and "mg" in case["expect"])}
    assert as_vector(case["line"].encode("ascii")) == expected


def a_talk(**options: Any) -> Talk:
    clock = Clock()
    return Talk(MtSicsSession("shelf-1", LineSettings(9_600), clock, **options), clock)


def weigh(talk: Talk, seconds: float, answer: Callable[[bytes], str]) -> None:
    """Answer each question of the session for a while."""
    asked = bytes(talk.written)
    talk.written.clear()
    for _ in range(int(seconds * 20)):
        for question in asked.splitlines():
            talk.hear(answer(question) + "\r\n")
        asked = talk.wait(50)


def a_scale(weight: str = "S S     100.00 g", serial: str = 'I4 A "B021002593"') -> Callable[[bytes], str]:
    return lambda question: serial if question == b"I4" else weight


def test_a_scale_is_asked_five_times_a_second_and_a_steady_weight_is_booked_each_ten_seconds() -> None:
    talk = a_talk()
    weigh(talk, 1, a_scale())
    assert talk.session.state is State.LINKED
    asked = bytes(talk.written).count(b"SI\r\n")
    assert 4 <= asked <= 6
    weigh(talk, 24, a_scale())
    assert talk.values == [("weight", 100_000)] * 3
    weigh(talk, 1, a_scale("S S     100.01 g"))
    assert talk.values[-1] == ("weight", 100_010)


def test_only_a_stable_weight_is_booked() -> None:
    talk = a_talk()
    weigh(talk, 3, a_scale("S D      12.30 g"))
    weigh(talk, 3, a_scale("S S      -0.02 g"))
    assert talk.stored == []
    assert talk.session.receiver.errors == {"below_zero": 1}


def test_too_much_on_the_scale_is_a_fault_with_its_reason() -> None:
    talk = a_talk()
    weigh(talk, 2, a_scale("S +"))
    assert [(row[1] & 1, row[1] >> 5, row[3]) for row in talk.stored] == [(1, 6, "overload")]


def test_nothing_but_the_weight_and_the_serial_number_is_ever_asked() -> None:
    talk = a_talk()
    written = bytearray(talk.written)
    for answer in (a_scale(), a_scale("S I"), a_scale("ES"), a_scale("S -"), a_scale("Z A")):
        weigh(talk, 2, answer)
        written += talk.written
    weigh(talk, 5, lambda _question: "")
    written += talk.written
    assert set(bytes(written).split(b"\r\n")) <= {b"SI", b"I4", b""}


def test_another_scale_on_the_same_port_is_not_taken_for_the_one_configured() -> None:
    talk = a_talk(serial="B021002593")
    weigh(talk, 5, a_scale(serial='I4 A "C999"'))
    assert talk.session.state is State.PROBING
    assert talk.stored == []
    assert talk.session.receiver.errors["other_scale"] >= 1
    weigh(talk, 8, a_scale())
    assert talk.values[0] == ("weight", 100_000)


def test_a_scale_that_does_not_tell_its_number_is_read_unless_one_is_demanded() -> None:
    talk = a_talk()
    weigh(talk, 3, a_scale(serial="ES"))
    assert talk.values == [("weight", 100_000)]
    strict = a_talk(serial="B021002593")
    weigh(strict, 3, a_scale(serial="ES"))
    assert strict.stored == []


def test_a_scale_that_falls_silent_is_stale_and_asked_on() -> None:
    talk = a_talk()
    weigh(talk, 2, a_scale())
    talk.written.clear()
    talk.wait(25_000)
    assert talk.session.state is State.STALE
    assert talk.session.receiver.errors["timeout"] >= 5
    assert b"SI\r\n" in talk.written


def test_the_serial_number_is_read() -> None:
    assert read_reply(b'I4 A "B021002593"') == Serial("B021002593")


@given(st.binary(max_size=120))
def test_any_line_is_one_of_the_known_replies_or_malformed(line: bytes) -> None:
    as_vector(line) if not line.startswith(b'I4 A "') else None
    talk = a_talk()
    talk.hear(line + b"\r\n")
    assert talk.session.state is not State.LINKED or line.strip()


@given(st.integers(0, 999_999), st.sampled_from(["g", "kg", "lb", "oz"]), st.integers(0, 3))
def test_whatever_unit_a_scale_shows_the_weight_is_whole_milligrams(number: int, unit: str, places: int) -> None:
    text = f"{number / 10**places:.{places}f}"
    reply = read_reply(f"S S {text:>10} {unit}".encode())
    factors = {"g": 100_000_000, "kg": 100_000_000_000, "lb": 45_359_237_000, "oz": 2_834_952_312.5}
    assert isinstance(reply, Weight)
    exact = number * int(factors[unit] * 10) / (10**places * 10**6)
    assert abs(reply.mg - exact) <= 0.5 + exact * 1e-12
