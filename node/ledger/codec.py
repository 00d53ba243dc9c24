"""A block's body: events of one stream as columns, MessagePack, zlib. Encoding ours, decoding anybody's within bounds.

Not the frame around it and not its signature. Bytes reach `decode_body` only after the signature and the body hash were
checked, and even then nothing here trusts them: sizes, depth, types and ranges are judged before a value is used.

Layout: `[streams, groups]`, a group being `[type, version, offsets, hlc deltas, who, columns...]`. A column is an array
with one value per row, or one value that stands for every row; `offsets` is nil when the group fills the block.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import NamedTuple, cast

import msgspec

from node.domain.lots import Dot
from node.ledger.columns import (
    INTEGER_MAX,
    BodyRefused,
    Wire,
    clock_values,
    decoded_column,
    encoded_column,
    folded,
    integer,
    naturals,
)
from node.ledger.events import BY_NUMBER, BY_VALUE, Column, Event, EventType, Fact, Moved
from node.ledger.moved import MovedColumns, events_of, moved_columns
from node.ledger.names import STREAM_BYTES

__all__ = ["BodyRefused"]

BODY_STORED_BYTES_MAX = 16 * 1024
BODY_RAW_BYTES_MAX = 64 * 1024
EVENTS_PER_BLOCK_MAX = 256
TEXT_BYTES_MAX = 4 * 1024
STREAMS_MENTIONED_MAX = 64
DEPTH_MAX = 6
_ZLIB_LEVEL = 6


class UnknownEvent(NamedTuple):
    """An event of a type or version this software does not know: kept, relayed, counted, not folded."""

    dot: Dot
    type_id: int
    version: int


class Body(NamedTuple):
    """A decoded body: movements a group at a time, the other events that are understood, and what is not.

    Movements stay as the columns they travel in; `events` says them as events, all in the order of their numbers.
    """

    moved: list[MovedColumns]
    others: list[Event]
    unknown: list[UnknownEvent]

    @property
    def events(self) -> list[Event]:
        """Return every event that is understood. Made anew each time: whoever folds takes the columns."""
        events = [*self.others, *(event for moved in self.moved for event in events_of(moved))]
        return sorted(events, key=lambda event: event.dot.seq)

    def last_hlc(self, otherwise: int) -> int:
        """Return the highest clock value of what is understood, `otherwise` where nothing is."""
        return max(
            [*(event.hlc for event in self.others), *(moved.hlcs[-1] for moved in self.moved)], default=otherwise
        )


def encode_body(events: Sequence[Event]) -> bytes:
    """Return the stored (deflated) body of consecutive events of one stream, at most 256 of them.

    Raises ValueError where the events cannot stand in one block; callers then take fewer.
    """
    stream, first_seq = events[0].dot
    streams: dict[bytes, int] = {stream: 0}
    by_type: dict[type[Fact], list[Event]] = {}
    for event in events:
        by_type.setdefault(type(event.fact), []).append(event)
    groups = []
    for value, rows in by_type.items():
        known = BY_VALUE[value]
        offsets = None if len(rows) == len(events) else [row.dot.seq - first_seq for row in rows]
        hlcs = [events[0].hlc, *(row.hlc for row in rows)]
        group: list[Wire] = [known.type_id, known.version, cast(Wire, offsets)]
        group.append(folded([later - earlier for earlier, later in pairwise(hlcs)]))
        group.append(folded([row.who for row in rows]))
        for number, column in enumerate(known.columns):
            fields = [getattr(row.fact, row.fact.__struct_fields__[number]) for row in rows]
            group.extend(encoded_column(column, fields, streams))
        groups.append(group)
    mentioned = [name for name in streams if name != stream]
    raw = msgspec.msgpack.encode([mentioned, groups])
    if len(raw) > BODY_RAW_BYTES_MAX or len(mentioned) > STREAMS_MENTIONED_MAX or len(events) > EVENTS_PER_BLOCK_MAX:
        raise ValueError("these events do not fit one block")
    stored = zlib.compress(raw, _ZLIB_LEVEL)
    if len(stored) > BODY_STORED_BYTES_MAX:
        raise ValueError("these events do not fit one block")
    return stored


def decode_body(stored: bytes, *, stream: bytes, first_seq: int, count: int, hlc_base: int) -> Body:
    """Read a stored body within every bound. Raises BodyRefused, and then nothing of it may be used."""
    body = _inflated(stored)
    if not isinstance(body, list) or len(body) != 2:
        raise BodyRefused("it is not two lists")
    streams = _stream_table(body[0], stream)
    groups = body[1]
    if not isinstance(groups, list) or not 1 <= len(groups) <= count:
        raise BodyRefused("its groups are not a list")
    moved: list[MovedColumns] = []
    others: list[Event] = []
    unknown: list[UnknownEvent] = []
    taken: set[int] = set()
    for group in groups:
        if not isinstance(group, list) or len(group) < 5:
            raise BodyRefused("a group is too short")
        type_id, version = integer(group[0]), integer(group[1])
        seqs = [first_seq + offset for offset in _offsets(group[2], count, taken)]
        known = BY_NUMBER.get((type_id, version))
        if known is None:
            unknown.extend(UnknownEvent(Dot(stream, seq), type_id, version) for seq in seqs)
        elif known.value is Moved:
            moved.append(moved_columns(group, stream, seqs, hlc_base, streams))
        else:
            others.extend(decoded_group(group, known, [Dot(stream, seq) for seq in seqs], hlc_base, streams))
    if len(taken) != count:
        raise BodyRefused("its offsets do not cover the block")
    others.sort(key=lambda event: event.dot.seq)
    unknown.sort(key=lambda event: event.dot.seq)
    return Body(moved, others, unknown)


def _inflated(stored: bytes) -> object:
    inflater = zlib.decompressobj()
    try:
        raw = inflater.decompress(stored, BODY_RAW_BYTES_MAX + 1)
    except zlib.error as error:
        raise BodyRefused("it cannot be inflated") from error
    if len(raw) > BODY_RAW_BYTES_MAX or not inflater.eof or inflater.unused_data or inflater.unconsumed_tail:
        raise BodyRefused("it is larger than allowed, or cut, or has something behind it")
    try:
        body = msgspec.msgpack.decode(raw)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:  # ValueError: a text that is not UTF-8
        raise BodyRefused("it is not MessagePack") from error
    _check_shape(body, DEPTH_MAX)
    return body


def _check_shape(value: object, depth: int) -> None:
    if isinstance(value, list):
        if depth == 0:
            raise BodyRefused("it is nested too deeply")
        if set(map(type, value)) == {int}:  # a column of numbers, judged at once
            if min(value) < -INTEGER_MAX or max(value) > INTEGER_MAX:
                raise BodyRefused("a number is out of range")
            return
        for part in value:
            _check_shape(part, depth - 1)
    elif value is None or isinstance(value, bool):
        return
    elif isinstance(value, int):
        if not -INTEGER_MAX <= value <= INTEGER_MAX:
            raise BodyRefused("a number is out of range")
    elif isinstance(value, str):
        if len(value.encode("utf-8", "surrogatepass")) > TEXT_BYTES_MAX:
            raise BodyRefused("a text is too long")
    elif isinstance(value, bytes):
        if len(value) > TEXT_BYTES_MAX:
            raise BodyRefused("a byte string is too long")
    else:
        raise BodyRefused("it holds a value of a kind that is not allowed")


def _stream_table(value: object, own: bytes) -> list[bytes]:
    if not isinstance(value, list) or len(value) > STREAMS_MENTIONED_MAX:
        raise BodyRefused("its stream table is too long")
    for name in value:
        if not isinstance(name, bytes) or len(name) != STREAM_BYTES:
            raise BodyRefused("a stream's name is not 8 bytes")
    return [own, *value]


def _offsets(value: object, count: int, taken: set[int]) -> list[int]:
    if value is None and not taken:
        taken.update(range(count))
        return list(range(count))
    offsets = list(range(count)) if value is None else value
    if not isinstance(offsets, list) or not 1 <= len(offsets) <= count:
        raise BodyRefused("its offsets are not a list")
    last = -1
    for offset in offsets:
        if not isinstance(offset, int) or isinstance(offset, bool) or not last < offset < count or offset in taken:
            raise BodyRefused("an offset is out of place")
        last = offset
        taken.add(offset)
    return offsets


def decoded_group(
    group: list[object], known: EventType, dots: list[Dot], hlc_base: int, streams: list[bytes]
) -> list[Event]:
    """Read a group of any known type as events, within every bound. Raises BodyRefused."""
    count = len(dots)
    parts = iter(group[5:])
    columns = []
    for column in known.columns:
        pair = (next(parts, _MISSING), next(parts, _MISSING) if column is Column.REFERENCE else None)
        if _MISSING in pair:
            raise BodyRefused("a column is missing")
        columns.append(decoded_column(column, pair, count, streams))
    if next(parts, _MISSING) is not _MISSING:
        raise BodyRefused("a group has too many columns")
    hlcs = clock_values(group[3], count, hlc_base)
    try:
        # A column at a time, and not a row: the checks are the same, at a fifth of the price.
        fields = map(msgspec.convert, columns, _column_types(known.value))
        facts = cast(list[Fact], list(map(known.value, *fields)))
    except msgspec.ValidationError as error:
        raise BodyRefused("a field has a value of another kind") from error
    return list(map(Event._make, zip(dots, hlcs, naturals(group[4], count), facts, strict=True)))


_MISSING = object()


@cache
def _column_types(value: type[Fact]) -> list[object]:
    """Return the type of each field's whole column."""
    return [list[field.type] for field in msgspec.structs.fields(value)]  # type: ignore[name-defined]
