"""What planning costs beside a solver: `python -m tests.bench.planner [greedy|validate|all] [--quick]`.

`greedy` is the planner that always works, `validate` the judge of its plan; both on a week of a market with 300 recipes
and 1,000 lots (`planner_instance`), in turn with T, the time HiGHS takes on one thread for the relaxed week of the same
market (`planner_lp`). Medians over the rounds of each seed, then over the seeds.

People eat twice a day here, as a snapshot serves each person each meal once, and food has no nutrients. A second main a
day (the relaxed week of these markets then took 1.0 to 1.4 times as long) and rows for nutrients make T longer, and
with it the ratio of greedy smaller.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median
from typing import NamedTuple, TypeVar

from node.planner.greedy import greedy
from node.planner.validator import validate
from tests.bench.planner_instance import a_week
from tests.bench.planner_lp import relaxation, solve_s
from tests.bench.report import Figure, report

SEEDS = (1, 2, 3)
ROUNDS = 5

T = TypeVar("T")


class Measured(NamedTuple):
    """One seed: seconds for the plan, its judgement and the relaxed week; portions in all, and those nobody gets."""

    greedy_s: float
    validate_s: float
    relaxed_s: float
    portions: int
    unserved: int


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return the seconds that some work took, and its result."""
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def measure(seed: int, rounds: int) -> Measured:
    """Plan, judge and relax one market in turn. Raises ValueError where the plan is refused or there is no optimum."""
    snapshot = a_week(seed)
    problem = relaxation(snapshot)
    times = []
    for _ in range(rounds):
        greedy_s, plan = timed(lambda: greedy(snapshot))
        validate_s, verdict = timed(lambda plan=plan: validate(plan, snapshot))  # type: ignore[misc]
        if verdict.word == "reject":
            raise ValueError(f"the plan was refused: {[fault.code for fault in verdict.faults]}")
        relaxed_s, _objective = solve_s(problem)
        times.append((greedy_s, validate_s, relaxed_s))
    portions = snapshot.people * len(snapshot.days) * len(snapshot.meals)
    served = sum(dish.total for dish in plan.dishes)
    return Measured(*map(median, zip(*times, strict=True)), portions, portions - served)


def main(what: str, seeds: tuple[int, ...], rounds: int) -> None:
    """Measure and report."""
    found = [measure(seed, rounds) for seed in seeds]
    greedy_s, validate_s = median(each.greedy_s for each in found), median(each.validate_s for each in found)
    relaxed_s = median(each.relaxed_s for each in found)
    figures = []
    if what != "validate":
        figures += [
            Figure("greedy", greedy_s, "s", "T, the relaxed week by HiGHS", relaxed_s),
            Figure(
                "unserved by greedy",
                sum(each.unserved for each in found) / len(found),
                "portions",
                "all that are wanted",
                sum(each.portions for each in found) / len(found),
            ),
        ]
    if what != "greedy":
        figures.append(Figure("validate", validate_s, "s", "greedy", greedy_s))
    report("planner", figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", nargs="?", choices=("greedy", "validate", "all"), default="all")
    parser.add_argument("--quick", action="store_true")
    chosen = parser.parse_args()
    main(chosen.what, SEEDS[:1] if chosen.quick else SEEDS, 1 if chosen.quick else ROUNDS)
