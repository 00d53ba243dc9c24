"""The reference workload of replication: three markets sell and receive the same 500 items apart, then meet.

Not an engine. Owns what a valid run is: the 500 totals of the reopened file are those that plain Python adds up from
the generator, and every movement is there once. Every engine writes the rows of `movement_rows`, in the same tables.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from node.domain.words import MoveKind
from node.ledger.connection import WAL_BYTES_CHECKPOINT
from node.ledger.schema import PAGE_BYTES, migrate

REPLICAS = 3
MOVEMENTS = 10_000
ITEMS = 500
SEED = 1000
PIECES = (-1, -1, -1, -2, -3, -5, 4, 12, 24)
# Three in six are sales; the others are waste, a delivery, a gift. All without a reason: the workload has none.
KINDS = (MoveKind.SELL, MoveKind.SELL, MoveKind.SELL, MoveKind.DISCARD, MoveKind.RECEIVE, MoveKind.ISSUE)
STEP_MS = (50, 5_000)
# After any clock here: a market writes no event before its last one, and would count single milliseconds instead.
OPENED_MS = 4_102_444_800_000  # 2100-01-01T00:00:00Z
DIRECTIONS = tuple((giver, taker) for giver in range(REPLICAS) for taker in range(REPLICAS) if giver != taker)


Row = tuple[Any, ...]
"""A row of table `movement_row`, in the order of INSERT_MOVEMENT."""


class Change(NamedTuple):
    """One movement of one replica: which item, how many pieces, why, and milliseconds since the market opened."""

    item: int
    pieces: int
    kind: int
    at_ms: int


def changes(replica: int, count: int = MOVEMENTS) -> Iterator[Change]:
    """Draw the movements of one replica, always the same."""
    random = Random(SEED + replica)
    at_ms = 0
    for _ in range(count):
        item, pieces, kind = random.randrange(ITEMS), random.choice(PIECES), random.choice(KINDS)
        at_ms += random.randint(*STEP_MS)
        yield Change(item, pieces, int(kind), at_ms)


def item_totals(count: int = MOVEMENTS) -> list[int]:
    """Return what each item comes to over all replicas, in thousandths of a piece."""
    totals = Counter[int]()
    for replica in range(REPLICAS):
        for change in changes(replica, count):
            totals[change.item] += change.pieces * 1000
    return [totals[item] for item in range(ITEMS)]


@cache
def member_of(replica: int) -> bytes:
    """Name a replica as wide as an origin (16 bytes); the first 8 name its stream."""
    return blake2b(b"replica %d" % replica, digest_size=16).digest()


def movement_rows(replica: int, entries: Iterable[Sequence[float]], *, is_ours: bool) -> list[Row]:
    """Return the rows of table `movement_row` that stand for changes; their lots are the items' at that replica."""
    number = _number_of(replica)
    return [
        (number, seq, number, item, kind, pieces * 1000, 3, 0, OPENED_MS + at_ms, 2, 1, int(is_ours))
        for seq, (item, pieces, kind, at_ms) in enumerate(entries)
    ]


def _number_of(replica: int) -> int:
    """Return the number that stands for a replica's stream in every file of the comparison."""
    return replica + 1


INSERT_MOVEMENT = (
    "INSERT INTO movement_row (stream_number, seq, lot_number, lot_seq, kind, quantity_milli, basis, reason, hlc,"
    " clock, who, is_ours) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
ADD_CONTRIB = (
    "INSERT INTO contrib_row (lot_number, lot_seq, member_number, kind, quantity_milli) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT DO UPDATE SET quantity_milli = quantity_milli + excluded.quantity_milli"
)


def fold_rows(connection: sqlite3.Connection, rows: list[Row]) -> None:
    """Fold movements as fast as two statements can: the rows, then one sum for each lot and kind."""
    connection.executemany(INSERT_MOVEMENT, rows)
    sums: dict[Row, float] = {}
    for row in rows:
        # A lot is of whoever moves it here, and the member's number follows the streams'.
        key = (row[2], row[3], REPLICAS + row[2], row[4])
        sums[key] = sums.get(key, 0) + row[5]
    connection.executemany(ADD_CONTRIB, [(*key, total) for key, total in sorted(sums.items())])


def folded_database(path: Path) -> sqlite3.Connection:
    """Make a file with a market's two tables of movements, and one for whatever an engine saves of itself."""
    scratch = sqlite3.connect(":memory:", isolation_level=None)
    migrate(scratch)
    tables = "'name_number', 'movement_row', 'contrib_row'"
    made = scratch.execute(f"SELECT sql FROM sqlite_schema WHERE tbl_name IN ({tables}) AND sql NOT NULL")
    connection = open_folded(path)
    for (statement,) in made:
        connection.execute(statement)
    connection.executemany(
        "INSERT INTO name_number (number, name) VALUES (?, ?)",
        [
            named
            for replica in range(REPLICAS)
            for named in (
                (_number_of(replica), member_of(replica)[:8]),
                (REPLICAS + _number_of(replica), member_of(replica)),
            )
        ],
    )
    connection.execute("CREATE TABLE saved (id INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT")
    scratch.close()
    return connection


def open_folded(path: Path) -> sqlite3.Connection:
    """Open a file with the settings of `market.db`."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in (f"page_size = {PAGE_BYTES}", "journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 0"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def checkpoint_if_due(connection: sqlite3.Connection, path: Path) -> None:
    """Do what a market does after a commit: move the WAL into the file where it has grown."""
    if Path(f"{path}-wal").stat().st_size >= WAL_BYTES_CHECKPOINT:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def check_totals(totals: list[int], movements: int, count: int) -> None:
    """Raise AssertionError unless a reopened file says what the generator says."""
    if movements != REPLICAS * count:
        raise AssertionError(f"{movements} movements, not {REPLICAS * count}")
    if totals != item_totals(count):
        raise AssertionError("the totals of the items are not those of the generator")


def check_folded(path: Path, count: int) -> None:
    """Reopen a file made by `folded_database` and check it."""
    connection = sqlite3.connect(path)
    found = dict(connection.execute("SELECT lot_seq, sum(quantity_milli) FROM contrib_row GROUP BY lot_seq"))
    (movements,) = connection.execute("SELECT count(*) FROM movement_row").fetchone()
    connection.close()
    check_totals([found.get(item, 0) for item in range(ITEMS)], movements, count)
