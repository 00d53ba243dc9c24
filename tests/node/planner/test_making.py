"""A plan from a real database: free stock only, accepted only as it is judged now, nothing private left behind."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from node import clock
from node.actions.ids import new_action_id
from node.actions.items import add_item
from node.clock import ClockQuality
from node.domain.diets import Need
from node.domain.lots import Dot
from node.domain.words import Unit
from node.errors import NeedsYes, Refused
from node.ledger.events import Event, LotReceived
from node.ledger.fold import fold
from node.ledger.read import item
from node.ledger.read.plans import accepted_plans
from node.ledger.store import MarketStore, Transaction
from node.places import Places
from node.planner.drafts import CENTRAL, HERE, find_draft, forget_drafts, keep_draft, newest_draft, offered_draft
from node.planner.making import Proposal, accept_draft, keep_proposal, propose
from node.planner.naming import named_snapshot
from node.planner.plan import Blocked, Verdict, snapshot_id
from node.planner.view import plan_view
from tests.node.builders import TODAY, a_moment, a_received_lot, a_sale, an_open_market

RICE_DISH = {"rice-white": 10_000_000, "carrots": 8_000_000, "onions": 5_000_000, "frozen-peas": 6_000_000}
BASICS = {"oil-sunflower": 2_000_000, "garlic": 500_000, "salt": 1_000_000}
NUTS = [Need(2, ("allergen:nuts",))]


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "now", a_moment)


def stocked(store: MarketStore, **more: int) -> None:
    for name, milli in (RICE_DISH | BASICS | more).items():
        found = item(store.reader, f"food/{name}")
        assert found is not None
        a_received_lot(store, found, milli)


def kept(store: MarketStore, needs: list[Need] | None = None, people: int = 20) -> tuple[Proposal, int]:
    proposal = propose(store.reader, needs or [], people=people, moment=a_moment())
    return proposal, store.act("plan", lambda tx: keep_proposal(tx, proposal, ask_central=False))


def accepted(store: MarketStore, needs: list[Need] | None = None, *, yes: frozenset[str] = frozenset()) -> Dot:
    draft = offered_draft(store.reader)
    assert draft is not None
    return store.act(
        "plan",
        lambda tx: accept_draft(
            tx, draft, needs or [], action_id=new_action_id(), who=0, keep=lambda _plan, _served: None, yes=yes
        ),
    )


def test_a_plan_is_made_kept_and_accepted(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        stocked(store)
        proposal, draft_id = kept(store, NUTS)
        assert proposal.verdict.word == "ok"
        draft = find_draft(store.reader, draft_id)
        assert draft is not None
        assert (draft.snapshot, draft.plan, draft.source) == (proposal.snapshot, proposal.plan, HERE)
        accepted(store, NUTS)
        (plan,) = accepted_plans(store.reader)
        assert [(dish.recipe_id, dish.portions) for dish in plan.dishes] == [("book/vegetable-rice", 20)]
        assert plan.dishes[0].items["food/rice-white"] == 1_600_000


def test_what_is_held_past_its_date_or_reserved_is_not_planned_with(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        stocked(store)
        rice = item(store.reader, "food/rice-white")
        assert rice is not None
        held = a_received_lot(store, rice, 2_000_000, batch="H-1").lot
        store.act("hold", lambda tx: tx.connection.execute("INSERT INTO lot_hold VALUES (?, ?, 'x')", held.lot_id))
        proposal, _draft = kept(store)
        assert sum(each.amount_milli for each in proposal.snapshot.stock if each.item_id == rice.item_id) == 10_000_000
        assert Blocked(rice.item_id, "held", 2_000_000, ("H-1",)) in proposal.snapshot.blocked
        accepted(store)
        again, _draft = kept(store)
        assert sum(each.amount_milli for each in again.snapshot.stock if each.item_id == rice.item_id) == 8_400_000
        assert Blocked(rice.item_id, "reserved", 1_600_000, ("#4",)) not in proposal.snapshot.blocked
        reserved = [
            each for each in again.snapshot.blocked if (each.item_id, each.reason) == (rice.item_id, "reserved")
        ]
        assert [each.amount_milli for each in reserved] == [1_600_000]


def test_a_plan_for_tomorrow_leaves_what_is_over_by_then(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        stocked(store)
        leeks = item(store.reader, "food/leeks")
        assert leeks is not None
        a_received_lot(store, leeks, 6_000, use_by=TODAY)
        tomorrow = propose(store.reader, [], people=4, moment=a_moment(), day=TODAY + timedelta(days=1))
        assert Blocked("food/leeks", "past_use_by", 6_000, ("#9",)) in [
            msgspec.structs.replace(each, lots=("#9",)) for each in tomorrow.snapshot.blocked
        ]
        assert all(each.item_id != "food/leeks" for each in tomorrow.snapshot.stock)


def test_with_an_unset_clock_no_date_is_judged_and_a_person_looks_at_the_labels(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        stocked(store)
        rice = item(store.reader, "food/rice-white")
        assert rice is not None
        a_received_lot(store, rice, 90_000_000, use_by=TODAY)
        unset = a_moment(day=TODAY + timedelta(days=30), quality=ClockQuality.NOT_SET)
        proposal = propose(store.reader, [], people=400, moment=unset)
        assert not [each for each in proposal.snapshot.blocked if each.reason == "past_use_by"]
        assert "CLOCK_UNSET" in [fault.code for fault in proposal.verdict.faults]


def test_a_draft_is_judged_again_when_it_is_accepted(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        stocked(store)
        kept(store)
        rice = item(store.reader, "food/rice-white")
        assert rice is not None
        a_sale(store, rice, 9_000_000)
        with pytest.raises(Refused) as refused:
            accepted(store)
        assert refused.value.error_id == "plan.rejected"
        assert "White rice" in str(refused.value)
        assert accepted_plans(store.reader) == []


def test_a_draft_made_for_other_needs_is_not_accepted(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        stocked(store)
        kept(store)
        with pytest.raises(Refused) as refused:
            accepted(store, [Need(2, ("allergen:gluten",))])
        assert refused.value.error_id == "plan.people_changed"


def test_somebody_without_a_meal_is_a_question_first(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        stocked(store, **{"rice-white": 800_000})
        kept(store)
        with pytest.raises(NeedsYes) as question:
            accepted(store)
        assert "10 portions are missing." in str(question.value)
        accepted(store, yes=frozenset({"plan.questions"}))
        assert len(accepted_plans(store.reader)) == 1


def test_a_plan_of_a_day_that_is_over_is_not_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with an_open_market(tmp_path) as store:
        stocked(store)
        kept(store)
        monkeypatch.setattr(clock, "now", lambda: a_moment(day=TODAY + timedelta(days=1)))
        with pytest.raises(Refused) as refused:
            accepted(store)
        assert refused.value.error_id == "plan.day_over"


@pytest.mark.parametrize(
    ("more", "error_id"),
    [
        ({"people": 0}, "plan.portions"),
        ({"people": 10_001}, "plan.portions"),
        ({"meals": ("feast",)}, "plan.meal"),
        ({"day": TODAY - timedelta(days=1)}, "plan.day"),
        ({"day": TODAY + timedelta(days=9)}, "plan.day"),
    ],
)
def test_what_cannot_be_planned_is_refused(tmp_path: Path, more: dict[str, object], error_id: str) -> None:
    with an_open_market(tmp_path) as store, pytest.raises(Refused) as refused:
        propose(store.reader, [], **({"people": 4, "moment": a_moment()} | more))  # type: ignore[arg-type]
    assert refused.value.error_id == error_id


def test_a_better_plan_from_elsewhere_is_offered_and_a_worse_one_is_not(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        stocked(store)
        proposal, draft_id = kept(store)

        def offered(score: tuple[int, ...], word: str = "ok") -> int:
            plan = msgspec.structs.replace(proposal.plan, planner="city/1")
            verdict = Verdict(word, (), score)  # type: ignore[arg-type]
            store.act(
                "plan",
                lambda tx: keep_draft(tx, source=CENTRAL, snapshot=proposal.snapshot, plan=plan, verdict=verdict),
            )
            found = offered_draft(store.reader)
            assert found is not None
            return found.draft_id

        assert proposal.verdict.score[:2] == (0, 0)
        assert offered(proposal.verdict.score) == draft_id
        assert offered((0, 0, -1), "reject") == draft_id
        assert offered((0, 0, -1)) != draft_id
        view = plan_view(store.reader, Places(tmp_path), a_moment(later_ms=120_000))
        assert (view.source, view.source_reason) == ("central planner city/1, 2 min ago", "")


def test_no_word_of_a_need_is_in_any_file_of_the_market(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        stocked(store)

        def add(tx: object) -> None:
            add_item(tx, action_id=new_action_id(), who=0, name="Zimtcanary", unit=Unit.GRAM)  # type: ignore[arg-type]

        store.act("item", add)
        needs = [Need(3, ("allergen:lupin", "allergen:sulphites")), Need(1, ("diet:vegan", "word:zimtcanarys"))]
        needs.append(Need(2, ("unknown:zebracanary",)))
        proposal, _draft = kept(store, needs)
        assert [(fault.code, fault.values) for fault in proposal.verdict.faults] == [("COVERAGE", {"count": 2})]
        accepted(store, needs, yes=frozenset({"plan.questions"}))
        rows = store.reader.execute("SELECT label, people FROM diet_class ORDER BY label").fetchall()
        assert sum(people for _label, people in rows) == 20
    raw = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"vegetable-rice" in raw  # the plan is there
    for canary in (b"allergen:", b"diet:vegan", b"word:", b"zimtcanarys", b"unknown:", b"zebracanary"):
        assert canary not in raw


def test_forgetting_drops_the_drafts_and_the_classes(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        stocked(store)
        kept(store, NUTS)
        store.act("plan", forget_drafts)
        assert newest_draft(store.reader) is None
        assert store.reader.execute("SELECT count(*) FROM diet_class").fetchone() == (0,)


def test_what_another_market_has_is_named_and_never_planned_with(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        stocked(store)
        theirs = LotReceived("food/cod", int(Unit.GRAM), 9_000_000, None, None, None, None, None, None, [])
        store.act(
            "sync",
            lambda tx: fold(tx.connection, Event(Dot(b"stream-b", 1), 1, 0, theirs), member=b"member-b", clock=2),
        )
        proposal, _draft = kept(store)
        assert Blocked("food/cod", "elsewhere", 9_000_000) in proposal.snapshot.blocked
        assert all(each.item_id != "food/cod" for each in proposal.snapshot.stock)


def test_an_undeclared_food_is_planned_for_nobody_with_an_allergy(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        stocked(store, lentils=9_000_000, **{"tomatoes": 9_000_000, "oil-olive": 900_000})
        proposal, _draft = kept(store, [Need(20, ("allergen:lupin",))])
        assert all(dish.recipe_id != "book/lentil-tomato-stew" for dish in proposal.plan.dishes)
        free, _draft = kept(store, [Need(20, ("word:pea",))])
        assert [dish.recipe_id for dish in free.plan.dishes] == ["book/lentil-tomato-stew"]


def test_the_same_dishes_are_accepted_a_second_time_only_after_a_question(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        stocked(store)
        kept(store)
        accepted(store)
        with pytest.raises(NeedsYes) as question:
            accepted(store)
        assert question.value.error_id == "plan.accepted_already"
        assert len(accepted_plans(store.reader)) == 1
        accepted(store, yes=frozenset({"plan.accepted_already", "plan.questions"}))
        assert len(accepted_plans(store.reader)) == 2


def test_a_plan_of_a_day_that_is_over_is_shown_as_such(tmp_path: Path) -> None:
    places = Places(tmp_path)
    with an_open_market(tmp_path) as store:
        stocked(store)
        kept(store)
        assert not plan_view(store.reader, places, a_moment()).is_over
        tomorrow = dataclasses.replace(a_moment(), today=TODAY + timedelta(days=1))
        assert plan_view(store.reader, places, tomorrow).is_over


def test_a_better_plan_that_comes_after_the_accepting_is_not_offered_for_the_same_people(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        stocked(store)
        proposal, _draft = kept(store)
        accepted(store)
        better = Verdict("ok", (), (0,))
        theirs = dataclasses.replace(a_moment(), wall_ms=a_moment().wall_ms + 60_000)

        def answer(tx: Transaction) -> int:
            later = dataclasses.replace(tx, moment=theirs)
            return keep_draft(later, source=CENTRAL, snapshot=proposal.snapshot, plan=proposal.plan, verdict=better)

        store.act("planner", answer)
        assert offered_draft(store.reader) is not None
        assert plan_view(store.reader, Places(tmp_path), theirs).is_accepted
        with pytest.raises(NeedsYes) as question:
            accepted(store)
        assert question.value.error_id == "plan.accepted_already"


def test_the_ledger_names_a_snapshot_so_that_no_guess_of_it_can_be_checked(tmp_path: Path) -> None:
    """Stock, recipes and day are known to every peer: with a plain hash, so would be whoever leaves something out."""
    names = set()
    for market in ("a", "b"):
        with an_open_market(tmp_path / market) as store:
            stocked(store)
            proposal, _draft = kept(store, NUTS)
            accepted(store, NUTS)
            (name,) = store.reader.execute("SELECT snapshot_id FROM plan").fetchone()
            assert name != bytes.fromhex(snapshot_id(proposal.snapshot))
            assert name == named_snapshot(store.reader, snapshot_id(proposal.snapshot))
            names.add(name)
    assert len(names) == 2
