"""How long a reading takes: from the bytes on a pseudo terminal to decoded, to arrived, to on the disk.

Not a load: one board speaks and nothing else is asked of the bridge. The way to decoded is measured inside this process
beside pymysensors', turn by turn, each through its own reading thread. The ways to an ACK are measured on a real bridge
process with its default settings.
"""

import logging
import random
import select
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mysensors.gateway_serial import SerialGateway

from firmware_bridge import clock
from firmware_bridge.link.device import DeviceSession
from firmware_bridge.link.events import RecordsArrived, SessionEvent
from firmware_bridge.link.messages import Desc, Kind
from firmware_bridge.link.ring import Ring, buffer_bytes
from firmware_bridge.store.commit_rule import INTERVAL_MS_DEFAULT
from firmware_bridge.store.store import Store
from firmware_bridge.worker import Worker
from firmware_bridge.writer import Writer
from tests.bench.report import Figure
from tests.firmware_bridge.cables import Cable
from tests.firmware_bridge.running import a_shop

EVENT_ACK_MS, SEEN_ACK_MS = 100.0, 30.0
ROUND_READINGS = 120  # its p99 is the second largest
COMMIT_S = INTERVAL_MS_DEFAULT / 1000 + 0.1  # LINK section 10
WAIT_S = 20.0
APART_S = (0.02, 0.06)  # between two readings, by chance: in step with nobody's polling
ORDINARY_APART_S = (0.12, 0.16)  # below 64 in the commit interval, or the count and not the time would commit
RING_RECORDS = 1_024
DOOR = Desc(0, Kind.DOOR, 0, 1 | 2 << 2, 0, 1, 600, 0, "/", "door")
PROBE = Desc(1, Kind.TEMPERATURE, -3, 0, -55_000, 125_000, 10, 62, "Cel", "probe")
SEED = 20_261_122


def latency_figures(*, is_quick: bool) -> list[Figure]:
    """Return the 99th percentiles, and the longest wait of an ordinary reading for the disk."""
    ours_ms, theirs_ms = to_decoded_ms(2 if is_quick else 5)
    event_ms, seen_ms, committed_s = to_acks(100 if is_quick else 300)
    return [
        Figure("latency_p99", ours_ms, "ms", "pymysensors' p99", theirs_ms),
        Figure("event_ack_p99_ms", event_ms, "ms", "the bar", EVENT_ACK_MS),
        Figure("seen_ack_p99_ms", seen_ms, "ms", "the bar", SEEN_ACK_MS),
        Figure("committed_s_max", committed_s, "s", "commit interval and 0.1 s", COMMIT_S),
    ]


class _Board:
    """A board in this process at the end of a cable; step by step."""

    def __init__(self, cable: Cable) -> None:
        self.cable = cable
        ring = Ring(bytearray(buffer_bytes(RING_RECORDS)))
        self.session = DeviceSession(ring, uid=b"\x01" * 8, descriptions=[DOOR, PROBE])

    def say(self, channel: int, value: int) -> float:
        """Take and send one reading; returns the moment just before its bytes are written."""
        now_ms = clock.boottime_ms()
        self.session.put(channel, value, now_ms)
        self.session.poll(now_ms)
        output = self.session.take_output()
        assert output, "a linked board sends a reading at once"
        began_s = time.perf_counter()
        self.cable.write(output)
        return began_s

    def listen(self, is_done: Callable[[], bool], wait_s: float = WAIT_S) -> None:
        """Be the board until something is so. Fails when it is not so in time."""
        end_s = time.perf_counter() + wait_s
        while not is_done():
            assert time.perf_counter() < end_s, "the bridge does not answer"
            self._step(0.01)

    def listen_for(self, duration_s: float, note: Callable[[], None] = lambda: None) -> None:
        """Be the board for so long; note is called after each step."""
        end_s = time.perf_counter() + duration_s
        while (left_s := end_s - time.perf_counter()) > 0:
            self._step(min(left_s, 0.01))
            note()

    def _step(self, wait_s: float) -> None:
        ready, _, _ = select.select([self.cable.ours], [], [], wait_s)
        if ready:
            self.session.receive(self.cable.read(), clock.boottime_ms())
        self.session.poll(clock.boottime_ms())
        output = self.session.take_output()
        if output:
            self.cable.write(output)


class _WatchedWriter(Writer):
    """The bridge's writer; notes when a port's thread hands it readings."""

    arrived = threading.Event()
    arrived_at_s = 0.0

    def submit(self, listener: object, heard: SessionEvent) -> None:  # type: ignore[override]
        if isinstance(heard, RecordsArrived):
            self.arrived_at_s = time.perf_counter()
            self.arrived.set()
        super().submit(listener, heard)  # type: ignore[arg-type]


def to_decoded_ms(rounds: int) -> tuple[float, float]:
    """Return the 99th percentiles of the time from the pty write to decoded, ours and pymysensors', by turns.

    Each side's calmest round counts: a processor that is somebody else's for a few milliseconds is no property of ours.
    """
    logging.getLogger("mysensors").setLevel(logging.CRITICAL)
    source = random.Random(SEED)
    with tempfile.TemporaryDirectory(prefix="larder-bench-") as name:
        folder = Path(name)
        store = Store(folder / "telemetry.db", clock.now())
        writer = _WatchedWriter(store, clock.now)
        board = _Board(Cable(folder / "ours"))
        worker = Worker(str(folder / "ours"), writer, clock.boottime_ms, random.Random(1))
        theirs = _Pymysensors(Cable(folder / "theirs"))
        writer.start()
        worker.start()
        try:
            board.listen(lambda: board.session.is_linked)
            board.listen_for(1.0)
            found = [_round(board, writer, theirs, source) for _ in range(rounds)]
        finally:
            theirs.close()
            worker.stop()
            worker.join()
            writer.stop(5)
            store.close()
            board.cable.pull()
    return min(ours_ms for ours_ms, _ in found), min(theirs_ms for _, theirs_ms in found)


def _round(board: _Board, writer: _WatchedWriter, theirs: "_Pymysensors", source: random.Random) -> tuple[float, float]:
    ours_ms, theirs_ms = [], []
    for number in range(ROUND_READINGS):
        board.listen_for(source.uniform(*APART_S))
        writer.arrived.clear()
        began_s = board.say(PROBE.channel, number)
        assert writer.arrived.wait(WAIT_S), "the reading arrives"
        ours_ms.append((writer.arrived_at_s - began_s) * 1000)
        board.listen_for(source.uniform(*APART_S))
        theirs_ms.append(theirs.say(number) * 1000)
    return _p99(ours_ms), _p99(theirs_ms)


class _Pymysensors:
    """A serial gateway of pymysensors at the other end of a cable, in threads of its own."""

    def __init__(self, cable: Cable) -> None:
        self._cable = cable
        self._heard = threading.Event()
        self._heard_at_s = 0.0
        self._gateway = SerialGateway(str(cable.name), event_callback=self._hear, protocol_version="2.2")
        self._gateway.start()
        self._until_heard(b"1;255;0;0;17;2.3.2\n")
        self._until_heard(b"1;0;0;0;6;fridge\n")

    def say(self, number: int) -> float:
        """Write one reading; returns the seconds until the gateway's user was called with it."""
        return self._until_heard(b"1;0;1;0;0;%d.%d\n" % (3 + number % 4, number % 10))

    def close(self) -> None:
        self._gateway.stop()
        self._cable.pull()

    def _until_heard(self, line: bytes) -> float:
        end_s = time.perf_counter() + WAIT_S
        while True:  # its thread opens the port when it likes: what is written before that is lost
            self._heard.clear()
            began_s = time.perf_counter()
            self._cable.write(line)
            if self._heard.wait(1.0):
                return self._heard_at_s - began_s
            assert time.perf_counter() < end_s, "pymysensors does not answer"

    def _hear(self, _message: object) -> None:
        self._heard_at_s = time.perf_counter()
        self._heard.set()


def to_acks(readings: int) -> tuple[float, float, float]:
    """Return p99 in ms of a door edge to its committed ACK and of a reading to its seen ACK, and s to its commit."""
    source = random.Random(SEED)
    with tempfile.TemporaryDirectory(prefix="larder-bench-", dir=Path.cwd()) as name, a_shop(Path(name)) as shop:
        board = _Board(Cable(shop.ports / "board"))
        shop.bridge()
        session = board.session
        board.listen(lambda: session.is_linked)
        board.listen_for(2.0)
        seen_ms, committed_s = _ordinary(board, readings, source)
        events_ms = []
        for number in range(readings):
            board.listen_for(source.uniform(*APART_S))
            began_s = board.say(DOOR.channel, number % 2)
            board.listen(lambda: session.ring.tail == session.ring.head)
            events_ms.append((time.perf_counter() - began_s) * 1000)
        board.cable.pull()
    return _p99(events_ms), _p99(seen_ms), max(committed_s)


def _ordinary(board: _Board, readings: int, source: random.Random) -> tuple[list[float], list[float]]:
    """Return how long each ordinary reading took until it was seen, in ms, and until it was on disk, in s."""
    session = board.session
    began: dict[int, float] = {}
    seen_ms: list[float] = []
    committed_s: list[float] = []

    def note() -> None:
        now_s = time.perf_counter()
        for seq in [seq for seq in began if seq < session.ring.tail]:
            committed_s.append(now_s - began.pop(seq))

    for number in range(readings):
        seq = session.ring.head
        began[seq] = board.say(PROBE.channel, 3_000 + number)
        board.listen(lambda: session.seen > seq)  # noqa: B023
        seen_ms.append((time.perf_counter() - began[seq]) * 1000)
        board.listen_for(source.uniform(*ORDINARY_APART_S), note)
    board.listen(lambda: session.ring.tail == session.ring.head)
    note()
    assert len(committed_s) == readings, "every reading is on disk in the end, or the figure means nothing"
    return seen_ms, committed_s


def _p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]
