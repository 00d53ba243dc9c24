"""What people decided, as one list for the log: plans, names, declared allergens, lifted holds, recipes, calibrations.

Not what follows from it (`plans`, `registers`, `holds`). Registers keep the living values alone and plans what still
binds; here every such fact stays, so that the log can say who changed what and why.
"""

from __future__ import annotations

import sqlite3

import msgspec

from node.ledger.calibrations import CALIBRATION_KEY_PREFIX
from node.ledger.events import (
    BY_NUMBER,
    BY_VALUE,
    DishCooked,
    Event,
    Fact,
    PlanAccepted,
    PlanWithdrawn,
    RegisterSet,
    VerdictReached,
)
from node.ledger.holds import LIFT_KEY_PREFIX

# The reason of a weakened declaration stands in a field of its own: the list itself holds codes alone.
ALLERGENS_REASON_FIELD = "allergens_reason"
_PLAN_FACTS = (PlanAccepted, PlanWithdrawn, DishCooked, VerdictReached)
_FIELDS = {
    "item/": ("name", "allergens", ALLERGENS_REASON_FIELD),
    "recipe/": ("title",),
}
_ENCODER = msgspec.msgpack.Encoder()


def is_decision(fact: Fact) -> bool:
    """Tell whether a fact belongs in the list."""
    if isinstance(fact, RegisterSet):
        if fact.key.startswith((LIFT_KEY_PREFIX, CALIBRATION_KEY_PREFIX)):
            return True
        prefix, _mark, _rest = fact.key.partition("/")
        return fact.key.rpartition("/")[2] in _FIELDS.get(f"{prefix}/", ())
    return isinstance(fact, _PLAN_FACTS)


def keep_decision(connection: sqlite3.Connection, event: Event, *, member: bytes, clock: int) -> None:
    """Keep one fact of the list, written by `member`."""
    known = BY_VALUE[type(event.fact)]
    connection.execute(
        "INSERT INTO decision (hlc, stream, seq, type, version, fact, member, clock, who)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            event.hlc,
            *event.dot,
            known.type_id,
            known.version,
            _ENCODER.encode(event.fact),
            member,
            clock,
            event.who,
        ),
    )


def decided_fact(type_id: int, version: int, fact: bytes) -> Fact:
    """Return the fact of a row of `decision`."""
    return msgspec.msgpack.decode(fact, type=BY_NUMBER[type_id, version].value)
