"""Hold the tables of a market beside those that its log gives, row by row. Not a repair.

Owns the promise of `larder verify` that a table, an index or a column altered behind the log's back is found. Texts are
compared as bytes, since a damaged one may not be readable as text at all.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

import msgspec

from node.errors import N_, LocalFault
from node.ledger.schema import DERIVED_TABLES


def check_file(connection: sqlite3.Connection) -> None:
    """Let SQLite look at every page and every index. Raises LocalFault with the first thing that it finds."""
    with _texts_as_bytes(connection):
        (first,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if first != b"ok":
        raise _damaged(first.decode("utf-8", "replace"))


def check_schema(connection: sqlite3.Connection, fresh: sqlite3.Connection) -> None:
    """Compare every table, index and trigger with those of a database just made. Raises LocalFault."""
    found, expected = _schema(connection), _schema(fresh)
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) != expected.get(name):
            raise _damaged(name.decode("utf-8", "replace"))


def check_derived(connection: sqlite3.Connection, again: sqlite3.Connection) -> None:
    """Compare every derived table with the one in `again`, made from the same log. Raises LocalFault."""
    for table in DERIVED_TABLES:
        if _rows_hash(connection, table) != _rows_hash(again, table):
            raise LocalFault(
                "verify.fold",
                N_("The blocks are good, but the table {table} made from them is not what they give."),
                N_("Run larder rebuild, which makes the tables again."),
                table=table,
            )


def _rows_hash(connection: sqlite3.Connection, table: str) -> bytes:
    keys = connection.execute("SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", (table,)).fetchall()
    order = ", ".join(key for (key,) in keys)
    state = blake2b()
    encoder = msgspec.msgpack.Encoder()
    with _texts_as_bytes(connection):
        for row in connection.execute(f"SELECT * FROM {table} ORDER BY {order}"):
            state.update(encoder.encode(row))
    return state.digest()


def _schema(connection: sqlite3.Connection) -> dict[bytes, tuple[object, ...]]:
    with _texts_as_bytes(connection):
        rows = connection.execute("SELECT name, type, tbl_name, sql FROM sqlite_schema").fetchall()
    return {bytes(name): tuple(rest) for name, *rest in rows}


@contextmanager
def _texts_as_bytes(connection: sqlite3.Connection) -> Iterator[None]:
    before = connection.text_factory
    connection.text_factory = bytes
    try:
        yield
    finally:
        connection.text_factory = before


def _damaged(reason: str) -> LocalFault:
    return LocalFault(
        "verify.file",
        N_("The file of this market is damaged ({reason})."),
        N_("Run larder rebuild; if it stays, put back the last backup beside this folder."),
        reason=reason,
    )
