"""What Plan says, as rows and plain lines. Pure text from values; the widgets are in `plan.py`."""

from __future__ import annotations

from node.clock import Moment
from node.errors import N_
from node.language import _, ngettext
from node.planner.current import LATE_HOURS
from node.planner.drafts import CENTRAL, Draft
from node.text import safe_text
from node.tui.plan_queries import PlanPage
from node.tui.text import time_of_day
from node.tui.widgets.marked_table import Row

DISH_CELLS = 40
LINE_CELLS = 300
LEFT_OUT_LINES, LEFT_OUT_LINES_WIDE = 1, 12
PLANNER_CELLS = 40
# In the order of the score (node.planner.score.SCORE_TERMS): in what a plan is ahead of another.
_AHEAD = (
    N_("shares out more fairly"),
    N_("leaves {theirs} portions unserved (this one {ours})"),
    N_("lets {theirs} g expire unused (this one {ours} g)"),
    N_("leaves less of what expires soon"),
    N_("takes {theirs} dishes (this one {ours})"),
    N_("takes {theirs} min of work (this one {ours})"),
)


def dish_rows(page: PlanPage) -> list[Row]:
    """Return one row a dish: portions, what goes first, for whom it fits, what is missing or that it was cooked."""
    accepted = {row.dish.recipe_id: row for row in page.view.accepted} if page.view.is_accepted else {}
    rows = []
    for place, row in enumerate(page.view.rows):
        state = row.missing or "-"
        done = accepted.get(row.dish.recipe_id)
        if done is not None and done.dish.cooked_portions is not None:
            state = _("cooked {count}").format(count=done.dish.cooked_portions)
        elif done is not None and done.missing:
            state = done.missing
        rows.append(Row(str(place), (row.title, str(row.portions), row.uses_first or "-", row.fits, state)))
    return rows


def source_lines(page: PlanPage, moment: Moment) -> list[str]:
    """Return who made the plan and why, what else is offered, and whether it is accepted."""
    view = page.view
    if view.draft is None:
        return [_accepted_line(page)] if view.accepted_plan is not None else []
    maker = view.source
    if view.draft.source != CENTRAL:
        maker = _("THIS NODE at {time}").format(time=time_of_day(view.draft.made_ms, moment.quality))
    line = _("made by: {maker}, for {day}").format(maker=maker, day=view.draft.snapshot.day)
    if view.source_reason and page.other is None:
        line += f" ({safe_text(view.source_reason, LINE_CELLS)})"
    lines = [line]
    if view.accepted_plan is not None:
        lines.append(_accepted_line(page))
    if page.other is not None:
        lines.append(_other_line(view.draft, page.other))
    return lines


def people_line(page: PlanPage) -> str:
    """Return for how many it is planned, and for how many people something was left out; never what."""
    if page.kept_fault:
        return _("! No needs are known here: {fault}").format(fault=safe_text(page.kept_fault, LINE_CELLS))
    draft = page.view.draft
    parts = []
    if draft is not None:
        served = draft.snapshot.people - page.view.unserved
        parts.append(_("Feeds {served} of {people}").format(served=served, people=draft.snapshot.people))
    if page.kept:
        parts.append(
            ngettext(
                "{count} person leaves something out; what, stays on this node",
                "{count} people leave something out; what, stays on this node",
                page.kept,
            ).format(count=page.kept)
        )
    else:
        parts.append(_("nobody leaves anything out"))
    return "   ".join(parts)


def detail_lines(page: PlanPage, place: int | None, *, left_out_max: int) -> list[str]:
    """Return why the selected dish, what to look at, what a planner says of itself, and some of what was left out."""
    view = page.view
    if view.draft is None:
        return [_("Nothing is planned. e portions: type for how many people, then Enter.")]
    lines = []
    if not view.rows:
        lines.append(_empty_line(view.draft))
    elif place is not None and place < len(page.why):
        first, *more = page.why[place]
        lines += [_("WHY {sentence}").format(sentence=first), *(f"  {line}" for line in more)]
    if view.short:
        lines.append(_("! SHORT: the accepted plan needs more than is here: {what}").format(what=", ".join(view.short)))
    questions = [*view.questions, page.undeclared] if page.undeclared and not view.is_accepted else view.questions
    lines += [_("LOOK {question}").format(question=question) for question in questions]
    lines += view.planner_words
    if page.left_out:
        count = ngettext("LEFT OUT {count} recipe", "LEFT OUT {count} recipes", len(page.left_out))
        lines.append(_("{count}   [w] why, for every one").format(count=count.format(count=len(page.left_out))))
        lines += [f"  {line}" for line in page.left_out[:left_out_max]]
    return lines


def why_page(page: PlanPage) -> list[str]:
    """Return every reason: each dish of the plan, then each recipe that is not in it."""
    lines = [_("IN THE PLAN")]
    for sentences in page.why:
        lines += [f"  {sentences[0]}", *(f"    {line}" for line in sentences[1:])]
    if not page.why:
        lines.append(f"  {_('nothing')}")
    lines += ["", _("LEFT OUT"), *(f"  {line}" for line in page.left_out)]
    return lines


def _empty_line(draft: Draft) -> str:
    if not draft.snapshot.stock:
        return _("No food that a recipe needs is here; receive some with F2.")
    return _("No recipe fits what is here; w says what each one misses.")


def _accepted_line(page: PlanPage) -> str:
    plan = page.view.accepted_plan
    assert plan is not None
    if any(row.is_late and row.dish.plan_id == plan.plan_id for row in page.view.accepted):
        late = _("{day} is over; until {hour}:00 i records what was cooked then.")
        return late.format(day=plan.day.isoformat(), hour=LATE_HOURS)
    if page.view.is_accepted:
        return _("ACCEPTED for {day}: its food is reserved. x withdraws it.").format(day=plan.day.isoformat())
    dishes = ", ".join(f"{row.dish.portions} {safe_text(row.title, DISH_CELLS)}" for row in page.view.accepted)
    return _("Accepted already for {day}: {dishes}. x withdraws it.").format(day=plan.day.isoformat(), dishes=dishes)


def _other_line(shown: Draft, other: Draft) -> str:
    if other.source != CENTRAL:
        return _("This is the central planner's plan. p shows the one made here.")
    return _("The central planner {planner} offers another that {why}. p shows it.").format(
        planner=safe_text(other.planner, PLANNER_CELLS), why=_better(shown, other)
    )


def _better(shown: Draft, other: Draft) -> str:
    """Say in what another plan is ahead: the first term of the score that differs, as the validator counted it."""
    pairs = zip(_AHEAD, other.verdict.score, shown.verdict.score, strict=False)
    for words, theirs, ours in pairs:
        if theirs != ours:
            return _(words).format(theirs=theirs, ours=ours)
    return _("is as good")
