"""A shelf scale in a real telemetry.db, as the bridge leaves it: weights are put into the table as they would come."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

from firmware_bridge.clock import HostNow
from firmware_bridge.store.store import Store
from node import clock
from node.actions import shelves
from node.actions.ids import new_action_id
from node.actions.shelves import Shelf
from node.actions.shelves_kept import begin_mark
from node.clock import Moment
from node.cold.shelf_scales import ShelfScales, start_of
from node.domain.shelf import ShelfItem
from node.ledger.read import Item
from node.ledger.store import MarketStore
from node.places import Places

UID = "5ca1e00000000001"
SENSOR = f"{UID}/0"
PERIOD_MS = 500
PER_GRAM = 10  # a digit is a tenth of a gram


class Scale:
    """A board with one load cell; everything it says is committed at once."""

    def __init__(self, path: Path, *, unit: str = "kg") -> None:
        path.parent.mkdir(exist_ok=True)
        now = clock.now()
        self._conn = Store(path, HostNow(now.boot_id.replace("-", ""), now.boottime_ms, now.wall_ms * 1000, True)).conn
        exp10 = {"kg": -4, "g": -1}.get(unit, -1)
        self._conn.execute(
            "insert into device (device, uid, firmware, epoch, dropped_total, conflicts, port, first_seen_us,"
            " current_boot) values (1, ?, 1, 0, 0, 0, '/dev/scale', 1, 1)",
            (UID,),
        )
        self._conn.execute(
            "insert into channel (device, channel, from_boot, from_seq, kind, exp10, flags, lo, hi, period_ds, noise,"
            " unit, name) values (1, 0, 1, 0, 3, ?, 0, -100000, 1000000, 5, 3, ?, 'shelf')",
            (exp10, unit),
        )
        self.boot = 0
        self.seq = 0
        self.start()

    @property
    def conn(self) -> sqlite3.Connection:
        return self._conn

    def start(self) -> None:
        """Begin another boot, whose number says nothing about its order."""
        self.boot, self.seq = self.boot + 1, 0
        self._conn.execute(
            "insert into boot (boot, device, number, reset_cause, last_now_ms, last_boottime_ms, last_host_boot_id)"
            " values (?, 1, ?, 1, 0, 0, '')",
            (self.boot, 60_000 - 777 * self.boot),
        )
        now = clock.now()
        self._conn.execute(
            "insert into clock_sample values (?, 0, ?, ?, ?, 1, 4)",
            (self.boot, now.boot_id.replace("-", ""), now.boottime_ms, now.wall_ms * 1000),
        )

    def stands(self, grams: float, held_s: float, *, status: int = 0, quality: int = 1, reason: int = 0) -> None:
        """Say this weight for so long."""
        rows = []
        for _ in range(round(held_s * 1000 / PERIOD_MS)):
            value = round(grams * PER_GRAM)
            rows.append((self.boot, self.seq, self.seq * PERIOD_MS, status, value, quality, reason))
            self.seq += 1
        self.put(rows)

    def put(self, rows: Iterable[tuple[int, ...]]) -> None:
        """Put records in: boot, seq, uptime, status, value, quality, reason."""
        self._conn.execute("begin")
        self._conn.executemany(
            "insert into stage (device, boot, seq, dev_ms, channel, status, value, quality, reason)"
            " values (1, ?, ?, ?, 0, ?, ?, ?, ?)",
            rows,
        )
        self._conn.execute("commit")


def a_shelf(
    store: MarketStore,
    places: Places,
    *items: tuple[Item, int],
    name: str = "Front",
    is_trusted: bool = False,
    spread_g: int = 5,
) -> Shelf:
    """A shelf on that scale with these items and their unit weights in grams, read from now on."""
    start = start_of(places, SENSOR)
    on_it = tuple(ShelfItem(item.item_id, grams * 1000, spread_g * 1000) for item, grams in items)

    def work(tx):  # type: ignore[no-untyped-def]
        shelf = shelves.set_shelf(
            tx, action_id=new_action_id(), who=0, name=name, sensor=SENSOR, items=on_it, is_trusted=is_trusted
        )
        begin_mark(tx, shelf, start)
        return shelf

    return store.act("shelf", work)


def caught_up(store: MarketStore, places: Places, moment: Moment | None = None):  # type: ignore[no-untyped-def]
    """Read every scale on, as a fresh process does, and return how the shelves are."""
    return ShelfScales(places, store.act).catch_up(store.reader, moment or clock.now())
