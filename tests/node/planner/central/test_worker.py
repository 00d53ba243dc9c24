"""The worker on a real market against the stand-in: for each fault exactly what a market has to do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest

from node import clock
from node.actions.requests import answered, ask
from node.ledger.append import Appender
from node.ledger.events import PlanAccepted
from node.ledger.read import open_reader
from node.ledger.refusals import refusals
from node.ledger.store import MarketStore, Transaction
from node.places import Places
from node.planner.central import policies
from node.planner.central.asking import REQUEST_KIND, SECOND_REPLY, last_unanswered
from node.planner.central.breaker import (
    CONTENT,
    TRANSPORT,
    BreakerRecord,
    acknowledge_allergen_fault,
    load_breaker,
)
from node.planner.central.health import read_planner_health
from node.planner.central.worker import PlannerWorker
from node.planner.drafts import CENTRAL, Draft, keep_draft, newest_draft, offered_draft
from node.planner.greedy import greedy
from node.planner.naming import name_snapshot
from node.planner.plan import DietClass, Plan, Snapshot, snapshot_id
from node.planner.validator import validate
from node.planner.view import plan_view
from tests.node.builders import an_open_market
from tests.node.planner.central.builders import ALL, LIMIT_OF, PATIENT, a_snapshot
from tests.standin import Scenario, Seen, StandIn


@dataclass
class Asked:
    """A market that asked, and what can be seen afterwards."""

    market: MarketStore
    places: Places
    worker: PlannerWorker
    seen: list[Seen]
    beats: list[str] = field(default_factory=list)

    def ask(self, **body: object) -> str:
        """Ask once more, let the worker look once, and return the answer."""
        number = self.market.act("plan", lambda tx: ask(tx, REQUEST_KIND, dict(body)))
        self.look()
        sentence = answered(self.market.reader, number)
        assert sentence is not None
        return sentence

    def look(self) -> None:
        reader = open_reader(self.places)
        self.worker._version = -1
        try:
            self.worker.round(reader)
        finally:
            reader.close()

    @property
    def proposal(self) -> Draft:
        draft = newest_draft(self.market.reader, CENTRAL)
        assert draft is not None
        return draft

    @property
    def codes(self) -> set[str]:
        return {fault.code for fault in self.proposal.verdict.faults}

    @property
    def verdicts(self) -> list[tuple[str, str]]:
        """The facts about it in the ledger: verdict and codes."""
        return self.market.reader.execute("SELECT verdict, codes FROM verdict ORDER BY hlc").fetchall()

    def breaker(self, name: str) -> BreakerRecord:
        return load_breaker(self.market.reader, name, clock.now())

    @property
    def failures(self) -> tuple[int, int]:
        """What the breakers counted: transport, content."""
        return len(self.breaker(TRANSPORT).failures_ms), len(self.breaker(CONTENT).failures_ms)


def here(snapshot: Snapshot, plan: Plan | None = None) -> Callable[[Transaction], int]:
    """Keep the plan made here, as making a plan does."""
    plan = plan or greedy(snapshot)
    verdict = validate(plan, snapshot)
    return lambda tx: keep_draft(tx, source="here", snapshot=snapshot, plan=plan, verdict=verdict)


@contextmanager
def a_market_that_asks(
    root: Path, *answers: str, snapshot: Snapshot | None = None, local: Plan | None = None
) -> Iterator[Asked]:
    snapshot = snapshot or a_snapshot()
    limit = LIMIT_OF.get(answers[0], PATIENT)
    with an_open_market(root) as market, StandIn(Scenario(answers)) as stand_in:
        places = Places(root)
        places.run.mkdir(exist_ok=True)
        places.settings.write_text(f'[planner]\nurl = "{stand_in.url}"\n')
        market.act("plan", here(snapshot, local))
        beats: list[str] = []

        def submit(purpose: str, work: Callable[[Transaction], Any], /) -> Any:
            return market.act(purpose, work)

        worker = PlannerWorker(
            places, submit=submit, stop=threading.Event(), beat=beats.append, background=limit, waiting=limit
        )
        yield Asked(market, places, worker, stand_in.seen, beats)


def a_poor_plan(snapshot: Snapshot) -> Plan:
    """A local plan that feeds hardly anybody, so that any other is better."""
    return Plan(greedy(snapshot).snapshot_id, "greedy/1", ())


TRANSPORT_FAULTS = {
    "refuse": "The central planner cannot be reached (connection refused).",
    "silent": "The central planner was silent for 0.4 s.",
    "reset_mid_body": "The central planner broke off before its answer was complete.",
    "stalled_mid_body": "The central planner was silent for 0.2 s.",
    "error_500": "The central planner answered with error 500.",
    "error_502": "The central planner answered with error 502.",
    "error_503": "The central planner answered with error 503.",
    "error_429": "The central planner answered with error 429.",
    "drip": "The central planner gave no answer within 0.3 s.",
}


@pytest.mark.parametrize("answer", TRANSPORT_FAULTS)
def test_without_an_answer_the_local_plan_stays_and_the_reason_names_the_failure(
    tmp_path: Path, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "JITTER_FIRST_S", 0.001)
    with a_market_that_asks(tmp_path, answer) as asked:
        assert asked.ask() == TRANSPORT_FAULTS[answer]
        assert asked.failures == (1, 0)
        assert asked.verdicts == []
        assert (asked.proposal.verdict.word, asked.codes) == ("reject", {"NO_ANSWER"})
        assert asked.proposal.reason == TRANSPORT_FAULTS[answer]
        shown = offered_draft(asked.market.reader)
        assert shown is not None
        assert shown.source == "here"
        health = read_planner_health(asked.places)
        assert (health.state, health.reason) == ("failing", TRANSPORT_FAULTS[answer])
        assert len(asked.seen) <= 3


CONTENT_FAULTS = {
    "html": {"PARSE"},
    "empty": {"PARSE"},
    "cut": {"TRUNCATED"},
    "cut_by_length": {"SCHEMA"},
    "fence": {"PARSE"},
    "packed": {"PARSE"},
    "nan": {"NUMBER"},
    "overflow": {"NUMBER"},
    "huge_integer": {"NUMBER"},
    "fractional": {"NUMBER"},
    "duplicate_keys": {"DUPLICATE_KEY"},
    "deep": {"DEPTH"},
    "huge": {"SIZE"},
    "huge_chunked": {"SIZE"},
    "wrong_schema": {"SCHEMA"},
    "old_snapshot": {"SNAPSHOT"},
    "unknown_recipe": {"UNKNOWN_RECIPE"},
    "unknown_ingredient": {"SCHEMA"},
    "forbidden_dish": {"DIET"},
    "through_a_substitute": {"SCHEMA"},
    "negative": {"PORTION_RANGE"},
}


@pytest.mark.parametrize("answer", CONTENT_FAULTS)
def test_a_proposal_that_is_no_valid_plan_is_refused_with_its_code_and_never_asked_again(
    tmp_path: Path, answer: str
) -> None:
    with a_market_that_asks(tmp_path, answer) as asked:
        sentence = asked.ask()
        assert sentence.startswith("The central planner's plan was refused: ")
        assert len(asked.seen) == 1
        assert asked.codes == CONTENT_FAULTS[answer]
        assert asked.verdicts == [("reject", " ".join(sorted(CONTENT_FAULTS[answer])))]
        assert asked.failures == (0, 1)
        shown = offered_draft(asked.market.reader)
        assert shown is not None
        assert shown.source == "here"
        assert read_planner_health(asked.places).reason == sentence


def test_a_plan_with_more_than_there_is_names_the_food_and_its_lot(tmp_path: Path) -> None:
    with a_market_that_asks(tmp_path, "over_allocated", snapshot=a_snapshot(carrots_g=500, rice_g=10_000)) as asked:
        sentence = asked.ask()
        [fault] = [fault for fault in asked.proposal.verdict.faults if fault.code == "STOCK"]
        assert fault.values["item"] == "food/carrots"
        assert "lot of carrots" in str(fault.values["lots"])
        assert "carrots" in sentence
        assert asked.verdicts == [("reject", "STOCK")]


def test_a_plan_with_food_past_its_date_is_refused(tmp_path: Path) -> None:
    """Food past its date is no stock of the question; a planner that plans with it all the same is found out."""
    with a_market_that_asks(tmp_path, "over_allocated", snapshot=a_snapshot(carrots_g=0, rice_g=0)) as asked:
        asked.ask()
        assert asked.proposal.verdict.word == "reject"
        assert asked.codes == {"STOCK"}


@pytest.mark.parametrize(("answer", "code"), [("starved", "UNFAIR"), ("starved", "WORSE"), ("worse", "WORSE")])
def test_a_valid_plan_that_is_worse_is_kept_aside(tmp_path: Path, answer: str, code: str) -> None:
    with a_market_that_asks(tmp_path, answer) as asked:
        assert asked.ask() == "The plan made here is as good or better."
        assert code in asked.codes
        [(verdict, codes)] = asked.verdicts
        assert verdict == "ask"
        assert code in codes
        assert asked.failures == (0, 0)
        shown = offered_draft(asked.market.reader)
        assert shown is not None
        assert shown.source == "here"
        assert read_planner_health(asked.places).state == "ok"


def test_a_plan_that_breaks_a_rule_it_was_not_told_is_refused_and_not_held_against_the_planner(tmp_path: Path) -> None:
    snapshot = a_snapshot()
    recipes = tuple(msgspec.structs.replace(each, batch_max=2) for each in snapshot.recipes)
    with a_market_that_asks(tmp_path, "good", snapshot=msgspec.structs.replace(snapshot, recipes=recipes)) as asked:
        asked.ask()
        assert asked.verdicts == [("reject", "BATCH_MAX")]
        assert asked.failures == (0, 0)
        assert read_planner_health(asked.places).state == "ok"


def test_a_better_plan_is_offered_and_waits_for_a_person(tmp_path: Path) -> None:
    snapshot = a_snapshot()
    with a_market_that_asks(tmp_path, "good", snapshot=snapshot, local=a_poor_plan(snapshot)) as asked:
        assert "offers a better plan" in asked.ask()
        shown = offered_draft(asked.market.reader)
        assert shown is not None
        assert shown.source == CENTRAL
        assert shown.planner == "larder-central/1"
        assert shown.reason == ""
        assert asked.market.reader.execute("SELECT count(*) FROM plan").fetchone() == (0,)
        assert [verdict for verdict, _codes in asked.verdicts] == [shown.verdict.word]


@pytest.mark.parametrize("answer", ["escapes", "right_to_left", "instructions"])
def test_what_a_planner_says_is_shown_inert_and_as_its_own_words(tmp_path: Path, answer: str) -> None:
    snapshot = a_snapshot()
    with a_market_that_asks(tmp_path, answer, snapshot=snapshot, local=a_poor_plan(snapshot)) as asked:
        asked.ask()
        if answer == "instructions":  # longer than agreed
            assert asked.codes == {"SCHEMA"}
            return
        shown = plan_view(asked.market.reader, asked.places, clock.now())
        assert shown.source.startswith("central planner larder-central/1")
        assert shown.planner_words
        for line in shown.planner_words:
            assert line.startswith("the planner says: ")
            assert line.isprintable()


def test_the_date_of_the_planner_is_ignored(tmp_path: Path) -> None:
    with a_market_that_asks(tmp_path, "wrong_date") as asked:
        asked.ask()
        assert [verdict for verdict, _codes in asked.verdicts] in (["ok"], ["ask"])


def test_a_correct_plan_after_the_deadline_is_dropped(tmp_path: Path) -> None:
    with a_market_that_asks(tmp_path, "late") as asked:
        assert asked.ask() == "The central planner gave no answer within 0.3 s."
        assert asked.verdicts == []


def test_a_second_different_answer_to_one_question_is_dropped_and_counted(tmp_path: Path) -> None:
    with a_market_that_asks(tmp_path, "second_reply") as asked:
        asked.ask(again=True)
        first = asked.proposal
        # As after a kill between the answer and its acknowledgement: the row is open again.
        asked.market.act("t", lambda tx: tx.connection.execute("UPDATE request SET state = 'open'"))
        asked.look()
        assert len(asked.seen) == 2
        assert len({seen.headers["idempotency-key"] for seen in asked.seen}) == 1
        assert asked.proposal == first
        assert len(asked.verdicts) == 1
        assert [(refusal.reason, refusal.count) for refusal in refusals(asked.market.reader)] == [(SECOND_REPLY, 1)]


def test_the_same_question_is_answered_from_what_is_at_hand_and_judged_again(tmp_path: Path) -> None:
    with a_market_that_asks(tmp_path, "good") as asked:
        first = asked.ask(a=1)
        assert asked.ask(a=2) == first
        assert len(asked.seen) == 1
        assert len(asked.verdicts) == 2
        asked.ask(again=True)
        assert len(asked.seen) == 2


def test_other_stock_is_another_question(tmp_path: Path) -> None:
    with a_market_that_asks(tmp_path, "good") as asked:
        asked.ask(a=1)
        asked.market.act("plan", here(a_snapshot(carrots_g=4_000)))
        asked.ask(a=2)
        assert len(asked.seen) == 2


def test_three_bad_plans_in_a_row_give_the_planner_a_rest(tmp_path: Path) -> None:
    with a_market_that_asks(tmp_path, "old_snapshot") as asked:
        for number in range(3):
            asked.ask(n=number)
        assert asked.breaker(CONTENT).state == "open"
        assert asked.ask(n=4).startswith("The central planner failed several times; it is asked again in ")
        assert len(asked.seen) == 3
        assert read_planner_health(asked.places).resting == "content"


def test_three_questions_without_an_answer_give_the_planner_a_rest(tmp_path: Path) -> None:
    with a_market_that_asks(tmp_path, "error_500") as asked:
        for number in range(3):
            asked.ask(n=number)
        asked.ask(n=4)
        assert len(asked.seen) == 3
        assert read_planner_health(asked.places).resting == "transport"
        # A planner that is gone leaves one line, however often it fails: the local draft must not be pushed out.
        rows = asked.market.reader.execute("SELECT source, count(*) FROM plan_draft GROUP BY source").fetchall()
        assert rows == [("central", 1), ("here", 1)]


def test_another_planner_starts_with_a_clean_slate(tmp_path: Path) -> None:
    with a_market_that_asks(tmp_path, "error_500") as asked, StandIn(Scenario(["good"])) as other:
        for number in range(3):
            asked.ask(n=number)
        asked.places.settings.write_text(f'[planner]\nurl = "{other.url}"\n')
        asked.ask(n=4)
        assert len(other.seen) == 1
        health = read_planner_health(asked.places)
        assert (health.state, health.resting) == ("ok", "")


def test_one_allergen_fault_stops_the_questions_until_somebody_has_seen_it(tmp_path: Path) -> None:
    with a_market_that_asks(tmp_path, "forbidden_dish", "good") as asked:
        asked.ask(n=1)
        assert read_planner_health(asked.places).resting == "acknowledge"
        assert "until somebody has acknowledged" in asked.ask(n=2)
        assert len(asked.seen) == 1
        assert asked.market.act("seen", acknowledge_allergen_fault)
        asked.ask(n=3)
        assert len(asked.seen) == 2
        assert asked.breaker(CONTENT).state == "closed"
        assert read_planner_health(asked.places).resting == ""


def test_a_question_without_an_answer_is_asked_again_quietly_under_its_key(tmp_path: Path) -> None:
    with a_market_that_asks(tmp_path, "error_500", "good") as asked:
        asked.ask()
        asked.look()
        assert len(asked.seen) == 1  # not at once
        asked.worker._again_at_s = 0.0
        asked.look()
        assert len(asked.seen) == 2
        assert len({seen.headers["idempotency-key"] for seen in asked.seen}) == 1
        assert read_planner_health(asked.places).state == "ok"


def test_a_question_without_an_answer_is_remembered_by_the_next_larder_node(tmp_path: Path) -> None:
    with a_market_that_asks(tmp_path, "error_500", "good") as asked:
        assert last_unanswered(asked.market.reader) is None
        asked.ask(a=1)
        waiting = last_unanswered(asked.market.reader)
        assert waiting is not None
        assert waiting.body == {"a": 1}
        asked.ask(a=2)
        assert last_unanswered(asked.market.reader) is None


def test_an_answer_at_hand_does_not_make_a_planner_well(tmp_path: Path) -> None:
    with a_market_that_asks(tmp_path, "good", "error_500") as asked:
        asked.ask(a=1)
        asked.market.act("plan", here(a_snapshot(carrots_g=4_000)))
        asked.ask(a=2)
        asked.market.act("plan", here(a_snapshot()))
        assert asked.ask(a=3) == "The plan made here is as good or better."
        assert len(asked.seen) == 2
        assert read_planner_health(asked.places).state == "failing"


def test_an_answer_at_hand_is_no_probe_of_a_planner_that_lied(tmp_path: Path) -> None:
    with a_market_that_asks(tmp_path, "good", "forbidden_dish", "good") as asked:
        asked.ask(a=1)
        asked.market.act("plan", here(a_snapshot(carrots_g=4_000)))
        asked.ask(a=2)
        asked.market.act("seen", acknowledge_allergen_fault)
        asked.market.act("plan", here(a_snapshot()))
        asked.ask(a=3)
        assert len(asked.seen) == 2
        assert asked.breaker(CONTENT).state == "half-open"


def test_an_accepted_plan_is_not_bettered_any_more(tmp_path: Path) -> None:
    with a_market_that_asks(tmp_path, "error_500", "good") as asked:
        asked.ask()

        def accept(tx: Transaction) -> None:
            name = name_snapshot(tx, snapshot_id(a_snapshot()))
            Appender(tx).append(PlanAccepted(name, "greedy/1", "1", 20_779, 0, "ok", []), 0)

        asked.market.act("accept", accept)
        asked.worker._again_at_s = 0.0
        asked.look()
        assert len(asked.seen) == 1


def test_an_acknowledgement_is_seen_at_once(tmp_path: Path) -> None:
    with a_market_that_asks(tmp_path, "forbidden_dish") as asked:
        asked.ask()
        asked.market.act("seen", acknowledge_allergen_fault)
        asked.look()
        assert read_planner_health(asked.places).resting == ""


def test_only_the_newest_of_several_requests_is_asked(tmp_path: Path) -> None:
    with a_market_that_asks(tmp_path, "good") as asked:
        older = asked.market.act("plan", lambda tx: ask(tx, REQUEST_KIND, {"n": 1}))
        asked.ask(n=2)
        assert answered(asked.market.reader, older) == "A newer question took its place."
        assert len(asked.seen) == 1


def test_requests_of_another_kind_are_left_alone(tmp_path: Path) -> None:
    with a_market_that_asks(tmp_path, "good") as asked:
        number = asked.market.act("sync", lambda tx: ask(tx, "sync", {}))
        asked.look()
        assert answered(asked.market.reader, number) is None
        assert asked.seen == []


def test_without_an_address_or_a_draft_or_people_nobody_is_asked(tmp_path: Path) -> None:
    with a_market_that_asks(tmp_path, "good", snapshot=a_snapshot(DietClass("c1", 2, ALL))) as asked:
        assert asked.ask(n=1).startswith("Too few people to ask anybody outside")
        asked.market.act("t", lambda tx: tx.connection.execute("DELETE FROM plan_draft"))
        assert asked.ask(n=2) == "There is no plan yet that a better one could be asked for."
        asked.places.settings.write_text("")
        assert asked.ask(n=3) == "No central planner is set; plans are made here."
        assert read_planner_health(asked.places).state == "none"
        asked.places.settings.write_text("[planner]\nurl = 5\n")
        assert "cannot be used" in asked.ask(n=4)
        assert asked.seen == []


def test_the_worker_answers_until_it_is_stopped(tmp_path: Path) -> None:
    with a_market_that_asks(tmp_path, "good") as asked:
        lock = threading.Lock()
        store: list[MarketStore] = []

        def submit(purpose: str, work: Callable[[Transaction], Any], /) -> Any:
            from node.actions.keeping import open_market

            with lock:
                if not store:
                    store.append(open_market(asked.places))
                return store[0].batch(purpose, work)

        ended: list[str] = []
        stop = threading.Event()
        worker = PlannerWorker(asked.places, submit=submit, stop=stop, beat=asked.beats.append, background=PATIENT)

        def run() -> None:
            try:
                worker.run()
            finally:
                ended.append("closed" if store else "nothing written")
                store[0].close()

        thread = threading.Thread(target=run)
        thread.start()
        number = asked.market.act("plan", lambda tx: ask(tx, REQUEST_KIND, {}))
        deadline_s = clock.monotonic_s() + 20
        while answered(asked.market.reader, number) is None and clock.monotonic_s() < deadline_s:
            thread.join(0.02)
        stop.set()
        thread.join(20)
        assert ended == ["closed"]
        assert not thread.is_alive()
        assert answered(asked.market.reader, number) is not None
        assert set(asked.beats) == {""}
