"""Say what a sensor measures: the name of the unit it hangs in, and what kind of unit that is."""

from __future__ import annotations

import re

from node.actions.checks import checked_words
from node.actions.once import done_before, finish
from node.errors import N_, Refused
from node.ledger.append import Appender
from node.ledger.events import RegisterSet
from node.ledger.registers import heads
from node.ledger.store import Transaction

UNIT_NAME_CHARACTERS_MAX = 24
UNIT_KINDS = ("fridge", "freezer", "ambient")
# A device and a channel number: a board's uid is 16 hex digits, other hardware has the label of its settings.
_SENSOR = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}/[0-9]{1,2}\Z")


def checked_sensor(sensor: str) -> str:
    """Return the name of a sensor, `DEVICE/CHANNEL`. Raises Refused for anything else."""
    if not _SENSOR.match(sensor):
        raise Refused(
            "unit.bad_sensor",
            N_("'{sensor}' is not a sensor."),
            N_("Take the sensor's name from: larder sensors"),
            sensor=sensor[:40],
        )
    return sensor


def unit_key(sensor: str, field: str) -> str:
    """Return the register key of a field of a sensor (`DEVICE/CHANNEL`)."""
    return f"unit/{sensor}/{field}"


def describe_unit(
    tx: Transaction, *, action_id: bytes, who: int, sensor: str, name: str | None = None, kind: str | None = None
) -> None:
    """Give the unit at `sensor` (`DEVICE/CHANNEL`) a name, a kind, or both. Raises Refused."""
    if done_before(tx, action_id) is not None:
        return
    checked_sensor(sensor)
    if kind is not None and kind not in UNIT_KINDS:
        raise Refused(
            "unit.bad_kind",
            N_("'{kind}' is not a kind of unit."),
            N_("Use one of: {known}."),
            kind=kind[:20],
            known=", ".join(UNIT_KINDS),
        )
    fields = {"kind": kind}
    if name is not None:
        fields["name"] = checked_words(name, field="name", characters_max=UNIT_NAME_CHARACTERS_MAX)
    told = {unit_key(sensor, field): value for field, value in fields.items() if value is not None}
    if not told:
        raise Refused(
            "unit.nothing", N_("Nothing was said about {sensor}."), N_("Give a name or a kind."), sensor=sensor
        )
    appender = Appender(tx)
    events = [
        appender.append(RegisterSet(key, value, [head.dot for head in heads(tx.connection, key)]), who)
        for key, value in told.items()
    ]
    finish(tx, events, action_id=action_id, verb="unit", who=who)
