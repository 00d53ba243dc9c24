"""`python -m tests.bench.link [--quick]`: how fast the link is read, and what a day of readings writes to the card.

decode: bytes a second through the host's real receiver, record tuples included, against the line rate of 115,200 baud
(11,520 bytes a second); LINK section 10 wants at least 3,000 times that, and 1,000 times in chunks of 16 bytes.

written_per_day: a day of 8 boards with one probe at 10 s each, through the real store: records, clock samples,
counters, commits each 5 s of simulated time, hourly moves, checkpoints; LINK section 10 wants at most 60 MB. Counted
are the bytes handed over by write calls (`wchar` of /proc/self/io): they are the same on every file system.
written_blocks_per_day is what the kernel then sent to the disk in blocks of its own (`write_bytes`): 0 on a file system
in memory, no target.

event_to_ack_p99: from the bytes of a door edge on a pseudo terminal until the ACK that says it is on disk, through the
real port thread, writer and file; LINK section 10 wants at most 100 ms.
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from firmware_bridge import clock
from firmware_bridge.clock import HostNow
from firmware_bridge.link.device import DeviceSession
from firmware_bridge.link.events import DescriptionsHeard, RecordsArrived, UptimeHeard
from firmware_bridge.link.framing import encode_frame
from firmware_bridge.link.messages import RECORDS_MAX, Data, Desc, Hello, Kind, Stat, encode
from firmware_bridge.link.receiver import host_receiver
from firmware_bridge.link.ring import Ring, buffer_bytes
from firmware_bridge.store import moves
from firmware_bridge.store.commit_rule import CommitRule
from firmware_bridge.store.store import Store
from firmware_bridge.virtual.line import Line
from firmware_bridge.worker import Worker
from firmware_bridge.writer import Writer
from tests.bench.report import Figure, report

LINE_BYTES_PER_S = 11_520.0  # 115,200 baud, 10 bits a byte
READ_BYTES = 4_095  # what a terminal gives in one read (LINK section 9)
ROUNDS = 5
BOARDS, PERIOD_S, DAY_S = 8, 10, 86_400
MEGABYTE = 1_000_000.0
CARD_MB_PER_DAY = 60.0
ALARM_MS = 100.0
LINE_WAIT_S = 10.0
DOOR = Desc(0, Kind.DOOR, 0, 1 | 2 << 2, 0, 1, 600, 0, "/", "door")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a shorter stream, and a quarter of a day scaled up")
    is_quick = parser.parse_args().quick
    written_mb, blocks_mb = written_per_day(DAY_S // 4 if is_quick else DAY_S)
    report(
        "link",
        [
            Figure("decode", decoded_per_s(400 if is_quick else 4_000), "B/s", "line rate", LINE_BYTES_PER_S),
            Figure("decode_16_byte_chunks", decoded_per_s(100, 16), "B/s", "line rate", LINE_BYTES_PER_S),
            Figure("written_per_day", written_mb, "MB", "card budget", CARD_MB_PER_DAY),
            Figure("written_blocks_per_day", blocks_mb, "MB", "card budget", CARD_MB_PER_DAY),
            Figure("event_to_ack_p99", event_to_ack_ms(100 if is_quick else 400), "ms", "alarm budget", ALARM_MS),
        ],
    )


def decoded_per_s(frames: int, chunk_bytes: int = READ_BYTES) -> float:
    """Return wire bytes decoded a second, the best of five rounds: other work on the computer only ever slows it."""
    stream = b"".join(_frame(number) for number in range(frames))
    chunks = [stream[start : start + chunk_bytes] for start in range(0, len(stream), chunk_bytes)]
    best_s = float("inf")
    for _ in range(ROUNDS):
        receiver = host_receiver()
        records = 0
        began_s = time.perf_counter()
        for chunk in chunks:
            for message in receiver.receive(chunk, 0):
                assert isinstance(message, Data)
                records += len(message.records)
        best_s = min(best_s, time.perf_counter() - began_s)
        assert records == frames * RECORDS_MAX, "every record is decoded, or the figure means nothing"
    return len(stream) / best_s


def _frame(number: int) -> bytes:
    records = [(index * 100, index % 4, 0, 3_875 + (number * 7 + index) % 400) for index in range(RECORDS_MAX)]
    return encode_frame(encode(Data(9, number * RECORDS_MAX, number * 3_000, records)))


def written_per_day(simulated_s: int) -> tuple[float, float]:
    """Return megabytes a day: handed over by write calls, and sent to the disk in blocks."""
    with tempfile.TemporaryDirectory(prefix="larder-bench-", dir=Path.cwd()) as folder:
        day = _Day(Path(folder) / "telemetry.db")
        day.run(3_600)  # an hour first, so that making the file is not part of the day
        before = _io()
        day.run(simulated_s)
        after = _io()
        day.store.commit()
        assert day.stored == day.made, "every record is stored, or the figure means nothing"
        day.store.close()
    scale = DAY_S / simulated_s / MEGABYTE
    return (after["wchar"] - before["wchar"]) * scale, (after["write_bytes"] - before["write_bytes"]) * scale


class _Day:
    """Eight boards, a store, and a clock that is a number."""

    def __init__(self, path: Path) -> None:
        self.now = HostNow("a" * 32, 1_000, 1_700_000_000_000_000, True)
        self.store = Store(path, self.now)
        self.made = 0
        self._rule = CommitRule()
        self._uids = [bytes([board + 1]) * 8 for board in range(BOARDS)]
        desc = Desc(0, Kind.TEMPERATURE, -3, 0, -55_000, 125_000, PERIOD_S * 10, 62, "Cel", "probe")
        for uid in self._uids:
            self.store.hello(Hello(1, 0, 0, 1_000, 0, uid, 1, 1, 1, False, 7, 4_096), "/dev/bench", self.now)
            self.store.descriptions(uid, DescriptionsHeard(7, (desc,)))
            self.store.commit()

    @property
    def stored(self) -> int:
        return int(self.store.conn.execute("select count(*) from readings").fetchone()[0])

    def run(self, duration_s: int) -> None:
        """Let time pass in steps of a second, as the writer's thread would see it."""
        end_ms = self.now.boottime_ms + duration_s * 1_000
        while self.now.boottime_ms < end_ms:
            now_ms = self.now.boottime_ms + 1_000
            self.now = HostNow(self.now.host_boot_id, now_ms, self.now.wall_us + 1_000_000, True)
            second = now_ms // 1_000
            for board, uid in enumerate(self._uids):
                # Boards are not in step: in each second some of them speak.
                if second % PERIOD_S == board * PERIOD_S // BOARDS:
                    self._measure(uid, now_ms)
                if second % 60 == board:
                    self.store.uptime(uid, UptimeHeard(1, now_ms, now_ms - 4, now_ms), self.now)
                    self.store.stat(uid, Stat(1, 0, 0, 0, 12, 5_000, 250), "/dev/bench", self.now)
            due_ms = self._rule.due_at_ms()
            if due_ms is not None and due_ms <= now_ms:
                self._commit()
            if second % (moves.EACH_MS // 1_000) == 0:
                self._tidy()

    def _measure(self, uid: bytes, now_ms: int) -> None:
        seq = self.made // BOARDS
        value = 3_000 + (now_ms // 1_000 * 37) % 2_000
        self.store.records(uid, RecordsArrived(1, False, seq, now_ms % (1 << 32), [(0, 0, 0, value)], now_ms), self.now)
        self._rule.records_arrived("/dev/bench", 1, now_ms, is_urgent=False)
        self.made += 1

    def _commit(self) -> None:
        self.store.commit()
        self._rule.committed()
        self.store.checkpoint_if_large()

    def _tidy(self) -> None:
        while moves.move_some(self.store.conn) or moves.date_some(self.store.conn):
            self.store.checkpoint_if_large()
        moves.trim_log(self.store.conn)
        self.store.keep_stats()
        self._commit()


def event_to_ack_ms(events: int) -> float:
    """Return the 99th percentile of the time from an edge on the wire to its committed ACK."""
    took_ms = []
    with tempfile.TemporaryDirectory(prefix="larder-bench-", dir=Path.cwd()) as folder:
        store = Store(Path(folder) / "telemetry.db", clock.now())
        writer = Writer(store, clock.now)
        board = Line(Path(folder) / "tty-bench")
        worker = Worker(str(Path(folder) / "tty-bench"), writer, clock.boottime_ms, random.Random(1))
        session = DeviceSession(Ring(bytearray(buffer_bytes(64))), uid=b"\x01" * 8, descriptions=[DOOR])
        writer.start()
        worker.start()
        _talk(board, session, lambda: session.is_linked)
        _talk(board, session, lambda: worker.status().name == DOOR.name)
        for number in range(events):
            session.put(0, number % 2, clock.boottime_ms())
            began_s = time.perf_counter()
            _talk(board, session, lambda: session.ring.tail == session.ring.head)
            took_ms.append((time.perf_counter() - began_s) * 1000)
        worker.stop()
        worker.join()
        writer.stop(5)
        store.close()
        board.close()
    return sorted(took_ms)[int(len(took_ms) * 0.99)]


def _talk(line: Line, session: DeviceSession, is_done: Callable[[], bool]) -> None:
    """Be the board until something is so; LINE_WAIT_S at most, so that a broken bridge ends the benchmark."""
    end_s = time.perf_counter() + LINE_WAIT_S
    while not is_done():
        assert time.perf_counter() < end_s, "the bridge does not answer"
        now_ms = clock.boottime_ms()
        session.poll(now_ms)
        line.write(session.take_output())
        session.receive(line.wait(0.005), clock.boottime_ms())


def _io() -> dict[str, int]:
    lines = Path("/proc/self/io").read_text("ascii").splitlines()
    return {name: int(value) for name, value in (line.split(": ") for line in lines)}


if __name__ == "__main__":
    main()
