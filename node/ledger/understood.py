"""Whether a fact stays within what this software can hold and show: closed lists, days, sizes. Pure.

Not a signature and not a bound of the wire (`codec`). What a member wrote beyond it is treated like a fact of newer
software: kept, relayed, counted, not folded. So no value from outside can stop a screen, and no sum can overflow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from node.domain.words import Basis, DiscardReason, MoveKind, Unit
from node.ledger.events import EVENT_TYPES, Event, Fact, Moved
from node.ledger.moved import MovedColumns
from node.ledger.names import STREAM_BYTES

# Sums of so large quantities reach SQLite's 63 bits only after nine million of them.
QUANTITY_MILLI_MAX = 10**12
# 9999-12-31 as days since 1970-01-01, and as milliseconds: what a calendar date can be.
DAY_MIN, DAY_MAX = -719_162, 2_932_896
HLC_MAX = 253_402_300_799_999
# Hotter and colder than any place where food is.
TEMPERATURE_MILLI_C_MAX = 1_000_000
PORTIONS_MAX = 10**9

Check = Callable[[Any], bool]


def is_understood(event: Event) -> bool:
    """Tell whether every field of an event has a value that this software can work with."""
    fact = event.fact
    return event.hlc <= HLC_MAX and all(check(getattr(fact, name)) for name, check in CHECKS[type(fact)])


def are_understood(moved: MovedColumns) -> bool:
    """Tell whether `is_understood` holds for all movements of a group, judged a column at a time."""
    least, most = min(moved.quantities_milli), max(moved.quantities_milli)
    return (
        max(moved.hlcs) <= HLC_MAX
        and _QUANTITY(least)
        and _QUANTITY(most)
        and _KINDS.issuperset(moved.kinds)
        and _BASES.issuperset(moved.bases)
        and _MOVED_REASONS.issuperset(moved.reasons)
    )


def _within(least: int, most: int) -> Check:
    return lambda value: value is None or least <= value <= most


def _one_of(numbers: frozenset[int]) -> Check:
    return lambda value: value in numbers


_QUANTITY = _within(-QUANTITY_MILLI_MAX, QUANTITY_MILLI_MAX)
_DAY = _within(DAY_MIN, DAY_MAX)
_TEMPERATURE = _within(-TEMPERATURE_MILLI_C_MAX, TEMPERATURE_MILLI_C_MAX)
_COUNT = _within(0, PORTIONS_MAX)
_KINDS = frozenset(map(int, MoveKind))
_BASES = frozenset(map(int, Basis))
_MOVED_REASONS = frozenset(map(int, DiscardReason))

_BY_NAME: Mapping[str, Check] = {
    "unit": _one_of(frozenset(map(int, Unit))),
    "kind": _one_of(_KINDS),
    "basis": _one_of(_BASES),
    "use_by": _DAY,
    "best_before": _DAY,
    "sell_by": _DAY,
    "produced": _DAY,
    "day": _DAY,
    "portions": _COUNT,
    "received": _within(0, HLC_MAX),
    "cutoffs": lambda heads: all(len(head.stream) == STREAM_BYTES and head.blocks >= 0 for head in heads),
    "amounts_milli": lambda amounts: all(_QUANTITY(amount) for amount in amounts),
}
_OF_ONE_TYPE: Mapping[tuple[type[Fact], str], Check] = {
    (Moved, "reason"): _one_of(_MOVED_REASONS),
}


def _checks_of(value: type[Fact]) -> tuple[tuple[str, Check], ...]:
    found = []
    for name in value.__struct_fields__:
        check = _OF_ONE_TYPE.get((value, name)) or _BY_NAME.get(name)
        if name.endswith("_milli_c"):
            check = _TEMPERATURE
        elif name.endswith("_milli") and check is None:
            check = _QUANTITY
        if check is not None:
            found.append((name, check))
    return tuple(found)


CHECKS: Mapping[type[Fact], tuple[tuple[str, Check], ...]] = {
    known.value: _checks_of(known.value) for known in EVENT_TYPES
}
"""What is looked at in each type of fact."""
