"""Cables pulled and plugged again and again under traffic: which readers fall silent, and how soon a reading comes.

Not a benchmark: that one reports what is measured here. The bridge is a process of its own; the boards live in the
calling process and keep their rings, as boards with power of their own do.
"""

import os
import random
import select
import time
from dataclasses import dataclass, field
from pathlib import Path

from firmware_bridge import clock
from firmware_bridge.link.device import DeviceSession
from firmware_bridge.link.ring import Ring, buffer_bytes
from tests.firmware_bridge.cables import Cable
from tests.firmware_bridge.running import Shop, a_shop
from tests.firmware_bridge.weighing import DESC

RING_RECORDS = 1_024
EACH_MS = 20  # traffic: a record every 20 ms
SILENT_S = 10.0  # no reading for so long after a replug: the reader is silent
PLUGGED_S_MAX = 0.4  # longest time a cable stays in: pulled at every moment of the life of a link


@dataclass
class Plugged:
    """One board, its cable, and what its unplugs have shown. seen: the first record made after the last replug."""

    cable: Cable
    session: DeviceSession
    made: int = 0
    due_ms: int = 0
    pulls: int = 0
    plugged_at_s: float = 0.0
    wanted_seq: int | None = None
    pull_at_s: float = 0.0
    silent: int = 0
    uptime_off_ms: int = 0  # of the board's uptime from ours
    replug_s: list[float] = field(default_factory=list)

    def listen(self) -> None:
        """Take what the host has written by now, if anything, and go on."""
        try:
            data = self.cable.read()
        except BlockingIOError:
            data = b""
        self.step(data, clock.boottime_ms())

    def step(self, data: bytes, now_ms: int) -> None:
        """Measure what is due, speak and listen."""
        uptime_ms = now_ms + self.uptime_off_ms
        if data:
            self.session.receive(data, uptime_ms)
        if now_ms >= self.due_ms:
            self.due_ms = now_ms + EACH_MS
            self.session.put(0, self.made, uptime_ms)
            self.made += 1
        self.session.poll(uptime_ms)
        output = self.session.take_output()
        if output:
            try:
                self.cable.write(output)
            except BlockingIOError:
                return  # nobody reads now: lost, as on a wire

    @property
    def has_news(self) -> bool:
        """Say whether a record made since the replug has arrived."""
        return self.wanted_seq is not None and self.session.seen > self.wanted_seq


def unplug(folder: Path, *, times: int, cables: int = 8, seed: int = 1) -> tuple[int, list[float], int]:
    """Pull and plug `times` cables in all; returns silent readers, seconds from plug to reading, records stored twice.

    Checks at the end that every record made is stored.
    """
    source = random.Random(seed)
    with a_shop(folder) as shop:
        boards = [_a_board(shop, number) for number in range(cables)]
        shop.bridge("--commit-interval-s", "1")
        try:
            while sum(board.pulls for board in boards) < times or any(board.wanted_seq is not None for board in boards):
                _listen(boards)
                for board in boards:
                    _pull_or_judge(board, source, is_enough=sum(each.pulls for each in boards) >= times)
            twice = _settle(shop, boards)
        finally:
            for board in boards:
                board.cable.pull()
    found = [seconds for board in boards for seconds in board.replug_s]
    return sum(board.silent for board in boards), found, twice


def _a_board(shop: Shop, number: int) -> Plugged:
    cable = Cable(shop.ports / f"board-{number:02}")
    os.set_blocking(cable.ours, False)
    ring = Ring(bytearray(buffer_bytes(RING_RECORDS)))
    uid = bytes.fromhex("01eeffc1") + number.to_bytes(4, "big")
    board = Plugged(cable, DeviceSession(ring, uid=uid, descriptions=(DESC,)))
    board.wanted_seq, board.plugged_at_s = 0, time.monotonic() + SILENT_S  # the start of the bridge is no replug
    return board


def _listen(boards: list[Plugged]) -> None:
    by_descriptor = {board.cable.ours: board for board in boards}
    ready, _, _ = select.select(list(by_descriptor), [], [], 0.01)
    now_ms = clock.boottime_ms()
    for descriptor, board in by_descriptor.items():
        board.step(board.cable.read() if descriptor in ready else b"", now_ms)


def _pull_or_judge(board: Plugged, source: random.Random, *, is_enough: bool) -> None:
    now_s = time.monotonic()
    if board.wanted_seq is not None:
        if board.has_news:
            if board.pulls:
                board.replug_s.append(now_s - board.plugged_at_s)
        elif now_s - board.plugged_at_s > SILENT_S:
            board.silent += 1
        else:
            return
        board.wanted_seq = None
        board.pull_at_s = now_s + source.random() * PLUGGED_S_MAX
    elif now_s >= board.pull_at_s and not is_enough:
        board.cable.pull()
        board.pulls += 1
        board.cable.plug()
        os.set_blocking(board.cable.ours, False)
        board.plugged_at_s, board.wanted_seq = now_s, board.session.ring.head


def _settle(shop: Shop, boards: list[Plugged]) -> int:
    """Let all that was made arrive; returns how many records are stored twice or were never made."""
    for board in boards:
        board.due_ms = 1 << 62
    end_s = time.monotonic() + SILENT_S
    while any(board.session.ring.head > board.session.ring.tail for board in boards):
        assert time.monotonic() < end_s, "all that was made is committed"
        _listen(boards)
    rows = shop.query("select device, value from readings")
    assert len(set(rows)) == sum(board.made for board in boards), "every record made is stored"
    return len(rows) - len(set(rows))
