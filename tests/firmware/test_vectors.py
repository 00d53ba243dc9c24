"""The golden vectors of link and sensors, said and heard by the C device."""

import ctypes
import json
import random
import zlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.link.framing import encode_frame
from firmware_bridge.link.messages import Cmd, Desc, Hello, encode
from firmware_bridge.link.receiver import host_receiver
from tests.firmware.board import MODULUS, CBoard, library
from tests.firmware_bridge.link.test_vectors import good

FOLDER = Path(__file__).parents[1] / "vectors"
LINK: dict[str, Any] = json.loads((FOLDER / "link.json").read_text("utf-8"))
SENSORS: dict[str, Any] = json.loads((FOLDER / "adapters.json").read_text("utf-8"))
UID = bytes.fromhex("01eeffc042000000")
CHANNELS = tuple(Desc(channel, 1, -3, 0, -55_000, 125_000, 100, 62, "Cel", "cold-1") for channel in range(32))
RING = 4096
SATURATED, CRC_WRONG = 6, 3


def vectors(way: str) -> Any:
    # A frame may count its times from before its first record, but no board of ours does.
    chosen = [v for v in LINK["good"] if v["dir"] == way and v["name"] != "data_max_no_zero_byte"]
    return pytest.mark.parametrize("vector", chosen, ids=lambda vector: vector["name"])


@pytest.fixture
def board() -> Iterator[CBoard]:
    with CBoard(uid=UID, descriptions=CHANNELS, ring_records=RING, firmware=0x0102) as made:
        made.start(boot=9)
        yield made


def said(board: CBoard, vector: dict[str, Any]) -> bytes:
    """Bring a board to where a golden message is true of it, and return what it says."""
    f = vector["fields"]
    kind = vector["type"]
    if "boot" in f:
        board.call("device_set_boot", f["boot"])
    if kind == "HELLO":
        return say_hello(f)
    if kind == "DESC":
        mine = Desc(
            *(f[name] for name in ("ch", "kind", "exp10", "flags", "lo", "hi", "period_ds", "noise", "unit", "name"))
        )
        with CBoard(uid=UID, descriptions=(mine,), ring_records=RING) as other:
            other.start()
            other.call("device_say_desc", mine.channel)
            return other.take_output()
    if kind == "DATA":
        return say_data(board, f)
    if kind == "STAT":
        board.call("device_pretend", 0, f["ring_used"], 0, f["dropped"], 0)
        board.call("device_count", f["rx_crc_err"], f["retx"], f["vcc_mv"], f["mcu_temp_c10"])
        board.call("device_say_stat")
        return board.take_output()
    return answer(board, vector)


def say_hello(f: dict[str, Any]) -> bytes:
    uid, ring = bytes.fromhex(f["uid"]), f["ring_records"]
    with CBoard(uid=uid, descriptions=CHANNELS[: f["nch"]], ring_records=ring, firmware=f["fw"]) as other:
        other.start(boot=f["boot"], cause=f["reset_cause"])
        used = (f["head"] - f["tail"]) % MODULUS
        other.call("device_pretend", f["tail"], used, 0, f["dropped_total"], f["desc_crc"])
        other.call("device_say_hello", f["ring_kept"], f["now_ms"])
        return other.take_output()


def say_data(board: CBoard, f: dict[str, Any]) -> bytes:
    board.call("device_pretend", f["first_seq"], 0, 0, 0, 0)
    now_boot = f["boot"]
    records = f["records"]
    is_earlier = any(record["status"] & 0x10 for record in records)
    for record in records:
        board.put(record["ch"], record["value"], f["base_ms"] + record["dt_ms"], status=record["status"] & ~0x10)
    if is_earlier:
        board.call("device_set_boot", now_boot + 1)
    board.call("device_link")
    board.poll(0)
    return board.take_output()


def answer(board: CBoard, vector: dict[str, Any]) -> bytes:
    """Ask what makes a board answer with this message."""
    f = vector["fields"]
    board.call("device_link")
    if vector["type"] == "TIME_RSP":
        board.receive(bytes.fromhex(good("time_req_1")["wire"]), f["now_ms"])
    elif f["status"] == 1:
        board.receive(encode_frame(encode(Cmd(f["boot"], f["cmd_id"], 9))), 0)
    else:
        board.call("device_pretend", int.from_bytes(bytes.fromhex(f["data"]), "little"), 0, 0, 0, 0)
        board.receive(bytes.fromhex(good("cmd_tare")["wire"]), 0)
    return board.take_output()


@vectors("d2h")
def test_a_board_says_the_golden_bytes(board: CBoard, vector: dict[str, Any]) -> None:
    assert bytes.fromhex(vector["wire"]) == said(board, vector)


@vectors("h2d")
def test_a_board_takes_the_golden_messages_of_a_host(board: CBoard, vector: dict[str, Any]) -> None:
    f = vector["fields"]
    tail = f.get("next", 0)
    board.call("device_pretend", tail - 2, 100, 100, 0, 0)
    board.call("device_link")
    board.call("device_pretend", tail - 2, 100, 100, 0, 0)
    board.receive(bytes.fromhex(vector["wire"]), 1000)
    assert (board.get("refused"), board.refused_for) == (0, "")
    heard = host_receiver().receive(board.take_output(), 0)
    if vector["type"] == "ACK":
        assert (board.get("tail"), board.get("seen")) == (tail, (f["seen"] - f["next"]) % MODULUS)
        return
    answers = {"HELLO_REQ": "Hello", "TIME_REQ": "TimeRsp", "CMD": "CmdRsp"}
    assert [type(message).__name__ for message in heard[:1]] == [answers[vector["type"]]]
    # A new period is a new description, which the board announces by itself.
    assert [type(message) for message in heard[1:]] == ([Hello] if f.get("op") == 2 else [])
    assert board.get("commands") == (vector["type"] == "CMD" and f["op"] != 3)


@vectors("h2d")
def test_a_board_takes_a_golden_message_only_once_it_is_whole(board: CBoard, vector: dict[str, Any]) -> None:
    for byte in bytes.fromhex(vector["wire"])[:-1]:
        board.receive(bytes([byte]), 1000)
    assert (board.take_output(), board.get("refused")) == (b"", 0)


@pytest.mark.parametrize(
    "vector", [v for v in LINK["streams"] if v["receiver"] == "device"], ids=lambda vector: vector["name"]
)
def test_a_board_counts_a_bad_stream_and_goes_on(board: CBoard, vector: dict[str, Any]) -> None:
    board.call("device_pretend", 0, 100, 100, 0, 0)
    board.call("device_link")
    board.call("device_pretend", 0, 100, 100, 0, 0)
    reasons = []
    for part in vector["parts"]:
        before = board.get("refused")
        for byte in bytes.fromhex(part["hex"]) * part.get("times", 1):
            board.receive(bytes([byte]), 0)
            if board.get("refused") > before:
                reasons.append(board.refused_for)
                before += 1
    assert vector["expect"]["errors"] == {reason: reasons.count(reason) for reason in reasons}
    assert board.get("tail") == 5


@pytest.mark.parametrize(
    "vector", [v for v in LINK["streams"] if v["receiver"] == "host"], ids=lambda vector: vector["name"]
)
def test_no_stream_made_for_a_host_moves_a_board(board: CBoard, vector: dict[str, Any]) -> None:
    board.call("device_pretend", 100, 50, 50, 0, 0)
    for part in vector["parts"]:
        board.receive(bytes.fromhex(part["hex"]) * min(part.get("times", 1), 4096), 0)
    assert (board.get("tail"), board.get("used"), board.get("commands")) == (100, 50, 0)


def test_the_check_sum_of_a_board_is_the_published_one() -> None:
    loaded = library(RING)
    check = LINK["crc_check"]
    assert int(check["crc32"], 16) == loaded.check_sum(bytes.fromhex(check["input"]), 9)
    source = random.Random(5)
    for length in range(256):
        data = source.randbytes(length)
        assert zlib.crc32(data) == loaded.check_sum(data, length)


def decoded(name: str, data: Any) -> tuple[int, int]:
    value = ctypes.c_int32(0)
    status = getattr(library(RING), name)(data, ctypes.byref(value))
    return status, value.value


@pytest.mark.parametrize("vector", SENSORS["ds18b20"], ids=lambda vector: vector["name"])
def test_a_scratchpad_is_a_temperature_or_a_fault_with_its_reason(vector: dict[str, Any]) -> None:
    status, milli_c = decoded("decode_ds18b20", bytes.fromhex(vector["scratchpad"]))
    expected = vector["expect"]
    if expected["outcome"] == "fault":
        assert (status & 1, status >> 5) == (1, expected["code"])
    else:
        assert (status, milli_c) == (0, expected["milli_c"])


@pytest.mark.parametrize("vector", SENSORS["sht3x"], ids=lambda vector: vector["name"])
def test_a_word_of_an_sht3x_is_checked_and_scaled(vector: dict[str, Any]) -> None:
    word, crc = bytes.fromhex(vector["word"]), bytes.fromhex(vector["crc"])
    status, milli_c = decoded("decode_sht3x", word + crc)
    assert status == 0
    assert vector.get("milli_c", milli_c) == milli_c
    assert decoded("decode_sht3x", word + bytes([crc[0] ^ 1]))[0] >> 5 == CRC_WRONG
    assert decoded("decode_humidity", word + crc) == (
        2 if word == b"\xff\xff" else 0,
        round(100_000 * int.from_bytes(word) / 65_535),
    )


@pytest.mark.parametrize("vector", SENSORS["hx711"], ids=lambda vector: vector["name"])
def test_a_converter_gives_a_signed_number_or_says_that_it_is_saturated(vector: dict[str, Any]) -> None:
    status, value = decoded("decode_hx711", int(vector["raw24"], 16))
    if "fault" in vector["expect"]:
        assert (status & 1, status >> 5) == (1, SATURATED)
    else:
        assert (status, value) == (0, vector["expect"]["value"])


@pytest.mark.parametrize("counts_per_gram", [32, 210, 419, 2_000_000])
def test_counts_of_any_size_become_milligrams_within_32_bits(counts_per_gram: int) -> None:
    source = random.Random(counts_per_gram)
    most = (1 << 24) - 1  # a count less the tare
    for counts in (0, 1, -1, most, -most, *(source.randrange(-most, most) for _ in range(100))):
        expected = int(Decimal(counts) * 1_000 / counts_per_gram)
        assert expected == ctypes.c_int32(library(RING).weight_mg(counts, counts_per_gram)).value


def test_one_garbage_sample_does_not_move_the_median() -> None:
    source = random.Random(2)
    for _ in range(200):
        samples = [source.randrange(-(1 << 23), 1 << 23) for _ in range(5)]
        assert sorted(samples)[2] == ctypes.c_int32(library(RING).median((ctypes.c_int32 * 5)(*samples))).value


def test_a_contact_that_bounces_is_one_edge_at_the_time_it_began() -> None:
    levels = bytes([0] * 100 + [1, 0] * 15 + [1] * 300 + [0] * 20 + [1] * 10 + [0] * 70_000)
    at, levels_said = (ctypes.c_uint32 * 64)(), (ctypes.c_uint8 * 64)()
    start_ms = MODULUS - 200  # across the wrap of the uptime
    count = library(RING).play_reed(levels, len(levels), ctypes.c_uint32(start_ms), at, levels_said)
    heard = [((at[index] - start_ms) % MODULUS, levels_said[index]) for index in range(count)]
    closed_at = 100 + 30 + 300 + 20 + 10
    assert heard == [(0, 0), (130, 1), (closed_at, 0), (closed_at + 50 + 60_000, 0)]
