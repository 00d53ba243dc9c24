"""What a person sees of the plan, worked out once for verb and screen: the draft, who made it, what is accepted.

Not a drawing. Everything comes from the snapshot, the plan and the ledger; a planner's own words are labelled as such.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from node.actions.checks import judged_day
from node.actions.requests import answered, open_requests
from node.clock import ClockQuality, Moment
from node.domain.recipes import Recipe
from node.errors import LocalFault
from node.language import _, error_text, ngettext
from node.ledger.read.goods import Item, item
from node.ledger.read.plans import AcceptedDish, AcceptedPlan, item_stock
from node.places import Places
from node.planner.central.health import read_planner_health
from node.planner.cookbook import all_recipes
from node.planner.current import current_plans, is_late, is_open
from node.planner.drafts import CENTRAL, Draft, is_accepted_since, newest_draft, offered_draft
from node.planner.explain import Explainer
from node.planner.misses import Miss, nearest_misses
from node.planner.plan import PlannedDish, snapshot_id
from node.planner.words import amount_text, fault_text, uses_first
from node.settings import load_settings
from node.text import safe_text

ITEMS_NAMED_MAX = 3
PLANNER_CELLS = 40
REASON_CELLS = 300


@dataclass(frozen=True, slots=True)
class DishRow:
    """One dish of the draft as a row: `fits` says for how many it is nothing, `missing` what the stock lacks now."""

    dish: PlannedDish
    title: str
    portions: int
    uses_first: str
    fits: str
    missing: str


@dataclass(frozen=True, slots=True)
class AcceptedRow:
    """One dish of an accepted plan: cooked or not, and what it needs beyond what is here.

    `is_late`: its day is over, so it reserves nothing; that it was cooked can still be recorded.
    """

    dish: AcceptedDish
    title: str
    missing: str
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class PlanView:
    """The draft to show (None: nothing was planned), its rows, who made it and why, and what is accepted.

    `is_accepted` says that the draft is the accepted plan already; `questions` are the faults a person decides about,
    `planner_words` the central planner's reasons, as it put them. `misses` are what could nearly feed the rest,
    `is_over` says that the day of the draft is over: nobody can accept it any more.
    """

    draft: Draft | None
    is_accepted: bool
    source: str
    source_reason: str
    rows: tuple[DishRow, ...]
    questions: tuple[str, ...]
    planner_words: tuple[str, ...]
    left_out: int
    unserved: int
    accepted_plan: AcceptedPlan | None
    accepted: tuple[AcceptedRow, ...]
    short: tuple[str, ...]
    misses: tuple[Miss, ...]
    is_over: bool = False


def plan_view(connection: sqlite3.Connection, places: Places, moment: Moment, draft: Draft | None = None) -> PlanView:
    """Return what there is to see; `draft` shows that one instead of the one on offer."""
    today = judged_day(moment)
    shown = draft or offered_draft(connection)
    recipes = all_recipes(connection)
    items = _Items(connection)
    missing = {item_id: each.short_milli for item_id, each in item_stock(connection, today).items() if each.short_milli}
    short = tuple(items.amount(item_id, milli) for item_id, milli in sorted(missing.items()))
    current = current_plans(connection, moment)
    # The one to withdraw: the newest with a dish still to cook.
    plan = next((each for each in current if is_open(each)), current[0] if current else None)
    accepted = tuple(
        AcceptedRow(
            dish,
            _title(recipes, dish.recipe_id),
            # A late dish reserves nothing: what is short is short for somebody else.
            "" if is_late(each, moment) else items.missing_of(dish, missing),
            is_late(each, moment),
        )
        for each in reversed(current)
        for dish in each.dishes
    )
    if shown is None or shown.plan is None:
        return PlanView(None, False, "", "", (), (), (), 0, 0, plan, accepted, short, ())
    explainer = Explainer(shown.plan, shown.snapshot)
    names = [f"{dish.recipe_id}" for dish in shown.plan.dishes]
    meals = len(shown.snapshot.days) * len(shown.snapshot.meals)
    return PlanView(
        draft=shown,
        is_accepted=any(is_accepted_since(connection, each, shown) for each in current),
        source=source_text(shown, moment),
        source_reason=source_reason(connection, places, shown),
        rows=tuple(_row(explainer, shown, dish) for dish in shown.plan.dishes),
        questions=tuple(fault_text(fault) for fault in shown.verdict.faults),
        planner_words=_planner_words(shown),
        left_out=sum(1 for recipe in shown.snapshot.recipes if recipe.recipe_id not in names),
        unserved=max(0, shown.snapshot.people * meals - sum(dish.total for dish in shown.plan.dishes)),
        accepted_plan=plan,
        accepted=accepted,
        short=short,
        misses=nearest_misses(shown.plan, shown.snapshot),
        is_over=today is not None and shown.snapshot.day < today.isoformat(),
    )


def source_text(draft: Draft, moment: Moment) -> str:
    """Return who made a plan: `made here`, or the central planner with the age of its answer."""
    if draft.source != CENTRAL:
        return _("made here")
    planner = safe_text(draft.planner, PLANNER_CELLS)
    if moment.quality is ClockQuality.NOT_SET:
        return _("central planner {planner}").format(planner=planner)
    minutes = max(0, moment.wall_ms - draft.made_ms) // 60_000
    age = ngettext("{count} min ago", "{count} min ago", minutes).format(count=minutes) if minutes else _("just now")
    return _("central planner {planner}, {age}").format(planner=planner, age=age)


def source_reason(connection: sqlite3.Connection, places: Places, draft: Draft) -> str:
    """Return why a plan made here is not the central planner's: one sentence, empty where it is the central one's."""
    if draft.source == CENTRAL:
        return ""
    try:
        url = load_settings(places.settings).planner.url
    except LocalFault as fault:
        return error_text(fault)[0]
    if not url:
        return _("no central planner is set")
    told = newest_draft(connection, CENTRAL)
    if told is not None and snapshot_id(told.snapshot) == snapshot_id(draft.snapshot) and told.reason:
        return safe_text(told.reason, REASON_CELLS)
    health = read_planner_health(places)
    if draft.reason:
        return safe_text(draft.reason, REASON_CELLS)
    if _is_waiting(connection):
        # What it said before was about another plan.
        if health.state == "failing" and health.reason:
            before = _("the central planner was asked; no answer yet (last time: {reason})")
            return safe_text(before.format(reason=health.reason), REASON_CELLS)
        return _("the central planner was asked; no answer yet")
    return safe_text(_last_answer(connection) or health.reason or _("the central planner was not asked"), REASON_CELLS)


def _is_waiting(connection: sqlite3.Connection) -> bool:
    return any(request.kind == "plan" for request in open_requests(connection))


def _last_answer(connection: sqlite3.Connection) -> str:
    row = connection.execute("SELECT id FROM request WHERE kind = 'plan' ORDER BY id DESC LIMIT 1").fetchone()
    return (answered(connection, row[0]) or "") if row else ""


def _row(explainer: Explainer, draft: Draft, dish: PlannedDish) -> DishRow:
    found = explainer.why(dish)
    can_eat = sum(each.people for each in draft.snapshot.classes if dish.recipe_id in each.recipes)
    others = draft.snapshot.people - can_eat
    fits = ngettext("not {count}", "not {count}", others).format(count=others) if others else _("all")
    return DishRow(dish, found.title, dish.total, uses_first(found, draft.snapshot), fits, "")


def _planner_words(draft: Draft) -> tuple[str, ...]:
    if draft.source != CENTRAL or draft.plan is None:
        return ()
    reasons = (safe_text(reason, REASON_CELLS) for reason in draft.plan.reasons)
    return tuple(_('the planner says: "{reason}"').format(reason=reason) for reason in reasons)


def _title(recipes: dict[str, Recipe], recipe_id: str) -> str:
    return recipes[recipe_id].title if recipe_id in recipes else safe_text(recipe_id, PLANNER_CELLS)


class _Items:
    """Names and units of items, each read once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: dict[str, Item | None] = {}

    def amount(self, item_id: str, milli: int) -> str:
        """Return an item with an amount, such as `Rice 8 kg`."""
        if item_id not in self._known:
            self._known[item_id] = item(self._connection, item_id)
        found = self._known[item_id]
        if found is None:
            return safe_text(item_id, PLANNER_CELLS)
        return f"{safe_text(found.name, PLANNER_CELLS)} {amount_text(milli, found.unit)}"

    def missing_of(self, dish: AcceptedDish, missing: dict[str, int]) -> str:
        """Return what is missing of what a dish still to cook needs."""
        if dish.cooked_portions is not None:
            return ""
        names = sorted(dish.items.keys() & missing.keys())[:ITEMS_NAMED_MAX]
        return ", ".join(self.amount(item_id, min(missing[item_id], dish.items[item_id])) for item_id in names)
