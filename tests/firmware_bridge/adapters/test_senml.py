"""SenML and JSON lines: the golden vectors, RFC 8428's own examples, hostile lines."""

import json
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.adapters.lines import Malformed
from firmware_bridge.adapters.senml.pack import LINE_BYTES_MAX, Resolved, read_line
from firmware_bridge.adapters.senml.session import SenmlSession
from firmware_bridge.adapters.session import CHANNELS_MAX
from firmware_bridge.adapters.units import kind_of_unit
from firmware_bridge.link.states import State
from firmware_bridge.session_protocol import LineSettings
from tests.firmware_bridge.adapters.talking import WALL_US, Clock, Talk
from tests.firmware_bridge.adapters.vectors import cases, named

NOW_S = WALL_US // 1_000_000


def a_talk(clock: Clock | None = None) -> Talk:
    clock = clock or Clock()
    return Talk(SenmlSession("sl-hall", LineSettings(), clock), clock)


def as_vector(record: Resolved, now_s: int) -> dict[str, Any]:
    at_s = int(record.at_s) + (now_s if record.is_relative else 0)
    if isinstance(record.value, bool):
        return {"name": record.name, "unit": record.unit, "value_bool": record.value, "t": at_s}
    return {"name": record.name, "unit": record.unit, "value_milli": int(record.value * 1000), "t": at_s}


@pytest.mark.parametrize("case", cases("senml"), ids=named)
def test_each_vector_gives_what_it_says(case: dict[str, Any]) -> None:
    expected = case["expect"]
    assert case["now_s"] == NOW_S
    line = case["line"].encode("utf-8")
    talk = a_talk()
    talk.hear(line + b"\r\n")
    if expected["outcome"] == "reject":
        with pytest.raises(Malformed):
            read_line(line)
        assert talk.stored == []
        assert sum(talk.session.receiver.errors.values()) == 1
    elif expected["outcome"] == "readings":
        assert [as_vector(record, NOW_S) for record in read_line(line)] == expected["readings"]
        ages_ms = [talk.clock.now_ms - at_ms for *_rest, at_ms in talk.stored]
        assert ages_ms == [max(0, NOW_S - reading["t"]) * 1000 for reading in expected["readings"]]
        assert all(not status and not doubt for _name, status, _raw, doubt, _at_ms in talk.stored)
    elif expected["outcome"] == "suspect":
        assert [row[3] for row in talk.stored] == ["time"]
    else:
        assert expected["outcome"] == "fault"
        assert [(row[1] & 1, row[3]) for row in talk.stored] == [(1, "unit")]


# RFC 8428 sections 5.1.1 to 5.1.3 and 5.1.5, one pack a line.
SINGLE = '[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]'
SEVERAL = '[{"bn":"urn:dev:ow:10e2073a01080063:","n":"voltage","u":"V","v":120.1},{"n":"current","u":"A","v":1.2}]'
OVER_TIME = (
    '[{"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5,"n":"voltage","u":"V","v":120.1},'
    '{"n":"current","t":-5,"v":1.2},{"n":"current","t":-4,"v":1.3},{"n":"current","v":1.7}]'
)
ALL_TYPES = (
    '[{"bn":"urn:dev:ow:10e2073a01080063:","n":"temp","u":"Cel","v":23.1},{"n":"label","vs":"Machine Room"},'
    '{"n":"open","vb":false},{"n":"nfc-reader","vd":"aGkgCg"}]'
)


def test_the_examples_of_the_standard_are_resolved_as_it_says() -> None:
    assert [(r.name, r.unit, r.value) for r in read_line(SINGLE.encode())] == [
        ("urn:dev:ow:10e2073a01080063", "Cel", Decimal("23.1"))
    ]
    assert [r.name.rpartition(":")[2] for r in read_line(SEVERAL.encode())] == ["voltage", "current"]
    assert [(r.unit, r.at_s) for r in read_line(OVER_TIME.encode())] == [
        ("V", Decimal("1276020076.001")),
        ("A", Decimal("1276020071.001")),
        ("A", Decimal("1276020072.001")),
        ("A", Decimal("1276020076.001")),
    ]
    assert [r.value for r in read_line(ALL_TYPES.encode())] == [Decimal("23.1"), False]


def test_a_claimed_time_is_used_within_a_day_and_doubted_beyond() -> None:
    talk = a_talk()
    for age_s in (0, 3_600, 86_400, 86_401, -30, -61):
        talk.hear(json.dumps([{"n": "cold-1", "u": "Cel", "v": 4, "t": NOW_S - age_s}]) + "\n")
    found = [(talk.clock.now_ms - at_ms, doubt) for *_rest, doubt, at_ms in talk.stored]
    assert found == [(0, ""), (3_600_000, ""), (86_400_000, ""), (0, "time"), (0, ""), (0, "time")]


def test_while_our_clock_is_not_set_a_claim_is_not_compared_with_it() -> None:
    talk = a_talk(Clock(is_trusted=False))
    talk.hear('[{"n":"cold-1","u":"Cel","v":4,"t":1500000000},{"n":"cold-1","u":"Cel","v":4,"t":-60}]\n')
    assert [(talk.clock.now_ms - at_ms, doubt) for *_rest, doubt, at_ms in talk.stored] == [(0, ""), (60_000, "")]


def test_a_name_keeps_its_unit_and_a_door_is_an_event() -> None:
    talk = a_talk()
    talk.hear('{"ch":"a","v":3.9,"u":"Cel"}\n{"ch":"a","v":71,"u":"%RH"}\n[{"n":"d","vb":true}]\n')
    assert talk.values == [("a", 3_900), ("d", 1)]
    assert talk.session.receiver.errors["unit_changed"] == 1
    assert [desc.flags & 1 for desc in talk.descriptions] == [0, 1]


def test_a_thousand_names_of_nonsense_do_not_free_a_name_from_its_unit() -> None:
    clock = Clock()
    talk = a_talk(clock)
    for number in range(CHANNELS_MAX):
        clock.now_ms += 1
        talk.hear(f'{{"ch":"x{number}","v":1e12,"u":"Cel"}}\n')
    talk.hear('{"ch":"a","v":3.9,"u":"Cel"}\n{"ch":"a","v":71,"u":"%RH"}\n')
    assert talk.stored == []
    assert talk.session.receiver.errors["too_many_channels"] == 2


def test_nothing_is_ever_sent_and_silence_is_said() -> None:
    talk = a_talk()
    talk.hear('{"ch":"a","v":3.9,"u":"Cel"}\n')
    talk.wait(125_000)
    assert talk.session.state is State.STALE
    assert talk.written == b""


def test_a_flood_is_held_to_what_the_writer_can_take() -> None:
    talk = a_talk()
    pack = json.dumps([{"n": f"c{index}", "u": "Cel", "v": 1} for index in range(64)]) + "\n"
    for _ in range(60):
        talk.hear(pack)
    assert len(talk.stored) == 2_000
    assert talk.session.receiver.errors["flood"] == 64 * 60 - 2_000


def test_no_more_is_waiting_than_the_limit_while_nothing_is_committed() -> None:
    talk = a_talk()
    talk.commits = False
    pack = json.dumps([{"n": f"c{index}", "u": "Cel", "v": 1} for index in range(64)]) + "\n"
    for _ in range(20):
        talk.hear(pack)
        talk.clock.now_ms += 1_000
    assert len(talk.stored) == 512
    assert talk.session.records_waiting == 1_024
    assert talk.session.receiver.errors["not_taken"] == 64 * 20 - 1_024


def test_a_line_is_bounded_whatever_arrives() -> None:
    talk = a_talk()
    talk.hear(b"[" * 1_000_000)
    talk.hear(b"]\n" + SINGLE.encode() + b"\n")
    assert talk.session.receiver.errors == {"oversize": 1}
    assert len(talk.stored) == 1
    assert LINE_BYTES_MAX == 4_096


def test_noise_without_an_end_of_line_is_not_held_although_lines_may_be_long() -> None:
    talk = a_talk()
    noise = random.Random(3).randbytes(1 << 20).replace(b"\n", b"~")
    for start in range(0, len(noise), 100):
        talk.session.receive(noise[start : start + 100], talk.clock.now_ms)
        assert talk.session.held_bytes <= 1_024
    talk.hear(b"\n" + SINGLE.encode() + b"\n")
    assert talk.session.receiver.errors == {"text": 1}
    assert len(talk.stored) == 1


KEYS = ["n", "u", "v", "t", "bn", "bt", "bv", "bu", "vb", "vs", "bver", "ch", "x_"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["n", "u", "v", "t", "bn", "bt", "bv", "bu", "vb", "vs", "bver", "ch", "x_"]), inner
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_refused_or_gives_bounded_values_with_plain_names(content: Any) -> None:
    talk = a_talk()
    talk.hear(json.dumps(content) + "\n")
    for name, _status, raw, _doubt, _at_ms in talk.stored:
        assert name.isascii()
        assert name.isprintable()
        assert abs(raw) < 10**12
    for desc in talk.descriptions:
        assert desc.unit.isprintable()


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_or_read(data: bytes) -> None:
    talk = a_talk()
    talk.hear(data + b"\n")
    assert talk.session.state in (State.PROBING, State.LINKED)


@given(st.decimals(min_value=-1_000, max_value=1_000, places=4, allow_nan=False))
def test_a_number_is_exact_to_a_thousandth(value: Decimal) -> None:
    talk = a_talk()
    talk.hear(f'{{"ch":"a","v":{value:f},"u":"Cel"}}\n')
    assert talk.values == [("a", round(value * 1000))]


def test_units_that_are_no_number_of_food_are_other_and_unknown_ones_nothing() -> None:
    assert [kind_of_unit(unit) for unit in ("Cel", "%RH", "kg", "W", "")] == [1, 2, 3, 0, 0]
    assert kind_of_unit("furlong") is None
