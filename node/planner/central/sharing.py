"""From the planner's words back to ours: merged portions shared out again, and those kept back fed as well.

Not the validator: it says which of the variants made here can be cooked. The planner never heard of the people kept
back, so feeding them is this market's own part of the plan.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from node.planner.central.request import Asked
from node.planner.plan import DietClass, Plan, PlannedDish, Snapshot, snapshot_id

# Who still has no portion: day, meal and class, to people.
_Left = dict[tuple[str, str, str], int]


def in_our_words(asked: Asked, plan: Plan, ours: Snapshot, local: Plan) -> list[Plan]:
    """Return a valid plan about the classes shown as plans about our own, the fullest first.

    Those kept back join the plan's dishes that they can eat, then get what the local plan gives them; or only the
    first; or, where there is not enough for them, nothing.
    """
    left: _Left = {
        (day, meal, each.label): each.people for day in ours.days for meal in ours.meals for each in ours.classes
    }
    plain = [_shared_out(dish, asked, left) for dish in plan.dishes]
    joined = [_with_joined(dish, asked.kept_back, left) for dish in plain]
    filled = _with_local(joined, asked.kept_back, left, local)
    variants: list[Plan] = []
    for dishes in (filled, joined, plain):
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


def _with_local(
    dishes: list[PlannedDish], kept_back: tuple[DietClass, ...], left: _Left, local: Plan
) -> list[PlannedDish]:
    added = []
    for dish in local.dishes:
        portions = {
            each.label: min(dish.portions.get(each.label, 0), left[dish.day, dish.meal, each.label])
            for each in kept_back
        }
        # A dish that the plan has already was joined by everybody who can eat it.
        if any(portions.values()):
            added.append(_dish(dish, portions))
    return [*dishes, *added]


def _dish(dish: PlannedDish, portions: dict[str, int]) -> PlannedDish:
    return msgspec.structs.replace(dish, portions={name: count for name, count in sorted(portions.items()) if count})
