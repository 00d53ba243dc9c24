"""The closed lists of the domain: units, kinds of movement, bases, reasons. Numbers are what the ledger stores.

A number here is never given another meaning and never re-used: blocks that carry it must be readable for ever.
"""

from __future__ import annotations

from enum import IntEnum


class Unit(IntEnum):
    """What one thousandth of a quantity is a thousandth of."""

    EACH = 0
    GRAM = 1
    MILLILITRE = 2


class MoveKind(IntEnum):
    """Why a quantity changed. The sign is in the quantity: out is negative."""

    RECEIVE = 1
    SELL = 2
    ISSUE = 3
    DISCARD = 4
    ADJUST = 5
    COUNT = 6
    TRANSFER_OUT = 7  # sent to another market
    TRANSFER_IN = 8  # the good part of what another market sent
    TRANSFER_BACK = 9  # what was sent and came back
    CARRIED = 10  # what a market had when it joined this group


class Basis(IntEnum):
    """How the till knows which lot it was."""

    SCANNED = 1
    CHOSEN = 2
    ASSUMED = 3  # by first expired, first out


class DiscardReason(IntEnum):
    """Why food was thrown away: the closed list, version 1. NONE is for movements that are no discard."""

    NONE = 0
    USE_BY = 1
    QUALITY = 2
    DAMAGED = 3
    COLD_CHAIN = 4
    RECALL = 5
    PREPARATION = 6
    SPILL = 7
    RETURNED = 8
    DONATED = 9
    OTHER = 10


class StreamPurpose(IntEnum):
    """What a stream carries."""

    MARKET = 0
    ROSTER = 1


class StreamReason(IntEnum):
    """Why a stream was opened."""

    FIRST_START = 0
    RESTORED = 1
    HEAD_NOT_CONFIRMED = 2  # a new boot, or another database file, and no peer that confirms our head
    JOINED = 3  # the first stream in a group that this market joined


UNIT_WORDS = {Unit.EACH: "each", Unit.GRAM: "g", Unit.MILLILITRE: "ml"}
"""The words by which a unit is written in catalogue files and on the command line."""

STORAGE_CLASSES = ("fridge", "freezer", "produce", "dry")
"""Where an item belongs, from the coldest demand down."""
