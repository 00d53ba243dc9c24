"""The yardstick of the planners: the week's relaxed problem of a snapshot, classes pooled, solved by HiGHS.

Not a planner: portions and dishes come out in fractions, and nobody could cook them. Every class's people are thrown
together, so a dish may go to as many as can eat it; that makes the problem easier than the real one, and the time that
everything is held against shorter.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

import highspy
import numpy

from node.domain.recipes import Recipe, amounts
from node.planner.kitchen import eaters, smallest_pot
from node.planner.plan import Snapshot

UNLIMITED = highspy.kHighsInf
# A portion nobody gets weighs as much as ten kilograms that expire: first the people, then the food.
KG_PER_UNSERVED = 10.0
KG_MILLI = 1_000_000


class Rows:
    """A linear program that grows column by column and row by row."""

    def __init__(self) -> None:
        self.costs: list[float] = []
        self.uppers: list[float] = []
        self.bounds: list[tuple[float, float]] = []
        self.starts: list[int] = [0]
        self.columns: list[int] = []
        self.values: list[float] = []

    def column(self, upper: float, cost: float = 0.0) -> int:
        """Add a column from 0 to `upper` and return its number."""
        self.costs.append(cost)
        self.uppers.append(upper)
        return len(self.costs) - 1

    def row(self, terms: Iterable[tuple[int, float]], lower: float, upper: float) -> None:
        """Add lower <= sum <= upper."""
        for column, value in terms:
            self.columns.append(column)
            self.values.append(value)
        self.starts.append(len(self.columns))
        self.bounds.append((lower, upper))


def relaxation(snapshot: Snapshot) -> highspy.HighsLp:
    """Return the relaxed week of a snapshot: serve everybody, within stock that expires and a kitchen's limits."""
    program = Rows()
    supply = _supply(snapshot)
    dishes = _dishes(snapshot, program, supply)
    days, limits = range(len(snapshot.days)), snapshot.limits
    recipes = {recipe.recipe_id: recipe for recipe in snapshot.recipes}
    for day in days:
        today = [(name, chosen, portions) for (name, on), (chosen, portions) in dishes.items() if on == day]
        for meal in snapshot.meals:
            there = [each for each in today if recipes[each[0]].meal == meal]
            unserved = program.column(snapshot.people, KG_PER_UNSERVED)
            program.row([(unserved, 1), *((portions, 1) for _, _, portions in there)], snapshot.people, snapshot.people)
            program.row([(chosen, 1) for _, chosen, _ in there], 0, limits.dishes(meal))
        for theme in sorted({recipes[name].theme for name, _, _ in today} - {""}):
            program.row([(chosen, 1) for name, chosen, _ in today if recipes[name].theme == theme], 0, limits.themes)
        program.row([(chosen, recipes[name].minutes) for name, chosen, _ in today], 0, limits.minutes)
    for name in recipes:
        program.row([(dishes[name, day][0], 1) for day in days if (name, day) in dishes], 0, limits.repeats)
    _stock_rows(snapshot, program, supply, dishes)
    return _highs(program)


def solve_s(problem: highspy.HighsLp) -> tuple[float, float]:
    """Solve with one thread and return the seconds it took and the objective. Raises ValueError without an optimum."""
    solver = highspy.Highs()
    solver.setOptionValue("output_flag", False)
    solver.setOptionValue("threads", 1)
    solver.passModel(problem)
    began = time.perf_counter()
    solver.run()
    took_s = time.perf_counter() - began
    if solver.getModelStatus() != highspy.HighsModelStatus.kOptimal:
        raise ValueError(f"no optimum: {solver.modelStatusToString(solver.getModelStatus())}")
    return took_s, solver.getInfo().objective_function_value


def _supply(snapshot: Snapshot) -> dict[str, list[float]]:
    """Return for every food how many kilograms are last usable on each day; the last place is any later day."""
    days = len(snapshot.days)
    found: dict[str, list[float]] = {}
    for bucket in snapshot.stock:
        by_day = found.setdefault(bucket.item_id, [0.0] * (days + 1))
        by_day[min(bucket.last_day, days)] += bucket.amount_milli / KG_MILLI
    return found


def _per_portion(recipe: Recipe) -> dict[str, float]:
    return {
        item_id: amount / recipe.portions / KG_MILLI for item_id, amount in amounts(recipe, recipe.portions).items()
    }


def _dishes(
    snapshot: Snapshot, program: Rows, supply: Mapping[str, list[float]]
) -> dict[tuple[str, int], tuple[int, int]]:
    """Add the columns "is cooked" and "portions" of every recipe on every day on which a pot can be filled."""
    people = eaters(snapshot)
    found = {}
    for recipe in snapshot.recipes:
        most = min(people.get(recipe.recipe_id, 0), recipe.batch_max)
        least = smallest_pot(recipe, snapshot, people.get(recipe.recipe_id, 0))
        for day in range(len(snapshot.days)):
            enough = [sum(supply.get(item, [])[day:]) / amount for item, amount in _per_portion(recipe).items()]
            cap = min(most, *enough)
            if cap < least:
                continue
            chosen, portions = program.column(1), program.column(cap)
            program.row([(portions, 1), (chosen, -cap)], -UNLIMITED, 0)
            program.row([(portions, 1), (chosen, -least)], 0, UNLIMITED)
            found[recipe.recipe_id, day] = (chosen, portions)
    return found


def _stock_rows(
    snapshot: Snapshot,
    program: Rows,
    supply: Mapping[str, list[float]],
    dishes: Mapping[tuple[str, int], tuple[int, int]],
) -> None:
    """Tie portions to stock: what is used each day, what may be used by then, and what expires all the same."""
    days = range(len(snapshot.days))
    use: dict[tuple[str, int], list[tuple[int, float]]] = {}
    amounts_of = {recipe.recipe_id: _per_portion(recipe) for recipe in snapshot.recipes}
    for (name, day), (_, portions) in dishes.items():
        for item, amount in amounts_of[name].items():
            use.setdefault((item, day), []).append((portions, -amount))
    for item in sorted({item for item, _ in use}):
        used = [program.column(UNLIMITED) for _ in days]
        wasted = program.column(UNLIMITED, 1.0)
        for day in days:
            program.row([(used[day], 1), *use.get((item, day), [])], 0, 0)
            # From this day on no more than what is still good on it; up to this day, what expired and was not used.
            program.row([(column, 1) for column in used[day:]], 0, sum(supply[item][day:]))
            program.row(
                [(wasted, 1), *((column, 1) for column in used[: day + 1])], sum(supply[item][: day + 1]), UNLIMITED
            )


def _highs(program: Rows) -> highspy.HighsLp:
    problem = highspy.HighsLp()
    problem.num_col_, problem.num_row_ = len(program.costs), len(program.bounds)
    problem.col_cost_ = numpy.array(program.costs)
    problem.col_lower_ = numpy.zeros(len(program.costs))
    problem.col_upper_ = numpy.array(program.uppers, dtype=float)
    problem.row_lower_ = numpy.array([lower for lower, _ in program.bounds], dtype=float)
    problem.row_upper_ = numpy.array([upper for _, upper in program.bounds], dtype=float)
    problem.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    problem.a_matrix_.start_ = numpy.array(program.starts)
    problem.a_matrix_.index_ = numpy.array(program.columns)
    problem.a_matrix_.value_ = numpy.array(program.values, dtype=float)
    return problem
