"""Runs verbs: in this process where a clock has to be set, and as real processes where a process is the point."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from node.cli.main import larder
from node.places import Places

CHECKOUT = Path(__file__).resolve().parents[3]
WAIT_S = 60.0
MILK = "4006381333931"


def run(places: Places, *arguments: str, typed: str = "") -> Result:
    """Run a verb in this process. Nobody sits at a terminal."""
    result = CliRunner().invoke(larder, ["--data", str(places.root), *arguments], input=typed)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def lines(places: Places, *arguments: str) -> list[str]:
    """Return the lines of a verb that must succeed and say nothing on stderr."""
    result = run(places, *arguments)
    assert (result.exit_code, result.stderr) == (0, ""), result.output
    return result.stdout.splitlines()


def answer(places: Places, *arguments: str) -> Any:
    """Return the JSON object of a verb that must succeed."""
    (line,) = lines(places, *arguments, "--json")
    return json.loads(line)


def refusal(places: Places, *arguments: str, code: int = 1) -> Any:
    """Return the JSON object of a verb that must be refused; says the same in two lines without --json."""
    plain = run(places, *arguments)
    told = run(places, *arguments, "--json")
    assert (plain.exit_code, plain.stdout, told.exit_code, told.stdout) == (code, "", code, ""), plain.output
    fault = json.loads(told.stderr)
    if fault["error"] != "usage":
        assert plain.stderr.splitlines() == [fault["message"], fault["hint"]]
    return fault


def command(places: Places, *arguments: str) -> list[str]:
    """Return the command line of a real process."""
    return [sys.executable, "-m", "node.cli.main", "--data", str(places.root), *arguments]


def environment(**more: str) -> dict[str, str]:
    """Return the environment of a real process: this checkout, and no market but the one named."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LARDER_")}
    return {**kept, "PYTHONPATH": str(CHECKOUT), **more}


def process(
    places: Places, *arguments: str, prefix: Sequence[str] = (), **more: str
) -> subprocess.CompletedProcess[str]:
    """Run a verb as a process of its own and wait for its end."""
    return subprocess.run(
        [*prefix, *command(places, *arguments)],
        cwd=CHECKOUT,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )


HOLD_THE_LOCK = """
import fcntl, os, sys
descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(descriptor, fcntl.LOCK_EX)
os.pwrite(descriptor, f"{os.getpid()} stock \\x1b[2Jtaking".encode().ljust(96), 0)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def a_program_that_holds_the_lock(places: Places) -> Iterator[int]:
    """A process that took the market's lock and hangs; yields its pid."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD_THE_LOCK, str(places.market_lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield holder.pid
    finally:
        holder.kill()
        holder.communicate()
