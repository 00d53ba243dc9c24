"""The only file of the bridge that looks at a clock.

Not a time zone, not a formatter. `CLOCK_BOOTTIME` measures (it never jumps and counts through suspend), the wall clock
only labels. Owns its half of invariant 4: order comes from sequence, never from a clock.
"""

import ctypes
import os
import re
import time
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")
# A unit with ProcSubset=pid cannot see /proc/sys; systemd then hands the id over as `Environment=LARDER_BOOT_ID=%b`.
BOOT_ID_VARIABLE = "LARDER_BOOT_ID"
BOOT_ID_PATTERN = re.compile(r"[0-9a-f]{32}")

TIMEX_BYTES = 208  # sizeof(struct timex) on 64-bit Linux; all zero means modes = 0: read only (adjtimex(2))
SYNCHRONISED_LOOK_MS = 1_000  # the kernel's word changes rarely, and every frame asks
TIME_ERROR = 5  # what adjtimex(2) returns while the kernel clock is not synchronised


class HostNow(NamedTuple):
    """One look at the clocks of this computer.

    host_boot_id: 32 hex digits, '' when unknown. boottime_ms: CLOCK_BOOTTIME. wall_us: microseconds since 1970 UTC.
    is_clock_trusted: the kernel says that the wall clock is synchronised.
    """

    host_boot_id: str
    boottime_ms: int
    wall_us: int
    is_clock_trusted: bool = False


def boottime_ms() -> int:
    """Return milliseconds since this computer started, suspend included."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def now() -> HostNow:
    """Look at all clocks at once; whether the wall clock is synchronised may be known from up to a second ago."""
    since_boot_ms = boottime_ms()
    is_trusted = _is_synchronised_in(since_boot_ms // SYNCHRONISED_LOOK_MS)
    return HostNow(host_boot_id(), since_boot_ms, time.time_ns() // 1000, is_trusted)


@cache
def host_boot_id() -> str:
    """Return the id of this start of the computer as 32 hex digits, or '' when nobody tells it; it cannot change."""
    try:
        text = BOOT_ID_FILE.read_text(encoding="ascii")
    except OSError:
        text = os.environ.get(BOOT_ID_VARIABLE, "")
    digits = text.strip().replace("-", "").lower()
    return digits if BOOT_ID_PATTERN.fullmatch(digits) else ""


def is_synchronised() -> bool:
    """Ask the kernel whether the wall clock is synchronised (adjtimex(2): 5 is not, -1 is refused: then also not)."""
    state = _libc().adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    return bool(0 <= state < TIME_ERROR)


@lru_cache(maxsize=1)
def _is_synchronised_in(_look: int) -> bool:
    return is_synchronised()


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
