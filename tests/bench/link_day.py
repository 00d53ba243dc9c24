"""What a day of readings writes to the card: eight boards with one probe at 10 s each, in an accelerated day.

Not a run of the bridge's threads: its real store is driven by a clock that is a number, with records, clock samples,
counters, commits each 5 s of simulated time, hourly moves and checkpoints. Counted are the bytes handed over by write
calls (`wchar` of /proc/self/io), which are the same on every file system; `written_blocks_per_day` is what the kernel
then sent on in blocks of its own (`write_bytes`): 0 on a file system in memory, no bar.
"""

import tempfile
from pathlib import Path

from firmware_bridge.clock import HostNow
from firmware_bridge.link.events import DescriptionsHeard, RecordsArrived, UptimeHeard
from firmware_bridge.link.messages import Desc, Hello, Kind, Stat
from firmware_bridge.store import moves
from firmware_bridge.store.commit_rule import CommitRule
from firmware_bridge.store.store import Store
from tests.bench.report import Figure

BOARDS, PERIOD_S, DAY_S = 8, 10, 86_400
QUICK_S = DAY_S // 4  # a quarter of a day, scaled up
MEGABYTE = 1_000_000.0
CARD_MB_PER_DAY = 60.0


def day_figures(*, is_quick: bool) -> list[Figure]:
    """Return what a day writes, and what it does to the blocks of this computer's file system."""
    written_mb, blocks_mb = written_per_day(QUICK_S if is_quick else DAY_S)
    return [
        Figure("written_per_day", written_mb, "MB", "card budget", CARD_MB_PER_DAY),
        Figure("written_per_day_mb", written_mb, "MB", "card budget", CARD_MB_PER_DAY),
        Figure("written_blocks_per_day", blocks_mb, "MB", "card budget", CARD_MB_PER_DAY),
    ]


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


def _io() -> dict[str, int]:
    lines = Path("/proc/self/io").read_text("ascii").splitlines()
    return {name: int(value) for name, value in (line.split(": ") for line in lines)}
