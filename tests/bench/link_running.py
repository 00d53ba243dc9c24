"""The real bridge process in trouble and at work: kills, noise, cables pulled, and what it costs meanwhile.

Not the ways to do that: they are functions beside the tests that run them small. The C device needs a C compiler;
without one this part of the benchmark ends with that reason.
"""

import statistics
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.bench.report import Figure
from tests.firmware.chaos import chaos, goodput
from tests.firmware_bridge.unplugging import unplug
from tests.firmware_bridge.weighing import bridge_load

RECORDS, KILLS = 10_000, 12
RECORDS_QUICK, KILLS_QUICK = 2_000, 4
# Frames of 29 come through so rarely that ten seconds of them gave anything from 58 to 152 records a second.
GOODPUT_S, GOODPUT_SEEDS, GOODPUT_QUICK_SEEDS = 20.0, (1, 2, 3, 4), (1, 2)
UNPLUGS, UNPLUGS_QUICK = 200, 40
LOAD_S, LOAD_QUICK_S = 60.0, 15.0
CPU_PERCENT, RSS_MB, REPLUG_S = 3.0, 35.0, 1.5


def running_figures(*, is_quick: bool) -> list[Figure]:
    """Return what was lost, what got through, who fell silent and what the bridge costs."""
    return [
        *_load(LOAD_QUICK_S if is_quick else LOAD_S),
        *_unplugs(UNPLUGS_QUICK if is_quick else UNPLUGS),
        *_goodput(GOODPUT_QUICK_SEEDS if is_quick else GOODPUT_SEEDS),
        *_chaos(RECORDS_QUICK if is_quick else RECORDS, KILLS_QUICK if is_quick else KILLS),
    ]


def _chaos(records: int, kills: int) -> list[Figure]:
    with _folder() as folder:
        outcome = chaos(folder, records=records, kills=kills)
    assert (outcome.made, outcome.kills) == (records, kills), "all was made and every kill happened"
    counts = (("lost", outcome.lost), ("twice", outcome.twice), ("wrong", outcome.wrong))
    return [
        *(Figure(f"chaos_{name}", count, "records", "all records", outcome.made) for name, count in counts),
        Figure("chaos_s", outcome.seconds, "s", "kills", outcome.kills),
    ]


def _goodput(seeds: Sequence[int]) -> list[Figure]:
    """Let both kinds of frames run beside each other: they wait for a slow line, not for the processor."""
    with ThreadPoolExecutor(2) as pool:
        ours = pool.submit(_goodput_mean, seeds, is_fixed=False)
        fixed = pool.submit(_goodput_mean, seeds, is_fixed=True)
        return [Figure("noisy_goodput", ours.result(), "records/s", "fixed frames of 29 records", fixed.result())]


def _goodput_mean(seeds: Sequence[int], *, is_fixed: bool) -> float:
    found = []
    for seed in seeds:
        with _folder() as folder:
            found.append(goodput(folder, seconds=GOODPUT_S, is_fixed=is_fixed, seed=seed))
    return statistics.mean(found)


def _unplugs(times: int) -> list[Figure]:
    with _folder() as folder:
        silent, replug_s, twice = unplug(folder, times=times)
    assert twice == 0, "a record is stored twice"
    return [
        Figure("silent_deaths", silent, "readers", "unplugs", times),
        Figure("replug_s", max(replug_s), "s", "the bar", REPLUG_S),
    ]


def _load(seconds: float) -> list[Figure]:
    with _folder() as folder:
        load = bridge_load(folder, seconds=seconds)
    return [
        Figure("bridge_cpu", load["cpu_percent"], "% of a core", "the bar", CPU_PERCENT),
        Figure("bridge_rss_mb", load["rss_mb"], "MB", "the bar", RSS_MB),
    ]


@contextmanager
def _folder() -> Iterator[Path]:
    """Make a folder on the disk of the checkout: what is in memory only commits at no cost."""
    with tempfile.TemporaryDirectory(prefix="larder-bench-", dir=Path.cwd()) as name:
        yield Path(name)
