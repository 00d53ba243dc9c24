"""One column of a group in a block's body: encoding ours, decoding anybody's within bounds.

Not the body around it (`codec`). A column is an array with one value per row, or one value that stands for every row.
Each function that decodes raises BodyRefused for what no column may hold; the kinds of values are judged by its caller.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import gcd
from typing import cast

from node.domain.lots import Dot
from node.errors import N_, RemoteFault
from node.ledger.events import Column, RegisterValue, StreamHead

REFERENCES_MAX = 64  # dots in one `over`
HEADS_MAX = 256  # streams of one member in one retirement; 46 bytes each, most of which cannot be deflated
LIST_WORDS_MAX = 64  # words in one register value
LIST_INTEGERS_MAX = 64
DIVISOR_MAX = 1_000_000_000
INTEGER_MAX = 2**62  # fits SQLite's signed 64 bits with room for a sum

Wire = None | bool | int | str | bytes | list["Wire"]
"""What a body may hold. No floats and no maps."""


class BodyRefused(RemoteFault):
    """The body is not what a block may hold. Names the rule it broke, in `values['reason']`."""

    def __init__(self, reason: str) -> None:
        super().__init__("block.body", N_("The body of a block is not valid: {reason}."), reason=reason)


def integer(value: object) -> int:
    """Return a value that must be a number from zero on."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BodyRefused("a number is missing")
    return value


def rows_of(value: object, count: int) -> list[object]:
    """Return the value of each row of a column."""
    if isinstance(value, list):
        if len(value) != count:
            raise BodyRefused("a column has another length than its group")
        return value
    return [value] * count


def folded(values: Sequence[object]) -> Wire:
    """Return the shortest column that says these values: one value where they are all alike."""
    first = values[0]
    if not isinstance(first, list) and all(type(value) is type(first) and value == first for value in values):
        return cast(Wire, first)
    return cast(Wire, list(values))


def encoded_column(column: Column, fields: Sequence[object], streams: dict[bytes, int]) -> list[Wire]:
    """Return the column, or the two of a reference, that say these fields; `streams` gets those they mention."""
    if column is Column.REFERENCE:
        dots = cast(Sequence[Dot | None], fields)
        indexes = [None if dot is None else streams.setdefault(dot.stream, len(streams)) for dot in dots]
        return [folded(indexes), folded([None if dot is None else dot.seq for dot in dots])]
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
        return [[divisor, folded([quantity // divisor for quantity in quantities])]]
    return [folded(fields)]


def integers(value: object, count: int) -> list[int]:
    """Return a column of which every value must be a number. Of another kind are true, false and nil."""
    if type(value) is int:
        return [value] * count
    rows = rows_of(value, count)
    if set(map(type, rows)) != {int}:
        raise BodyRefused("a number is missing")
    return cast(list[int], rows)


def naturals(value: object, count: int) -> list[int]:
    """Return a column of which every value must be a number from zero on."""
    numbers = integers(value, count)
    if min(numbers) < 0:
        raise BodyRefused("a number is missing")
    return numbers


def clock_values(part: object, count: int, hlc_base: int) -> list[int]:
    """Return the clock value of each row, whose part says how much it is after the row before."""
    hlcs = list(accumulate(naturals(part, count), initial=hlc_base))
    if hlcs[-1] > INTEGER_MAX:
        raise BodyRefused("a number is out of range")
    return hlcs[1:]


def decoded_column(
    column: Column, parts: tuple[object, object | None], count: int, streams: list[bytes]
) -> list[object]:
    """Return the value of each row of a column of this kind, a reference as stream and number."""
    if column is Column.REFERENCE:
        indexes, seqs = rows_of(parts[0], count), rows_of(parts[1], count)
        if parts[0] is None and parts[1] is None:
            return indexes
        if set(map(type, indexes)) == set(map(type, seqs)) == {int}:
            return references_of(cast(list[int], indexes), cast(list[int], seqs), streams)
        return [_reference(index, seq, streams) for index, seq in zip(indexes, seqs, strict=True)]
    if column is Column.QUANTITY:
        return cast(list[object], quantities_of(parts[0], count))
    if column in {Column.REFERENCES, Column.HEADS}:
        width, most = (2, REFERENCES_MAX) if column is Column.REFERENCES else (3, HEADS_MAX)
        lists = [_chunks(row, width, most) for row in rows_of(parts[0], count)]
        if column is Column.HEADS:
            return cast(list[object], lists)
        return [[_reference(index, seq, streams) for index, seq in row] for row in lists]
    rows = rows_of(parts[0], count)
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
    if integer(index) >= len(streams):
        raise BodyRefused("a reference names no stream")
    return [streams[integer(index)], integer(seq)]


def references_of(indexes: list[int], seqs: list[int], streams: list[bytes]) -> list[object]:
    """Return a whole column of references, none of them nil."""
    if min(seqs) < 0:
        raise BodyRefused("a number is missing")
    return list(zip(streams_of(indexes, streams), seqs, strict=True))


def streams_of(indexes: list[int], streams: list[bytes]) -> list[bytes]:
    """Return the streams that a column of indexes names."""
    if min(indexes) < 0:
        raise BodyRefused("a number is missing")
    if max(indexes) >= len(streams):
        raise BodyRefused("a reference names no stream")
    return list(map(streams.__getitem__, indexes))


def quantities_of(part: object, count: int) -> list[int]:
    """Return a column of quantities, each of them its value times the divisor of all."""
    if not isinstance(part, list) or len(part) != 2 or not 1 <= integer(part[0]) <= DIVISOR_MAX:
        raise BodyRefused("a quantity column is not valid")
    divisor, values = integer(part[0]), rows_of(part[1], count)
    if set(map(type, values)) != {int}:
        raise BodyRefused("a quantity is out of range")
    numbers = cast(list[int], values)
    if max(max(numbers), -min(numbers)) * divisor > INTEGER_MAX:
        raise BodyRefused("a quantity is out of range")
    return numbers if divisor == 1 else [number * divisor for number in numbers]


def _check_integers(row: object) -> None:
    if not isinstance(row, list) or len(row) > LIST_INTEGERS_MAX:
        raise BodyRefused("a list of numbers is not valid")
    if not all(isinstance(number, int) and not isinstance(number, bool) for number in row):
        raise BodyRefused("a list of numbers is not valid")


def _check_value(value: RegisterValue) -> None:
    if isinstance(value, list) and (len(value) > LIST_WORDS_MAX or not all(isinstance(word, str) for word in value)):
        raise BodyRefused("a register's value is not a list of words")
