"""What SQLite alone can do with the reference workload: the rows of the six transfers by plain `executemany`.

Nothing is sent, checked or summed here: a floor, not an engine.
"""

from __future__ import annotations

import time
from pathlib import Path

from tests.bench.sync_workload import INSERT_MOVEMENT, REPLICAS, changes, folded_database, movement_rows


def merge(folder: Path, count: int) -> dict[str, float]:
    """Insert what each replica would receive, in one transaction a file, and return the seconds it took."""
    rows = [movement_rows(replica, changes(replica, count), is_ours=False) for replica in range(REPLICAS)]
    own = [movement_rows(replica, changes(replica, count), is_ours=True) for replica in range(REPLICAS)]
    took_s = 0.0
    for taker in range(REPLICAS):
        connection = folded_database(folder / f"raw-{taker}.db")
        connection.execute("BEGIN")
        connection.executemany(INSERT_MOVEMENT, own[taker])
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        received = [row for giver in range(REPLICAS) if giver != taker for row in rows[giver]]
        began = time.perf_counter()
        connection.execute("BEGIN")
        connection.executemany(INSERT_MOVEMENT, received)
        connection.execute("COMMIT")
        took_s += time.perf_counter() - began
        connection.close()
    return {"merge_s": took_s}
