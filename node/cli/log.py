"""`larder log`: the last facts of all markets, or of one: goods that moved, and what people decided."""

from __future__ import annotations

import click
import msgspec

from node.cli.decision_words import Recipes, decision_text, decision_word
from node.cli.desk import Desk, reading
from node.cli.options import as_json
from node.cli.output import answer
from node.cli.sentences import name_text, when_text
from node.domain.words import UNIT_WORDS
from node.errors import N_, Refused
from node.language import _
from node.ledger.names import node_id
from node.ledger.read.decisions import Decision, decisions
from node.ledger.read.goods import ROWS_MAX
from node.ledger.read.log import LogFact, log_facts
from node.ledger.read.members import member_named, members
from node.planner.cookbook import all_recipes
from node.tui.sentences import batch_text, quantity_text

LOG_DEFAULT = 50

WORDS = {
    "receive": N_("received"),
    "sell": N_("sold"),
    "issue": N_("issued"),
    "discard": N_("discarded"),
    "adjust": N_("adjusted"),
    "count": N_("counted"),
    "transfer_out": N_("sent to another market"),
    "transfer_in": N_("received from another market"),
    "transfer_back": N_("back from another market"),
    "carried": N_("brought into the group"),
    "moved": N_("moved, in a way of newer software"),
    "transfer offered": N_("offered"),
    "transfer accepted": N_("accepted an offer"),
    "transfer cancelled": N_("took an offer back"),
    "transfer withdrawn": N_("withdrew from an accepted offer"),
    "transfer sent": N_("sent on its way"),
    "transfer confirmed": N_("confirmed an arrival"),
    "transfer refused": N_("refused a hand-over"),
    "transfer returned": N_("took back what was sent"),
    "transfer lost": N_("wrote off what was lost"),
    "transfer step": N_("did a step of a hand-over"),
}


class FactAnswer(msgspec.Struct, frozen=True):
    """One fact of a market. `is_undo`: it takes another movement back.

    `quantity_milli` is signed; null, like `unit`, where none is known here. `detail` is the sentence of a decision and
    `who_name` whose it was, where that is known here; both are empty for goods that moved.
    """

    fact_id: str
    market: str
    node_id: str
    what: str
    is_undo: bool
    item_id: str
    item: str
    quantity_milli: int | None
    unit: str | None
    lot_id: str | None
    wall_ms: int
    clock: str
    detail: str = ""
    who_name: str = ""


class LogAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder log --json` prints, newest first. `is_cut` says that there are more."""

    format: str = "larder-log/1"
    facts: list[FactAnswer]
    is_cut: bool


@click.command("log", help=_("Show the last facts of all markets, newest first."))
@click.option(
    "--limit",
    type=click.IntRange(1, ROWS_MAX),
    default=LOG_DEFAULT,
    show_default=True,
    help=_("How many at most."),
)
@click.option("--market", "market", metavar="NAME", help=_("Of this market alone: its name or its node id."))
@as_json
@click.pass_obj
def log_verb(desk: Desk, limit: int, market: str | None) -> None:
    """Print the last facts."""
    with reading(desk) as connection:
        names = {member.origin: member.name for member in members(connection)}
        origin = None
        if market is not None:
            member = member_named(connection, market)
            if member is None:
                raise Refused(
                    "member.unknown",
                    N_("No market of this group is named {name}."),
                    N_("See: larder peers"),
                    name=name_text(market),
                )
            origin = member.origin
        # One more than is shown, to know whether there are more.
        found = _both(log_facts(connection, origin, limit + 1), decisions(connection, origin, limit + 1))
        recipes = all_recipes(connection)
    shown, is_cut = found[:limit], len(found) > limit
    lines = [_line(fact, names, recipes) for fact in shown] or [_("Nothing has moved yet.")]
    if is_cut:
        lines.append(_("the last {count}; there are more").format(count=len(shown)))
    answer(desk, LogAnswer(facts=[_answer(fact, names, recipes) for fact in shown], is_cut=is_cut), lines)


def _both(moved: list[LogFact], decided: list[Decision]) -> list[LogFact | Decision]:
    """Return goods that moved and what was decided as one list, newest first."""
    # Of one act, what comes after in the log stands above it.
    return sorted([*moved, *decided], key=lambda fact: (-fact.wall_ms, fact.dot.stream, -fact.dot.seq))


def _line(fact: LogFact | Decision, names: dict[bytes, str], recipes: Recipes) -> str:
    if isinstance(fact, LogFact):
        return _fact_line(fact, names)
    line = _("{when} {market}: {what}").format(
        when=when_text(fact.wall_ms, fact.clock), market=_market(fact, names), what=decision_text(fact, recipes)
    )
    return _("{line} ({person})").format(line=line, person=name_text(fact.who_name)) if fact.who_name else line


def _answer(fact: LogFact | Decision, names: dict[bytes, str], recipes: Recipes) -> FactAnswer:
    if isinstance(fact, LogFact):
        return _fact_answer(fact, names)
    return FactAnswer(
        fact_id=str(fact.dot),
        market=_market(fact, names),
        node_id=node_id(fact.origin),
        what=decision_word(fact),
        is_undo=False,
        item_id=fact.item_id,
        item=fact.item_name,
        quantity_milli=None,
        unit=None,
        lot_id=None if fact.lot_id is None else str(fact.lot_id),
        wall_ms=fact.wall_ms,
        clock=fact.clock.name.lower(),
        detail=decision_text(fact, recipes),
        who_name=fact.who_name,
    )


def _fact_line(fact: LogFact, names: dict[bytes, str]) -> str:
    word = _(WORDS[fact.what])
    parts = [
        _("undo: {word}").format(word=word) if fact.is_undo else word,
        name_text(fact.item_name) or _("a lot not known here"),
    ]
    if fact.quantity_milli is not None and fact.unit is not None:
        parts.append(quantity_text(abs(fact.quantity_milli), fact.unit))
    lot = _(", lot {lot}").format(lot=batch_text(fact.batch, fact.lot.seq)) if fact.lot else ""
    return _("{when} {market}: {what}{lot}").format(
        when=when_text(fact.wall_ms, fact.clock), market=_market(fact, names), what=" ".join(parts), lot=lot
    )


def _market(fact: LogFact | Decision, names: dict[bytes, str]) -> str:
    return names.get(fact.origin) or node_id(fact.origin)


def _fact_answer(fact: LogFact, names: dict[bytes, str]) -> FactAnswer:
    return FactAnswer(
        fact_id=str(fact.dot),
        market=_market(fact, names),
        node_id=node_id(fact.origin),
        what=fact.what,
        is_undo=fact.is_undo,
        item_id=fact.item_id,
        item=fact.item_name,
        quantity_milli=fact.quantity_milli,
        unit=None if fact.unit is None else UNIT_WORDS[fact.unit],
        lot_id=None if fact.lot is None else str(fact.lot),
        wall_ms=fact.wall_ms,
        clock=fact.clock.name.lower(),
    )
