"""`larder transfer` and `larder stock --at`, between two markets that are really paired."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from node import clock
from node.actions.ids import new_action_id
from node.actions.items import set_par
from node.cli.transfer_words import read_celsius
from node.cli.transfers import transfer_verb
from node.errors import Refused
from node.ledger.read import last_heard, spare, stock_at
from tests.node.builders import TODAY, a_moment, a_received_lot, an_item
from tests.node.cli.verbs import WAIT_S, answer, command, environment, lines, refusal, run
from tests.node.group import Market, a_group, meet

NUMBER = re.compile(r"T[0-9]+-[0-9a-f]{4}")


@pytest.fixture
def pair(tmp_path: Path, set_clock: None) -> Iterator[tuple[Market, Market]]:  # noqa: ARG001 - a fixture
    """Two markets of one group; Harbour has ten onions."""
    with a_group(tmp_path, "Harbour", "Mill Rd") as (harbour, mill):
        item = an_item(harbour.store, "Onion")
        a_received_lot(harbour.store, item, 10_000, batch="B-7")
        meet(harbour, mill)
        yield harbour, mill


def offered(market: Market, quantity: str = "6") -> str:
    """Offer onions to Mill Rd by the verb and return the number of the hand-over."""
    return str(answer(market.places, "transfer", "offer", "onion", quantity, "--to", "mill rd")["transfer"]["number"])


def test_a_hand_over_by_verbs_alone(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    assert lines(harbour.places, "transfer") == [
        "No hand-overs. Offer something with: larder transfer offer ITEM QUANTITY --to MARKET"
    ]
    said = lines(harbour.places, "transfer", "offer", "onion", "6", "--to", "Mill Rd", "--lot", "B-7")
    assert re.match(r"saved: out T[0-9]+-[0-9a-f]{4} Mill Rd, Onion 6, offered, no answer yet, 0 s ago\Z", said[0])
    found = NUMBER.search(said[0])
    assert found is not None
    number = found.group()
    assert lines(harbour.places, "stock", "onion")[0] == "ok Onion 10, available 4, 1 lot"
    meet(harbour, mill)
    assert lines(mill.places, "transfer")[0].startswith(
        f"in {number} Harbour, Onion 6, offered to us: accept or refuse"
    )
    lines(mill.places, "transfer", "accept", number, "5")
    meet(harbour, mill)
    sent = answer(harbour.places, "transfer", "send", number.split("-", maxsplit=1)[0], "--carrier", "courier 4")
    assert (sent["transfer"]["state"], sent["transfer"]["on_way_milli"]) == ("sent", 5_000)
    meet(harbour, mill)
    (waiting, count) = lines(mill.places, "transfer", "list")
    assert waiting.startswith(f"in {number} Harbour, Onion 5, on the way to us, carried by courier 4")
    assert count == "1 hand-over"
    got = answer(mill.places, "transfer", "receive", number, "4", "--damaged", "1")
    assert (got["transfer"]["good_milli"], got["transfer"]["damaged_milli"]) == (4_000, 1_000)
    (over, _count) = lines(mill.places, "transfer", "list", "--all")
    assert over.startswith(f"in {number} Harbour, Onion 5, received, 4 good, 1 damaged, carried by courier 4")
    assert lines(mill.places, "stock", "onion")[0] == "ok Onion 4, 1 lot"
    assert lines(mill.places, "transfer") == [
        "No hand-over has anything left to do. See all with: larder transfer list --all"
    ]
    assert [row["state"] for row in answer(mill.places, "transfer", "list", "--all")["transfers"]] == ["closed"]


def test_what_a_hand_over_moved_is_in_the_history_of_each_market_in_its_own_words(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    number = offered(harbour)
    answer(harbour.places, "transfer", "send", number)
    meet(harbour, mill)
    answer(mill.places, "transfer", "receive", number, "5")
    meet(harbour, mill)
    answer(harbour.places, "transfer", "return", number)
    assert [line.split(",")[0] for line in lines(harbour.places, "history")] == [
        "came back Onion 1",
        "sent Onion 6",
        "received Onion 10",
    ]
    assert [line.split(",")[0] for line in lines(mill.places, "history")] == ["taken in Onion 5"]


def test_withdraw_refuse_and_lost_by_verbs(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    first, second = offered(harbour, "2"), offered(harbour, "3")
    meet(harbour, mill)
    answer(mill.places, "transfer", "accept", first)
    refused = answer(mill.places, "transfer", "refuse", second, "--reason", "no room")
    assert (refused["transfer"]["state"], refused["transfer"]["reason"]) == ("refused", "no room")
    meet(harbour, mill)
    assert refusal(harbour.places, "transfer", "cancel", first)["error"] == "transfer.accepted_already"
    assert answer(harbour.places, "transfer", "withdraw", first)["transfer"]["state"] == "withdrawn"
    third = offered(harbour, "4")
    assert answer(harbour.places, "transfer", "cancel", third)["transfer"]["state"] == "cancelled"
    fourth = offered(harbour, "4")
    answer(harbour.places, "transfer", "send", fourth)
    assert answer(harbour.places, "transfer", "lost", fourth, "1")["transfer"]["on_way_milli"] == 3_000


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("offer", "onion", "6", "--to", "Nowhere"), "member.unknown_name"),
        (("offer", "onion", "6", "--to", "Harbour"), "transfer.to_ourselves"),
        (("offer", "onion", "11", "--to", "Mill Rd"), "transfer.too_much"),
        (("offer", "onion", "x", "--to", "Mill Rd"), "quantity.unreadable"),
        (("send", "T99999"), "transfer.unknown_number"),
        (("send", "onion"), "transfer.unknown_number"),
        (("send", "{number}", "7"), "transfer.too_much"),
        (("send", "{number}", "--temperature", "warm"), "temperature.unreadable"),
        (("receive", "{number}"), "transfer.not_our_step"),
        (("withdraw", "{number}"), "transfer.wrong_state"),
        (("lost", "{number}"), "transfer.wrong_state"),
    ],
)
def test_each_wrong_step_is_refused_in_a_sentence(
    pair: tuple[Market, Market], arguments: tuple[str, ...], error: str
) -> None:
    harbour, _mill = pair
    number = offered(harbour)
    fault = refusal(harbour.places, "transfer", *(word.format(number=number) for word in arguments))
    assert fault["error"] == error
    assert fault["message"].endswith(".")


def test_a_wrong_subcommand_is_wrong_usage(pair: tuple[Market, Market]) -> None:
    assert run(pair[0].places, "transfer", "give").exit_code == 2


def test_every_step_speaks_json_and_can_be_sent_again() -> None:
    steps = dict(transfer_verb.commands)
    assert set(steps) == {
        "list", "offer", "accept", "cancel", "withdraw", "send", "receive", "refuse", "return", "lost"
    }  # fmt: skip
    for name, command_of_step in steps.items():
        options = {option.name for option in command_of_step.params}
        assert "json" in options
        assert ("action_id" in options) is (name != "list")


def test_a_step_sent_again_has_no_second_effect(pair: tuple[Market, Market]) -> None:
    harbour, _mill = pair
    offers = [
        answer(harbour.places, "transfer", "offer", "onion", "6", "--to", "mill rd", "--action-id", "ab" * 16)
        for _ in range(2)
    ]
    assert offers[0]["transfer"]["transfer_id"] == offers[1]["transfer"]["transfer_id"]
    number = offers[0]["transfer"]["number"]
    for _ in range(2):
        answer(harbour.places, "transfer", "send", number, "--action-id", "cd" * 16)
    assert lines(harbour.places, "stock", "onion")[0] == "ok Onion 4, 1 lot"


def test_chilled_food_without_a_temperature_asks(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    answer(harbour.places, "receive", "food/cheddar", "2", "--use-by", (TODAY + timedelta(days=900)).isoformat())
    number = answer(harbour.places, "transfer", "offer", "food/cheddar", "1", "--to", "mill rd")["transfer"]["number"]
    assert refusal(harbour.places, "transfer", "send", number)["error"] == "transfer.not_measured"
    answer(harbour.places, "transfer", "send", number, "--temperature", "3,5")
    meet(harbour, mill)
    answer(mill.places, "transfer", "receive", number, "--yes")
    assert lines(mill.places, "stock", "cheddar")[0].startswith("HOLD Cheddar")
    assert lines(mill.places, "lots", "cheddar")[0].startswith("HOLD lot ")
    assert refusal(mill.places, "sell", "food/cheddar", "0.1")["error"] == "lot.on_hold"


def test_undo_after_an_offer_names_the_step_that_takes_it_back(pair: tuple[Market, Market]) -> None:
    harbour, _mill = pair
    number = offered(harbour)
    fault = refusal(harbour.places, "undo")
    assert (fault["error"], fault["hint"]) == (
        "undo.hand_over",
        f"Take the offer back with: larder transfer cancel {number}",
    )


def test_the_stock_of_another_market_comes_with_its_age_and_what_it_could_spare(pair: tuple[Market, Market]) -> None:
    harbour, mill = pair
    answer(harbour.places, "par", "onion", "3")
    offered(harbour, "2")
    meet(harbour, mill)
    said = lines(mill.places, "stock", "--at", "harbour")
    assert re.match(r"Harbour, as heard [0-9]+ s ago\Z", said[0])
    assert said[1] == "Onion 10, to spare 5, reserved 2, par 3"
    told = answer(mill.places, "stock", "--at", "Harbour", "oni")
    assert (told["rows"][0]["spare_milli"], told["rows"][0]["par_milli"]) == (5_000, 3_000)
    assert answer(mill.places, "stock", "--at", "Harbour", "rice")["rows"] == []
    assert refusal(mill.places, "stock", "--at", "Nowhere")["error"] == "member.unknown_name"
    assert run(mill.places, "stock", "--at", "Harbour", "--lots").exit_code == 2


def test_what_is_past_its_date_held_or_needed_there_is_not_to_spare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", a_moment)
    with a_group(tmp_path, "Harbour", "Mill Rd") as (harbour, mill):
        item = an_item(harbour.store, "Onion")
        a_received_lot(harbour.store, item, 4_000, use_by=TODAY + timedelta(days=1))
        a_received_lot(harbour.store, item, 5_000, best_before=TODAY + timedelta(days=9))
        harbour.store.act(
            "par", lambda tx: set_par(tx, action_id=new_action_id(), who=0, item_id=item.item_id, par_milli=2_000)
        )
        meet(harbour, mill)
        (row,) = spare(mill.store.reader, harbour.origin, TODAY)
        assert (row.on_hand_milli, row.usable_milli, row.spare_milli) == (9_000, 9_000, 7_000)
        (row,) = spare(mill.store.reader, harbour.origin, TODAY + timedelta(days=2))
        assert (row.usable_milli, row.spare_milli) == (5_000, 3_000)
        assert spare(mill.store.reader, harbour.origin, TODAY + timedelta(days=10)) == []
        # With an unset clock nothing is hidden and nothing is judged: the row says that nobody looked at the dates.
        (row,) = spare(mill.store.reader, harbour.origin, None)
        assert (row.usable_milli, row.spare_milli, row.is_date_checked) == (9_000, 7_000, False)
        assert stock_at(mill.store.reader, harbour.origin, today=TODAY)[0].is_date_checked


def test_the_age_is_that_of_the_beacon_under_this_boot_else_of_the_newest_fact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "now", a_moment)
    with a_group(tmp_path, "Harbour", "Mill Rd") as (harbour, mill):
        later = a_moment(later_ms=90_000)
        by_fact = last_heard(mill.store.reader, harbour.origin, later)
        assert by_fact is not None
        assert by_fact.age_s is not None
        assert (80 <= by_fact.age_s <= 90, by_fact.is_live) == (True, False)
        heard = a_moment(later_ms=60_000)
        mill.store.act(
            "heard",
            lambda tx: tx.connection.execute(
                "INSERT INTO peer_seen VALUES (?, ?, ?, ?, 1, 2, '', x'00', 0, 0, 0)",
                (harbour.origin, heard.wall_ms, heard.boot_id, heard.boottime_ms),
            ),
        )
        assert last_heard(mill.store.reader, harbour.origin, later) == (heard.wall_ms, 30, True)
        assert last_heard(mill.store.reader, b"x" * 16, later) is None


@pytest.mark.parametrize(("typed", "milli_c"), [("4.2", 4_200), ("-18", -18_000), ("3,55 C", 3_550), ("0", 0)])
def test_a_temperature_is_read_as_a_person_types_it(typed: str, milli_c: int) -> None:
    assert read_celsius(typed) == milli_c


@pytest.mark.parametrize("typed", ["", "4.2.1", "1000", "warm", "4006381333931", "--3"])
def test_what_is_no_temperature_is_refused(typed: str) -> None:
    with pytest.raises(Refused):
        read_celsius(typed)


def test_what_a_killed_verb_said_it_saved_is_there_and_the_book_is_whole(pair: tuple[Market, Market]) -> None:
    """Real processes, killed at a random instant; sent again, each offer is there once."""
    harbour, _mill = pair
    rng = random.Random(7)
    for number in range(6):
        action_id = f"{number:032x}"
        arguments = ("transfer", "offer", "onion", "1", "--to", "mill rd", "--action-id", action_id)
        running = subprocess.Popen(
            command(harbour.places, *arguments), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            said, _fault = running.communicate(timeout=rng.uniform(0.15, 0.5))
        except subprocess.TimeoutExpired:
            os.kill(running.pid, signal.SIGKILL)
            said, _fault = running.communicate(timeout=WAIT_S)
        open_offers = answer(harbour.places, "transfer")["transfers"]
        assert len(open_offers) in ({number + 1} if said else {number, number + 1})
        answer(harbour.places, *arguments)
        assert len(answer(harbour.places, "transfer")["transfers"]) == number + 1
    assert lines(harbour.places, "stock", "onion")[0] == "ok Onion 10, available 4, 1 lot"
    assert run(harbour.places, "verify").exit_code == 0
