"""A MySensors gateway: the golden vectors, pymysensors as an oracle, ids, hostile lines."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mysensors.message import Message as OracleMessage

from firmware_bridge.adapters.lines import Malformed
from firmware_bridge.adapters.mysensors.messages import (
    BATTERY,
    CONFIG,
    GATEWAY_READY,
    HEARTBEAT,
    ID_REQUEST,
    INTERNAL,
    MEASURES,
    NODE_CHILD,
    PRESENTATION,
    PRESENTED,
    SET,
    TIME,
    Message,
    decode_line,
)
from firmware_bridge.adapters.mysensors.session import MySensorsSession
from firmware_bridge.adapters.session import RECORDS_PER_SECOND_MAX
from firmware_bridge.link.events import DescriptionsHeard, HelloHeard, RecordsArrived
from firmware_bridge.link.identity import uid_bytes
from firmware_bridge.link.messages import Kind
from firmware_bridge.link.states import State
from firmware_bridge.session_protocol import LineSettings
from firmware_bridge.store.quality import QUALITY_SUSPECT, QUALITY_UNCHECKED, REASON_CODES
from firmware_bridge.store.store import Store
from tests.firmware_bridge.adapters.talking import WALL_US, Clock, Talk
from tests.firmware_bridge.adapters.vectors import cases, named

ASKS_VERSION = b"0;255;3;0;2;\n"


def a_talk(clock: Clock | None = None, **options: Any) -> Talk:
    clock = clock or Clock()
    return Talk(MySensorsSession("ms-hall", LineSettings(), clock), clock, **options)


def read(message: Message) -> dict[str, Any]:
    """Say what a message is, in the words of the vectors."""
    if message.is_ack:
        return {"outcome": "echo", "booked": False}
    if message.command == PRESENTATION and message.child == NODE_CHILD:
        return {"outcome": "node", "node": message.node, "lib": message.payload}
    if message.command == PRESENTATION:
        kind = PRESENTED[message.type][0]
        return {"outcome": "child", "node": message.node, "child": message.child, "kind": kind}
    if message.command == SET:
        where = {"node": message.node, "child": message.child, "kind": MEASURES[message.type].word}
        return {"outcome": "reading", **where, "value_milli": int(message.number() * 1000), "quality": "unchecked"}
    assert message.command == INTERNAL
    if message.type == BATTERY:
        return {"outcome": "battery", "node": message.node, "percent": int(message.number())}
    if message.type == HEARTBEAT:
        return {"outcome": "heartbeat", "node": message.node}
    if message.type == GATEWAY_READY:
        return {"outcome": "gateway_ready"}
    assert message.type in (ID_REQUEST, CONFIG, TIME)
    return {"outcome": "reply"}


@pytest.mark.parametrize("case", [case for case in cases("mysensors") if "given" not in case["expect"]], ids=named)
def test_each_vector_is_read_as_it_says(case: dict[str, Any]) -> None:
    line = case["line"].encode("utf-8")
    if case["expect"]["outcome"] == "reject":
        with pytest.raises(Malformed):
            decode_line(line)
        talk = a_talk()
        talk.hear(line + b"\n")
        assert talk.stored == []
        assert talk.session.state is State.PROBING
        return
    expected = {key: value for key, value in case["expect"].items() if key != "reply"}
    assert read(decode_line(line)) == expected


def test_a_damaged_child_number_makes_a_suspect_value_on_a_channel_of_its_own() -> None:
    (case,) = [case for case in cases("mysensors") if case["name"] == "one_bit_flip_in_child"]
    talk = a_talk()
    talk.hear("1;0;0;0;6;t\n1;1;0;0;13;p\n1;0;1;0;0;4.5\n" + case["line"] + "\n")
    talk.wait(5_100)
    assert [row[:4] for row in talk.stored] == [
        ("1.0 temperature", 0, 4_500, ""),
        ("1.1 temperature?", 0, 4_500, "unpresented"),
    ]
    # It is of no kind: a damaged line must not make a fridge of its own.
    assert {desc.name: desc.kind for desc in talk.descriptions} == {"1.0 temperature": 1, "1.1 temperature?": 0}


def test_a_damaged_digit_is_a_step_too_steep_to_be_food(tmp_path: Path) -> None:
    (case,) = [case for case in cases("mysensors") if case["name"] == "one_bit_flip_in_value"]
    talk = a_talk()
    talk.hear("1;0;0;0;6;t\n1;0;1;0;0;4.5\n")
    talk.wait(10_000)
    talk.hear(case["line"] + "\n")
    store = Store(tmp_path / "telemetry.db", talk.clock())
    for event in talk.events:
        if isinstance(event, HelloHeard):
            store.hello(event.hello, "gateway", talk.clock(), protocol=event.protocol)
        elif isinstance(event, DescriptionsHeard):
            store.descriptions(uid_bytes("ms-hall"), event)
        elif isinstance(event, RecordsArrived):
            store.records(uid_bytes("ms-hall"), event, talk.clock())
    store.commit()
    found = store.conn.execute("select value, quality, reason from stage order by seq").fetchall()
    store.close()
    assert found == [(4_500, QUALITY_UNCHECKED, 0), (44_500, QUALITY_SUSPECT, REASON_CODES["slope"])]


def test_requests_are_answered_as_the_vectors_say() -> None:
    talk = a_talk()
    talk.hear("0;255;3;0;14;Gateway startup complete.\n")
    assert talk.hear("1;255;3;0;6;0\n") == b"1;255;3;0;6;M\n"
    assert talk.hear("1;255;3;0;1;\n") == f"1;255;3;0;1;{WALL_US // 1_000_000}\n".encode()
    assert talk.hear("255;255;3;0;3;\n") == b"255;255;3;0;4;1\n"


def test_the_time_is_not_told_while_the_clock_is_not_set() -> None:
    talk = a_talk(Clock(is_trusted=False))
    assert talk.hear("1;255;3;0;1;\n") == b""


def test_an_id_is_told_only_after_it_is_on_disk_and_never_given_twice() -> None:
    talk = a_talk()
    talk.hear("0;255;3;0;14;ready\n")
    talk.commits = False
    assert talk.hear("255;255;3;0;3;\n") == b""
    assert talk.stored[-1][:3] == ("1 node", 0, 1)
    before = len(talk.written)
    talk.commit()
    assert bytes(talk.written[before:]) == b"255;255;3;0;4;1\n"
    # A bridge that was killed and started again learns from the store which ids are gone.
    again = a_talk(known=talk.descriptions)
    again.hear("0;255;3;0;14;ready\n")
    assert again.hear("255;255;3;0;3;\n") == b"255;255;3;0;4;2\n"


def test_a_node_that_was_heard_keeps_its_id_though_we_never_gave_it() -> None:
    talk = a_talk()
    talk.hear("1;255;0;0;17;2.3.2\n2;0;0;0;6;\n2;0;1;0;0;4.5\n")
    assert talk.hear("255;255;3;0;3;\n") == b"255;255;3;0;4;3\n"


def test_when_all_ids_are_gone_nobody_gets_one() -> None:
    talk = a_talk()
    for node in range(1, 255):
        talk.hear(f"{node};255;0;0;17;2.3.2\n")
    assert talk.hear("255;255;3;0;3;\n") == b""
    assert talk.session.receiver.errors["no_free_id"] == 1


def test_a_child_known_from_before_a_restart_is_not_doubted() -> None:
    talk = a_talk()
    talk.hear("1;0;0;0;13;meter\n1;0;1;0;17;42\n")
    again = a_talk(known=talk.descriptions)
    again.hear("1;0;1;0;17;43\n1;0;1;0;18;7.5\n")
    assert [row[:4] for row in again.stored] == [("1.0 power", 0, 43_000, ""), ("1.0 energy", 0, 7_500, "")]


def test_a_node_that_nobody_presented_is_asked_to_once() -> None:
    talk = a_talk()
    assert talk.hear("5;1;1;0;0;4.5\n5;1;1;0;0;4.6\n") == b"5;255;3;0;19;\n"
    assert talk.stored == []
    talk.wait(5_100)
    talk.hear("5;1;1;0;0;4.7\n")
    assert [row[2:4] for row in talk.stored] == [(raw, "unpresented") for raw in (4_500, 4_600, 4_700)]


def test_values_wait_a_moment_for_the_presentation_that_was_asked_for() -> None:
    talk = a_talk()
    talk.hear("5;1;1;0;0;4.5\n")
    first_ms = talk.clock.now_ms
    talk.wait(1_000)
    talk.hear("5;1;1;0;0;4.6\n5;1;0;0;6;freezer\n5;1;1;0;0;4.7\n")
    assert [row[:4] for row in talk.stored] == [("5.1 temperature", 0, raw, "") for raw in (4_500, 4_600, 4_700)]
    assert talk.stored[0][4] == first_ms


def test_a_gateway_is_asked_whether_it_is_there_and_silence_is_said() -> None:
    talk = a_talk()
    assert bytes(talk.written) == ASKS_VERSION
    assert talk.wait(5_100) == ASKS_VERSION
    talk.hear("0;255;3;0;2;2.3.2\n")
    assert talk.session.state is State.LINKED
    assert talk.wait(31_000) == ASKS_VERSION
    talk.wait(40_000)
    assert talk.session.state is State.STALE


def test_a_long_line_is_dropped_to_its_end_and_its_tail_is_no_line() -> None:
    talk = a_talk()
    talk.hear("1;0;0;0;6;t\n" + "x" * 200)
    talk.hear("1;0;1;0;0;99\n1;0;1;0;0;4.5\n")
    assert talk.values == [("1.0 temperature", 4_500)]
    assert talk.session.receiver.errors["oversize"] == 1


NUMBERS = st.decimals(min_value=-200, max_value=2_000, places=2, allow_nan=False, allow_infinity=False)


@given(
    node=st.integers(0, 255),
    child=st.integers(0, 255),
    value=NUMBERS,
    type_number=st.sampled_from([number for number, measure in MEASURES.items() if measure.kind != Kind.DOOR]),
)
def test_what_pymysensors_writes_is_read_with_the_same_fields(
    node: int, child: int, value: Any, type_number: int
) -> None:
    line = OracleMessage(node_id=node, child_id=child, type=SET, sub_type=type_number, payload=str(value)).encode()
    ours = decode_line(line.rstrip("\n").encode("ascii"))
    theirs = OracleMessage(line)
    assert (ours.node, ours.child, ours.command, ours.type) == (
        theirs.node_id,
        theirs.child_id,
        theirs.type,
        theirs.sub_type,
    )
    assert ours.payload == theirs.payload
    assert ours.encode().decode("ascii") == line


@given(st.text(max_size=130), st.text(alphabet="0123456789;.-", max_size=60))
def test_what_we_accept_pymysensors_reads_the_same(text: str, likely: str) -> None:
    for candidate in (text, likely):
        try:
            ours = decode_line(candidate.encode("utf-8"))
        except Malformed:
            continue
        theirs = OracleMessage(f"{ours.node};{ours.child};{ours.command};{int(ours.is_ack)};{ours.type};x")
        assert (ours.node, ours.child, ours.command, ours.type) == (
            theirs.node_id,
            theirs.child_id,
            theirs.type,
            theirs.sub_type,
        )
        assert candidate.count(";") >= 5


@given(st.lists(st.binary(max_size=300), max_size=6))
def test_any_bytes_leave_the_session_bounded_and_book_no_control_character(chunks: list[bytes]) -> None:
    talk = a_talk()
    for chunk in chunks:
        talk.hear(chunk)
    assert talk.session.records_waiting <= 512
    for desc in talk.descriptions:
        assert desc.name.isprintable()


def test_an_id_that_was_never_stored_is_never_told() -> None:
    clock = Clock()
    talk = a_talk(clock)
    talk.hear("0;255;3;0;2;2.3\n1;1;0;0;6;t\n")
    talk.hear("1;1;1;0;0;5\n" * (RECORDS_PER_SECOND_MAX + 50))
    talk.hear("255;255;3;0;3;\n")
    clock.now_ms += 2_000
    told = talk.hear("1;1;1;0;0;5\n")
    assert b";255;3;0;4;" not in told
    clock.now_ms += 2_000
    assert talk.hear("255;255;3;0;3;\n") == b"255;255;3;0;4;2\n"
