"""What the demo's devices are made of: C where a compiler is found, Python where none is."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.components import need_program

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
ASK = "import json; from demo_device import choose_device; print(json.dumps(choose_device()))"


def chosen(**environment: str) -> tuple[str, list[str], str]:
    """Return what the demo would start, with these variables set."""
    command = [sys.executable, "-c", ASK]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": str(DEPLOY)} | environment
    )
    language, start, suffix = json.loads(done.stdout)
    return language, start, suffix


def is_a_board(command: list[str]) -> bool:
    done = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    return "sensor board on a pseudo terminal" in done.stdout


def test_a_compiler_makes_the_device_a_c_program() -> None:
    need_program("cc")
    language, command, _ = chosen()
    assert language == "C"
    assert is_a_board(command)


def test_without_a_compiler_the_device_is_the_python_one() -> None:
    language, command, _ = chosen(CC="no-such-compiler")
    assert language == "Python"
    assert is_a_board(command)


def test_a_compiler_that_fails_makes_no_half_device() -> None:
    assert chosen(CC="false")[0] == "Python"


def test_each_kind_of_device_has_a_memory_of_its_own() -> None:
    need_program("cc")
    assert chosen()[2] != chosen(CC="no-such-compiler")[2]
