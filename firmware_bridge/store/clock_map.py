"""From a board's uptime to our clocks: a pure rule over clock samples of one boot of the board.

Not a clock. Nothing derived here is ever the order of anything; it only says how old a reading is and labels it with a
time. The samples are facts; what is computed from them is computed again when better ones come. LINK section 3, "Time".

Between two samples time runs evenly, so the map follows a crystal that warms up; beyond the outermost ones it runs at
the rate learned over all of them. A rate beyond 1 % is a clock fault: then a millisecond is a millisecond, and the time
is estimated whatever the samples were. What a set clock said while it stood elsewhere than for the rest of a run of the
computer does not count: a time server may be years off for a minute.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

TRUSTED, ESTIMATED, NONE = "trusted", "estimated", "none"
TIME_QUALITIES = (NONE, ESTIMATED, TRUSTED)  # the small integer of the table is the place in this tuple

RATE_OFF_PPM_MAX = 10_000  # LINK section 3: beyond 1 % it is a clock fault
RATE_SPAN_MS_MIN = 600_000  # a shorter span says less about the rate than round trips of 100 ms disturb
CRYSTAL_PPM = 50  # what a crystal may be off by where nothing was learned (LINK section 3, unverified)
LEARNED_PPM_MIN = 10  # what a learned rate may still be off by: a crystal's change over a room's temperatures
LEARNED_SHARE = 10  # or a tenth of what it was off by, if that is more: a ceramic resonator wanders with its own error
WALL_OFF_MS_MAX = (
    60_000  # against the time since the computer started, which goes with the wall clock but for its steps
)
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class ClockSample:
    """One moment seen on both sides: the board's unbounded uptime and our clocks half a round trip after asking."""

    dev_ms: int
    host_boot_id: str
    boottime_ms: int
    wall_us: int
    is_synced: bool
    rtt_ms: int


@dataclass(frozen=True, slots=True)
class ClockHint:
    """What a board says the time is: utc_us, give or take error_us, at boottime_ms of this run of the computer."""

    utc_us: int
    error_us: int
    boottime_ms: int


class ClockMap:
    """The samples of one boot of a board, in order of its uptime."""

    def __init__(self, samples: Iterable[ClockSample]) -> None:
        in_order = sorted(samples, key=_dev_ms)
        runs: dict[str, list[ClockSample]] = {}
        for sample in in_order:
            runs.setdefault(sample.host_boot_id, []).append(sample)
        synced = [sample for run in runs.values() for sample in _even([each for each in run if each.is_synced])]
        synced.sort(key=_dev_ms)
        self._last_synced = synced[-1] if synced else None
        self._wall = _Line([(sample.dev_ms, sample.wall_us) for sample in synced or in_order], 1000)
        self._runs = {
            host_boot_id: _Line([(sample.dev_ms, sample.boottime_ms) for sample in run], 1)
            for host_boot_id, run in runs.items()
        }

    @property
    def is_faulty(self) -> bool:
        """Say whether the board's clock is off by more than 1 %, against boottime or trusted time."""
        is_trusted_wrong = self._last_synced is not None and self._wall.is_wrong
        return is_trusted_wrong or any(run.is_wrong for run in self._runs.values())

    def utc_us(self, dev_ms: int) -> tuple[int | None, str]:
        """Return (microseconds since 1970 UTC, 'trusted' | 'estimated') for an uptime, or (None, 'none').

        Samples taken with a synchronised clock win over all others, wherever they lie in the boot.
        """
        if not self._wall.points:
            return None, NONE
        is_trusted = self._last_synced is not None and not self._wall.is_wrong
        return self._wall.at(dev_ms), TRUSTED if is_trusted else ESTIMATED

    def boottime_ms(self, dev_ms: int, host_boot_id: str) -> int | None:
        """Return CLOCK_BOOTTIME of this run of the computer at an uptime of the board, None if never seen in it."""
        run = self._runs.get(host_boot_id) if host_boot_id else None
        return None if run is None else run.at(dev_ms)

    def hint(self, now: ClockSample) -> ClockHint | None:
        """Return what the board says the time is at a sample just taken, None when no trusted sample is in its boot.

        UTC is the last trusted sample plus the uptime that passed; the error is half of both round trips plus what the
        board's rate may be off by over that time. LINK section 3, "The board as clock".
        """
        last = self._last_synced
        if last is None or self.is_faulty or now.dev_ms < last.dev_ms:
            return None
        passed_us = self._wall.at(now.dev_ms) - last.wall_us
        error_us = (last.rtt_ms + now.rtt_ms) * 500 + passed_us * self._wall.off_ppm_max // MILLION
        return ClockHint(last.wall_us + passed_us, error_us, now.boottime_ms)


class _Line:
    """Our clock over a board's uptime: points of (dev_ms, ours), ours in units_per_ms a millisecond."""

    def __init__(self, points: list[tuple[int, int]], units_per_ms: int) -> None:
        self.points = points
        span_ms = points[-1][0] - points[0][0] if points else 0
        self._ours, self._theirs = units_per_ms, 1  # a millisecond is a millisecond
        self.is_wrong = False
        self.off_ppm_max = CRYSTAL_PPM
        if span_ms < RATE_SPAN_MS_MIN:
            return
        span = points[-1][1] - points[0][1]
        off_ppm = abs(span - span_ms * units_per_ms) * MILLION // (span_ms * units_per_ms)
        self.is_wrong = off_ppm > RATE_OFF_PPM_MAX
        if not self.is_wrong:
            self._ours, self._theirs = span, span_ms
            self.off_ppm_max = max(LEARNED_PPM_MIN, off_ppm // LEARNED_SHARE)

    def at(self, dev_ms: int) -> int:
        """Interpolate between the two points around an uptime; beyond the outermost one go on at the learned rate."""
        index = bisect_left(self.points, (dev_ms,))
        if 0 < index < len(self.points):
            before, after = self.points[index - 1], self.points[index]
            return before[1] + (after[1] - before[1]) * (dev_ms - before[0]) // (after[0] - before[0])
        nearest = self.points[0] if index == 0 else self.points[-1]
        return nearest[1] + (dev_ms - nearest[0]) * self._ours // self._theirs


def agreed(hints: Iterable[ClockHint], boottime_ms: int) -> ClockHint | None:
    """Return the surest hint carried forward to now, None when there is none or when any two cannot both be right."""
    carried = []
    for hint in hints:
        passed_us = (boottime_ms - hint.boottime_ms) * 1000
        error_us = hint.error_us + abs(passed_us) * CRYSTAL_PPM // MILLION
        carried.append(ClockHint(hint.utc_us + passed_us, error_us, boottime_ms))
    if not carried:
        return None
    latest_begin = max(hint.utc_us - hint.error_us for hint in carried)
    earliest_end = min(hint.utc_us + hint.error_us for hint in carried)
    return min(carried, key=lambda hint: hint.error_us) if latest_begin <= earliest_end else None


def _even(run: list[ClockSample]) -> list[ClockSample]:
    """Return the samples of one run of the computer while the wall clock stood where it mostly stood, or does now."""
    offsets = [sample.wall_us // 1000 - sample.boottime_ms for sample in run]
    if not run or max(offsets) - min(offsets) <= WALL_OFF_MS_MAX:
        return run
    stands: list[tuple[int, list[ClockSample]]] = []
    for offset, sample in zip(offsets, run, strict=True):
        known = next((samples for at, samples in stands if abs(at - offset) <= WALL_OFF_MS_MAX), None)
        if known is None:
            stands.append((offset, [sample]))
        else:
            known.append(sample)
    return max((samples for _at, samples in stands), key=lambda samples: (len(samples), samples[-1].dev_ms))


def _dev_ms(sample: ClockSample) -> int:
    return sample.dev_ms
