"""What somebody leaves out never leaves the computer: planted words are looked for in everything that was sent or kept.

A recorder at each broker keeps every MQTT message, the stand-in planner every HTTP request. The same search must find
the words in the one file where they belong, and a word that may travel in the messages; so it would find a leak.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from node.actions.requests import open_requests
from node.ledger.read import open_reader
from tests.node.sync.brokers import wait_until, who
from tests.node.sync.links import connected, own_login
from tests.node.sync.markets import Market, a_market, agree, pair, running
from tests.standin import Scenario, StandIn

PLANTED = ("lupin", "vegan", "zebracanary", "quittencanary")
NEEDS = ("--without", "lupin,zebracanary=3", "--without", "quittencanary=4", "--without", "vegan=3")
MAY_TRAVEL = "batchcanary"
STOCK = ("food/potatoes=20", "food/carrots=20", "food/onions=5", "food/ginger=1", "food/oil-sunflower=2", "food/salt=1")
INFLATED_BYTES_MAX = 1024 * 1024


def words_in(content: bytes, words: Iterable[str] = PLANTED) -> set[str]:
    """Return the words that stand in some bytes, as they are or deflated anywhere within."""
    texts = [content.lower(), *(text.lower() for text in inflated(content))]
    return {word for word in words if any(word.encode() in text for text in texts)}


def inflated(content: bytes) -> Iterator[bytes]:
    """Yield whatever inflates at any place."""
    place = content.find(b"\x78")
    while place >= 0:
        with contextlib.suppress(zlib.error):  # most often an x that begins nothing
            yield zlib.decompressobj().decompress(content[place:], INFLATED_BYTES_MAX)
        place = content.find(b"\x78", place + 1)


def typed(market: Market, *arguments: str) -> str:
    """Type a verb as staff do; return what it says."""
    command = [sys.executable, "-m", "node.cli.main", "--data", str(market.places.root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def is_answered(market: Market) -> bool:
    reader = open_reader(market.places)
    try:
        return not any(request.kind == "plan" for request in open_requests(reader))
    finally:
        reader.close()


def kept_outside_the_private_file(market: Market) -> Iterator[Path]:
    """Yield every file of a market but those of the closed folder; pipes and sockets keep nothing."""
    private = market.places.private_db.parent
    for path in market.places.root.rglob("*"):
        if path.is_file() and private not in path.parents:
            yield path


def test_what_people_leave_out_is_in_no_message_no_request_and_no_other_file(tmp_path: Path) -> None:
    harbour, mill_road = markets = a_market(tmp_path / "harbour", "Harbour"), a_market(tmp_path / "mill", "Mill Road")
    pair(*markets)
    with StandIn(Scenario(["good"])) as planner, running(*markets):
        with harbour.places.settings.open("a", encoding="utf-8") as settings:
            settings.write(f'[planner]\nurl = "{planner.url}"\n')
        logins = [own_login(market.places, who(market.places)[0]) for market in markets]
        with connected(harbour.broker, logins[0]) as (_, here), connected(mill_road.broker, logins[1]) as (_, there):
            for line in STOCK:
                item, _mark, quantity = line.partition("=")
                typed(harbour, "receive", item, quantity, "--batch", MAY_TRAVEL)
            typed(harbour, "plan", "--portions", "30", *NEEDS)
            wait_until(lambda: is_answered(harbour), "the central planner's answer")
            typed(harbour, "plan")
            typed(harbour, "plan", "--accept", "--yes")
            agree(*markets)
            payloads = [message.topic.encode() + message.payload for message in [*here.received, *there.received]]
        requests = [repr(request.headers).encode() + request.body for request in planner.seen]
    assert any(words_in(request, ["food/potatoes"]) for request in requests)
    assert any(words_in(payload, [MAY_TRAVEL]) for payload in payloads)
    assert [words_in(request) for request in requests if words_in(request)] == []
    assert [words_in(payload) for payload in payloads if words_in(payload)] == []
    for market in markets:
        for path in kept_outside_the_private_file(market):
            assert (path, words_in(path.read_bytes())) == (path, set())
    assert words_in(harbour.places.private_db.read_bytes()) == set(PLANTED)
