"""`larder tui`: hand over to the terminal screen. The only file of the verbs that loads it."""

from __future__ import annotations

import sys

import click

from node.cli.desk import Desk
from node.errors import N_, Refused
from node.language import _


@click.command("tui", help=_("Open the terminal screen."))
@click.pass_obj
@click.pass_context
def tui_verb(context: click.Context, desk: Desk) -> None:
    """Open the screen and end with its exit code."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Refused(
            "screen.no_terminal",
            N_("The screen needs a terminal, and this is none."),
            N_("Use the plain text of the same facts: larder status, larder stock, larder cold."),
        )
    from node.tui.app import run

    context.exit(run(desk.places))
