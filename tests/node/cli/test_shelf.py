"""`larder shelf`: what it shows, setting up, deciding one or all, taring, and what it refuses."""

from __future__ import annotations

import json
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from node import clock
from node.actions.keeping import open_market
from node.actions.shelves import shelf_named
from node.cold.shelf_tare import BY_BOARD, HERE, tare
from node.errors import NotSavedNow, Refused
from node.places import Places
from tests.node.cli.verbs import (
    CHECKOUT,
    MILK,
    a_program_that_holds_the_lock,
    answer,
    command,
    environment,
    lines,
    process,
    refusal,
    run,
)
from tests.node.scales import SENSOR, Scale

SET = ("shelf", "set", "Front", "--channel", SENSOR, "--item", MILK, "--unit-weight", "500", "--spread", "5")


@pytest.fixture
def scale(harbour: Places) -> Scale:
    """A scale in a market with 24 of milk."""
    lines(harbour, "receive", MILK, "24", "--name", "Milk", "--like", "food/milk-whole", "--best-before", "2031-01-01")
    return Scale(harbour.telemetry_db)


def weighed(scale: Scale, *weights_g: float) -> None:
    for grams in weights_g:
        scale.stands(grams, 4)


def on_hand(places: Places) -> int:
    (row,) = answer(places, "stock", MILK)["rows"]
    return int(row["on_hand_milli"])


def test_a_shelf_and_what_waits_on_it_are_lines_and_one_object(harbour: Places, scale: Scale) -> None:
    assert lines(harbour, "shelf") == ["no shelf is on a scale; see: larder shelf set --help"]
    assert lines(harbour, *SET) == [f"saved: the shelf Front is weighed by {SENSOR}; each step waits to be confirmed"]
    weighed(scale, 12_000, 11_000, 11_200)
    shelf, proposed, asked = lines(harbour, "shelf")
    assert shelf == f"quiet Front: 11.200 kg, by weight 22 +- 0, asks, sensor {SENSOR}"
    assert proposed.startswith("proposed 1 Front: taken 2 Milk, -1.000 kg, ")
    assert proposed.endswith(", likely: taken 2 Milk 99.9 %")
    assert asked.startswith("QUESTION 2 Front: no number of units fits well, +0.200 kg, ")
    told = answer(harbour, "shelf")
    assert (told["format"], told["is_kept"]) == ("larder-shelves/1", True)
    assert [(each["count"], each["plus_minus"], each["weight_mg"]) for each in told["shelves"]] == [(22, 0, 11_200_000)]
    assert [(each["step"], each["state"], each["reason"]) for each in told["steps"]] == [
        (1, "open", ""),
        (2, "open", "unlikely"),
    ]


def test_a_scale_that_fell_silent_or_cannot_be_read_shows_no_weight(harbour: Places, scale: Scale) -> None:
    lines(harbour, *SET)
    weighed(scale, 12_000)
    scale.conn.execute("update clock_sample set boottime_ms = boottime_ms - 600000, wall_us = wall_us - 600000000")
    assert lines(harbour, "shelf")[0].startswith("MISSING Front: no weight now, last heard 9 min ago, asks")
    (told,) = answer(harbour, "shelf")["shelves"]
    assert (told["quality"], told["weight_mg"], told["count"]) == ("MISSING", None, None)
    scale.conn.execute("pragma user_version = 99")
    assert "not read: The temperature log was written by a newer Larder, asks" in lines(harbour, "shelf")[0]


def test_one_step_is_confirmed_changed_or_dismissed_by_its_number(harbour: Places, scale: Scale) -> None:
    lines(harbour, *SET)
    weighed(scale, 12_000, 11_000, 10_000, 9_500)
    assert lines(harbour, "--who", "Ana", "shelf", "confirm", "1") == ["saved: step 1 taken 2 Milk: booked as sold"]
    assert lines(harbour, "shelf", "confirm", "2", "--units", "-1") == ["saved: step 2 taken 1 Milk: booked as sold"]
    assert lines(harbour, "shelf", "dismiss", "3") == ["saved: step 3 of Front dismissed"]
    assert on_hand(harbour) == 21_000
    assert refusal(harbour, "shelf", "confirm", "1")["error"] == "shelf.already"
    assert refusal(harbour, "shelf", "dismiss", "1")["error"] == "shelf.booked"
    assert refusal(harbour, "shelf", "confirm", "99")["error"] == "shelf.no_step"
    first = answer(harbour, "shelf", "--decided")["steps"][-1]
    assert (first["step"], first["units"], first["state"]) == (1, -2, "confirmed")
    lines(harbour, "undo", "--action", first["action_id"])
    assert on_hand(harbour) == 23_000
    assert any(line.startswith("taken back 1 Front") for line in lines(harbour, "shelf", "--decided"))


def test_all_proposals_of_a_shelf_are_confirmed_at_once_and_questions_wait_on(harbour: Places, scale: Scale) -> None:
    lines(harbour, *SET)
    weighed(scale, 12_000, 11_500, 11_700, 11_200, 10_700)
    assert lines(harbour, "shelf", "confirm", "--shelf", "front") == [
        "saved: step 1 taken 1 Milk: booked as sold",
        "saved: step 3 taken 1 Milk: booked as sold",
        "saved: step 4 taken 1 Milk: booked as sold",
        "left: step 2 is a question",
    ]
    assert on_hand(harbour) == 21_000
    assert refusal(harbour, "shelf", "confirm", "2")["error"] == "shelf.question"
    assert lines(harbour, "shelf", "dismiss", "--shelf", "Front") == ["saved: step 2 of Front dismissed"]
    assert lines(harbour, "shelf", "confirm", "--shelf", "Front") == ["nothing waits to be confirmed"]


def test_a_trusted_shelf_books_by_itself(harbour: Places, scale: Scale) -> None:
    assert lines(harbour, *SET, "--trust")[0].endswith("; probable steps are booked by themselves")
    weighed(scale, 12_000, 11_000)
    assert "books by itself" in lines(harbour, "shelf")[0]
    assert on_hand(harbour) == 22_000
    assert lines(harbour, "history", "--limit", "1")[0].startswith("sold Milk 2, lot #")
    assert "by shelf Front" in lines(harbour, "history", "--limit", "1")[0]


def test_a_shelf_of_two_items_is_told_apart_or_asked_about(harbour: Places, scale: Scale) -> None:
    lines(harbour, "receive", "4006381333948", "9", "--name", "Tea", "--like", "food/milk-whole")
    lines(harbour, *SET, "--item", "Tea", "--unit-weight", "120", "--spread", "2")
    weighed(scale, 12_000, 11_760)
    assert lines(harbour, "shelf", "confirm", "1") == ["saved: step 1 taken 2 Tea: booked as sold"]
    weighed(scale, 11_700)
    assert refusal(harbour, "shelf", "confirm", "2", "--units", "-1")["error"] == "shelf.which_item"
    assert lines(harbour, "shelf", "confirm", "2", "--units", "-1", "--item", "Milk")[0].startswith("saved: step 2")


@pytest.mark.parametrize(
    "arguments",
    [
        ("confirm",),
        ("confirm", "1", "--shelf", "Front"),
        ("confirm", "--shelf", "Front", "--units", "2"),
        ("dismiss",),
        ("dismiss", "0"),
        ("set", "Front", "--channel", "x"),
        ("set", "Front", "--channel", SENSOR, "--item", MILK, "--item", "Tea", "--unit-weight", "5"),
    ],
)
def test_what_is_not_said_clearly_is_a_usage_error(harbour: Places, scale: Scale, arguments: tuple[str, ...]) -> None:
    assert scale.boot == 1
    assert run(harbour, "shelf", *arguments).exit_code == 2


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (("--channel", "nobody/3"), "readings.no_channel"),
        (("--unit-weight", "heavy"), "shelf.grams"),
        (("--unit-weight", "-5"), "shelf.grams"),
        (("--unit-weight", "0"), "shelf.unit_weight"),
        (("--spread", "400"), "shelf.unit_weight"),
        (("--item", "nothing like it"), "item.unknown_name"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(
    harbour: Places, scale: Scale, change: tuple[str, str], error: str
) -> None:
    assert scale.boot == 1
    said = list(SET)
    said[said.index(change[0]) + 1] = change[1]
    assert refusal(harbour, *said)["error"] == error


def test_a_shelf_is_forgotten_with_a_suspicion_left(harbour: Places, scale: Scale) -> None:
    lines(harbour, *SET)
    weighed(scale, 12_000, 11_500)
    lines(harbour, "shelf")
    assert lines(harbour, "shelf", "forget", "Front") == ["saved: Front is weighed no more"]
    assert lines(harbour, "shelf")[-1] == "SUSPICION Milk: 1 step not confirmed, units -1; count it"
    lines(harbour, "count", MILK, "23", "--yes", "--lot", answer(harbour, "lots", MILK)["lots"][0]["lot_id"])
    assert not any("SUSPICION" in line for line in lines(harbour, "shelf"))


def test_steps_that_cannot_be_kept_now_are_said_and_shown_later(harbour: Places, scale: Scale) -> None:
    lines(harbour, *SET)
    weighed(scale, 12_000, 11_500)
    with a_program_that_holds_the_lock(harbour):
        done = run(harbour, "--wait", "0", "shelf")
        assert done.exit_code == 0
        assert done.stdout.splitlines()[-1].startswith("note: new steps could not be kept now")
    assert len(lines(harbour, "shelf")) == 2


def answered(places: Places, scale: Scale, status: str) -> None:
    """Answer what is asked as the bridge does: take the file, weigh from zero, say from which record on."""
    for path in (places.root / "telemetry" / "ask").glob("*.json"):
        asked = json.loads(path.read_bytes())
        path.unlink()
        assert (asked["op"], asked["uid"], asked["channel"]) == ("tare", SENSOR.partition("/")[0], 0)
        scale.conn.execute(
            "insert into answer (ask_id, uid, op, status, detail, answered_us) values (?, ?, 'tare', ?, ?, 1)",
            (path.stem, asked["uid"], status, str(scale.seq) if status == "done" else ""),
        )
        if status == "done":
            weighed(scale, 0)


@pytest.mark.parametrize(("status", "where"), [("done", BY_BOARD), ("unsupported", HERE), ("busy", None)])
def test_a_tare_is_kept_by_the_board_or_here_and_is_no_step(
    harbour: Places, scale: Scale, status: str, where: str | None
) -> None:
    (harbour.root / "telemetry" / "ask").mkdir()
    lines(harbour, *SET)
    weighed(scale, 400)
    with closing(open_market(harbour)) as store:
        shelf = shelf_named(store.reader, "Front")

        def asked() -> str:
            return tare(
                harbour,
                store.reader,
                store.act,
                shelf,
                ask_id="a-1",
                sleep=lambda _s: answered(harbour, scale, status),
            )

        if where is None:
            with pytest.raises(NotSavedNow):
                asked()
        else:
            assert asked() == where
    weighed(scale, 500 if where == BY_BOARD else 900)
    told = answer(harbour, "shelf")
    assert [each["weight_mg"] for each in told["shelves"]] == [900_000 if where is None else 500_000]
    assert [each["candidates"][0]["units"] for each in told["steps"]] == [1]


def test_a_tare_asks_first_and_a_restless_scale_has_no_zero_here(harbour: Places, scale: Scale) -> None:
    lines(harbour, *SET)
    assert refusal(harbour, "shelf", "tare", "Front")["error"] == "shelf.tare"
    assert refusal(harbour, "shelf", "tare", "Front", "--yes")["error"] == "ask.folder"
    (harbour.root / "telemetry" / "ask").mkdir()
    with closing(open_market(harbour)) as store, pytest.raises(Refused):
        shelf = shelf_named(store.reader, "Front")
        tare(
            harbour,
            store.reader,
            store.act,
            shelf,
            ask_id="a-1",
            sleep=lambda _s: answered(harbour, scale, "unsupported"),
        )
    assert clock.now().boottime_ms > 0


def test_a_confirmation_killed_anywhere_books_once(harbour: Places, scale: Scale) -> None:
    lines(harbour, *SET)
    killed_after_s = [0.25, 0.4, 0.55]
    weighed(scale, 12_000, *(12_000 - 500 * (n + 1) for n in range(len(killed_after_s))))
    lines(harbour, "shelf")
    for number, after_s in enumerate(killed_after_s, 1):
        child = subprocess.Popen(
            command(harbour, "shelf", "confirm", str(number)),
            cwd=CHECKOUT,
            env=environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            child.wait(after_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        again = process(harbour, "shelf", "confirm", str(number))
        assert again.returncode == 0 or "was confirmed already" in again.stderr
    assert on_hand(harbour) == 24_000 - 1_000 * len(killed_after_s)
    assert lines(harbour, "verify")[0]


def test_names_with_control_characters_steer_no_terminal(harbour: Places, scale: Scale, tmp_path: Path) -> None:
    assert tmp_path.exists()
    said = list(SET)
    said[2] = "a\x1b[2Jb"
    assert scale.boot == 1
    assert refusal(harbour, *said)["error"] == "text.control"
