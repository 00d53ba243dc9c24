"""Movements of one block as the columns they travel in: most of what is ever received, and never made into events.

Not their meaning (`fold`) and not their rows (`bulk`). The bounds are those of every other column, and what is refused
here is what would be refused of an event: a property test holds the two ways side by side.
"""

from __future__ import annotations

from itertools import repeat
from typing import NamedTuple, cast

from node.domain.lots import Dot
from node.ledger.columns import (
    BodyRefused,
    clock_values,
    decoded_column,
    integers,
    naturals,
    quantities_of,
    streams_of,
)
from node.ledger.events import Column, Event, Moved

# type, version, offsets, clock values, who; then lot (two), kind, quantity, about (two), basis, reason
_GROUP_PARTS = 13


class MovedColumns(NamedTuple):
    """Some movements of one stream, each list with one value per movement, in the order of their numbers.

    `abouts` is None where none of them takes another one back. Quantities are signed thousandths of the lot's unit.
    """

    stream: bytes
    seqs: list[int]
    hlcs: list[int]
    whos: list[int]
    lot_streams: list[bytes]
    lot_seqs: list[int]
    kinds: list[int]
    quantities_milli: list[int]
    abouts: list[tuple[bytes, int] | None] | None
    bases: list[int]
    reasons: list[int]


def moved_columns(
    group: list[object], stream: bytes, seqs: list[int], hlc_base: int, streams: list[bytes]
) -> MovedColumns:
    """Read a group of movements within every bound. Raises BodyRefused."""
    if len(group) != _GROUP_PARTS:
        raise BodyRefused("a group of movements has another number of columns")
    hlcs, whos, lot_indexes, lot_seqs, kinds, quantities, about_indexes, about_seqs, bases, reasons = group[3:]
    count = len(seqs)
    abouts = None
    if about_indexes is not None or about_seqs is not None:
        abouts = cast(
            list[tuple[bytes, int] | None],
            decoded_column(Column.REFERENCE, (about_indexes, about_seqs), count, streams),
        )
    return MovedColumns(
        stream,
        seqs,
        clock_values(hlcs, count, hlc_base),
        naturals(whos, count),
        streams_of(integers(lot_indexes, count), streams),
        naturals(lot_seqs, count),
        integers(kinds, count),
        quantities_of(quantities, count),
        abouts,
        integers(bases, count),
        integers(reasons, count),
    )


def events_of(moved: MovedColumns) -> list[Event]:
    """Return the movements as events."""
    abouts = (
        repeat(None) if moved.abouts is None else (None if about is None else Dot(*about) for about in moved.abouts)
    )
    facts = map(
        Moved,
        map(Dot, moved.lot_streams, moved.lot_seqs),
        moved.kinds,
        moved.quantities_milli,
        abouts,
        moved.bases,
        moved.reasons,
    )
    dots = map(Dot, repeat(moved.stream), moved.seqs)
    return list(map(Event, dots, moved.hlcs, moved.whos, facts))
