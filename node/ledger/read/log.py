"""The facts of all markets as one list, newest first: movements, lots that came in, steps of hand-overs.

Not the history of this market's own stock (`movements`), where a person looks for what to take back.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from node.clock import ClockQuality
from node.domain.lots import Dot
from node.domain.words import MoveKind, Unit
from node.ledger.events import BY_VALUE
from node.ledger.read.goods import ROWS_MAX
from node.ledger.read.movements import NEWEST
from node.ledger.transfers import TRANSFER_WORDS

_TRANSFER_STEPS = {BY_VALUE[fact].type_id: word for fact, word in TRANSFER_WORDS.items()}


@dataclass(frozen=True, slots=True)
class LogFact:
    """One fact. `what` is a fixed word: a kind of movement, or a step of a hand-over with `transfer` in front.

    `is_undo` says that a movement takes another one back. `quantity_milli` is signed, None where the step has none;
    item and unit are empty for a lot that is not known here.
    `wall_ms` is the writer's clock, as good as `clock`.
    """

    dot: Dot
    origin: bytes
    what: str
    is_undo: bool
    item_id: str
    item_name: str
    quantity_milli: int | None
    unit: Unit | None
    batch: str | None
    lot: Dot | None
    wall_ms: int
    clock: ClockQuality


# A lot of before this market joined is known by the lot it was carried into.
# In this order of joins (CROSS): the last of each stream, and never all movements.
_MOVED = f"""
SELECT m.hlc AS hlc, h.stream AS stream, m.seq AS seq, h.origin AS member, m.clock AS clock, 0 AS source,
  m.kind AS kind, m.about_number IS NOT NULL AS is_undo, m.quantity_milli AS quantity_milli,
  n.name AS lot_stream, m.lot_seq AS lot_seq
FROM head h CROSS JOIN name_number s ON s.name = h.stream
CROSS JOIN movement_row m ON m.stream_number = s.number AND {NEWEST}
JOIN name_number n ON n.number = m.lot_number
WHERE (:origin IS NULL OR h.origin = :origin) ORDER BY m.hlc DESC LIMIT :limit
"""
_CAME_IN = """
SELECT l.hlc, l.stream, l.seq, l.member, l.clock, 1,
  coalesce((SELECT min(c.kind) FROM contrib c WHERE c.lot_stream = l.stream AND c.lot_seq = l.seq
            AND c.member = l.member AND c.kind IN (:receive, :transfer_in, :transfer_back, :carried)), :receive), 0,
  l.quantity_milli, l.stream, l.seq
FROM lot l WHERE (:origin IS NULL OR l.member = :origin) ORDER BY l.hlc DESC LIMIT :limit
"""
_HANDED = """
SELECT e.hlc, e.stream, e.seq, e.member, e.clock, 2, e.type, 0, NULL, t.lot_stream, t.lot_seq
FROM transfer_event e LEFT JOIN transfer t ON t.stream = e.transfer_stream AND t.seq = e.transfer_seq
WHERE (:origin IS NULL OR e.member = :origin) ORDER BY e.hlc DESC LIMIT :limit
"""
_KNOWN_LOT = """
SELECT f.hlc, f.stream, f.seq, f.member, f.clock, f.source, f.kind, f.is_undo, f.quantity_milli,
  f.lot_stream, f.lot_seq,
  coalesce(l.item_id, k.item_id), coalesce(l.unit, k.unit), coalesce(l.batch, k.batch), i.name
FROM ({facts}) f LEFT JOIN lot l ON l.stream = f.lot_stream AND l.seq = f.lot_seq
LEFT JOIN lot k ON l.stream IS NULL AND (k.stream, k.seq) = (
  SELECT p.stream, p.seq FROM lot_parent p WHERE p.parent_stream = f.lot_stream AND p.parent_seq = f.lot_seq LIMIT 1)
LEFT JOIN item i ON i.item_id = coalesce(l.item_id, k.item_id)
ORDER BY f.hlc DESC, f.stream, f.seq DESC LIMIT :limit
"""
_FACTS = " UNION ALL ".join(f"SELECT * FROM ({part})" for part in (_MOVED, _CAME_IN, _HANDED))
_QUERY = _KNOWN_LOT.format(facts=_FACTS)


def log_facts(connection: sqlite3.Connection, origin: bytes | None = None, limit: int = 50) -> list[LogFact]:
    """Return the last facts of one market, or of all of them, newest first."""
    rows = connection.execute(
        _QUERY,
        {
            "origin": origin,
            "limit": min(limit, ROWS_MAX + 1),
            "receive": int(MoveKind.RECEIVE),
            "transfer_in": int(MoveKind.TRANSFER_IN),
            "transfer_back": int(MoveKind.TRANSFER_BACK),
            "carried": int(MoveKind.CARRIED),
        },
    )
    return [_fact(*row) for row in rows.fetchall()]


def _fact(
    hlc: int,
    stream: bytes,
    seq: int,
    member: bytes,
    clock: int,
    source: int,
    kind: int,
    is_undo: int,
    quantity_milli: int | None,
    lot_stream: bytes | None,
    lot_seq: int | None,
    item_id: str | None,
    unit: int | None,
    batch: str | None,
    name: str | None,
) -> LogFact:
    what = f"transfer {_TRANSFER_STEPS.get(kind, 'step')}" if source == 2 else _kind_word(kind)
    return LogFact(
        Dot(stream, seq),
        member,
        what,
        bool(is_undo),
        item_id or "",
        name or item_id or "",
        quantity_milli,
        Unit(unit) if unit in set(Unit) else None,
        batch,
        None if lot_stream is None or lot_seq is None else Dot(lot_stream, lot_seq),
        hlc,
        ClockQuality(clock),
    )


def _kind_word(kind: int) -> str:
    return MoveKind(kind).name.lower() if kind in set(MoveKind) else "moved"
