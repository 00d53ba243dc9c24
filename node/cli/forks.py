"""`larder forks`: the branches of forked logs that are not counted, and what becomes of our own."""

from __future__ import annotations

import click
import msgspec

from node.cli.desk import Desk, reading, writing
from node.cli.options import as_json
from node.cli.output import answer
from node.cli.sentences import name_text, when_text
from node.errors import N_, Refused
from node.language import _, ngettext
from node.ledger.read.forks import DISMISSED, OPEN, TAKEN, UncountedBranch, uncounted_branches

# So many hex digits of a hash name a branch to a person.
BRANCH_DIGITS = 12
BRANCH_DIGITS_MIN = 4
STATE_WORDS = {
    OPEN: N_("NOT COUNTED"),
    TAKEN: N_("taken over"),
    DISMISSED: N_("dismissed"),
}


class BranchAnswer(msgspec.Struct, frozen=True):
    """One branch that is not counted. `wall_ms` is by its writer's clock, null where that was not set."""

    branch: str
    name: str
    node_id: str
    is_ours: bool
    blocks: int
    facts: int
    wall_ms: int | None
    state: str
    reason: str | None


class ForksAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder forks --json` prints."""

    format: str = "larder-forks/1"
    branches: list[BranchAnswer]


class SettledAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder forks BRANCH --take` or `--dismiss` prints with --json."""

    format: str = "larder-fork-settled/1"
    saved: bool = True
    branch: str
    facts_said_again: int


@click.command("forks", help=_("Show facts that are not counted, since a log was written twice; settle our own."))
@click.argument("branch", required=False)
@click.option("--take", "is_take", is_flag=True, help=_("Say the facts of BRANCH again, so that they count."))
@click.option("--dismiss", "reason", metavar="REASON", help=_("Let the facts of BRANCH go, and say why."))
@as_json
@click.pass_obj
def forks_verb(desk: Desk, branch: str | None, is_take: bool, reason: str | None) -> None:
    """Print what is not counted, or settle one branch of ours."""
    if branch is None:
        if is_take or reason is not None:
            raise click.UsageError(_("say which branch: larder forks shows their names"))
        _list(desk)
    elif is_take == (reason is not None):
        raise click.UsageError(_("say either --take or --dismiss REASON"))
    else:
        _settle(desk, branch, reason)


def fork_line(row: UncountedBranch) -> str:
    """Return one line about a branch: `NOT COUNTED 12 facts of Mill Road since 2026-11-22 19:05, branch 0a1b...`."""
    facts = ngettext("{count} fact", "{count} facts", row.facts).format(count=row.facts)
    line = _("{state} {facts} of {name} since {when}, branch {branch}").format(
        state=_(STATE_WORDS[row.state]),
        facts=facts,
        name=name_text(row.name or row.node_id),
        when=when_text(row.wall_ms, row.clock),
        branch=row.tip.hex()[:BRANCH_DIGITS],
    )
    return _("{line}: {reason}").format(line=line, reason=name_text(row.reason)) if row.reason else line


def _list(desk: Desk) -> None:
    with reading(desk) as connection:
        rows = uncounted_branches(connection)
    lines = [fork_line(row) for row in rows] or [_("No log was written twice.")]
    if any(row.is_ours and row.state == OPEN for row in rows):
        lines.append(_("Count them with: larder forks BRANCH --take; or: larder forks BRANCH --dismiss REASON"))
    answer(desk, ForksAnswer(branches=[_branch_answer(row) for row in rows]), lines)


def _settle(desk: Desk, name: str, reason: str | None) -> None:
    from node.actions.forks import dismiss, take_over

    with writing(desk) as market:
        row = _named(uncounted_branches(market.reader), name)
        said = 0
        if reason is None:
            said = market.act("fork", lambda tx, who: take_over(tx, who=who, tip=row.tip))
            words = ngettext("saved: {count} fact said again", "saved: {count} facts said again", said)
            line = words.format(count=said)
        else:
            market.act("fork", lambda tx, who: dismiss(tx, who=who, tip=row.tip, reason=reason))
            line = _("saved: these facts stay uncounted")
        answer(desk, SettledAnswer(branch=row.tip.hex()[:BRANCH_DIGITS], facts_said_again=said), [line])


def _named(rows: list[UncountedBranch], name: str) -> UncountedBranch:
    wanted = name.strip().lower()
    found = [row for row in rows if len(wanted) >= BRANCH_DIGITS_MIN and row.tip.hex().startswith(wanted)]
    if len(found) != 1:
        raise Refused(
            "fork.unknown",
            N_("No branch of that name waits here."),
            N_("See them with larder forks."),
        )
    return found[0]


def _branch_answer(row: UncountedBranch) -> BranchAnswer:
    return BranchAnswer(
        branch=row.tip.hex()[:BRANCH_DIGITS],
        name=row.name,
        node_id=row.node_id,
        is_ours=row.is_ours,
        blocks=row.blocks,
        facts=row.facts,
        wall_ms=row.wall_ms if row.clock else None,
        state=row.state,
        reason=row.reason,
    )
