"""A time that somebody typed, read into milliseconds. Not a clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from node.cli.sentences import name_text
from node.language import _

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SHOWN_CHARACTERS = 40


def time_ms(text: str, option: str) -> int:
    """Read a day or a time, UTC if it names no zone, as milliseconds since 1970 UTC. Raises click.BadParameter."""
    try:
        moment = datetime.fromisoformat(text.strip())
        at = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return (at - EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        shown = name_text(text[:SHOWN_CHARACTERS])
        message = _("{text} is no day or time such as 2026-11-22 or 2026-11-22T14:30").format(text=shown)
        raise click.BadParameter(message, param_hint=option) from None
