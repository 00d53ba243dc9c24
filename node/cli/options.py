"""Options that several verbs share: --json, --yes and the id of an action."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from node.cli.desk import Desk
from node.language import _

F = TypeVar("F", bound=Callable[..., Any])

_ACTION_ID_BYTES = 16


def as_json(function: F) -> F:
    """Give a verb the option --json, which is kept on the desk."""
    return click.option(
        "--json",
        is_flag=True,
        expose_value=False,
        callback=_keep_json,
        help=_("Print one JSON object on one line."),
    )(function)


def confirmed(function: F) -> F:
    """Give a verb the option --yes."""
    return click.option("--yes", is_flag=True, help=_("Answer every question with yes; for scripts."))(function)


def repeatable(function: F) -> F:
    """Give a verb the hidden option --action-id: sent again with the same id, it has no second effect."""
    return click.option("--action-id", "action_id", hidden=True, metavar="HEX", callback=_read_action_id)(function)


def read_hex_id(text: str) -> bytes:
    """Return the 16 bytes of an action id. Raises click.BadParameter for anything else."""
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != _ACTION_ID_BYTES:
        raise click.BadParameter(_("an action id is 32 hexadecimal digits"))
    return found


def _keep_json(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    desk = context.find_object(Desk)
    if desk is not None:
        # Said once is enough, before or after the name of a part of a verb.
        desk.is_json = desk.is_json or value


def _read_action_id(_context: click.Context, _parameter: click.Parameter, value: str | None) -> bytes:
    if value is not None:
        return read_hex_id(value)
    from node.actions.ids import new_action_id

    return new_action_id()
