"""Small numbers in place of the names of streams and members, in the tables with the most rows: one byte, not 8 or 16.

Not a name anybody else hears: a number is this database's alone, given when a name is first written, and given anew
when the tables are made again. Whoever reads for people or for the digest reads names.
"""

from __future__ import annotations

import sqlite3

_ONE = "(SELECT number FROM name_number WHERE name = ?)"
_THREE = f"SELECT {_ONE}, {_ONE}, {_ONE}"


def number_of(connection: sqlite3.Connection, name: bytes) -> int:
    """Return the number of a stream or a member, a new one where it has none yet."""
    row = connection.execute("SELECT number FROM name_number WHERE name = ?", (name,)).fetchone()
    if row is None:
        row = connection.execute("INSERT INTO name_number (name) VALUES (?) RETURNING number", (name,)).fetchone()
    return int(row[0])


def numbers_of(connection: sqlite3.Connection, names: tuple[bytes, bytes, bytes]) -> list[int]:
    """Return the numbers of three names in one look, as every sale needs them."""
    found = connection.execute(_THREE, names).fetchone()
    return [
        number_of(connection, name) if number is None else int(number)
        for name, number in zip(names, found, strict=True)
    ]


class Numbers(dict[bytes, int]):
    """The numbers a batch needs, each read or given once. Not kept beyond its transaction, which may be taken back."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__()
        self._connection = connection

    def __missing__(self, name: bytes) -> int:
        self[name] = number = number_of(self._connection, name)
        return number


def take_numbers(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Give names the numbers they have in another database, so that rows of both can be held side by side."""
    target.executemany(
        "INSERT INTO name_number (number, name) VALUES (?, ?)", source.execute("SELECT number, name FROM name_number")
    )
