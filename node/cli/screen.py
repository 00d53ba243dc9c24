"""`larder tui`: hand over to the terminal screen. The only file of the verbs that loads it."""

from __future__ import annotations

import sys

import click

from node.cli.desk import Desk, reading, writing
from node.errors import N_, Refused
from node.language import _
from node.ledger.read import people


@click.command("tui", help=_("Open the terminal screen."))
@click.pass_obj
@click.pass_context
def tui_verb(context: click.Context, desk: Desk) -> None:
    """Open the screen and end with its exit code."""
    # The screen is drawn on stderr: where that goes elsewhere, keys would be taken blindly.
    if not (sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()):
        raise Refused(
            "screen.no_terminal",
            N_("The screen needs a terminal, and this is none."),
            N_("Use the plain text of the same facts: larder status, larder stock, larder cold."),
        )
    from node.tui.app import run

    context.exit(run(desk.places, who=_person_at_work(desk)))


def _person_at_work(desk: Desk) -> int:
    """Return the number of whoever is at work; the lock is waited for only where they are new here."""
    if not desk.who:
        return 0
    with reading(desk) as connection:
        known = [person.number for person in people(connection) if person.name == desk.who.strip()]
    if known:
        return known[0]
    with writing(desk) as market:
        return market.act("person", lambda _tx, who: who)
