"""Requests of the staff to a board: hostile files, and real boards that do what was asked."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware_bridge import asks
from firmware_bridge.asks import Answer, Ask, judge_ask, take_asks
from firmware_bridge.clock import HostNow
from firmware_bridge.link.messages import Op
from firmware_bridge.store import read
from node import clock
from node.cold.asking import ask_board
from node.errors import LocalFault, NotSavedNow, Refused
from node.places import Places
from tests.firmware_bridge.running import UID, Shop, a_shop, until

NOW = HostNow("a" * 32, 1_000_000, 1_700_000_000_000_000)
GOOD = {"format": asks.FORMAT, "host_boot_id": "a" * 32, "boottime_ms": 999_000, "uid": UID, "op": "tare", "channel": 0}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with a_shop(tmp_path) as opened:
        yield opened


def judged(**changes: object) -> Ask | Answer:
    return judge_ask("x", json.dumps({**GOOD, **changes}).encode(), NOW)


def asked(shop: Shop, op: str, *, uid: str = UID, **arguments: int) -> str:
    """Ask as the staff's process does, and return the status of the answer."""
    ask_id = f"{op}-{os.urandom(4).hex()}"
    ask_board(Places(shop.data), clock.now(), ask_id=ask_id, uid=uid, op=op, **arguments)
    answer = until(lambda: answer_to(shop, ask_id), what=f"{op} is answered")
    return answer.status


def answer_to(shop: Shop, ask_id: str) -> read.AskAnswered | None:
    conn = read.open_telemetry(shop.database)
    try:
        return read.answer_to(conn, ask_id)
    finally:
        conn.close()


def test_each_request_becomes_the_bytes_of_its_command() -> None:
    assert judged() == Ask("x", UID, "tare", Op.TARE, b"\x00")
    assert judged(op="period", tenths_s=300) == Ask("x", UID, "period", Op.SET_PERIOD, b"\x00\x2c\x01")
    assert judged(op="blink", seconds=5) == Ask("x", UID, "blink", Op.BLINK, b"\x05")
    assert judged(op="describe") == Ask("x", UID, "describe", Op.SEND_DESC, b"")
    assert judged(op="reboot") == Ask("x", UID, "reboot", Op.REBOOT, b"")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"channel": 32}, "bad_args"),
        ({"channel": True}, "bad_args"),
        ({"channel": "0"}, "bad_args"),
        ({"op": "period", "tenths_s": 0}, "bad_args"),
        ({"op": "blink", "seconds": 256}, "bad_args"),
        ({"op": "erase"}, "refused"),
        ({"uid": "../../x"}, "refused"),
        ({"format": "larder-ask/2"}, "refused"),
        ({"boottime_ms": 939_999}, "late"),
        ({"boottime_ms": 1_000_001}, "late"),
        ({"host_boot_id": "b" * 32}, "late"),
    ],
)
def test_a_wrong_request_is_answered_with_its_reason(changes: dict[str, object], status: str) -> None:
    answer = judged(**changes)
    assert isinstance(answer, Answer)
    assert status == answer.status


@given(
    content=st.binary(max_size=200)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda value: json.dumps(value).encode())
)
def test_no_content_is_more_than_a_refusal(content: bytes) -> None:
    assert judge_ask("x", content, NOW) == Answer("x", None, "", "refused")


def test_deep_nesting_and_long_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_bytes(b"[" * 4_000)
    (tmp_path / "long.json").write_bytes(json.dumps({**GOOD, "more": "x" * 5_000}).encode())
    assert [each.status for each in take_asks(tmp_path, NOW) if isinstance(each, Answer)] == ["refused", "refused"]
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_plain_file_of_ours_is_taken_away_and_never_followed(tmp_path: Path) -> None:
    folder, secret = tmp_path / "ask", tmp_path / "secret"
    folder.mkdir()
    secret.write_text(json.dumps(GOOD))
    (folder / "link.json").symlink_to(secret)
    os.mkfifo(folder / "fifo.json")
    (folder / "UPPER.json").write_text(json.dumps(GOOD))
    (folder / "folder.json").mkdir()
    (folder / ".being-made.json").write_text(json.dumps(GOOD))
    assert take_asks(folder, NOW) == []
    assert sorted(path.name for path in folder.iterdir()) == [".being-made.json", "folder.json"]
    assert secret.exists()


def test_at_most_sixty_four_are_taken_at_once_and_none_twice(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"{number:03}.json").write_text(json.dumps(GOOD))
    first, second, third = (take_asks(tmp_path, NOW) for _ in range(3))
    assert [len(first), len(second), len(third)] == [64, 36, 0]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=40))
def test_no_file_name_ends_the_bridge(tmp_path: Path, name: str) -> None:
    if name in (".", ".."):
        return
    (tmp_path / name).write_bytes(b"{}")
    take_asks(tmp_path, NOW)
    (tmp_path / name).unlink(missing_ok=True)


def test_a_board_does_what_staff_ask_and_says_so(shop: Shop) -> None:
    shop.board("--kind", "shelf", "--name", "scale", "--period-s", "0.2")
    shop.bridge("--commit-interval-s", "1")
    shop.wait_linked()
    shop.wait_stored(3)
    assert asked(shop, "blink", seconds=2) == "done"
    assert asked(shop, "tare", channel=0) == "done"
    first = int(shop.query("select detail from answer where op = 'tare'")[0][0])
    shop.wait_stored(first + 3)
    tared = [value for _, seq, _, value, _ in shop.stored() if seq >= first]
    assert max(abs(value) for value in tared) < 100  # grams: the shelf as it stands is zero
    assert asked(shop, "tare", channel=7) == "bad_args"
    assert asked(shop, "describe") == "done"
    assert asked(shop, "blink", uid="01eeffc0420000ff", seconds=1) == "not_linked"


def test_a_new_period_is_described_and_holds_from_there_on(shop: Shop) -> None:
    shop.board("--period-s", "0.2")
    shop.bridge("--commit-interval-s", "1")
    shop.wait_linked()
    shop.wait_stored(3)
    assert asked(shop, "period", channel=0, tenths_s=10) == "done"
    periods = until(
        lambda: shop.query("select from_seq, period_ds from channel order by channel_version")[1:],
        what="the channel has a second description",
    )
    assert periods[-1][0] > 0
    assert periods[-1][1] == 10


def test_a_board_told_to_reboot_goes_on_in_a_new_boot_without_a_gap(shop: Shop) -> None:
    shop.board("--period-s", "0.2")
    shop.bridge("--commit-interval-s", "1")
    shop.wait_linked()
    shop.wait_stored(3)
    assert asked(shop, "reboot") == "done"
    until(lambda: len({boot for boot, *_ in shop.stored()}) == 2, what="a second boot has readings")
    assert shop.query("select count(*) from gap") == [(0,)]
    assert [cause for (cause,) in shop.query("select reset_cause from boot order by boot desc limit 1")] == [6]
    seqs = [seq for _, seq, *_ in shop.stored()]
    assert list(range(len(seqs))) == seqs


def test_too_many_requests_and_a_market_without_a_bridge_are_said(tmp_path: Path) -> None:
    places = Places(tmp_path)
    with pytest.raises(LocalFault, match="larder-bridge once"):
        ask_board(places, clock.now(), ask_id="a", uid=UID, op="reboot")
    folder = tmp_path / "telemetry" / "ask"
    folder.mkdir(parents=True)
    for number in range(64):
        ask_board(places, clock.now(), ask_id=f"a{number}", uid=UID, op="reboot")
    with pytest.raises(NotSavedNow):
        ask_board(places, clock.now(), ask_id="b", uid=UID, op="reboot")
    with pytest.raises(Refused):
        ask_board(places, clock.now(), ask_id="b", uid=UID, op="erase")
