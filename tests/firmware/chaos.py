"""The C device against the real bridge process: kills, a damaged line, resets, a full ring; and what was lost by it.

Not a test: functions that a test calls small and the benchmark calls large. Every record carries its own number as its
value, so that lost, twice and wrong can be counted without trusting either side.
"""

import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.firmware.building import virtual_sensor
from tests.firmware.shop import DeviceShop, a_device_shop
from tests.firmware_bridge.running import Process, until

PATIENCE_S = 180.0
KILL_AFTER_S_MAX = 0.6  # a bridge lives so long at most after it has linked, while there are kills left
GOODPUT_BAUD = 115_200


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to. lost: made and never stored; twice: stored again; wrong: stored as nobody made it."""

    made: int
    stored: int
    lost: int
    twice: int
    wrong: int
    kills: int
    seconds: float


def chaos(folder: Path, *, records: int = 10_000, kills: int = 12, noise: float = 0.000_5, seed: int = 1) -> Outcome:
    """Let a device deliver so many records through a damaged line to a bridge that is killed again and again.

    noise: share of bytes with a flipped bit, each way. Raises AssertionError when not all arrives in PATIENCE_S.
    """
    source = random.Random(seed)
    began_s = time.monotonic()
    with a_device_shop(folder) as shop:
        options = ("--kind", "counter", "--count", str(records), "--seed", str(seed), "--noise", str(noise))
        # A ring that never fills: what thinning merges is another question, and has a test of its own.
        program = virtual_sensor("-O2", "-DLL_RING=16384")
        device = shop.device(*options, "--period-s", "0.001", "--boot", "9", program=program)
        for _ in range(kills):
            killed_at = _stored(shop)
            bridge = shop.bridge("--commit-interval-s", "1")
            until(lambda: _stored(shop) > killed_at or _stored(shop) == records, what="something new is stored")  # noqa: B023
            time.sleep(source.uniform(0, KILL_AFTER_S_MAX))  # the moment of a power cut; nothing is awaited here
            bridge.kill()
        shop.bridge("--commit-interval-s", "1")
        until(lambda: _stored(shop) >= records, what=f"{records} records are stored", deadline_s=PATIENCE_S)
        device.end()
        return _judged(shop, kills, time.monotonic() - began_s)


def _stored(shop: DeviceShop) -> int:
    rows = shop.query("select count(*) from readings")
    return int(rows[0][0]) if rows else 0


def _judged(shop: DeviceShop, kills: int, seconds: float) -> Outcome:
    made, stored = Counter(shop.produced()), Counter(shop.stored_records())
    lost = sum((made - stored).values())
    twice = sum(count - 1 for count in stored.values() if count > 1)
    wrong = sum(1 for record in stored if record not in made)
    return Outcome(sum(made.values()), sum(stored.values()), lost, twice, wrong, kills, seconds)


def goodput(
    folder: Path, *, seconds: float = 20.0, noise: float = 0.003, is_fixed: bool = False, seed: int = 1
) -> float:
    """Return records a second that reach the disk over a noisy line at 115,200 baud, with an endless backlog.

    is_fixed: frames of 29 records whatever the line does, as a link without adaptive frames would send them.
    """
    flags = ("-O2", "-DLL_HALVINGS=0") if is_fixed else ("-O2",)
    with a_device_shop(folder) as shop:
        options = ("--kind", "counter", "--period-s", "0.0005", "--seed", str(seed), "--noise", str(noise))
        shop.device(*options, "--baud", str(GOODPUT_BAUD), program=virtual_sensor(*flags))
        bridge: Process = shop.bridge("--commit-interval-s", "1")
        until(lambda: _stored(shop) > 0, what="the first records are stored", deadline_s=PATIENCE_S)
        before, began_s = _stored(shop), time.monotonic()
        time.sleep(seconds)  # the measured stretch itself
        after, ended_s = _stored(shop), time.monotonic()
        bridge.end()
        return (after - before) / (ended_s - began_s)
