"""How sync is right now, in a small file that screens read: connections, who was heard, what was not taken.

Not a fact and not kept: it is of this boot, and without it a screen shows what the database remembers. Whoever reads it
treats it as hostile: bounded, and anything unexpected reads as nothing known.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from node.clock import Moment
from node.errors import N_
from node.places import Places
from node.text import safe_text

FORMAT = "larder-sync/1"
SYNC_BYTES_MAX = 256 * 1024
ROWS_MAX = 128
REASON_CELLS_MAX = 120
# The file is replaced every few seconds; older than this it says nothing about now.
STALE_AFTER_S = 30
# Why a connection is down, said by the broker itself: the other side has another card of ours, or none any more.
LOGIN_REFUSED = N_("it does not let this market in; pair with it again")


class LinkRow(msgspec.Struct, frozen=True):
    """One connection: `name` is `own` or a node id, `reason` says in words why it is down."""

    name: str
    address: str
    is_up: bool
    reason: str


class HeardRow(msgspec.Struct, frozen=True):
    """One market as its last live beacon said; counts are blocks, `heard_boottime_ms` is of the boot in the file."""

    node_id: str
    heard_boottime_ms: int
    has_left: bool
    clock: int
    version: str
    our_stream: str
    our_blocks: int
    missing_here: int
    missing_there: int


class SyncHealth(msgspec.Struct, frozen=True):
    """Everything in the file. `dropped` counts messages, `refused` blocks, by reason, since the driver's start."""

    format: str
    pid: int
    host_boot_id: str
    boottime_ms: int
    group_id: str
    links: list[LinkRow]
    heard: list[HeardRow]
    dropped: dict[str, int]
    refused: dict[str, int]
    is_rolled_back: bool

    def age_s(self, row: HeardRow, moment: Moment) -> int:
        """Return how long ago a market was heard."""
        return max(0, moment.boottime_ms - row.heard_boottime_ms) // 1000


def sync_file(places: Places) -> Path:
    """Return where the file lies."""
    return places.run / "sync.json"


def write_sync(
    places: Places,
    moment: Moment,
    *,
    group: bytes,
    links: list[LinkRow],
    heard: list[HeardRow],
    dropped: Mapping[str, int],
    refused: Mapping[str, int],
    is_rolled_back: bool,
) -> None:
    """Replace the file in one step. Raises OSError."""
    health = SyncHealth(
        FORMAT,
        os.getpid(),
        moment.boot_id,
        moment.boottime_ms,
        group.hex(),
        links[:ROWS_MAX],
        heard[:ROWS_MAX],
        dict(dropped),
        dict(refused),
        is_rolled_back,
    )
    path = sync_file(places)
    unfinished = path.with_suffix(".new")
    unfinished.write_bytes(msgspec.json.encode(health))
    unfinished.replace(path)


def read_sync(places: Places, moment: Moment) -> SyncHealth | None:
    """Return how sync is, or None where nobody said so lately in this boot."""
    try:
        with sync_file(places).open("rb") as file:
            health = msgspec.json.decode(file.read(SYNC_BYTES_MAX), type=SyncHealth)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    age_ms = moment.boottime_ms - health.boottime_ms
    if health.format != FORMAT or health.host_boot_id != moment.boot_id or not 0 <= age_ms < STALE_AFTER_S * 1000:
        return None
    return msgspec.structs.replace(
        health,
        links=[
            LinkRow(
                safe_text(row.name, 40), safe_text(row.address, 80), row.is_up, safe_text(row.reason, REASON_CELLS_MAX)
            )
            for row in health.links[:ROWS_MAX]
        ],
        heard=[msgspec.structs.replace(row, version=safe_text(row.version, 20)) for row in health.heard[:ROWS_MAX]],
    )
