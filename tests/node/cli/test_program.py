"""The program itself: its help, what it loads, its questions on a real terminal, pipes, signals and kills."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from node import VERSION
from node.cli.main import VERBS, load
from node.ledger import read
from node.places import Places
from tests.node.cli.verbs import (
    CHECKOUT,
    MILK,
    WAIT_S,
    a_program_that_holds_the_lock,
    answer,
    command,
    environment,
    lines,
    process,
    run,
)
from tests.node.tui.terminal import Terminal

HEAVY = {"textual", "paho", "serial", "sqlite_utils", "cryptography", "babel"}
MODULES = """
import json, sys
from node.cli.main import larder
try:
    larder.main(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps(sorted(sys.modules)))
"""


def modules_of(*arguments: str) -> set[str]:
    """Return every module that a verb loaded in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", MODULES, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def help_text(*verb: str) -> str:
    """The help as a person sees it."""
    return run(Places(Path("/nowhere")), *verb, "--help").stdout


def test_help_lists_every_verb_without_loading_any() -> None:
    said = help_text()
    for verb, line in VERBS.items():
        assert f"  {verb} " in said
        assert line in said
    loaded = modules_of("--help")
    assert {name.split(".")[0] for name in loaded} & HEAVY == set()
    assert not {name for name in loaded if name.startswith(("node.actions", "node.cli.stock", "node.cli.selling"))}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_help_under_its_own_name(verb: str) -> None:
    assert help_text(verb).startswith(f"Usage: larder {verb}")
    assert load(verb).name == verb
    assert load(verb).help


def every_command() -> dict[str, click.Command]:
    """Return every verb by what is typed, those below another verb (`transfer offer`) as well."""
    found: dict[str, click.Command] = {}
    for verb in VERBS:
        command = load(verb)
        below = command.commands if isinstance(command, click.Group) else {}
        found |= {f"{verb} {name}": each for name, each in below.items()} or {verb: command}
    return found


def takes(command: click.Command, name: str) -> bool:
    return any(option.name == name for option in command.params)


def test_every_verb_but_the_screen_speaks_json() -> None:
    assert {typed for typed, command in every_command().items() if not takes(command, "json")} == {"tui"}


def test_every_verb_that_appends_an_action_can_be_sent_again() -> None:
    again = {typed for typed, command in every_command().items() if takes(command, "action_id")}
    steps = ("accept", "cancel", "lost", "offer", "receive", "refuse", "return", "send", "withdraw")
    assert again == {
        *("receive", "sell", "issue", "discard", "count", "undo", "par", "plan", "recipe add"),
        *("item rename", "item allergens", "hold lift", "hold back", "sensors calibrate", "sensors withdraw"),
        *("shelf set", "shelf confirm", "shelf forget"),
        *(f"transfer {step}" for step in steps),
    }


def test_a_verb_that_is_not_in_the_table_cannot_be_loaded() -> None:
    with pytest.raises(KeyError):
        load("nonsense")


@pytest.mark.parametrize("verb", ["stock", "lots", "items", "history", "status", "cold", "shelf"])
def test_a_reading_verb_loads_nothing_heavy(harbour: Places, verb: str) -> None:
    arguments = [verb, "food/milk-whole"] if verb == "lots" else [verb]
    loaded = {name.split(".")[0] for name in modules_of("--data", str(harbour.root), *arguments)}
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("arguments", [("receive", "food/milk-whole", "1"), ("par", "food/milk-whole", "1")])
def test_a_writing_verb_loads_neither_screen_nor_network(harbour: Places, arguments: tuple[str, ...]) -> None:
    loaded = {name.split(".")[0] for name in modules_of("--data", str(harbour.root), *arguments)}
    assert loaded & {"textual", "paho", "serial", "sqlite_utils"} == set()


def test_the_version_is_said() -> None:
    assert run(Places(Path("/nowhere")), "--version").stdout == f"larder {VERSION}\n"


def test_the_data_folder_can_come_from_the_environment(harbour: Places) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "node.cli.main", "stock", "--json"],
        env=environment(LARDER_DATA=str(harbour.root)),
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    assert (done.returncode, json.loads(done.stdout)["count"]) == (0, 0)


def test_numbers_follow_the_locale_and_dates_stay_iso(harbour: Places) -> None:
    said = process(harbour, "receive", "food/milk-whole", "1.5", "--best-before", "2027-03-01", LARDER_LOCALE="de_AT")
    assert said.stdout.splitlines()[:2] == [
        "saved: received Milk (whole) 1,5 l, lot #1, best before 2027-03-01",
        "on hand 1,5 l",
    ]


def test_what_the_locale_cannot_show_becomes_a_question_mark(harbour: Places) -> None:
    answer(harbour, "receive", MILK, "1", "--name", "Zsírtúró")
    done = process(harbour, "stock", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "ok Zs?rt?r? 1, 1 lot")


def test_output_has_no_colour_and_moves_no_cursor_on_a_terminal_either(harbour: Places) -> None:
    answer(harbour, "receive", "food/milk-whole", "5")
    for verb in ("status", "stock", "cold", "verify"):
        with Terminal(command(harbour, verb), environment(TERM="xterm-256color")) as terminal:
            assert finish(terminal) == 0
            assert terminal.output
            assert b"\x1b" not in terminal.output


def finish(terminal: Terminal) -> int:
    """Read what is left and return the exit code."""
    while terminal.process.poll() is None:
        terminal.read(0.2)
    terminal.wait_for_quiet(0.05)
    return int(terminal.process.returncode)


@pytest.mark.parametrize("typed", [b"\n", b"n\n", b"yes\n", b"4006381333931\n", b"Y \x1b\n", b"\x04"])
def test_on_a_terminal_only_y_is_a_yes_and_a_scan_is_a_no(harbour: Places, typed: bytes) -> None:
    answer(harbour, "receive", "food/milk-whole", "5", "--batch", "M-1")
    arguments = ("discard", "food/milk-whole", "--lot", "M-1", "--reason", "quality")
    with Terminal(command(harbour, *arguments), environment()) as terminal:
        terminal.wait_for(b"anything else to leave it:")
        assert b"Discard 5 l of Milk (whole), lot M-1? Reason: quality." in terminal.output
        terminal.press(typed)
        assert finish(terminal) == 1
        assert b"That was not a yes; nothing was saved." in terminal.output
    assert answer(harbour, "stock")["rows"][0]["on_hand_milli"] == 5_000_000


def test_on_a_terminal_y_is_a_yes_to_one_question_and_each_is_asked(harbour: Places) -> None:
    answer(harbour, "receive", "food/milk-whole", "2", "--use-by", "2031-01-01", "--batch", "M-1")
    with Terminal(command(harbour, "sell", "food/milk-whole", "5"), environment()) as terminal:
        if answer(harbour, "status")["clock"] == "not_set":
            terminal.wait_for(b"anything else to leave it:")
            assert b"the use-by date of lot M-1 (2031-01-01) cannot be judged" in terminal.output
            terminal.press(b"y\n")
        terminal.wait_for(b"That is more Milk (whole) than the books have")
        terminal.wait_for(b"anything else to leave it:", since=terminal.output.index(b"That is more"))
        terminal.press(b"y\n")
        terminal.wait_for(b"saved: sold Milk (whole) 5 l")
        assert finish(terminal) == 0
    assert answer(harbour, "stock")["rows"][0]["state"] == "OVERSOLD"


def test_no_lock_is_held_while_a_person_thinks(harbour: Places) -> None:
    answer(harbour, "receive", "food/milk-whole", "5", "--batch", "M-1")
    arguments = ("discard", "food/milk-whole", "--lot", "M-1", "--reason", "quality")
    with Terminal(command(harbour, *arguments), environment()) as terminal:
        terminal.wait_for(b"anything else to leave it:")
        assert answer(harbour, "--wait", "0", "sell", "food/milk-whole", "1")["saved"] is True
        terminal.press(b"y\n")
        assert finish(terminal) == 0
        # The lot had 4 l left by then, and all of it is what was asked for.
        assert b"saved: discarded Milk (whole) 4 l" in terminal.output


def test_ctrl_c_at_a_question_ends_with_130_and_nothing_written(harbour: Places) -> None:
    answer(harbour, "receive", "food/milk-whole", "5", "--batch", "M-1")
    arguments = ("discard", "food/milk-whole", "--lot", "M-1", "--reason", "quality")
    with Terminal(command(harbour, *arguments), environment()) as terminal:
        terminal.wait_for(b"anything else to leave it:")
        terminal.process.send_signal(signal.SIGINT)
        assert finish(terminal) == 130
        assert b"Traceback" not in terminal.output
    assert answer(harbour, "verify")["pending_event_count"] == 1


def test_ctrl_c_while_another_program_writes_ends_with_130_at_once(harbour: Places) -> None:
    answer(harbour, "receive", "food/milk-whole", "5")
    with (
        a_program_that_holds_the_lock(harbour),
        Terminal(command(harbour, "sell", "food/milk-whole"), environment()) as terminal,
    ):
        terminal.wait_for(b"another program is writing")
        terminal.process.send_signal(signal.SIGINT)
        assert finish(terminal) == 130
        assert b"Traceback" not in terminal.output
    assert answer(harbour, "verify")["pending_event_count"] == 1


def test_the_screen_opens_on_a_terminal_and_its_end_is_the_end_of_the_verb(harbour: Places) -> None:
    with Terminal(command(harbour, "tui"), environment(TERM="xterm-256color")) as terminal:
        terminal.wait_for(b"Harbour")
        terminal.press(b"\x11")  # Ctrl+Q
        assert finish(terminal) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_screen_that_is_told_to_end_gives_the_terminal_back(harbour: Places, number: signal.Signals) -> None:
    with Terminal(command(harbour, "tui"), environment(TERM="xterm-256color")) as terminal:
        terminal.wait_for(b"No items yet")
        terminal.process.send_signal(number)
        assert finish(terminal) == 0
        assert b"\x1b[?1049l" in terminal.output


def test_what_is_done_on_the_screen_carries_who_is_at_work(harbour: Places) -> None:
    answer(harbour, "receive", "food/apples", "5")
    with Terminal(command(harbour, "--who", "Ana", "tui"), environment(TERM="xterm-256color")) as terminal:
        terminal.wait_for(b"Scan a barcode")
        terminal.press(b"z")
        terminal.wait_for(b"nothing to undo")
        terminal.press(b"\x11")  # Ctrl+Q
        assert finish(terminal) == 0
    reader = read.open_reader(harbour)
    assert [person.name for person in read.people(reader)] == ["Ana"]
    reader.close()


def test_a_reader_that_goes_away_is_no_fault(harbour: Places) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    for arguments in (("items",), ("items", "--json"), ("receive", "food/milk-whole", "5")):
        done = subprocess.run(
            command(harbour, *arguments),
            env=environment(),
            cwd=CHECKOUT,
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=WAIT_S,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b"")
    os.close(writing)
    assert answer(harbour, "stock")["rows"][0]["on_hand_milli"] == 5_000_000


def test_output_that_cannot_be_written_is_said_and_the_action_stays_done(harbour: Places) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command(harbour, "receive", "food/milk-whole", "5"),
            env=environment(),
            cwd=CHECKOUT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=WAIT_S,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "The answer could not be written (No space left on device).",
        "What the verb does was done: look at it with larder history.",
    ]
    assert answer(harbour, "stock")["rows"][0]["on_hand_milli"] == 5_000_000


SALES = 10
SALES_TIMED = 3
KILLS_PER_SALE_MAX = 3


@pytest.mark.slow
def test_what_was_said_to_be_saved_is_there_after_kills_at_any_instant(harbour: Places) -> None:
    """Retries of what was killed use the same action id, so that each sale happens exactly once."""
    answer(harbour, "receive", "food/milk-whole", "90000")
    usual_s = min(seconds_of_a_sale(harbour) for _time in range(SALES_TIMED))
    chance = random.Random(20261122)
    killed = 0
    saved: set[str] = set()
    for _sale in range(SALES):
        action_id = chance.randbytes(16).hex()
        for attempt in range(KILLS_PER_SALE_MAX + 1):
            # The instants spread over the whole life of the process; the last attempt is left alone.
            kill_after_s = None if attempt == KILLS_PER_SALE_MAX else usual_s * chance.uniform(0.1, 1.1)
            said = sell_and_kill(harbour, action_id, kill_after_s)
            if said.startswith("saved:"):
                saved.add(action_id)
                break
            killed += 1
    assert len(saved) == SALES
    assert killed > 0
    connection = read.open_reader(harbour)
    kept = {action.action_id.hex() for action in read.last_actions(connection, None, 100) if action.verb == "sell"}
    connection.close()
    assert saved < kept
    assert len(kept) == SALES + SALES_TIMED
    assert answer(harbour, "stock")["rows"][0]["on_hand_milli"] == (90_000 - SALES - SALES_TIMED) * 1_000_000
    assert lines(harbour, "verify")[0].startswith("ok: 2 signed blocks")


def seconds_of_a_sale(places: Places) -> float:
    """Sell one and return how long the whole process took."""
    began_s = time.monotonic()
    assert process(places, "sell", "food/milk-whole", "1").returncode == 0
    return time.monotonic() - began_s


def sell_and_kill(places: Places, action_id: str, kill_after_s: float | None) -> str:
    """Sell one, kill the process with SIGKILL after that time, and return what it had said."""
    selling = subprocess.Popen(
        command(places, "sell", "food/milk-whole", "1", "--action-id", action_id),
        env=environment(),
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        return selling.communicate(timeout=kill_after_s or WAIT_S)[0]
    except subprocess.TimeoutExpired:
        selling.kill()
        return selling.communicate()[0]
