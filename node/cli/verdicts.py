"""`larder plan --verdicts`: what became of the central planner's proposals, code by code, with the lots they named."""

from __future__ import annotations

import msgspec

from node.cli.desk import Desk, reading
from node.cli.output import answer
from node.cli.sentences import name_text
from node.language import N_, _
from node.ledger.names import node_id
from node.ledger.read.members import members
from node.planner.verdicts import stored_verdicts

WORDS = {"ok": N_("fits"), "ask": N_("fits, a person decides"), "reject": N_("REFUSED")}


class VerdictAnswer(msgspec.Struct, frozen=True):
    """One proposal and its end. `sentences` are there for this market's own, as long as the draft is kept."""

    market: str
    planner: str
    verdict: str
    codes: list[str]
    sentences: list[str]


class VerdictsAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder plan --verdicts --json` prints, the newest first."""

    format: str = "larder-verdicts/1"
    verdicts: list[VerdictAnswer]


def tell_verdicts(desk: Desk) -> None:
    """Print the stored verdicts."""
    with reading(desk) as connection:
        names = {member.origin: name_text(member.name) for member in members(connection)}
        found = stored_verdicts(connection)
    values = [
        VerdictAnswer(
            names.get(each.origin) or node_id(each.origin),
            each.planner,
            each.word,
            each.codes.split(),
            list(each.sentences),
        )
        for each in found
    ]
    lines = [_line(value) for value in values]
    answer(desk, VerdictsAnswer(verdicts=values), lines or [_("no plan of a central planner was judged yet")])


def _line(value: VerdictAnswer) -> str:
    parts = [", ".join(value.codes), *value.sentences]
    return _("{word} {planner} at {market}: {what}").format(
        word=_(WORDS[value.verdict]) if value.verdict in WORDS else value.verdict,
        planner=value.planner,
        market=value.market,
        what=" ".join(part for part in parts if part) or "-",
    )
