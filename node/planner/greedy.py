"""The planner that always works: greedy, standard library, whole numbers, the same bytes everywhere.

Not the best plan there is. It feeds the class with the fewest dishes left first, prefers what expires first, and leaves
the rest to better planners. Tried in two styles; the better score wins, and its smallest pots are gathered into others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from node.domain.recipes import portions_possible
from node.planner.candidates import Candidate, candidates
from node.planner.gathering import gather_small_dishes
from node.planner.plan import Plan, PlannedDish, Snapshot, canonical, snapshot_id
from node.planner.points import dish_points
from node.planner.score import score
from node.planner.stock import FreeStock

PLANNER = "greedy/2"


def greedy(snapshot: Snapshot) -> Plan:
    """Return a plan for a snapshot, without any dish where nothing can be cooked."""
    ordered = canonical(snapshot)
    identity = snapshot_id(ordered)
    there = candidates(ordered)
    plans = [
        Plan(identity, PLANNER, tuple(dishes))
        for dishes in (_Kitchen(ordered, there, is_wide=wide).cook() for wide in (True, False))
    ]
    return gather_small_dishes(min(plans, key=lambda plan: score(plan, ordered)), ordered)


@dataclass(slots=True)
class _Meal:
    """What is still open of one meal: the hungry people of each class, and how many dishes more there may be."""

    day: int
    hungry: list[int]
    dishes_left: int
    crowds: dict[tuple[int, ...], int] = field(default_factory=dict)  # how many are hungry of some classes together


class _Kitchen:
    """One attempt. Wide: a dish goes to everybody who can eat it; narrow: only to those it was chosen for.

    During a meal time and hunger only shrink, stock and repeats during the whole plan: what does not fit once is not
    looked at again. Sets of recipes are the bits of a number, by `Candidate.number`.
    """

    def __init__(self, snapshot: Snapshot, there: Sequence[Candidate], *, is_wide: bool) -> None:
        self._snapshot = snapshot
        self._is_wide = is_wide
        self._there = list(there)
        self._menus = [0] * len(snapshot.classes)
        self._users: dict[str, list[tuple[int, int]]] = {}
        for each in there:
            for item_id, amount in each.needs(each.pot).items():
                self._users.setdefault(item_id, []).append((each.number, amount))
            for place in each.eaters:
                self._menus[place] |= 1 << each.number
        self._stock = FreeStock(bucket for bucket in snapshot.stock if bucket.item_id in self._users)
        self._free: dict[str, int] = {}
        self._caps: dict[int, int] = {}  # the largest pot there is food for, until some of it is gone
        self._out: set[int] = set()  # what there is food for no pot of, now and ever after
        self._times = [0] * len(there)
        self._minutes = 0
        self._themes: dict[str, int] = {}

    def cook(self) -> Iterable[PlannedDish]:
        """Yield the dishes, day by day and meal by meal."""
        limits, classes = self._snapshot.limits, self._snapshot.classes
        for day, date in enumerate(self._snapshot.days):
            self._minutes, self._themes = limits.minutes, {}
            for item_id, free in self._stock.all_free(day).items():
                if free != self._free.get(item_id):  # some of it expired yesterday
                    self._now_free(item_id, free)
            self._there = [each for each in self._there if self._times[each.number] < limits.repeats]
            for meal in self._snapshot.meals:
                open_meal = _Meal(day, [max(0, each.people) for each in classes], limits.dishes(meal))
                fitting = [each for each in self._there if each.recipe.meal == meal]
                for chosen, portions in self._serve(open_meal, fitting):
                    named = {classes[place].label: count for place, count in sorted(portions.items())}
                    yield PlannedDish(date, meal, chosen.recipe.recipe_id, named)

    def _serve(self, meal: _Meal, fitting: list[Candidate]) -> Iterable[tuple[Candidate, dict[int, int]]]:
        while meal.dishes_left:
            fitting = self._still_fitting(fitting, meal)
            there = sum([1 << each.number for each in fitting])
            # Who is hungry and can eat something of what is left, fewest choices first.
            order = sorted(
                [place for place, count in enumerate(meal.hungry) if count and self._menus[place] & there],
                key=lambda place: (self._menus[place] & there).bit_count(),
            )
            if not order:
                return
            chosen = self._best([each for each in fitting if order[0] in each.eaters], meal, order)
            fitting.remove(chosen)
            yield chosen, self._cook(chosen, meal, order)

    def _still_fitting(self, before: Iterable[Candidate], meal: _Meal) -> list[Candidate]:
        full = {theme for theme, count in self._themes.items() if theme and count >= self._snapshot.limits.themes}
        return [
            each
            for each in before
            if each.number not in self._out
            and each.recipe.minutes <= self._minutes
            and each.recipe.theme not in full
            and self._crowd(each, meal) >= each.pot
        ]

    def _crowd(self, each: Candidate, meal: _Meal) -> int:
        found = meal.crowds.get(each.eaters)
        if found is None:
            hungry = meal.hungry
            found = meal.crowds[each.eaters] = sum([hungry[place] for place in each.eaters])
        return found

    def _best(self, options: Sequence[Candidate], meal: _Meal, order: Sequence[int]) -> Candidate:
        """Return the dish that feeds most of the first class, then the one with most points."""
        caps = [self._cap(each) for each in options]
        first = meal.hungry[order[0]]
        furthest = min(max(caps), first)
        best, most_worth = options[0], None
        for each, cap in zip(options, caps, strict=True):
            if cap >= furthest:
                total = min(self._largest(each, cap, first), self._crowd(each, meal))
                urgency = self._stock.gram_days(each.needs(total), meal.day, self._snapshot.piece_g)
                alone = len(each.only_for & self._portions(each, meal, order).keys()) if each.only_for else 0
                points = dish_points(each.recipe, total, urgency, alone).total
                worth = points, -self._times[each.number]
                # Ties go to the first name in the alphabet, in which order the options are.
                if most_worth is None or worth > most_worth:
                    best, most_worth = each, worth
        return best

    def _cap(self, each: Candidate) -> int:
        known = self._caps.get(each.number)
        if known is None:
            known = self._caps[each.number] = portions_possible(each.recipe, self._free, each.most)
        return known

    def _largest(self, each: Candidate, cap: int, first: int) -> int:
        return cap if self._is_wide else min(cap, max(first, each.pot))

    def _portions(self, each: Candidate, meal: _Meal, order: Sequence[int]) -> dict[int, int]:
        """Share a dish out, to the class with the fewest choices first."""
        rest = self._largest(each, self._cap(each), meal.hungry[order[0]])
        portions = {}
        for place in order:
            if rest and place in each.eaters:
                portions[place] = min(rest, meal.hungry[place])
                rest -= portions[place]
        return portions

    def _cook(self, chosen: Candidate, meal: _Meal, order: Sequence[int]) -> dict[int, int]:
        recipe = chosen.recipe
        portions = self._portions(chosen, meal, order)
        for item_id, amount in chosen.needs(sum(portions.values())).items():
            self._stock.take(item_id, amount, meal.day)
            self._now_free(item_id, self._free[item_id] - amount)
        meal.dishes_left -= 1
        self._minutes -= recipe.minutes
        self._times[chosen.number] += 1
        self._themes[recipe.theme] = self._themes.get(recipe.theme, 0) + 1
        for place, count in portions.items():
            meal.hungry[place] -= count
        meal.crowds.clear()
        return portions

    def _now_free(self, item_id: str, amount_milli: int) -> None:
        self._free[item_id] = amount_milli
        for number, pot_needs in self._users[item_id]:
            self._caps.pop(number, None)
            if pot_needs > amount_milli:
                self._out.add(number)
