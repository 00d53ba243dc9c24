"""The planner's process dies while it is asked: the local plan is there anyway, and the reason says what happened."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from node.actions.requests import ask
from node.planner.central.asking import REQUEST_KIND
from node.planner.central.breaker import TRANSPORT, acknowledge_allergen_fault
from node.planner.central.health import read_planner_health
from node.planner.central.policies import Deadlines
from node.planner.drafts import offered_draft
from tests.node.planner.central.builders import a_snapshot
from tests.node.planner.central.test_worker import a_market_that_asks, a_poor_plan

CHECKOUT = Path(__file__).resolve().parents[4]
DEADLINES = Deadlines(first_byte_s=30)


@contextmanager
def the_demo_planner(*options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The real program on a free port; killed at the end if it lives."""
    command = [sys.executable, str(CHECKOUT / "deploy" / "central_planner.py"), "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_planner_killed_while_it_is_asked_leaves_the_local_plan_and_a_reason(tmp_path: Path, seed: int) -> None:
    after_s = random.Random(seed).uniform(0.0, 0.4)
    with a_market_that_asks(tmp_path, "good") as asked, the_demo_planner("--delay", "20") as (process, port):
        asked.places.settings.write_text(f'[planner]\nurl = "http://127.0.0.1:{port}"\n')
        asked.worker._background = DEADLINES
        asked.market.act("plan", lambda tx: ask(tx, REQUEST_KIND, {}))
        killer = threading.Timer(after_s, process.kill)
        killer.start()
        asked.look()
        killer.join()
        shown = offered_draft(asked.market.reader)
        assert shown is not None
        assert shown.plan is not None
        assert shown.plan.dishes
        assert shown.source == "here"
        assert read_planner_health(asked.places).reason in {
            "The central planner broke off before its answer was complete.",
            "The central planner cannot be reached (connection refused).",
        }
        assert len(asked.breaker(TRANSPORT).failures_ms) == 1


def test_a_planner_that_comes_back_is_heard_again(tmp_path: Path) -> None:
    snapshot = a_snapshot()
    with a_market_that_asks(tmp_path, "refuse", snapshot=snapshot, local=a_poor_plan(snapshot)) as asked:
        asked.ask()
        assert read_planner_health(asked.places).state == "failing"
        with the_demo_planner() as (_process, port):
            asked.places.settings.write_text(f'[planner]\nurl = "http://127.0.0.1:{port}"\n')
            asked.worker._background = DEADLINES
            asked.worker._again_at_s = 0.0
            asked.look()
        assert read_planner_health(asked.places).state == "ok"
        shown = offered_draft(asked.market.reader)
        assert shown is not None
        assert shown.planner == "larder-central/1"


def test_the_lies_of_the_demo_never_reach_a_person_as_an_offer(tmp_path: Path) -> None:
    snapshot = a_snapshot()
    with a_market_that_asks(tmp_path, "good", snapshot=snapshot, local=a_poor_plan(snapshot)) as asked:
        with the_demo_planner("--flaky") as (_process, port):
            asked.places.settings.write_text(f'[planner]\nurl = "http://127.0.0.1:{port}"\n')
            asked.worker._background = asked.worker._waiting = DEADLINES
            assert "offers a better plan" in asked.ask(again=True, n=0)
            assert "refused" in asked.ask(again=True, n=1)
            assert asked.codes == {"DIET"}
            asked.market.act("seen", acknowledge_allergen_fault)
            assert "refused" in asked.ask(again=True, n=2)
            assert asked.codes <= {"STOCK", "PORTION_RANGE"}
        assert read_planner_health(asked.places).resting == "content"
        shown = offered_draft(asked.market.reader)
        assert shown is not None
        assert shown.verdict.word != "reject"
