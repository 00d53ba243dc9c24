"""The program `larder`: options before the verb, the list of verbs, and the one boundary that says what went wrong.

Not a verb. A verb's file is imported only when that verb runs, so that a plain one starts fast and loads neither the
screen nor the network. Exit codes: 0 done, 1 refused, 2 usage, 3 could not save now (try again), 130 interrupted.
"""

from __future__ import annotations

import math
import os
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import click
import msgspec

from node import VERSION
from node.cli.desk import Desk
from node.cli.output import (
    EXIT_DONE,
    EXIT_INTERRUPTED,
    EXIT_USAGE,
    tell_fault,
    tell_usage_in_json,
)
from node.errors import N_, LarderError, LocalFault
from node.language import _
from node.places import places_from_environment

LOCK_WAIT_S_DEFAULT = 30.0
LOCK_WAIT_S_MAX = 3600.0
PROGRAM = "larder"

VERBS = {
    "init": N_("Make a market in the data folder."),
    "status": N_("The market on one page, what needs a person first."),
    "stock": N_("What is on hand, and what is low or expires."),
    "items": N_("Find items, starter foods included."),
    "item": N_("Rename an item, declare its allergens, see what needs a person."),
    "lots": N_("The lots of an item, first expired first."),
    "hold": N_("Lots on hold: which, why, and lifting a hold."),
    "receive": N_("Take a delivery line in."),
    "sell": N_("Sell an item, first expired first."),
    "issue": N_("Give an item out to the kitchen."),
    "discard": N_("Throw away a lot or a part of it."),
    "count": N_("Say what was counted of a lot."),
    "plan": N_("What to cook from what is here, why, and why not."),
    "recipe": N_("List, show and add recipes."),
    "transfer": N_("Hand goods over to another market, step by step."),
    "undo": N_("Take back the last action."),
    "history": N_("The last movements."),
    "par": N_("Set up to how much an item is refilled."),
    "cold": N_("Every fridge and freezer, worst first."),
    "sensors": N_("Every sensor and its port; calibrate one."),
    "readings": N_("What the sensors said, as a list or as a file."),
    "ports": N_("The serial ports, and what speaks there."),
    "shelf": N_("Shelves on scales: what was taken or put, to confirm."),
    "pair": N_("Let another market in by cards; list, retire or forget one."),
    "peers": N_("Every other market: heard when, behind by how much."),
    "sync": N_("Ask larder-node to exchange facts now."),
    "log": N_("The last facts of all markets."),
    "forks": N_("Facts not counted, since a log was written twice; settle our own."),
    "verify": N_("Check the whole log."),
    "rebuild": N_("Make every table again from the log."),
    "tui": N_("Open the terminal screen."),
}
"""Every verb with its one line for the help, in the order in which the help lists them."""


class Larder(click.Group):
    """The verbs, each imported on use; and the boundary that turns faults into words and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        return load(cmd_name) if cmd_name in VERBS else None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        with formatter.section(_("Verbs")):
            formatter.write_dl([(verb, _(line)) for verb, line in VERBS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Whoever read the output has gone, which says nothing about what was done. Nothing more is printed.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return EXIT_DONE

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        arguments = list(sys.argv[1:] if args is None else args)
        extra["standalone_mode"] = False
        # Known before anything is parsed, so that a usage error follows it, too.
        is_json = "--json" in arguments
        try:
            code = super().main(arguments, prog_name or PROGRAM, **extra)
        except click.UsageError as error:
            _tell_usage(error, is_json=is_json)
            sys.exit(EXIT_USAGE)
        except click.Abort:
            sys.exit(EXIT_INTERRUPTED)
        except LarderError as error:
            sys.exit(tell_fault(error, is_json=is_json))
        except OSError as error:
            sys.exit(tell_fault(_system_fault(error), is_json=is_json))
        except (sqlite3.Error, UnicodeDecodeError, msgspec.MsgspecError) as error:
            # Damage in a row or in the name of a table; Python cannot always decode the sentence that says so.
            sys.exit(tell_fault(_database_fault(error), is_json=is_json))
        sys.exit(code if isinstance(code, int) else EXIT_DONE)


def _read_wait_s(_context: click.Context, _parameter: click.Parameter, value: float) -> float:
    """Refuse what is no number: no wait is ever longer than that, so nothing would end it."""
    if math.isnan(value):
        raise click.BadParameter(_("this is not a number of seconds"))
    return value


@click.group(
    cls=Larder,
    help=_("Larder runs one neighbourhood market. Each verb prints its answer once, as plain lines, and ends."),
    epilog=_("Exit codes: 0 done, 1 refused, 2 usage, 3 could not save now (try again)."),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--data",
    metavar="DIR",
    envvar="LARDER_DATA",
    show_envvar=True,
    type=click.Path(file_okay=False, path_type=Path),
    help=_("The market's data folder; /var/lib/larder where nothing is said."),
)
@click.option("--who", metavar="NAME", envvar="LARDER_WHO", show_envvar=True, help=_("Who is at work."))
@click.option(
    "--wait",
    "wait_s",
    metavar="SECONDS",
    type=click.FloatRange(0, LOCK_WAIT_S_MAX),
    default=LOCK_WAIT_S_DEFAULT,
    show_default=True,
    callback=_read_wait_s,
    help=_("How long to wait while another program writes."),
)
@click.version_option(VERSION, prog_name=PROGRAM, message="%(prog)s %(version)s")
@click.pass_context
def larder(context: click.Context, data: Path | None, who: str | None, wait_s: float) -> None:
    """Keep what the options before the verb said."""
    context.obj = Desk(places_from_environment(data), who, wait_s)


def load(verb: str) -> click.Command:
    """Import the file of one verb of VERBS and return its command, `VERB_verb`. Raises KeyError for any other word."""
    room: ModuleType
    match verb:
        case "init" | "verify" | "rebuild":
            from node.cli import keeping as room
        case "stock" | "items" | "lots" | "par":
            from node.cli import stock as room
        case "item":
            from node.cli import items as room
        case "hold":
            from node.cli import holding as room
        case "sell" | "issue":
            from node.cli import selling as room
        case "undo" | "history":
            from node.cli import undoing as room
        case "peers" | "sync":
            from node.cli import peers as room
        case "status":
            from node.cli import status as room
        case "receive":
            from node.cli import receiving as room
        case "discard":
            from node.cli import discarding as room
        case "count":
            from node.cli import counting as room
        case "plan":
            from node.cli import planning as room
        case "recipe":
            from node.cli import recipes as room
        case "transfer":
            from node.cli import transfers as room
        case "ports":
            from node.cli import ports as room
        case "cold":
            from node.cli import cold as room
        case "sensors":
            from node.cli import sensors as room
        case "readings":
            from node.cli import readings as room
        case "shelf":
            from node.cli import shelf as room
        case "pair":
            from node.cli import pairing as room
        case "forks":
            from node.cli import forks as room
        case "log":
            from node.cli import log as room
        case "tui":
            from node.cli import screen as room
        case _:
            raise KeyError(verb)
    command: click.Command = getattr(room, f"{verb}_verb")
    return command


def main() -> NoReturn:
    """Run `larder` with the arguments of this process."""
    _open_closed_streams()
    for stream in (sys.stdout, sys.stderr):
        # Where the locale's encoding lacks a character, a question mark stands for it.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    larder.main()


def _open_closed_streams() -> None:
    """Point streams that the caller closed (`>&-`) at nothing, or a file opened next would take their number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - open to the end


def _tell_usage(error: click.UsageError, *, is_json: bool) -> None:
    if not is_json:
        error.show()
        return
    tell_usage_in_json(error.format_message(), error.ctx.command_path if error.ctx else PROGRAM)


def _system_fault(error: OSError) -> LocalFault:
    return LocalFault(
        "system.refused",
        N_("This computer did not allow it: {reason} ({path})."),
        N_("Check the disk, and that you belong to the group of this market."),
        reason=error.strerror or str(error),
        path=error.filename or "?",
    )


def _database_fault(error: Exception) -> LocalFault:
    return LocalFault(
        "market.unexpected",
        N_("The market's database did not answer as it should ({reason})."),
        N_("Run larder verify; if it says ok, tell who looks after this market what you did."),
        reason=str(error),
    )


if __name__ == "__main__":
    main()
