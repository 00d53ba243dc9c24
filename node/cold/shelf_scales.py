"""Read the scales of shelves on from where they were read last, and keep the steps that settled.

Not the rule of a step (`node.domain.shelf_steps`) and not a decision. Works for whoever asks: larder-node does it all
the time, a verb or a screen does it before it shows or decides, and all of them get the same steps. Weights are read
with the calibrations of this market.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Protocol

from firmware_bridge.store import read as telemetry
from node.actions.ids import new_action_id
from node.actions.shelves import Shelf, shelves
from node.actions.shelves_decided import book_trusted
from node.actions.shelves_kept import Mark, TimedStep, is_being_tared, keep_steps, load_mark
from node.clock import Moment
from node.cold.calibrated import Calibrated
from node.cold.shelf_now import GOOD, Freshness, ShelfNow, freshness
from node.cold.stored import telemetry_open
from node.domain.calibration import Correction, corrected, in_force
from node.domain.shelf import lightest_mg
from node.domain.shelf_steps import ScaleRules, ScaleState, Weight, advance
from node.errors import N_, Refused
from node.ledger.store import Transaction
from node.places import Places

READ_ROWS_MAX = 2_000  # of one look: a fifth of a second of work, a quarter of an hour of a fast scale
LOOKS_MAX = 500  # in a row, for who comes back after a long time
NOISE_MG_MAX = 300  # what a scale is taken to scatter where its board says less: LINK section 7
NOISE_PER_UNIT = 50  # never more than this part of the lightest unit is assumed
# Milligrams in a unit of a scale; SenML (RFC 8428) has kg, and g as a secondary unit.
MG_PER_UNIT = {"kg": 1_000_000, "g": 1_000}
STATUS_UNSTABLE = 0x08  # DATA status bit 3 (LINK section 2)
SATURATED_REASONS = ("saturated", "overload", "underload")
# A mark is written with each step, and else only after so many records: a card wears out by writing.
MARK_ROWS = 6_000


class Act(Protocol):
    """Runs one transaction and returns its result once it is on the disk."""

    def __call__(self, purpose: str, work: Callable[[Transaction], Any], /) -> Any: ...


@dataclass(frozen=True, slots=True)
class Read:
    """What one look at a scale gave: from where to where, what is remembered, the steps that settled."""

    shelf: Shelf
    read_from: tuple[int, int, int]
    read_to: tuple[int, int, int]
    state: ScaleState
    steps: tuple[TimedStep, ...]
    rows: int
    noise_mg: int


@dataclass(frozen=True, slots=True)
class Reached:
    """How far the scale of a shelf was read, and why no further where it could not be."""

    shelf: Shelf
    mark: Mark | None
    noise_mg: int
    problem: str


class ShelfScales:
    """Reads the scales of one market; remembers how far it came, so that looking again costs only what is new."""

    def __init__(self, places: Places, act: Act) -> None:
        self._places = places
        self._act = act
        # For each shelf the mark that was stored when we looked, and how far we came since without a step.
        self._known: dict[str, tuple[Mark, Mark]] = {}

    def catch_up(self, market: sqlite3.Connection, moment: Moment) -> list[ShelfNow]:
        """Read every shelf's scale up to now, keep what settled, and return how the shelves are.

        Nothing is written where nothing settled. Raises what `act` raises.
        """
        found = self.read_all(market, moment)
        fresh = freshness(self._places, moment, [each.shelf.sensor for each in found])
        return [_shelf_now(each, fresh[each.shelf.sensor]) for each in found]

    def read_all(self, market: sqlite3.Connection, moment: Moment) -> list[Reached]:
        """Read every shelf's scale up to now and keep what settled. Raises what `act` raises."""
        return [self._read(market, moment, shelf) for shelf in shelves(market)]

    def _read(self, market: sqlite3.Connection, moment: Moment, shelf: Shelf) -> Reached:
        noise_mg, problem = NOISE_MG_MAX, ""
        for _look in range(LOOKS_MAX):
            stored = load_mark(market, shelf)
            if stored is None or is_being_tared(market, shelf, moment):
                break
            try:
                found = read_on(self._places, market, shelf, self._reached(shelf, stored))
            except telemetry.TelemetryUnreadable as error:
                problem = error.message
                break
            except sqlite3.Error as error:
                problem = str(error)
                break
            if found is None:
                break
            noise_mg = found.noise_mg
            is_far = found.read_to[0] != stored.place[0] or found.read_to[2] - stored.place[2] >= MARK_ROWS
            if found.rows and (found.steps or is_far):
                self._known.pop(shelf.name, None)
                if keep(self._act, found, read_from=stored.place) is None:
                    break  # the next look finds what somebody else did meanwhile
            else:
                reached = Mark(found.read_to, found.state, stored.zero_mg, stored.tared, stored.tared_ms)
                self._known[shelf.name] = (stored, reached)
            if found.rows < READ_ROWS_MAX:
                break
        last = load_mark(market, shelf)
        return Reached(shelf, None if last is None else self._reached(shelf, last), noise_mg, problem)

    def _reached(self, shelf: Shelf, stored: Mark) -> Mark:
        """Return how far we came; where another process read on or tared meanwhile, what is stored."""
        before, reached = self._known.get(shelf.name, (stored, stored))
        return reached if before == stored else stored


def _shelf_now(reached: Reached, fresh: Freshness) -> ShelfNow:
    mark = reached.mark
    state = ScaleState() if mark is None else mark.state
    is_known = mark is not None and state.level_mg is not None and fresh.quality == GOOD
    return ShelfNow(
        shelf=reached.shelf,
        weight_mg=state.level_mg - mark.zero_mg
        if is_known and mark is not None and state.level_mg is not None
        else None,
        phase=state.phase,
        fresh=fresh,
        noise_mg=reached.noise_mg,
        tared_ms=None if mark is None else mark.tared_ms,
        problem=reached.problem,
    )


def keep(act: Act, found: Read, *, read_from: tuple[int, int, int]) -> list[int] | None:
    """Keep what was read; a trusted shelf books its probable steps in the same transaction."""

    def work(tx: Transaction) -> list[int] | None:
        new = keep_steps(
            tx, found.shelf, read_from=read_from, read_to=found.read_to, state=found.state, steps=found.steps
        )
        if new:
            book_trusted(tx, found.shelf, new, _fresh_ids())
        return new

    kept: list[int] | None = act("shelf", work)
    return kept


def start_of(places: Places, sensor: str) -> tuple[int, int, int]:
    """Return the place from which a shelf's scale is read: behind all it said before. Raises Refused for no scale."""
    uid, _slash, number = sensor.rpartition("/")
    with telemetry_open(places) as connection:
        known = [each for each in telemetry.channels(connection) if each.device_uid == uid]
        channel = next((each for each in known if str(each.channel) == number), None)
        if channel is None:
            raise _no_scale(sensor)
        if channel.kind != "weight" or channel.unit not in MG_PER_UNIT:
            raise Refused(
                "shelf.no_weight",
                N_("The sensor {sensor} measures {kind} in '{unit}', no weight in kg or g."),
                N_("Take the channel of a scale from: larder readings"),
                sensor=sensor,
                kind=channel.kind,
                unit=channel.unit,
            )
        place = telemetry.newest_place(connection, uid)
    return (0, 0, -1) if place is None else (place.boot, place.number, place.seq)


def read_on(places: Places, market: sqlite3.Connection, shelf: Shelf, mark: Mark) -> Read | None:
    """Read at most 2,000 weights behind a mark; None where there is nothing to read from."""
    uid, _slash, number = shelf.sensor.rpartition("/")
    connection = _opened(places)
    if connection is None:
        return None
    with closing(connection):
        place, state = telemetry.Place(*mark.place), mark.state
        if place.boot and not telemetry.is_of_this_file(connection, uid, place):
            # The log was lost and begun anew: nothing of it can be held beside what was known.
            place, state = telemetry.Place(0, 0, -1), ScaleState()
        found = telemetry.following(connection, uid, int(number), place, READ_ROWS_MAX)
        period_ms = next(
            (
                each.period_ms
                for each in telemetry.channels(connection)
                if (each.device_uid, str(each.channel)) == (uid, number)
            ),
            0,
        )
    noise_mg = _noise_mg(found, shelf)
    rules = ScaleRules(shelf.items, noise_mg, max(1, period_ms), mark.zero_mg, mark.tared)
    scale = _Scale(Calibrated(market), shelf.sensor)
    steps: list[TimedStep] = []
    for at, row in found.rows:
        state, step = advance(state, scale.weight(at, row), rules)
        place = at
        if step is not None:
            steps.append(TimedStep(step, None if row.at_utc_us is None else row.at_utc_us // 1000))
    to = (place.boot, place.number, place.seq)
    return Read(shelf, mark.place, to, state, tuple(steps), len(found.rows), noise_mg)


class _Scale:
    """Turns rows of one sensor into weights, each by the calibration that held at its time."""

    def __init__(self, calibrated: Calibrated, sensor: str) -> None:
        self._history = calibrated.history(sensor)

    def weight(self, at: telemetry.Place, row: telemetry.ReadingRow) -> Weight:
        held = None
        if self._history:
            is_timed = row.time_quality == "trusted" and row.at_utc_us is not None
            held = in_force(self._history, row.at_utc_us // 1000 if is_timed and row.at_utc_us else None)
        is_steady = not row.status & STATUS_UNSTABLE and row.reason != "unstable"
        weight_mg: int | None = None
        # The bridge doubts a weight where it is beyond what the scale can bear; then it says nothing.
        if row.value is not None and (row.quality == telemetry.GOOD or row.reason == "unstable"):
            per_unit = MG_PER_UNIT.get(row.channel.unit)
            if per_unit is not None:
                weight_mg = _in_mg(row.value, per_unit, held.correction if held is not None else None)
        return Weight(
            boot=at.boot,
            seq=at.seq,
            at_ms=row.dev_ms,
            weight_mg=weight_mg,
            is_steady=is_steady,
            is_saturated=weight_mg is None and row.reason in SATURATED_REASONS,
            calibration="" if held is None else held.calibration_id,
        )


def _in_mg(value: Decimal, per_unit: int, correction: Correction | None) -> int:
    weight_mg = int((value * per_unit).to_integral_value(rounding=ROUND_HALF_EVEN))
    if correction is None:
        return weight_mg
    # The correction is in thousandths of the scale's unit; scaled up, the same line holds for milligrams.
    by = per_unit // 1_000
    offset = None if correction.offset_milli is None else correction.offset_milli * by
    points = tuple((shown * by, reference * by) for shown, reference in correction.points)
    return corrected(weight_mg, Correction(offset, points))


def _noise_mg(found: telemetry.Following, shelf: Shelf) -> int:
    """Return one standard deviation: what the board says, at least half a digit, at least what cells usually have."""
    per_unit = next((MG_PER_UNIT.get(row.channel.unit, 0) for _, row in found.rows), 0)
    told_mg = max(int(found.noise * per_unit), int(found.resolution * per_unit) // 2)
    return max(1, told_mg, min(NOISE_MG_MAX, lightest_mg(shelf.items) // NOISE_PER_UNIT))


def _opened(places: Places) -> sqlite3.Connection | None:
    """Open what the bridge stored; None where there is nothing yet. Raises TelemetryUnreadable."""
    try:
        return telemetry.open_telemetry(places.telemetry_db)
    except FileNotFoundError:
        return None


def _fresh_ids() -> Iterator[bytes]:
    while True:
        yield new_action_id()


def _no_scale(sensor: str) -> Refused:
    return Refused(
        "shelf.no_scale",
        N_("No sensor {sensor} has reported yet."),
        N_("Plug the scale in and take its name from: larder readings"),
        sensor=sensor[:40],
    )
