"""What ports and the writer tell each other.

Not queues and not threads: values, each said once and never changed. LINK sections 3 and 4.
"""

from dataclasses import dataclass
from typing import Protocol

from firmware_bridge.link.events import (
    DescriptionsHeard,
    HelloHeard,
    RecordsArrived,
    StatHeard,
    TextHeard,
    UptimeHeard,
)
from firmware_bridge.store.notes import Statement
from firmware_bridge.store.store import Linked

# What a port hands over.
Heard = HelloHeard | RecordsArrived | DescriptionsHeard | UptimeHeard | StatHeard | TextHeard


@dataclass(frozen=True, slots=True)
class Noted:
    """Rows that are no readings and that no board sent; they go with the next commit."""

    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class PortLetGo:
    """The port lost its board. It has its place in the order: what the port heard before still counts."""


@dataclass(frozen=True, slots=True)
class Committed:
    """Everything before next_seq (unbounded) of the port's board is on disk."""

    next_seq: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """The board must not be used on this port; `reason` is for a person."""

    hello: HelloHeard
    reason: str


Reply = Linked | Committed | Rejected


class Listener(Protocol):
    """A port as the writer sees it."""

    @property
    def path(self) -> str: ...

    def deliver(self, reply: Reply) -> None:
        """Take a reply; called on the writer's thread, must not block."""
