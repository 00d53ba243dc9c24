"""Two larder-node processes with real brokers: facts travel, through kills, outages, liars and strangers."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from node.actions.requests import answered, ask
from node.domain.words import MoveKind
from node.ledger.heads import BlockRange, load_frames
from node.sync.effects import Kind
from node.sync.links import paired_rows
from node.sync.messages import build_topic, encode_frames
from node.sync.mqtt import Login
from node.sync.rights import topic_root
from tests.node.sync.brokers import wait_until, who
from tests.node.sync.fake_broker import a_fake_broker
from tests.node.sync.links import connected
from tests.node.sync.markets import Market, a_market, agree, opened, pair, running

_SOLD = (
    f"SELECT count(*) FROM movement WHERE kind = {int(MoveKind.SELL)}"
    " AND stream NOT IN (SELECT stream FROM home_stream) AND member"
)
_SOLD_HERE, _SOLD_THERE = (f"{_SOLD} {word} (SELECT origin FROM writer)" for word in ("=", "<>"))


@pytest.fixture
def markets(tmp_path: Path) -> tuple[Market, Market]:
    """Two paired markets, each with stock of its own, nothing started."""
    harbour, mill_road = a_market(tmp_path / "harbour", "Harbour"), a_market(tmp_path / "mill", "Mill Road")
    harbour.sell(3)
    mill_road.sell(2)
    pair(harbour, mill_road)
    return harbour, mill_road


def test_two_markets_come_to_the_same_facts_and_go_on_to(markets: tuple[Market, Market]) -> None:
    harbour, mill_road = markets
    with running(*markets):
        agree(*markets)
        harbour.sell(2)
        mill_road.sell(4)
        agree(*markets)
        wait_until(lambda: mill_road.count("SELECT count(*) FROM peer_seen") == 1, "the row of who was heard")
        health = harbour.health()
        assert health is not None
        assert [row.is_up for row in health.links] == [True, True]
    for market in markets:
        market.verify()
        assert market.log() == ""


def test_markets_that_pair_while_everything_runs_come_to_the_same_facts(tmp_path: Path) -> None:
    harbour, mill_road = a_market(tmp_path / "harbour", "Harbour"), a_market(tmp_path / "mill", "Mill Road")
    harbour.sell(3)
    mill_road.sell(2)
    with running(harbour, mill_road):
        wait_until(lambda: harbour.pending() == 0 and mill_road.pending() == 0, "the first seals")
        assert harbour.trouble() == mill_road.trouble() == ""
        pair(harbour, mill_road)
        agree(harbour, mill_road)


@pytest.mark.slow
def test_one_side_that_can_be_reached_is_enough(tmp_path: Path) -> None:
    harbour, mill_road = a_market(tmp_path / "harbour", "Harbour"), a_market(tmp_path / "mill", "Mill Road")
    mill_road.sell(2)
    pair(harbour, mill_road, is_second_reachable=False)
    with running(harbour), running(mill_road, has_brokers=False):
        agree(harbour, mill_road)
        health = harbour.health()
        assert health is not None
        (row,) = [row for row in health.links if row.name == who(mill_road.places)[0]]
        assert (row.is_up, row.address) == (False, "")


def test_a_market_without_a_pair_has_what_its_broker_needs_and_no_trouble(tmp_path: Path) -> None:
    harbour = a_market(tmp_path / "harbour", "Harbour")
    with running(harbour, has_brokers=False):
        for name in ("passwd", "acl", "broker-tls.pem"):
            wait_until((harbour.places.broker / name).exists, name)
        wait_until(lambda: harbour.health() is not None, "the file for screens")
        health = harbour.health()
        assert health is not None
        assert health.links == []
        assert harbour.trouble() == ""


@pytest.mark.slow
def test_the_embedded_broker_carries_the_same_facts(tmp_path: Path) -> None:
    harbour = a_market(tmp_path / "harbour", "Harbour", "embedded")
    mill_road = a_market(tmp_path / "mill", "Mill Road", "embedded")
    harbour.sell(3)
    pair(harbour, mill_road)
    with running(harbour, mill_road):
        agree(harbour, mill_road)


@pytest.mark.slow
def test_brokers_killed_and_started_again_delay_facts_and_lose_none(markets: tuple[Market, Market]) -> None:
    harbour, mill_road = markets
    with running(*markets):
        agree(*markets)
        for market in markets:
            market.broker.kill()
        harbour.sell(2)
        mill_road.sell(2)
        wait_until(lambda: "can be reached" in harbour.trouble(), "the line of trouble")
        wait_until(lambda: harbour.pending() == 0, "the seal, with no broker at all")
        mill_road.broker.start()
        agree(*markets)
        harbour.broker.start()
        wait_until(lambda: harbour.trouble() == "", "the line to go")


@pytest.mark.slow
def test_nodes_killed_in_the_middle_lose_nothing_and_verify(markets: tuple[Market, Market]) -> None:
    harbour, mill_road = markets
    chance = random.Random(20261122)
    with running(*markets):
        for _round in range(6):
            victim = chance.choice(markets)
            harbour.sell(chance.randrange(1, 5))
            mill_road.sell(chance.randrange(1, 5))
            before = victim.count("SELECT count(*) FROM movement")
            _pause(chance.random() * 2.5)
            victim.kill_node()
            assert victim.count("SELECT count(*) FROM movement") >= before
            victim.start_node()
        agree(*markets)
    for market in markets:
        market.verify()
        assert market.count("SELECT count(*) FROM quarantine") == 0


@pytest.mark.slow
def test_what_a_stranger_or_a_liar_publishes_is_counted_and_changes_nothing(markets: tuple[Market, Market]) -> None:
    harbour, mill_road = markets
    me, group = who(mill_road.places)
    with running(*markets):
        agree(*markets)
        before = harbour.digest()
        with opened(mill_road) as store:
            (row,) = paired_rows(store.reader)
            (origin, stream, blocks) = store.reader.execute(
                "SELECT w.origin, w.stream, h.blocks FROM writer w JOIN head h USING (stream)"
            ).fetchone()
            frames = load_frames(store.reader, [BlockRange(stream, 0, blocks)], 30_000)
        mill_road.kill_node(15)
        topic = build_topic(group, Kind.BLOCKS, origin)
        assert row.secret is not None
        with connected(harbour.broker, Login(me, row.secret), is_tls=True) as (link, _remembered):
            flipped = bytearray(frames[-1])
            flipped[-1] ^= 1
            forged = bytearray(frames[-1])
            forged[34:38] = (blocks + 1).to_bytes(4, "little")
            for payload in (
                b"",
                b"\xff" * 40,
                encode_frames([bytes(flipped)]),
                encode_frames([bytes(forged)]),
                *[encode_frames(frames)] * 40,
            ):
                link.publish(topic, payload, qos=1, is_retained=False)
            link.publish(f"{topic_root(group)}head/{me}", b"\x06" + bytes(400), qos=0, is_retained=True)
            link.publish(topic.replace(group.hex(), "0" * 32), b"x", qos=1, is_retained=False)

            def is_counted() -> bool:
                health = harbour.health()
                return health is not None and sum(health.dropped.values()) + sum(health.refused.values()) >= 4

            wait_until(is_counted, "the counts")
        assert harbour.digest() == before
        mill_road.start_node()
        harbour.sell(1)
        agree(*markets)
    assert harbour.log() == mill_road.log() == ""
    assert harbour.count("SELECT coalesce(sum(count), 0) FROM refused") >= 4
    harbour.verify()


@pytest.mark.slow
@pytest.mark.parametrize(("code", "is_mute"), [(0, False), (5, False), (0, True)])
def test_an_own_broker_that_delivers_nothing_leaves_the_others(
    markets: tuple[Market, Market], code: int, is_mute: bool
) -> None:
    harbour, mill_road = markets
    with a_fake_broker(code=code, is_mute=is_mute) as useless:
        harbour.places.settings.write_text(f'[sync]\nbroker = "127.0.0.1:{useless.port}"\n')
        with running(mill_road), running(harbour, has_brokers=False):
            agree(*markets)


@pytest.mark.slow
def test_without_any_broker_the_node_keeps_and_says_one_line(markets: tuple[Market, Market]) -> None:
    harbour, _mill_road = markets
    with running(harbour, has_brokers=False):
        wait_until(lambda: harbour.trouble().startswith("No other market can be reached now"), "the line")
        harbour.sell(1)
        wait_until(lambda: harbour.pending() == 0, "the seal", within_s=90)
        assert harbour.log() == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "sentence"),
    [("[sync]\nbroker = 3\n", "cannot be used"), ('[sync]\nbroker = "nowhere"\n', "no host:port"), ("\x00", "cannot")],
)
def test_settings_that_are_wrong_are_said_and_the_keeper_keeps(
    markets: tuple[Market, Market], settings: str, sentence: str
) -> None:
    harbour, _mill_road = markets
    harbour.places.settings.write_text(settings)
    with running(harbour, has_brokers=False):
        wait_until(lambda: harbour.pending() == 0, "the seal")
        wait_until(
            lambda: (
                sentence in harbour.trouble()
                or any(sentence in row.reason for row in getattr(harbour.health(), "links", []))
            ),
            "the sentence",
        )


def test_without_its_library_sync_says_so_and_the_keeper_keeps(markets: tuple[Market, Market], tmp_path: Path) -> None:
    harbour, _mill_road = markets
    shadow = tmp_path / "shadow" / "paho"
    shadow.mkdir(parents=True)
    (shadow / "__init__.py").write_text("raise ImportError('planted', name='paho')")
    process = subprocess.Popen(
        [sys.executable, "-m", "node.daemon.main", "--data", str(harbour.places.root)],
        env={**os.environ, "PYTHONPATH": str(shadow.parent)},
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: harbour.pending() == 0, "the seal")
        wait_until(lambda: "A part of Larder is not installed (paho)." in harbour.trouble(), "the sentence")
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
def test_a_person_who_asks_for_sync_gets_an_answer(markets: tuple[Market, Market]) -> None:
    harbour, _mill_road = markets
    with running(*markets):
        agree(*markets)
        with opened(harbour) as store:
            number = store.act("ask", lambda tx: ask(tx, "sync", {}))
            wait_until(lambda: answered(store.reader, number) is not None, "the answer")
            text = answered(store.reader, number)
    assert text == "2 of 2 connections are up; 1 market was heard in the last minute."


@pytest.mark.slow
def test_a_market_put_back_to_yesterday_gets_its_own_facts_back_and_writes_on_elsewhere(
    markets: tuple[Market, Market], tmp_path: Path
) -> None:
    harbour, mill_road = markets
    with running(*markets):
        agree(*markets)
        harbour.kill_node(15)
        shutil.copyfile(harbour.places.market_db, tmp_path / "yesterday.db")
        harbour.start_node()
        harbour.sell(3)
        agree(*markets)
        known = mill_road.digest()
        harbour.kill_node(15)
        # The same file with an older content: neither the boot nor the file tells that the log was rolled back.
        assert not Path(f"{harbour.places.market_db}-wal").exists()
        with harbour.places.market_db.open("r+b") as file:
            file.truncate()
            file.write((tmp_path / "yesterday.db").read_bytes())
        assert harbour.digest() != known
        # Acts of before anybody is heard, under names that were given away already.
        harbour.sell(2)
        sold = harbour.count(_SOLD_HERE)
        harbour.start_node()
        agree(*markets)
        assert harbour.digest() != known
        assert harbour.count(_SOLD_HERE) == mill_road.count(_SOLD_THERE) == sold + 3
        harbour.sell(1)
        agree(*markets)
    assert harbour.count("SELECT count(DISTINCT stream) FROM block WHERE origin = (SELECT origin FROM writer)") >= 3
    assert mill_road.count("SELECT count(*) FROM quarantine") == 0
    harbour.verify()


@pytest.mark.slow
def test_a_market_that_is_forgotten_is_let_in_no_more(markets: tuple[Market, Market]) -> None:
    harbour, mill_road = markets
    me, _group = who(mill_road.places)
    with running(*markets):
        agree(*markets)
        with opened(harbour) as store:
            store.act("forget", lambda tx: tx.connection.execute("UPDATE peer SET is_active = 0"))

        def is_out() -> bool:
            health = mill_road.health()
            return health is not None and any(
                row.name != "own" and not row.is_up and row.address for row in health.links
            )

        wait_until(is_out, "the broker to turn the other away")
        wait_until(lambda: me not in (harbour.places.broker / "passwd").read_text(), "the password to go")


def _pause(seconds: float) -> None:
    """Let real processes work for a random while before one is killed."""
    time.sleep(seconds)
