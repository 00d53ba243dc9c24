"""Keep what other markets' beacons said of themselves: when heard, where they stand. Local, and easy on the card.

Not the beacons. A row is written when something but the time changed, else once a minute.
"""

from __future__ import annotations

from node.ledger.store import Transaction

KEEP_EVERY_MS = 60_000
VERSION_CHARACTERS_MAX = 40


def keep_seen(
    tx: Transaction,
    *,
    origin: bytes,
    counter: int,
    clock: int,
    version: str,
    our_stream: bytes,
    our_blocks: int,
    missing_here: int,
    missing_there: int,
    age_ms: int = 0,
) -> bool:
    """Keep that a member was heard `age_ms` ago and what it said; return whether a row was written."""
    said = (clock, version[:VERSION_CHARACTERS_MAX], our_stream, our_blocks, missing_here, missing_there)
    before = tx.connection.execute(
        "SELECT boot_id, heard_boottime_ms, clock, version, our_stream, our_blocks, missing_here, missing_there"
        " FROM peer_seen WHERE origin = ?",
        (origin,),
    ).fetchone()
    moment = tx.moment
    is_same = before is not None and before[0] == moment.boot_id and tuple(before[2:]) == said
    heard_boottime_ms = moment.boottime_ms - age_ms
    if is_same and 0 <= heard_boottime_ms - before[1] < KEEP_EVERY_MS:
        return False
    tx.connection.execute(
        "INSERT OR REPLACE INTO peer_seen (origin, heard_ms, boot_id, heard_boottime_ms, counter, clock, version,"
        " our_stream, our_blocks, missing_here, missing_there) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (origin, moment.wall_ms - age_ms, moment.boot_id, heard_boottime_ms, counter, *said),
    )
    return True
