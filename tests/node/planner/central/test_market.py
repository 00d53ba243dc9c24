"""A whole market: staff plan with the verbs, a real larder-node asks a real planner, nothing private leaves."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from node import clock
from node.actions import goods
from node.actions.ids import new_action_id
from node.actions.keeping import open_market
from node.domain.recipes import amounts
from node.ledger.read import open_reader
from node.ledger.store import MarketStore
from node.places import Places
from node.planner.central.breaker import TRANSPORT, load_breaker
from node.planner.central.health import read_planner_health
from node.planner.central.worker import PlannerWorker
from node.planner.cookbook import all_recipes
from node.planner.drafts import CENTRAL, newest_draft
from tests.node.builders import a_market_folder
from tests.node.cli.verbs import answer, lines
from tests.node.daemon.test_node import a_node, wait_until
from tests.node.planner.central.builders import PATIENT
from tests.node.planner.central.test_killed import the_demo_planner
from tests.standin import Scenario, StandIn

COOKED = ("book/mussels-leeks", "book/spinach-ricotta-pasta", "book/cauliflower-potato-curry")
PORTIONS = 30

pytestmark = pytest.mark.usefixtures("set_clock")


def stocked(places: Places) -> Places:
    """Everything for thirty portions of a few recipes of the book."""
    store = open_market(places)
    needed: dict[str, int] = {}
    recipes = all_recipes(store.reader)
    for recipe_id in COOKED:
        for item_id, amount in amounts(recipes[recipe_id], PORTIONS).items():
            needed[item_id] = max(needed.get(item_id, 0), amount)
    for number, (item_id, amount) in enumerate(sorted(needed.items())):
        _receive(store, item_id, amount, number % 6)
    store.close()
    return places


def _receive(store: MarketStore, item_id: str, amount: int, days: int) -> None:
    use_by = clock.now().today + timedelta(days=days)
    store.act(
        "receive",
        lambda tx: goods.receive(
            tx, action_id=new_action_id(), who=0, item_id=item_id, quantity_milli=amount, use_by=use_by,
            best_before=None, batch=None,
        ),
    )  # fmt: skip


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return stocked(a_market_folder(tmp_path / "market"))


def ask_quietly(places: Places) -> None:
    """Let a worker look once, as larder-node would."""
    store, reader = open_market(places), open_reader(places)
    try:
        PlannerWorker(
            places, submit=store.batch, stop=threading.Event(), beat=lambda _trouble: None, waiting=PATIENT
        ).round(reader)
    finally:
        reader.close()
        store.close()


def test_what_people_leave_out_never_reaches_the_planner(places: Places) -> None:
    """Two markets' worth of needs with equal classes: the same bytes, and in neither a word of why."""
    bodies = []
    places.run.mkdir(exist_ok=True)
    with StandIn(Scenario(["good"])) as stand_in:
        places.settings.write_text(f'[planner]\nurl = "{stand_in.url}"\n')
        for needs in ("crustaceans=3", "lupin=3"):
            lines(places, "plan", "--forget", "--yes")
            answer(places, "plan", "--portions", "12", "--without", needs)
            ask_quietly(places)
            bodies.append(stand_in.seen[-1].body)
    assert len(stand_in.seen) == 2
    assert bodies[0] == bodies[1]
    assert b"crustaceans" not in bodies[0]
    assert b"lupin" not in bodies[0]
    all_can, some_can = json.loads(bodies[0])["classes"]
    assert (all_can["people"], some_can["people"]) == (9, 3)
    assert set(some_can["recipes"]) < set(all_can["recipes"])  # there is something to hide


@pytest.mark.slow
def test_larder_node_asks_and_the_answer_is_judged(places: Places) -> None:
    with the_demo_planner() as (_process, port), a_node(places):
        places.settings.write_text(f'[planner]\nurl = "http://127.0.0.1:{port}"\n')
        answer(places, "plan", "--portions", "12", "--without", "peanuts=2")
        wait_until(lambda: read_planner_health(places).state != "unasked", "the planner's answer")
    assert read_planner_health(places).state == "ok"
    reader = open_reader(places)
    try:
        draft = newest_draft(reader, CENTRAL)
        assert draft is not None
        assert draft.planner == "larder-central/1"
        assert reader.execute("SELECT verdict FROM verdict").fetchall() == [(draft.verdict.word,)]
    finally:
        reader.close()


@pytest.mark.slow
def test_larder_node_killed_in_the_middle_of_a_question_asks_it_again(places: Places) -> None:
    with StandIn(Scenario(["silent", "good"])) as stand_in:
        places.settings.write_text(f'[planner]\nurl = "{stand_in.url}"\n')
        answer(places, "plan", "--portions", "12")
        with a_node(places) as process:
            wait_until(lambda: len(stand_in.seen) == 1, "the first question")
            process.kill()
            process.wait()
        with a_node(places):
            wait_until(lambda: read_planner_health(places).state == "ok", "the answer")
        keys = {seen.headers["idempotency-key"] for seen in stand_in.seen}
        assert (len(stand_in.seen), len(keys)) == (2, 1)
    reader = open_reader(places)
    try:
        assert load_breaker(reader, TRANSPORT, clock.now()).failures_ms == ()
        assert reader.execute("SELECT count(*) FROM verdict").fetchone() == (1,)
    finally:
        reader.close()
