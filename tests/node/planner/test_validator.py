"""The judge: each code has a smallest plan that yields it and no other, and no plan passes that an independent count
would not pass."""

from __future__ import annotations

import random
import tracemalloc
from typing import Any

import msgspec
import pytest

from node.domain.diets import Food, Need
from node.domain.recipes import Scale
from node.domain.words import Unit
from node.planner.greedy import greedy
from node.planner.people import PrivateNeeds
from node.planner.plan import Blocked, Limits, Plan, PlannedDish, Snapshot, Verdict
from node.planner.validator import FAULTS_MAX, HARD_CODES, SOFT_CODES, validate, validate_bytes
from tests.node.planner.builders import (
    a_bucket,
    a_class,
    a_dish,
    a_large_snapshot,
    a_line,
    a_plan,
    a_recipe,
    a_snapshot,
    proposal_bytes,
)

WRONG_ID = "0" * 64
GOOD = a_snapshot()
BOTH_DAYS = ("2026-11-22", "2026-11-23", "2026-11-24")


def codes(verdict: Verdict) -> list[str]:
    return [fault.code for fault in verdict.faults]


def judged(*dishes: PlannedDish, today: str | None = None, **more: Any) -> Verdict:
    snapshot = a_snapshot(**more)
    return validate(a_plan(snapshot, *dishes), snapshot, today=today)


def private(avoid: tuple[str, ...], allergens: tuple[str, ...] | None) -> PrivateNeeds:
    food = Food("food/rice", "Rice", allergens, "rice", True)
    return PrivateNeeds({"c1": (Need(1, avoid),)}, {"food/rice": food})


def test_a_plan_that_feeds_everybody_is_ok_and_scored() -> None:
    verdict = validate(a_plan(GOOD), GOOD)
    assert (verdict.word, verdict.faults) == ("ok", ())
    assert verdict.score == (0, 0, 0, 0, 1, 30)


def test_bytes_that_hold_a_plan_are_read() -> None:
    plan, verdict = validate_bytes(proposal_bytes(a_plan(GOOD)), GOOD)
    assert (a_plan(GOOD), "ok") == (plan, verdict.word)


BODY = proposal_bytes(a_plan(GOOD))
ENVELOPES = [
    ("SIZE", b" " * (256 * 1024 + 1)),
    ("PARSE", b""),
    ("PARSE", b"<html>502 Bad Gateway</html>"),
    ("PARSE", b"```json\n" + BODY + b"\n```"),
    ("PARSE", b"\xff\xfe{}"),
    ("PARSE", BODY + b"x"),
    ("PARSE", BODY.replace(b"test/1", b"\\ud800")),
    ("PARSE", b"{]}"),
    ("DUPLICATE_KEY", BODY.replace(b'"planner":', b'"planner":"x","planner":')),
    ("DUPLICATE_KEY", BODY.replace(b'{"c1":10}', b'{"c1":10,"c1":0}')),
    ("DEPTH", b"[" * 10_000),
    ("DEPTH", b'{"schema":' * 9 + b"1" + b"}" * 9),
    ("NUMBER", BODY.replace(b"10}", b"NaN}")),
    ("NUMBER", BODY.replace(b"10}", b"1e400}")),
    ("NUMBER", BODY.replace(b"10}", b"10.0}")),
    ("NUMBER", BODY.replace(b"10}", b"1.5}")),
    ("NUMBER", BODY.replace(b"10}", b"1000001}")),
    ("NUMBER", BODY.replace(b"10}", b"9" * 5_000 + b"}")),
    ("SCHEMA", b"[]"),
    ("SCHEMA", BODY.replace(b"plan-proposal/1", b"plan-proposal/2")),
    ("SCHEMA", BODY.replace(b'"planner":', b'"extra":1,"planner":')),
    ("SCHEMA", BODY.replace(b"10}", b'"10"}')),
    ("SCHEMA", BODY.replace(b"10}", b"true}")),
    ("SCHEMA", proposal_bytes(a_plan(GOOD, *[a_dish()] * 101))),
    ("SCHEMA", proposal_bytes(a_plan(GOOD), reasons=["x"] * 21)),
    ("SCHEMA", proposal_bytes(a_plan(GOOD), reasons=["x" * 301])),
    ("TRUNCATED", BODY[:-1]),
    ("TRUNCATED", BODY[: len(BODY) // 2]),
    ("TRUNCATED", b'{"schema":"plan'),
]


@pytest.mark.parametrize(("code", "raw"), ENVELOPES)
def test_bytes_that_hold_no_plan_end_at_the_first_stage(code: str, raw: bytes) -> None:
    plan, verdict = validate_bytes(raw, GOOD)
    assert (None, "reject", [code]) == (plan, verdict.word, codes(verdict))


def test_every_prefix_of_an_answer_is_refused() -> None:
    for end in range(len(BODY)):
        plan, verdict = validate_bytes(BODY[:end], GOOD)
        assert (plan, verdict.word) == (None, "reject")


def test_the_planners_words_come_out_inert() -> None:
    plan, _verdict = validate_bytes(proposal_bytes(a_plan(GOOD), reasons=["\x1b[2Jgone \u202eevil"]), GOOD)
    assert plan is not None
    assert plan.reasons == ("?[2Jgone ?evil",)


def test_fifty_megabytes_cost_no_memory() -> None:
    raw = b"[" * 50_000_000
    tracemalloc.start()
    try:
        _plan, verdict = validate_bytes(raw, GOOD)
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert codes(verdict) == ["SIZE"]
    assert peak < 2_000_000


TWO = {"recipes": (a_recipe("r1"), a_recipe("r2")), "classes": (a_class(recipes=("r1", "r2")),)}
TWO_CLASSES = {"classes": (a_class("c1", 6), a_class("c2", 4))}
PAST = a_bucket(amount_milli=500_000)
SMALLEST: dict[str, Verdict] = {
    "SNAPSHOT": validate(Plan(WRONG_ID, "test/1", (a_dish(),)), GOOD),
    "RULES_CHANGED": judged(rules="0"),
    "STALE": judged(today="2026-11-23"),
    "UNKNOWN_RECIPE": judged(a_dish("r9")),
    "UNKNOWN_CLASS": judged(a_dish(portions={"c9": 1})),
    "UNKNOWN_DAY": judged(a_dish(day="2026-11-30")),
    "UNKNOWN_MEAL": judged(a_dish(meal="breakfast")),
    "DUPLICATE_DISH": judged(a_dish(portions={"c1": 5}), a_dish(portions={"c1": 5})),
    "NOT_PLANNABLE": judged(recipes=(a_recipe("r1", a_line(quantity_milli=None)),)),
    "PORTION_RANGE": judged(a_dish(portions={"c1": 11})),
    "DIET": judged(recipes=(a_recipe("r1"), a_recipe("r2")), classes=(a_class(recipes=("r2",)),)),
    "ALLERGEN": validate(a_plan(GOOD), GOOD, private=private(("allergen:nuts",), ("nuts",))),
    "ALLERGEN_UNKNOWN": validate(a_plan(GOOD), GOOD, private=private(("allergen:nuts",), None)),
    "USE_BY": judged(stock=(PAST,), blocked=(Blocked("food/rice", "past_use_by", 500_000, ("R-1",)),)),
    "RECALLED": judged(stock=(PAST,), blocked=(Blocked("food/rice", "recalled", 500_000),)),
    "HELD": judged(stock=(PAST,), blocked=(Blocked("food/rice", "held", 500_000),)),
    "CUSTODY": judged(stock=(PAST,), blocked=(Blocked("food/rice", "elsewhere", 500_000),)),
    "STOCK": judged(stock=(a_bucket(amount_milli=999_000, lots=("R-1",)),)),
    "CLOCK_UNSET": judged(stock=(a_bucket(state="not_judged"),)),
    "BEST_BEFORE": judged(stock=(a_bucket(state="past_best_before"),)),
    "BATCH_MIN": judged(
        a_dish(portions={"c1": 9}),
        a_dish("r2", {"c1": 1}),
        recipes=(a_recipe("r1"), a_recipe("r2", batch_min=2)),
        classes=(a_class(recipes=("r1", "r2")),),
    ),
    "BATCH_MAX": judged(recipes=(a_recipe("r1", batch_max=9),)),
    "DISHES": judged(a_dish(portions={"c1": 5}), a_dish("r2", {"c1": 5}), limits=Limits(mains=1), **TWO),
    "MINUTES": judged(recipes=(a_recipe(minutes=601),)),
    "REPEAT": judged(
        *(a_dish(day=day) for day in BOTH_DAYS), days=BOTH_DAYS, stock=(a_bucket(amount_milli=9_000_000),)
    ),
    "THEME": judged(
        a_dish(portions={"c1": 5}),
        a_dish("r2", {"c1": 5}),
        recipes=(a_recipe("r1", theme="soup"), a_recipe("r2", theme="soup")),
        classes=(a_class(recipes=("r1", "r2")),),
        limits=Limits(themes=1),
    ),
    "COVERAGE": judged(a_dish(portions={"c1": 9})),
}


@pytest.mark.parametrize("code", sorted(SMALLEST))
def test_the_smallest_plan_with_one_fault_has_that_fault_alone(code: str) -> None:
    verdict = SMALLEST[code]
    assert [code] == codes(verdict)
    assert ("reject" if code in HARD_CODES else "ask") == verdict.word
    fault = verdict.faults[0]
    assert fault.text.format(**fault.values)


def test_a_class_served_less_than_it_could_be_is_named() -> None:
    snapshot = a_snapshot(**TWO_CLASSES)
    baseline = a_plan(snapshot, a_dish(portions={"c1": 6, "c2": 4}))
    plan = a_plan(snapshot, a_dish(portions={"c1": 6, "c2": 1}))
    assert codes(validate(plan, snapshot, baseline=baseline)) == ["COVERAGE", "UNFAIR", "WORSE"]


def test_a_plan_worse_than_the_local_one_says_so() -> None:
    snapshot = a_snapshot(**TWO)
    plan = a_plan(snapshot, a_dish(portions={"c1": 5}), a_dish("r2", {"c1": 5}))
    assert codes(validate(plan, snapshot, baseline=a_plan(snapshot))) == ["WORSE"]


def test_every_code_has_been_seen() -> None:
    seen = set(SMALLEST) | {code for code, _raw in ENVELOPES} | {"UNFAIR", "WORSE"}
    assert seen == HARD_CODES | SOFT_CODES


def test_a_diet_of_the_staff_side_is_found_even_where_the_class_list_allows_the_dish() -> None:
    assert codes(validate(a_plan(GOOD), GOOD, private=private(("word:rice",), ()))) == ["DIET"]


def test_a_dish_for_somebody_nothing_can_be_said_about_is_refused_without_a_reason_made_up() -> None:
    (fault,) = validate(a_plan(GOOD), GOOD, private=private(("unknown:zebrafruit",), ())).faults
    assert (fault.code, fault.text.format(**fault.values)) == ("DIET", "r1 is nothing for class c1.")


def test_missing_stock_names_the_food_and_its_lots() -> None:
    fault = SMALLEST["STOCK"].faults[0]
    assert fault.text.format(**fault.values) == "r1 needs more food/rice than is free: 0.001 kg of 1 kg missing (R-1)."


@pytest.mark.parametrize("portions", [{"c1": -1}, {"c1": 1.5}, {"c1": True}, {"c1": 10**30}])
def test_portions_are_whole_and_in_range(portions: dict[str, Any]) -> None:
    assert codes(judged(a_dish(portions=portions))) == ["PORTION_RANGE"]


def test_two_dishes_of_a_meal_share_the_people() -> None:
    assert codes(judged(a_dish(portions={"c1": 6}), a_dish("r2", {"c1": 6}), **TWO)) == ["PORTION_RANGE"]


def test_what_expires_before_the_day_is_not_there() -> None:
    days = ("2026-11-22", "2026-11-23")
    stock = (a_bucket(amount_milli=1_000_000, last_day=0), a_bucket(amount_milli=500_000, last_day=1))
    assert judged(a_dish(), days=days, stock=stock).word == "ask"
    assert codes(judged(a_dish(day=days[1]), days=days, stock=stock)) == ["STOCK"]


def test_at_most_a_hundred_faults_are_listed() -> None:
    assert len(judged(*(a_dish(f"x{number}") for number in range(300))).faults) == FAULTS_MAX


def independent_faults(plan: Plan, snapshot: Snapshot) -> set[str]:
    """Count everything again, by other means: no import of ours, lots one gram at a time where it matters."""
    faults: set[str] = set()
    recipes = {recipe.recipe_id: recipe for recipe in snapshot.recipes}
    people = {each.label: each.people for each in snapshot.classes}
    menus = {each.label: set(each.recipes) for each in snapshot.classes}
    if plan.snapshot_id == WRONG_ID:
        return {"identity"}
    keys = [(dish.day, dish.meal, dish.recipe_id) for dish in plan.dishes]
    for dish in plan.dishes:
        known = recipes.get(dish.recipe_id)
        if (
            known is None
            or known.meal != dish.meal
            or dish.day not in snapshot.days
            or not set(dish.portions) <= set(people)
        ):
            return {"references"}
    if len(set(keys)) != len(keys):
        return {"references"}
    for label, count in people.items():
        for meal in {(dish.day, dish.meal) for dish in plan.dishes}:
            given = [dish.portions.get(label, 0) for dish in plan.dishes if (dish.day, dish.meal) == meal]
            if any(portions < 0 for portions in given) or sum(given) > count:
                return {"numbers"}
    for dish in plan.dishes:
        if any(portions and dish.recipe_id not in menus[label] for label, portions in dish.portions.items()):
            faults.add("people")
    lots: dict[str, list[list[int]]] = {}
    for bucket in snapshot.stock:
        lots.setdefault(bucket.item_id, []).append([bucket.last_day, bucket.amount_milli])
    for number, day in enumerate(snapshot.days):
        for dish in plan.dishes:
            if dish.day != day:
                continue
            recipe, total = recipes[dish.recipe_id], sum(dish.portions.values())
            need: dict[str, float] = {}
            for line in recipe.lines:
                if not line.optional:
                    ratio = total / recipe.portions
                    grown = ratio if line.scale is Scale.LINEAR else ratio**0.5 if line.scale is Scale.SQRT else 1
                    need[line.item_id or ""] = need.get(line.item_id or "", 0) + (line.quantity_milli or 0) * grown
            for item_id, amount in need.items():
                for lot in sorted(lots.get(item_id, [])):
                    if lot[0] >= number:
                        taken = min(lot[1], amount)
                        lots[item_id][lots[item_id].index(lot)][1] -= int(taken)
                        amount -= taken
                if amount > 1:  # a thousandth of a gram for the fractions
                    faults.add("stock")
    eaters = {name: sum(people[label] for label in people if name in menus[label]) for name in recipes}
    for dish in plan.dishes:
        recipe, total = recipes[dish.recipe_id], sum(dish.portions.values())
        if total > recipe.batch_max or total < min(max(1, recipe.batch_min), max(1, eaters[dish.recipe_id])):
            faults.add("capacity")
    for day in snapshot.days:
        if sum(recipes[dish.recipe_id].minutes for dish in plan.dishes if dish.day == day) > snapshot.limits.minutes:
            faults.add("capacity")
        for meal, most in (("main", snapshot.limits.mains), ("breakfast", snapshot.limits.breakfasts)):
            if sum(1 for dish in plan.dishes if (dish.day, dish.meal) == (day, meal)) > most:
                faults.add("capacity")
    return faults


def mutated(plan: Plan, snapshot: Snapshot, draw: random.Random) -> Plan:
    """A plan with one to three things changed, often into nonsense."""
    dishes = list(plan.dishes)
    names = [recipe.recipe_id for recipe in snapshot.recipes] + ["r_unknown"]
    labels = [each.label for each in snapshot.classes] + ["c_unknown"]
    for _change in range(draw.randint(1, 3)):
        place = draw.randrange(len(dishes))
        dish = dishes[place]
        kind = draw.randrange(8)
        if kind == 0:
            dishes[place] = msgspec.structs.replace(dish, recipe_id=draw.choice(names))
        elif kind == 1:
            dishes.append(msgspec.structs.replace(dish, recipe_id=draw.choice(names)))
        elif kind == 2 and len(dishes) > 1:
            del dishes[place]
        elif kind == 3:
            dishes[place] = msgspec.structs.replace(dish, day=draw.choice([*snapshot.days, "2027-01-01"]))
        elif kind == 4:
            dishes[place] = msgspec.structs.replace(dish, meal=draw.choice(["main", "breakfast", "feast"]))
        else:
            change = {draw.choice(labels[:-1] if kind < 7 else labels): draw.randint(-1, 14)}
            dishes[place] = msgspec.structs.replace(dish, portions={**dish.portions, **change})
    identity = plan.snapshot_id if draw.random() > 0.02 else WRONG_ID
    return msgspec.structs.replace(plan, dishes=tuple(dishes), snapshot_id=identity)


@pytest.mark.slow
def test_of_ten_thousand_mutated_plans_none_passes_that_an_independent_count_refuses() -> None:
    draw = random.Random(20261122)
    words = {"ok": 0, "ask": 0, "reject": 0}
    for seed in range(20):
        days = 1 + seed % 2
        snapshot = a_large_snapshot(seed, recipes=10, lots=30, classes=3, days=days, kinds=10)
        snapshot = msgspec.structs.replace(snapshot, meals=("main", "breakfast"))
        plan = greedy(snapshot)
        for _number in range(500):
            candidate = mutated(plan, snapshot, draw)
            verdict = validate(candidate, snapshot)
            words[verdict.word] += 1
            if verdict.word != "reject":
                assert set() == independent_faults(candidate, snapshot), candidate
    assert words["reject"] > 3_000  # the mutations do harm,
    assert words["ok"] + words["ask"] > 500  # and not all of them


def test_pieces_are_counted_whole() -> None:
    recipe = a_recipe("r1", a_line("food/eggs", 1_000, unit=Unit.EACH))
    short = (a_bucket("food/eggs", 2_999),)
    assert codes(judged(recipes=(recipe,), stock=short)) == ["STOCK"]
