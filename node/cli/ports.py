"""`larder ports`: hand over to `larder-bridge ports`. Nothing here looks at a port: only the bridge opens them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from node.cli.desk import Desk
from node.cli.options import as_json
from node.language import _

BRIDGE_MODULE = "firmware_bridge.main"


@click.group("ports", invoke_without_command=True, help=_("List the serial ports; look at one; give one a name."))
@as_json
@click.pass_context
def ports_verb(context: click.Context) -> None:
    """List the ports where no other word follows."""
    if context.invoked_subcommand is None:
        _hand_over(context.obj, [])


@ports_verb.command("probe", help=_("Look at PORT, or at each free port: what speaks there, and write its settings."))
@click.argument("port", required=False)
@click.option("--modbus", is_flag=True, help=_("Also scan for Modbus stations 1 to 16."))
@click.option("--listen", metavar="SECONDS", help=_("How long to wait at each rate for who talks now and then."))
@click.option("--uid", metavar="LABEL", help=_("The label of what is found; chosen where nothing is said."))
@click.option("--profile", metavar="NAME", help=_("The Modbus profile, where several fit or none does."))
@click.option("--yes", is_flag=True, help=_("Write the settings without asking."))
@as_json
@click.pass_obj
def probe_verb(
    desk: Desk, port: str | None, modbus: bool, listen: str | None, uid: str | None, profile: str | None, yes: bool
) -> None:
    """Become `larder-bridge ports probe` with the same words."""
    words = ["probe", *(["--modbus"] if modbus else []), *(["--yes"] if yes else [])]
    words += [f"--listen={listen}"] if listen is not None else []
    words += [f"--profile={profile}"] if profile is not None else []
    words += [f"--uid={uid}"] if uid is not None else []
    _hand_over(desk, words, [port] if port is not None else [])


@ports_verb.command("assign", help=_("Write the udev rule that gives the device on PORT the name /dev/larder/NAME."))
@click.argument("port")
@click.argument("name")
@click.option("--root", metavar="DIR", help=_("Another root folder."))
@as_json
@click.pass_obj
def assign_verb(desk: Desk, port: str, name: str, root: str | None) -> None:
    """Become `larder-bridge ports assign` with the same words."""
    words = ["assign", *([f"--root={root}"] if root is not None else [])]
    _hand_over(desk, words, [port, name])


def _hand_over(desk: Desk, words: list[str], arguments: Sequence[str] = ()) -> NoReturn:
    """Replace this process: the output and the exit code are the bridge's."""
    sys.stdout.flush()
    words = [*words, *(["--json"] if desk.is_json else []), *(["--", *arguments] if arguments else [])]
    os.execv(sys.executable, [sys.executable, "-m", BRIDGE_MODULE, "--data", str(desk.places.root), "ports", *words])
