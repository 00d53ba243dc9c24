"""The event types of the ledger: one table of ids, one frozen value per type, and how its fields stand in columns.

Not a codec and not a fold. Owns the rule that an id and a version, once written, keep their meaning for ever: a changed
meaning is a new version, and nothing is ever removed from these tables.

Ids reserved for facts that are not written yet: 7-9 placement, correction, settings; 15 temperature log of a transfer;
20-29 cold; 30-39 faults, incidents, runbooks; 44, 46-49 planning; 51, 53 rotate, succeed; 60 checkpoint.
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


class StreamOpenedUnbound(msgspec.Struct, frozen=True, array_like=True):
    """A stream of any name begins: the first form, still read in a market's own log and taken from nobody else."""

    purpose: int
    reason: int
    software: str
    previous: list[StreamHead]


class StreamOpened(msgspec.Struct, frozen=True, array_like=True):
    """A stream begins. The first event of every stream, by its own node: `nonce` and its origin make the name."""

    purpose: int
    reason: int
    software: str
    previous: list[StreamHead]
    nonce: bytes


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


class LotCarried(msgspec.Struct, frozen=True, array_like=True):
    """What was left of a lot when its market joined another group: a new lot there, named by this event.

    `lot` is the lot it was at home, whose events stay there. `received` is when that one came in (hlc).
    """

    lot: Dot
    item_id: str
    unit: int
    quantity_milli: int
    use_by: int | None
    best_before: int | None
    sell_by: int | None
    produced: int | None
    batch: str | None
    supplier: str | None
    received: int


class MemberRetired(msgspec.Struct, frozen=True, array_like=True):
    """A member's blocks count only up to these positions; a stream that is not listed counts not at all."""

    member: bytes
    cutoffs: list[StreamHead]
    reason: str | None
    seen: list[Dot]


class TransferOffered(msgspec.Struct, frozen=True, array_like=True):
    """The custodian offers a quantity of a lot to one market; the transfer is named by this event.

    `limit_milli_c` is the highest temperature on the way, None for food that keeps at any.
    """

    lot: Dot
    quantity_milli: int
    recipient: bytes
    limit_milli_c: int | None


class TransferAccepted(msgspec.Struct, frozen=True, array_like=True):
    """The named recipient wants this much of what was offered, and no more."""

    transfer: Dot
    quantity_milli: int


class TransferCancelled(msgspec.Struct, frozen=True, array_like=True):
    """The custodian takes an offer back that nobody had accepted as far as it knew."""

    transfer: Dot


class TransferWithdrawn(msgspec.Struct, frozen=True, array_like=True):
    """The custodian, before sending, goes back on an accepted offer; `accepted` names the accept it saw."""

    transfer: Dot
    accepted: Dot


class TransferSent(msgspec.Struct, frozen=True, array_like=True):
    """The goods left the custodian. `departure_milli_c` None means not measured."""

    transfer: Dot
    quantity_milli: int
    carrier: str | None
    departure_milli_c: int | None


class TransferReceived(msgspec.Struct, frozen=True, array_like=True):
    """The recipient has the goods; the good part is a new lot named by this event, with what the label says.

    `arrival_milli_c` None means not measured.
    """

    transfer: Dot
    good_milli: int
    damaged_milli: int
    arrival_milli_c: int | None
    item_id: str
    unit: int
    use_by: int | None
    best_before: int | None
    batch: str | None
    supplier: str | None


class TransferRefused(msgspec.Struct, frozen=True, array_like=True):
    """The recipient did not take the goods; they stay on the way until the sender books them."""

    transfer: Dot
    reason: str | None


class TransferReturned(msgspec.Struct, frozen=True, array_like=True):
    """The sender has this much back; it is a new lot of the sender, named by this event, like the one it left."""

    transfer: Dot
    quantity_milli: int


class TransferLost(msgspec.Struct, frozen=True, array_like=True):
    """The sender writes off what did not arrive and did not come back."""

    transfer: Dot
    quantity_milli: int


class PlanAccepted(msgspec.Struct, frozen=True, array_like=True):
    """A person accepted a plan; it is named by this event and its dishes name it. `score` is the validator's vector."""

    snapshot_id: bytes
    planner: str
    rules: str
    day: int
    seed: int
    verdict: str
    score: list[int]


class DishPlanned(msgspec.Struct, frozen=True, array_like=True):
    """One dish of an accepted plan with all its portions, and what it reserves: item ids, thousandths of each."""

    plan: Dot
    recipe_id: str
    meal: str
    portions: int
    items: list[str]
    amounts_milli: list[int]


class PlanWithdrawn(msgspec.Struct, frozen=True, array_like=True):
    """An accepted plan is not cooked after all; its reservations end."""

    plan: Dot
    reason: str | None


class DishCooked(msgspec.Struct, frozen=True, array_like=True):
    """A planned dish was cooked; its reservation ends. What was used are movements of their own."""

    dish: Dot
    portions: int


class VerdictReached(msgspec.Struct, frozen=True, array_like=True):
    """The validator judged a proposal: who made it, `ok`, `ask` or `reject`, and the codes of its faults."""

    snapshot_id: bytes
    planner: str
    rules: str
    verdict: str
    codes: list[str]


class ForkSeen(msgspec.Struct, frozen=True, array_like=True):
    """Somebody saw two blocks with the number `n` of one stream, by their hashes: a cloned card or a lying disk."""

    stream: bytes
    n: int
    one: bytes
    other: bytes


class ForkSettled(msgspec.Struct, frozen=True, array_like=True):
    """The owner of a forked stream said the facts of a branch that is not counted again, or let them go.

    `tip` is the hash of the last block of that branch.
    """

    stream: bytes
    tip: bytes
    is_taken: int
    reason: str | None


Fact = (
    StreamOpened
    | StreamOpenedUnbound
    | Moved
    | LotReceived
    | LotCounted
    | RegisterSet
    | TransferOffered
    | TransferAccepted
    | TransferCancelled
    | TransferWithdrawn
    | TransferSent
    | TransferReceived
    | TransferRefused
    | TransferReturned
    | TransferLost
    | PlanAccepted
    | PlanWithdrawn
    | DishCooked
    | VerdictReached
    | DishPlanned
    | MemberEnrolled
    | MemberRetired
    | LotCarried
    | ForkSeen
    | ForkSettled
)

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
    INTEGERS = "integers"  # a list of integers


class EventType(NamedTuple):
    """One row of the table: the id and version on the wire, the value, and its columns in field order."""

    type_id: int
    version: int
    value: type[Fact]
    columns: tuple[Column, ...]


_I, _T, _B, _V, _Q = Column.INTEGER, Column.TEXT, Column.BYTES, Column.VALUE, Column.QUANTITY
_REF, _REFS, _HEADS, _INTS = Column.REFERENCE, Column.REFERENCES, Column.HEADS, Column.INTEGERS

EVENT_TYPES = (
    EventType(1, 1, StreamOpenedUnbound, (_I, _I, _T, _HEADS)),
    EventType(1, 2, StreamOpened, (_I, _I, _T, _HEADS, _B)),
    EventType(2, 1, Moved, (_REF, _I, _Q, _REF, _I, _I)),
    EventType(3, 1, LotReceived, (_T, _I, _Q, _I, _I, _I, _I, _T, _T, _REFS)),
    EventType(4, 1, LotCounted, (_REF, _Q, _Q)),
    EventType(5, 1, RegisterSet, (_T, _V, _REFS)),
    EventType(10, 1, TransferOffered, (_REF, _Q, _B, _I)),
    EventType(11, 1, TransferAccepted, (_REF, _Q)),
    EventType(12, 1, TransferCancelled, (_REF,)),
    EventType(13, 1, TransferWithdrawn, (_REF, _REF)),
    EventType(14, 1, TransferSent, (_REF, _Q, _T, _I)),
    EventType(16, 1, TransferReceived, (_REF, _Q, _Q, _I, _T, _I, _I, _I, _T, _T)),
    EventType(17, 1, TransferRefused, (_REF, _T)),
    EventType(18, 1, TransferReturned, (_REF, _Q)),
    EventType(19, 1, TransferLost, (_REF, _Q)),
    EventType(40, 1, PlanAccepted, (_B, _T, _T, _I, _I, _T, _INTS)),
    EventType(41, 1, PlanWithdrawn, (_REF, _T)),
    EventType(42, 1, DishCooked, (_REF, _I)),
    EventType(43, 1, VerdictReached, (_B, _T, _T, _T, _V)),
    EventType(45, 1, DishPlanned, (_REF, _T, _T, _I, _V, _INTS)),
    EventType(50, 1, MemberEnrolled, (_B, _T, _I, _B, _B, _REFS)),
    EventType(52, 1, MemberRetired, (_B, _HEADS, _T, _REFS)),
    EventType(61, 1, ForkSeen, (_B, _I, _B, _B)),
    EventType(63, 1, ForkSettled, (_B, _B, _I, _T)),
    EventType(62, 1, LotCarried, (_REF, _T, _I, _Q, _I, _I, _I, _I, _T, _T, _I)),
)

BY_NUMBER: dict[tuple[int, int], EventType] = {(known.type_id, known.version): known for known in EVENT_TYPES}
BY_VALUE: dict[type[Fact], EventType] = {known.value: known for known in EVENT_TYPES}
