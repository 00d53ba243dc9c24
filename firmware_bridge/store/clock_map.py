"""From a board's uptime to our clocks: a pure rule over clock samples of one boot of the board.

Not a clock. Nothing derived here is ever the order of anything; it only says how old a reading is and labels it with a
time. The samples are facts; what is computed from them is computed again when better ones come. LINK section 3, "Time".
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass

TRUSTED, ESTIMATED, NONE = "trusted", "estimated", "none"
TIME_QUALITIES = (NONE, ESTIMATED, TRUSTED)  # the small integer of the table is the place in this tuple


@dataclass(frozen=True, slots=True)
class ClockSample:
    """One moment seen on both sides: the board's unbounded uptime and our clocks half a round trip after asking."""

    dev_ms: int
    host_boot_id: str
    boottime_ms: int
    wall_us: int
    is_synced: bool
    rtt_ms: int


class ClockMap:
    """The samples of one boot of a board, in order of its uptime."""

    def __init__(self, samples: Iterable[ClockSample]) -> None:
        self._samples = sorted(samples, key=lambda sample: sample.dev_ms)

    def utc_us(self, dev_ms: int) -> tuple[int | None, str]:
        """Return (microseconds since 1970 UTC, 'trusted' | 'estimated') for an uptime, or (None, 'none').

        Samples taken with a synchronised clock win over all others, wherever they lie in the boot.
        """
        synced = [sample for sample in self._samples if sample.is_synced]
        chosen = synced or self._samples
        if not chosen:
            return None, NONE
        return _map(chosen, dev_ms, lambda sample: sample.wall_us, 1000), TRUSTED if synced else ESTIMATED

    def boottime_ms(self, dev_ms: int, host_boot_id: str) -> int | None:
        """Return CLOCK_BOOTTIME of this run of the computer at an uptime of the board, None if never seen in it."""
        if not host_boot_id:
            return None
        chosen = [sample for sample in self._samples if sample.host_boot_id == host_boot_id]
        return _map(chosen, dev_ms, lambda sample: sample.boottime_ms, 1) if chosen else None


def _map(samples: list[ClockSample], dev_ms: int, ours: Callable[[ClockSample], int], units_per_ms: int) -> int:
    """Interpolate between the two samples around an uptime; beyond the outermost one a millisecond is a millisecond."""
    index = bisect_left(samples, dev_ms, key=lambda sample: sample.dev_ms)
    if 0 < index < len(samples):
        before, after = samples[index - 1], samples[index]
        span_ms = after.dev_ms - before.dev_ms
        return ours(before) + (ours(after) - ours(before)) * (dev_ms - before.dev_ms) // span_ms
    nearest = samples[0] if index == 0 else samples[-1]
    return ours(nearest) + (dev_ms - nearest.dev_ms) * units_per_ms
