"""The shelf worker of larder-node: reads the scales of shelves on and keeps the steps that settle.

Not needed for anything: the screen and the verb read on by themselves before they show or decide. With it a step waits
as a proposal, and a trusted shelf books it, within seconds and with nobody looking.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from node import clock
from node.actions.shelves_kept import expire_steps, has_overdue_steps
from node.cold.shelf_scales import ShelfScales
from node.ledger.read import open_reader
from node.ledger.store import Transaction
from node.places import Places

LOOK_EVERY_S = 2.0  # as long as a scale takes to settle
EXPIRE_EVERY_S = 600.0

Submit = Callable[[str, Callable[[Transaction], Any]], Any]


class ShelfWorker:
    """Works until stopped. `beat` is called at each round."""

    def __init__(self, places: Places, *, submit: Submit, stop: threading.Event, beat: Callable[[str], None]) -> None:
        self._places = places
        self._submit = submit
        self._stop = stop
        self._beat = beat

    def run(self) -> None:
        """Read on until stopped. Raises LarderError where it cannot go on."""
        reader = open_reader(self._places)
        expire_at_s = clock.monotonic_s()
        try:
            scales = ShelfScales(self._places, self._submit)
            while not self._stop.wait(LOOK_EVERY_S):
                problems = {each.problem for each in scales.read_all(reader, clock.now()) if each.problem}
                self._beat(" ".join(sorted(problems)))
                if clock.monotonic_s() >= expire_at_s:
                    expire_at_s = clock.monotonic_s() + EXPIRE_EVERY_S
                    if has_overdue_steps(reader, clock.now()):
                        self._submit("shelf", expire_steps)
        finally:
            reader.close()
