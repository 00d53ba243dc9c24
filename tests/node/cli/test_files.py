"""Files that people name: no pipe is waited for, an old card holds until the new one is on the disk, plain words."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path

import pytest

from node.actions.cards import open_card
from node.actions.keeping import open_market
from node.clock import now
from node.places import Places
from tests.node.cli.verbs import lines, process, refusal, run


def the_open_card(places: Places) -> bytes:
    with closing(open_market(places)) as store:
        card = open_card(store.reader, now())
    assert card is not None
    return card.nonce


@pytest.mark.parametrize("verb", [("recipe", "add"), ("pair", "add")])
def test_a_pipe_that_nobody_writes_to_is_refused_at_once(
    harbour: Places, tmp_path: Path, verb: tuple[str, str]
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    said = process(harbour, *verb, str(pipe), "--json")
    assert said.returncode == 1
    assert json.loads(said.stderr)["error"] == "file.not_regular"


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/tty", "."])
def test_a_device_or_a_folder_is_no_recipe(harbour: Places, name: str) -> None:
    assert run(harbour, "recipe", "add", name).exit_code in {1, 2, 3}


def test_a_file_that_is_not_there_is_named(harbour: Places, tmp_path: Path) -> None:
    assert "gone.json" in refusal(harbour, "recipe", "add", str(tmp_path / "gone.json"))["message"]


def test_a_card_that_cannot_be_written_leaves_the_last_one_open(harbour: Places, tmp_path: Path) -> None:
    first = tmp_path / "first.card"
    lines(harbour, "pair", "card", "--out", str(first))
    before, text = the_open_card(harbour), first.read_text()
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(first)
    for place in (pipe, link, tmp_path, tmp_path / "no" / "folder.card", Path("/dev/full")):
        assert run(harbour, "pair", "card", "--out", str(place)).exit_code == 1
        assert the_open_card(harbour) == before
    assert first.read_text() == text
    lines(harbour, "pair", "card", "--out", str(first))
    assert the_open_card(harbour) != before
    assert first.read_text() != text
    assert first.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.endswith(".part")] == []


SOUP = {"title": "Soup", "portions": 4, "lines": [{"text": "1 kg onions"}]}


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("{}", "title is missing"),
        ("no json", "it is no JSON from line 1, column 1 on"),
        (json.dumps(SOUP | {"title": 3}), "words in quotes are expected (title)"),
        (json.dumps(SOUP | {"portions": "4"}), "a whole number without quotes is expected (portions)"),
        (json.dumps(SOUP | {"lines": [{"text": "a"}, {"txt": 1}]}), "txt is not a part of a recipe (lines 2)"),
        (json.dumps(SOUP | {"lines": {}}), "a list in square brackets is expected (lines)"),
        ("[" * 60_000, "it is nested too deeply"),
        ('{"portions": NaN}', "a number in it is not a plain one, such as 200 or 0.5"),
    ],
)
def test_a_slip_in_a_recipe_file_is_said_in_plain_words(
    harbour: Places, tmp_path: Path, file: str, reason: str
) -> None:
    path = tmp_path / "soup.json"
    path.write_text(file)
    assert refusal(harbour, "recipe", "add", str(path))["message"] == f"The file is not a recipe: {reason}."
