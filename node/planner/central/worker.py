"""The planner worker of larder-node: hears requests for a plan, asks the central planner, stores what came of it.

Not a planner: the local plan is on the screen before anybody asks. It reads with a connection of its own and writes
only through `submit`, the node's one writing thread; each question ends in one transaction with its verdict, its
breakers and the answer to whoever asked. Killed anywhere, it asks the same question again under the same key.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

from node import clock
from node.actions.requests import Request, answer, open_requests
from node.clock import Moment
from node.errors import LarderError, LocalFault
from node.language import _, error_text
from node.ledger.read import data_version, open_reader
from node.ledger.store import Transaction
from node.places import Places
from node.planner.central.asking import (
    REQUEST_KIND,
    Asking,
    BadPlan,
    ask_for,
    conclude,
    is_worth_asking,
    judge_answer,
    last_unanswered,
)
from node.planner.central.breaker import (
    CONTENT,
    TRANSPORT,
    BreakerStorage,
    breaker_over,
    keep_breaker,
    settle_breakers,
    storage_of,
)
from node.planner.central.cache import cached_reply
from node.planner.central.faults import NoAnswer
from node.planner.central.health import Rest, State, noted, read_planner_health, write_planner_health
from node.planner.central.policies import BACKGROUND, WAITING, Deadlines
from node.planner.central.record import keep_unanswered
from node.settings import load_settings

if TYPE_CHECKING:
    from node.planner.central.transport import Transport

POLL_S = 0.5
# A question that got no answer is asked again quietly, not before this; the breakers stretch it.
AGAIN_AFTER_S = 60.0

T = TypeVar("T")


class Submit(Protocol):
    """Runs `work` in one transaction of the node's writing thread and returns its result once it is on the disk."""

    def __call__(self, purpose: str, work: Callable[[Transaction], T], /) -> T: ...


class PlannerWorker:
    """Works until stopped. `beat` is called at each round with a sentence of trouble or nothing."""

    def __init__(
        self,
        places: Places,
        *,
        submit: Submit,
        stop: threading.Event,
        beat: Callable[[str], None],
        background: Deadlines = BACKGROUND,
        waiting: Deadlines = WAITING,
    ) -> None:
        self._places = places
        self._submit = submit
        self._stop = stop
        self._beat = beat
        self._background = background
        self._waiting = waiting
        self._transport: tuple[str, Transport] | None = None
        self._unanswered: Request | None = None
        self._again_at_s = 0.0
        self._version = -1

    def run(self) -> None:
        """Answer requests until stopped. Raises LarderError where it cannot go on."""
        reader = open_reader(self._places)
        self._version = -1  # after a restart every open request is new
        try:
            self._submit("planner", settle_breakers)
            self._unanswered = last_unanswered(reader)
            self._note(reader)
            while not self._stop.wait(POLL_S):
                self.round(reader)
        finally:
            reader.close()

    def round(self, reader: sqlite3.Connection) -> None:
        """Look once for something to ask, and ask it."""
        self._beat("")
        version = data_version(reader)
        if version != self._version:
            self._version = version
            waiting = [request for request in open_requests(reader) if request.kind == REQUEST_KIND]
            for older in waiting[:-1]:
                self._answer(older, _("A newer question took its place."))
            if waiting:
                self._unanswered = None
                self._ask(reader, waiting[-1], self._waiting if waiting[-1].body.get("waiting") else self._background)
                return
            if read_planner_health(self._places).resting == "acknowledge":
                self._note(reader)  # somebody may have done so
        if self._unanswered is not None and clock.monotonic_s() >= self._again_at_s:
            if is_worth_asking(reader, clock.now()):
                self._ask(reader, self._unanswered, self._background)
            else:
                self._unanswered = None

    def _ask(self, reader: sqlite3.Connection, request: Request, deadlines: Deadlines) -> None:
        """Ask one question and store what comes of it."""
        moment = clock.now()
        try:
            asking = ask_for(reader, request, load_settings(self._places.settings).planner.url)
        except LarderError as error:
            self._unanswered = None
            self._answer(request, " ".join(part for part in error_text(error) if part))
            self._note(reader)
            return
        content, transport = (storage_of(reader, name, moment, asking.url) for name in (CONTENT, TRANSPORT))
        if not content.is_admitting or not transport.is_admitting:
            self._rest(reader, request, content, transport)
            return
        cached = None if asking.is_fresh_wanted else cached_reply(reader, asking.cache_key, moment.wall_ms)
        if cached is not None:
            self._conclude(reader, asking, cached.body, content, None)
            return
        try:
            raw = breaker_over(transport).call(self._question, asking, deadlines, transport)
        except NoAnswer as fault:
            if not self._stop.is_set():
                self._fail(reader, asking, fault, transport)
            return
        self._conclude(reader, asking, raw, content, transport)

    def _question(self, asking: Asking, deadlines: Deadlines, state: BreakerStorage) -> bytes:
        # Loaded here: most markets have no central planner, and the HTTP library is the largest thing in this process.
        from node.planner.central.transport import Question, Transport

        if self._transport is None or self._transport[0] != asking.url:
            self._transport = asking.url, Transport(asking.url, stop=self._stop)
        try:
            return self._transport[1].ask(Question(asking.asked.body, asking.key), deadlines)
        finally:
            # What the breaker notes next is about this moment, not about the one at which the question began.
            state.now_ms = clock.boottime_ms()

    def _conclude(
        self,
        reader: sqlite3.Connection,
        asking: Asking,
        raw: bytes,
        content: BreakerStorage,
        transport: BreakerStorage | None,
    ) -> None:
        """Judge an answer and store it; `transport` is None where the answer was at hand."""
        moment = clock.now()
        content.now_ms = moment.boottime_ms
        judged = judge_answer(asking, raw, moment)

        def tell() -> None:
            if not judged.is_sound:
                raise BadPlan

        if transport is not None:  # what was at hand says nothing of how the planner is now
            try:
                breaker_over(content).call(tell)
            except BadPlan:
                if judged.is_allergen_fault:
                    content.hold()
        sentence = self._submit("planner", lambda tx: conclude(tx, asking, judged, raw, content, transport))
        self._unanswered = None
        if transport is None:
            return
        # A planner that is well has nothing to explain; what became of this plan stands beside it.
        if judged.is_sound:
            self._note(reader, "ok", "", is_answer=True)
        else:
            self._note(reader, "failing", sentence, is_answer=True)

    def _fail(self, reader: sqlite3.Connection, asking: Asking, fault: NoAnswer, transport: BreakerStorage) -> None:
        sentence = error_text(fault)[0]

        def work(tx: Transaction) -> None:
            keep_breaker(tx, TRANSPORT, transport.record)
            keep_unanswered(tx, fault, asking.draft.snapshot)
            answer(tx, asking.request.id, sentence)

        self._submit("planner", work)
        self._ask_later(asking.request)
        self._note(reader, "failing", sentence)

    def _rest(
        self, reader: sqlite3.Connection, request: Request, content: BreakerStorage, transport: BreakerStorage
    ) -> None:
        """Answer that the planner is not asked for now; the question stays in mind."""
        if content.record.is_held:
            sentence = _("The central planner is not asked until somebody has acknowledged its allergen fault.")
        else:
            wait_s = max(content.wait_ms, transport.wait_ms) // 1000 + 1
            sentence = _("The central planner failed several times; it is asked again in {seconds} s.")
            sentence = sentence.format(seconds=wait_s)
        if request is not self._unanswered:
            self._answer(request, sentence)
        self._ask_later(request)
        self._note(reader)

    def _ask_later(self, request: Request) -> None:
        self._unanswered = request
        self._again_at_s = clock.monotonic_s() + AGAIN_AFTER_S

    def _answer(self, request: Request, sentence: str) -> None:
        self._submit("planner", lambda tx: answer(tx, request.id, sentence))

    def _note(
        self,
        reader: sqlite3.Connection,
        state: State | None = None,
        reason: str | None = None,
        *,
        is_answer: bool = False,
    ) -> None:
        """Bring run/planner.json up to date; without a state only what the breakers and the settings say."""
        moment = clock.now()
        try:
            url = load_settings(self._places.settings).planner.url
            health = noted(
                read_planner_health(self._places),
                moment,
                is_set=bool(url),
                state=state,
                reason=reason,
                is_answer=is_answer,
                resting=_resting(reader, moment, url),
            )
            write_planner_health(self._places, health)
        except LocalFault as fault:
            self._beat(error_text(fault)[0])
        except OSError as error:
            self._beat(_("run/planner.json was not written ({reason}).").format(reason=error.strerror))


def _resting(reader: sqlite3.Connection, moment: Moment, url: str) -> tuple[Rest, int]:
    content, transport = (storage_of(reader, name, moment, url) for name in (CONTENT, TRANSPORT))
    if content.record.is_held:
        return "acknowledge", 0
    if content.wait_ms >= transport.wait_ms:
        return ("content", content.wait_ms) if content.wait_ms else ("", 0)
    return "transport", transport.wait_ms
