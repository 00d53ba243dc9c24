"""The embedded broker as a process: it ends when told to, and when whoever started it is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.node.builders import a_market_folder
from tests.node.sync.brokers import WITHIN_S, a_broker, free_ports, wait_until


def test_it_ends_when_told_to(tmp_path: Path) -> None:
    with a_broker(a_market_folder(tmp_path), "embedded") as broker:
        assert broker.process is not None
        broker.process.terminate()
        assert broker.process.wait(WITHIN_S) == 0


# Starts the broker, says its process id, and waits for nothing.
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-m", "node.sync.embedded", *sys.argv[1:]], stderr=subprocess.PIPE, text=True)
child.stderr.readline()
print(child.pid, flush=True)
time.sleep(600)
"""


def test_it_ends_with_the_process_that_started_it_however_that_ends(tmp_path: Path) -> None:
    port, tls_port = free_ports(2)
    a_market_folder(tmp_path)
    arguments = ["--data", str(tmp_path), "--port", str(port), "--tls-port", str(tls_port)]
    parent = subprocess.Popen([sys.executable, "-c", PARENT, *arguments], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.communicate(timeout=WITHIN_S)
    wait_until(lambda: not _is_running(pid), "the broker to end")


def _is_running(pid: int) -> bool:
    """Tell whether a process is there and not a zombie that nobody has waited for yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    ("is_market", "shadow", "code", "sentence"),
    [(False, "", 1, "There is no market in"), (True, "amqtt", 3, "needs the package amqtt")],
)
def test_what_it_lacks_is_said_in_words(tmp_path: Path, is_market: bool, shadow: str, code: int, sentence: str) -> None:
    folder = tmp_path / "market folder"
    if is_market:
        a_market_folder(folder)
    shadows = tmp_path / "shadows"
    if shadow:
        (shadows / shadow).mkdir(parents=True)
        (shadows / shadow / "__init__.py").write_text("raise ImportError('planted')")
    done = subprocess.run(
        [sys.executable, "-m", "node.sync.embedded", "--data", str(folder), "--port", "1", "--tls-port", "2"],
        env={**os.environ, "PYTHONPATH": str(shadows)},
        capture_output=True,
        text=True,
        check=False,
        timeout=WITHIN_S,
    )
    assert done.returncode == code
    assert sentence in done.stderr
