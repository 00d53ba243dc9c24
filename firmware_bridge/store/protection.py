"""Which old readings are kept as they were measured: a pure rule, with the one question it must ask the file.

Not the thinning. What stays: faults, door edges, what keep.json names or has not sealed, and everything within 30
minutes of an excursion of its channel. With no keep.json an excursion is a value beyond the alarm bound configured at
the bridge; a channel without a bound has none, and its buckets still hold every extreme. LINK section 8, SAFETY 1.4.
"""

import sqlite3
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from firmware_bridge.store.ageing import BootPlace
from firmware_bridge.store.descriptions import Description, in_force
from firmware_bridge.store.keep import Keep
from firmware_bridge.store.quality import EXP10_ABS_MAX
from firmware_bridge.store.seeking import first_seq_at

RAW_BEYOND = 2**40  # no raw value lies there
AROUND_EXCURSION_MS = 30 * 60_000  # SAFETY section 1.4
STATUS_FAULT, FLAG_EVENT = 0x01, 0x01  # DATA status and DESC flags (LINK section 2)

Row = tuple[int, int, int, int, int, int, int]  # seq, dev_ms, channel, status, value, quality, reason


@dataclass(frozen=True, slots=True)
class Numbered:
    """A description with the number of its row, which names it in buckets."""

    version: int
    description: Description


Versions = Mapping[tuple[int, int], Sequence[Numbered]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Alarm bounds by channel name, thousandths of the channel's unit."""

    above: Mapping[str, int]
    below: Mapping[str, int]


def load_versions(conn: sqlite3.Connection) -> dict[tuple[int, int], list[Numbered]]:
    """Read all descriptions, by (device, channel), in order of their beginning."""
    found: dict[tuple[int, int], list[Numbered]] = {}
    for version, device, *values in conn.execute(
        "select channel_version, device, channel, from_boot, from_seq, kind, exp10, flags, lo, hi, period_ds, noise,"
        " unit, name from channel order by device, channel, from_boot, from_seq"
    ):
        description = Description(*values)
        found.setdefault((device, description.channel), []).append(Numbered(version, description))
    return found


def version_of(versions: Versions, device: int, channel: int, boot: int, seq: int) -> Numbered | None:
    """Return the description a record is read with, and its number."""
    known = versions.get((device, channel), ())
    chosen = in_force([each.description for each in known], boot, seq)
    return next((each for each in known if each.description is chosen), None)


def that_stay(
    conn: sqlite3.Connection, place: BootPlace, rows: Sequence[Row], versions: Versions, bounds: Bounds, keep: Keep
) -> set[int]:
    """Return the numbers of those rows, in order, that are not thinned."""
    stay = {row[0] for row in rows if row[3] & STATUS_FAULT}
    stay |= _edges(place, rows, versions)
    for first, last in keep.ranges.get((place.uid, place.number), ()):
        stay |= {row[0] for row in rows if first <= row[0] <= last}
    if not keep.is_sealing:
        stay |= _around_excursions(conn, place, rows, versions, bounds)
    return stay


def _edges(place: BootPlace, rows: Sequence[Row], versions: Versions) -> set[int]:
    """Find where an event channel changed; its first row here counts, for want of the row before."""
    edges, last = set(), dict[int, int]()
    for seq, _dev_ms, channel, _status, value, _quality, _reason in rows:
        known = version_of(versions, place.device, channel, place.boot, seq)
        if known is not None and known.description.flags & FLAG_EVENT:
            if last.get(channel) != value:
                edges.add(seq)
            last[channel] = value
    return edges


def _around_excursions(
    conn: sqlite3.Connection, place: BootPlace, rows: Sequence[Row], versions: Versions, bounds: Bounds
) -> set[int]:
    stay = set()
    first_ms, last_ms = rows[0][1] - AROUND_EXCURSION_MS, rows[-1][1] + AROUND_EXCURSION_MS
    first_seq = first_seq_at(conn, place.device, place.boot, first_ms)
    for channel in {row[2] for row in rows}:
        limits = list(_raw_limits(versions.get((place.device, channel), ()), bounds))
        if not limits or first_seq is None:
            continue
        beyond = " or ".join("value > ? or value < ?" for _ in limits)
        values = [limit for pair in limits for limit in pair]
        sql = (
            "select dev_ms from reading where device = ? and boot = ? and seq >= ? and dev_ms <= ? and channel = ?"
            f" and ({beyond}) and status & {STATUS_FAULT} = 0"
        )
        end_seq = first_seq_at(conn, place.device, place.boot, last_ms + 1)
        if end_seq is not None:
            sql, values = f"{sql} and seq < ?", [*values, end_seq]
        key = (place.device, place.boot, first_seq, last_ms, channel)
        found = sorted(at for (at,) in conn.execute(sql, (*key, *values)))
        stay |= {row[0] for row in rows if row[2] == channel and _is_near(row[1], found)}
    return stay


def _raw_limits(known: Iterable[Numbered], bounds: Bounds) -> Iterable[tuple[int, int]]:
    """Yield (above, below) in raw numbers; whole ones, since raw values are."""
    for each in known:
        above, below = bounds.above.get(each.description.name), bounds.below.get(each.description.name)
        if (above is None and below is None) or abs(each.description.exp10) > EXP10_ABS_MAX:
            continue
        scale = Fraction(10) ** (each.description.exp10 + 3)
        yield (
            RAW_BEYOND if above is None else min(RAW_BEYOND, floor(above / scale)),
            -RAW_BEYOND if below is None else max(-RAW_BEYOND, ceil(below / scale)),
        )


def _is_near(at_ms: int, moments: list[int]) -> bool:
    index = bisect_left(moments, at_ms - AROUND_EXCURSION_MS)
    return index < len(moments) and moments[index] <= at_ms + AROUND_EXCURSION_MS
