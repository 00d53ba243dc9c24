"""What keeps the bridge running: looks for ports, keeps a thread for each, says how it goes, ends in order.

Not the command line and not a protocol. Owns invariant 2 for the bridge: no port or board that fails stops the rest.
"""

import random
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from glob import escape
from pathlib import Path

from firmware_bridge.asks import NOT_LINKED, Answer, take_asks
from firmware_bridge.clock import HostNow
from firmware_bridge.heartbeat import Heartbeat
from firmware_bridge.language import _
from firmware_bridge.ports import PORTS_MAX, find_ports, is_same_device
from firmware_bridge.session_protocol import LineSettings, Session
from firmware_bridge.worker import Worker
from firmware_bridge.writer import Writer

GLOB_EACH_S = 0.5  # LINK section 4
FLUSH_S, WORKERS_S, WRITER_S = 0.9, 0.5, 0.4  # together below the 2 s in which the bridge ends
COUNT_EACH_MS = 60_000  # rows that grow with every bad frame are written once a minute: the card wears

Adapter = tuple[Callable[[], Session], LineSettings]
NO_ADAPTERS: Mapping[str, Adapter] = {}


class ErrorCount:
    """What has been told already of the counts of each port's thread."""

    def __init__(self) -> None:
        self._told: dict[tuple[Worker, str], int] = {}

    def more(self, workers: Iterable[Worker]) -> dict[tuple[str, str], int]:
        """Return by (port, kind) what came since the last call; a thread begins at 0."""
        now = {(worker, kind): count for worker in workers for kind, count in worker.status().frames_bad.items()}
        found = {(key[0].path, key[1]): count - self._told.get(key, 0) for key, count in now.items()}
        self._told = now
        return {key: count for key, count in found.items() if count > 0}


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
        *,
        exclude: Sequence[str] = (),
        adapters: Mapping[str, Adapter] = NO_ADAPTERS,
        asks: Path | None = None,
    ) -> None:
        """Prepare. adapters: what speaks on which path; asks: the folder of requests, None where nobody can ask."""
        self._writer = writer
        # A device under two names is found once, by the first: the name that the settings gave it.
        self._patterns = (*(escape(path) for path in adapters), *patterns)
        self._exclude = exclude
        self._adapters = adapters
        self._asks = asks
        self._errors = ErrorCount()
        self._counted_at_ms = now_ms()
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
                self._answer()
                self._count_errors()
                self._say()
                if not self._writer.is_alive():
                    break
                stopping.wait(GLOB_EACH_S)
        finally:
            self._end()
        if self._writer.failure is not None:
            raise self._writer.failure

    def _look(self) -> None:
        found = find_ports(self._patterns, self._exclude)
        self._give_way(found)
        for path, device in found.items():
            worker = self._workers.get(path)
            if worker is None and len(self._workers) >= PORTS_MAX:
                self._forget_one(found)
            if worker is None or not worker.is_alive():
                self._workers[path] = worker = self._a_worker(path)
                worker.start()
            elif self._known.get(path) != device:
                worker.reappeared()
        self._known = found

    def _give_way(self, found: Mapping[str, str]) -> None:
        """End a worker whose device is found by another name now: udev makes the names of a device one by one.

        It has the port for itself, so the one that the settings mean for this device would wait for ever.
        """
        for path in [path for path in self._workers if path not in found]:
            if any(is_same_device(path, other) for other in found):
                self._workers.pop(path).stop()

    def _a_worker(self, path: str) -> Worker:
        if path not in self._adapters:
            return Worker(path, self._writer, self._now_ms, self._random)
        make, line = self._adapters[path]
        return Worker(path, self._writer, self._now_ms, self._random, session=make(), line=line)

    def _answer(self) -> None:
        """Take the requests that wait to the boards they are for."""
        if self._asks is None:
            return
        for each in take_asks(self._asks, self._now()):
            if isinstance(each, Answer):
                self._writer.answer(each)
                continue
            worker = next((known for known in self._workers.values() if known.status().device_uid == each.uid), None)
            if worker is None:
                self._writer.answer(Answer(each.ask_id, each.uid, each.op_name, NOT_LINKED))
            else:
                worker.ask(each)

    def _count_errors(self, *, is_last: bool = False) -> None:
        """Let what was malformed be kept over restarts, at most once a minute."""
        now_ms = self._now_ms()
        if is_last or now_ms - self._counted_at_ms >= COUNT_EACH_MS:
            self._counted_at_ms = now_ms
            self._writer.count_errors(self._errors.more(self._workers.values()))

    def _forget_one(self, found: dict[str, str]) -> None:
        """Make room: end a worker whose port is not there any more."""
        gone = next((path for path in self._workers if path not in found), None)
        if gone is not None:
            self._workers.pop(gone).stop()

    def _room_note(self) -> str:
        hours = self._writer.raw_hours_for_want_of_room
        if hours is None:
            return ""
        return _("Room is short: readings older than {hours} h are kept as summaries alone.").format(hours=hours)

    def _say(self, *, is_last: bool = False) -> None:
        refusal = self._writer.refusal
        state = "stopped" if is_last else "disk_refuses" if refusal else "running"
        message = _("The disk refuses: {reason}").format(reason=refusal) if refusal else self._room_note()
        ports = [worker.status() for _path, worker in sorted(self._workers.items())]
        self._heartbeat.say(state, message, self._writer.records_waiting, ports, self._now(), is_last=is_last)

    def _end(self) -> None:
        """Commit, acknowledge, close the ports, then let the writer end."""
        self._count_errors(is_last=True)
        self._writer.flush(FLUSH_S)
        workers = list(self._workers.values())
        for worker in workers:
            worker.stop()
        deadline_ms = self._now_ms() + int(WORKERS_S * 1000)
        for worker in workers:
            worker.join(max(0.0, (deadline_ms - self._now_ms()) / 1000))
        self._writer.stop(WRITER_S)
        self._say(is_last=True)
