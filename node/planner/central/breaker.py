"""When not to ask the central planner at all: two circuit breakers whose state is kept in table `breaker`.

Not a policy of retries. pybreaker runs the states; this storage adds what it lacks: a window for failures, a wait that
doubles, durations that do not hang on the wall clock, and a hold that only a person lifts. `transport` counts questions
without an answer, `content` answers that were no valid plan.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime

import msgspec
import pybreaker

from node.clock import Moment
from node.ledger.store import Transaction

TRANSPORT = "transport"
CONTENT = "content"
NAMES = (TRANSPORT, CONTENT)

FAILURES_MAX = 3
WINDOW_MS = 5 * 60_000
OPEN_FIRST_MS = 60_000
OPEN_LAST_MS = 15 * 60_000
# How long the computer was off is unknown, so an open breaker waits this much from the start.
AFTER_BOOT_MS = 60_000

# pybreaker adds its timeout (0 here) to this and compares with the wall clock: still open, whatever that clock says.
_STILL_OPEN = datetime.max.replace(tzinfo=UTC)


class BreakerRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row: times in milliseconds since the computer was started, true only within the boot they name.

    `url` is the planner it is about; another one starts with a clean slate.
    """

    boot_id: str
    url: str = ""
    state: str = pybreaker.STATE_CLOSED
    failures_ms: tuple[int, ...] = ()
    opened_ms: int = 0
    open_for_ms: int = OPEN_FIRST_MS
    is_held: bool = False


def load_breaker(connection: sqlite3.Connection, name: str, moment: Moment) -> BreakerRecord:
    """Return the breaker as it stands at this moment; one of another boot counts its wait from now."""
    row = connection.execute("SELECT body FROM breaker WHERE name = ?", (name,)).fetchone()
    if row is None:
        return BreakerRecord(moment.boot_id)
    try:
        record = msgspec.json.decode(row[0], type=BreakerRecord)
    except msgspec.DecodeError:
        return BreakerRecord(moment.boot_id)  # written by other software; the window fills again within minutes
    if record.boot_id == moment.boot_id:
        return record
    is_closed = record.state == pybreaker.STATE_CLOSED
    return BreakerRecord(
        moment.boot_id,
        record.url,
        state=pybreaker.STATE_CLOSED if is_closed else pybreaker.STATE_OPEN,
        opened_ms=moment.boottime_ms - record.open_for_ms + AFTER_BOOT_MS,
        open_for_ms=record.open_for_ms,
        is_held=record.is_held,
    )


def keep_breaker(tx: Transaction, name: str, record: BreakerRecord) -> None:
    """Write a breaker where it changed."""
    body = msgspec.json.encode(record)
    tx.connection.execute(
        "INSERT INTO breaker (name, body) VALUES (?, ?) ON CONFLICT DO UPDATE SET body = excluded.body"
        " WHERE body <> excluded.body",
        (name, body),
    )


def settle_breakers(tx: Transaction) -> None:
    """Bring the breakers of an earlier boot into this one, once at the start."""
    for name in NAMES:
        keep_breaker(tx, name, load_breaker(tx.connection, name, tx.moment))


def acknowledge_allergen_fault(tx: Transaction) -> bool:
    """Lift the hold of the content breaker, as a person who has seen the fault; return whether there was one.

    The next answer is a probe: one more fault closes the way again, for longer.
    """
    record = load_breaker(tx.connection, CONTENT, tx.moment)
    if not record.is_held:
        return False
    lifted = msgspec.structs.replace(record, is_held=False, state=pybreaker.STATE_HALF_OPEN)
    keep_breaker(tx, CONTENT, lifted)
    return True


class BreakerStorage(pybreaker.CircuitBreakerStorage):
    """What pybreaker reads and writes, on one record and one moment's clock. The caller keeps `record` afterwards."""

    def __init__(self, name: str, record: BreakerRecord, now_ms: int) -> None:
        super().__init__(name)
        self.record = record
        self.now_ms = now_ms

    @property
    def state(self) -> str:
        return self.record.state

    @state.setter
    def state(self, state: str) -> None:
        before = self.record
        if state == pybreaker.STATE_OPEN:
            was_probe = before.state == pybreaker.STATE_HALF_OPEN
            wait_ms = min(before.open_for_ms * 2, OPEN_LAST_MS) if was_probe else OPEN_FIRST_MS
            self._change(state=state, opened_ms=self.now_ms, open_for_ms=wait_ms)
        elif state == pybreaker.STATE_CLOSED:
            self._change(state=state, failures_ms=(), open_for_ms=OPEN_FIRST_MS)
        else:
            self._change(state=state)

    def hold(self) -> None:
        """Open until a person has acknowledged what came."""
        self._change(state=pybreaker.STATE_OPEN, opened_ms=self.now_ms, is_held=True)

    @property
    def is_admitting(self) -> bool:
        """Tell whether a question may be asked: closed, a probe, or open for long enough."""
        if self.record.is_held:
            return False
        return self.record.state != pybreaker.STATE_OPEN or self.wait_ms == 0

    @property
    def wait_ms(self) -> int:
        """Return how long this stays open from now; 0 where it does not, or where only a person ends it."""
        if self.record.state != pybreaker.STATE_OPEN or self.record.is_held:
            return 0
        return max(0, self.record.opened_ms + self.record.open_for_ms - self.now_ms)

    def increment_counter(self) -> None:
        recent = [at_ms for at_ms in self.record.failures_ms if self.now_ms - at_ms < WINDOW_MS]
        self._change(failures_ms=(*recent, self.now_ms)[-FAILURES_MAX:])

    def reset_counter(self) -> None:
        """Keep what is in the window: a planner that fails every second time is not well."""

    @property
    def counter(self) -> int:
        return sum(self.now_ms - at_ms < WINDOW_MS for at_ms in self.record.failures_ms)

    def increment_success_counter(self) -> None:
        """Count nothing: one good probe closes."""

    def reset_success_counter(self) -> None:
        """Count nothing: one good probe closes."""

    @property
    def success_counter(self) -> int:
        return 1

    @property
    def opened_at(self) -> datetime | None:
        return None if self.is_admitting else _STILL_OPEN

    @opened_at.setter
    def opened_at(self, now: datetime) -> None:
        """Ignore the wall clock; the state's own change notes the time since boot."""

    def _change(self, **fields: object) -> None:
        self.record = msgspec.structs.replace(self.record, **fields)


def storage_of(connection: sqlite3.Connection, name: str, moment: Moment, url: str) -> BreakerStorage:
    """Return the storage of a breaker as it stands at this moment, for the planner at this address."""
    record = load_breaker(connection, name, moment)
    if record.url != url:
        record = BreakerRecord(moment.boot_id, url)
    return BreakerStorage(name, record, moment.boottime_ms)


def breaker_over(storage: BreakerStorage) -> pybreaker.CircuitBreaker:
    """Return pybreaker's machine over this storage; it raises the fault itself when it opens."""
    return pybreaker.CircuitBreaker(
        fail_max=FAILURES_MAX,
        reset_timeout=0,
        success_threshold=1,
        state_storage=storage,
        name=storage.name,
        throw_new_error_on_trip=False,
    )
