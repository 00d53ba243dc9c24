"""The table of bad input: each ends in words, a stable id and an exit code, and nothing is written."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from node.places import Places
from tests.components import need_program
from tests.node.cli.verbs import (
    MILK,
    WAIT_S,
    a_program_that_holds_the_lock,
    answer,
    command,
    environment,
    lines,
    process,
    refusal,
    run,
)

HOSTILE = "[red]x[/]\x1b[2J\u202e"
VERBS_THAT_READ = (("stock",), ("status",), ("cold",), ("items", "milk"), ("lots", "food/milk-whole"), ("verify",))
VERBS_THAT_WRITE = (("receive", "food/milk-whole", "1"), ("sell", "food/milk-whole"), ("undo",))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("sell", MILK), "item.unknown_code"),
        (("receive", MILK, "1"), "item.unknown_code"),
        (("sell", "4006381333932"), "scan.misread"),
        (("receive", "4006381333932", "1", "--name", "Milk"), "scan.misread"),
        (("sell", "123456789"), "scan.not_a_gtin"),
        (("sell", "]C10104006381333931"), "scan.element_string"),
        (("sell", "food/milk-whole", MILK), "quantity.too_many_digits"),
        (("receive", "food/milk-whole", MILK), "quantity.too_many_digits"),
        (("receive", "food/milk-whole", "1e3"), "quantity.unreadable"),
        (("receive", "food/milk-whole", "0"), "quantity.not_possible"),
        (("receive", "food/milk-whole", "1kg"), "quantity.wrong_unit"),
        (("receive", MILK, "1.5", "--name", "Milk"), "quantity.not_possible"),
        (("receive", "food/milk-whole", "1", "--use-by", "2026-02-30"), "date.unreadable"),
        (("receive", "food/milk-whole", "1", "--use-by", "2099-01-01"), "date.too_far"),
        (("receive", "food/milk-whole", "1", "--batch", "x" * 21), "text.too_long"),
        (("receive", MILK, "1", "--name", " "), "text.empty"),
        (("receive", MILK, "1", "--unit", "g"), "item.name_missing"),
        (("receive", MILK, "1", "--name", "Milk", "--allergens", "dust"), "item.bad_allergen"),
        (("receive", MILK, "1", "--name", "Milk", "--like", "zzz"), "item.unknown_name"),
        (("sell", "food/milk-whole", "--lot", "nope"), "lot.unknown"),
        (("discard", "food/milk-whole", "--lot", "0011223344556677:1", "--reason", "other", "--yes"), "lot.unknown"),
        (("undo",), "undo.nothing"),
        (("undo", "--action", "00" * 16), "undo.nothing"),
        (("cold", "--name", "nonsense/fridge", "Fridge"), "unit.bad_sensor"),
        (("cold", "--name", "nonsense", "Fridge"), "readings.none"),
        (("tui",), "screen.no_terminal"),
        (("init", "--name", "Again"), "market.exists"),
    ],
)
@pytest.mark.usefixtures("set_clock")
def test_bad_input_is_refused_in_words_and_nothing_is_written(
    harbour: Places, arguments: tuple[str, ...], error: str
) -> None:
    if arguments == ("tui",):
        plain = run(harbour, *arguments)
        assert (plain.exit_code, plain.stdout) == (1, "")
        assert "larder status" in plain.stderr
    else:
        assert refusal(harbour, *arguments)["error"] == error
    assert answer(harbour, "verify")["pending_event_count"] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("sell",),
        ("sell", MILK, "1", "2"),
        ("sell", MILK, "--nonsense"),
        ("stock", "--show", "everything"),
        ("cold", "--kind", "fridge"),
        ("history", "--limit", "0"),
    ],
)
def test_a_command_line_that_cannot_be_understood_ends_with_2(harbour: Places, arguments: tuple[str, ...]) -> None:
    fault = refusal(harbour, *arguments, code=2)
    assert fault["error"] == "usage"
    assert "--help" in fault["hint"]


def damaged(places: Places, keep_bytes: int) -> None:
    """Overwrite the database after its first bytes."""
    content = places.market_db.read_bytes()
    places.market_db.write_bytes(content[:keep_bytes] + b"\xff" * (len(content) - keep_bytes))


def newer(places: Places) -> None:
    """Mark the database as written by software of the future."""
    connection = sqlite3.connect(places.market_db)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


@pytest.mark.parametrize("arguments", VERBS_THAT_READ + VERBS_THAT_WRITE)
def test_a_database_of_newer_software_is_left_alone(harbour: Places, arguments: tuple[str, ...]) -> None:
    newer(harbour)
    before = harbour.market_db.read_bytes()
    assert refusal(harbour, *arguments)["error"] == "market.newer"
    assert harbour.market_db.read_bytes() == before


@pytest.mark.parametrize("keep_bytes", [0, 100, 1024, 8 * 1024])
@pytest.mark.parametrize("arguments", [("stock",), ("verify",), ("sell", "food/milk-whole", "--yes")])
def test_a_damaged_database_is_named_and_kept(harbour: Places, arguments: tuple[str, ...], keep_bytes: int) -> None:
    damaged(harbour, keep_bytes)
    fault = refusal(harbour, *arguments)
    assert fault["error"] == "market.damaged"
    assert str(harbour.market_db.parent) in fault["hint"]


@pytest.mark.parametrize("arguments", VERBS_THAT_READ + VERBS_THAT_WRITE)
def test_where_there_is_no_market_the_hint_says_how_to_make_one(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    fault = refusal(Places(tmp_path / "empty"), *arguments)
    assert fault["error"] == "market.missing"
    assert "larder init" in fault["hint"]
    assert not (tmp_path / "empty").exists()


@contextmanager
def read_only(places: Places) -> Iterator[list[str]]:
    """Take away every right to write below the folder; yields the command prefix that gives up root's rights."""
    # Root may write anywhere unless it gives that capability up.
    prefix = [need_program("setpriv"), "--bounding-set=-all"] if os.geteuid() == 0 else []
    paths = [places.root, *places.root.rglob("*")]
    modes = {path: path.stat().st_mode for path in paths}
    for path, mode in modes.items():
        path.chmod(mode & 0o555)
    try:
        yield prefix
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


def test_in_a_read_only_folder_a_sale_is_not_saved_now(harbour: Places) -> None:
    answer(harbour, "receive", "food/milk-whole", "5")
    with read_only(harbour) as prefix:
        done = process(harbour, "sell", "food/milk-whole", prefix=prefix)
        told = process(harbour, "sell", "food/milk-whole", "--json", prefix=prefix)
    assert (done.returncode, done.stdout) == (3, "")
    assert len(done.stderr.splitlines()) == 2
    assert json.loads(told.stderr)["error"] == "disk.read_only"
    assert json.loads(told.stderr)["is_transient"] is True


def test_on_a_card_that_became_read_only_the_stock_is_still_printed(harbour: Places) -> None:
    answer(harbour, "receive", "food/milk-whole", "5")
    # What the daemon or the screen has open lies beside the database when the card goes.
    held = sqlite3.connect(harbour.market_db)
    held.execute("SELECT count(*) FROM item").fetchone()
    with read_only(harbour) as prefix:
        done = process(harbour, "stock", prefix=prefix)
    held.close()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "ok Milk (whole) 5 l, 1 lot"


def test_a_market_is_not_made_where_nothing_can_be_written(tmp_path: Path) -> None:
    folder = Places(tmp_path / "closed")
    folder.root.mkdir()
    with read_only(folder) as prefix:
        done = process(Places(folder.root / "market"), "init", "--name", "Harbour", prefix=prefix)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith(f"The market could not be made in {folder.root / 'market'}")


def test_a_hanging_program_is_waited_for_named_and_then_it_is_not_saved_now(harbour: Places) -> None:
    answer(harbour, "receive", "food/milk-whole", "5")
    with a_program_that_holds_the_lock(harbour) as pid:
        done = process(harbour, "--wait", "3", "sell", "food/milk-whole")
        told = process(harbour, "--wait", "0", "sell", "food/milk-whole", "--json")
        stock = process(harbour, "stock")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[0] == f"another program is writing (process {pid}, stock ?[2Jtaking)"
    assert done.stderr.splitlines()[1].startswith(f"Not saved: another program (process {pid}, stock ?[2Jtaking)")
    fault = json.loads(told.stderr)
    assert (fault["error"], fault["is_transient"], fault["values"]["pid"]) == ("lock.held", True, pid)
    assert stock.stdout.splitlines()[0] == "ok Milk (whole) 5 l, 1 lot"
    assert answer(harbour, "stock")["rows"][0]["on_hand_milli"] == 5_000_000


def test_when_the_hanging_program_dies_the_sale_goes_through(harbour: Places) -> None:
    answer(harbour, "receive", "food/milk-whole", "5")
    with a_program_that_holds_the_lock(harbour) as pid:
        selling = subprocess.Popen(
            command(harbour, "sell", "food/milk-whole"), env=environment(), stderr=subprocess.PIPE, text=True
        )
        assert selling.stderr is not None
        assert f"process {pid}" in selling.stderr.readline()
    assert selling.wait(WAIT_S) == 0
    selling.stderr.close()
    assert answer(harbour, "stock")["rows"][0]["on_hand_milli"] == 4_000_000


def test_reading_needs_no_lock(harbour: Places) -> None:
    with harbour.market_lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for arguments in VERBS_THAT_READ:
            lines(harbour, *arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        ("receive", MILK, "1", "--name", HOSTILE),
        ("receive", "food/milk-whole", "1", "--batch", HOSTILE),
        ("receive", "food/milk-whole", "1", "--supplier", HOSTILE),
        ("receive", "food/milk-whole", HOSTILE),
        ("receive", "food/milk-whole", "1", "--use-by", HOSTILE),
        ("receive", MILK, "1", "--name", "x", "--allergens", HOSTILE),
        ("receive", MILK, "1", "--name", "x", "--like", HOSTILE),
        ("sell", HOSTILE),
        ("sell", "food/milk-whole", "--lot", HOSTILE),
        ("cold", "--name", HOSTILE, "x"),
        ("cold", "--name", "00a1b2c3d4e5f607/0", HOSTILE),
    ],
)
def test_text_that_could_steer_a_terminal_is_refused_and_shown_without_its_force(
    harbour: Places, arguments: tuple[str, ...]
) -> None:
    for more in ((), ("--json",)):
        result = run(harbour, *arguments, *more)
        assert result.exit_code == 1
        assert "\x1b" not in result.output
        assert "\u202e" not in result.output
    assert answer(harbour, "verify")["pending_event_count"] == 0


def test_a_hostile_name_in_the_database_is_shown_as_text_and_kept_exactly_in_json(harbour: Places) -> None:
    answer(harbour, "receive", MILK, "1", "--name", "Milk", "--batch", "B", "--supplier", "S")
    connection = sqlite3.connect(harbour.market_db)
    connection.execute("UPDATE item SET name = ?, search = ? WHERE name = 'Milk'", (HOSTILE, HOSTILE))
    connection.execute("UPDATE lot SET batch = ?, supplier = ?", (HOSTILE, HOSTILE))
    connection.execute("UPDATE setting SET value = ? WHERE key = 'name'", (HOSTILE,))
    connection.commit()
    connection.close()
    reading = (("stock", "--lots"), ("items", "[red]x"), ("lots", MILK), ("history",), ("status",))
    for arguments in reading:
        said = "\n".join(lines(harbour, *arguments))
        assert "[red]x[/]?[2J?" in said
        assert "\x1b" not in said
        assert "\u202e" not in said
        told = run(harbour, *arguments, "--json").stdout
        assert told.isascii()
        assert told.count("\n") == 1
    assert answer(harbour, "lots", MILK)["item"]["name"] == HOSTILE
    sold = run(harbour, "sell", MILK, "--lot", HOSTILE)
    assert sold.stdout.startswith("saved: sold [red]x[/]?[2J? 1\nlot [red]x[/]?[2J?")


def test_markup_is_never_interpreted(harbour: Places) -> None:
    assert lines(harbour, "receive", MILK, "1", "--name", "[red]x[/]")[0].startswith("saved: received [red]x[/] 1,")


def test_a_data_folder_that_is_a_file_is_a_usage_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert refusal(Places(file), "stock", code=2)["error"] == "usage"


def test_a_folder_nobody_may_enter_is_said_in_words(tmp_path: Path) -> None:
    places = Places(tmp_path / "closed" / "market")
    places.root.mkdir(parents=True)
    prefix = [need_program("setpriv"), "--bounding-set=-all"] if os.geteuid() == 0 else []
    places.root.parent.chmod(0)
    try:
        done = process(places, "stock", prefix=prefix)
    finally:
        places.root.parent.chmod(0o700)
        shutil.rmtree(places.root.parent)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("This computer did not allow it: Permission denied")


def test_a_wait_that_is_no_number_is_refused_since_it_would_never_end(harbour: Places) -> None:
    refused = run(harbour, "--wait", "nan", "stock")
    assert refused.exit_code == 2
    assert "number of seconds" in refused.stderr


@pytest.mark.parametrize("arguments", VERBS_THAT_READ)
def test_a_damaged_table_ends_in_words_for_every_verb_that_reads(harbour: Places, arguments: tuple[str, ...]) -> None:
    connection = sqlite3.connect(harbour.market_db)
    connection.execute("PRAGMA writable_schema = ON")
    # What one flipped byte in the first page does to the name of a column, as no text that Python can decode.
    connection.execute(
        "UPDATE sqlite_schema SET sql = replace(sql, 'item_id', CAST(X'69FF' AS TEXT)) WHERE name = 'item'"
    )
    connection.commit()
    connection.close()
    result = subprocess.run(
        command(harbour, *arguments), capture_output=True, text=True, env=environment(), timeout=WAIT_S, check=False
    )
    assert result.returncode in {0, 1}
    assert "Traceback" not in result.stderr
    assert result.returncode == 0 or len(result.stderr.splitlines()) == 2


def test_a_row_that_holds_what_it_must_not_ends_in_words(harbour: Places) -> None:
    answer(harbour, "receive", "food/milk-whole", "5")
    connection = sqlite3.connect(harbour.market_db)
    connection.execute("UPDATE item SET allergens = CAST(X'FF' AS TEXT), name = CAST(X'FF' AS TEXT)")
    connection.commit()
    connection.close()
    for verb in ("stock", "status"):
        result = process(harbour, verb)
        assert result.returncode == 1
        assert result.stderr.startswith("The market's database did not answer as it should")
        assert "larder verify" in result.stderr.splitlines()[1]
    assert refusal(harbour, "verify")["error"] == "verify.fold"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_change_nothing_of_what_is_done(harbour: Places, closed: str) -> None:
    answer(harbour, "receive", "food/milk-whole", "5")
    sold = process(harbour, "sell", "food/milk-whole", "1", prefix=("sh", "-c", f'exec "$@" {closed}', "sh"))
    assert (sold.returncode, sold.stderr) == (0, "")
    assert answer(harbour, "stock")["rows"][0]["on_hand_milli"] == 4_000_000
    shown = process(harbour, "tui", prefix=("sh", "-c", f'exec "$@" {closed}', "sh"))
    assert shown.returncode == 1
    assert "Traceback" not in shown.stderr
    assert answer(harbour, "verify")["pending_event_count"] > 0


def test_a_screen_that_would_be_drawn_where_nobody_looks_is_refused(harbour: Places) -> None:
    master, slave = pty.openpty()
    try:
        refused = subprocess.run(
            command(harbour, "tui"),
            stdin=slave,
            stdout=slave,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            timeout=WAIT_S,
            check=False,
        )
    finally:
        os.close(slave)
        os.close(master)
    assert refused.returncode == 1
    assert refused.stderr.startswith("The screen needs a terminal")
