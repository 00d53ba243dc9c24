"""What happened: movements, today's totals, what expires, and the last things a person did."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from node.clock import ClockQuality, Moment
from node.domain.lots import Dot, Lot
from node.domain.words import Basis, DiscardReason, MoveKind, Unit
from node.ledger.read.goods import ROWS_MAX, lot_of, to_day


@dataclass(frozen=True, slots=True)
class Movement:
    """One change of quantity, in signed thousandths of `unit`. `wall_ms` is the writer's clock, of quality `clock`."""

    dot: Dot
    kind: MoveKind
    quantity_milli: int
    item_id: str
    item_name: str
    unit: Unit
    lot_id: Dot
    batch: str | None
    basis: Basis | None
    reason: DiscardReason
    about: Dot | None
    wall_ms: int
    clock: ClockQuality
    who: int
    who_name: str
    is_undone: bool

    @property
    def is_undo(self) -> bool:
        """Tell whether this movement takes another one back."""
        return self.about is not None


@dataclass(frozen=True, slots=True)
class TodayTotals:
    """Lines of today, those taken back left out. The day is the local civil day of the clock."""

    received_lines: int
    sold_lines: int
    discarded_lines: int


@dataclass(frozen=True, slots=True)
class ExpiringLot:
    """A lot whose use-by date is near or past."""

    item_name: str
    lot: Lot


@dataclass(frozen=True, slots=True)
class DoneAction:
    """Something a person did, as one step that can be taken back as one."""

    action_id: bytes
    verb: str
    first: Dot
    event_count: int
    wall_ms: int
    who: int
    is_undone: bool


# Which kind of movement the event is that made a lot: received, taken in from another market, came back, carried over.
_LOT_KIND = f"""coalesce((SELECT c.kind FROM contrib c WHERE c.lot_stream = l.stream AND c.lot_seq = l.seq
  AND c.member = l.member AND c.kind IN ({MoveKind.TRANSFER_IN}, {MoveKind.TRANSFER_BACK}, {MoveKind.CARRIED})
  LIMIT 1), {MoveKind.RECEIVE})"""
# Ours alone: what others did is in their own words, and their numbers for people are not ours.
_OURS = "(SELECT origin FROM writer WHERE id = 1)"
# The movements of our streams, each of which is in the order of its clock; `s` is the stream.
_OUR_ROWS = f"""head h JOIN name_number s ON s.name = h.stream AND h.origin = {_OURS}
JOIN movement_row m ON m.stream_number = s.number"""
# Rows `m` of a stream `s` that can be among the newest of all: the clock of a stream runs forward only.
NEWEST = """m.seq >= coalesce((SELECT x.seq FROM movement_row x WHERE x.stream_number = s.number
  ORDER BY x.seq DESC LIMIT 1 OFFSET :limit - 1), 0)"""
# A lot's own event counts as the movement by which it came in.
_MOVEMENTS = f"""
SELECT s.name AS stream, m.seq AS seq, m.kind AS kind, m.quantity_milli AS quantity_milli, l.item_id AS item_id,
  l.unit AS unit, l.stream AS lot_stream, m.lot_seq AS lot_seq, l.batch AS batch, m.basis AS basis,
  m.reason AS reason, (SELECT a.name FROM name_number a WHERE a.number = m.about_number) AS about_stream,
  m.about_seq AS about_seq, m.hlc AS hlc, m.clock AS clock, m.who AS who
FROM {_OUR_ROWS} JOIN name_number n ON n.number = m.lot_number
JOIN lot l ON l.stream = n.name AND l.seq = m.lot_seq AND l.member = {_OURS} {{movement_where}}
UNION ALL
SELECT l.stream, l.seq, {_LOT_KIND}, l.quantity_milli, l.item_id, l.unit, l.stream, l.seq, l.batch, NULL, 0, NULL,
  NULL, l.hlc, l.clock, l.who FROM lot l WHERE l.quantity_milli <> 0 AND l.member = {_OURS} {{lot_where}}
"""
# Whether a row `v` with the columns of `_MOVEMENTS` was taken back by a later movement of the same lot, also ours: what
# another market says about our lots changes nothing here.
_IS_UNDONE = """EXISTS (SELECT 1 FROM movement_row u
  WHERE u.about_number = (SELECT number FROM name_number WHERE name = v.stream) AND u.about_seq = v.seq
  AND u.lot_number = (SELECT number FROM name_number WHERE name = v.lot_stream) AND u.lot_seq = v.lot_seq
  AND u.is_ours = 1)"""

_NAMED = f"""
SELECT v.*, coalesce(i.name, v.item_id), coalesce(p.name, ''), {_IS_UNDONE}
FROM ({{movements}}) v LEFT JOIN item i ON i.item_id = v.item_id LEFT JOIN person p ON p.number = v.who
"""


def movements(connection: sqlite3.Connection, item_id: str | None = None, limit: int = 50) -> list[Movement]:
    """Return the last movements of an item or of the whole market, newest first."""
    bounded = min(limit, ROWS_MAX)
    # Each half is cut to the limit before the two are merged; a year of movements stays untouched.
    if item_id is None:
        inner = _newest_halves(_MOVEMENTS.format(movement_where=f"WHERE {NEWEST}", lot_where=""))
    else:
        inner = _MOVEMENTS.format(
            movement_where="WHERE m.is_ours = 1 AND l.item_id = :item_id", lot_where="AND l.item_id = :item_id"
        )
    query = f"{_NAMED.format(movements=inner)} ORDER BY v.hlc DESC, v.stream, v.seq DESC LIMIT :limit"
    return [_movement(row) for row in connection.execute(query, {"item_id": item_id, "limit": bounded}).fetchall()]


def movements_of_action(connection: sqlite3.Connection, action: DoneAction) -> list[Movement]:
    """Return the movements of one action, in their order. Takings-back that came later are not among them."""
    inner = _MOVEMENTS.format(
        movement_where="WHERE s.name = :stream AND m.seq BETWEEN :first AND :last",
        lot_where="AND l.stream = :stream AND l.seq BETWEEN :first AND :last",
    )
    rows = connection.execute(
        _NAMED.format(movements=inner) + " ORDER BY v.seq",
        {
            "stream": action.first.stream,
            "first": action.first.seq,
            "last": action.first.seq + action.event_count - 1,
        },
    )
    return [_movement(row) for row in rows.fetchall()]


def last_actions(
    connection: sqlite3.Connection, who: int | None = None, limit: int = 20, *, verbs: Collection[str] = ()
) -> list[DoneAction]:
    """Return the last actions of a person, or of everybody, newest first; of some verbs alone where any are given."""
    marks = ", ".join(f"'{verb}'" for verb in verbs if verb.isalpha())
    only = f"AND verb IN ({marks})" if marks else ""
    rows = connection.execute(
        "SELECT action_id, verb, stream, first_seq, event_count, hlc, who, undone_by IS NOT NULL FROM action"
        f" WHERE (:who IS NULL OR who = :who) {only} ORDER BY hlc DESC LIMIT :limit",
        {"who": who, "limit": min(limit, ROWS_MAX)},
    )
    return [
        DoneAction(action_id, verb, Dot(stream, first_seq), event_count, hlc, person, bool(is_undone))
        for action_id, verb, stream, first_seq, event_count, hlc, person, is_undone in rows.fetchall()
    ]


def today_totals(connection: sqlite3.Connection, moment: Moment) -> TodayTotals:
    """Count today's lines by kind."""
    midnight_ms = _local_midnight_ms(moment)
    counts = dict(
        connection.execute(
            f"SELECT kind, count(*) FROM {_OUR_ROWS} WHERE m.about_number IS NULL AND m.seq > coalesce("
            " (SELECT x.seq FROM movement_row x WHERE x.stream_number = s.number AND x.hlc < ?"
            " ORDER BY x.seq DESC LIMIT 1), -1) AND NOT EXISTS ("
            " SELECT 1 FROM movement_row u WHERE u.about_number = m.stream_number AND u.about_seq = m.seq"
            " AND u.is_ours = 1 AND u.lot_number = m.lot_number AND u.lot_seq = m.lot_seq) GROUP BY kind",
            (midnight_ms,),
        ).fetchall()
    )
    (received,) = connection.execute(
        f"SELECT count(*) FROM lot l WHERE hlc >= ? AND member = {_OURS} AND quantity_milli <> 0"
        f" AND {_LOT_KIND} <> {MoveKind.CARRIED} AND NOT EXISTS ("
        " SELECT 1 FROM movement_row u WHERE u.about_number = (SELECT number FROM name_number WHERE name = l.stream)"
        " AND u.about_seq = l.seq AND u.is_ours = 1 AND u.lot_number = u.about_number AND u.lot_seq = l.seq)",
        (midnight_ms,),
    ).fetchone()
    sold = counts.get(MoveKind.SELL, 0) + counts.get(MoveKind.ISSUE, 0)
    return TodayTotals(int(received), int(sold), int(counts.get(MoveKind.DISCARD, 0)))


def expiring(
    connection: sqlite3.Connection, *, today: date | None, days: int = 0, limit: int = 50
) -> list[ExpiringLot]:
    """Return our lots with a use-by date up to `days` from today, the soonest first. None where no day is known."""
    if today is None:
        return []
    rows = connection.execute(
        "SELECT coalesce(i.name, l.item_id), l.stream, l.seq, l.item_id, l.unit, l.on_hand_milli, l.batch, l.supplier,"
        " l.use_by, l.best_before, l.hlc FROM lot l LEFT JOIN item i ON i.item_id = l.item_id"
        f" WHERE l.is_open = 1 AND l.on_hand_milli > 0 AND l.use_by <= ? AND l.member = {_OURS}"
        " ORDER BY l.use_by, i.name LIMIT ?",
        (to_day(today + timedelta(days=days)), min(limit, ROWS_MAX)),
    )
    return [ExpiringLot(name, lot_of(tuple(of_lot))) for name, *of_lot in rows.fetchall()]


def _newest_halves(inner: str) -> str:
    halves = inner.split("UNION ALL")
    orders = ("m.hlc", "l.hlc")
    parts = [
        f"SELECT * FROM ({half} ORDER BY {order} DESC LIMIT :limit)" for half, order in zip(halves, orders, strict=True)
    ]
    return " UNION ALL ".join(parts)


def _local_midnight_ms(moment: Moment) -> int:
    midnight = datetime.combine(moment.today, datetime.min.time()).astimezone()
    return int(midnight.astimezone(UTC).timestamp() * 1000)


def _movement(row: tuple[object, ...]) -> Movement:
    stream, seq, kind, quantity, item_id, unit, lot_stream, lot_seq, batch, basis, reason = row[:11]
    about_stream, about_seq, hlc, clock, who, name, who_name, is_undone = row[11:]
    assert isinstance(stream, bytes) and isinstance(seq, int) and isinstance(kind, int) and isinstance(quantity, int)
    assert isinstance(lot_stream, bytes) and isinstance(lot_seq, int) and isinstance(unit, int)
    assert isinstance(hlc, int) and isinstance(clock, int) and isinstance(who, int) and isinstance(reason, int)
    about = Dot(about_stream, about_seq) if isinstance(about_stream, bytes) and isinstance(about_seq, int) else None
    return Movement(
        Dot(stream, seq),
        MoveKind(kind),
        quantity,
        str(item_id),
        str(name),
        Unit(unit),
        Dot(lot_stream, lot_seq),
        None if batch is None else str(batch),
        Basis(basis) if isinstance(basis, int) else None,
        DiscardReason(reason),
        about,
        hlc,
        ClockQuality(clock),
        who,
        str(who_name),
        bool(is_undone),
    )
