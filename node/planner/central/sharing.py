"""From the planner's words back to ours: merged portions shared out again, and those kept back fed as well.

Not the validator: it says which of the variants made here can be cooked. The planner never heard of the people kept
back, so feeding them is this market's own part of the plan.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from node.domain.recipes import amounts
from node.planner.central.request import Asked
from node.planner.greedy import greedy
from node.planner.plan import DietClass, Plan, PlannedDish, Snapshot, StockBucket, snapshot_id
from node.planner.stock import FreeStock

# Who still has no portion: day, meal and class, to people.
_Left = dict[tuple[str, str, str], int]


def in_our_words(asked: Asked, plan: Plan, ours: Snapshot) -> list[Plan]:
    """Return a valid plan about the classes shown as plans about our own, the fullest first.

    Those kept back join the plan's dishes that they can eat, and the greedy planner feeds whom that leaves out; or it
    feeds all of them from what the plan leaves; or, where nothing fits, they are not served.
    """
    left: _Left = {
        (day, meal, each.label): each.people for day in ours.days for meal in ours.meals for each in ours.classes
    }
    plain = [_shared_out(dish, asked, left) for dish in plan.dishes]
    left_apart = dict(left)
    joined = [_with_joined(dish, asked.kept_back, left) for dish in plain]
    variants: list[Plan] = []
    for dishes in (
        _with_greedy(joined, asked.kept_back, left, ours),
        _with_greedy(plain, asked.kept_back, left_apart, ours),
        plain,
    ):
        variant = Plan(snapshot_id(ours), plan.planner, tuple(dishes), plan.reasons)
        if variant not in variants:
            variants.append(variant)
    return variants


def _shared_out(dish: PlannedDish, asked: Asked, left: _Left) -> PlannedDish:
    portions: dict[str, int] = {}
    for label, count in sorted(dish.portions.items()):
        for name, share in _shares(count, asked.members[label], dish, left).items():
            portions[name] = share
            left[dish.day, dish.meal, name] -= share
    return _dish(dish, portions)


def _shares(count: int, group: Iterable[DietClass], dish: PlannedDish, left: _Left) -> dict[str, int]:
    """Divide portions among the classes of a group by largest remainder of who is still unserved.

    A valid plan never gives a group more portions of a meal than it has people, so nobody gets two.
    """
    needs = {each.label: left[dish.day, dish.meal, each.label] for each in group}
    whole = sum(needs.values())
    if not whole:
        return {}
    shares = {name: count * need // whole for name, need in needs.items()}
    by_remainder = sorted(needs, key=lambda name: (-(count * needs[name] % whole), name))
    for name in by_remainder[: count - sum(shares.values())]:
        shares[name] += 1
    return shares


def _with_joined(dish: PlannedDish, kept_back: tuple[DietClass, ...], left: _Left) -> PlannedDish:
    portions = dict(dish.portions)
    for each in kept_back:
        place = (dish.day, dish.meal, each.label)
        if dish.recipe_id in each.recipes and left[place]:
            portions[each.label] = left[place]
            left[place] = 0
    return _dish(dish, portions)


def _with_greedy(
    dishes: list[PlannedDish], kept_back: tuple[DietClass, ...], left: _Left, ours: Snapshot
) -> list[PlannedDish]:
    hungry = tuple(
        msgspec.structs.replace(each, people=people)
        for each in kept_back
        if (people := max(count for (_day, _meal, label), count in left.items() if label == each.label))
    )
    if not hungry:
        return dishes
    added = {
        (dish.day, dish.meal, dish.recipe_id): {
            label: min(count, left[dish.day, dish.meal, label]) for label, count in dish.portions.items()
        }
        for dish in greedy(_what_is_left(dishes, hungry, ours)).dishes
    }
    known = []
    for dish in dishes:
        more = added.pop((dish.day, dish.meal, dish.recipe_id), {})
        known.append(_dish(dish, {**dish.portions, **more}))
    return known + [_dish(PlannedDish(*place, {}), portions) for place, portions in added.items()]


def _what_is_left(dishes: list[PlannedDish], hungry: tuple[DietClass, ...], ours: Snapshot) -> Snapshot:
    """Return the market after a plan, with those still hungry in it."""
    recipes = {recipe.recipe_id: recipe for recipe in ours.recipes}
    stock = FreeStock(ours.stock)
    for dish in dishes:
        for item_id, amount in amounts(recipes[dish.recipe_id], dish.total).items():
            stock.take(item_id, amount, ours.days.index(dish.day))
    worked = sum(recipes[dish.recipe_id].minutes for dish in dishes)
    limits = msgspec.structs.replace(
        ours.limits,
        mains=max(0, ours.limits.mains - len(dishes)),
        minutes=max(0, ours.limits.minutes - worked),
    )
    return msgspec.structs.replace(
        ours,
        classes=hungry,
        people=sum(each.people for each in hungry),
        stock=tuple(StockBucket(item_id, last_day, amount) for item_id, last_day, amount in stock.left()),
        limits=limits,
    )


def _dish(dish: PlannedDish, portions: dict[str, int]) -> PlannedDish:
    return msgspec.structs.replace(dish, portions={name: count for name, count in sorted(portions.items()) if count})
