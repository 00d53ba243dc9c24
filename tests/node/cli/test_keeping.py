"""Making a market, checking its log whole, making its tables again."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from node.actions.keeping import open_market
from node.ledger.keys import load_key
from node.ledger.seal import seal
from node.places import Places
from tests.node.cli.verbs import answer, command, environment, lines, refusal, run
from tests.node.tui.terminal import Terminal


def sealed(places: Places) -> None:
    """Sign what is pending, as the daemon does."""
    store = open_market(places)
    key = load_key(places.node_key)
    store.batch("seal", lambda tx: seal(tx, key, blocks_max=10))
    store.close()


def change(places: Places, statement: str) -> None:
    """Alter the database behind the log's back."""
    connection = sqlite3.connect(places.market_db)
    assert connection.execute(statement).rowcount > 0
    connection.commit()
    connection.close()


def test_a_new_market_says_where_it_is_who_it_is_and_what_comes_next(tmp_path: Path) -> None:
    said = lines(Places(tmp_path / "m"), "init", "--name", "Mill Rd")
    assert said[0] == f"saved: market Mill Rd in {tmp_path / 'm'}"
    assert len(said[1].removeprefix("node ")) == 26
    assert [line.split()[0] for line in said[2:]] == ["next:", "next:"]


def test_a_new_market_answers_in_json(tmp_path: Path) -> None:
    told = answer(Places(tmp_path / "m"), "init", "--name", "Mill Rd")
    assert (told["format"], told["name"], told["data"]) == ("larder-init/1", "Mill Rd", str(tmp_path / "m"))
    assert (len(told["node_id"]), len(told["group_id"])) == (26, 32)


def test_a_second_market_is_not_made_over_the_first(harbour: Places) -> None:
    before = answer(harbour, "status")["market"]
    assert refusal(harbour, "init", "--name", "Other")["error"] == "market.exists"
    assert answer(harbour, "status")["market"] == before


@pytest.mark.parametrize("name", ["", " ", "x" * 61, "a\nb", "\x1b[2J"])
def test_a_name_that_cannot_be_shown_makes_no_market(tmp_path: Path, name: str) -> None:
    places = Places(tmp_path / "m")
    assert refusal(places, "init", "--name", name)["error"].startswith("text.")
    assert refusal(places, "stock")["error"] == "market.missing"


def test_verify_covers_what_is_signed_and_what_waits(harbour: Places) -> None:
    answer(harbour, "receive", "food/milk-whole", "5")
    sealed(harbour)
    answer(harbour, "sell", "food/milk-whole", "1")
    told = answer(harbour, "verify")
    assert told["format"] == "larder-verify/1"
    assert told["is_ok"] is True
    counts = (told["stream_count"], told["block_count"], told["sealed_event_count"], told["pending_event_count"])
    assert counts == (2, 3, 4, 1)
    said = lines(harbour, "verify")
    assert said[0] == "ok: 3 signed blocks, facts in them 4, streams 2"
    assert said[1] == "ok: 1 fact waits for a signature"
    assert said[2].endswith(told["digest"])


def test_verify_names_the_first_bad_block(harbour: Places) -> None:
    answer(harbour, "receive", "food/milk-whole", "5")
    sealed(harbour)
    stream = answer(harbour, "lots", "food/milk-whole")["lots"][0]["lot_id"].split(":")[0]
    connection = sqlite3.connect(harbour.market_db)
    (frame,) = connection.execute("SELECT frame FROM block WHERE n = 1").fetchone()
    altered = frame[:-1] + bytes([frame[-1] ^ 1])
    connection.execute("UPDATE block SET frame = ? WHERE n = 1", (altered,))
    connection.commit()
    connection.close()
    fault = refusal(harbour, "verify")
    assert fault["error"] == "block.damaged"
    assert fault["message"].startswith(f"Block 1 of stream {stream} is damaged")


def test_verify_finds_a_table_that_was_altered_and_rebuild_makes_it_again(harbour: Places) -> None:
    answer(harbour, "receive", "food/milk-whole", "5")
    digest = answer(harbour, "verify")["digest"]
    change(harbour, "UPDATE contrib_row SET quantity_milli = 9000000")
    change(harbour, "UPDATE lot SET on_hand_milli = 9000000")
    fault = refusal(harbour, "verify")
    assert fault["error"] == "verify.fold"
    assert "larder rebuild" in fault["hint"]
    assert lines(harbour, "rebuild") == [f"saved: the tables were made again, digest {digest}"]
    assert answer(harbour, "stock")["rows"][0]["on_hand_milli"] == 5_000_000
    assert answer(harbour, "rebuild") == {"format": "larder-rebuild/1", "saved": True, "digest": digest}


def test_tables_of_older_software_are_made_again_before_they_are_read(harbour: Places) -> None:
    answer(harbour, "receive", "food/milk-whole", "5")
    change(harbour, "UPDATE setting SET value = '0.0' WHERE key = 'fold_version'")
    change(harbour, "UPDATE lot SET on_hand_milli = 9000000")
    assert lines(harbour, "stock")[0] == "ok Milk (whole) 5 l, 1 lot"


def test_progress_is_said_only_to_somebody_who_watches(harbour: Places) -> None:
    assert run(harbour, "verify").stderr == ""
    with Terminal(command(harbour, "verify"), environment()) as terminal:
        terminal.wait_for(b"checked 2 of 2 blocks")
        terminal.wait_for(b"ok: 2 signed blocks")
