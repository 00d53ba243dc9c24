"""`python -m tests.bench.link [--quick] [--only PART]`: the serial side against its bars, and against its peers.

Not the measurements: those are in the files beside this one, a file for each part. This one names the bars of LINK
section 10, runs the parts one after the other and says which bar holds. Where a bar is a ratio, both sides were
measured in this run; counts of what must never happen stand against how often it could have.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.bench.link_day import day_figures
from tests.bench.link_decode import decode_figures
from tests.bench.link_latency import latency_figures
from tests.bench.link_running import running_figures
from tests.bench.link_wrong import wrong_figures
from tests.bench.report import Figure, report

Part = Callable[..., list[Figure]]
PARTS: Mapping[str, Part] = {
    "decode": decode_figures,
    "wrong": wrong_figures,
    "day": day_figures,
    "latency": latency_figures,
    "running": running_figures,
}


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure must reach or stay below."""

    limit: float
    is_least: bool = False
    is_ratio: bool = True

    def holds(self, figure: Figure) -> bool:
        """Say whether a figure is on the right side."""
        number = figure.ratio if self.is_ratio else figure.value
        return number >= self.limit if self.is_least else number <= self.limit

    def __str__(self) -> str:
        return f"at {'least' if self.is_least else 'most'} {self.limit:,g}{' x' if self.is_ratio else ''}"


def _least(limit: float, *, is_ratio: bool = True) -> Bar:
    return Bar(limit, is_least=True, is_ratio=is_ratio)


def _most(limit: float) -> Bar:
    return Bar(limit, is_ratio=False)


BARS: Mapping[str, Bar] = {
    "decode_115200": _least(3_000),
    "decode_3m": _least(100),
    "decode_16_byte_chunks": _least(1_000),
    "decode_pymysensors": _least(50),
    "decode_pymodbus": _least(5),
    "false_accepts": _most(0),
    "blind_check": _least(1_001, is_ratio=False),
    "modbus_recovered": _least(100, is_ratio=False),
    "noise_held_bytes": _most(1_024),
    "written_per_day_mb": _most(60),
    "latency_p99": Bar(0.1),
    "event_ack_p99_ms": _most(100),
    "seen_ack_p99_ms": _most(30),
    "committed_s_max": _most(5.1),
    "bridge_cpu": _most(3),
    "bridge_rss_mb": _most(35),
    "silent_deaths": _most(0),
    "replug_s": _most(1.5),
    "noisy_goodput": _least(4),
    "chaos_lost": _most(0),
    "chaos_twice": _most(0),
    "chaos_wrong": _most(0),
}


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter streams, fewer kills, a quarter of a day")
    parser.add_argument("--only", choices=list(PARTS), help="one part alone")
    chosen = parser.parse_args()
    parts = PARTS.values() if chosen.only is None else [PARTS[chosen.only]]
    figures = [figure for part in parts for figure in part(is_quick=chosen.quick)]
    for figure in figures:
        bar = BARS.get(figure.name)
        if bar is not None:
            print(f"{figure.name}: {bar} {'holds' if bar.holds(figure) else 'IS MISSED'}")
    report("link", figures)


if __name__ == "__main__":
    main()
