"""A market that was retired is told: by the roster where its login is still known, else by the door that stays shut."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from node.actions.retiring import retire
from node.cli.main import larder
from node.ledger.heads import StreamState
from node.ledger.read.members import members, our_retirement
from node.sync.effects import Kind, Received
from node.sync.farewell import SAY_AGAIN_S, SAY_GAP_S, Farewell
from node.sync.messages import build_topic
from node.sync.rights import RETIRED_READS, RETIRED_WRITES, read_acl, topic_root
from tests.node.sync.brokers import wait_until, who
from tests.node.sync.markets import Market, a_market, agree, opened, pair, running

US, GONE, MEMBER, GROUP = b"u" * 16, b"g" * 16, b"m" * 16, bytes(16)


@pytest.fixture
def markets(tmp_path: Path) -> tuple[Market, Market]:
    """The founder of a group and another member, with stock, nothing started."""
    first, second = a_market(tmp_path / "harbour", "Harbour"), a_market(tmp_path / "mill", "Mill Road")
    first.sell(1)
    second.sell(1)
    pair(first, second)
    with opened(first) as store:
        is_first = members(store.reader)[0].is_steward
    return (first, second) if is_first else (second, first)


def says(market: Market, *words: str) -> list[str]:
    """What a verb prints at this market."""
    result = CliRunner().invoke(larder, ["--data", str(market.places.root), "--wait", "10", *words])
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


def retired_by(steward: Market) -> None:
    """Let the steward retire the other market."""
    with opened(steward) as store:
        (other,) = [member for member in members(store.reader) if not member.is_us]
        store.act(
            "retire",
            lambda tx: retire(tx, who=0, member=other, reason="closed", yes=frozenset({"retire.confirm"})),
        )


def test_a_retired_market_hears_that_it_is_and_goes_on_at_home(markets: tuple[Market, Market]) -> None:
    steward, other = markets
    me, group = who(other.places)
    with running(*markets):
        agree(*markets)
        other.kill_node()
        retired_by(steward)
        wait_until(lambda: steward.pending() == 0, "the retirement to be signed")
        root = topic_root(group)
        rights = read_acl((steward.places.broker / "acl").read_text("utf-8"))[me]
        assert rights.reads == tuple(root + topic.replace("%u", me) for topic in RETIRED_READS)
        assert rights.writes == tuple(root + topic.replace("%u", me) for topic in RETIRED_WRITES)
        steward.sell(2)
        other.sell(3)
        other.start_node()
        wait_until(lambda: "was retired from the group" in says(other, "peers")[1], "the word to arrive")
        assert says(other, "peers")[1].endswith(f"by {steward.name}. All work here goes on.")
        assert any("was retired from the group" in line for line in says(other, "sync"))
        other.sell(2)
        wait_until(lambda: other.pending() == 0, "its own facts to be signed")
        # Nothing else of the others came with it.
        assert other.count("SELECT count(DISTINCT item_id) FROM lot") < steward.count("SELECT count(*) FROM item")
    for market in markets:
        market.verify()


def test_a_market_that_is_not_let_in_is_told_whom_to_ask(markets: tuple[Market, Market]) -> None:
    steward, other = markets
    with running(*markets):
        agree(*markets)
        with opened(steward) as store:
            store.act("forget", lambda tx: tx.connection.execute("UPDATE peer SET password_hash = NULL"))
        wanted = f"{steward.name} refuses this market: it may have been retired. Ask its staff, or pair again."
        wait_until(lambda: wanted in says(other, "peers"), "the door to be shut")
    with opened(other) as store:
        assert our_retirement(store.reader) is None


def heads(blocks: int) -> dict[bytes, StreamState]:
    return {
        b"roster!!": StreamState(US, True, blocks, blocks, bytes(32)),
        b"facts!!!": StreamState(US, False, 9, 9, bytes(32)),
    }


def test_only_the_roster_is_told_again_when_it_grew_or_after_a_while() -> None:
    farewell = Farewell(GROUP)
    assert [(one.stream, one.first, one.end) for one in farewell.due(GONE, heads(3), 100.0)] == [(b"roster!!", 0, 3)]
    assert farewell.due(GONE, heads(3), 100.0 + SAY_GAP_S) == []
    assert [one.end for one in farewell.due(MEMBER, heads(3), 100.0 + SAY_GAP_S)] == [3]
    assert farewell.due(GONE, heads(4), 100.0 + SAY_GAP_S / 2) == []
    assert [one.end for one in farewell.due(GONE, heads(4), 100.0 + SAY_GAP_S)] == [4]
    assert [one.end for one in farewell.due(GONE, heads(4), 105.0 + SAY_GAP_S + SAY_AGAIN_S)] == [4]


def test_only_a_live_word_of_the_retired_in_this_group_is_answered() -> None:
    farewell = Farewell(GROUP)
    farewell.retired = frozenset({GONE})

    def asker(topic: str, *, is_retained: bool = False) -> bytes | None:
        return farewell.asker(Received("own", topic, b"anything", is_retained))

    assert asker(build_topic(GROUP, Kind.HEAD, GONE)) == GONE
    assert asker(build_topic(GROUP, Kind.HEAD, GONE), is_retained=True) is None
    assert asker(build_topic(GROUP, Kind.HEAD, MEMBER)) is None
    assert asker(build_topic(GROUP, Kind.PULL, GONE, "any")) is None
    assert asker(build_topic(b"x" * 16, Kind.HEAD, GONE)) is None
    assert asker("larder/1/nonsense") is None
