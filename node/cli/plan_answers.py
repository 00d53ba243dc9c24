"""What `larder plan` prints about a plan: its lines, and its JSON object.

Not the verb. A line about what somebody leaves out says what it covers, and is printed only to whoever just typed it.
"""

from __future__ import annotations

import msgspec

from node.domain.allergens import ALLERGENS
from node.domain.diets import DIET_WORDS, Need
from node.domain.words import UNIT_WORDS
from node.language import _, ngettext
from node.planner.current import LATE_HOURS
from node.planner.drafts import Draft
from node.planner.misses import Miss
from node.planner.score import SCORE_TERMS
from node.planner.view import AcceptedRow, PlanView
from node.planner.words import miss_line


class DishAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A dish of the draft; `portions` is its total, `by_class` by label."""

    day: str
    meal: str
    recipe_id: str
    title: str
    portions: int
    by_class: dict[str, int]
    uses_first: str
    fits: str


class AcceptedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A dish of the accepted plan. `cooked_portions` null: not cooked yet. `is_late`: its day is over."""

    dish_id: str
    recipe_id: str
    title: str
    meal: str
    portions: int
    cooked_portions: int | None
    missing: str
    is_late: bool


class LackAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An ingredient of which there is too little, in thousandths of `unit`."""

    item_id: str
    name: str
    unit: str
    missing_milli: int


class MissAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A recipe that nearly fits. `is_more`: so many portions more of a dish that is planned."""

    recipe_id: str
    title: str
    portions: int
    is_more: bool
    lacks: list[LackAnswer]


class PlanAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder plan --json` prints. `source` is `here` or `central`; empty where nothing was planned."""

    format: str = "larder-plan/1"
    day: str
    people: int
    source: str
    planner: str
    made_by: str
    reason: str
    verdict: str
    score: dict[str, int]
    questions: list[str]
    planner_words: list[str]
    dishes: list[DishAnswer]
    unserved: int
    left_out: int
    snapshot_id: str
    is_accepted: bool
    is_over: bool
    accepted_plan: str | None
    accepted: list[AcceptedAnswer]
    short: list[str]
    misses: list[MissAnswer]
    undeclared: list[str]
    kept_private: int
    planned_nothing: int


class LinesAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the other questions about a plan print with --json: sentences."""

    format: str = "larder-plan-lines/1"
    lines: list[str]


def plan_answer(view: PlanView, needs: list[Need], *, undeclared: list[str]) -> PlanAnswer:
    """Return the plan for JSON: of what people leave out only for how many it is.

    `undeclared` are the items here whose allergens nobody declared, where that leaves dishes out.
    """
    draft = view.draft
    return PlanAnswer(
        day=draft.snapshot.day if draft else "",
        people=draft.snapshot.people if draft else 0,
        source=draft.source if draft else "",
        planner=draft.planner if draft else "",
        made_by=view.source,
        reason=view.source_reason,
        verdict=draft.verdict.word if draft else "",
        score=dict(zip(SCORE_TERMS, draft.verdict.score, strict=False)) if draft else {},
        questions=list(view.questions),
        planner_words=list(view.planner_words),
        dishes=[
            DishAnswer(
                day=row.dish.day,
                meal=row.dish.meal,
                recipe_id=row.dish.recipe_id,
                title=row.title,
                portions=row.portions,
                by_class=row.dish.portions,
                uses_first=row.uses_first,
                fits=row.fits,
            )
            for row in view.rows
        ],
        unserved=view.unserved,
        left_out=view.left_out,
        snapshot_id=draft.plan.snapshot_id if draft and draft.plan else "",
        is_accepted=view.is_accepted,
        is_over=view.is_over,
        accepted_plan=str(view.accepted_plan.plan_id) if view.accepted_plan else None,
        accepted=[
            AcceptedAnswer(
                dish_id=str(row.dish.dish_id),
                recipe_id=row.dish.recipe_id,
                title=row.title,
                meal=row.dish.meal,
                portions=row.dish.portions,
                cooked_portions=row.dish.cooked_portions,
                missing=row.missing,
                is_late=row.is_late,
            )
            for row in view.accepted
        ],
        short=list(view.short),
        misses=[_miss(each) for each in view.misses],
        undeclared=undeclared,
        kept_private=sum(need.people for need in needs),
        planned_nothing=_planned_nothing(needs),
    )


def _miss(miss: Miss) -> MissAnswer:
    lacks = [
        LackAnswer(item_id=each.item_id, name=each.name, unit=UNIT_WORDS[each.unit], missing_milli=each.missing_milli)
        for each in miss.lacks
    ]
    return MissAnswer(
        recipe_id=miss.recipe_id, title=miss.title, portions=miss.portions, is_more=miss.is_more, lacks=lacks
    )


def plan_lines(view: PlanView) -> list[str]:
    """Return what is accepted, then the draft: who made it, its dishes, what to look at."""
    lines = [_accepted_line(row) for row in view.accepted]
    if view.accepted_plan is not None:
        lines.insert(0, _("accepted for {day}:").format(day=view.accepted_plan.day.isoformat()))
    if view.short:
        lines.append(_("SHORT: the accepted plan needs more than is here: {what}").format(what=", ".join(view.short)))
    draft = view.draft
    if draft is None:
        return lines or [_("nothing is planned; make a plan with: larder plan --portions 40")]
    if view.is_accepted:
        return lines
    reason = f"; {view.source_reason}" if view.source_reason else ""
    lines.append(
        _("plan for {day}, {people} portions, {source}{reason}").format(
            day=draft.snapshot.day, people=draft.snapshot.people, source=view.source, reason=reason
        )
    )
    if view.is_over:
        over = _("that day is over; plan again with: larder plan --portions {people}")
        lines.append(over.format(people=draft.snapshot.people))
    lines += [
        _("{portions} {title}; fits {fits}; uses first {uses}").format(
            portions=row.portions, title=row.title, fits=row.fits, uses=row.uses_first or _("nothing that expires soon")
        )
        for row in view.rows
    ]
    if not view.rows:
        lines += _empty_lines(draft)
    lines += [_("nearly: {miss}").format(miss=miss_line(miss)) for miss in view.misses]
    lines += [_("look: {question}").format(question=question) for question in view.questions]
    lines += view.planner_words
    lines.append(
        ngettext(
            "left out: {count} recipe; see larder plan --why-not all",
            "left out: {count} recipes; see larder plan --why-not all",
            view.left_out,
        ).format(count=view.left_out)
    )
    return lines


def _empty_lines(draft: Draft) -> list[str]:
    if not draft.snapshot.stock:
        return [_("no food that a recipe needs is here; receive some with: larder receive ITEM QUANTITY")]
    return [_("no recipe fits what is here; add one with larder recipe add FILE, or see what is missing below")]


def _accepted_line(row: AcceptedRow) -> str:
    if row.dish.cooked_portions is not None:
        return _("cooked {portions} {title}").format(portions=row.dish.cooked_portions, title=row.title)
    if row.is_late:
        late = _("to record by {hour}:00 if it was cooked: {portions} {title}, planned for {day}")
        return late.format(hour=LATE_HOURS, portions=row.dish.portions, title=row.title, day=row.dish.day.isoformat())
    missing = _("; SHORT {what}").format(what=row.missing) if row.missing else ""
    return _("to cook {portions} {title}{missing}").format(portions=row.dish.portions, title=row.title, missing=missing)


def need_lines(needs: list[Need], *, is_named: bool) -> list[str]:
    """Say what is left out: exactly what it covers where it was just typed, else only for how many people."""
    if is_named:
        return [_unknown_line(need) if need.unknown else _covered_line(need) for need in needs]
    lines = []
    kept = sum(need.people for need in needs)
    if kept:
        text = ngettext(
            "{count} person leaves something out (kept on this computer; erase with --forget)",
            "{count} people leave something out (kept on this computer; erase with --forget)",
            kept,
        )
        lines.append(text.format(count=kept))
    nothing = _planned_nothing(needs)
    if nothing:
        text = ngettext(
            "{count} person of these is planned nothing: nothing here can tell which food that is",
            "{count} people of these are planned nothing: nothing here can tell which food that is",
            nothing,
        )
        lines.append(text.format(count=nothing))
    return lines


def _planned_nothing(needs: list[Need]) -> int:
    return sum(need.people for need in needs if need.unknown)


def _covered_line(need: Need) -> str:
    covered = "; ".join(_covered(token) for token in need.avoid)
    text = ngettext("for {count} person: {covered}", "for {count} people: {covered}", need.people)
    return text.format(count=need.people, covered=covered)


def _unknown_line(need: Need) -> str:
    text = ngettext(
        "nothing here can tell which food holds {words}: this person is planned nothing; known words are {known},"
        " and any word of a food's name",
        "nothing here can tell which food holds {words}: these {count} people are planned nothing; known words are"
        " {known}, and any word of a food's name",
        need.people,
    )
    words = ", ".join(f"'{word}'" for word in need.unknown)
    return text.format(words=words, count=need.people, known=", ".join((*ALLERGENS, *DIET_WORDS)))


def _covered(token: str) -> str:
    kind, _mark, word = token.partition(":")
    if kind == "allergen":
        return _("no food that declares {word}, and none that declares nothing").format(word=word)
    if kind == "word":
        return _("no food with '{word}' in its name; what else may hold it is not known here").format(word=word)
    return {
        "vegan": _("only plants of the starter catalogue; bread and other mixed foods count as not vegan"),
        "vegetarian": _("no meat and no fish; cheese counts as vegetarian whatever its rennet; mixed foods do not"),
        "no-meat": _("no meat; mixed foods are left out"),
        "no-pork": _("no pork; mixed foods are left out; how an animal was killed is not known here"),
        "no-alcohol": _("only foods of the starter catalogue, none of which is made with alcohol"),
    }[word]
