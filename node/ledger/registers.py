"""Registers: fields that keep every concurrent value, and which of them is shown.

Not the writing of them (`fold`), and not the safety fields (`declared`, `holds`). Owns the rule that nothing is lost to
a clock: all heads are kept, the clock only picks the one that is shown.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

import msgspec

from node.domain.lots import Dot
from node.ledger.events import RegisterValue


class RegisterHead(NamedTuple):
    """One value of a field that nobody has replaced yet."""

    dot: Dot
    value: RegisterValue
    hlc: int


def heads(connection: sqlite3.Connection, key: str) -> list[RegisterHead]:
    """Return all living values of a field, the one to show first."""
    rows = connection.execute(
        "SELECT stream, seq, value, hlc FROM reg_head WHERE key = ? ORDER BY hlc DESC, stream DESC, seq DESC", (key,)
    )
    return [
        RegisterHead(Dot(stream, seq), msgspec.msgpack.decode(value, type=RegisterValue), hlc)
        for stream, seq, value, hlc in rows
    ]


def shown(connection: sqlite3.Connection, key: str) -> RegisterValue:
    """Return the value to show, None where the field was never set."""
    living = heads(connection, key)
    return living[0].value if living else None
