"""How shelves on scales and their steps read, on the screen and in the verb: pure text from values."""

from __future__ import annotations

from collections.abc import Mapping

from node.actions.shelves_decided import Confirmed
from node.actions.shelves_kept import CONFIRMED, DISMISSED, EXPIRED, KeptStep, Suspicion
from node.cold.shelf_now import GOOD, ShelfNow
from node.domain.shelf import NOTHING, Candidate, count_by_weight
from node.domain.shelf_steps import ALIKE, GAP, HALF_GONE, MOVING, NEGATIVE, QUIET, SATURATED, UNLIKELY, UNSTABLE
from node.language import N_, _, decimal_mark, ngettext
from node.text import local_time_text, safe_text
from node.tui.text import age_text

NAME_CELLS = 30
HOUR_MS = 3_600_000
PHASE_WORDS = {QUIET: N_("quiet"), MOVING: N_("moving")}
REASON_WORDS = {
    SATURATED: N_("the scale was at its end"),
    UNSTABLE: N_("the scale found no rest"),
    GAP: N_("nobody weighed meanwhile"),
    NEGATIVE: N_("less than nothing lies there"),
    HALF_GONE: N_("more than half went at once"),
    ALIKE: N_("two items weigh alike"),
    UNLIKELY: N_("no number of units fits well"),
}
STATE_WORDS = {CONFIRMED: N_("confirmed"), DISMISSED: N_("dismissed"), EXPIRED: N_("expired")}
QUESTION = N_("QUESTION")


def kg_text(weight_mg: int, *, with_sign: bool = False) -> str:
    """Show a weight in kg to the gram."""
    grams = (abs(weight_mg) + 500) // 1000
    sign = "" if grams == 0 else "-" if weight_mg < 0 else "+" if with_sign else ""
    return f"{sign}{grams // 1000}{decimal_mark()}{grams % 1000:03d} kg"


def moved_text(units: int, name: str) -> str:
    """Say what a number of units means: `taken 2 Milk 1 L`."""
    said = _("taken {count} {item}") if units < 0 else _("put {count} {item}")
    return said.format(count=abs(units), item=safe_text(name, NAME_CELLS))


def step_text(step: KeptStep, names: Mapping[str, str]) -> str:
    """Say what a step proposes, asks or was decided to be."""
    if step.state == CONFIRMED and step.item_id is not None and step.units is not None:
        return moved_text(step.units, names.get(step.item_id, step.item_id))
    first = step.candidates[0]
    if not step.reason and first.item_id != NOTHING:
        return moved_text(first.units, names.get(first.item_id, first.item_id))
    return _(REASON_WORDS.get(step.reason, UNLIKELY))


def candidates_text(candidates: tuple[Candidate, ...], names: Mapping[str, str]) -> str:
    """List what may have happened with the probability of each, the likeliest first."""
    parts: list[str] = []
    for candidate in candidates:
        if candidate.probability_milli < 1 and parts:
            continue
        what = moved_text(candidate.units, names.get(candidate.item_id, candidate.item_id))
        what = what if candidate.item_id != NOTHING else _("nothing")
        parts.append(f"{what} {probability_text(candidate.probability_milli)}")
    return ", ".join(parts)


def probability_text(probability_milli: int) -> str:
    """Show a probability in per cent; never as certain."""
    return f"{min(probability_milli, 999) // 10}{decimal_mark()}{min(probability_milli, 999) % 10} %"


def time_text(at_ms: int | None) -> str:
    """Show the local time of day at which a step settled."""
    return "--:--" if at_ms is None else local_time_text(at_ms, "%H:%M")


def shelf_word(now: ShelfNow) -> str:
    """Return the word that matters most about a shelf's scale."""
    return _(PHASE_WORDS[now.word]) if now.word in PHASE_WORDS else now.word


def count_text(now: ShelfNow, wall_ms: int) -> str:
    """Say how many units lie there by weight alone, with its interval; a cross-check, never a count."""
    if now.problem:
        return _("not read: {reason}").format(reason=safe_text(now.problem.rstrip("."), 80))
    if now.fresh.age_s is None:
        return _("no weight yet")
    if now.fresh.quality != GOOD:
        why = f" ({safe_text(now.fresh.reason, 20)})" if now.fresh.reason else ""
        return _("no weight now, last heard {age} ago{why}").format(age=age_text(now.fresh.age_s), why=why)
    if now.weight_mg is None:
        return _("no weight yet")
    since_h = None if now.tared_ms is None else (wall_ms - now.tared_ms) / HOUR_MS
    found = count_by_weight(now.weight_mg, now.shelf.items, now.noise_mg, since_h)
    weight = kg_text(now.weight_mg)
    if found is None:
        return weight
    return _("{weight}, by weight {count} +- {apart}").format(weight=weight, count=found.units, apart=found.plus_minus)


def waiting_text(count: int) -> str:
    """Say how many steps wait for a person."""
    return ngettext(
        "{count} step of a shelf waits to be confirmed", "{count} steps of shelves wait to be confirmed", count
    ).format(count=count)


def suspicion_text(found: Suspicion, names: Mapping[str, str]) -> str:
    """Say that an item should be counted, since steps of its shelf were never decided."""
    steps = ngettext("{count} step not confirmed", "{count} steps not confirmed", found.steps).format(count=found.steps)
    return _("{item}: {steps}, {what}; count it").format(
        item=safe_text(names.get(found.item_id, found.item_id), NAME_CELLS),
        steps=steps,
        what=_("units {count}").format(count=f"{found.units:+d}"),
    )


def confirmed_text(done: Confirmed, names: Mapping[str, str]) -> str:
    """Say what a confirmation booked."""
    what = moved_text(done.units, names.get(done.item_id, done.item_id))
    if done.units < 0:
        return _("{what}: booked as sold").format(what=what)
    if done.back_milli:
        return _("{what}: came back into stock").format(what=what)
    return _("{what}: a refill, nothing booked").format(what=what)
