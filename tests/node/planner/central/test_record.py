"""An answer that comes after everything was erased brings nothing back."""

from __future__ import annotations

from pathlib import Path

from node.ledger.store import MarketStore
from node.planner.central.faults import cannot_connect
from node.planner.central.judge import judge
from node.planner.central.record import keep_judged, keep_unanswered
from node.planner.central.request import make_request
from node.planner.drafts import CENTRAL, HERE, forget_drafts, keep_draft, newest_draft
from node.planner.greedy import greedy
from node.planner.plan import DietClass, Snapshot
from node.planner.validator import validate
from tests.node.builders import an_open_market
from tests.node.planner.central.builders import ALL, a_snapshot


def keep_local(store: MarketStore, snapshot: Snapshot) -> None:
    plan = greedy(snapshot)
    verdict = validate(plan, snapshot)
    store.act("plan", lambda tx: keep_draft(tx, source=HERE, snapshot=snapshot, plan=plan, verdict=verdict))


def test_an_answer_after_forgetting_leaves_its_verdict_and_no_draft(tmp_path: Path) -> None:
    snapshot = a_snapshot(DietClass("c1", 20, ALL))
    asked = make_request(snapshot)
    assert asked is not None
    judged = judge(b"<html>", asked, snapshot, greedy(snapshot))
    with an_open_market(tmp_path) as store:
        keep_local(store, snapshot)
        store.act("planner", lambda tx: keep_judged(tx, judged, snapshot))
        assert newest_draft(store.reader, CENTRAL) is not None
        store.act("plan", forget_drafts)
        store.act("planner", lambda tx: keep_judged(tx, judged, snapshot))
        store.act("planner", lambda tx: keep_unanswered(tx, cannot_connect("refused"), snapshot))
        assert newest_draft(store.reader, CENTRAL) is None
        assert store.reader.execute("SELECT count(*) FROM verdict").fetchone() == (2,)
