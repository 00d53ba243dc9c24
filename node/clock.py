"""The one place of `node` that reads a clock.

Not a time library: it returns integers. Order never comes from here (invariant 4); the wall time is display,
tie-break and the day by which dates are judged, and it always travels with its quality.
"""

from __future__ import annotations

import ctypes
import os
import time
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from functools import lru_cache
from pathlib import Path

# A wall clock before this day cannot be right: the software did not exist. 2025-01-01T00:00:00Z.
PLAUSIBLE_WALL_MS_MIN = 1_735_689_600_000
# adjtimex returns this state while the kernel has not been told by NTP that the clock is right (time.h, TIME_ERROR).
_KERNEL_CLOCK_UNSYNCHRONISED = 5
_TIMEX_BYTES = 256  # larger than struct timex on every 64-bit Linux


class ClockQuality(IntEnum):
    """How far the wall clock can be trusted; the values of the block header's flags (bits 0-1)."""

    NOT_SET = 0
    RTC = 1
    TRUSTED = 2  # NTP, or set by staff


@dataclass(frozen=True, slots=True)
class Moment:
    """One reading of the clocks, passed as an argument to everything that needs a time."""

    wall_ms: int
    quality: ClockQuality
    today: date
    boot_id: str
    boottime_ms: int


@lru_cache(maxsize=1)
def boot_id() -> str:
    """Return the kernel's id of this boot.

    A service that may not see /proc/sys is told it in LARDER_BOOT_ID (systemd's %b). Where nobody tells, every process
    has one of its own: that costs streams, while two boots taken for one would use a number twice.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return os.environ.get("LARDER_BOOT_ID") or f"unknown-{os.urandom(8).hex()}"


def boottime_ms() -> int:
    """Return milliseconds since the computer was started, sleep included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def monotonic_s() -> float:
    """Return seconds on a clock that never runs back, for waits and deadlines."""
    return time.monotonic()


def quality(wall_ms: int) -> ClockQuality:
    """Judge the wall clock: the kernel's synchronised bit, else a hardware clock, else not set."""
    if wall_ms < PLAUSIBLE_WALL_MS_MIN:
        return ClockQuality.NOT_SET
    if _kernel_clock_is_synchronised():
        return ClockQuality.TRUSTED
    return ClockQuality.RTC if _has_hardware_clock() else ClockQuality.NOT_SET


def now() -> Moment:
    """Read every clock once."""
    wall_ms = time.time_ns() // 1_000_000
    return Moment(wall_ms, quality(wall_ms), date.fromtimestamp(wall_ms / 1000), boot_id(), boottime_ms())


@lru_cache(maxsize=1)
def _has_hardware_clock() -> bool:
    return any(Path("/sys/class/rtc").glob("rtc*"))


@lru_cache(maxsize=1)
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _kernel_clock_is_synchronised() -> bool:
    # modes = 0 only reads; needs no rights.
    state = _libc().adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return bool(0 <= state < _KERNEL_CLOCK_UNSYNCHRONISED)
