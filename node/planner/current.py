"""Which accepted plans people still decide about: those whose day is not over, and yesterday's until it was noted.

Not the plans themselves (`node.ledger.read.plans`). Owns the rule that a day ends for the stock at midnight and for the
people who cooked only later: what a plan reserved is free at once, its dishes can be recorded until noon.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta

from node.actions.checks import judged_day
from node.clock import Moment
from node.ledger.read.plans import AcceptedPlan, accepted_plans

# A dinner that ended after midnight is noted by whoever opens in the morning; later nobody remembers the number.
LATE_HOURS = 12


def current_plans(connection: sqlite3.Connection, moment: Moment) -> list[AcceptedPlan]:
    """Return the accepted plans that are not withdrawn and not over, and the late ones, the newest first."""
    plans = [plan for plan in accepted_plans(connection) if not plan.is_withdrawn]
    today = judged_day(moment)
    if today is None:
        return plans[:1]  # nobody can say which days are over
    is_noted = not _is_early(moment) or any(
        plan.day == today and plan.accepted_ms >= _midnight_ms(moment) for plan in plans
    )
    return [plan for plan in plans if plan.day >= today or (not is_noted and is_late(plan, moment) and is_open(plan))]


def is_late(plan: AcceptedPlan, moment: Moment) -> bool:
    """Tell whether a plan was for yesterday: it reserves nothing, and its dishes can still be recorded."""
    today = judged_day(moment)
    return today is not None and plan.day == today - timedelta(days=1)


def is_open(plan: AcceptedPlan) -> bool:
    """Tell whether a dish of a plan is still to cook."""
    return any(dish.cooked_portions is None for dish in plan.dishes)


def _is_early(moment: Moment) -> bool:
    return datetime.fromtimestamp(moment.wall_ms / 1000).hour < LATE_HOURS


def _midnight_ms(moment: Moment) -> int:
    local = datetime.fromtimestamp(moment.wall_ms / 1000)
    return int(local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() * 1000)
