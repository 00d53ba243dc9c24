"""The sentences about plans, for the verb and the screen alike: faults, reasons, what is missing.

Not the facts (`explain`). Nothing here says which allergy anybody has: a shared screen says how many people cannot eat
a dish, never why.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from node.domain.quantity import format_quantity
from node.domain.words import Unit
from node.language import _, decimal_mark, ngettext
from node.planner.explain import LineNeed, Used, Why, WhyNot
from node.planner.misses import Miss
from node.planner.plan import LATER_DAY, Fault, Snapshot
from node.planner.points import Points
from node.text import safe_text

SENTENCE_CELLS_MAX = 300
USES_SHOWN_MAX = 3


def fault_text(fault: Fault) -> str:
    """Return a fault as a sentence in the market's language, safe to draw."""
    return safe_text(_(fault.text).format(**fault.values), SENTENCE_CELLS_MAX)


def amount_text(amount_milli: int, unit: Unit) -> str:
    """Return an amount as people write it, whole grams, millilitres or tenths of a piece."""
    step = 100 if unit is Unit.EACH else 1_000
    return format_quantity(-(-amount_milli // step) * step, unit, decimal_mark())


def points_text(points: Points) -> str:
    """Return the terms of a dish's points and their sum: `86 points = 60 people + 30 expiry + 0 only dish - 4 work`."""
    return _(
        "{total} points = {people} people fed {expiry:+d} food that expires {only:+d} only dish {work:+d} work"
    ).format(
        total=points.total,
        people=points.people,
        expiry=points.expiry,
        only=points.only_dish,
        work=points.minutes,
    )


def uses_first(found: Why, snapshot: Snapshot) -> str:
    """Return the food that expires first among what a dish takes: `Tomatoes 2 kg by 2026-11-27 (T-1107)`."""
    urgent = [use for use in found.uses if use.last_day < LATER_DAY][:USES_SHOWN_MAX]
    return ", ".join(_use(use, snapshot) for use in urgent)


def why_lines(found: Why, snapshot: Snapshot) -> list[str]:
    """Return why a dish is there, one sentence a line."""
    lines = [
        ngettext("{title}: feeds {count} person.", "{title}: feeds {count} people.", found.people).format(
            title=found.title, count=found.people
        ),
        points_text(found.points),
    ]
    urgent = uses_first(found, snapshot)
    if urgent:
        lines.append(_("uses first: {what}").format(what=urgent))
    if found.only_for:
        lines.append(
            ngettext(
                "{count} person has no other dish tonight.",
                "{count} people have no other dish tonight.",
                found.only_for,
            ).format(count=found.only_for)
        )
    return lines


def why_not_line(found: WhyNot) -> str:
    """Return in one sentence why a recipe is not in the plan."""
    return _REASONS[found.reason](found)


def why_not_lines(found: WhyNot) -> list[str]:
    """Return why a recipe is not in the plan: the sentence, then need, have and missing of each ingredient."""
    lines = [why_not_line(found)]
    if found.reason not in {"planned", "other_meal", "not_quantified"}:
        lines.append(
            _("for {portions} portions (there is enough for {largest}):").format(
                portions=found.portions, largest=found.largest
            )
        )
        lines += [_need(line) for line in found.lines]
    if found.difference is not None and found.instead is not None:
        lines.append(
            _("{instead} is ahead by {points}").format(instead=found.instead, points=points_text(found.difference))
        )
    if found.left_out and found.reason not in {"nobody", "other_meal", "not_quantified"}:
        lines.append(
            ngettext("{count} person here cannot eat it.", "{count} people here cannot eat it.", found.left_out).format(
                count=found.left_out
            )
        )
    return lines


def miss_line(miss: Miss) -> str:
    """Return a nearest miss as a sentence: `Lentil and tomato stew for 40 lacks Olive oil 0.3 l`."""
    lacks = ", ".join(f"{each.name} {amount_text(each.missing_milli, each.unit)}" for each in miss.lacks)
    said = _("{title} for {portions} more lacks {lacks}") if miss.is_more else _("{title} for {portions} lacks {lacks}")
    return said.format(title=miss.title, portions=miss.portions, lacks=lacks)


def day_text(snapshot: Snapshot, last_day: int) -> str:
    """Return the date of a last usable day, or `later`."""
    if last_day >= LATER_DAY:
        return _("later")
    return (date.fromisoformat(snapshot.day) + timedelta(days=last_day)).isoformat()


def _missing(found: WhyNot) -> str:
    title = found.recipe.title
    if found.limiting is None:
        return _("{title}: there is not enough of everything.").format(title=title)
    line = next(line for line in found.lines if line.name == found.limiting)
    return _("{title}: {name} missing: need {need}, free {have}.").format(
        title=title,
        name=line.name,
        need=amount_text(line.need_milli, line.unit),
        have=amount_text(line.have_milli, line.unit),
    )


_REASONS: dict[str, Callable[[WhyNot], str]] = {
    "planned": lambda found: _("{title} is planned.").format(title=found.recipe.title),
    "other_meal": lambda found: _("{title} is for another meal.").format(title=found.recipe.title),
    "not_quantified": lambda found: _("{title} has amounts nobody knows; it can be cooked, not planned.").format(
        title=found.recipe.title
    ),
    "nobody": lambda found: _("{title}: nobody here can eat it.").format(title=found.recipe.title),
    "missing": _missing,
    "minutes": lambda found: _("{title} takes longer than the kitchen has.").format(title=found.recipe.title),
    "outranked": lambda found: _("{title} could be cooked for {largest}; other dishes fit better.").format(
        title=found.recipe.title, largest=found.largest
    ),
}

_BLOCKED: dict[str, Callable[[str], str]] = {
    "past_use_by": lambda amount: _("{amount} past use-by").format(amount=amount),
    "held": lambda amount: _("{amount} on hold").format(amount=amount),
    "recalled": lambda amount: _("{amount} recalled").format(amount=amount),
    "reserved": lambda amount: _("{amount} reserved").format(amount=amount),
    "elsewhere": lambda amount: _("{amount} at other markets").format(amount=amount),
}


def _need(line: LineNeed) -> str:
    text = _("{name}: need {need}, free {have}, missing {missing}").format(
        name=line.name,
        need=amount_text(line.need_milli, line.unit),
        have=amount_text(line.have_milli, line.unit),
        missing=amount_text(line.missing_milli, line.unit),
    )
    blocked = [_BLOCKED[each.reason](amount_text(each.amount_milli, line.unit)) for each in line.blocked]
    return f"{text} ({', '.join(blocked)})" if blocked else text


def _use(use: Used, snapshot: Snapshot) -> str:
    lots = f" ({', '.join(use.lots)})" if use.lots else ""
    return _("{name} {amount} by {day}{lots}").format(
        name=use.name, amount=amount_text(use.amount_milli, use.unit), day=day_text(snapshot, use.last_day), lots=lots
    )
