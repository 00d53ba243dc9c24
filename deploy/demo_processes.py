"""The demo's processes: started, watched and ended as a whole.

Owns the promise that nothing stays behind: every process of ours is ended by its id, and is asked to end by the system
when the demo itself dies, even by SIGKILL.
"""

from __future__ import annotations

import ctypes
import gettext
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.prefix) / "bin"
_ = gettext.translation("larder", ROOT / "node" / "locale", fallback=True).gettext

# Each of our processes promises to end within 2 s (larder-node within 8); one that takes this long is stuck.
STOP_WITHIN_S = 15.0
# From below the range that the kernel gives to outgoing connections (ip_local_port_range, 32768), so that no
# connection takes a port of ours while nobody listens there.
PORTS = range(10_000, 32_000)
PR_SET_PDEATHSIG = 1  # prctl(2)
LAST_WORDS_CHARACTERS = 400


class Failed(Exception):
    """Something that had to happen did not; the text says what. `error_id` is that of a verb that was refused."""

    def __init__(self, text: str, error_id: str = "") -> None:
        super().__init__(text)
        self.error_id = error_id


class Child(NamedTuple):
    """One process of ours and the file that holds what it said."""

    name: str
    process: subprocess.Popen[bytes]
    said: Path

    def ending(self) -> str:
        """Return a sentence about how it ended."""
        words = self.said.read_text("utf-8", "replace").strip()[-LAST_WORDS_CHARACTERS:]
        sentence = _("{name} ended with code {code}. {words}")
        return sentence.format(name=self.name, code=self.process.returncode, words=words).strip()


def say(text: str) -> None:
    """Print one fact."""
    print(text, flush=True)


def is_free(port: int) -> bool:
    """Say whether a port of loopback can be listened on now."""
    with socket.socket() as one:
        # What a listener before us left behind does not keep the next one from listening.
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody uses now."""
    ports: list[int] = []
    while len(ports) < count:
        port = secrets.choice(PORTS)
        if port not in ports and is_free(port):
            ports.append(port)
    return ports


def tie_to_parent() -> Callable[[], None]:
    """Return what a new process runs first, so that it is asked to end when this one ends in whatever way."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def tie() -> None:
        # The parent may have died just before the wish was known; then there is nobody left to tell us.
        if prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0 or os.getppid() != parent:
            os._exit(1)

    return tie


class Processes:
    """Everything the demo started, in order."""

    def __init__(self, folder: Path) -> None:
        """Hold nothing yet; what each process says goes into a file of this folder."""
        self._folder = folder
        self._children: list[Child] = []
        self.tie = tie_to_parent()

    def start(self, name: str, command: list[str], *, takes_orders: bool = False) -> Child:
        """Start a process. With `takes_orders` its input and output are pipes, else nothing and its file."""
        self._folder.mkdir(parents=True, exist_ok=True)
        said = self._folder / f"{name}.txt"
        with said.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE if takes_orders else subprocess.DEVNULL,
                stdout=subprocess.PIPE if takes_orders else output,
                stderr=output,
                cwd=self._folder,
                # A session of its own: Ctrl-C in the terminal reaches the demo alone, which ends the others in order.
                start_new_session=True,
                preexec_fn=self.tie,
            )
        child = Child(name, process, said)
        self._children.append(child)
        return child

    def check_alive(self) -> None:
        """Raise Failed if a process of ours has ended by itself."""
        for child in self._children:
            if child.process.poll() is not None:
                raise Failed(child.ending())

    def stop(self, child: Child) -> str:
        """End one process; return a sentence if it did not end well, else nothing."""
        self._children.remove(child)
        had_ended = child.process.poll() is not None
        child.process.terminate()
        try:
            child.process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
        for pipe in (child.process.stdin, child.process.stdout):
            if pipe is not None:
                pipe.close()
        return child.ending() if had_ended or child.process.returncode != 0 else ""

    def kill(self, child: Child) -> None:
        """End one process by SIGKILL, as a power cut would."""
        self._children.remove(child)
        child.process.kill()
        child.process.wait()

    def stop_all(self) -> list[str]:
        """End every process, the last started first, and return a sentence for each that did not end well."""
        problems = []
        while self._children:
            problems.append(self.stop(self._children[-1]))
        return [problem for problem in problems if problem]
