"""The driver's parts alone: its queue, its counts, what it keeps of others, addresses, and the file for screens."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node import clock
from node.errors import NotSavedNow
from node.ledger.jobs import JOBS_MAX, Jobs, Outcome, do_now
from node.ledger.names import node_id
from node.ledger.refusals import refusals
from node.places import Places
from node.sync.audience import HEARD_WITHIN_S, HOLD_S, Audience
from node.sync.counts import KEEP_EVERY_S, PLACES_MAX, Counts
from node.sync.effects import LinkUp, PeerHeard, Received
from node.sync.health import STALE_AFTER_S, LinkRow, read_sync, sync_file, write_sync
from node.sync.here import free_space
from node.sync.inbox import MESSAGE_BYTES_MAX, MESSAGES_MAX, Inbox
from node.sync.links import address_of, paired_rows
from node.sync.mqtt import Address
from node.sync.seen import KEEP_EVERY_S as SEEN_EVERY_S
from node.sync.seen import KEEP_GAP_S, Seen
from tests.node.builders import an_open_market
from tests.node.sync.brokers import a_paired_market

PEER = b"p" * 16


def a_message(size: int = 10) -> Received:
    return Received("own", "x", bytes(size), False)


def a_word(*, blocks: int = 3, counter: int = 1, missing_here: int = 0) -> PeerHeard:
    """What a peer's beacon says."""
    return PeerHeard(PEER, counter, 2, "0.1.0", b"s" * 8, blocks, missing_here, 0, False)


class Taken(Jobs):
    """A queue whose jobs are counted and never done."""

    def __init__(self) -> None:
        super().__init__()
        self.purposes: list[str] = []

    def submit(self, purpose: str, work: Callable[[Any], Any], done: Callable[[Outcome], None]) -> bool:  # noqa: ARG002
        self.purposes.append(purpose)
        return True


def test_the_queue_drops_messages_beyond_its_bounds_and_nothing_else() -> None:
    inbox = Inbox()
    for _number in range(MESSAGES_MAX + 5):
        inbox.put(a_message())
    inbox.put(LinkUp("own"))
    assert inbox.taken_dropped() == 5
    assert inbox.taken_dropped() == 0
    taken = [inbox.take(0.0) for _number in range(MESSAGES_MAX + 1)]
    assert taken[-1] == LinkUp("own")
    assert inbox.take(0.0) is None


def test_the_queue_is_bounded_in_bytes_too_and_has_room_again_once_they_are_taken() -> None:
    inbox = Inbox()
    inbox.put(a_message(MESSAGE_BYTES_MAX))
    inbox.put(a_message(1))
    assert inbox.taken_dropped() == 1
    assert inbox.take(0.0) is not None
    inbox.put(a_message(MESSAGE_BYTES_MAX))
    assert inbox.taken_dropped() == 0


def test_a_flood_of_different_garbage_is_a_bounded_number_of_rows_written_once_a_minute() -> None:
    jobs, counts = Taken(), Counts()
    for number in range(1000):
        counts.add_dropped(f"garbage {number}", PEER, 1)
        counts.keep_if_due(jobs, KEEP_EVERY_S + number / 100)
    assert jobs.purposes == ["refused"]
    assert len(counts.dropped) <= PLACES_MAX + 1
    assert sum(counts.dropped.values()) == 1000


def test_counts_come_into_the_table(tmp_path: Path) -> None:
    jobs, counts = Jobs(), Counts()
    counts.add_dropped("topic", None, 2)
    counts.add_refused("signature", PEER, 3)
    counts.keep(jobs)
    with an_open_market(tmp_path) as store:
        assert jobs.do_next(store)
        assert {(row.reason, row.origin, row.count) for row in refusals(store.reader)} == {
            ("topic", b"", 2),
            ("signature", PEER, 3),
        }


def test_the_same_word_of_a_peer_is_stored_once_a_minute_and_a_new_one_after_a_gap() -> None:
    jobs = Taken()
    seen = Seen(jobs)
    for second in range(int(SEEN_EVERY_S)):
        seen.heard(a_word(counter=second), second * 1000, float(second))
        seen.keep(float(second))
    assert len(jobs.purposes) == 1
    now_s = SEEN_EVERY_S + 1
    for tenth in range(100):
        seen.heard(a_word(blocks=10 + tenth), 0, now_s + tenth / 10)
        seen.keep(now_s + tenth / 10)
    assert len(jobs.purposes) == 2
    seen.heard(a_word(blocks=999), 0, now_s + KEEP_GAP_S)
    seen.keep(now_s + KEEP_GAP_S)
    assert len(jobs.purposes) == 3
    assert seen.heard_count(now_s + KEEP_GAP_S) == 1
    assert seen.heard_count(now_s + KEEP_GAP_S + HEARD_WITHIN_S) == 0


def test_a_word_of_a_peer_comes_into_the_database(tmp_path: Path) -> None:
    jobs = Jobs()
    seen = Seen(jobs)
    seen.heard(a_word(), 5, 0.0)
    seen.keep(0.0)
    with an_open_market(tmp_path) as store:
        assert jobs.do_next(store)
        assert store.reader.execute("SELECT origin, our_blocks FROM peer_seen").fetchall() == [(PEER, 3)]
    seen.left(PEER)
    seen.left(b"nobody")
    assert [(row.node_id, row.has_left) for row in seen.rows()] == [(node_id(PEER), True)]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:1883", Address("127.0.0.1", 1883)),
        ("[::1]:8883", Address("::1", 8883)),
        (" market.example:1 ", Address("market.example", 1)),
    ],
)
def test_an_address_is_read(text: str, address: Address) -> None:
    assert address_of(text) == address
    assert address_of(str(address)) == address


@pytest.mark.parametrize(
    "text", ["", "host", "host:", ":1", "host:0", "host:65536", "h\x1bx:1", "a b:1", "x:" + "1" * 300]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="port"):
        address_of(text)


@given(st.text(max_size=40))
def test_no_text_breaks_the_reading_of_an_address(text: str) -> None:
    try:
        address = address_of(text)
    except ValueError:
        return
    assert address_of(str(address)) == address


def test_addresses_of_a_peer_that_are_none_are_left_out(tmp_path: Path) -> None:
    with an_open_market(tmp_path) as store:
        a_paired_market(store)
        for content, expected in (
            ('["a:1", "a:1", 3, "b", "b:2"]', (Address("a", 1), Address("b", 2))),
            ("{}", ()),
            ("nothing", ()),
            (json.dumps([f"h:{port}" for port in range(1, 100)]), tuple(Address("h", port) for port in range(1, 9))),
        ):
            store.batch(
                "test", lambda tx, text=content: tx.connection.execute("UPDATE peer SET addresses = ?", (text,))
            )
            (row,) = paired_rows(store.reader)
            assert row.in_order == expected


def write_a_file(places: Places) -> None:
    places.run.mkdir(exist_ok=True)
    links = [LinkRow("own", "127.0.0.1:1", True, "\x1b[2J")]
    write_sync(
        places, clock.now(), group=b"g" * 16, links=links, heard=[], dropped={"x": 1}, refused={}, is_rolled_back=False
    )


def test_the_file_for_screens_is_read_back_with_nothing_that_steers_a_terminal(tmp_path: Path) -> None:
    places = Places(tmp_path)
    write_a_file(places)
    health = read_sync(places, clock.now())
    assert health is not None
    assert health.links == [LinkRow("own", "127.0.0.1:1", True, "?[2J")]
    assert health.dropped == {"x": 1}


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"format": 3}'])
def test_a_file_for_screens_that_is_none_says_nothing(tmp_path: Path, content: bytes) -> None:
    places = Places(tmp_path)
    write_a_file(places)
    sync_file(places).write_bytes(content)
    assert read_sync(places, clock.now()) is None
    sync_file(places).unlink()
    assert read_sync(places, clock.now()) is None


def test_a_file_for_screens_of_another_boot_or_of_long_ago_says_nothing(tmp_path: Path) -> None:
    places = Places(tmp_path)
    write_a_file(places)
    content = json.loads(sync_file(places).read_bytes())
    for change in ({"host_boot_id": "another"}, {"boottime_ms": content["boottime_ms"] - STALE_AFTER_S * 1000}):
        sync_file(places).write_text(json.dumps({**content, **change}))
        assert read_sync(places, clock.now()) is None


def test_a_job_that_fails_fails_alone_and_a_full_queue_says_so(tmp_path: Path) -> None:
    jobs, outcomes = Jobs(), []

    def fail(_tx: object) -> None:
        raise ZeroDivisionError

    assert jobs.submit("a", fail, outcomes.append)
    assert jobs.submit("b", lambda tx: tx.moment.today, outcomes.append)
    with an_open_market(tmp_path) as store:
        assert jobs.do_next(store) and jobs.do_next(store) and not jobs.do_next(store)
    assert isinstance(outcomes[0].error, ZeroDivisionError)
    assert outcomes[1].error is None and outcomes[1].result is not None
    taken = [jobs.submit("c", lambda _tx: None, outcomes.append) for _number in range(JOBS_MAX + 1)]
    assert taken.count(False) == 1
    jobs.refuse_all(ValueError("no writer"))
    assert sum(isinstance(outcome.error, ValueError) for outcome in outcomes) == JOBS_MAX


def test_waiting_for_a_job_ends_where_nobody_does_it() -> None:
    with pytest.raises(NotSavedNow):
        do_now(Jobs(), "x", lambda _tx: None, within_s=0.0)


def test_sealing_is_held_until_our_blocks_are_back_or_nobody_gives_them() -> None:
    audience = Audience()
    assert not audience.is_heard(0.0) and not audience.is_held(0.0)
    audience.heard(10.0)
    assert audience.is_heard(10.0 + HEARD_WITHIN_S - 1) and not audience.is_heard(10.0 + HEARD_WITHIN_S)
    audience.hold(10.0)
    assert audience.is_held(10.0 + HOLD_S - 1) and not audience.is_held(10.0 + HOLD_S)
    audience.release()
    assert not audience.is_held(10.0)


def test_free_space_of_a_folder_that_is_not_there_is_unknown(tmp_path: Path) -> None:
    assert free_space(Places(tmp_path / "none")).name == "UNKNOWN"
    (tmp_path / "market").mkdir()
    assert free_space(Places(tmp_path)).name != "UNKNOWN"
