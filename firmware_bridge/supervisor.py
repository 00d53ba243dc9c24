"""What keeps the bridge running: looks for ports, keeps a thread for each, says how it goes, ends in order.

Not the command line and not a protocol. Owns invariant 2 for the bridge: no port or board that fails stops the rest.
"""

import random
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from firmware_bridge.clock import HostNow
from firmware_bridge.heartbeat import Heartbeat
from firmware_bridge.language import _
from firmware_bridge.ports import PORTS_MAX, find_ports
from firmware_bridge.worker import Worker
from firmware_bridge.writer import Writer

GLOB_EACH_S = 0.5  # LINK section 4
FLUSH_S, WORKERS_S, WRITER_S = 0.9, 0.5, 0.4  # together below the 2 s in which the bridge ends


class Supervisor:
    """Run ports and writer until told to stop."""

    def __init__(
        self,
        writer: Writer,
        patterns: Sequence[str],
        heartbeat_path: Path,
        now: Callable[[], HostNow],
        now_ms: Callable[[], int],
        source: random.Random,
    ) -> None:
        self._writer = writer
        self._patterns = patterns
        self._heartbeat = Heartbeat(heartbeat_path)
        self._now = now
        self._now_ms = now_ms
        self._random = source
        self._workers: dict[str, Worker] = {}
        self._known: dict[str, str] = {}

    def run(self, stopping: threading.Event) -> None:
        """Serve until `stopping` is set. Raises what ended the writer, since nothing can be kept without it."""
        self._writer.start()
        try:
            while not stopping.is_set():
                self._look()
                self._say()
                if not self._writer.is_alive():
                    break
                stopping.wait(GLOB_EACH_S)
        finally:
            self._end()
        if self._writer.failure is not None:
            raise self._writer.failure

    def _look(self) -> None:
        found = find_ports(self._patterns)
        for path, device in found.items():
            worker = self._workers.get(path)
            if worker is None and len(self._workers) >= PORTS_MAX:
                self._forget_one(found)
            if worker is None or not worker.is_alive():
                self._workers[path] = worker = Worker(path, self._writer, self._now_ms, self._random)
                worker.start()
            elif self._known.get(path) != device:
                worker.reappeared()
        self._known = found

    def _forget_one(self, found: dict[str, str]) -> None:
        """Make room: end a worker whose port is not there any more."""
        gone = next((path for path in self._workers if path not in found), None)
        if gone is not None:
            self._workers.pop(gone).stop()

    def _say(self, *, is_last: bool = False) -> None:
        refusal = self._writer.refusal
        state = "stopped" if is_last else "disk_refuses" if refusal else "running"
        message = _("The disk refuses: {reason}").format(reason=refusal) if refusal else ""
        ports = [worker.status() for _path, worker in sorted(self._workers.items())]
        self._heartbeat.say(state, message, self._writer.records_waiting, ports, self._now(), is_last=is_last)

    def _end(self) -> None:
        """Commit, acknowledge, close the ports, then let the writer end."""
        self._writer.flush(FLUSH_S)
        workers = list(self._workers.values())
        for worker in workers:
            worker.stop()
        deadline_ms = self._now_ms() + int(WORKERS_S * 1000)
        for worker in workers:
            worker.join(max(0.0, (deadline_ms - self._now_ms()) / 1000))
        self._writer.stop(WRITER_S)
        self._say(is_last=True)
