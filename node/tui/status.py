"""The second row of every screen, as words: the cold first, then sensors, peers, planner, node, what is being saved.

Pure text from values. Owns principle P10 in words: `saved` is only said of a commit that has happened, and `seen by`
only of what a peer's own word covers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from node.clock import ClockQuality, Moment
from node.cold.watch import ColdUnit, ColdView
from node.health import Heartbeat
from node.language import _, error_text
from node.ledger.read.peers import SeenBy
from node.text import safe_text
from node.tui.sharing import ALONE, Sharing
from node.tui.text import age_text, both_ends, cells, temperature_text, time_of_day
from node.tui.writer import SAY_HOLDER_S, SAY_NOT_SAVED_S, SAY_OTHER_S, SAY_SLOW_S, Backlog

_NAME_CELLS = (16, 10, 6)
# `seen by` leaves the row after what is well: it is about one act, and Peers says it in full.
_SEEN_GOES = 5
WELL = frozenset({"OK", "NO LIMIT"})  # the words of a unit that needs nobody


@dataclass(frozen=True, slots=True)
class Status:
    """What the status bar is made of. `acts` counts what this screen had saved when it was read."""

    market: str
    cold: ColdView
    node: Heartbeat
    read_at_ms: int  # CLOCK_BOOTTIME
    sharing: Sharing = ALONE
    acts: int = 0

    def later_s(self, moment: Moment) -> float:
        """Return the seconds since this was read, by which every age in it has grown."""
        return max(0, moment.boottime_ms - self.read_at_ms) / 1000


class Saving(NamedTuple):
    """Whether everything entered is saved, and who else has it: `saved 19:07:12` and `, seen by 1 of 1`."""

    words: str
    seen: str = ""


class _Part(NamedTuple):
    """One piece of the row. Where it is too narrow the piece with the highest `goes` leaves first; 0 stays."""

    text: str
    goes: int


def title_row(screen_title: str, market: str, moment: Moment, width: int) -> str:
    """Return row 1: what this is, the market, the time of day."""
    clock = (
        _("clock not set") if moment.quality is ClockQuality.NOT_SET else time_of_day(moment.wall_ms, moment.quality)
    )
    return both_ends(f" LARDER {screen_title}", f"{safe_text(market, 30)}  {clock}", width)


def status_row(status: Status, saving: Saving, moment: Moment, width: int) -> str:
    """Return row 2, which is never cut: the name gives way first, then what is well or is said elsewhere too."""
    later_s = status.later_s(moment)
    parts = [*_parts(status, moment), _Part(saving.words, 0), _Part(saving.seen, _SEEN_GOES)]
    while True:
        for name_cells in _NAME_CELLS:
            row = _joined(_cold_part(status.cold, name_cells, later_s), parts)
            if cells(row) <= width:
                return row
        goes = max(part.goes for part in parts if part.text)
        if goes == 0:
            return safe_text(row, width)
        parts = [part for part in parts if part.goes != goes]


def _joined(cold: str, parts: list[_Part]) -> str:
    # What is said of the last act hangs on the word that it is saved.
    return " " + " | ".join(text for text in (cold, *(part.text for part in parts)) if text).replace(" | ,", ",")


def _parts(status: Status, moment: Moment) -> list[_Part]:
    """Return what is between the cold and the saving, in the order of the row."""
    later_s = status.later_s(moment)
    sharing = status.sharing
    ages = [unit.age_s for unit in status.cold.units if unit.age_s is not None]
    here = sharing.here(later_s)
    node_is_here = status.node.state == "here"
    node_age = f" {age_text(status.node.age_s, later_s)}" if status.node.age_s is not None else ""
    return [
        _Part(_("Sensors {age}").format(age=age_text(min(ages), later_s)) if ages else "", 4),
        _Part(_("clock not set") if moment.quality is ClockQuality.NOT_SET else "", 2),
        _Part("" if node_is_here else _("Node away{age}").format(age=node_age), 1),
        _Part(
            _("Peers {here}/{all}").format(here=here, all=len(sharing.peers)) if sharing.peers else "",
            3 if here < len(sharing.peers) else 6,
        ),
        _Part(_("Planner away") if sharing.planner.state == "failing" else "", 2),
        _Part(_("Outbox {count}").format(count=sharing.outbox) if sharing.outbox else "", 3),
        _Part(_("Node here") if node_is_here else "", 7),
    ]


def _cold_part(cold: ColdView, name_cells: int, later_s: float) -> str:
    if cold.problem is not None:
        return _("COLD MISSING {reason}").format(reason=safe_text(cold.problem, 2 * name_cells))
    if not cold.units:
        return _("COLD MISSING, no sensor yet")
    worst = cold.units[0]
    word = worst.word
    if word in WELL:
        return _("COLD {word}").format(word=word)
    others = sum(1 for unit in cold.units if unit.word not in WELL) - 1
    more = f" +{others}" if others > 0 else ""
    return f"{_('COLD')} {word} {safe_text(worst.name, name_cells)} {reading_text(worst, later_s)}{more}"


def reading_text(unit: ColdUnit, later_s: float) -> str:
    """Say the last value of a unit, with its age and its quality where it is not good: `7.9C`, `7.9C STALE 6 min`."""
    if unit.quality == "GOOD":
        return temperature_text(unit.now_milli_c)
    age = age_text(unit.age_s, later_s)
    return age if unit.word == unit.quality else f"{temperature_text(unit.now_milli_c)} {unit.quality} {age}"


def saving_words(backlog: Backlog, saved_at: Moment | None, seen: SeenBy | None) -> Saving:
    """Say in a few words whether everything entered is saved, and how many others have it; `seen` None: not known."""
    if backlog.count == 0:
        if saved_at is None:
            return Saving("")
        words = _("saved")
        if saved_at.quality is not ClockQuality.NOT_SET:
            words = _("saved {time}").format(time=time_of_day(saved_at.wall_ms, saved_at.quality, seconds=True))
        return Saving(words, _seen_words(seen))
    if backlog.oldest_s >= SAY_NOT_SAVED_S or backlog.fault is not None:
        return Saving(_("NOT SAVED: {count}").format(count=backlog.count))
    return Saving(_("saving...") if backlog.oldest_s >= SAY_SLOW_S else _("saving"))


def _seen_words(seen: SeenBy | None) -> str:
    if seen is None or seen.of == 0 or seen.is_pending:
        return ""
    return _(", seen by {have} of {all}").format(have=seen.have, all=seen.of)


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
