"""One market of the demo: its folder, its processes, and what a person would type there.

It is not a way to run a market. It starts the real commands and talks to them as a person would.
"""

from __future__ import annotations

import gettext
import glob
import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from demo_device import choose_device
from demo_processes import BIN, LAST_WORDS_CHARACTERS, ROOT, Child, Failed, Processes, say

from firmware_bridge.store.read import TelemetryUnreadable, counts, open_telemetry
from node import clock
from node.ledger.read import digest, open_reader, pending_count
from node.places import Places
from node.sync.broker import prepare
from node.sync.health import read_sync

_ = gettext.translation("larder", ROOT / "node" / "locale", fallback=True).gettext
T = TypeVar("T")

# A verb that waits for a lock gives up after 30 s by itself.
VERB_WITHIN_S = 45.0
DEVICE_PERIOD_S = 1.0
# Debian keeps it where only root's path looks.
PROGRAM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"
BROKERS = MOSQUITTO, EMBEDDED = "mosquitto", "embedded"


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


class Ports(NamedTuple):
    """Where a market's broker listens, and where the relay listens for it: that is the address peers are told."""

    own: int
    peers: int
    relay: int


def failure(arguments: tuple[str, ...], errors: str) -> Failed:
    """Return what a verb said when it was refused: its error object, or its plain words if it died before that."""
    typed = f"larder {' '.join(arguments)}"
    try:
        error = json.loads(errors.splitlines()[-1])
        return Failed(f"{typed}: {error['message']} {error['hint']}", error["error"])
    except (IndexError, ValueError, KeyError):
        return Failed(f"{typed}: {errors.strip()[-LAST_WORDS_CHARACTERS:]}")


def default_broker() -> str:
    """Return the broker to use where nobody chose one."""
    return MOSQUITTO if _mosquitto() else EMBEDDED


def _mosquitto() -> str | None:
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=PROGRAM_FOLDERS)


class Market:
    """A market's folder and the processes that work in it."""

    def __init__(self, folder: Path, name: str, processes: Processes) -> None:
        self.folder = folder
        self.name = name
        self.places = Places(folder)
        self._processes = processes
        self._node: Child | None = None
        self.device = ""  # what its devices are made of

    @property
    def key(self) -> str:
        """Return the name of its folder, by which the facts name it."""
        return self.folder.name

    def found(self) -> None:
        """Make the market if the folder has none. Raises Failed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.places.market_db.exists():
            self.verb("init", "--name", self.name)

    def write_settings(self, ports: Ports, planner_url: str) -> None:
        """Write larder.toml: our broker, the address that peers are told, the central planner."""
        lines = ["[sync]", f'broker = "127.0.0.1:{ports.own}"', f'advertise = ["127.0.0.1:{ports.relay}"]']
        lines += ["", "[planner]", f'url = "{planner_url}"', ""]
        self.places.settings.write_text("\n".join(lines), "utf-8")

    def start_broker(self, ports: Ports, kind: str) -> None:
        """Start this market's broker, of one kind of BROKERS. Raises Failed where it is not there."""
        files = prepare(self.places, port=ports.own, tls_port=ports.peers)
        if kind == MOSQUITTO:
            program = _mosquitto()
            if program is None:
                raise Failed(_("mosquitto is not installed; install it, or take --broker embedded."))
            command = [program, "-c", str(files.config)]
        else:
            command = [sys.executable, "-P", "-m", "node.sync.embedded", "--data", str(self.folder)]
            command += ["--port", str(ports.own), "--tls-port", str(ports.peers)]
        self._processes.start(f"broker-{self.key}", command)

    def start_sensors(self, state: Path) -> None:
        """Start the virtual devices and the bridge that reads them; `state` keeps what devices had not delivered."""
        (self.folder / "ports").mkdir(exist_ok=True)
        kind = choose_device()
        self.device = kind.language
        say(_("device: {language}").format(language=kind.language))
        for number, device in enumerate(DEVICES, start=1):
            command = [*kind.command, "--link", str(self.folder / "ports" / device.name)]
            command += ["--uid", device.uid, "--name", device.name]
            command += ["--kind", device.kind, "--seed", str(number), f"--period-s={DEVICE_PERIOD_S}"]
            command += ["--state", str(state / f"{device.name}.{kind.suffix}")]
            self._processes.start(device.name, command)
        # The folder's own name may hold characters that mean something in a pattern.
        pattern = f"{glob.escape(str(self.folder))}/ports/*"
        command = [str(BIN / "larder-bridge"), "--data", str(self.folder), "--ports", pattern]
        self._processes.start("larder-bridge", command)

    def start_node(self) -> None:
        """Start larder-node."""
        self._node = self._processes.start(
            f"larder-node-{self.key}", [str(BIN / "larder-node"), "--data", str(self.folder)]
        )

    def kill_node(self) -> None:
        """End larder-node by SIGKILL, as a power cut would."""
        assert self._node is not None
        self._processes.kill(self._node)
        self._node = None

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
                preexec_fn=self._processes.tie,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise Failed(f"larder {' '.join(arguments)}: no answer within {VERB_WITHIN_S:.0f} s") from error
        if done.returncode != 0:
            raise failure(arguments, done.stderr)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def look(self, at: Callable[[sqlite3.Connection], T]) -> T:
        """Read from the market's database, as a screen does."""
        reader = open_reader(self.places)
        try:
            return at(reader)
        finally:
            reader.close()

    def digest(self) -> str:
        """Return the digest of everything the markets have in common."""
        return self.look(digest)

    def is_sealed(self) -> bool:
        """Say whether every fact is signed."""
        return self.look(pending_count) == 0

    def is_linked_to_peers(self) -> bool:
        """Say whether larder-node is connected with the broker of any other market."""
        health = read_sync(self.places, clock.now())
        return health is not None and any(link.is_up for link in health.links if link.name != "own")

    def linked(self) -> set[str]:
        """Return the names of the devices that the bridge says are linked; none while it has said nothing."""
        try:
            heartbeat = json.loads(self.places.bridge_heartbeat.read_bytes())
        except FileNotFoundError:
            return set()
        return {port["name"] for port in heartbeat["ports"] if port["state"] == "linked" and port["name"]}

    def readings_stored(self) -> int:
        """Return how many readings are committed in telemetry.db; 0 before there is one. Raises Failed."""
        try:
            connection = open_telemetry(self.places.telemetry_db)
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
