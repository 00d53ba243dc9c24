"""`private.db`: what people avoid and which dishes are for them, in one file of the staff, and how it is erased.

Nothing else opens it: not larder-node, not the ledger, not a peer. Owns invariant "private stays private": folder 0700,
file 0600, deleted rows overwritten, and after `forget` the file holds nothing. Flash may keep old cells all the same.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from node.domain.diets import Need
from node.domain.lots import Dot
from node.errors import N_, LocalFault
from node.places import Places
from node.planner.people import Served

FOLDER_MODE = 0o700
FILE_MODE = 0o600
NEEDS_MAX = 1_000
_BUSY_MS = 5_000
# Rows of dishes kept; the oldest go first. A plan of eight dishes for twenty kinds of eaters has 160.
SERVED_MAX = 5_000
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS need (id INTEGER PRIMARY KEY, people INTEGER NOT NULL, avoid TEXT NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS served (id INTEGER PRIMARY KEY, plan_id TEXT NOT NULL, recipe_id TEXT NOT NULL,"
    " meal TEXT NOT NULL, portions INTEGER NOT NULL, avoid TEXT NOT NULL) STRICT",
)


def load_needs(places: Places) -> list[Need]:
    """Return what is kept; nothing where there is no file. Raises LocalFault where it cannot be read."""
    if not places.private_db.exists():
        return []
    try:
        with closing(_open(places)) as connection:
            rows = connection.execute("SELECT people, avoid FROM need ORDER BY id LIMIT ?", (NEEDS_MAX,)).fetchall()
        return [Need(people, msgspec.json.decode(avoid, type=tuple[str, ...])) for people, avoid in rows]
    except (sqlite3.Error, OSError, msgspec.DecodeError) as error:
        raise _fault(places, error) from error


def keep_needs(places: Places, needs: Sequence[Need]) -> None:
    """Keep these needs in place of all others. Raises LocalFault."""
    try:
        with closing(_open(places)) as connection, connection:
            connection.execute("DELETE FROM need")
            connection.executemany(
                "INSERT INTO need (people, avoid) VALUES (?, ?)",
                [(need.people, msgspec.json.encode(need.avoid).decode("utf-8")) for need in needs[:NEEDS_MAX]],
            )
    except (sqlite3.Error, OSError) as error:
        raise _fault(places, error) from error


def keep_served(places: Places, plan_id: Dot, served: Sequence[Served]) -> None:
    """Keep for whom the dishes of a plan are, in place of what that name stood for before. Raises LocalFault.

    Written before the plan is committed: a crash between the two leaves rows of a plan that is not there, which the
    next plan of that name replaces.
    """
    try:
        with closing(_open(places)) as connection, connection:
            connection.execute("DELETE FROM served WHERE plan_id = ?", (str(plan_id),))
            connection.executemany(
                "INSERT INTO served (plan_id, recipe_id, meal, portions, avoid) VALUES (?, ?, ?, ?, ?)",
                [
                    (str(plan_id), each.recipe_id, each.meal, each.portions, msgspec.json.encode(each.avoid).decode())
                    for each in served
                ],
            )
            connection.execute("DELETE FROM served WHERE id <= (SELECT max(id) FROM served) - ?", (SERVED_MAX,))
    except (sqlite3.Error, OSError) as error:
        raise _fault(places, error) from error


def load_served(places: Places, plan_id: Dot) -> list[Served]:
    """Return for whom the dishes of a plan are; nothing where nobody leaves anything out. Raises LocalFault."""
    if not places.private_db.exists():
        return []
    try:
        with closing(_open(places)) as connection:
            rows = connection.execute(
                "SELECT recipe_id, meal, portions, avoid FROM served WHERE plan_id = ? ORDER BY id LIMIT ?",
                (str(plan_id), SERVED_MAX),
            ).fetchall()
        return [
            Served(recipe_id, meal, portions, msgspec.json.decode(avoid, type=tuple[str, ...]))
            for recipe_id, meal, portions, avoid in rows
        ]
    except (sqlite3.Error, OSError, msgspec.DecodeError) as error:
        raise _fault(places, error) from error


def forget_needs(places: Places) -> None:
    """Erase everything: rows overwritten, the file made small again, no byte of it left in any file beside it."""
    if not places.private_db.exists():
        return
    try:
        with closing(_open(places)) as connection:
            with connection:
                connection.execute("DELETE FROM need")
                connection.execute("DELETE FROM served")
            connection.execute("VACUUM")
    except (sqlite3.Error, OSError) as error:
        raise _fault(places, error) from error


def _open(places: Places) -> sqlite3.Connection:
    folder: Path = places.private_db.parent
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    folder.chmod(FOLDER_MODE)
    # Made by us with its mode, so that no moment exists at which others can read it.
    os.close(os.open(places.private_db, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, FILE_MODE))
    places.private_db.chmod(FILE_MODE)
    connection = sqlite3.connect(places.private_db, timeout=_BUSY_MS / 1000)
    # No WAL: what was erased must not stand in a second file. The journal is emptied at each commit.
    for pragma in ("secure_delete = ON", "journal_mode = TRUNCATE", "temp_store = MEMORY", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}")
    for table in _SCHEMA:
        connection.execute(table)
    return connection


def _fault(places: Places, error: Exception) -> LocalFault:
    return LocalFault(
        "private.unreadable",
        N_("What people leave out cannot be read or kept: {path} ({reason})."),
        N_("Check the rights of that file; to start over, move it away and type it again."),
        path=str(places.private_db),
        reason=str(error),
    )
