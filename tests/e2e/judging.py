"""Says what is wrong with a market after kills and cuts, by plain SQL against what was written down outside of it.

Not a part of Larder and not built on it: what the sellers heard and what the boards made are the record, the two
databases are the accused.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from firmware_bridge.link.ring import CONTROL

MILLI = 1000


@dataclass(slots=True)
class Sales:
    """What was asked for and what was answered, by action id, in whole units."""

    received: int
    asked: dict[str, int] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Freed:
    """What a board's memory says: records before `tail` were acknowledged, those before `head` were made."""

    tail: int
    head: int


def opened(path: Path) -> sqlite3.Connection:
    """Open a database for reading, recovering its log as any reader would."""
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=20)


def damage(path: Path) -> list[str]:
    """Return what SQLite's own check says, nothing where the file is sound."""
    with closing(opened(path)) as connection:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
    return [] if found == ["ok"] else found


def sold(path: Path) -> dict[str, int]:
    """Return what each sale in the ledger took, in whole units, by its action id."""
    with closing(opened(path)) as connection:
        rows = connection.execute(
            "SELECT lower(hex(a.action_id)), m.quantity_milli FROM action AS a JOIN movement AS m"
            " ON m.stream = a.stream AND m.seq >= a.first_seq AND m.seq < a.first_seq + a.event_count"
            " WHERE a.verb = 'sell'"
        ).fetchall()
    taken: Counter[str] = Counter()
    for action_id, quantity_milli in rows:
        taken[action_id] -= quantity_milli // MILLI
    return dict(taken)


def lost_sales(path: Path, acknowledged: set[str]) -> list[str]:
    """Return the sales that somebody was told are saved and that the ledger does not have."""
    return sorted(acknowledged - set(sold(path)))


def wrong_sales(path: Path, sales: Sales) -> list[str]:
    """Return all that an independent book of the same sales contradicts.

    A sale that was never acknowledged may be there or not; if it is, then once and as it was asked for.
    """
    found = sold(path)
    wrong = [f"acknowledged and lost: {action_id}" for action_id in lost_sales(path, sales.acknowledged)]
    wrong += [f"nobody asked for {action_id}" for action_id in found.keys() - sales.asked.keys()]
    wrong += [
        f"{action_id} took {quantity} instead of {sales.asked[action_id]}"
        for action_id, quantity in found.items()
        if quantity != sales.asked.get(action_id, quantity)
    ]
    with closing(opened(path)) as connection:
        (movements,) = connection.execute("SELECT count(*) FROM movement WHERE quantity_milli < 0").fetchone()
        (on_hand_milli,) = connection.execute("SELECT sum(on_hand_milli) FROM lot").fetchone()
    if movements != len(found):
        wrong.append(f"{movements} movements out for {len(found)} sales")
    if on_hand_milli != (sales.received - sum(found.values())) * MILLI:
        wrong.append(f"{on_hand_milli} milli on hand is not what was received minus what was sold")
    return wrong


def freed(ring: Path) -> Freed:
    """Read from a running board's memory file what it may have forgotten because the host said so."""
    while True:
        content = ring.read_bytes()[: CONTROL.size + 4]
        control = content[: CONTROL.size]
        # Written by a running process: a torn look is told by the check sum, and looked at again.
        if zlib.crc32(control) == int.from_bytes(content[CONTROL.size :], "little"):
            _magic, _size, tail, head, _sent, _dropped, _boot = CONTROL.unpack(control)
            return Freed(tail, head)


def stored(path: Path, uid: str) -> list[tuple[int, int, int, int]]:
    """Return (boot of 16 bits, seq, channel, value) of every stored record of a board, doubles included."""
    with closing(opened(path)) as connection:
        rows = connection.execute(
            "SELECT b.number % 65536, r.seq, r.channel, r.value FROM readings AS r JOIN boot AS b ON b.boot = r.boot"
            " JOIN device AS d ON d.device = r.device WHERE d.uid = ?",
            (uid,),
        )
        return rows.fetchall()


def made(produced: Path) -> list[tuple[int, int, int, int]]:
    """Return (boot of 16 bits, seq, channel, value) of every record a board says that it made."""
    lines = [[int(word) for word in line.split()] for line in produced.read_text("ascii").splitlines()]
    return [(boot, seq, channel, value) for boot, seq, channel, _status, value, _ms in lines]


def wrong_readings(path: Path, uid: str, produced: Path, ring: Path) -> list[str]:
    """Return all that the board's own record contradicts: lost after an acknowledgement, lost at all, stored twice."""
    rows, truth, memory = stored(path, uid), made(produced), freed(ring)
    held = set(rows)
    wrong = [f"acknowledged and lost: {row}" for row in truth if row not in held and row[1] < memory.tail]
    wrong += [f"lost: {row}" for row in truth if row not in held and row[1] >= memory.tail]
    wrong += [f"stored twice: {row}" for row, count in Counter(rows).items() if count > 1]
    wrong += [f"never made: {row}" for row in held - set(truth)]
    return wrong
