"""What leaves the market: nothing but sizes, recipe lists and amounts; and what comes back in our own words."""

from __future__ import annotations

import json
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.planner.central.request import CLASS_PEOPLE_MIN, Asked, make_request
from node.planner.central.sharing import in_our_words
from node.planner.plan import DietClass, Plan, PlannedDish, Snapshot, StockBucket, snapshot_id
from node.planner.validator import validate, validate_bytes
from tests.node.planner.central.builders import ALL, DAY, a_snapshot
from tests.standin.answers import good_plan


def asked_for(snapshot: Snapshot) -> Asked:
    asked = make_request(snapshot)
    assert asked is not None
    return asked


def test_a_request_has_exactly_the_agreed_form() -> None:
    asked = asked_for(a_snapshot())
    request = json.loads(asked.body)
    assert list(request) == ["schema", "snapshot_id", "rules", "horizon", "limits", "stock", "recipes", "classes"]
    assert request["schema"] == "plan-request/1"
    assert request["snapshot_id"] == snapshot_id(asked.snapshot)
    assert request["horizon"] == [DAY]
    assert request["limits"] == {"batch_min": 1, "breakfasts": 3, "mains": 8, "minutes": 600, "repeats": 2}
    assert request["stock"][0] == {"day": 8, "g": 6000, "ingredient": "food/beans"}
    assert request["recipes"][0] == {
        "id": "curry",
        "meal": "main",
        "minutes": 40,
        "portion": {"food/carrots": 60, "food/rice": 90},
    }
    assert request["classes"] == [
        {"id": "c1", "people": 9, "recipes": ["curry", "satay", "stew"]},
        {"id": "c2", "people": 3, "recipes": ["curry", "stew"]},
    ]


def test_names_titles_lots_and_steps_do_not_leave() -> None:
    snapshot = a_snapshot()
    recipes = tuple(
        msgspec.structs.replace(each, title="CANARY-title", steps=("CANARY-step",), theme="CANARY-theme")
        for each in snapshot.recipes
    )
    stock = tuple(msgspec.structs.replace(each, lots=("CANARY-lot",)) for each in snapshot.stock)
    snapshot = msgspec.structs.replace(snapshot, recipes=recipes, stock=stock, names={"food/rice": "CANARY-name"})
    assert b"CANARY" not in asked_for(snapshot).body


def test_equal_classes_give_equal_bytes_whatever_their_labels_and_order() -> None:
    few, many = DietClass("x", 3, ("curry", "stew")), DietClass("y", 9, ALL)
    one = a_snapshot(DietClass("x", 3, ("stew", "curry")), many)
    other = a_snapshot(DietClass("p", 9, ALL[::-1]), msgspec.structs.replace(few, label="q"))
    assert asked_for(one).body == asked_for(other).body
    assert asked_for(one).key(7) == asked_for(other).key(7)
    assert asked_for(one).key(7) != asked_for(one).key(8)


def test_small_classes_are_merged_into_what_all_of_them_can_eat() -> None:
    small = DietClass("b", 2, ("curry", "stew")), DietClass("c", 1, ("stew",))
    asked = asked_for(a_snapshot(DietClass("a", 9, ALL), *small))
    assert [(each.label, each.people, each.recipes) for each in asked.snapshot.classes] == [
        ("c1", 9, ALL),
        ("c2", 3, ("stew",)),
    ]
    assert asked.kept_back == ()


@pytest.mark.parametrize(
    "small",
    [
        (DietClass("b", 2, ("stew",)),),
        (DietClass("b", 2, ("stew",)), DietClass("c", 2, ("curry",))),  # nothing in common
    ],
)
def test_a_class_that_cannot_be_merged_does_not_leave(small: tuple[DietClass, ...]) -> None:
    asked = asked_for(a_snapshot(DietClass("a", 9, ALL), *small))
    assert [each.people for each in asked.snapshot.classes] == [9]
    assert asked.kept_back == small
    assert asked.body == asked_for(a_snapshot(DietClass("a", 9, ALL))).body


def test_nobody_is_asked_for_two_people() -> None:
    assert make_request(a_snapshot(DietClass("a", 2, ALL))) is None


@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.sets(st.sampled_from(ALL))),
        min_size=1,
        max_size=8,
    )
)
def test_no_class_of_a_request_has_fewer_than_three_people(classes: list[tuple[int, set[str]]]) -> None:
    ours = tuple(DietClass(f"k{n}", people, tuple(sorted(menu))) for n, (people, menu) in enumerate(classes))
    asked = make_request(a_snapshot(*ours))
    if asked is None:
        return
    assert all(each.people >= CLASS_PEOPLE_MIN for each in asked.snapshot.classes)
    for each in asked.snapshot.classes:  # nobody is offered what somebody behind the label cannot eat
        assert all(set(each.recipes) <= set(member.recipes) for member in asked.members[each.label])
    behind = [member.people for group in asked.members.values() for member in group]
    kept = [each.people for each in asked.kept_back]
    assert sum(behind) + sum(kept) == sum(people for people, _menu in classes)


def test_stock_is_rounded_down_and_portions_up() -> None:
    snapshot = a_snapshot()
    stock = (StockBucket("food/rice", 8, 1_999), StockBucket("food/rice", 8, 2_000, lots=("x",)))
    curry = next(each for each in snapshot.recipes if each.recipe_id == "curry")
    lines = tuple(msgspec.structs.replace(line, quantity_milli=10_001) for line in curry.lines)
    snapshot = msgspec.structs.replace(snapshot, stock=stock, recipes=(msgspec.structs.replace(curry, lines=lines),))
    request = json.loads(asked_for(snapshot).body)
    assert request["stock"] == [{"day": 8, "g": 3, "ingredient": "food/rice"}]
    assert request["recipes"][0]["portion"] == {"food/carrots": 2, "food/rice": 2}


@pytest.mark.parametrize(("pots", "people", "told"), [((2, 5), 12, 5), ((2, 50), 12, 12), ((1, 1), 12, 1)])
def test_the_one_smallest_pot_of_a_request_keeps_that_of_every_recipe(
    pots: tuple[int, int], people: int, told: int
) -> None:
    snapshot = a_snapshot(DietClass("a", people, ALL))
    recipes = tuple(
        msgspec.structs.replace(each, batch_min=pot) for each, pot in zip(snapshot.recipes, (*pots, 1), strict=True)
    )
    request = json.loads(asked_for(msgspec.structs.replace(snapshot, recipes=recipes)).body)
    assert request["limits"]["batch_min"] == told


def our_words(snapshot: Snapshot) -> Plan:
    """The honest planner's plan in our own words."""
    asked = asked_for(snapshot)
    proposed, verdict = validate_bytes(json.dumps(good_plan(json.loads(asked.body))).encode(), asked.snapshot)
    assert proposed is not None
    assert verdict.word != "reject"
    return in_our_words(asked, proposed, snapshot)[0]


def portions(plan: Plan) -> dict[str, int]:
    found: dict[str, int] = {}
    for dish in plan.dishes:
        for label, count in dish.portions.items():
            found[label] = found.get(label, 0) + count
    return found


def test_merged_people_get_their_portions_back_and_those_kept_back_join_a_dish() -> None:
    merged = DietClass("b", 2, ("curry", "stew")), DietClass("c", 1, ("stew",))
    plan = our_words(a_snapshot(DietClass("a", 9, ALL), *merged))
    assert portions(plan) == {"a": 9, "b": 2, "c": 1}
    snapshot = a_snapshot(DietClass("a", 9, ALL), DietClass("b", 2, ("curry", "stew")))
    plan = our_words(snapshot)
    assert portions(plan) == {"a": 9, "b": 2}
    assert validate(plan, snapshot).word == "ok"


def test_those_kept_back_get_a_dish_of_their_own_where_no_other_is_for_them() -> None:
    snapshot = a_snapshot(DietClass("a", 9, ("curry",)), DietClass("b", 2, ("stew",)))
    plan = our_words(snapshot)
    assert portions(plan) == {"a": 9, "b": 2}
    assert validate(plan, snapshot).word == "ok"


def test_those_kept_back_get_something_else_where_there_is_not_enough_to_join() -> None:
    """Carrots for nine portions of curry, and no more."""
    snapshot = a_snapshot(DietClass("a", 9, ("curry",)), DietClass("b", 2, ("curry", "satay")), carrots_g=540)
    asked = asked_for(snapshot)
    dish = PlannedDish(DAY, "main", "curry", {"c1": 9})
    variants = in_our_words(asked, Plan(asked.snapshot_id, "x", (dish,)), snapshot)
    words = [(validate(variant, snapshot).word, portions(variant)) for variant in variants]
    assert words[0][0] == "reject"
    assert words[1] == ("ok", {"a": 9, "b": 2})


def test_too_few_portions_are_shared_out_by_size() -> None:
    group = DietClass("a", 2, ("stew",)), DietClass("b", 1, ("stew", "curry"))
    snapshot = a_snapshot(*group)
    asked = asked_for(snapshot)
    dish = PlannedDish(DAY, "main", "stew", {"c1": 2})
    plan = in_our_words(asked, Plan(asked.snapshot_id, "x", (dish,)), snapshot)[0]
    assert portions(plan) == {"a": 1, "b": 1}


@given(st.integers(0, 2**32))
def test_whatever_the_classes_our_words_never_serve_anybody_twice_or_wrongly(seed: int) -> None:
    chance = random.Random(seed)
    classes = tuple(
        DietClass(f"k{n}", chance.randint(1, 6), tuple(sorted(chance.sample(ALL, chance.randint(1, 3)))))
        for n in range(chance.randint(1, 5))
    )
    snapshot = a_snapshot(*classes)
    asked = make_request(snapshot)
    if asked is None:
        return
    plan = our_words(snapshot)
    codes = {fault.code for fault in validate(plan, snapshot).faults}
    assert not codes & {"PORTION_RANGE", "DIET", "DUPLICATE_DISH", "UNKNOWN_CLASS", "SNAPSHOT"}
