"""What goes into the engine and what comes out of it: frozen values, no behaviour.

Not the engine (`engine`) and not its driver. The engine is told what happened, with the time as an argument; it answers
with a list of effects, which the driver carries out in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, IntEnum
from typing import NamedTuple

from node.ledger.heads import BlockRange, StreamState


class Kind(Enum):
    """The third level of a topic: what a message is for (SYNC topics)."""

    HEAD = "head"
    BLOCKS = "blk"
    PULL = "pull"
    GIVE = "give"
    BYE = "bye"


# Events in.


class FreeSpace(IntEnum):
    """How much room the disk has, as a class: what a beacon says, and when to stop taking in history."""

    UNKNOWN = 0
    LOW = 1  # below 5 %: only the roster is still asked for
    SCARCE = 2  # below 15 %
    PLENTY = 3


class Started(NamedTuple):
    """The driver is ready. `heads` are all streams of the group stored here, `members` maps origin to public key."""

    heads: Mapping[bytes, StreamState]
    members: Mapping[bytes, bytes]
    current_stream: bytes
    clock: int
    free_space: FreeSpace
    version: str


class ConditionsChanged(NamedTuple):
    """The quality of our clock or the room on our disk is another one now."""

    clock: int
    free_space: FreeSpace


class Appended(NamedTuple):
    """Blocks of our own were sealed and are on the disk, oldest first; `heads` are their streams now."""

    frames: tuple[bytes, ...]
    heads: Mapping[bytes, StreamState]
    current_stream: bytes


class MembersChanged(NamedTuple):
    """Who may write is now this (origin to public key), after a roster event was folded."""

    members: Mapping[bytes, bytes]


class LinkUp(NamedTuple):
    """A broker is connected and our subscriptions are made there."""

    broker: str


class LinkDown(NamedTuple):
    """A broker is gone."""

    broker: str


class Received(NamedTuple):
    """A message arrived. Nothing in it is trusted; `broker` is the name of the link it came by."""

    broker: str
    topic: str
    payload: bytes
    is_retained: bool


class TimerDue(NamedTuple):
    """The moment set by SetTimer has come."""

    name: str


class Persisted(NamedTuple):
    """The transaction of a Persist is on the disk. `heads` are the streams that moved; `refused` counts by reason.

    Of `diverged` streams a block came whose place is on a branch that is not here.
    """

    token: int
    heads: Mapping[bytes, StreamState]
    new_blocks: int
    known_blocks: int
    early_blocks: int
    refused: Mapping[str, int]
    diverged: frozenset[bytes] = frozenset()


class PersistFailed(NamedTuple):
    """The transaction of a Persist did not happen; nothing changed."""

    token: int
    why: str


class Loaded(NamedTuple):
    """The frames asked for by Load or LoadBeyond, in order, as far as they are stored and fit.

    `is_cut` says of LoadBeyond that there are more.
    """

    token: int
    frames: tuple[bytes, ...]
    is_cut: bool = False


class Located(NamedTuple):
    """The hashes asked for by Locate."""

    request: int
    hashes: tuple[bytes, ...]


class SyncAsked(NamedTuple):
    """A person wants it now: send the beacon and ask for what is missing without waiting."""


Event = (
    Started
    | ConditionsChanged
    | Appended
    | MembersChanged
    | LinkUp
    | LinkDown
    | Received
    | TimerDue
    | Persisted
    | PersistFailed
    | Loaded
    | Located
    | SyncAsked
)


# Effects out.


class Persist(NamedTuple):
    """Check, store and fold these frames in one transaction, then answer Persisted or PersistFailed.

    `publisher` is who sent them, or None where several did. If the roster grew, MembersChanged comes before Persisted.
    """

    token: int
    frames: tuple[bytes, ...]
    publisher: bytes | None


class Load(NamedTuple):
    """Read these blocks, at most `bytes_max` of frames, then answer Loaded."""

    token: int
    ranges: tuple[BlockRange, ...]
    bytes_max: int


class LoadBeyond(NamedTuple):
    """Read what lies beyond these blocks of a forked stream, on any branch, then answer Loaded."""

    token: int
    stream: bytes
    known: tuple[bytes, ...]
    bytes_max: int


class Locate(NamedTuple):
    """Read hashes that tell another node what is here of a stream, then answer Located."""

    request: int
    stream: bytes


class Publish(NamedTuple):
    """Send to every connected broker. What it claims is on the disk already: the engine waits for Persisted itself."""

    kind: Kind
    to: str | None
    payload: bytes
    qos: int
    is_retained: bool


class SetTimer(NamedTuple):
    """Answer TimerDue(name) at this monotonic time, in seconds; a second one of the same name replaces the first."""

    name: str
    at_s: float


class PeerHeard(NamedTuple):
    """A live beacon of a member said where it stands. Counts are blocks of all streams, as far as both are known.

    `our_blocks` of `our_stream` (the one we write now) are what the peer has; `is_ahead_of_us` says that it shows more
    of our own stream than we have, which proves that we were rolled back.
    """

    origin: bytes
    counter: int
    clock: int
    version: str
    our_stream: bytes
    our_blocks: int
    missing_here: int
    missing_there: int
    is_ahead_of_us: bool


class PeerLeft(NamedTuple):
    """A broker says that a peer is unheard from now on. Display only."""

    origin: bytes


class CaughtUp(NamedTuple):
    """We have now all that this peer's last beacon had beyond us. Display only."""

    origin: bytes


class Dropped(NamedTuple):
    """Something was not taken: why (a fixed word), and whose topic it came on where that is known."""

    reason: str
    publisher: bytes | None


Effect = Persist | Load | LoadBeyond | Locate | Publish | SetTimer | PeerHeard | PeerLeft | CaughtUp | Dropped
