"""What a running bridge costs: share of one core and memory, with so many boards that speak so often.

Not a benchmark: that one reports what is measured here. The boards live in the calling process, so that the figures of
the bridge are its own: utime and stime of /proc/PID/stat, VmRSS of /proc/PID/status.
"""

import os
import select
import time
from pathlib import Path

from firmware_bridge import clock
from firmware_bridge.link.device import DeviceSession
from firmware_bridge.link.messages import Desc, Kind
from firmware_bridge.link.ring import Ring, buffer_bytes
from tests.firmware_bridge.cables import Cable
from tests.firmware_bridge.running import a_shop

RING_RECORDS = 1_024
LINKED_DEADLINE_S = 30.0
COMMIT_S = 6.0  # what may still wait for its commit at the end
DESC = Desc(0, Kind.TEMPERATURE, -3, 0, -55_000, 125_000, 1, 62, "Cel", "probe")


class Boards:
    """Boards on pseudo terminals of this process, each with one probe; polled only when something is due."""

    def __init__(self, folder: Path, count: int, *, records_per_s: float) -> None:
        self.made = 0
        self._period_ms = 1000 / records_per_s
        self._cables = [Cable(folder / f"board-{number:02}") for number in range(count)]
        self._sessions = [
            DeviceSession(Ring(bytearray(buffer_bytes(RING_RECORDS))), uid=_uid(number), descriptions=(DESC,))
            for number in range(count)
        ]
        now_ms = clock.boottime_ms()
        # Boards are not in step.
        self._due_ms = [now_ms + self._period_ms * number / count for number in range(count)]
        self._by_descriptor = {cable.ours: number for number, cable in enumerate(self._cables)}

    @property
    def are_linked(self) -> bool:
        return all(session.is_linked for session in self._sessions)

    @property
    def waiting(self) -> int:
        """Return how many records the boards still hold."""
        return sum(session.ring.head - session.ring.tail for session in self._sessions)

    def run(self, duration_s: float) -> None:
        """Measure, send and answer for so long."""
        end_ms = clock.boottime_ms() + int(duration_s * 1000)
        for number in range(len(self._cables)):
            self._step(number, b"", clock.boottime_ms())
        while (now_ms := clock.boottime_ms()) < end_ms:
            wait_s = max(0.0, min(*self._due_ms, end_ms) - now_ms) / 1000
            ready, _, _ = select.select(list(self._by_descriptor), [], [], wait_s)
            now_ms = clock.boottime_ms()
            for descriptor in ready:
                number = self._by_descriptor[descriptor]
                self._step(number, self._cables[number].read(), now_ms)
            for number, due_ms in enumerate(self._due_ms):
                if due_ms <= now_ms:
                    self._due_ms[number] = due_ms + self._period_ms
                    self._sessions[number].put(0, self.made % 100_000, now_ms)
                    self.made += 1
                    self._step(number, b"", now_ms)

    def close(self) -> None:
        for cable in self._cables:
            cable.pull()

    def _step(self, number: int, data: bytes, now_ms: int) -> None:
        session = self._sessions[number]
        if data:
            session.receive(data, now_ms)
        session.poll(now_ms)
        output = session.take_output()
        if output:
            self._cables[number].write(output)


def bridge_load(
    folder: Path, *, boards: int = 8, records_per_s: float = 10.0, seconds: float = 30.0, settle_s: float = 6.0
) -> dict[str, float]:
    """Run a bridge with its default settings; returns cpu_percent of one core, rss_mb and switches_per_s."""
    with a_shop(folder) as shop:
        crowd = Boards(shop.ports, boards, records_per_s=records_per_s)
        try:
            bridge = shop.bridge()
            deadline_s = time.monotonic() + LINKED_DEADLINE_S
            while not crowd.are_linked:
                assert time.monotonic() < deadline_s, "the boards are linked"
                crowd.run(0.2)
            crowd.run(settle_s)  # behind the start: descriptions, first commit
            pid = bridge.child.pid
            cpu_s, switches, began_s = cpu_seconds(pid), _switches(pid), time.monotonic()
            crowd.run(seconds)
            took_s = time.monotonic() - began_s
            load = {
                "cpu_percent": 100 * (cpu_seconds(pid) - cpu_s) / took_s,
                "rss_mb": rss_mb(pid),
                "switches_per_s": (_switches(pid) - switches) / took_s,
            }
            crowd.run(1.0)
            assert bridge.child.poll() is None, "the bridge runs to the end, or the figures mean nothing"
            assert crowd.made >= int(boards * records_per_s * seconds), "the boards spoke as often as was asked"
            if seconds > COMMIT_S:
                shop.wait_stored(int(boards * records_per_s * (seconds - COMMIT_S)))
        finally:
            crowd.close()
    return load


def cpu_seconds(pid: int) -> float:
    """Return what a process has used of a core, user and system, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    """Return the memory of a process that is in RAM, in megabytes."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1000


def _switches(pid: int) -> int:
    found = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        lines = (task / "status").read_text("ascii").splitlines()
        found += next(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches:"))
    return found


def _uid(number: int) -> bytes:
    return bytes.fromhex("01eeffc0") + number.to_bytes(4, "big")
