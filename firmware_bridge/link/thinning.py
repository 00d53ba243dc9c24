"""How a board makes room when nobody listens: merge neighbours, keep the worse value. A pure rule.

Not the ring. Owns the promise that an outage of any length stays covered, ever coarser: LINK section 3, "Ring full".
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from firmware_bridge.link.messages import (
    FLAG_EVENT,
    FLAGS_MERGE_SHIFT,
    STATUS_EARLIER_BOOT,
    STATUS_FAULT,
    STATUS_MERGED,
    Desc,
)

KEEP_HIGHEST, KEEP_LOWEST, KEEP_LATEST, KEEP_FARTHEST = range(4)  # flags bits 2-3 of DESC (LINK section 2)
EDGES_MERGE_BELOW = 8  # edges merge only when the pass frees less than 1/8 of the ring (LINK section 3)


@dataclass(frozen=True, slots=True)
class RingRecord:
    """One record as a board keeps it: ms is the 32-bit uptime of its boot, value is raw."""

    ms: int
    value: int
    boot: int
    channel: int
    status: int


def thin(records: list[RingRecord], descriptions: Mapping[int, Desc], ring_records: int) -> list[RingRecord]:
    """Return fewer records that still show the worst of each stretch, in order of time; the same if none can merge."""
    thinned = _merge_pass(records, descriptions, does_merge_edges=False)
    if len(records) - len(thinned) < ring_records // EDGES_MERGE_BELOW:
        thinned = _merge_pass(thinned, descriptions, does_merge_edges=True)
    return thinned


def _merge_pass(
    records: list[RingRecord], descriptions: Mapping[int, Desc], *, does_merge_edges: bool
) -> list[RingRecord]:
    kept: dict[int, RingRecord] = {}
    waiting: dict[tuple[int, int, bool], int] = {}
    for index, record in enumerate(records):
        kept[index] = record
        desc = descriptions.get(record.channel)
        is_event = desc is not None and bool(desc.flags & FLAG_EVENT)
        if is_event and not does_merge_edges:
            continue
        family = (record.channel, record.boot, bool(record.status & STATUS_FAULT))
        # A fault between two values of a channel keeps them apart: the stretch is no longer one.
        waiting.pop((record.channel, record.boot, not family[2]), None)
        earlier = waiting.pop(family, None)
        if earlier is None:
            waiting[family] = index
            continue
        # The survivor stays where its own time belongs, so that uptime never runs back in sequence order.
        loser = index if _is_worse(kept[earlier], record, desc) else earlier
        survivor = earlier if loser == index else index
        del kept[loser]
        status = kept[survivor].status | STATUS_MERGED | (record.status & STATUS_EARLIER_BOOT)
        kept[survivor] = replace(kept[survivor], status=status)
    return [kept[index] for index in sorted(kept)]


def _is_worse(first: RingRecord, second: RingRecord, desc: Desc | None) -> bool:
    keep = KEEP_LATEST if desc is None else (desc.flags >> FLAGS_MERGE_SHIFT) & 3
    if keep == KEEP_HIGHEST:
        return first.value > second.value
    if keep == KEEP_LOWEST:
        return first.value < second.value
    if keep == KEEP_FARTHEST and desc is not None:
        middle = desc.lo + desc.hi  # twice the middle, to stay in integers
        return abs(2 * first.value - middle) > abs(2 * second.value - middle)
    return False
