"""What the screen of shelves reads: the scales read on, the steps that wait, the last decided ones, suspicions.

Runs on the reading thread. What a look found and is to be kept is handed back, since only the writing thread writes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from node.actions.shelves_kept import KeptStep, Suspicion, decided_steps, open_steps, suspicions
from node.clock import Moment
from node.cold.shelf_now import ShelfNow
from node.cold.shelf_scales import ShelfScales
from node.ledger import read
from node.ledger.store import Transaction
from node.places import Places

DECIDED_SHOWN = 20

Work = Callable[[Transaction], Any]


@dataclass(frozen=True, slots=True)
class ShelvesView:
    """All that the screen shows. `to_keep` is work for the writing thread; with it done there is more to show."""

    shelves: tuple[ShelfNow, ...]
    waiting: tuple[KeptStep, ...]
    decided: tuple[KeptStep, ...]
    suspicions: tuple[Suspicion, ...]
    names: dict[str, str]
    to_keep: tuple[Work, ...]


class ShelfReader:
    """Remembers how far each scale was read, so that looking again costs only what is new."""

    def __init__(self, places: Places) -> None:
        self._to_keep: list[Work] = []
        self._scales = ShelfScales(places, self._later)

    def view(self, connection: sqlite3.Connection, moment: Moment) -> ShelvesView:
        """Read on and return what there is."""
        self._to_keep = []
        found = tuple(self._scales.catch_up(connection, moment))
        waiting, decided = tuple(open_steps(connection)), tuple(decided_steps(connection, DECIDED_SHOWN))
        doubts = tuple(suspicions(connection))
        ids = [item.item_id for each in found for item in each.shelf.items]
        ids += [candidate.item_id for step in (*waiting, *decided) for candidate in step.candidates]
        ids += [step.item_id for step in decided if step.item_id] + [each.item_id for each in doubts]
        items = {item_id: read.item(connection, item_id) for item_id in dict.fromkeys(ids) if item_id}
        names = {item_id: item.name for item_id, item in items.items() if item is not None}
        return ShelvesView(found, waiting, decided, doubts, names, tuple(self._to_keep))

    def _later(self, _purpose: str, work: Work) -> None:
        self._to_keep.append(work)
