"""What is not counted of a forked log: listed for everybody, said again or let go by its own market."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from node.actions.keeping import open_market
from node.cli.peers import FORK_LINES_MAX, fork_lines
from node.ledger.fork_exchange import frames_beyond
from node.ledger.heads import stream_states
from node.ledger.read.forks import uncounted_branches
from node.places import Places
from tests.node.builders import a_received_lot, an_item
from tests.node.cli.verbs import answer, lines, refusal
from tests.node.markets import Market, exchange, pair, two_markets


def a_lying_disk(market: Market, copy: Path, root: Path) -> Market:
    """The market as it was when the copy was made, going on as if nothing had been written since."""
    places = Places(root)
    places.market_db.parent.mkdir(parents=True)
    places.node_key.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(copy, places.market_db)
    shutil.copy(market.places.node_key, places.node_key)
    again = Market(places, open_market(places))
    again.store.act("lie", lambda tx: tx.connection.execute("UPDATE writer SET witness = ?", (tx.witness,)))
    return again


def forked(root: Path, *, is_ours_counted: bool) -> tuple[Places, Places]:
    """The market whose log was written twice, and another one: the first received 1 kg, then forgot it, then 2 kg.

    Which of the two counts is up to the hashes, so each is written until it is as wanted: the first one on the right
    half of all hashes, that the second need not be tried for long.
    """
    with two_markets(root) as (first, other):
        pair(first, other)
        exchange(first, other)
        item = an_item(first.store)
        first.seal()
        first.store.checkpoint_if_due(is_idle=True)
        copy = root / "copy.db"
        shutil.copy(first.places.market_db, copy)
        for attempt in range(40):
            first = a_lying_disk(first, copy, root / f"first{attempt}")
            a_received_lot(first.store, item, 1_000)
            first.seal()
            (last,) = first.store.reader.execute("SELECT hash FROM block ORDER BY rowid DESC LIMIT 1").fetchone()
            first.store.close()
            if (last[0] >= 0x80) == is_ours_counted:
                break
        frames = frames_in(first.places)
        for attempt in range(40):
            again = a_lying_disk(first, copy, root / f"again{attempt}")
            a_received_lot(again.store, item, 2_000)
            again.seal()
            again.take(frames)
            is_counted = (2_000,) in again.store.reader.execute(
                "SELECT on_hand_milli FROM lot JOIN block USING (stream)"
            ).fetchall() and not again.store.reader.execute("SELECT 1 FROM fork_settled").fetchall()
            if is_counted == is_ours_counted:
                exchange(again, other)
                other.take(all_branches(again))
                again.store.close()
                return again.places, other.places
            again.store.close()
    raise AssertionError("no hash on that side")


def frames_in(places: Places) -> list[bytes]:
    """Every block that counts here."""
    with closing(open_market(places)) as store:
        return [frame for (frame,) in store.reader.execute("SELECT frame FROM block ORDER BY rowid").fetchall()]


def all_branches(market: Market) -> list[bytes]:
    """Everything that may leave this market, what is not counted included."""
    reader = market.store.reader
    return [frame for stream in stream_states(reader) for frame in frames_beyond(reader, stream, (), 2**30)[0]]


def on_hand(places: Places) -> list[int]:
    return sorted(row["on_hand_milli"] for row in answer(places, "stock")["rows"])


def test_a_market_that_has_no_forked_log_says_so(harbour: Places) -> None:
    assert lines(harbour, "forks") == ["No log was written twice."]
    assert refusal(harbour, "forks", "abcd1234", "--take")["error"] == "fork.unknown"
    assert refusal(harbour, "forks", "--take", code=2)["error"] == "usage"
    assert refusal(harbour, "forks", "abcd1234", code=2)["error"] == "usage"


def test_blanks_name_no_branch_also_where_there_is_one_alone(tmp_path: Path) -> None:
    ours, _other = forked(tmp_path, is_ours_counted=True)
    for name in ("", "    ", "a  "):
        assert refusal(ours, "forks", name, "--take")["error"] == "fork.unknown"
    assert on_hand(ours) == [2_000]


def test_facts_that_are_not_counted_are_listed_everywhere_and_taken_over_at_home(tmp_path: Path) -> None:
    ours, other = forked(tmp_path, is_ours_counted=True)
    for places in (ours, other):
        (row,) = answer(places, "forks")["branches"]
        assert (row["facts"], row["blocks"], row["state"], row["is_ours"]) == (1, 1, "open", places is ours)
        assert any(line.startswith("NOT COUNTED 1 fact of ") for line in lines(places, "peers"))
        assert lines(places, "verify")
    assert refusal(other, "forks", row["branch"], "--take")["error"] == "fork.not_ours"
    assert answer(ours, "forks", row["branch"], "--take")["facts_said_again"] == 1
    assert on_hand(ours) == [3_000]
    assert [row["state"] for row in answer(ours, "forks")["branches"]] == ["taken"]
    assert refusal(ours, "forks", row["branch"], "--take")["error"] == "fork.settled"
    assert lines(ours, "verify")


def test_facts_that_are_not_counted_are_let_go_with_a_reason(tmp_path: Path) -> None:
    ours, _other = forked(tmp_path, is_ours_counted=True)
    (row,) = answer(ours, "forks")["branches"]
    assert refusal(ours, "forks", row["branch"], "--dismiss", " ")["error"] == "fork.no_reason"
    assert lines(ours, "forks", row["branch"], "--dismiss", "typed twice") == ["saved: these facts stay uncounted"]
    (line,) = lines(ours, "forks")
    assert line.startswith("dismissed 1 fact of ")
    assert line.endswith(": typed twice")
    assert on_hand(ours) == [2_000]


def test_what_staff_saw_saved_here_is_said_again_by_itself_where_the_other_branch_counts(tmp_path: Path) -> None:
    ours, other = forked(tmp_path, is_ours_counted=False)
    assert on_hand(ours) == [3_000]
    for places in (ours, other):
        assert [row["state"] for row in answer(places, "forks")["branches"]] == ["taken"]
    assert answer(ours, "verify")["digest"] == answer(other, "verify")["digest"]


@pytest.mark.parametrize("verb", [("forks",), ("peers",)])
def test_a_list_of_forks_is_one_object_in_json(harbour: Places, verb: tuple[str, ...]) -> None:
    assert answer(harbour, *verb)["format"].startswith(f"larder-{verb[0]}/")


def test_undo_takes_back_what_was_done_in_the_branch_that_counts_after_the_other_was_taken_over(tmp_path: Path) -> None:
    ours, _other = forked(tmp_path, is_ours_counted=True)
    (row,) = answer(ours, "forks")["branches"]
    answer(ours, "forks", row["branch"], "--take")
    # The last thing done on this computer was receiving 2 kg, under the name that 1 kg had in the other branch.
    lines(ours, "undo")
    assert on_hand(ours) == [1_000]


def test_a_market_that_makes_branches_without_end_does_not_fill_the_list_of_markets(tmp_path: Path) -> None:
    ours, _other = forked(tmp_path, is_ours_counted=True)
    with closing(open_market(ours)) as store:
        (branch,) = uncounted_branches(store.reader)
    assert len(fork_lines([branch])) == 1
    *shown, last = fork_lines([branch] * (FORK_LINES_MAX + 2))
    assert len(shown) == FORK_LINES_MAX
    assert last == "2 more branches are not counted; see: larder forks"
