"""The judge of every plan, whoever made it: stages in order, each fault with a code, a place and a sentence.

Not a planner: it repairs nothing, reads no clock, and believes no score but the one it computed. Owns the rule that
advice is not authority. A hard fault ends the check after its stage. Stage 1 (bytes) is `envelope`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from node.domain.diets import Conflict
from node.domain.quantity import format_quantity
from node.domain.recipes import amounts, is_plannable
from node.errors import N_
from node.planner.envelope import EnvelopeError, read_proposal
from node.planner.kitchen import eaters, smallest_pot
from node.planner.people import PrivateNeeds
from node.planner.plan import (
    RULES_VERSION,
    Fault,
    Plan,
    PlannedDish,
    Recipe,
    Snapshot,
    Verdict,
    snapshot_id,
)
from node.planner.score import PERMILLE, score
from node.planner.stock import FreeStock

FAULTS_MAX = 100
LOTS_NAMED_MAX = 3
# A class served less than this share of what the local plan gives it, or of the mean, is treated unfairly.
UNFAIR_TO_BASELINE_PERMILLE = 800
UNFAIR_TO_MEAN_PERMILLE = 500

HARD_CODES = frozenset(
    [
        "SIZE",
        "PARSE",
        "DUPLICATE_KEY",
        "DEPTH",
        "NUMBER",
        "SCHEMA",
        "TRUNCATED",
        "SNAPSHOT",
        "RULES_CHANGED",
        "UNKNOWN_RECIPE",
        "UNKNOWN_CLASS",
        "UNKNOWN_DAY",
        "UNKNOWN_MEAL",
        "DUPLICATE_DISH",
        "NOT_PLANNABLE",
        "PORTION_RANGE",
        "ALLERGEN",
        "ALLERGEN_UNKNOWN",
        "DIET",
        "USE_BY",
        "RECALLED",
        "HELD",
        "CUSTODY",
        "STOCK",
        "BATCH_MIN",
        "BATCH_MAX",
        "DISHES",
        "MINUTES",
    ]
)
SOFT_CODES = frozenset(["STALE", "CLOCK_UNSET", "BEST_BEFORE", "REPEAT", "THEME", "COVERAGE", "UNFAIR", "WORSE"])

# Blocked stock that would have been enough, by the fault that it is.
_BLOCKED = {
    "past_use_by": ("USE_BY", N_("{title} needs {name} that is past its use-by date{lots}.")),
    "recalled": ("RECALLED", N_("{title} needs {name} that was recalled{lots}.")),
    "held": ("HELD", N_("{title} needs {name} that is on hold{lots}.")),
    "elsewhere": ("CUSTODY", N_("{title} needs {name} that another market has.")),
}


@dataclass(slots=True)
class _Case:
    """One plan before the judge."""

    plan: Plan
    snapshot: Snapshot
    baseline: Plan | None
    private: PrivateNeeds | None
    today: str | None
    recipes: dict[str, Recipe] = field(default_factory=dict)
    day_of: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.recipes = {recipe.recipe_id: recipe for recipe in self.snapshot.recipes}
        self.day_of = {day: number for number, day in enumerate(self.snapshot.days)}

    def dishes(self) -> list[tuple[str, PlannedDish]]:
        """Return the dishes with their path, in the order in which they are cooked."""
        numbered = [(f"dishes[{number}]", dish) for number, dish in enumerate(self.plan.dishes)]
        return sorted(numbered, key=lambda pair: (self.day_of[pair[1].day], pair[1].meal, pair[1].recipe_id))

    def title(self, dish: PlannedDish) -> str:
        """Return the name of a dish."""
        return self.recipes[dish.recipe_id].title


def validate(
    plan: Plan,
    snapshot: Snapshot,
    *,
    baseline: Plan | None = None,
    private: PrivateNeeds | None = None,
    today: str | None = None,
) -> Verdict:
    """Judge a plan against its snapshot: `ok`, `ask` (soft faults, a person decides) or `reject`, and its score.

    `baseline` is the local plan for the same snapshot (outcome: UNFAIR, WORSE), `private` the staff process's needs
    (ALLERGEN, ALLERGEN_UNKNOWN, DIET by ingredient), `today` an ISO date (STALE).
    """
    case = _Case(plan, snapshot, baseline, private, today)
    faults: list[Fault] = []
    for stage in (_identity, _references, _numbers, _people, _food, _stock, _capacity, _outcome):
        faults += islice(stage(case), FAULTS_MAX - len(faults))
        if any(fault.code in HARD_CODES for fault in faults):
            return Verdict("reject", tuple(faults))
    return Verdict("ask" if faults else "ok", tuple(faults), score(plan, snapshot))


def validate_bytes(
    raw: bytes,
    snapshot: Snapshot,
    *,
    baseline: Plan | None = None,
    private: PrivateNeeds | None = None,
    today: str | None = None,
) -> tuple[Plan | None, Verdict]:
    """Judge a body from outside. Returns the plan in it (None where there is none) and the verdict."""
    try:
        plan = read_proposal(raw)
    except EnvelopeError as error:
        return None, Verdict("reject", (error.fault,))
    return plan, validate(plan, snapshot, baseline=baseline, private=private, today=today)


def _identity(case: _Case) -> Iterator[Fault]:
    if case.plan.snapshot_id != snapshot_id(case.snapshot):
        yield Fault("SNAPSHOT", "snapshot_id", N_("The plan was made for another state of the market."))
    if case.snapshot.rules != RULES_VERSION:
        yield Fault("RULES_CHANGED", "snapshot_id", N_("The rules have changed since."))
    if case.today is not None and case.today != case.snapshot.day:
        yield Fault("STALE", "snapshot_id", N_("The plan was made on {day}."), {"day": case.snapshot.day})


def _references(case: _Case) -> Iterator[Fault]:
    labels = {each.label for each in case.snapshot.classes}
    seen = set()
    for number, dish in enumerate(case.plan.dishes):
        path = f"dishes[{number}]"
        recipe = case.recipes.get(dish.recipe_id)
        if recipe is None:
            yield Fault(
                "UNKNOWN_RECIPE", f"{path}.recipe", N_("There is no recipe {recipe}."), {"recipe": dish.recipe_id[:60]}
            )
        elif not is_plannable(recipe):
            yield Fault(
                "NOT_PLANNABLE", f"{path}.recipe", N_("{title} has amounts nobody knows."), {"title": recipe.title}
            )
        if dish.day not in case.day_of:
            yield Fault("UNKNOWN_DAY", f"{path}.day", N_("{day} is not planned."), {"day": dish.day[:20]})
        if dish.meal not in case.snapshot.meals or (recipe is not None and recipe.meal != dish.meal):
            yield Fault(
                "UNKNOWN_MEAL", f"{path}.meal", N_("The dish is for no meal: {meal}."), {"meal": dish.meal[:20]}
            )
        for label in sorted(dish.portions.keys() - labels):
            yield Fault(
                "UNKNOWN_CLASS",
                f"{path}.portions.{label[:20]}",
                N_("There is no class {label}."),
                {"label": label[:20]},
            )
        if (dish.day, dish.meal, dish.recipe_id) in seen:
            yield Fault(
                "DUPLICATE_DISH", path, N_("The dish {recipe} is there twice."), {"recipe": dish.recipe_id[:60]}
            )
        seen.add((dish.day, dish.meal, dish.recipe_id))


def _numbers(case: _Case) -> Iterator[Fault]:
    people = {each.label: each.people for each in case.snapshot.classes}
    eaten: dict[tuple[str, str, str], int] = {}
    for path, dish in case.dishes():
        for label, portions in sorted(dish.portions.items()):
            is_count = isinstance(portions, int) and not isinstance(portions, bool)
            meal = (dish.day, dish.meal, label)
            if is_count and portions >= 0:
                eaten[meal] = eaten.get(meal, 0) + portions
            if not is_count or portions < 0 or eaten.get(meal, 0) > people[label]:
                yield Fault(
                    "PORTION_RANGE",
                    f"{path}.portions.{label}",
                    N_("{title} gives class {label} a number of portions it cannot have."),
                    {"title": case.title(dish), "label": label},
                )


def _people(case: _Case) -> Iterator[Fault]:
    menus = {each.label: frozenset(each.recipes) for each in case.snapshot.classes}
    for path, dish in case.dishes():
        recipe = case.recipes[dish.recipe_id]
        for label in sorted(label for label, portions in dish.portions.items() if portions):
            place = f"{path}.portions.{label}"
            found = case.private.conflict(label, recipe) if case.private else None
            if found is not None and found.food:
                yield conflict_fault(found, place, recipe.title, _lots(case, recipe, found.food))
            elif found or dish.recipe_id not in menus[label] or (case.private and label not in case.private.needs):
                yield Fault(
                    "DIET", place, N_("{title} is nothing for class {label}{lots}."), _nothing(case, recipe, label)
                )


def conflict_fault(found: Conflict, path: str, title: str, lots: str = "") -> Fault:
    """Return what a conflict with somebody's needs is called. It names the food and its lots, never the need."""
    return Fault(found.code, path, _CONFLICTS[found.code], {"title": title, "food": found.food, "lots": lots})


def _lots(case: _Case, recipe: Recipe, food: str | None = None) -> str:
    """Return the lots a dish would take first, in brackets: of one food by its name, or of all of them."""
    wanted = {line.item_id for line in recipe.lines if line.item_id}
    if food is not None:
        wanted = {item_id for item_id in wanted if _name(case, item_id) == food}
    lots = [label for bucket in case.snapshot.stock if bucket.item_id in wanted for label in bucket.lots]
    return f" ({', '.join(lots[:LOTS_NAMED_MAX])})" if lots else ""


_CONFLICTS = {
    "ALLERGEN": N_("{title} holds an allergen that somebody avoids: {food}{lots}."),
    "ALLERGEN_UNKNOWN": N_("Nobody declared what is in {food}{lots}, so {title} is not safe for somebody."),
    "DIET": N_("{title} holds {food}{lots}, which somebody does not eat."),
}


def _nothing(case: _Case, recipe: Recipe, label: str) -> dict[str, str | int]:
    return {"title": recipe.title, "label": label, "lots": _lots(case, recipe)}


def _food(case: _Case) -> Iterator[Fault]:
    stock = FreeStock(case.snapshot.stock)
    for path, dish in case.dishes():
        doubtful: dict[str, list[str]] = {}
        for item_id, amount in sorted(amounts(case.recipes[dish.recipe_id], dish.total).items()):
            uses, missing = stock.take(item_id, amount, case.day_of[dish.day])
            if missing:
                yield from _blocked(case, path, dish, item_id, missing)
            for state in {use.bucket.state for use in uses if use.bucket.state}:
                doubtful.setdefault(state, []).append(_name(case, item_id))
        # Every food is named: whoever looks at one label alone would trust the others.
        for doubt, names in sorted(doubtful.items()):
            code, text = _STATES[doubt]
            yield Fault(code, path, text, {"title": case.title(dish), "name": ", ".join(names)})


_STATES: dict[str, tuple[str, str]] = {
    "not_judged": ("CLOCK_UNSET", N_("The clock is not set: before cooking {title} look at the labels of {name}.")),
    "past_best_before": ("BEST_BEFORE", N_("{title} uses food that is past its best-before date: {name}.")),
}


def _blocked(case: _Case, path: str, dish: PlannedDish, item_id: str, missing: int) -> Iterator[Fault]:
    for blocked in case.snapshot.blocked:
        if blocked.item_id == item_id and blocked.amount_milli >= missing and blocked.reason in _BLOCKED:
            code, text = _BLOCKED[blocked.reason]
            lots = f" ({', '.join(blocked.lots)})" if blocked.lots else ""
            yield Fault(code, path, text, {"title": case.title(dish), "name": _name(case, item_id), "lots": lots})
            return


def _stock(case: _Case) -> Iterator[Fault]:
    stock = FreeStock(case.snapshot.stock)
    for path, dish in case.dishes():
        for item_id, amount in sorted(amounts(case.recipes[dish.recipe_id], dish.total).items()):
            uses, missing = stock.take(item_id, amount, case.day_of[dish.day])
            if missing:
                lots = [label for use in uses for label in use.bucket.lots]
                yield Fault(
                    "STOCK",
                    path,
                    N_("{title} needs more {name} than is free: {missing} of {need} missing{lots}."),
                    {
                        "title": case.title(dish),
                        "name": _name(case, item_id),
                        "item": item_id,
                        "missing": _amount(case, dish, item_id, missing),
                        "need": _amount(case, dish, item_id, amount),
                        "lots": f" ({', '.join(lots[:LOTS_NAMED_MAX])})" if lots else "",
                    },
                )


def _amount(case: _Case, dish: PlannedDish, item_id: str, milli: int) -> str:
    lines = case.recipes[dish.recipe_id].lines
    return format_quantity(milli, next(line.unit for line in lines if line.item_id == item_id))


def _name(case: _Case, item_id: str) -> str:
    return case.snapshot.names.get(item_id, item_id)


def _capacity(case: _Case) -> Iterator[Fault]:
    limits, people = case.snapshot.limits, eaters(case.snapshot)
    meals: dict[tuple[str, str], int] = {}
    minutes: dict[str, int] = {}
    days_of: dict[str, int] = {}
    themes: dict[tuple[str, str], int] = {}
    for path, dish in case.dishes():
        recipe = case.recipes[dish.recipe_id]
        meals[dish.day, dish.meal] = meals.get((dish.day, dish.meal), 0) + 1
        minutes[dish.day] = minutes.get(dish.day, 0) + recipe.minutes
        days_of[dish.recipe_id] = days_of.get(dish.recipe_id, 0) + 1
        theme = (dish.day, recipe.theme)
        themes[theme] = themes.get(theme, 0) + 1
        least = smallest_pot(recipe, case.snapshot, people.get(dish.recipe_id, 0))
        if dish.total < least:
            text = N_("{title}: {portions} portions are less than the smallest pot ({limit}).")
            yield Fault("BATCH_MIN", path, text, _triple(recipe, dish.total, least))
        if dish.total > recipe.batch_max:
            text = N_("{title}: {portions} portions are more than the largest pot ({limit}).")
            yield Fault("BATCH_MAX", path, text, _triple(recipe, dish.total, recipe.batch_max))
        if days_of[dish.recipe_id] == limits.repeats + 1:
            text = N_("{title} is cooked more than {limit} times.")
            yield Fault("REPEAT", path, text, {"title": recipe.title, "limit": limits.repeats})
        if recipe.theme and themes[theme] == limits.themes + 1:
            text = N_("More than {limit} dishes of a day are of one kind: {theme}.")
            yield Fault("THEME", path, text, {"limit": limits.themes, "theme": recipe.theme})
    for (day, meal), count in sorted(meals.items()):
        if count > limits.dishes(meal):
            text = N_("{day}: {count} dishes for one meal, {limit} can be cooked.")
            yield Fault("DISHES", "dishes", text, {"day": day, "count": count, "limit": limits.dishes(meal)})
    for day, total in sorted(minutes.items()):
        if total > limits.minutes:
            text = N_("{day}: {count} minutes at work, {limit} are there.")
            yield Fault("MINUTES", "dishes", text, {"day": day, "count": total, "limit": limits.minutes})


def _triple(recipe: Recipe, portions: int, limit: int) -> dict[str, str | int]:
    return {"title": recipe.title, "portions": portions, "limit": limit}


def _outcome(case: _Case) -> Iterator[Fault]:
    meals = len(case.snapshot.days) * len(case.snapshot.meals)
    needed = {each.label: each.people * meals for each in case.snapshot.classes if each.people}
    served = _served(case.plan)
    unserved = sum(need - served.get(label, 0) for label, need in needed.items())
    if unserved:
        yield Fault("COVERAGE", "dishes", N_("{count} portions are missing."), {"count": unserved})
    shares = {label: served.get(label, 0) * PERMILLE // need for label, need in needed.items()}
    mean = sum(served.get(label, 0) for label in needed) * PERMILLE // max(1, sum(needed.values()))
    before = _served(case.baseline) if case.baseline else {}
    for label, need in sorted(needed.items()):
        due = before.get(label, 0) * PERMILLE // need * UNFAIR_TO_BASELINE_PERMILLE // PERMILLE
        # Where the local plan could do no better, the class is limited by what is there, not by anybody's choice.
        is_left_behind = shares[label] * PERMILLE < mean * UNFAIR_TO_MEAN_PERMILLE and before.get(label, 0) > (
            served.get(label, 0)
        )
        if case.baseline is not None and (shares[label] < due or is_left_behind):
            text = N_("Class {label} gets {share} of 1000 parts of its meals, far less than it could.")
            yield Fault("UNFAIR", f"classes.{label}", text, {"label": label, "share": shares[label]})
    if case.baseline is not None and score(case.plan, case.snapshot) > score(case.baseline, case.snapshot):
        yield Fault("WORSE", "dishes", N_("The plan made here is better."))


def _served(plan: Plan) -> dict[str, int]:
    served: dict[str, int] = {}
    for dish in plan.dishes:
        for label, portions in dish.portions.items():
            served[label] = served.get(label, 0) + portions
    return served
