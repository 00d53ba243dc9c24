"""What was not taken from outside, counted by reason and by whom: shown at once, stored now and then.

Not the table (`ledger.refusals`). Bounded: what has no place of its own is counted under `other`.
"""

from __future__ import annotations

from collections import Counter
from functools import partial

from node.ledger.jobs import Jobs, Outcome
from node.ledger.refusals import count_refused
from node.ledger.store import Transaction

# A flood of garbage must not become a flood of writes to the card.
KEEP_EVERY_S = 60.0
PLACES_MAX = 64
_OTHER = "other"

_Place = tuple[str, bytes | None]


class Counts:
    """Counts of the driver's thread. `dropped` are messages, `refused` blocks, by reason, since the start."""

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._unkept: Counter[_Place] = Counter()
        self._kept_s = 0.0

    def add_dropped(self, reason: str, publisher: bytes | None, count: int) -> None:
        """Count messages that were not taken."""
        if count:
            self.dropped[reason if reason in self.dropped or len(self.dropped) < PLACES_MAX else _OTHER] += count
            self._note(reason, publisher, count)

    def add_refused(self, reason: str, publisher: bytes | None, count: int) -> None:
        """Count blocks that were refused."""
        if count:
            self.refused[reason if reason in self.refused or len(self.refused) < PLACES_MAX else _OTHER] += count
            self._note(reason, publisher, count)

    def keep_if_due(self, jobs: Jobs, now_s: float) -> None:
        """Store what is new, at most once a minute."""
        if self._unkept and now_s - self._kept_s >= KEEP_EVERY_S:
            self._kept_s = now_s
            self.keep(jobs)

    def keep(self, jobs: Jobs) -> None:
        """Store what is new now. What the writing thread cannot take stays and is stored with the next."""
        counted = dict(self._unkept)
        if not counted:
            return

        def work(tx: Transaction) -> None:
            for (reason, publisher), count in counted.items():
                count_refused(tx, reason, publisher, count)

        if jobs.submit("refused", work, partial(_ignore)):
            self._unkept.clear()

    def _note(self, reason: str, publisher: bytes | None, count: int) -> None:
        place = (reason, publisher)
        is_known = place in self._unkept or len(self._unkept) < PLACES_MAX
        self._unkept[place if is_known else (_OTHER, None)] += count


def _ignore(_outcome: Outcome) -> None:
    """Lose a minute's counts where they could not be written: they say how often, not what."""
