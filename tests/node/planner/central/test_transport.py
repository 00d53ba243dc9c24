"""One question over HTTP: against a stand-in that fails in every way a network and a server can."""

from __future__ import annotations

import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from node import clock
from node.errors import RemoteFault
from node.planner.central import transport as transport_module
from node.planner.central.faults import NoAnswer
from node.planner.central.policies import Deadlines
from node.planner.central.request import make_request
from node.planner.central.transport import BODY_BYTES_MAX, Question, Transport
from tests.node.planner.central.builders import LIMIT_OF, PATIENT, TOTAL, a_question, a_snapshot
from tests.standin import Scenario, StandIn

CHECKOUT = Path(__file__).resolve().parents[4]


def the_question() -> Question:
    asked = make_request(a_snapshot())
    assert asked is not None
    return a_question(asked.body)


def asking(
    *answers: str, deadlines: Deadlines = PATIENT, stop: threading.Event | None = None
) -> tuple[bytes | NoAnswer, StandIn, list[float]]:
    """Ask a stand-in once; return the body or the fault, what the stand-in saw, and the waits between attempts."""
    waits: list[float] = []
    with StandIn(Scenario(answers)) as stand_in:
        transport = Transport(stand_in.url, stop=stop or threading.Event(), sleep=waits.append)
        try:
            return transport.ask(the_question(), deadlines), stand_in, waits
        except NoAnswer as fault:
            return fault, stand_in, waits


def test_a_good_answer_is_returned_as_it_came() -> None:
    body, stand_in, _waits = asking("good")
    assert isinstance(body, bytes)
    assert b"plan-proposal/1" in body
    [seen] = stand_in.seen
    assert seen.headers["idempotency-key"] == "0" * 32
    assert 0 < int(seen.headers["x-deadline-ms"]) <= PATIENT.total_s * 1000
    assert seen.headers["accept-encoding"] == "identity"
    assert "authorization" not in seen.headers
    assert "cookie" not in seen.headers


@pytest.mark.parametrize(
    ("answer", "error_id", "attempts"),
    [
        ("refuse", "planner.unreachable", 0),
        ("reset_mid_body", "planner.broke_off", 3),
        ("error_502", "planner.error", 3),
        ("error_500", "planner.error", 1),
        ("error_400", "planner.error", 1),
        ("redirect", "planner.error", 1),
        ("silent", "planner.silent", 1),
        ("stalled_mid_body", "planner.silent", 1),
        ("error_503_long", "planner.error", 1),
    ],
)
def test_each_failure_is_asked_again_only_as_the_policy_says(answer: str, error_id: str, attempts: int) -> None:
    fault, stand_in, waits = asking(answer, deadlines=LIMIT_OF.get(answer, PATIENT))
    assert isinstance(fault, NoAnswer)
    assert fault.error_id == error_id
    assert len(waits) == max(2 if answer == "refuse" else 0, attempts - 1)
    assert len(stand_in.seen) == attempts
    assert len({seen.headers["idempotency-key"] for seen in stand_in.seen}) <= 1


@pytest.mark.parametrize("answer", ["error_503", "error_429"])
def test_a_wish_to_come_later_is_kept(answer: str) -> None:
    deadlines = Deadlines(connect_s=1, first_byte_s=5, between_bytes_s=5, total_s=30)
    fault, stand_in, waits = asking(answer, deadlines=deadlines)
    assert isinstance(fault, NoAnswer)
    assert len(stand_in.seen) == 3
    assert all(wait_s >= 1 for wait_s in waits)


def test_a_planner_that_answers_every_second_time_is_heard() -> None:
    body, stand_in, _waits = asking("flapping")
    assert isinstance(body, bytes)
    assert [seen.answer for seen in stand_in.seen] == ["flapping", "flapping"]


def test_the_date_of_the_planner_does_not_matter() -> None:
    body, _stand_in, _waits = asking("wrong_date")
    assert isinstance(body, bytes)


@pytest.mark.parametrize("answer", ["drip", "late"])
def test_the_total_deadline_cuts_whatever_is_still_coming(answer: str) -> None:
    """A drip restarts httpx's own timeout at each byte. The bound here is far above the deadline, below any other."""
    before_s = clock.monotonic_s()
    fault, stand_in, _waits = asking(answer, deadlines=TOTAL)
    assert isinstance(fault, NoAnswer)
    assert fault.error_id == "planner.late"
    assert str(fault).startswith("The central planner gave no answer within 0.3 s.")
    assert len(stand_in.seen) == 1
    assert clock.monotonic_s() - before_s < TOTAL.first_byte_s
    assert not [thread for thread in threading.enumerate() if thread.name == "planner-question"]


def test_ending_the_program_ends_the_question() -> None:
    stop = threading.Event()
    results: list[object] = []
    deadlines = Deadlines(connect_s=5, first_byte_s=60, between_bytes_s=60, total_s=60)
    with StandIn(Scenario(["silent"])) as stand_in:
        transport = Transport(stand_in.url, stop=stop)

        def ask() -> None:
            try:
                results.append(transport.ask(the_question(), deadlines))
            except NoAnswer as fault:
                results.append(fault.error_id)

        thread = threading.Thread(target=ask)
        thread.start()
        while not stand_in.seen:
            assert thread.is_alive()
            thread.join(0.01)
        stop.set()
        thread.join(10)
    assert results == ["planner.stopping"]


def test_a_question_that_cannot_be_cut_is_left_behind_and_never_doubled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is being looked up cannot be interrupted; one such thread may hang, a second is not begun."""
    released = threading.Event()
    exchange = transport_module._exchange

    def hanging(*arguments: Any) -> bytes:
        released.wait()
        return exchange(*arguments)

    monkeypatch.setattr(transport_module, "_exchange", hanging)
    with StandIn(Scenario(["good"])) as stand_in:
        transport = Transport(stand_in.url, stop=threading.Event())
        found = []
        for _attempt in range(2):
            with pytest.raises(NoAnswer) as fault:
                transport.ask(the_question(), TOTAL)
            found.append(fault.value.error_id)
        released.set()
        assert transport._thread is not None
        transport._thread.join(10)
        assert b"plan-proposal/1" in transport.ask(the_question(), PATIENT)
    assert found == ["planner.late", "planner.hanging"]


@pytest.mark.parametrize("answer", ["huge", "huge_chunked"])
def test_a_body_of_fifty_megabytes_is_cut_before_it_is_held(answer: str) -> None:
    asking("good")  # what is loaded once is not counted
    tracemalloc.start()
    try:
        body, _stand_in, _waits = asking(answer, deadlines=PATIENT)
        _now, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(body, bytes)
    assert len(body) == BODY_BYTES_MAX + 1
    assert peak_bytes < 2 * 1024 * 1024


def test_a_packed_body_stays_packed() -> None:
    body, _stand_in, _waits = asking("packed")
    assert isinstance(body, bytes)
    assert body.startswith(b"\x1f\x8b")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "nonsense", "http://[", "http://127.0.0.1:99999"])
def test_an_address_that_is_none_is_said(url: str) -> None:
    with pytest.raises(RemoteFault) as fault:
        Transport(url, stop=threading.Event()).ask(the_question(), PATIENT)
    assert fault.value.error_id == "planner.address"


def test_nothing_is_asked_again_past_the_deadline() -> None:
    """An hour's wait is no wait within the deadline: the question ends at once, with the last reason."""
    now_s = [0.0]
    waits: list[float] = []
    with StandIn(Scenario(["error_502"])) as stand_in:

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            now_s[0] += 100.0

        transport = Transport(stand_in.url, stop=threading.Event(), monotonic_s=lambda: now_s[0], sleep=sleep)
        with pytest.raises(NoAnswer) as fault:
            transport.ask(the_question(), Deadlines(total_s=50))
    assert fault.value.error_id == "planner.late"
    assert len(waits) == len(stand_in.seen) == 1


def test_the_planner_of_the_demo_answers_and_ends_with_its_parent() -> None:
    starter = (
        "import subprocess, sys\n"
        "command = [sys.executable, 'deploy/central_planner.py', '--port', '0']\n"
        "child = subprocess.Popen(command, stdout=subprocess.PIPE)\n"
        "print(child.stdout.readline().decode().strip(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", starter], cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        transport = Transport(f"http://127.0.0.1:{port}", stop=threading.Event())
        assert b"larder-central/1" in transport.ask(the_question(), Deadlines())
        parent.kill()
        parent.wait()
    deadline_s = clock.monotonic_s() + 10
    while clock.monotonic_s() < deadline_s:
        try:
            transport.ask(the_question(), PATIENT)
        except NoAnswer as fault:
            if fault.error_id == "planner.unreachable":
                return
    pytest.fail("the planner outlived its parent")
