"""A shop whose boards are the C device: real processes on pseudo terminals, and what became of each reading.

Not a test. Builds on the shop of tests/firmware_bridge/running.py, which starts the real bridge.
"""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.firmware.building import virtual_sensor
from tests.firmware_bridge.running import DEADLINE_S, UID, Process, Shop, until


class DeviceProcess(Process):
    """One virtual device; ended by its own id."""

    def __init__(self, program: Path, link: Path, *arguments: str) -> None:
        self.link = link
        self.child = subprocess.Popen(
            [str(program), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def order(self, what: str) -> None:
        """Tell a device that takes orders: make N, reset, cut."""
        assert self.child.stdin is not None
        self.child.stdin.write(f"{what}\n")
        self.child.stdin.flush()


class DeviceShop(Shop):
    """A shop with C devices."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.tally_file = folder / "tally"

    def device(self, *options: str, link: str = "fridge", uid: str = UID, program: Path | None = None) -> DeviceProcess:
        """Start a virtual device and wait until its link is there."""
        arguments = ["--link", str(self.ports / link), "--uid", uid, "--produced", str(self.produced_file)]
        arguments += ["--tally", str(self.tally_file), *options]
        device = DeviceProcess(program or virtual_sensor(), self.ports / link, *arguments)
        self._processes.append(device)
        assert device.child.stdout is not None
        line = device.child.stdout.readline()
        assert line == f"ready {self.ports / link}\n", line or device.ended()
        return device

    def tally(self, device: DeviceProcess) -> dict[str, int]:
        """End a device and return what became of its readings: made, merged, dropped, lost, waiting, resent."""
        code, _, errors = device.end()
        assert code == 0, errors
        counts: dict[str, int] = json.loads(self.tally_file.read_text("ascii"))
        return counts

    def gaps(self) -> list[tuple[Any, ...]]:
        """Return (first number, count, cause) of every gap written down."""
        return self.query("select first_seq, count, cause from gap order by gap")

    def wait_delivered(self, last: tuple[int, ...], *, deadline_s: float = DEADLINE_S) -> None:
        """Wait until the last record made is stored; what is before it then is too, or never will be."""
        until(lambda: last in self.stored_records()[-1:], what=f"{last} is stored", deadline_s=deadline_s)


@contextmanager
def a_device_shop(folder: Path) -> Iterator[DeviceShop]:
    """Open a shop with C devices and end whatever still runs in it."""
    shop = DeviceShop(folder)
    try:
        yield shop
    finally:
        shop.end()
