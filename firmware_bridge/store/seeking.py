"""Find a moment in a boot of a board without looking at all of it.

Not a query of what was measured. Records of a boot are numbered in the order of their uptime, and only the number is a
key: so the place of an uptime is found by halving, some twenty lookups however long the boot lasted.
"""

import sqlite3
from bisect import bisect_left


def first_seq_at(conn: sqlite3.Connection, device: int, boot: int, dev_ms: int) -> int | None:
    """Return the first record in `reading` of an uptime of at least dev_ms, None when all are older.

    With records not quite in order of their uptime, a place among those that are not.
    """
    # One end at a time: asked for both at once, SQLite looks at everything between them.
    lowest, highest = (
        conn.execute(f"select {end}(seq) from reading where device = ? and boot = ?", (device, boot)).fetchone()[0]
        for end in ("min", "max")
    )
    if lowest is None:
        return None

    def uptime_from(seq: int) -> int:
        sql = "select dev_ms from reading where device = ? and boot = ? and seq >= ? order by seq limit 1"
        return int(conn.execute(sql, (device, boot, seq)).fetchone()[0])

    found = lowest + bisect_left(range(lowest, highest + 1), dev_ms, key=uptime_from)
    return None if found > highest else found
