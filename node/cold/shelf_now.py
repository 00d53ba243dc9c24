"""A shelf as it is now, and how much the word of its scale is worth: an old weight is never shown as one of now.

Not the reading on of a scale (`shelf_scales`). Owns invariant 5 for shelves.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass

from firmware_bridge.store import read as telemetry
from node.actions.shelves import Shelf
from node.clock import Moment
from node.cold.stored import host_now
from node.domain.cold import Sample, quality_of
from node.places import Places

GOOD, MISSING = "GOOD", "MISSING"


@dataclass(frozen=True, slots=True)
class Freshness:
    """What the newest word of a scale is worth: GOOD, STALE, MISSING or SUSPECT with its reason, and its age."""

    quality: str
    reason: str
    age_s: int | None


@dataclass(frozen=True, slots=True)
class ShelfNow:
    """A shelf as it is. `weight_mg` above its zero at the last rest, None unless the scale's word is GOOD.

    `phase` is quiet or moving; noise_mg: one standard deviation of its weights; `problem` says in a sentence why its
    scale could not be read, "" where it could.
    """

    shelf: Shelf
    weight_mg: int | None
    phase: str
    fresh: Freshness
    noise_mg: int
    tared_ms: int | None
    problem: str

    @property
    def word(self) -> str:
        """Return the word that matters most: a doubt about the scale, else its phase."""
        return self.phase if self.fresh.quality == GOOD else self.fresh.quality


def freshness(places: Places, moment: Moment, sensors: list[str]) -> dict[str, Freshness]:
    """Judge the newest word of each scale; one that never spoke, or cannot be read, is MISSING."""
    found = {sensor: Freshness(MISSING, "", None) for sensor in sensors}
    try:
        connection = telemetry.open_telemetry(places.telemetry_db)
    except (FileNotFoundError, telemetry.TelemetryUnreadable):
        return found  # why it cannot be read is said by who reads on
    with closing(connection):
        try:
            newest = telemetry.latest(connection, host_now(moment))
        except sqlite3.Error:
            return found
    for each in newest:
        sensor = f"{each.channel.device_uid}/{each.channel.channel}"
        reading = each.reading
        if sensor not in found or reading is None or reading.age_ms is None:
            continue
        is_good = reading.quality == telemetry.GOOD
        word = quality_of(Sample(reading.age_ms, reading.value_milli, is_good), max(1, each.channel.period_ms))
        found[sensor] = Freshness(word, "" if is_good else reading.reason, reading.age_ms // 1000)
    return found
