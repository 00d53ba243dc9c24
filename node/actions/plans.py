"""Plans that people decide about: accept one, withdraw it, cook a dish of it.

Not the planner and not its judge: what is accepted here was judged before (`node.planner`). A plan reserves and takes
nothing; food leaves the stock when a dish is cooked, first expired first, in the same commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from node.actions.checks import judged_day, known_item, optional_words
from node.actions.labels import ask_for_labels
from node.actions.once import done_before, finish
from node.domain.lots import Dot, Lot, Take
from node.domain.quantity import format_quantity
from node.domain.words import Basis, DiscardReason, MoveKind
from node.errors import N_, NeedsYes, Refused
from node.language import _, decimal_mark
from node.ledger.append import Appender
from node.ledger.events import DishCooked, DishPlanned, Event, Moved, PlanAccepted, PlanWithdrawn
from node.ledger.read.plans import AcceptedDish, accepted_plans, find_dish, lot_states
from node.ledger.store import Transaction

REASON_CHARACTERS_MAX = 120
DISHES_PER_PLAN_MAX = 100
ITEMS_PER_DISH_MAX = 64  # the codec's bound on a list
# More than this many times what was planned is a slip of a finger, not a full house.
PORTIONS_FACTOR_MAX = 2


class DishToPlan(NamedTuple):
    """One dish of a plan that was judged: all its portions, and what it reserves (item id to thousandths)."""

    recipe_id: str
    meal: str
    portions: int
    items: dict[str, int]


@dataclass(frozen=True, slots=True)
class Cooked:
    """A dish that was cooked and what went into it, lot by lot. `missing_milli` is what the books did not have."""

    dish: AcceptedDish
    portions: int
    takes: tuple[Take, ...]
    missing_milli: dict[str, int]


def accept_plan(
    tx: Transaction, *, action_id: bytes, who: int, accepted: PlanAccepted, dishes: Sequence[DishToPlan]
) -> Dot:
    """Record that a person accepted a judged plan and return its name. Its dishes reserve from now on."""
    done = done_before(tx, action_id)
    if done is not None:
        return done.first
    if not dishes:
        raise Refused(
            "plan.empty",
            N_("The plan has no dish."),
            N_("Look at the reasons with: larder plan --why-not RECIPE; receive what is missing and plan again."),
        )
    if len(dishes) > DISHES_PER_PLAN_MAX or any(len(dish.items) > ITEMS_PER_DISH_MAX for dish in dishes):
        raise Refused(
            "plan.too_large", N_("The plan has more dishes or ingredients than can be kept."), N_("Plan less.")
        )
    appender = Appender(tx)
    plan = appender.append(accepted, who)
    events = [plan]
    for dish in dishes:
        items = sorted(dish.items)
        amounts_milli = [dish.items[item_id] for item_id in items]
        fact = DishPlanned(plan.dot, dish.recipe_id, dish.meal, dish.portions, items, amounts_milli)
        events.append(appender.append(fact, who))
    finish(tx, events, action_id=action_id, verb="accept", who=who)
    return plan.dot


def withdraw_plan(tx: Transaction, *, action_id: bytes, who: int, plan: Dot, reason: str | None = None) -> None:
    """Go back on an accepted plan: what it had reserved is free again. Raises Refused."""
    if done_before(tx, action_id) is not None:
        return
    found = next((each for each in accepted_plans(tx.connection) if each.plan_id == plan), None)
    if found is None or found.is_withdrawn:
        raise Refused(
            "plan.not_accepted", N_("There is no such accepted plan here."), N_("See what is planned with: larder plan")
        )
    if found.dishes and all(dish.cooked_portions is not None for dish in found.dishes):
        raise Refused("plan.cooked", N_("Every dish of that plan was cooked."), N_("Nothing was changed."))
    words = optional_words(reason, field="reason", characters_max=REASON_CHARACTERS_MAX)
    event = Appender(tx).append(PlanWithdrawn(plan, words), who)
    finish(tx, [event], action_id=action_id, verb="withdraw", who=who)


def cook_dish(
    tx: Transaction,
    *,
    action_id: bytes,
    who: int,
    dish: Dot,
    portions: int | None = None,
    yes: frozenset[str] = frozenset(),
) -> Cooked:
    """Record that a planned dish was cooked and take its food out of the stock, first expired first.

    Raises Refused, and NeedsYes `dish.beyond_on_hand` (the books have less) or `sale.date_not_judged` (unset clock).
    """
    found = find_dish(tx.connection, dish)
    if found is None:
        raise Refused(
            "dish.unknown", N_("That dish is in no accepted plan."), N_("See what is planned with: larder plan")
        )
    if done_before(tx, action_id) is not None:
        return Cooked(found, found.cooked_portions or found.portions, (), {})
    if found.cooked_portions is not None:
        raise Refused("dish.cooked", N_("That dish was cooked already."), N_("Nothing was changed."))
    count = found.portions if portions is None else portions
    if not 0 < count <= found.portions * PORTIONS_FACTOR_MAX:
        raise Refused(
            "dish.portions",
            N_("That is not a number of portions of this dish, which was planned for {planned}."),
            N_("Type how many were cooked, from 1 to {most}. Where none was, withdraw the plan."),
            planned=found.portions,
            most=found.portions * PORTIONS_FACTOR_MAX,
        )
    takes, missing = _takes(tx, {name: -(-milli * count // found.portions) for name, milli in found.items.items()})
    if missing and "dish.beyond_on_hand" not in yes:
        raise NeedsYes(
            "dish.beyond_on_hand",
            N_("The books have too little for that dish: {missing} missing."),
            N_("Say yes to record what the books have; then count what is left."),
            missing=_said(tx, missing),
        )
    if judged_day(tx.moment) is None:
        ask_for_labels(tx, [take.lot for take in takes if take.lot.use_by is not None], yes)
    appender = Appender(tx)
    events: list[Event] = [appender.append(DishCooked(dish, count), who)]
    for take in takes:
        fact = Moved(
            take.lot.lot_id,
            int(MoveKind.ISSUE),
            -take.quantity_milli,
            None,
            int(Basis.ASSUMED),
            int(DiscardReason.NONE),
        )
        events.append(appender.append(fact, who))
    finish(tx, events, action_id=action_id, verb="cook", who=who)
    return Cooked(found, count, tuple(takes), missing)


def _takes(tx: Transaction, needed: dict[str, int]) -> tuple[list[Take], dict[str, int]]:
    """Take from our lots that may be used today. What is promised to another market stays out of the pot."""
    today = judged_day(tx.moment)
    takes: list[Take] = []
    missing: dict[str, int] = {}
    for item_id, amount_milli in sorted(needed.items()):
        rest = amount_milli
        for each in lot_states(tx.connection, today, item_id):
            taken = min(rest, each.usable_milli)
            if taken:
                lot: Lot = each.lot
                takes.append(Take(lot, taken))
                rest -= taken
        if rest:
            missing[item_id] = rest
    return takes, missing


def _said(tx: Transaction, missing: dict[str, int]) -> str:
    """Name what is missing, and what of it is there and may not be used."""
    today = judged_day(tx.moment)
    said = []
    for item_id, milli in missing.items():
        found = known_item(tx, item_id)
        blocked = {each.blocked for each in lot_states(tx.connection, today, item_id) if each.blocked}
        reasons = f" ({', '.join(_(_BLOCKED[reason]) for reason in sorted(blocked))})" if blocked else ""
        said.append(f"{found.name} {format_quantity(milli, found.unit, decimal_mark())}{reasons}")
    return ", ".join(said)


_BLOCKED = {
    "past_use_by": N_("some is past its use-by date"),
    "held": N_("some is on hold"),
    "recalled": N_("some was recalled"),
}
