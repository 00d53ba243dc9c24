"""The demo's market: its folder and the processes that work in it, started and ended as a whole.

Owns the promise that nothing stays behind: every process of ours is ended by its id, and is asked to end by the system
when the demo itself dies, even by SIGKILL.
"""

from __future__ import annotations

import ctypes
import gettext
import glob
import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from firmware_bridge.store.read import TelemetryUnreadable, counts, open_telemetry

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.prefix) / "bin"
MARKET_NAME = "Harbour"
_ = gettext.translation("larder", ROOT / "node" / "locale", fallback=True).gettext

# Each of our processes promises to end within 2 s (larder-node within 8); one that takes this long is stuck.
STOP_WITHIN_S = 15.0
# A verb that waits for a lock gives up after 30 s by itself.
VERB_WITHIN_S = 45.0
DEVICE_PERIOD_S = 1.0
PR_SET_PDEATHSIG = 1  # prctl(2)
LAST_WORDS_CHARACTERS = 400


class Device(NamedTuple):
    """A virtual device. Made-up hardware: the first four bytes of each uid spell "LARD"."""

    uid: str
    name: str
    kind: str


DEVICES = (
    Device("4c41524400000001", "fridge-1", "fridge"),
    Device("4c41524400000002", "freezer-1", "freezer"),
    Device("4c41524400000003", "shelf-1", "shelf"),
)


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


def failure(arguments: tuple[str, ...], errors: str) -> Failed:
    """Return what a verb said when it was refused: its error object, or its plain words if it died before that."""
    typed = f"larder {' '.join(arguments)}"
    try:
        error = json.loads(errors.splitlines()[-1])
        return Failed(f"{typed}: {error['message']} {error['hint']}", error["error"])
    except (IndexError, ValueError, KeyError):
        return Failed(f"{typed}: {errors.strip()[-LAST_WORDS_CHARACTERS:]}")


def tie_to_parent() -> Callable[[], None]:
    """Return what a new process runs first, so that it is asked to end when this one ends in whatever way."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def tie() -> None:
        # The parent may have died just before the wish was known; then there is nobody left to tell us.
        if prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0 or os.getppid() != parent:
            os._exit(1)

    return tie


class Market:
    """The folder of the demo and the processes that work in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._children: list[Child] = []
        self.tie = tie_to_parent()

    def open(self) -> None:
        """Make the market if the folder has none, and start everything but the screen. Raises Failed."""
        if not (self.folder / "market" / "market.db").exists():
            self.verb("init", "--name", MARKET_NAME)
        (self.folder / "demo").mkdir(exist_ok=True)
        (self.folder / "ports").mkdir(exist_ok=True)
        for number, device in enumerate(DEVICES, start=1):
            self._start(device.name, self._device_command(device, seed=number))
        # The folder's own name may hold characters that mean something in a pattern.
        pattern = f"{glob.escape(str(self.folder))}/ports/*"
        self._start("larder-bridge", [str(BIN / "larder-bridge"), "--data", str(self.folder), "--ports", pattern])
        self._start("larder-node", [str(BIN / "larder-node"), "--data", str(self.folder)])

    def _device_command(self, device: Device, *, seed: int) -> list[str]:
        command = [
            sys.executable,
            "-P",
            "-m",
            "firmware_bridge.virtual",
            "--link",
            str(self.folder / "ports" / device.name),
        ]
        command += ["--uid", device.uid, "--name", device.name, "--kind", device.kind, "--seed", str(seed)]
        # What the device had not delivered when the demo ended is delivered when the folder is opened again.
        return [
            *command,
            f"--period-s={DEVICE_PERIOD_S}",
            "--state",
            str(self.folder / "demo" / f"{device.name}.state"),
        ]

    def _start(self, name: str, command: list[str]) -> None:
        # A session of its own: Ctrl-C in the terminal reaches the demo alone, which then ends the others in order.
        said = self.folder / "demo" / f"{name}.txt"
        with said.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,
                preexec_fn=self.tie,
            )
        self._children.append(Child(name, process, said))

    def check_alive(self) -> None:
        """Raise Failed if a process of ours has ended by itself."""
        for child in self._children:
            if child.process.poll() is not None:
                raise Failed(child.ending())

    def close(self) -> list[str]:
        """End every process, the last started first, and return a sentence for each that did not end well."""
        problems = []
        while self._children:
            child = self._children[-1]
            had_ended = child.process.poll() is not None
            child.process.terminate()
            try:
                child.process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
            if had_ended or child.process.returncode != 0:
                problems.append(child.ending())
            self._children.pop()
        return problems

    def verb(self, *arguments: str) -> dict[str, Any]:
        """Do what a person would type as `larder ARGUMENTS` and return its JSON object. Raises Failed."""
        command = [str(BIN / "larder"), "--data", str(self.folder), *arguments, "--json"]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=VERB_WITHIN_S,
                start_new_session=True,
                preexec_fn=self.tie,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Failed(f"larder {' '.join(arguments)}: no answer within {VERB_WITHIN_S:.0f} s") from error
        if done.returncode != 0:
            raise failure(arguments, done.stderr)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def linked(self) -> set[str]:
        """Return the names of the devices that the bridge says are linked; none while it has said nothing."""
        try:
            heartbeat = json.loads((self.folder / "run" / "bridge.json").read_bytes())
        except FileNotFoundError:
            return set()
        return {port["name"] for port in heartbeat["ports"] if port["state"] == "linked" and port["name"]}

    def readings_stored(self) -> int:
        """Return how many readings are committed in telemetry.db; 0 before there is one. Raises Failed."""
        try:
            connection = open_telemetry(self.folder / "telemetry" / "telemetry.db")
        except FileNotFoundError:
            return 0
        except TelemetryUnreadable as error:
            raise Failed(str(error)) from error
        try:
            return counts(connection).readings
        except sqlite3.Error as error:
            raise Failed(f"telemetry.db: {error}") from error
        finally:
            connection.close()
