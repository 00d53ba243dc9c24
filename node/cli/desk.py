"""Where a verb stands: which market, who works, how long to wait for the lock; and its way to the database.

Not an action and not an output. Owns the verbs' side of invariant 1: what `Writing.act` returned is on the disk, and
nothing that happens afterwards (a lock held while closing) turns it into a failure.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from node.errors import N_, NotSavedNow
from node.language import _
from node.ledger import read
from node.ledger.connection import storage_fault
from node.ledger.locks import LockHolder
from node.ledger.store import MarketStore, Transaction
from node.ledger.versions import check_schema_current, is_fold_current
from node.places import Places
from node.text import safe_text

# A lock held for longer than this is said, with the name of who holds it.
SAY_HOLDER_AFTER_S = 2.0
PURPOSE_CELLS_MAX = 60

T = TypeVar("T")


@dataclass(slots=True)
class Desk:
    """What the options before the verb said. `wait_s` in seconds; `who` is a name, None where nobody is named."""

    places: Places
    who: str | None
    wait_s: float
    is_json: bool = False


class Writing:
    """One open store and the person at work."""

    def __init__(self, store: MarketStore, who: str | None) -> None:
        self._store = store
        self._who = who

    @property
    def reader(self) -> sqlite3.Connection:
        """Return the connection for what is looked up before the action."""
        return self._store.reader

    def act(self, purpose: str, work: Callable[[Transaction, int], T]) -> T:
        """Run one action in one transaction under the number of the person at work; on the disk when it returns."""
        # Loaded only here: reading verbs do without the actions.
        from node.actions.people import person_named

        def by_somebody(tx: Transaction) -> T:
            return work(tx, person_named(tx, self._who).number if self._who else 0)

        return self._store.act(f"larder {purpose}", by_somebody)

    def empty_log(self) -> None:
        """Move what was written into the database file, so that nothing erased stays readable in the log beside it."""
        self._store.checkpoint_if_due(is_idle=True)


@contextmanager
def reading(desk: Desk) -> Iterator[sqlite3.Connection]:
    """Open the market read-only. Raises LocalFault, and NotSavedNow where the disk cannot be read now."""
    connection = _opened(desk)
    try:
        if not is_fold_current(connection):
            connection.close()
            _bring_tables_up_to_date(desk)
            connection = _opened(desk)
        check_schema_current(connection)
        yield connection
    except sqlite3.Error as error:
        fault = storage_fault(error, desk.places)
        raise (_unreadable(fault, desk) if isinstance(fault, NotSavedNow) else fault) from error
    finally:
        connection.close()


@contextmanager
def writing(desk: Desk) -> Iterator[Writing]:
    """Open the market for one action. Raises LocalFault or NotSavedNow."""
    from node.actions.keeping import open_market

    notice = WaitNotice(is_silent=desk.is_json)
    store = open_market(desk.places, lock_wait_s=desk.wait_s, on_wait=notice)
    try:
        yield Writing(store, desk.who)
    except (NotSavedNow, KeyboardInterrupt):
        # Closing would wait for the same lock once more; the system closes what this process leaves open.
        raise
    except sqlite3.Error as error:
        raise storage_fault(error, desk.places) from error
    except BaseException:
        close_store(store)
        raise
    notice.is_silent = True
    close_store(store)


def close_store(store: MarketStore) -> None:
    """Close a store. A lock held by another program is no failure: what was saved is saved."""
    with suppress(NotSavedNow):
        store.close()


class WaitNotice:
    """Say once, on stderr, who holds the lock that this verb waits for."""

    def __init__(self, *, is_silent: bool) -> None:
        self.is_silent = is_silent
        self._said: LockHolder | None = None

    def __call__(self, holder: LockHolder, waited_s: float) -> None:
        if self.is_silent or waited_s < SAY_HOLDER_AFTER_S or holder == self._said:
            return
        self._said = holder
        purpose = safe_text(holder.purpose, PURPOSE_CELLS_MAX)
        sentence = _("another program is writing (process {pid}, {purpose})").format(pid=holder.pid, purpose=purpose)
        print(sentence, file=sys.stderr, flush=True)


def _opened(desk: Desk) -> sqlite3.Connection:
    try:
        return read.open_reader(desk.places)
    except NotSavedNow as fault:
        raise _unreadable(fault, desk) from fault


def _unreadable(fault: NotSavedNow, desk: Desk) -> NotSavedNow:
    """Say of a reader what the store says of a writer: nothing was to be saved here."""
    return NotSavedNow(
        "market.unreadable",
        N_("The market cannot be read now ({reason})."),
        N_("Check the card and the rights of {folder}, then try again."),
        reason=str(fault.values.get("reason", fault.error_id)),
        folder=str(desk.places.market_db.parent),
    )


def _bring_tables_up_to_date(desk: Desk) -> None:
    """Fold again after an update of the software. Where that cannot be saved now, the older tables are read."""
    from node.actions.keeping import open_market

    with suppress(NotSavedNow):
        close_store(open_market(desk.places, lock_wait_s=desk.wait_s, on_wait=WaitNotice(is_silent=desk.is_json)))
