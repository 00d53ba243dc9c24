"""Two real markets pair by cards, in either order; joining keeps the stock, the log and every promise of both."""

from __future__ import annotations

import shutil
from base64 import b64decode
from collections.abc import Iterator
from hashlib import pbkdf2_hmac
from pathlib import Path

import msgspec
import pytest

from node import clock
from node.actions.cards import CARD_AGE_MS_MAX, build_card, make_card, open_card
from node.actions.ids import new_action_id
from node.actions.items import set_par
from node.actions.keeping import open_market, rebuild
from node.actions.pairing import add_peer, forget
from node.actions.retiring import retire
from node.actions.undo import undo
from node.errors import NeedsYes, Refused
from node.ledger.block import Signer
from node.ledger.card import Meeting
from node.ledger.logins import password_hash
from node.ledger.read import find_items, stock, today_totals
from node.ledger.read.members import member_keys, member_named, members
from node.ledger.receive import receive_blocks
from node.ledger.store import Transaction
from node.places import Places
from tests.node.builders import TODAY, a_moment, a_received_lot, a_sale, an_item
from tests.node.markets import YES, Market, a_market, exchange, pair, two_markets

MARKETS = tuple[Market, Market]


@pytest.fixture
def markets(tmp_path: Path) -> Iterator[MARKETS]:
    """Two markets with stock of the same milk; the first one's group stays."""
    with two_markets(tmp_path) as found:
        for place, market in enumerate(found):
            item = an_item(market.store)
            a_received_lot(market.store, item, 24_000 + place * 1_000)
            a_sale(market.store, item)
        yield found


def no_key() -> Signer:
    """The key of a market that somebody else keeps."""
    raise Refused("pair.needs_key", "Only root can read its key.")


def on_hand(market: Market) -> dict[str, int]:
    """The stock of this market, item by item."""
    return {row.item.name: row.on_hand_milli for row in stock(market.store.reader, today=TODAY)}


@pytest.mark.parametrize("first", ["stays", "joins"])
def test_two_markets_paired_in_either_order_come_to_the_same_state(markets: MARKETS, first: str) -> None:
    stays, joins = markets
    before = [on_hand(market) for market in markets]
    theirs, ours = joins.card(), stays.card("stays.local:8883")
    if first == "stays":
        results = stays.add(theirs), joins.add(ours)
    else:
        joined = joins.add(ours)
        results = stays.add(theirs), joined
    assert (results[0].meeting, results[1].meeting) == (Meeting.WE_STAY, Meeting.WE_JOIN)
    assert results[0].digits == results[1].digits
    exchange(stays, joins)
    assert stays.digest() == joins.digest() == stays.verified() == joins.verified()
    assert before == [on_hand(market) for market in markets]
    for market in markets:
        assert [member.is_us for member in members(market.store.reader)] == [True, False]
    assert member_keys(stays.store.reader) == member_keys(joins.store.reader)


def test_facts_of_both_go_on_arriving_and_stock_is_never_mixed(markets: MARKETS) -> None:
    stays, joins = markets
    pair(stays, joins)
    exchange(stays, joins)
    for market in markets:
        (item,) = find_items(market.store.reader, "milk 1 l")
        a_sale(market.store, item, 5_000)
    exchange(stays, joins)
    assert stays.verified() == joins.verified()
    assert [on_hand(stays), on_hand(joins)] == [{"Milk 1 L": 18_000}, {"Milk 1 L": 19_000}]


def test_adding_a_card_again_changes_nothing_on_either_side(markets: MARKETS) -> None:
    stays, joins = markets
    theirs, ours = joins.card(), stays.card()
    stays.add(theirs)
    joins.add(ours)
    before = [market.store.reader.execute("SELECT count(*) FROM pending").fetchone() for market in markets]
    assert stays.add(theirs).is_known
    assert joins.add(ours).is_known
    assert before == [market.store.reader.execute("SELECT count(*) FROM pending").fetchone() for market in markets]
    exchange(stays, joins)
    assert stays.verified() == joins.verified()


def test_a_market_without_an_open_card_makes_one_that_the_other_has_to_see(markets: MARKETS) -> None:
    stays, joins = markets
    theirs = joins.card()
    stays.store.act("drop", lambda tx: tx.connection.execute("DELETE FROM card"))
    with pytest.raises(Refused) as refused:
        stays.add(theirs)
    assert refused.value.error_id == "pair.no_card"
    fresh = build_card(stays.store.reader, a_moment(), addresses=[], certificate=None)
    done = stays.add(theirs, fresh=fresh)
    assert done.our_card == fresh
    assert joins.add(fresh).digits == done.digits
    exchange(stays, joins)
    assert stays.verified() == joins.verified()


def test_a_third_market_joins_and_all_three_agree(markets: MARKETS, tmp_path: Path) -> None:
    stays, joins = markets
    pair(stays, joins)
    exchange(stays, joins)
    with a_market(tmp_path / "three", "Corner") as third:
        a_received_lot(third.store, an_item(third.store), 7_000)
        pair(stays, third)
        exchange(stays, joins, third)
        # Members of one group may reach each other directly, too.
        joins.add(third.card(), fresh=build_card(joins.store.reader, a_moment(), addresses=[], certificate=None))
        exchange(stays, joins, third)
        assert stays.verified() == joins.verified() == third.verified()
        assert on_hand(third) == {"Milk 1 L": 7_000}


# Joining.


def test_joining_keeps_oversold_lots_own_fields_and_leaves_the_old_log_at_home(markets: MARKETS) -> None:
    _stays, joins = markets
    store = joins.store
    (item,) = find_items(store.reader, "milk 1 l")
    a_sale(store, item, 99_000, yes=frozenset({"sale.beyond_on_hand"}))
    store.act("par", lambda tx: set_par(tx, action_id=new_action_id(), who=0, item_id=item.item_id, par_milli=30_000))
    before = store.reader.execute("SELECT item_id, name, unit, allergens, par_milli FROM item").fetchall()
    had = on_hand(joins)
    assert had["Milk 1 L"] < 0
    moved = store.reader.execute("SELECT count(*) FROM movement").fetchone()
    sold = today_totals(store.reader, clock.now()).sold_lines
    assert sold == 2
    pair(*markets)
    assert had == on_hand(joins)
    assert before == store.reader.execute("SELECT item_id, name, unit, allergens, par_milli FROM item").fetchall()
    assert moved == store.reader.execute("SELECT count(*) FROM movement").fetchone()
    after = today_totals(store.reader, clock.now())
    assert (after.sold_lines, after.received_lines) == (sold, 0)
    assert store.reader.execute("SELECT count(*) FROM home_stream").fetchone() == (2,)
    home = {stream for (stream,) in store.reader.execute("SELECT stream FROM home_stream")}
    joins.seal()
    assert not any(frame[20:28] in home for frame in joins.frames())
    joins.verified()
    digest = joins.digest()
    assert digest == rebuild(store)


def test_what_was_done_before_joining_cannot_be_undone_any_more(markets: MARKETS) -> None:
    _stays, joins = markets
    pair(*markets)
    with pytest.raises(Refused) as refused:
        joins.store.act("undo", lambda tx: undo(tx, action_id=new_action_id(), who=0))
    assert refused.value.error_id == "undo.before_joining"
    (item,) = find_items(joins.store.reader, "milk 1 l")
    a_sale(joins.store, item)
    assert joins.store.act("undo", lambda tx: undo(tx, action_id=new_action_id(), who=0)).verb == "sell"


def test_joining_without_the_key_is_refused_whole_while_facts_wait_for_it(markets: MARKETS) -> None:
    stays, joins = markets
    ours = stays.card()
    joins.card()

    def add(yes: frozenset[str] = YES) -> object:
        return joins.store.act("add", lambda tx: add_peer(tx, who=0, theirs=ours, load_signer=no_key, yes=yes))

    before = joins.verified()
    with pytest.raises(Refused) as refused:
        add()
    assert (refused.value.error_id, joins.verified()) == ("pair.needs_key", before)
    joins.seal()
    add()
    assert before != joins.verified()


def test_a_card_whose_roster_is_forged_lets_nobody_in_and_changes_nothing(markets: MARKETS) -> None:
    stays, joins = markets
    ours = stays.card()
    joins.card()
    before = joins.verified()
    for roster in ([], [b"garbage"], [ours.roster[0][:-1] + b"x"], joins.frames()[:1]):
        with pytest.raises(Refused) as refused:
            joins.add(msgspec.structs.replace(ours, roster=roster))
        assert refused.value.error_id in {"join.no_roster", "pair.their_steward"}
        assert before == joins.verified()


def test_a_joined_market_opens_and_verifies_again_after_a_refold(markets: MARKETS) -> None:
    stays, joins = markets
    pair(stays, joins)
    exchange(stays, joins)
    digest = joins.verified()
    older = "UPDATE setting SET value = 'x' WHERE key = 'fold_version'"
    joins.store.act("age", lambda tx: tx.connection.execute(older))
    again = open_market(joins.places)
    again.close()
    assert digest == joins.verified()


def test_a_market_of_the_first_schema_opens_verifies_and_joins(tmp_path: Path) -> None:
    # Its key is in nobody's hands, so the facts that wait for it are left out of this copy.
    places = Places(tmp_path / "old")
    places.market_db.parent.mkdir(parents=True)
    shutil.copy(Path(__file__).parents[2] / "vectors" / "market_schema_1.db", places.market_db)
    store = open_market(places)
    old = Market(places, store)
    assert old.digest() == old.verified()
    store.act("drop", lambda tx: tx.connection.execute("DELETE FROM pending"))
    rebuild(store)
    before = on_hand(old)
    with two_markets(tmp_path) as (stays, joins):
        pair(stays, joins)
        card = stays.card()
        old.card()
        done = store.act("add", lambda tx: add_peer(tx, who=0, theirs=card, load_signer=no_key, yes=YES))
        assert (done.meeting, done.facts_carried > 0) == (Meeting.WE_JOIN, True)
        assert before == on_hand(old)
        old.verified()
    store.close()


# Who stays, and who may.


def test_two_groups_of_several_markets_cannot_become_one(markets: MARKETS, tmp_path: Path) -> None:
    stays, joins = markets
    pair(stays, joins)
    with two_markets(tmp_path / "others") as (third, fourth):
        pair(third, fourth)
        ours, theirs = stays.card(), third.card()
        for market, card in ((stays, theirs), (third, ours)):
            with pytest.raises(Refused) as refused:
                market.add(card)
            assert refused.value.error_id == "pair.two_groups"


def test_only_the_founder_of_a_group_lets_a_market_in(markets: MARKETS, tmp_path: Path) -> None:
    stays, joins = markets
    pair(stays, joins)
    exchange(stays, joins)
    with a_market(tmp_path / "three", "Corner") as third:
        card, theirs = joins.card(), third.card()
        with pytest.raises(Refused) as refused:
            joins.add(theirs)
        assert refused.value.error_id == "pair.not_steward"
        assert str(refused.value.values["steward"]) == members(stays.store.reader)[0].name
        with pytest.raises(Refused) as refused:
            third.add(card)
        assert refused.value.error_id == "pair.their_steward"


def test_a_market_is_not_paired_with_itself(markets: MARKETS) -> None:
    stays, _joins = markets
    with pytest.raises(Refused) as refused:
        stays.add(stays.card())
    assert refused.value.error_id == "pair.own_card"


def test_nothing_happens_before_somebody_said_yes_to_the_digits(markets: MARKETS) -> None:
    stays, joins = markets
    theirs, ours = joins.card(), stays.card()
    digits = set()
    for market, card in ((stays, theirs), (joins, ours)):
        with pytest.raises(NeedsYes) as question:
            market.store.act("add", lambda tx, m=market, c=card: add_peer(tx, who=0, theirs=c, load_signer=m.key))
        digits.add(question.value.values["digits"])
        assert market.store.reader.execute("SELECT count(*) FROM peer").fetchone() == (0,)
        assert len(members(market.store.reader)) == 1
    assert len(digits) == 1


# Cards and logins.


def test_there_is_one_open_card_good_for_a_day_and_for_one_pairing(markets: MARKETS) -> None:
    stays, joins = markets
    first, second = stays.card(), stays.card()
    assert first.secret != second.secret
    (made_ms,) = stays.store.reader.execute("SELECT made_ms FROM card").fetchone()
    now = a_moment(later_ms=made_ms - a_moment().wall_ms)
    later = a_moment(later_ms=made_ms - a_moment().wall_ms + CARD_AGE_MS_MAX)
    assert second == open_card(stays.store.reader, now)
    assert open_card(stays.store.reader, later) is None
    joins.card()
    stays.add(joins.card())
    assert open_card(stays.store.reader, now) is None


def test_each_side_keeps_the_other_s_secret_and_only_a_hash_of_its_own(markets: MARKETS) -> None:
    stays, joins = markets
    theirs, ours = joins.card(), stays.card("stays.local:8883")
    stays.add(theirs)
    joins.add(ours)
    row = joins.store.reader.execute("SELECT addresses, secret, password_hash, is_active FROM peer").fetchone()
    assert ('["stays.local:8883"]', ours.secret) == row[:2]
    (hashed,) = stays.store.reader.execute("SELECT password_hash FROM peer").fetchone()
    assert ours.secret not in hashed
    assert row[2].startswith("$7$101$")
    # The open card was the last place where our own secret stood.
    assert stays.store.reader.execute("SELECT count(*) FROM card").fetchone() == (0,)


# Made by mosquitto_passwd of mosquitto 2.0.11 for the password "the secret".
MADE_BY_MOSQUITTO = (
    "$7$101$tTLgesl+x5RDlb0W$+DTyO7fqO90NBvhkrtfYgTOkwgp7ilC8l3REF6iy+PI/FmCiq2qrM1n7TNa3Do9FHp26LeNo9jJ2PcrsXFL8aA=="
)


def test_passwords_are_hashed_as_mosquitto_does() -> None:
    for made in (MADE_BY_MOSQUITTO, password_hash("the secret")):
        _empty, kind, rounds, salt, hashed = made.split("$")
        assert (kind, rounds, len(b64decode(salt))) == ("7", "101", 12)
        assert b64decode(hashed) == pbkdf2_hmac("sha512", b"the secret", b64decode(salt), int(rounds))


def test_forgetting_closes_the_broker_and_pairing_again_opens_it(markets: MARKETS) -> None:
    stays, joins = markets
    pair(stays, joins)
    origin = members(joins.store.reader)[0].origin
    assert stays.store.act("forget", lambda tx: forget(tx, origin))
    assert not stays.store.act("forget", lambda tx: forget(tx, origin))
    assert stays.store.reader.execute("SELECT is_active, secret, password_hash FROM peer").fetchall() == [
        (0, None, None)
    ]
    assert len(members(stays.store.reader)) == 2
    exchange(stays, joins)
    theirs, ours = joins.card(), stays.card()
    stays.add(theirs)
    joins.add(ours)
    assert stays.store.reader.execute("SELECT is_active FROM peer").fetchone() == (1,)


# Retiring.


def test_a_retired_market_counts_up_to_where_it_stood_and_no_further(markets: MARKETS) -> None:
    stays, joins = markets
    pair(stays, joins)
    exchange(stays, joins)
    member = member_named(stays.store.reader, members(joins.store.reader)[0].name)
    assert member is not None
    before = stays.digest()
    with pytest.raises(NeedsYes):
        stays.store.act("retire", lambda tx: retire(tx, who=0, member=member, reason="closed"))
    stays.store.act("retire", lambda tx: retire(tx, who=0, member=member, reason="closed", yes=YES))
    assert before == stays.digest() == stays.verified()
    (item,) = find_items(joins.store.reader, "milk 1 l")
    a_sale(joins.store, item)
    joins.seal()
    refused = stays.store.batch("receive", lambda tx: receive_blocks(tx, joins.frames())).refused
    assert refused == {"retired": 1}
    assert before == stays.verified()
    assert stays.store.reader.execute("SELECT is_active FROM peer").fetchone() == (0,)
    with pytest.raises(Refused) as again:
        stays.add(joins.card())
    assert again.value.error_id == "pair.retired"
    # The market itself keeps what it did, and knows.
    stays.seal()
    joins.take(stays.frames())
    assert members(joins.store.reader)[0].is_retired
    assert on_hand(joins) == {"Milk 1 L": 23_000}
    joins.verified()


def test_nobody_retires_the_founder_and_only_the_founder_retires(markets: MARKETS) -> None:
    stays, joins = markets
    pair(stays, joins)
    exchange(stays, joins)
    founder = members(stays.store.reader)[0]
    for market, error_id in ((stays, "retire.steward"), (joins, "retire.not_steward")):
        with pytest.raises(Refused) as refused:
            market.store.act("retire", lambda tx: retire(tx, who=0, member=founder, reason=None, yes=YES))
        assert refused.value.error_id == error_id


def test_a_card_made_by_an_action_is_the_open_one(markets: MARKETS) -> None:
    stays, _joins = markets

    def make(tx: Transaction) -> bool:
        return make_card(tx, addresses=[], certificate=b"x") == open_card(tx.connection, tx.moment)

    assert stays.store.act("card", make)


def test_after_another_boot_the_roster_goes_on_in_a_new_stream(markets: MARKETS, tmp_path: Path) -> None:
    stays, joins = markets
    pair(stays, joins)
    exchange(stays, joins)
    another_boot = "UPDATE setting SET value = 'another boot' WHERE key = 'roster_witness'"
    stays.store.act("boot", lambda tx: tx.connection.execute(another_boot))
    with a_market(tmp_path / "three", "Corner") as third:
        pair(stays, third)
        exchange(stays, joins, third)
        assert stays.verified() == joins.verified() == third.verified()
        rosters = "SELECT count(*) FROM head WHERE purpose = 1 AND stream NOT IN (SELECT stream FROM home_stream)"
        assert third.store.reader.execute(rosters).fetchone() == (2,)
        assert len(members(third.store.reader)) == 3
