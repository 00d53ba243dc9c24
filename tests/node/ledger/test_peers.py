"""What is known of other markets: who is meant by a name, who was heard, who has our facts, what was refused."""

from __future__ import annotations

import pytest

from node.clock import ClockQuality, Moment
from node.errors import Refused
from node.ledger.names import node_id
from node.ledger.read.members import member_keys, member_named, members
from node.ledger.read.peers import peers, seen_by
from node.ledger.refusals import REFUSED_ROWS_MAX, count_refused, refusals
from node.ledger.seen import KEEP_EVERY_MS, keep_seen
from node.ledger.store import Transaction
from tests.node.builders import a_moment
from tests.node.ledger.authors import (
    BAKERY,
    DAIRY,
    OBSERVER,
    Author,
    Chain,
    a_lot_fact,
    a_roster,
    an_observer,
    stream_named,
    take,
)


def at(tx: Transaction, moment: Moment) -> Transaction:
    return Transaction(tx.connection, moment, tx.witness)


def heard(tx: Transaction, author: Author = BAKERY, **changes: object) -> bool:
    """Keep a beacon of a market."""
    said = {
        "origin": author.origin,
        "counter": 7,
        "clock": 2,
        "version": "1.2\x1b[2J",
        "our_stream": stream_named(OBSERVER, b"our-own."),
        "our_blocks": 1,
        "missing_here": 3,
        "missing_there": 4,
    }
    return keep_seen(tx, **{**said, **changes})  # type: ignore[arg-type]


def test_a_market_is_meant_by_its_name_or_the_beginning_of_its_node_id() -> None:
    with an_observer() as tx:
        take(tx, *a_roster(BAKERY, DAIRY).frames)
        found = member_named(tx.connection, " bakery ")
        assert found is not None
        assert found.origin == BAKERY.origin
        assert found == member_named(tx.connection, node_id(BAKERY.origin)[:6].upper())
        assert member_named(tx.connection, "Bak") is None
        assert member_named(tx.connection, "") is None


def test_a_name_that_two_markets_have_means_neither() -> None:
    roster = a_roster(BAKERY)
    twin = Author("another key")
    twin.name = "BAKERY"
    roster.write(twin.enrolment())
    with an_observer() as tx:
        take(tx, *roster.frames)
        with pytest.raises(Refused) as refused:
            member_named(tx.connection, "bakery")
        assert node_id(twin.origin) in str(refused.value)


def test_a_name_that_would_steer_a_terminal_is_made_safe_and_an_empty_one_is_seen() -> None:
    roster = a_roster()
    for number, name in enumerate(["\x1b[2Jx", "", "y" * 4_000]):
        author = Author(f"key {number}")
        author.name = name
        roster.write(author.enrolment())
    with an_observer() as tx:
        take(tx, *roster.frames)
        assert {"?[2Jx", "?", "y" * 60} <= {member.name for member in members(tx.connection)}


def test_a_retired_market_may_not_write_any_more_and_we_always_may() -> None:
    from node.ledger.events import MemberRetired

    roster = a_roster(BAKERY, DAIRY)
    roster.write(MemberRetired(DAIRY.origin, [], None, []))
    with an_observer() as tx:
        take(tx, *roster.frames)
        keys = member_keys(tx.connection)
        assert DAIRY.origin not in keys
        assert (BAKERY.public_key, OBSERVER.public_key) == (keys[BAKERY.origin], keys[OBSERVER.origin])


def test_a_beacon_is_written_when_it_says_something_new_else_once_a_minute() -> None:
    with an_observer() as tx:
        assert heard(tx)
        assert not heard(at(tx, a_moment(later_ms=1_000)), counter=8)
        assert heard(at(tx, a_moment(later_ms=2_000)), missing_here=0)
        assert not heard(at(tx, a_moment(later_ms=KEEP_EVERY_MS)), missing_here=0)
        assert heard(at(tx, a_moment(later_ms=2_000 + KEEP_EVERY_MS)), missing_here=0)


def test_a_market_was_heard_when_it_spoke_and_not_when_that_was_kept() -> None:
    with an_observer() as tx:
        take(tx, *a_roster(BAKERY).frames)
        heard(at(tx, a_moment(later_ms=50_000)), age_ms=40_000)
        row = next(row for row in peers(tx.connection, a_moment(later_ms=60_000)) if row.name == "Bakery")
        assert (row.heard_age_s, row.heard_ms) == (50, a_moment(later_ms=10_000).wall_ms)


def test_a_peer_has_an_age_only_since_this_computer_was_started() -> None:
    with an_observer() as tx:
        take(tx, *a_roster(BAKERY, DAIRY).frames)
        heard(tx)
        row = next(row for row in peers(tx.connection, a_moment(later_ms=12_500)) if row.name == "Bakery")
        assert (row.heard_age_s, row.missing_here, row.missing_there, row.clock) == (12, 3, 4, ClockQuality.TRUSTED)
        assert (row.version, row.is_member, row.is_paired) == ("1.2?[2J", True, False)
        here = a_moment()
        rebooted = Moment(here.wall_ms, here.quality, here.today, "another boot", 5)
        row = next(row for row in peers(tx.connection, rebooted) if row.name == "Bakery")
        assert (row.heard_age_s, row.heard_ms) == (None, here.wall_ms)
        dairy = next(row for row in peers(tx.connection, here) if row.name == "Dairy")
        assert (dairy.heard_ms, dairy.clock) == (None, None)


def test_a_paired_market_that_nobody_let_in_yet_is_shown_as_such() -> None:
    with an_observer() as tx:
        take(tx, *a_roster().frames)
        tx.connection.execute(
            "INSERT INTO peer VALUES (?, ?, 'Dairy', '[]', NULL, 's', 'h', 0, 1)", (DAIRY.origin, DAIRY.public_key)
        )
        (dairy,) = [row for row in peers(tx.connection, a_moment()) if row.name == "Dairy"]
        assert (dairy.is_member, dairy.is_paired) == (False, True)
        tx.connection.execute("UPDATE peer SET is_active = 0")
        assert [row.name for row in peers(tx.connection, a_moment())] == ["Founder"]


def test_our_facts_are_seen_by_those_whose_word_covers_every_sealed_block() -> None:
    ours = Chain(OBSERVER, b"our-own.")
    roster = a_roster(OBSERVER, BAKERY, DAIRY)
    ours.write(a_lot_fact())
    with an_observer() as tx:
        take(tx, *roster.frames, *ours.frames)
        assert (seen_by(tx.connection).have, seen_by(tx.connection).of) == (0, 3)
        heard(tx, BAKERY)
        heard(tx, DAIRY, our_blocks=0)
        heard(tx, Author("no member"))
        assert seen_by(tx.connection) == (1, 3, False)
        heard(tx, DAIRY, our_stream=b"another.")
        assert seen_by(tx.connection).have == 1
        tx.connection.execute("INSERT INTO pending VALUES (x'00', 0, 1, 1, 1, 1, 1, x'00')")
        assert seen_by(tx.connection).is_pending


def test_refusals_add_up_by_reason_and_by_whom_within_bounds() -> None:
    with an_observer() as tx:
        count_refused(tx, "signature", BAKERY.origin, 2)
        count_refused(tx, "signature", BAKERY.origin, 3)
        count_refused(tx, "signature", None, 1)
        assert [(5, BAKERY.origin), (1, b"")] == [(row.count, row.origin) for row in refusals(tx.connection)]
        for number in range(2 * REFUSED_ROWS_MAX):
            count_refused(tx, "origin", number.to_bytes(16, "big"), 1)
            count_refused(tx, f"reason {number}", None, 1)
        kept = refusals(tx.connection)
        assert len(kept) <= REFUSED_ROWS_MAX + 2
        assert sum(row.count for row in kept) == 6 + 4 * REFUSED_ROWS_MAX
