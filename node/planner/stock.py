"""Free stock while a plan is walked through: taken first expired first, day by day.

Not the ledger's stock. The walk is exact also where a later delivery would break closed formulas, so the validator and
the greedy planner count with the same one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import NamedTuple

from node.planner.plan import LATER_DAY, Snapshot, StockBucket

MILLI = 1000
# What a piece weighs where nobody said, in grams: an onion, an apple, two eggs.
PIECE_G_DEFAULT = 100


class Use(NamedTuple):
    """An amount taken from one bucket, in thousandths of the item's unit."""

    bucket: StockBucket
    amount_milli: int


# First expired first; among equals an order that is the same everywhere.
_TURN = attrgetter("item_id", "last_day", "state", "amount_milli")


class FreeStock:
    """What is free of each item, by last usable day. `days` count from the snapshot's day, 0 is that day itself."""

    def __init__(self, buckets: Iterable[StockBucket]) -> None:
        self._left: dict[str, list[list[int]]] = {}
        self._buckets: dict[str, list[StockBucket]] = {}
        for bucket in sorted(buckets, key=_TURN):
            if bucket.amount_milli > 0:
                self._buckets.setdefault(bucket.item_id, []).append(bucket)
                self._left.setdefault(bucket.item_id, []).append([bucket.last_day, bucket.amount_milli])

    def free(self, item_id: str, day: int) -> int:
        """Return how much of an item may be used on a day, thousandths."""
        day = min(day, LATER_DAY)
        return sum([left for last_day, left in self._left.get(item_id, ()) if last_day >= day])

    def all_free(self, day: int) -> dict[str, int]:
        """Return what may be used on a day, of every item."""
        day = min(day, LATER_DAY)
        return {
            item_id: sum([left for last_day, left in entries if last_day >= day])
            for item_id, entries in self._left.items()
        }

    def uses(self, item_id: str, amount_milli: int, day: int) -> tuple[list[Use], int]:
        """Return from where an amount would come, first expired first, and how much of it is missing."""
        return self._uses(item_id, amount_milli, day, is_taken=False)

    def gram_days(self, needed: Mapping[str, int], day: int, piece_g: Mapping[str, int]) -> int:
        """Return how urgent the food is that amounts would come from: each gram times the days before any later day.

        `needed` is in thousandths by item. Counted in whole grams of each use that `uses` would list, as `grams` does.
        """
        found, day = 0, min(day, LATER_DAY)
        for item_id, amount_milli in needed.items():
            unit_g = piece_g.get(item_id, 1)
            for last_day, left in self._left.get(item_id, ()):
                if last_day >= day:
                    taken = left if left < amount_milli else amount_milli
                    found += taken * unit_g // MILLI * (LATER_DAY - last_day)
                    amount_milli -= taken
                    if not amount_milli:
                        break
        return found

    def take(self, item_id: str, amount_milli: int, day: int) -> tuple[list[Use], int]:
        """Take an amount and return what `uses` says of it."""
        return self._uses(item_id, amount_milli, day, is_taken=True)

    def _uses(self, item_id: str, amount_milli: int, day: int, *, is_taken: bool) -> tuple[list[Use], int]:
        found: list[Use] = []
        day = min(day, LATER_DAY)
        for entry, bucket in zip(self._left.get(item_id, ()), self._buckets.get(item_id, ()), strict=True):
            last_day, left = entry
            if not amount_milli:
                break
            if left and last_day >= day:
                taken = left if left < amount_milli else amount_milli
                found.append(Use(bucket, taken))
                amount_milli -= taken
                if is_taken:
                    entry[1] = left - taken
        return found, amount_milli

    def left(self) -> Iterable[tuple[str, int, int]]:
        """Yield item, last usable day and what is left, thousandths."""
        for item_id, entries in self._left.items():
            for last_day, left in entries:
                if left:
                    yield item_id, last_day, left


def grams(snapshot: Snapshot, item_id: str, amount_milli: int) -> int:
    """Return about how many grams an amount is: a millilitre counts as a gram, a piece as what it weighs."""
    return amount_milli * snapshot.piece_g.get(item_id, 1) // MILLI
