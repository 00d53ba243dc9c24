"""Peers: what is known of the other markets, with its age, and every step of a hand-over, which takes a lone `y`."""

from __future__ import annotations

from pathlib import Path

from node.clock import ClockQuality
from node.health import write_heartbeat
from node.ledger.names import node_id
from node.ledger.read.peers import PeerRow, SeenBy
from node.ledger.store import Transaction
from node.sync.health import HeardRow, LinkRow, write_sync
from node.tui.dialogs.base import Dialog
from node.tui.keys import PEERS
from node.tui.sharing import clock_text, heard_text, peer_state
from node.tui.status import Saving, saving_words
from node.tui.writer import Backlog
from tests.node.group import meet
from tests.node.hand_over import offer, step
from tests.node.tui.builders import HOSTILE, a_market, a_moment, rows
from tests.node.tui.driving import press, say_yes, scan, settled, shows, text_of, the_screen, write
from tests.node.tui.neighbours import an_offer_to_us, hear, neighbours, on_the_way_to_us

STATES = "SELECT state, good_milli, damaged_milli, on_way_milli FROM transfer ORDER BY hlc"


def a_peer(**more: object) -> PeerRow:
    """A market heard 9 s ago, unless said otherwise."""
    values: dict[str, object] = {
        "origin": b"o" * 16,
        "name": "Mill Rd",
        "node_id": "abcd",
        "is_member": True,
        "is_paired": True,
        "is_steward": False,
        "is_retired": False,
        "heard_ms": a_moment().wall_ms - 9_000,
        "heard_age_s": 9,
        "missing_here": 0,
        "missing_there": 0,
        "clock": ClockQuality.TRUSTED,
        "version": "",
    }
    return PeerRow(**{**values, **more})  # type: ignore[arg-type]


def test_a_peer_is_here_for_two_minutes_and_then_away() -> None:
    assert peer_state(a_peer(), 0) == "here"
    assert peer_state(a_peer(), 111) == "here"
    assert peer_state(a_peer(), 112) == "away"
    assert peer_state(a_peer(heard_ms=None, heard_age_s=None), 0) == "never heard"
    assert peer_state(a_peer(is_member=False, heard_ms=None, heard_age_s=None), 0) == "not in yet"
    assert peer_state(a_peer(is_retired=True), 0) == "retired"


def test_the_age_of_a_peer_heard_before_this_start_needs_a_clock_that_is_set() -> None:
    before = a_peer(heard_age_s=None, heard_ms=a_moment().wall_ms - 7_200_000)

    assert heard_text(before, a_moment(), 0) == "2 h"
    assert heard_text(before, a_moment(is_clock_set=False), 0) == "?"
    assert peer_state(before, 0) == "away"
    assert heard_text(a_peer(heard_ms=None, heard_age_s=None), a_moment(), 0) == "-"
    assert [clock_text(a_peer(clock=clock)) for clock in (ClockQuality.NOT_SET, None)] == ["not set", "?"]


def test_seen_by_is_said_only_of_what_is_signed() -> None:
    nothing = Backlog(0, 0.0, None, None)

    assert saving_words(nothing, a_moment(), SeenBy(1, 1, is_pending=False)) == Saving(
        "saved 19:07:00", ", seen by 1 of 1"
    )
    assert saving_words(nothing, a_moment(), SeenBy(1, 1, is_pending=True)) == Saving("saved 19:07:00")
    assert saving_words(nothing, a_moment(), SeenBy(0, 0, is_pending=False)) == Saving("saved 19:07:00")
    assert saving_words(nothing, a_moment(), None) == Saving("saved 19:07:00")


async def test_without_another_market_the_screen_says_how_to_pair(tmp_path: Path) -> None:
    async with the_screen(a_market(tmp_path)) as app:
        assert "Peers " not in text_of(app).splitlines()[1]
        await press(app, "f8")
        await shows(app, "No other market yet. Pair one with: larder pair card")
        await press(app, "o")
        await shows(app, "o offer - no other market yet")
        await press(app, "k")
        await shows(app, "k received - nothing on its way to us is selected")


async def test_the_markets_have_their_ages_and_what_they_could_spare(tmp_path: Path) -> None:
    with neighbours(tmp_path) as both:
        async with the_screen(both.us.places) as app:
            await shows(app, "| Peers 1/1")
            await press(app, "f8")
            await shows(app, " > Mill Rd           here         9 s        0       0       ?     ok")
            await shows(app, "SPARE AT Mill Rd, as heard 9 s ago")
            await shows(app, "  Onions 25 kg")
            hear(both.us, both.them, missing_there=1, ago_ms=300_000)
            await shows(app, " > Mill Rd           away         5 min      1       0       ?     ok")
            await shows(app, "| Peers 0/1")
            await shows(app, "signed ones seen by 0 of 1")
            assert "synchroni" not in text_of(app).lower()


async def test_what_larder_node_hears_now_stands_above_what_the_database_remembers(tmp_path: Path) -> None:
    with neighbours(tmp_path) as both:
        them = node_id(both.them.origin)
        links = [LinkRow("own", "127.0.0.1:1883", is_up=False, reason="refused"), LinkRow(them, "h:1", True, "")]
        heard = [HeardRow(them, a_moment().boottime_ms - 1_000, False, 0, "9", "", 0, missing_here=2, missing_there=7)]
        write_sync(
            both.us.places, a_moment(), group=b"", links=links, heard=heard, dropped={}, refused={}, is_rolled_back=True
        )
        async with the_screen(both.us.places, size=(80, 30)) as app:
            await press(app, "f8")
            await shows(app, " > Mill Rd           here         1 s        7       2       up    not set")
            await shows(app, "! the broker of this market (127.0.0.1:1883) is away: refused")
            await shows(app, "! this market's log was set back")


async def test_what_came_is_confirmed_with_its_quantities_and_a_lone_y(tmp_path: Path) -> None:
    with neighbours(tmp_path) as both:
        on_the_way_to_us(both)
        async with the_screen(both.us.places) as app:
            await press(app, "f8")
            await shows(app, "carried by courier 4")
            await press(app, "k")
            await shows(app, "how much came in good order?")
            await write(app, "5")
            await press(app, "enter")
            await shows(app, "How much came damaged?")
            await press(app, "1", "enter")
            await shows(app, "Take in Onions from Mill Rd: 5 kg good, 1 kg damaged, not chilled?")
            await scan(app, "4006381333931")
            await shows(app, "1 scan waiting")
            assert rows(both.us.places, STATES) == [("sent", 0, 0, 6_000_000)]
            await say_yes(app)
            await settled(app)
            assert rows(both.us.places, STATES) == [("closed", 5_000_000, 1_000_000, 0)]


async def test_an_offer_is_accepted_or_refused_with_a_reason(tmp_path: Path) -> None:
    with neighbours(tmp_path) as both:
        an_offer_to_us(both, 6_000_000)
        an_offer_to_us(both, 2_000_000)
        async with the_screen(both.us.places) as app:
            await press(app, "f8")
            await shows(app, "offered to us: accept or")
            await press(app, "a", "enter")
            await shows(app, "Accept 2 kg of Onions from Mill Rd?")
            await say_yes(app)
            await settled(app)
            await shows(app, "accepted, not sent yet.")
            await press(app, "end", "x")
            await shows(app, "Refuse T")
            await write(app, "no room")
            await press(app, "enter")
            await say_yes(app)
            await settled(app)
            await shows(app, "refused by us")
            assert {state for state, *_rest in rows(both.us.places, STATES)} == {"accepted", "refused"}


async def test_a_lot_is_offered_sent_and_booked_as_come_back(tmp_path: Path) -> None:
    with neighbours(tmp_path) as both:
        async with the_screen(both.us.places) as app:
            await press(app, "f8")
            await shows(app, "No hand-over yet.")
            await press(app, "o")
            await write(app, "oni")
            await press(app, "enter")
            await shows(app, "How much of lot O-7 of Onions? Empty is all that is free: 18 kg.")
            await press(app, "5", "enter")
            await shows(app, "Offer 5 kg of Onions, lot O-7, to Mill Rd?")
            await say_yes(app)
            await settled(app)
            await shows(app, "offered, no answer yet.")
            assert rows(both.us.places, "SELECT state FROM transfer") == [("offered",)]
            await press(app, "f4")
            await shows(app, "O-7           18 kg use by 2026-12-01        5 kg promised")
            await press(app, "f8", "g", "enter")
            await shows(app, "Who carries it?")
            await write(app, "Ana")
            await press(app, "enter")
            await shows(app, "5 kg of Onions leaves for Mill Rd now, not chilled?")
            await say_yes(app)
            await settled(app)
            await shows(app, "sent, not confirmed.")
            await press(app, "e")
            await shows(app, " > it came back to us")
            await press(app, "enter", "enter")
            await shows(app, "Book 5 kg of Onions as come back?")
            await say_yes(app)
            await settled(app)
            await shows(app, "came back")
            assert rows(both.us.places, "SELECT state, returned_milli FROM transfer") == [("closed", 5_000_000)]


async def test_a_step_that_another_program_took_first_is_refused_in_words(tmp_path: Path) -> None:
    with neighbours(tmp_path) as both:
        row = offer(both.us, both.them, both.onions, 5_000_000)
        async with the_screen(both.us.places) as app:
            await press(app, "f8")
            await shows(app, "offered, no answer yet")
            await press(app, "x")
            await shows(app, "Take back the offer")
            meet(both.us, both.them)
            step(both.them, "accept", row.transfer_id)
            meet(both.us, both.them)
            await say_yes(app)
            await settled(app)
            await shows(app, "! Mill Rd has accepted")
            await press(app, "x")
            await shows(app, "| Go back on T")
            await say_yes(app)
            await settled(app)
            assert rows(both.us.places, "SELECT state FROM transfer") == [("withdrawn",)]


async def test_no_scan_takes_a_step_of_a_hand_over_that_waits(tmp_path: Path) -> None:
    keys_of_the_screen = "https://oagkx.es/yoagkxes"
    with neighbours(tmp_path) as both:
        an_offer_to_us(both)
        on_the_way_to_us(both)
        before = rows(both.us.places, STATES)
        async with the_screen(both.us.places) as app:
            await press(app, "f8")
            await shows(app, "offered to us")
            for gap_ms in (0, 30):
                for suffix in (("enter",), ("tab",), ()):
                    await scan(app, keys_of_the_screen, gap_ms=gap_ms, suffix=suffix)
                    await settled(app)
                    assert not isinstance(app.screen, Dialog)
        assert rows(both.us.places, STATES) == before
        assert rows(both.us.places, "SELECT count(*) FROM request") == [(0,)]


async def test_sync_is_asked_for_by_a_row_and_the_answer_is_shown(tmp_path: Path) -> None:
    with neighbours(tmp_path) as both:
        async with the_screen(both.us.places) as app:
            await press(app, "f8")
            await shows(app, "Mill Rd")
            await press(app, "s")
            await settled(app)
            await shows(app, "Asked; larder-node is away, and nothing is lost")
            write_heartbeat(both.us.places.node_heartbeat, a_moment(), state="here", message="")

            def answer(tx: Transaction) -> None:
                tx.connection.execute("UPDATE request SET state = 'answered', answer = '2 markets heard [b]'")

            both.us.store.act("answer", answer)
            await shows(app, "larder-node says: 2 markets heard [b]")


async def test_names_of_other_markets_are_drawn_as_text(tmp_path: Path) -> None:
    with neighbours(tmp_path) as both:
        on_the_way_to_us(both)

        def spoil(tx: Transaction) -> None:
            tx.connection.execute("UPDATE member SET name = ?", (HOSTILE,))
            tx.connection.execute("UPDATE item SET name = ?", (HOSTILE,))
            tx.connection.execute("UPDATE lot SET batch = ?", (HOSTILE,))

        both.us.store.act("spoil", spoil)
        async with the_screen(both.us.places) as app:
            await press(app, "f8")
            await shows(app, "SPARE AT [red]x[/]?[2J?")
            assert app.front.name_of_keys == PEERS
            text = text_of(app)
            assert "\x1b" not in text and "\u202e" not in text
