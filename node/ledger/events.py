"""The event types of the ledger: one table of ids, one frozen value per type, and how its fields stand in columns.

Not a codec and not a fold. Owns the rule that an id and a version, once written, keep their meaning for ever: a changed
meaning is a new version, and nothing is ever removed from these tables.

Ids reserved for facts that are not written yet: 7-9 placement, correction, settings; 10-19 transfer;
20-29 cold; 30-39 faults, incidents, runbooks; 40-49 planning; 51-53 rotate, retire, succeed; 60, 61 checkpoint, fork.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

import msgspec

from node.domain.lots import Dot

RegisterValue = str | int | bool | list[str] | None
"""What a register may hold. Lists are lists of words (allergens); no floats, no maps."""


class StreamHead(NamedTuple):
    """Where another stream of the same node ended: how many blocks, and the hash of the last."""

    stream: bytes
    blocks: int
    block_hash: bytes


class StreamOpened(msgspec.Struct, frozen=True, array_like=True):
    """A stream begins. The first event of every stream, written by its own node."""

    purpose: int
    reason: int
    software: str
    previous: list[StreamHead]


class Moved(msgspec.Struct, frozen=True, array_like=True):
    """A quantity changed, in thousandths of the lot's unit; out is negative. `about` is what this movement undoes."""

    lot: Dot
    kind: int
    quantity_milli: int
    about: Dot | None
    basis: int
    reason: int


class LotReceived(msgspec.Struct, frozen=True, array_like=True):
    """Units came in together and are one lot, named by this event. Dates are days since 1970-01-01."""

    item_id: str
    unit: int
    quantity_milli: int
    use_by: int | None
    best_before: int | None
    sell_by: int | None
    produced: int | None
    batch: str | None
    supplier: str | None
    parents: list[Dot]


class LotCounted(msgspec.Struct, frozen=True, array_like=True):
    """Somebody counted a lot. `change_milli` is counted less what the books had when this event was written."""

    lot: Dot
    counted_milli: int
    change_milli: int


class RegisterSet(msgspec.Struct, frozen=True, array_like=True):
    """A field got a value, in place of the writes its author saw."""

    key: str
    value: RegisterValue
    over: list[Dot]


class MemberEnrolled(msgspec.Struct, frozen=True, array_like=True):
    """A market's key joined the group. `nonce` is the founder's alone: with the key it makes the group's id."""

    public_key: bytes
    name: str
    roles: int
    nonce: bytes | None
    recovery_key: bytes | None
    seen: list[Dot]


Fact = StreamOpened | Moved | LotReceived | LotCounted | RegisterSet | MemberEnrolled

ROLE_MARKET = 1
ROLE_STEWARD = 2


class Event(NamedTuple):
    """One fact with its name. `hlc` is milliseconds of the hybrid clock, `who` the market's number for a person."""

    dot: Dot
    hlc: int
    who: int
    fact: Fact


class Column(Enum):
    """How a field stands in a block's columns; a reference takes two columns, every other field one."""

    INTEGER = "integer"  # or nil
    TEXT = "text"  # or nil
    BYTES = "bytes"  # or nil
    VALUE = "value"  # a register's value
    QUANTITY = "quantity"  # [divisor, values]
    REFERENCE = "reference"  # stream index, seq; both nil for none
    REFERENCES = "references"  # index, seq, index, seq, ...
    HEADS = "heads"  # stream, blocks, hash, stream, blocks, hash, ...


class EventType(NamedTuple):
    """One row of the table: the id and version on the wire, the value, and its columns in field order."""

    type_id: int
    version: int
    value: type[Fact]
    columns: tuple[Column, ...]


EVENT_TYPES = (
    EventType(1, 1, StreamOpened, (Column.INTEGER, Column.INTEGER, Column.TEXT, Column.HEADS)),
    EventType(
        2,
        1,
        Moved,
        (Column.REFERENCE, Column.INTEGER, Column.QUANTITY, Column.REFERENCE, Column.INTEGER, Column.INTEGER),
    ),
    EventType(
        3,
        1,
        LotReceived,
        (
            Column.TEXT,
            Column.INTEGER,
            Column.QUANTITY,
            Column.INTEGER,
            Column.INTEGER,
            Column.INTEGER,
            Column.INTEGER,
            Column.TEXT,
            Column.TEXT,
            Column.REFERENCES,
        ),
    ),
    EventType(4, 1, LotCounted, (Column.REFERENCE, Column.QUANTITY, Column.QUANTITY)),
    EventType(5, 1, RegisterSet, (Column.TEXT, Column.VALUE, Column.REFERENCES)),
    EventType(
        50,
        1,
        MemberEnrolled,
        (Column.BYTES, Column.TEXT, Column.INTEGER, Column.BYTES, Column.BYTES, Column.REFERENCES),
    ),
)

BY_NUMBER: dict[tuple[int, int], EventType] = {(known.type_id, known.version): known for known in EVENT_TYPES}
BY_VALUE: dict[type[Fact], EventType] = {known.value: known for known in EVENT_TYPES}
