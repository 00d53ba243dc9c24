"""The steps of shelves in their local table: kept as they settle, bounded, and expired into suspicions.

Not a decision about a step (`shelves_decided`) and not a fact: nothing here changes stock. Owns the rule that a step is
kept once, by the sensor and the place of its weight, whoever reads the scale and however often.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from node.actions.shelves import Shelf, shelves
from node.clock import ClockQuality, Moment
from node.domain.shelf import Candidate
from node.domain.shelf_steps import ScaleState, Step
from node.domain.words import MoveKind
from node.ledger.store import Transaction

OPEN, CONFIRMED, DISMISSED, EXPIRED = "open", "confirmed", "dismissed", "expired"
EXPIRES_AFTER_MS = 24 * 60 * 60 * 1000  # nobody remembers yesterday's shelf: an engineering choice
AGE_MS_NEVER = 2**62  # while the clock is not set nobody knows how old a step is
NOTICED_MS_UNKNOWN = -1
OPEN_PER_SHELF_MAX = 200  # beyond it the oldest expire
DECIDED_MAX = 1_000  # beyond it the oldest are dropped; what was booked stays in the log
TARE_HOLD_MS = 60_000  # a scale that is being tared is not read meanwhile
STEPS_SHOWN_MAX = 500


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a scale was read. `place` is (boot, number, seq) of the last record; `zero_mg` is the empty shelf."""

    place: tuple[int, int, int]
    state: ScaleState
    zero_mg: int
    tared: tuple[int, int] | None
    tared_ms: int | None


@dataclass(frozen=True, slots=True)
class KeptStep:
    """A step of a shelf. `at_ms` is None where nobody knows when; `item_id` and `units` are what it was decided to be.

    `reason` "" is a proposal, else a question. `back_milli`: of what was put, the part that came back into stock.
    """

    step_id: int
    shelf: str
    at_ms: int | None
    before_mg: int
    after_mg: int
    reason: str
    candidates: tuple[Candidate, ...]
    state: str
    item_id: str | None
    units: int | None
    back_milli: int
    action_id: bytes | None
    is_undone: bool


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What expired undecided of an item since it was last counted: steps, and units they came to (out is negative)."""

    item_id: str
    steps: int
    units: int


@dataclass(frozen=True, slots=True)
class TimedStep:
    """A step and when it settled, in milliseconds since 1970 UTC, None where nobody knows."""

    step: Step
    at_ms: int | None


def begin_mark(tx: Transaction, shelf: Shelf, place: tuple[int, int, int], *, before: Shelf | None = None) -> None:
    """Begin to read a shelf's scale behind this place; `before` is the shelf as it was set until now.

    With the same items on the same scale it goes on where it was; with other items what was weighed before must not be
    judged by their weights, and only its zero stays.
    """
    state = ScaleState(boot=place[0], seq=place[2])
    if before is not None and before.sensor == shelf.sensor and load_mark(tx.connection, shelf) is not None:
        if before.items != shelf.items:
            tx.connection.execute(
                "UPDATE shelf_mark SET place = ?, state = ? WHERE shelf = ?",
                (msgspec.json.encode(place), msgspec.json.encode(state), shelf.name),
            )
        return
    tx.connection.execute(
        "INSERT OR REPLACE INTO shelf_mark (shelf, sensor, place, state, zero_mg) VALUES (?, ?, ?, ?, 0)",
        (shelf.name, shelf.sensor, msgspec.json.encode(place), msgspec.json.encode(state)),
    )


def load_mark(connection: sqlite3.Connection, shelf: Shelf) -> Mark | None:
    """Return how far the scale of a shelf was read, None where it never was."""
    row = connection.execute(
        "SELECT place, state, zero_mg, tared, tared_ms FROM shelf_mark WHERE shelf = ? AND sensor = ?",
        (shelf.name, shelf.sensor),
    ).fetchone()
    if row is None:
        return None
    place, state, zero_mg, tared, tared_ms = row
    return Mark(
        msgspec.json.decode(place, type=tuple[int, int, int]),
        msgspec.json.decode(state, type=ScaleState),
        zero_mg,
        None if tared is None else msgspec.json.decode(tared, type=tuple[int, int]),
        tared_ms,
    )


def is_being_tared(connection: sqlite3.Connection, shelf: Shelf, moment: Moment) -> bool:
    """Tell whether somebody tares this shelf now: its weights jump, and that is no step."""
    row = connection.execute(
        "SELECT hold_boot_id, hold_boottime_ms FROM shelf_mark WHERE shelf = ?", (shelf.name,)
    ).fetchone()
    return row is not None and row[0] == moment.boot_id and 0 <= moment.boottime_ms - row[1] <= TARE_HOLD_MS


def hold_for_tare(tx: Transaction, shelf: Shelf) -> None:
    """Let nobody read the scale of this shelf while it is tared, for a minute at most."""
    tx.connection.execute(
        "UPDATE shelf_mark SET hold_boot_id = ?, hold_boottime_ms = ? WHERE shelf = ?",
        (tx.moment.boot_id, tx.moment.boottime_ms, shelf.name),
    )


def end_tare(
    tx: Transaction, shelf: Shelf, *, zero_mg: int | None = None, tared: tuple[int, int] | None = None
) -> None:
    """Note how a tare ended: `tared` from that (boot, record) on by its board, `zero_mg` here, neither: not at all."""
    if tared is None and zero_mg is None:
        tx.connection.execute("UPDATE shelf_mark SET hold_boot_id = NULL WHERE shelf = ?", (shelf.name,))
        return
    tx.connection.execute(
        "UPDATE shelf_mark SET hold_boot_id = NULL, zero_mg = ?, tared = ?, tared_ms = ? WHERE shelf = ?",
        (zero_mg or 0, None if tared is None else msgspec.json.encode(tared), tx.moment.wall_ms, shelf.name),
    )


def keep_steps(
    tx: Transaction,
    shelf: Shelf,
    *,
    read_from: tuple[int, int, int],
    read_to: tuple[int, int, int],
    state: ScaleState,
    steps: Sequence[TimedStep],
) -> list[int] | None:
    """Keep what was read of a shelf's scale between two places; return the ids of the new steps.

    None, and nothing is written, where another process has read on from the same place, or the shelf was changed.
    """
    mark = load_mark(tx.connection, shelf)
    if mark is None or mark.place != read_from or shelf not in shelves(tx.connection):
        return None
    if is_being_tared(tx.connection, shelf, tx.moment):
        return None
    tx.connection.execute(
        "UPDATE shelf_mark SET place = ?, state = ? WHERE shelf = ?",
        (msgspec.json.encode(read_to), msgspec.json.encode(state), shelf.name),
    )
    new: list[int] = []
    for timed in steps:
        step = timed.step
        row = tx.connection.execute(
            "INSERT INTO shelf_step (shelf, sensor, boot, seq, at_ms, before_mg, after_mg, reason, candidates, state,"
            " back_milli, noticed_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', 0, ?)"
            " ON CONFLICT DO NOTHING RETURNING id",
            (
                shelf.name,
                shelf.sensor,
                step.boot,
                step.seq,
                timed.at_ms,
                step.before_mg,
                step.after_mg,
                step.reason,
                msgspec.json.encode(step.candidates),
                _judged_ms(tx.moment),
            ),
        ).fetchone()
        new += [int(row[0])] if row is not None else []
    expire_steps(tx)
    return new


def expire_steps(tx: Transaction) -> int:
    """Turn steps that nobody decided about in a day, or that are too many, into suspicions; return how many."""
    now_ms = tx.moment.wall_ms
    age_ms_max = EXPIRES_AFTER_MS if tx.moment.quality is not ClockQuality.NOT_SET else AGE_MS_NEVER
    # A clock that was set back or forth by years must not keep steps for ever: either way they are old.
    expired = tx.connection.execute(
        "UPDATE shelf_step SET state = 'expired', decided_ms = ? WHERE state = 'open'"
        " AND ((noticed_ms >= 0 AND abs(? - noticed_ms) > ?)"
        " OR id IN (SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY shelf ORDER BY id DESC) AS place"
        " FROM shelf_step WHERE state = 'open') WHERE place > ?))",
        (now_ms, now_ms, age_ms_max, OPEN_PER_SHELF_MAX),
    ).rowcount
    tx.connection.execute(
        "DELETE FROM shelf_step WHERE state <> 'open' AND id <= (SELECT id FROM shelf_step WHERE state <> 'open'"
        " ORDER BY id DESC LIMIT 1 OFFSET ?)",
        (DECIDED_MAX,),
    )
    return int(expired)


def _judged_ms(moment: Moment) -> int:
    return NOTICED_MS_UNKNOWN if moment.quality is ClockQuality.NOT_SET else moment.wall_ms


def has_overdue_steps(connection: sqlite3.Connection, moment: Moment) -> bool:
    """Tell whether a step waits for longer than it may."""
    if moment.quality is ClockQuality.NOT_SET:
        return False
    row = connection.execute(
        "SELECT 1 FROM shelf_step WHERE state = 'open' AND noticed_ms >= 0 AND abs(? - noticed_ms) > ? LIMIT 1",
        (moment.wall_ms, EXPIRES_AFTER_MS),
    ).fetchone()
    return row is not None


def find_step(connection: sqlite3.Connection, step_id: int) -> KeptStep | None:
    """Return a step by its number."""
    found = _steps(connection, "s.id = ?", (step_id,), 1)
    return found[0] if found else None


def open_steps(connection: sqlite3.Connection, shelf: str | None = None) -> list[KeptStep]:
    """Return what waits for a person, oldest first, of one shelf or of all."""
    return _steps(connection, "s.state = 'open' AND (? IS NULL OR s.shelf = ?)", (shelf, shelf), STEPS_SHOWN_MAX)


def open_step_count(connection: sqlite3.Connection) -> int:
    """Count what waits for a person on all shelves."""
    (count,) = connection.execute("SELECT count(*) FROM shelf_step WHERE state = 'open'").fetchone()
    return int(count)


def decided_steps(connection: sqlite3.Connection, limit: int) -> list[KeptStep]:
    """Return the last decided or expired steps, the newest first."""
    found = _steps(
        connection,
        "s.id IN (SELECT id FROM shelf_step WHERE state <> 'open' ORDER BY decided_ms DESC, id DESC LIMIT ?)",
        (limit,),
        limit,
    )
    return found[::-1]


def suspicions(connection: sqlite3.Connection) -> list[Suspicion]:
    """Return for each item what expired undecided and was not counted since: where a count is worth its time."""
    told: dict[str, Suspicion] = {}
    for step in _steps(connection, "s.state = 'expired'", (), STEPS_SHOWN_MAX):
        likely = next((candidate for candidate in step.candidates if candidate.item_id), None)
        if likely is None or _is_counted_since(connection, likely.item_id, step.step_id):
            continue
        known = told.get(likely.item_id, Suspicion(likely.item_id, 0, 0))
        told[likely.item_id] = Suspicion(likely.item_id, known.steps + 1, known.units + likely.units)
    return sorted(told.values(), key=lambda each: (-abs(each.units), each.item_id))


def _is_counted_since(connection: sqlite3.Connection, item_id: str, step_id: int) -> bool:
    row = connection.execute(
        "SELECT 1 FROM lot l JOIN name_number n ON n.name = l.stream JOIN movement_row m ON m.lot_number = n.number"
        " AND m.lot_seq = l.seq AND m.is_ours = 1 WHERE l.item_id = ? AND m.kind = ?"
        " AND m.hlc > (SELECT noticed_ms FROM shelf_step WHERE id = ?) LIMIT 1",
        (item_id, int(MoveKind.COUNT), step_id),
    ).fetchone()
    return row is not None


def _steps(connection: sqlite3.Connection, where: str, values: tuple[object, ...], limit: int) -> list[KeptStep]:
    rows = connection.execute(
        "SELECT s.id, s.shelf, s.at_ms, s.before_mg, s.after_mg, s.reason, s.candidates, s.state, s.item_id, s.units,"
        " s.back_milli, s.action_id, a.undone_by IS NOT NULL FROM shelf_step s"
        f" LEFT JOIN action a ON a.action_id = s.action_id WHERE {where} ORDER BY s.id LIMIT ?",
        (*values, limit),
    )
    return [_kept(row) for row in rows]


def _kept(row: tuple[Any, ...]) -> KeptStep:
    step_id, shelf, at_ms, before_mg, after_mg, reason, candidates, state, item_id, units, back, action, undone = row
    return KeptStep(
        step_id=step_id,
        shelf=shelf,
        at_ms=at_ms,
        before_mg=before_mg,
        after_mg=after_mg,
        reason=reason,
        candidates=msgspec.json.decode(candidates, type=tuple[Candidate, ...]),
        state=state,
        item_id=item_id,
        units=units,
        back_milli=back,
        action_id=action,
        is_undone=bool(undone),
    )
