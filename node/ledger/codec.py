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
from itertools import accumulate, pairwise
from math import gcd
from typing import NamedTuple, cast

import msgspec

from node.domain.lots import Dot
from node.errors import N_, RemoteFault
from node.ledger.events import BY_NUMBER, BY_VALUE, Column, Event, EventType, Fact, RegisterValue, StreamHead
from node.ledger.names import STREAM_BYTES

BODY_STORED_BYTES_MAX = 16 * 1024
BODY_RAW_BYTES_MAX = 64 * 1024
EVENTS_PER_BLOCK_MAX = 256
TEXT_BYTES_MAX = 4 * 1024
STREAMS_MENTIONED_MAX = 64
REFERENCES_MAX = 64  # dots in one `over`
HEADS_MAX = 256  # streams of one member in one retirement; 46 bytes each, most of which cannot be deflated
LIST_WORDS_MAX = 64  # words in one register value
LIST_INTEGERS_MAX = 64
DIVISOR_MAX = 1_000_000_000
INTEGER_MAX = 2**62  # fits SQLite's signed 64 bits with room for a sum
DEPTH_MAX = 6
_ZLIB_LEVEL = 6

Wire = None | bool | int | str | bytes | list["Wire"]
"""What a body may hold. No floats and no maps."""


class UnknownEvent(NamedTuple):
    """An event of a type or version this software does not know: kept, relayed, counted, not folded."""

    dot: Dot
    type_id: int
    version: int


class Body(NamedTuple):
    """A decoded body: what is understood, in sequence order, and what is not."""

    events: list[Event]
    unknown: list[UnknownEvent]


class BodyRefused(RemoteFault):
    """The body is not what a block may hold. Names the rule it broke, in `values['reason']`."""

    def __init__(self, reason: str) -> None:
        super().__init__("block.body", N_("The body of a block is not valid: {reason}."), reason=reason)


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
        group.append(_folded([later - earlier for earlier, later in pairwise(hlcs)]))
        group.append(_folded([row.who for row in rows]))
        for number, column in enumerate(known.columns):
            fields = [getattr(row.fact, row.fact.__struct_fields__[number]) for row in rows]
            group.extend(_encoded_column(column, fields, streams))
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
    events: list[Event] = []
    unknown: list[UnknownEvent] = []
    taken: set[int] = set()
    for group in groups:
        if not isinstance(group, list) or len(group) < 5:
            raise BodyRefused("a group is too short")
        type_id, version = _integer(group[0]), _integer(group[1])
        offsets = _offsets(group[2], count, taken)
        dots = [Dot(stream, first_seq + offset) for offset in offsets]
        known = BY_NUMBER.get((type_id, version))
        if known is None:
            unknown.extend(UnknownEvent(dot, type_id, version) for dot in dots)
            continue
        events.extend(_decoded_group(group, known, dots, hlc_base, streams))
    if len(taken) != count:
        raise BodyRefused("its offsets do not cover the block")
    if len(groups) > 1:
        events.sort(key=lambda event: event.dot.seq)
    unknown.sort(key=lambda event: event.dot.seq)
    return Body(events, unknown)


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


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BodyRefused("a number is missing")
    return value


def _rows(value: object, count: int) -> list[object]:
    if isinstance(value, list):
        if len(value) != count:
            raise BodyRefused("a column has another length than its group")
        return value
    return [value] * count


def _folded(values: Sequence[object]) -> Wire:
    first = values[0]
    if not isinstance(first, list) and all(type(value) is type(first) and value == first for value in values):
        return cast(Wire, first)
    return cast(Wire, list(values))


def _encoded_column(column: Column, fields: Sequence[object], streams: dict[bytes, int]) -> list[Wire]:
    if column is Column.REFERENCE:
        dots = cast(Sequence[Dot | None], fields)
        indexes = [None if dot is None else streams.setdefault(dot.stream, len(streams)) for dot in dots]
        return [_folded(indexes), _folded([None if dot is None else dot.seq for dot in dots])]
    if column is Column.REFERENCES:
        rows: list[object] = []
        for many in cast(Sequence[Sequence[Dot]], fields):
            rows.append([part for dot in many for part in (streams.setdefault(dot.stream, len(streams)), dot.seq)])
        return [cast(Wire, rows)]
    if column is Column.HEADS:
        heads = cast(Sequence[Sequence[StreamHead]], fields)
        return [cast(Wire, [[part for head in many for part in head] for many in heads])]
    if column is Column.QUANTITY:
        quantities = cast(Sequence[int], fields)
        divisor = min(gcd(*quantities), DIVISOR_MAX) or 1
        if any(quantity % divisor for quantity in quantities):
            divisor = 1
        return [[divisor, _folded([quantity // divisor for quantity in quantities])]]
    return [_folded(fields)]


def _decoded_group(
    group: list[object], known: EventType, dots: list[Dot], hlc_base: int, streams: list[bytes]
) -> list[Event]:
    count = len(dots)
    parts = iter(group[5:])
    columns = []
    for column in known.columns:
        pair = (next(parts, _MISSING), next(parts, _MISSING) if column is Column.REFERENCE else None)
        if _MISSING in pair:
            raise BodyRefused("a column is missing")
        columns.append(_decoded_column(column, pair, count, streams))
    if next(parts, _MISSING) is not _MISSING:
        raise BodyRefused("a group has too many columns")
    hlcs = list(accumulate(_naturals(group[3], count), initial=hlc_base))
    if hlcs[-1] > INTEGER_MAX:
        raise BodyRefused("a number is out of range")
    try:
        # A column at a time, and not a row: the checks are the same, at a fifth of the price.
        fields = map(msgspec.convert, columns, _column_types(known.value))
        facts = cast(list[Fact], list(map(known.value, *fields)))
    except msgspec.ValidationError as error:
        raise BodyRefused("a field has a value of another kind") from error
    return list(map(Event._make, zip(dots, hlcs[1:], _naturals(group[4], count), facts, strict=True)))


_MISSING = object()


@cache
def _column_types(value: type[Fact]) -> list[object]:
    """Return the type of each field's whole column."""
    return [list[field.type] for field in msgspec.structs.fields(value)]  # type: ignore[name-defined]


def _naturals(value: object, count: int) -> list[int]:
    rows = _rows(value, count)
    if set(map(type, rows)) != {int} or min(cast(list[int], rows)) < 0:
        raise BodyRefused("a number is missing")
    return cast(list[int], rows)


def _decoded_column(
    column: Column, parts: tuple[object, object | None], count: int, streams: list[bytes]
) -> list[object]:
    if column is Column.REFERENCE:
        indexes, seqs = _rows(parts[0], count), _rows(parts[1], count)
        if parts[0] is None and parts[1] is None:
            return indexes
        if set(map(type, indexes)) == set(map(type, seqs)) == {int}:
            return _references(cast(list[int], indexes), cast(list[int], seqs), streams)
        return [_reference(index, seq, streams) for index, seq in zip(indexes, seqs, strict=True)]
    if column is Column.QUANTITY:
        return _quantities(parts[0], count)
    if column in {Column.REFERENCES, Column.HEADS}:
        width, most = (2, REFERENCES_MAX) if column is Column.REFERENCES else (3, HEADS_MAX)
        lists = [_chunks(row, width, most) for row in _rows(parts[0], count)]
        if column is Column.HEADS:
            return cast(list[object], lists)
        return [[_reference(index, seq, streams) for index, seq in row] for row in lists]
    rows = _rows(parts[0], count)
    if column is Column.INTEGERS:
        for row in rows:
            _check_integers(row)
    if column is Column.VALUE:
        for row in rows:
            _check_value(cast(RegisterValue, row))
    return rows


def _chunks(row: object, width: int, most: int) -> list[list[object]]:
    if not isinstance(row, list) or len(row) % width or len(row) > most * width:
        raise BodyRefused("a list of references is not valid")
    return [row[place : place + width] for place in range(0, len(row), width)]


def _reference(index: object, seq: object, streams: list[bytes]) -> list[object] | None:
    if index is None and seq is None:
        return None
    if _integer(index) >= len(streams):
        raise BodyRefused("a reference names no stream")
    return [streams[_integer(index)], _integer(seq)]


def _references(indexes: list[int], seqs: list[int], streams: list[bytes]) -> list[object]:
    """Return a whole column of references, none of them nil."""
    if min(indexes) < 0 or min(seqs) < 0:
        raise BodyRefused("a number is missing")
    if max(indexes) >= len(streams):
        raise BodyRefused("a reference names no stream")
    return list(zip(map(streams.__getitem__, indexes), seqs, strict=True))


def _quantities(part: object, count: int) -> list[object]:
    if not isinstance(part, list) or len(part) != 2 or not 1 <= _integer(part[0]) <= DIVISOR_MAX:
        raise BodyRefused("a quantity column is not valid")
    divisor, values = _integer(part[0]), cast(list[int], _rows(part[1], count))
    if set(map(type, values)) != {int} or max(map(abs, values)) * divisor > INTEGER_MAX:
        raise BodyRefused("a quantity is out of range")
    return [value * divisor for value in values]


def _check_integers(row: object) -> None:
    if not isinstance(row, list) or len(row) > LIST_INTEGERS_MAX:
        raise BodyRefused("a list of numbers is not valid")
    if not all(isinstance(number, int) and not isinstance(number, bool) for number in row):
        raise BodyRefused("a list of numbers is not valid")


def _check_value(value: RegisterValue) -> None:
    if isinstance(value, list) and (len(value) > LIST_WORDS_MAX or not all(isinstance(word, str) for word in value)):
        raise BodyRefused("a register's value is not a list of words")
