"""What Home says of the other markets and of the planner: notices, the column of peers, who could spare what is low."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

from node import clock
from node.actions import items as item_actions
from node.actions.ids import new_action_id
from node.cold.watch import ColdView
from node.health import Heartbeat
from node.ledger.read.peers import SeenBy
from node.ledger.refusals import count_refused
from node.planner.central.health import PlannerHealth, write_planner_health
from node.tui.sharing import ALONE, Sharing
from node.tui.status import Saving, Status, status_row
from node.tui.text import cells
from tests.node.group import meet
from tests.node.hand_over import offer, step
from tests.node.tui.builders import a_market, a_moment
from tests.node.tui.driving import press, say_yes, settled, shows, text_of, the_screen
from tests.node.tui.neighbours import an_offer_to_us, hear, neighbours, on_the_way_to_us
from tests.node.tui.test_golden import a_unit
from tests.node.tui.test_peers import a_peer


def a_status(*units: object, sharing: Sharing = ALONE, node: str = "here") -> Status:
    return Status("Harbour St", ColdView(units, None, 1), Heartbeat(node, 200, "", 1), 1_000_000, sharing)  # type: ignore[arg-type]


def some_sharing(*, away: int = 0, outbox: int = 0, planner: str = "ok") -> Sharing:
    peers = tuple(a_peer(node_id=str(number), heard_age_s=9_000 if number < away else 9) for number in range(3))
    return Sharing(peers, SeenBy(1, 3, is_pending=False), outbox, PlannerHealth(planner))  # type: ignore[arg-type]


def test_the_row_has_peers_planner_and_outbox_in_the_order_of_the_drawing() -> None:
    sharing = some_sharing(away=1, outbox=14, planner="failing")
    row = status_row(a_status(a_unit("Fridge 2", state="HIGH"), sharing=sharing), Saving(""), a_moment(), 90)

    assert row == " COLD HIGH Fridge 2 3.1C | Sensors 3 s | Peers 2/3 | Planner away | Outbox 14 | Node here"


def test_what_is_well_leaves_a_narrow_row_first_and_nothing_is_cut() -> None:
    status = a_status(a_unit("Fridge 2", state="HIGH"), sharing=some_sharing(away=1, outbox=14, planner="failing"))
    saving = Saving("saved 19:07:12", ", seen by 1 of 3")
    rows = {width: status_row(status, saving, a_moment(), width) for width in (130, 110, 80, 60, 40)}

    assert all(cells(row) <= width for width, row in rows.items())
    assert rows[130].endswith("| Node here | saved 19:07:12, seen by 1 of 3")
    assert rows[110].endswith("| Outbox 14 | saved 19:07:12, seen by 1 of 3")
    assert rows[80] == " COLD HIGH Fridge 2 3.1C | Peers 2/3 | Planner away | Outbox 14 | saved 19:07:12"
    assert rows[60] == " COLD HIGH Fridge 2 3.1C | Planner away | saved 19:07:12"


def test_a_market_without_others_has_no_word_about_them() -> None:
    assert status_row(a_status(), Saving(""), a_moment(), 80) == " COLD MISSING, no sensor yet | Node here"


async def test_what_waits_for_an_answer_is_a_notice_that_opens_it(tmp_path: Path) -> None:
    with neighbours(tmp_path) as both:
        on_the_way_to_us(both, 3_000_000)
        an_offer_to_us(both)
        async with the_screen(both.us.places) as app:
            await shows(app, "Onions 6 kg from Mill Rd: offered to us: accept or refuse it")
            await shows(app, "Onions 3 kg from Mill Rd: on the way to us")
            await shows(app, "PEERS")
            await shows(app, "Mill Rd    9 s ago")
            await press(app, "down", "enter")
            await shows(app, "carried by courier 4")
            await press(app, "escape")
            await shows(app, "NOW - what needs a person")


async def test_a_conflict_about_a_hand_over_stands_before_what_is_low(tmp_path: Path) -> None:
    with neighbours(tmp_path) as both:
        row = offer(both.us, both.them, both.onions, 5_000_000)
        meet(both.us, both.them)
        step(both.us, "cancel", row.transfer_id)
        step(both.them, "accept", row.transfer_id)
        both.us.store.act(
            "par",
            lambda tx: item_actions.set_par(
                tx, action_id=new_action_id(), who=0, item_id=both.onions.item_id, par_milli=40_000_000
            ),
        )
        meet(both.us, both.them)
        async with the_screen(both.us.places) as app:
            await shows(app, "1 LOOK")
            await shows(app, "accepted while it was being")
            await shows(app, "2 LOW     Onions 18 kg, par 40 kg - Mill Rd has 25 kg to spare")


async def test_a_planner_that_fails_and_what_was_refused_are_notices(tmp_path: Path) -> None:
    places = a_market(tmp_path)
    since_ms = a_moment().wall_ms - 25 * 60_000
    write_planner_health(places, PlannerHealth("failing", since_ms, "No answer within 30 s."))
    async with the_screen(places) as app:
        app.write("refuse", lambda tx: count_refused(tx, "signature", None, 3), lambda _nothing: None)
        await settled(app)
        await shows(app, "Central planner not answering since 18:42. Plans are made here.")
        await shows(app, "3 things from outside were refused within a day (larder peers)")
        await shows(app, "| Planner away")


async def test_seen_by_follows_an_act_only_once_a_peer_has_confirmed_it(tmp_path: Path) -> None:
    with neighbours(tmp_path) as both:
        an_offer_to_us(both)
        hear(both.us, both.them)
        async with the_screen(both.us.places) as app:
            await press(app, "f8")
            await shows(app, "offered to us")
            await press(app, "a", "enter")
            await say_yes(app)
            await settled(app)
            await shows(app, "| Outbox 1 | saved 19:07:00")
            assert "seen by 1 of 1" not in text_of(app).splitlines()[1]
            with patch.object(clock, "now", a_moment):
                meet(both.us, both.them)
                hear(both.us, both.them)
            await shows(app, "| saved 19:07:00, seen by 1 of 1")
            assert "Outbox" not in text_of(app).splitlines()[1]
