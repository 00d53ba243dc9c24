"""A virtual board with a fixed number of records that says on standard output what the host has acknowledged.

Run: witness_board.py LINK UID RECORDS PERIOD_MS. The board and its end of the terminal are those of the virtual board;
only the record of the acknowledgements is added: a line `acknowledged NEXT` whenever its memory has let records go.
Every other block of 100 records is hot, so that a bridge with an alarm bound commits both at once and in its own time.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from firmware_bridge import clock
from firmware_bridge.link.ring import Ring, buffer_bytes
from firmware_bridge.virtual.board import Board, BoardPlan
from firmware_bridge.virtual.line import Line
from firmware_bridge.virtual.replay import Replay

RING_RECORDS = 4_096
POLL_S = 0.005
COLD_MILLI_C, HOT_MILLI_C = 3_000, 9_000
BLOCK = 100


def rows(records: int, period_ms: int) -> list[tuple[float, int]]:
    """Return the time in seconds and the value of each record."""
    return [
        (number * period_ms / 1000, HOT_MILLI_C if number // BLOCK % 2 else COLD_MILLI_C) for number in range(records)
    ]


def main(link: str, uid: str, records: str, period_ms: str) -> None:
    """Be the board until SIGTERM."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_unused: stopping.set())
    ring = Ring(bytearray(buffer_bytes(RING_RECORDS)), boot=7)
    replay = Replay(rows(int(records), int(period_ms)), 0)
    board = Board(BoardPlan(bytes.fromhex(uid), "fridge-1", "fridge", replay=replay), ring)
    started_ms = clock.boottime_ms()
    line = Line(Path(link))
    os.write(1, b"ready\n")
    data, tail = b"", 0
    while not stopping.is_set():
        output = board.step(data, clock.boottime_ms() - started_ms)
        if ring.tail > tail:
            tail = ring.tail
            os.write(1, f"acknowledged {tail}\n".encode("ascii"))
        if output:
            line.write(output)
        data = line.wait(POLL_S)
    line.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
