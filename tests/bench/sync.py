"""What merging costs: `python -m tests.bench.sync [merge|wire|all] [--quick] [--runs N]`.

`merge` brings three markets that were apart together, verified, durable and in SQL, beside pycrdt and loro that are
saved and folded to the same two tables, and beside the plain inserts. `wire` is what travels. Each engine runs in a
fresh process, in turn, and only counts when the reopened files say what the generator says. The session extension of
SQLite is left out: it needs apsw, which is not among the locked dependencies.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.bench.report import Figure, report
from tests.bench.sync_engine import ONE_BY_ONE
from tests.bench.sync_workload import DIRECTIONS, MOVEMENTS

ENGINES = ("ours", "pycrdt", "loro", "raw")
PER_BLOCK = 256  # what nodes apart seal
# Bytes per movement that a block may cost, by events per block.
WIRE_LIMITS = {256: 6.0, 100: 7.7, 64: 9.2}
BLOCKS_ALONE = 400
QUICK = 20  # one movement of so many, with --quick

ROOT = Path(__file__).parents[2]

Measured = dict[str, float]


def run(engine: str, count: int, per_block: int = PER_BLOCK, *, where: Path | None = None) -> Measured:
    """Run an engine in fresh processes. Raises CalledProcessError where its result was not the expected state."""
    with tempfile.TemporaryDirectory(dir=where or Path.cwd()) as folder:
        for step in ("write", "merge"):
            command = [
                sys.executable,
                "-m",
                "tests.bench.sync_engine",
                step,
                engine,
                str(count),
                str(per_block),
                folder,
            ]
            said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout
    return json.loads(said)


def medians(count: int, runs: int) -> dict[str, Measured]:
    """Run every engine in turn, `runs` times over."""
    found: dict[str, list[Measured]] = {engine: [] for engine in ENGINES}
    for _ in range(runs):
        for engine in ENGINES:
            found[engine].append(run(engine, count))
    return {
        engine: {name: statistics.median(each[name] for each in all_of_it) for name in all_of_it[0]}
        for engine, all_of_it in found.items()
    }


def merge_figures(found: dict[str, Measured], count: int) -> list[Figure]:
    """Return what merging takes in time, space and memory."""
    ours, received = found["ours"], len(DIRECTIONS) * count
    alone = run(ONE_BY_ONE, min(BLOCKS_ALONE, count))
    return [
        Figure("merge", ours["merge_s"], "s", "pycrdt, saved and folded", found["pycrdt"]["merge_s"]),
        Figure("merge", ours["merge_s"], "s", "loro, saved and folded", found["loro"]["merge_s"]),
        # What others do on the same computer reaches the time of the clock first, the processor's hardly.
        *(
            Figure("merge, processor time", ours["cpu_s"], "s", f"{peer}, saved and folded", found[peer]["cpu_s"])
            for peer in ("pycrdt", "loro")
        ),
        Figure(
            "merge rate",
            received / ours["merge_s"],
            "movements/s",
            "plain executemany",
            received / found["raw"]["merge_s"],
        ),
        Figure("disk of a replica", ours["disk"] / 1e6, "MB", "pycrdt with its tables", found["pycrdt"]["disk"] / 1e6),
        Figure("peak memory", ours["peak_rss_mb"], "MB", "loro", found["loro"]["peak_rss_mb"]),
        Figure(
            "block of one event",
            alone["block_us"],
            "us",
            "two plain statements, FULL, and one signature",
            alone["plain_us"],
        ),
    ]


def wire_figures(found: dict[str, Measured], count: int) -> list[Figure]:
    """Return what a movement costs on the wire."""
    sent = len(DIRECTIONS) * count
    ours = {per_block: run("ours", count, per_block)["wire"] / sent for per_block in WIRE_LIMITS if per_block != 256}
    ours[PER_BLOCK] = found["ours"]["wire"] / sent
    deflated = found["pycrdt"]["wire_deflated"] / sent
    return [
        Figure("wire", ours[PER_BLOCK], "B/movement", "pycrdt, deflated", deflated),
        Figure("wire", ours[PER_BLOCK], "B/movement", "loro, deflated", found["loro"]["wire_deflated"] / sent),
        *(
            Figure(f"wire at {per_block} events a block", ours[per_block], "B/movement", "the limit", limit)
            for per_block, limit in WIRE_LIMITS.items()
        ),
    ]


def main(what: str, count: int, runs: int) -> None:
    """Measure and report."""
    found = medians(count, runs)
    figures = [] if what == "wire" else merge_figures(found, count)
    figures += [] if what == "merge" else wire_figures(found, count)
    report("sync", figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="?", choices=("merge", "wire", "all"), default="all")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--runs", type=int, default=5)
    chosen = parser.parse_args()
    main(chosen.what, MOVEMENTS // QUICK if chosen.quick else MOVEMENTS, 1 if chosen.quick else chosen.runs)
