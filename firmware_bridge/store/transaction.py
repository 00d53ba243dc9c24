"""One transaction of telemetry.db: all of it or nothing, however its block ends.

Not the commit rule and not the statements. Owns that no way out of a block, an interrupt included, leaves it open.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def in_one_transaction(conn: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Write at once what the block writes. Raises what it raises and sqlite3.Error; then nothing was written."""
    conn.execute("begin immediate")
    try:
        yield conn
        conn.execute("commit")
    except BaseException:
        if conn.in_transaction:
            conn.execute("rollback")
        raise
