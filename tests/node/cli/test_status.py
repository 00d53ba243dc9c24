"""The market on one page: what needs a person first, every process here or away, an empty market told what to do."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from node import clock
from node.health import write_heartbeat
from node.places import Places
from tests.node.cli.verbs import answer, lines

pytestmark = pytest.mark.usefixtures("set_clock")


def test_an_empty_market_says_what_to_do(harbour: Places) -> None:
    assert lines(harbour, "status") == [
        "market Harbour",
        "No sensor has reported yet.",
        "No items yet. Receive one with: larder receive CODE_OR_NAME QUANTITY",
        "away: node",
        "away: bridge",
        "log: 2 signed blocks, 0 facts wait for a signature",
    ]


def test_what_is_due_and_what_is_low_come_before_the_totals(harbour: Places) -> None:
    yesterday = (date.today() - timedelta(days=1)).isoformat()
    answer(harbour, "receive", "food/milk-whole", "2", "--use-by", yesterday, "--batch", "OLD", "--yes")
    answer(harbour, "receive", "food/milk-whole", "3", "--use-by", "+0", "--batch", "NOW")
    answer(harbour, "par", "food/apples", "20")
    answer(harbour, "sell", "food/milk-whole", "1")
    said = lines(harbour, "status")
    assert said[2:4] == [
        f"PAST USE-BY Milk (whole) 2 l, lot OLD, use by {yesterday}",
        f"USE BY TODAY Milk (whole) 2 l, lot NOW, use by {date.today().isoformat()}",
    ]
    assert said[4].startswith("LOW ")
    assert said[5] == "stock: 2 items, 1 below par, 1 with a date in the next 3 days"
    assert said[6] == "today: lines received 2, sold or issued 1, discarded 0"
    assert "log: 2 signed blocks, 4 facts wait for a signature" in said
    assert said[-3].startswith("last: sold Milk (whole) 1 l, lot NOW, by nobody named, ")


def test_the_same_facts_are_there_in_json(harbour: Places) -> None:
    answer(harbour, "receive", "food/milk-whole", "3", "--use-by", "+0", "--batch", "NOW")
    told = answer(harbour, "status")
    assert told["format"] == "larder-status/1"
    assert told["market"]["name"] == "Harbour"
    assert told["clock"] == "trusted"
    nothing = {"format": "larder-cold/1", "units": [], "problem": None, "reading_count": 0, "calibrations_due": []}
    assert told["cold"] == nothing
    assert told["stock"] == {"item_count": 1, "low_count": 0, "expiring_count": 1}
    assert [(due["name"], due["lot"]["lot"], due["lot"]["state"]) for due in told["due"]] == [
        ("Milk (whole)", "NOW", "USE BY TODAY")
    ]
    assert told["today"] == {"received_lines": 1, "sold_lines": 0, "discarded_lines": 0}
    assert told["ledger"] == {"sealed_block_count": 2, "pending_count": 1, "unknown_count": 0}
    assert told["node"] == {"state": "away", "age_s": None, "sentence": ""}
    assert [movement["kind"] for movement in told["last"]] == ["receive"]


def test_a_process_that_beats_is_here_and_its_sentence_is_shown_as_text(harbour: Places) -> None:
    write_heartbeat(harbour.node_heartbeat, clock.now(), state="running", message="Sealing \x1b[2J 3 facts.")
    assert "here: node, Sealing ?[2J 3 facts." in lines(harbour, "status")
    assert answer(harbour, "status")["node"]["state"] == "here"


def test_a_process_that_beat_too_long_ago_is_away_since_then(harbour: Places) -> None:
    now = clock.now()
    earlier = clock.Moment(now.wall_ms, now.quality, now.today, now.boot_id, now.boottime_ms - 180_000)
    write_heartbeat(harbour.node_heartbeat, earlier, state="running", message="")
    assert "away: node, since 3 min" in lines(harbour, "status")


def test_hostile_heartbeats_read_as_away(harbour: Places) -> None:
    for content in (b"", b"[]", b"{", b"\xff" * 100, b'{"boottime_ms": "x"}', b"[" * 70_000):
        harbour.bridge_heartbeat.write_bytes(content)
        assert "away: bridge" in lines(harbour, "status")


def test_telemetry_that_cannot_be_read_is_missing_with_its_reason(harbour: Places) -> None:
    harbour.telemetry_db.write_bytes(b"not a database" * 100)
    said = lines(harbour, "status")
    assert said[1].startswith("MISSING ")
    assert answer(harbour, "cold")["problem"]
    assert lines(harbour, "cold") == [said[1]]
