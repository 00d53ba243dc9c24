"""Keep the market's database: open it for writing, rebuild its tables, check it whole."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from node.ledger import chain
from node.ledger.connection import connect, storage_fault
from node.ledger.locks import LockHolder
from node.ledger.schema import migrate
from node.ledger.store import LOCK_WAIT_S, MarketStore, Transaction
from node.ledger.versions import is_fold_current, keep_fold_version
from node.places import Places


def open_market(
    places: Places,
    *,
    lock_wait_s: float = LOCK_WAIT_S,
    on_wait: Callable[[LockHolder, float], None] | None = None,
) -> MarketStore:
    """Open the market for writing, migrated and folded by this software. Raises like `MarketStore`."""
    store = MarketStore.open(places, lock_wait_s=lock_wait_s, on_wait=on_wait)
    try:
        if not is_fold_current(store.reader):
            rebuild(store)
    except BaseException:
        store.close()
        raise
    return store


def bring_up_to_date(places: Places) -> None:
    """Migrate and refold a market of older software; a current one is only looked at. Raises like `open_market`."""
    connection = connect(places, is_read_only=True)
    try:
        is_current = is_fold_current(connection)
    finally:
        connection.close()
    if not is_current:
        open_market(places).close()


def rebuild(store: MarketStore, *, progress: chain.Progress | None = None) -> str:
    """Make every derived table again in one transaction and return the state digest. Raises LocalFault at damage."""

    def work(tx: Transaction) -> str:
        migrate(tx.connection)
        digest = chain.refold(tx.connection, tx.connection, progress=progress)
        keep_fold_version(tx.connection)
        return digest

    digest = store.batch("rebuild", work)
    store.checkpoint_if_due(is_idle=True)
    return digest


def verify(connection: sqlite3.Connection, places: Places, *, progress: chain.Progress | None = None) -> chain.Verified:
    """Check the file and the whole ledger as of one instant. Raises LocalFault that names the first thing wrong."""
    try:
        connection.execute("BEGIN")
        try:
            return chain.verify(connection, progress=progress)
        finally:
            connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        raise storage_fault(error, places) from error
