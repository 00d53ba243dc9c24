"""The golden vectors of the link, in both directions and in every cut."""

import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge.link.framing import encode_frame
from firmware_bridge.link.messages import (
    Ack,
    Cmd,
    CmdRsp,
    Data,
    Desc,
    Hello,
    HelloReq,
    Message,
    Stat,
    TimeReq,
    TimeRsp,
    encode,
)
from firmware_bridge.link.receiver import Receiver, device_receiver, host_receiver
from firmware_bridge.link.reconcile import Stored, reconcile

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "link.json").read_text("utf-8"))
TEN_MINUTES_MS = 600_000


def named(group: str) -> Any:
    return pytest.mark.parametrize("vector", VECTORS[group], ids=lambda vector: vector["name"])


def receiver_of(side: str) -> Receiver[Any]:
    return host_receiver() if side == "host" else device_receiver()


def build_message(vector: dict[str, Any]) -> Message:
    """Build the message that a vector describes in words, so that encoding is tested against bytes of others."""
    f = vector["fields"]
    boot = f.get("boot", 0)
    builders: dict[str, Any] = {
        "HELLO_REQ": lambda: HelloReq(),
        "ACK": lambda: Ack(boot, f["next"], f["seen"]),
        "TIME_REQ": lambda: TimeReq(boot, f["token"]),
        "TIME_RSP": lambda: TimeRsp(boot, f["token"], f["now_ms"]),
        "STAT": lambda: Stat(
            boot, f["rx_crc_err"], f["retx"], f["dropped"], f["ring_used"], f["vcc_mv"], f["mcu_temp_c10"]
        ),
        "CMD": lambda: Cmd(boot, f["cmd_id"], f["op"], bytes.fromhex(f["args"])),
        "CMD_RSP": lambda: CmdRsp(boot, f["cmd_id"], f["status"], bytes.fromhex(f["data"])),
        "DESC": lambda: Desc(
            f["ch"],
            f["kind"],
            f["exp10"],
            f["flags"],
            f["lo"],
            f["hi"],
            f["period_ds"],
            f["noise"],
            f["unit"],
            f["name"],
        ),
        "DATA": lambda: Data(
            boot,
            f["first_seq"],
            f["base_ms"],
            [(record["dt_ms"], record["ch"], record["status"], record["value"]) for record in f["records"]],
        ),
        "HELLO": lambda: Hello(
            boot=boot,
            tail=f["tail"],
            head=f["head"],
            now_ms=f["now_ms"],
            dropped_total=f["dropped_total"],
            uid=bytes.fromhex(f["uid"]),
            firmware=f["fw"],
            channels=f["nch"],
            reset_cause=f["reset_cause"],
            is_ring_kept=f["ring_kept"],
            desc_crc=f["desc_crc"],
            ring_records=f["ring_records"],
        ),
    }
    message: Message = builders[vector["type"]]()
    return message


def receiver_for(vector: dict[str, Any]) -> Receiver[Any]:
    return receiver_of("device" if vector["dir"] == "h2d" else "host")


def good(name: str) -> dict[str, Any]:
    return next(vector for vector in VECTORS["good"] if vector["name"] == name)


def test_the_vectors_cover_all_ten_messages() -> None:
    assert {vector["type"] for vector in VECTORS["good"]} == {
        "HELLO",
        "TIME_RSP",
        "DATA",
        "DESC",
        "STAT",
        "CMD_RSP",
        "HELLO_REQ",
        "ACK",
        "TIME_REQ",
        "CMD",
    }


def test_the_check_sum_has_the_published_check_value() -> None:
    check = VECTORS["crc_check"]
    assert int(check["crc32"], 16) == zlib.crc32(bytes.fromhex(check["input"]))


@named("good")
def test_a_message_encodes_to_the_golden_bytes(vector: dict[str, Any]) -> None:
    body = encode(build_message(vector))
    assert bytes.fromhex(vector["raw"])[:-4] == body
    assert bytes.fromhex(vector["wire"]) == encode_frame(body)


@named("good")
def test_the_golden_bytes_decode_to_the_message(vector: dict[str, Any]) -> None:
    receiver = receiver_for(vector)
    assert [build_message(vector)] == receiver.receive(bytes.fromhex(vector["wire"]), 0)
    assert not receiver.errors


@named("good")
def test_a_golden_frame_survives_arriving_one_byte_at_a_time(vector: dict[str, Any]) -> None:
    receiver = receiver_for(vector)
    wire = bytes.fromhex(vector["wire"])
    heard = [message for byte in wire for message in receiver.receive(bytes([byte]), 0)]
    assert [build_message(vector)] == heard


@named("good")
def test_the_other_side_counts_a_golden_frame_as_wrong_direction(vector: dict[str, Any]) -> None:
    receiver = receiver_of("host" if vector["dir"] == "h2d" else "device")
    assert receiver.receive(bytes.fromhex(vector["wire"]), 0) == []
    assert dict(receiver.errors) == {"direction": 1}


@pytest.mark.parametrize("chunk_bytes", [1, 7, 64, 4095])
@named("streams")
def test_a_stream_gives_its_frames_errors_and_text(vector: dict[str, Any], chunk_bytes: int) -> None:
    receiver = receiver_of(vector["receiver"])
    wire = b"".join(bytes.fromhex(part["hex"]) * part.get("times", 1) for part in vector["parts"])
    heard, held_bytes_max = [], 0
    for start in range(0, len(wire), chunk_bytes):
        heard += receiver.receive(wire[start : start + chunk_bytes], 0)
        held_bytes_max = max(held_bytes_max, receiver.held_bytes)
    expected = vector["expect"]
    assert [build_message(good(name)) for name in expected["frames"]] == heard
    assert expected["errors"] == dict(receiver.errors)
    assert expected["log"] == receiver.take_text()
    assert held_bytes_max <= 1024


@named("reconcile")
def test_a_hello_is_reconciled_as_in_the_table(vector: dict[str, Any]) -> None:
    facts, host, expected = vector["hello"], vector["host"], vector["expect"]
    stored = None
    if host is not None:
        stored = Stored(host["boot"], host["next"], host["last_now_ms"], host["dropped_total"], TEN_MINUTES_MS)
    hello = Hello(
        boot=facts["boot"],
        tail=facts["tail"],
        head=facts["head"],
        now_ms=facts["now_ms"],
        dropped_total=facts["dropped_total"],
        uid=bytes.fromhex("01eeffc042000000"),
        firmware=0x0102,
        channels=3,
        reset_cause=0,
        is_ring_kept=facts["ring_kept"],
        desc_crc=0,
        ring_records=facts["ring_records"],
    )
    agreed = reconcile(stored, hello)
    gap = None
    if agreed.gap is not None:
        first = agreed.gap.first_seq
        gap = {
            "first": None if first is None else first % (1 << 32),
            "count": agreed.gap.count,
            "cause": agreed.gap.cause,
        }
    assert expected == {"ack": agreed.next_seq % (1 << 32), "gap": gap, "new_epoch": agreed.is_new_epoch}
