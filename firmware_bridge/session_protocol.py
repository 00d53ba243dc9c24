"""What a port's thread needs of whoever holds the conversation: the native link and every adapter look like this.

Not a session itself. One thread, one session; all times are CLOCK_BOOTTIME milliseconds. Every session reports in the
words of `link/events.py`, so that writer and store have one way in. LINK sections 3 to 5.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Protocol

from firmware_bridge.link.events import SessionEvent
from firmware_bridge.link.messages import Desc, Hello
from firmware_bridge.link.states import State


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How the line is set: baud, 8 data bits, parity N, E or O, 1 stop bit."""

    baud: int = 115_200
    parity: str = "N"


class Ear(Protocol):
    """What was heard, counted."""

    frames_good: int

    @property
    def errors(self) -> Counter[str]:
        """Return the count of what was malformed, by kind."""


class Session(Protocol):
    """One conversation with whatever is behind one port. Sans-IO: bytes and times come in, events and bytes go out."""

    state: State
    uid: bytes | None

    @property
    def receiver(self) -> Ear:
        """Return the ear of this session."""

    @property
    def records_waiting(self) -> int:
        """Return how many records have arrived and are not committed."""

    def opened(self, now_ms: int) -> list[SessionEvent]:
        """Begin with a freshly opened port."""

    def receive(self, data: bytes, now_ms: int, *, may_take: bool = True) -> list[SessionEvent]:
        """Take bytes from the port; may_take False: the writer cannot take records now."""

    def tick(self, now_ms: int) -> list[SessionEvent]:
        """Do what time asks for."""

    def take_output(self) -> bytes:
        """Return what is to be written to the port now."""

    def patience_ms(self, now_ms: int) -> int:
        """Return how long the port may be listened to before `tick` has something to do; bytes end the wait sooner."""

    def committed(self, next_seq: int, now_ms: int) -> None:
        """Note that everything before next_seq is on disk."""

    def reconciled(self, hello: Hello, next_seq: int, known_desc_crc: int | None, now_ms: int) -> list[SessionEvent]:
        """Link after the store took this HELLO: go on at next_seq."""

    def rejected(self) -> list[SessionEvent]:
        """Give up: the uid is in use on another port."""

    def describe(self, descriptions: tuple[Desc, ...]) -> None:
        """Learn what the store knows of the channels."""

    def lost(self) -> list[SessionEvent]:
        """Note that the port is gone."""
