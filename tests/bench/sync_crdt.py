"""The peers of the comparison: pycrdt and loro, saved and folded so that they end where a market ends.

A list for each replica, an entry `[item, pieces, kind, at_ms]`. Neither checks who wrote what. What is received is
saved as it came, in the transaction that folds it, which is the least a durable program can do. What is new is learnt
in the fastest way that does not read back what was there: from pycrdt's own events, and by one call for loro.
"""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from tests.bench.sync_workload import (
    DIRECTIONS,
    REPLICAS,
    Change,
    Row,
    changes,
    check_folded,
    checkpoint_if_due,
    fold_rows,
    folded_database,
    movement_rows,
    open_folded,
)

Entry = Sequence[float]
"""An entry as a library gives it back: pycrdt makes every number a float."""


class Replica(Protocol):
    """One document: what the comparison needs of a library."""

    def write(self, change: Change) -> None: ...

    def whole(self) -> bytes: ...

    def load(self, body: bytes) -> None: ...

    def version(self) -> object: ...

    def since(self, version: object) -> bytes: ...

    def take(self, update: bytes, giver: int) -> list[Entry]:
        """Apply what a giver sent and return its new entries."""


class PycrdtReplica:
    """A Yrs document through pycrdt."""

    def __init__(self, number: int) -> None:
        from pycrdt import Array, Doc

        self._doc = Doc(client_id=number + 1)
        self._logs = [self._doc.get(f"log-{replica}", type=Array) for replica in range(REPLICAS)]
        self._own = self._logs[number]
        self._new: list[Entry] = []
        self._watched = [log.observe(self._note) for log in self._logs]

    def write(self, change: Change) -> None:
        self._own.append(list(change))

    def whole(self) -> bytes:
        return self._doc.get_update()

    def load(self, body: bytes) -> None:
        self._doc.apply_update(body)

    def version(self) -> object:
        return self._doc.get_state()

    def since(self, version: object) -> bytes:
        return self._doc.get_update(version)

    def take(self, update: bytes, giver: int) -> list[Entry]:  # noqa: ARG002 - its events say nothing else
        self._new = []
        self._doc.apply_update(update)
        return self._new

    def _note(self, event) -> None:
        for part in event.delta:
            self._new.extend(part.get("insert", ()))


class LoroReplica:
    """A Loro document."""

    def __init__(self, number: int) -> None:
        from loro import LoroDoc

        self._doc = LoroDoc()
        self._doc.peer_id = number + 1
        self._logs = [self._doc.get_list(f"log-{replica}") for replica in range(REPLICAS)]
        self._own = self._logs[number]

    def write(self, change: Change) -> None:
        self._own.push(list(change))

    def whole(self) -> bytes:
        from loro import ExportMode

        self._doc.commit()
        return self._doc.export(ExportMode.Snapshot())

    def load(self, body: bytes) -> None:
        self._doc.import_(body)

    def version(self) -> object:
        return self._doc.oplog_vv

    def since(self, version: object) -> bytes:
        from loro import ExportMode

        return self._doc.export(ExportMode.Updates(version))

    def take(self, update: bytes, giver: int) -> list[Entry]:
        log = self._logs[giver]
        had = len(log)
        self._doc.import_(update)
        return log.get_deep_value()[had:]


def write(make: Callable[[int], Replica], folder: Path, count: int) -> None:
    """Write every replica's own movements and keep them, before anything is measured."""
    for number, path in enumerate(_paths(folder)):
        replica = make(number)
        for change in changes(number, count):
            replica.write(change)
        file = folded_database(path)
        _save(file, replica.whole(), movement_rows(number, changes(number, count), is_ours=True))
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        file.close()


def merge(make: Callable[[int], Replica], folder: Path, count: int) -> dict[str, float]:
    """Open the replicas, exchange in the six directions, check, and return what it took."""
    paths = _paths(folder)
    files = [open_folded(path) for path in paths]
    replicas = [make(number) for number in range(REPLICAS)]
    for replica, file in zip(replicas, files, strict=True):
        replica.load(*file.execute("SELECT body FROM saved").fetchone())
    wire = deflated = 0
    began, worked = time.perf_counter(), time.process_time()
    # Every taker says first what it has, as the markets' beacons do.
    versions = [replica.version() for replica in replicas]
    updates = {(giver, taker): replicas[giver].since(versions[taker]) for giver, taker in DIRECTIONS}
    for (giver, taker), update in updates.items():
        entries = replicas[taker].take(update, giver)
        # None of a giver's list was here before, so its entries count from zero.
        _save(files[taker], update, movement_rows(giver, entries, is_ours=False))
        checkpoint_if_due(files[taker], paths[taker])
    merge_s, cpu_s = time.perf_counter() - began, time.process_time() - worked
    for update in updates.values():
        wire += len(update)
        deflated += len(zlib.compress(update, 6))
    for path, file in zip(paths, files, strict=True):
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        file.close()
        check_folded(path, count)
    disk = max(path.stat().st_size for path in paths)
    return {"merge_s": merge_s, "cpu_s": cpu_s, "wire": wire, "wire_deflated": deflated, "disk": disk}


def _paths(folder: Path) -> list[Path]:
    return [folder / f"replica-{number}.db" for number in range(REPLICAS)]


def _save(file: sqlite3.Connection, body: bytes, rows: list[Row]) -> None:
    file.execute("BEGIN IMMEDIATE")
    file.execute("INSERT INTO saved (body) VALUES (?)", (body,))
    fold_rows(file, rows)
    file.execute("COMMIT")
