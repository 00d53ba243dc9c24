"""Builds of Larder to run as processes: the checkout as it is, or a copy of it in which one promise is broken.

A proof that nothing is lost counts only if it finds what a broken build loses. Not a test and not a way to change the
checkout: the copies live in a test's own folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
PACKAGES = ("node", "firmware_bridge")


@dataclass(frozen=True, slots=True)
class Change:
    """One place of one file, given by a text that is there exactly once, and what stands there instead."""

    file: str
    text: str
    instead: str


@dataclass(frozen=True, slots=True)
class Build:
    """A folder with the two packages."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables by which a Python process imports this build, wherever it is started."""
        # Safe path: the folder a process is started in must not come before the build.
        return {**os.environ, "PYTHONPATH": str(self.root), "PYTHONSAFEPATH": "1"}


AS_IT_IS = Build(CHECKOUT)

SALE_SAID_BEFORE_ITS_COMMIT = (
    Change("node/ledger/store.py", '            self._connection.execute("COMMIT")\n', "            pass\n"),
    Change(
        "node/ledger/store.py",
        "                self._connection.close()\n",
        "                if self._connection.in_transaction:\n"
        '                    self._connection.execute("COMMIT")\n'
        "                self._connection.close()\n",
    ),
)
"""The verb says `saved` and commits when it closes the market."""

READING_ACKNOWLEDGED_BEFORE_ITS_COMMIT = (
    Change(
        "firmware_bridge/writer.py",
        "        arrived = self._store.commit()\n",
        "        arrived = dict(self._store._arrived)\n"
        "        for uid, next_seq in arrived.items():\n"
        "            self._owners[uid].deliver(Committed(next_seq))\n"
        '        __import__("time").sleep(0.05)\n'
        "        self._store.commit()\n",
    ),
)
"""The bridge sends ACK `next` a moment before it commits."""

SCREEN_WAITS_FOR_ITS_DISK = (
    Change(
        "node/tui/writer.py",
        "            self._waiting.append(job)\n            self._changed.notify_all()\n",
        "            self._waiting.append(job)\n            self._changed.notify_all()\n"
        "            self._changed.wait_for(lambda: not self._waiting and not self._in_hand)\n",
    ),
)
"""Whoever enters something waits for its commit before anything is drawn."""

MARKET_NOT_SYNCED = (
    Change("node/ledger/connection.py", '"PRAGMA synchronous = FULL"', '"PRAGMA synchronous = NORMAL"'),
)
TELEMETRY_NOT_SYNCED = (
    Change("firmware_bridge/store/files.py", '"pragma synchronous = full"', '"pragma synchronous = normal"'),
)


def a_mutant(folder: Path, changes: tuple[Change, ...]) -> Build:
    """Copy the packages into a folder, make the changes, and return the build once it is sure that it is imported."""
    for package in PACKAGES:
        shutil.copytree(CHECKOUT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for change in changes:
        path = folder / change.file
        source = path.read_text("utf-8")
        assert source.count(change.text) == 1, f"{change.file} must hold this once: {change.text}"
        path.write_text(source.replace(change.text, change.instead), "utf-8")
    build = Build(folder)
    program = "import firmware_bridge, node; print(node.__file__, firmware_bridge.__file__)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=build.environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(folder / package / "__init__.py") for package in PACKAGES]
    return build
