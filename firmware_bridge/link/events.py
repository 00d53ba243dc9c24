"""What a host session reports: the vocabulary between the link and those who store.

Not messages of the wire: these are facts already checked against the session. All times are CLOCK_BOOTTIME milliseconds
of this computer unless the name says otherwise; sequence numbers are unbounded.
"""

from dataclasses import dataclass

from firmware_bridge.link.messages import CmdRsp, Desc, Hello, Record, Stat
from firmware_bridge.link.states import State

NATIVE = "ll1"


@dataclass(frozen=True, slots=True)
class HelloHeard:
    """A board introduced itself; somebody must compare this with the store and call `reconciled` or `rejected`.

    protocol: ll1, or that of an adapter, which keeps nothing: its boot is a session number that the store gives.
    """

    hello: Hello
    heard_at_ms: int
    protocol: str = NATIVE


@dataclass(frozen=True, slots=True)
class RecordsArrived:
    """New records in sequence, not yet committed: first_seq, first_seq + 1, ... of one boot of the board.

    boot: 16-bit boot in which they were taken. is_earlier_boot: that boot is over. base_ms: 32-bit uptime of that boot.
    doubts: of an adapter that knows a reason against a value, one for each record, '' for none (store/quality.py).
    """

    boot: int
    is_earlier_boot: bool
    first_seq: int
    base_ms: int
    records: list[Record]
    arrived_at_ms: int
    doubts: tuple[str, ...] = ()

    @property
    def next_seq(self) -> int:
        """Return the number after the last of these records."""
        return self.first_seq + len(self.records)


@dataclass(frozen=True, slots=True)
class DescriptionsHeard:
    """All channel descriptions of the board, in channel order; their CRC is desc_crc."""

    desc_crc: int
    descriptions: tuple[Desc, ...]


@dataclass(frozen=True, slots=True)
class UptimeHeard:
    """The board's uptime (32 bits), asked at sent_at_ms and answered at heard_at_ms."""

    boot: int
    now_ms: int
    sent_at_ms: int
    heard_at_ms: int


@dataclass(frozen=True, slots=True)
class StatHeard:
    """The board's own counters."""

    stat: Stat


@dataclass(frozen=True, slots=True)
class TextHeard:
    """A line that the board printed between frames: untrusted."""

    line: str


@dataclass(frozen=True, slots=True)
class CommandAnswered:
    """The board answered a command of this session; answer None means: 5 tries, no answer.

    ask_id: the name under which somebody asked for it, '' when the host itself did.
    """

    op: int
    answer: CmdRsp | None
    ask_id: str = ""


@dataclass(frozen=True, slots=True)
class NamelessHeard:
    """The board's uid is all 00 or all FF, so it cannot be told from others; the port is refused."""


@dataclass(frozen=True, slots=True)
class NewerLinkHeard:
    """The board speaks a version or a message of the link that we do not know."""


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The port moved from one state to another."""

    before: State
    after: State


SessionEvent = (
    HelloHeard
    | RecordsArrived
    | DescriptionsHeard
    | UptimeHeard
    | StatHeard
    | TextHeard
    | CommandAnswered
    | NamelessHeard
    | NewerLinkHeard
    | StateChanged
)
