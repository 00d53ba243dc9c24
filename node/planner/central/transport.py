"""One question over HTTP and the bytes that come back, within hard limits of time and size.

Not the contract (`request`) and not a judge of what came. Owns the total deadline: httpx restarts its read timeout at
every byte, so the question runs in a thread of its own, and whoever waits for it cuts the connection when time is over.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from node import clock
from node.planner.central import faults
from node.planner.central.policies import Deadlines, central, retry_after_s

# The contract's bound for an answer; one byte more is kept so that the validator can say that it was longer.
BODY_BYTES_MAX = 256 * 1024
# How often the waiting side looks at the stop signal; also how late a cut can come.
LOOK_EVERY_S = 0.05
# A cut connection ends its thread at once; a name that is being looked up cannot be interrupted.
THREAD_ENDS_WITHIN_S = 0.5

PATH = "/v1/plan-proposals"
OK = 200
PASSING_STATUSES = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Question:
    """What is sent: the body, and the key under which asking again is still the same question."""

    body: bytes
    key: str


@dataclass(slots=True)
class _Call:
    """One HTTP exchange in a thread: its sockets, so that it can be cut, and how it ended."""

    done: threading.Event = field(default_factory=threading.Event)
    sockets: list[socket.socket] = field(default_factory=list)
    is_cut: bool = False
    silence_s: float = 0.0
    body: bytes = b""
    fault: Exception | None = None

    def notice(self, name: str, info: dict[str, Any]) -> None:
        """Keep the socket of a new connection (httpx calls this with each step of an exchange)."""
        if name == "connection.connect_tcp.complete":
            self.sockets.append(info["return_value"].get_extra_info("socket"))
            if self.is_cut:
                self.cut()

    def cut(self) -> None:
        """End the exchange from outside. Only a shutdown wakes a thread that waits in recv; a close does not."""
        self.is_cut = True
        for connected in self.sockets:
            try:
                connected.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it has ended by itself


class Transport:
    """Asks the planner at one address. One question at a time; belongs to one thread."""

    def __init__(
        self,
        url: str,
        *,
        stop: threading.Event,
        monotonic_s: Callable[[], float] = clock.monotonic_s,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self._url = url
        self._stop = stop
        self._monotonic_s = monotonic_s
        self._sleep = sleep or self._pause
        self._thread: threading.Thread | None = None

    def ask(self, question: Question, deadlines: Deadlines) -> bytes:
        """Return the body of the planner's answer, at most BODY_BYTES_MAX + 1 bytes of it.

        Asks again as the policy `central` allows, all within `deadlines.total_s`. Raises NoAnswer.
        """
        _check_address(self._url)
        ends_at_s = self._monotonic_s() + deadlines.total_s
        policy = central(ends_at_s=ends_at_s, monotonic_s=self._monotonic_s, sleep=self._sleep, stop=self._stop)
        return policy(self._once, question, deadlines, ends_at_s)

    def _pause(self, seconds: float) -> None:
        self._stop.wait(seconds)

    def _once(self, question: Question, deadlines: Deadlines, ends_at_s: float) -> bytes:
        if self._stop.is_set():
            raise faults.stopping()
        if self._thread is not None and self._thread.is_alive():
            raise faults.still_hanging()
        left_s = ends_at_s - self._monotonic_s()
        if left_s <= 0:
            raise faults.too_late(deadlines.total_s)
        call = _Call()
        self._thread = threading.Thread(
            target=_run, args=(call, self._url, question, deadlines, left_s), name="planner-question", daemon=True
        )
        self._thread.start()
        self._wait(call, deadlines, ends_at_s)
        if call.fault is not None:
            raise call.fault
        return call.body

    def _wait(self, call: _Call, deadlines: Deadlines, ends_at_s: float) -> None:
        while not call.done.wait(LOOK_EVERY_S):
            if self._stop.is_set():
                self._cut(call)
                raise faults.stopping()
            if self._monotonic_s() >= ends_at_s:
                self._cut(call)
                raise faults.too_late(deadlines.total_s)

    def _cut(self, call: _Call) -> None:
        call.cut()
        if self._thread is not None:
            self._thread.join(THREAD_ENDS_WITHIN_S)


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, an unfinished IPv6 address
        is_usable = False
    if not is_usable:
        raise faults.wrong_address(url)


def _run(call: _Call, url: str, question: Question, deadlines: Deadlines, left_s: float) -> None:
    try:
        call.body = _exchange(call, url, question, deadlines, left_s)
    except Exception as fault:  # noqa: BLE001 - carried to the thread that waits, which raises it
        call.fault = fault
    finally:
        call.done.set()


def _exchange(call: _Call, url: str, question: Question, deadlines: Deadlines, left_s: float) -> bytes:
    limits = httpx.Timeout(
        connect=min(deadlines.connect_s, left_s),
        read=deadlines.first_byte_s,
        write=deadlines.between_bytes_s,
        pool=deadlines.connect_s,
    )
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json",
        # A packed answer could be far larger than its bytes on the wire.
        "Accept-Encoding": "identity",
        "Connection": "close",
        "Idempotency-Key": question.key,
        "X-Deadline-Ms": str(int(left_s * 1000)),
    }
    call.silence_s = deadlines.first_byte_s
    try:
        # Loading the certificates of the system takes longer than a whole question that needs none.
        with (
            httpx.Client(verify=url.startswith("https:"), trust_env=False, timeout=limits) as client,
            client.stream(
                "POST",
                url.rstrip("/") + PATH,
                content=question.body,
                headers=headers,
                extensions={"trace": call.notice},
            ) as response,
        ):
            if response.status_code != OK:
                wait_s = retry_after_s(response.headers.get("Retry-After"))
                is_passing = response.status_code in PASSING_STATUSES
                raise faults.said_error(response.status_code, wait_s, is_passing=is_passing)
            # The head is here: from now on the shorter limit counts. httpx reads it when the body begins.
            call.silence_s = response.request.extensions["timeout"]["read"] = deadlines.between_bytes_s
            return _bounded_body(response)
    except httpx.ReadTimeout as fault:
        raise faults.fell_silent(call.silence_s) from fault
    except (httpx.ConnectError, httpx.ConnectTimeout) as fault:
        raise faults.cannot_connect(_reason(fault)) from fault
    except httpx.TransportError as fault:
        raise faults.broke_off() from fault
    except httpx.InvalidURL as fault:
        raise faults.wrong_address(url) from fault


def _bounded_body(response: httpx.Response) -> bytes:
    kept = bytearray()
    for chunk in response.iter_raw():
        kept += chunk[: BODY_BYTES_MAX + 1 - len(kept)]
        if len(kept) > BODY_BYTES_MAX:
            break
    return bytes(kept)


def _reason(fault: Exception) -> str:
    """Return the system's words for a refused connection, without the wrapping of the library."""
    cause: BaseException | None = fault
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__cause__ or cause.__context__
    return "timed out" if isinstance(fault, httpx.ConnectTimeout) else str(fault)
