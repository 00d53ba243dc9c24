"""The README tells the truth: each example ends as it says, every verb and key is in it, and none is made up."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from node.cli.main import VERBS
from node.tui.keys import documented_keys

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLE_SECONDS_MAX = 60
PROGRAMS = {"larder": "node.cli.main", "larder-node": "node.daemon.main", "larder-bridge": "firmware_bridge.main"}


def blocks(kind: str) -> list[list[str]]:
    """The lines of every fenced block of a kind."""
    found = re.findall(rf"^```{kind}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    return [block.strip().splitlines() for block in found]


def expected_exit(line: str) -> int:
    """The exit code that an example names, 0 where it names none."""
    match = re.search(r"#\s*exit (\d+)", line)
    return int(match.group(1)) if match else 0


def test_every_example_runs_and_ends_as_the_readme_says(tmp_path: Path) -> None:
    environment = {**os.environ, "LARDER_DATA": str(tmp_path / "harbour"), "PYTHONPATH": str(ROOT)}
    ran = 0
    for line in (line for block in blocks("sh example") for line in block):
        program, *arguments = shlex.split(line, comments=True)
        done = subprocess.run(
            [sys.executable, "-m", PROGRAMS[program], *arguments],
            env=environment,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=EXAMPLE_SECONDS_MAX,
            check=False,
        )
        assert done.returncode == expected_exit(line), f"{line}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        ran += 1
    assert ran >= 14


def test_every_command_of_the_readme_is_a_file_that_can_be_run() -> None:
    commands = {line.split()[0] for block in blocks("sh") for line in block}
    assert commands == {"deploy/demo", "deploy/test", "deploy/lock"}
    for command in commands:
        assert os.access(ROOT / command, os.X_OK)


@pytest.mark.parametrize("command", ["deploy/demo", "deploy/test"])
def test_every_option_of_the_two_commands_is_explained(command: str) -> None:
    done = subprocess.run([ROOT / command, "--help"], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    for option in set(re.findall(r"--[a-z][a-z-]+", done.stdout)) - {"--help"}:
        assert f"`{option}" in README, f"{option} of {command} is not in the README"


def test_every_verb_is_in_the_readme_and_none_that_does_not_exist() -> None:
    documented = set(re.findall(r"^\| `larder ([a-z]+)` \|", README, flags=re.MULTILINE))
    assert documented == set(VERBS)


def test_every_key_is_in_the_readme_with_what_it_does() -> None:
    documented = re.findall(r"^\| `([^`]+)` \| ([^|]+) \|$", README, flags=re.MULTILINE)
    keys = [(key, meaning.strip()) for key, meaning in documented if not key.startswith(("larder ", "--"))]
    assert keys == documented_keys()


def test_every_file_that_the_readme_links_is_there() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target


def test_each_check_for_real_hardware_says_what_to_do_and_what_comes_out_and_has_room_for_it() -> None:
    text = (ROOT / "deploy" / "FIELD.md").read_text(encoding="utf-8")
    checks = re.split(r"^### ", text, flags=re.MULTILINE)[1:]
    assert len(checks) >= 20
    for check in checks:
        assert re.search(r"^Do: .*^Expected: .*^\| date \| person \| .*^\|---\|---\|---\|---\|$", check, re.M | re.S), (
            check
        )
    named = re.findall(r"`(?:sudo )?larder ([a-z]+)", text)
    assert set(named) <= set(VERBS)
    for path in re.findall(r"`((?:deploy|tests|node|firmware_bridge)/[A-Za-z0-9_./-]+)`", text):
        assert (ROOT / path).exists(), path


def test_the_bench_modules_that_the_readme_names_exist() -> None:
    for module in re.findall(r"tests\.bench\.([a-z]+)", README):
        assert (ROOT / "tests" / "bench" / f"{module}.py").exists(), module


def test_every_table_of_the_architecture_names_rooms_that_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for path in re.findall(r"`((?:node|firmware_bridge|tests)/[a-z_/.]*[a-z])`", text):
        assert (ROOT / path).exists(), path
