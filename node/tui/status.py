"""The second row of every screen, as words: the cold first, then sensors, the node, what is being saved, the clock.

Pure text from values. Owns principle P10 in words: `saved` is only said of a commit that has happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from node.clock import ClockQuality, Moment
from node.cold.watch import ColdUnit, ColdView
from node.health import Heartbeat
from node.language import _, error_text
from node.text import safe_text
from node.tui.text import age_text, both_ends, cells, temperature_text, time_of_day
from node.tui.writer import SAY_HOLDER_S, SAY_NOT_SAVED_S, SAY_OTHER_S, SAY_SLOW_S, Backlog

# The worst first. What is not known is worse than what is known to be good, and better than what is known to be bad.
_WORST_FIRST = ("EXCURSION", "HIGH", "LOW", "MISSING", "STALE", "SUSPECT", "NO LIMIT", "OK")
_NAME_CELLS = (16, 10, 6)


@dataclass(frozen=True, slots=True)
class Status:
    """What the status bar is made of."""

    market: str
    cold: ColdView
    node: Heartbeat


def cold_word(unit: ColdUnit) -> str:
    """Return the one word for a unit: its quality where that is not good, else its state."""
    return unit.state if unit.quality == "GOOD" else unit.quality


def worst_first(units: Sequence[ColdUnit]) -> list[ColdUnit]:
    """Sort units by how much they need a person."""
    order = {word: place for place, word in enumerate(_WORST_FIRST)}
    return sorted(units, key=lambda unit: (order.get(cold_word(unit), -1), unit.name))


def title_row(screen_title: str, market: str, moment: Moment, width: int) -> str:
    """Return row 1: what this is, the market, the time of day."""
    clock = (
        _("clock not set") if moment.quality is ClockQuality.NOT_SET else time_of_day(moment.wall_ms, moment.quality)
    )
    return both_ends(f" LARDER {screen_title}", f"{safe_text(market, 30)}  {clock}", width)


def status_row(status: Status, saving: str, moment: Moment, width: int) -> str:
    """Return row 2. It is never cut: names give way first, then what is well."""
    for name_cells in _NAME_CELLS:
        for with_good in (True, False):
            row = " " + " | ".join(_parts(status, saving, moment, name_cells, with_good=with_good))
            if cells(row) <= width:
                return row
    return safe_text(row, width)


def _parts(status: Status, saving: str, moment: Moment, name_cells: int, *, with_good: bool) -> list[str]:
    parts = [_cold_part(status.cold, name_cells)]
    ages = [unit.age_s for unit in status.cold.units if unit.age_s is not None]
    if ages:
        parts.append(_("Sensors {age}").format(age=age_text(min(ages))))
    if status.node.state != "here":
        parts.append(_("Node away {age}").format(age=age_text(status.node.age_s)))
    elif with_good:
        parts.append(_("Node here"))
    if moment.quality is ClockQuality.NOT_SET:
        parts.append(_("clock not set"))
    if saving:
        parts.append(saving)
    return parts


def _cold_part(cold: ColdView, name_cells: int) -> str:
    if cold.problem is not None:
        return _("COLD MISSING {reason}").format(reason=safe_text(cold.problem, 2 * name_cells))
    if not cold.units:
        return _("COLD no sensor yet")
    worst = worst_first(cold.units)[0]
    word = cold_word(worst)
    if word == "OK":
        return _("COLD OK")
    others = sum(1 for unit in cold.units if cold_word(unit) not in {"OK", "NO LIMIT"}) - 1
    more = f" +{others}" if others > 0 else ""
    now = f" {temperature_text(worst.now_milli_c)}" if worst.quality == "GOOD" else f" {age_text(worst.age_s)}"
    return f"{_('COLD')} {word} {safe_text(worst.name, name_cells)}{now}{more}"


def saving_words(backlog: Backlog, saved_at: Moment | None) -> str:
    """Say in a few words whether everything entered is saved."""
    if backlog.count == 0:
        if saved_at is None:
            return ""
        if saved_at.quality is ClockQuality.NOT_SET:
            return _("saved")
        return _("saved {time}").format(time=time_of_day(saved_at.wall_ms, saved_at.quality, seconds=True))
    if backlog.oldest_s >= SAY_NOT_SAVED_S or backlog.fault is not None:
        return _("NOT SAVED: {count}").format(count=backlog.count)
    return _("saving...") if backlog.oldest_s >= SAY_SLOW_S else _("saving")


def saving_sentence(backlog: Backlog) -> str | None:
    """Say what stands in the way of saving, once that is worth a sentence."""
    if backlog.count == 0:
        return None
    if backlog.fault is not None:
        return " ".join(error_text(backlog.fault))
    if backlog.oldest_s >= SAY_OTHER_S:
        return _("Another program is writing{who}. Your entries wait here and are saved after it.").format(
            who=_holder_words(backlog)
        )
    if backlog.oldest_s >= SAY_HOLDER_S and backlog.holder is not None:
        return _("Waiting{who}.").format(who=_holder_words(backlog))
    return None


def _holder_words(backlog: Backlog) -> str:
    if backlog.holder is None:
        return ""
    purpose = safe_text(backlog.holder.purpose, 40)
    return _(" (process {pid}, {purpose})").format(pid=backlog.holder.pid, purpose=purpose)
