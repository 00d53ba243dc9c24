"""The one queue of the sync driver: what its threads and connections tell it.

Not an order of importance: first in, first out. Messages from outside are bounded in number and bytes, and one that
finds the queue full is dropped and counted; what our own threads say is bounded by what was asked of them, and always
taken.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from node.sync.effects import Received

MESSAGES_MAX = 256
MESSAGE_BYTES_MAX = 4 * 1024 * 1024


class Inbox:
    """The queue. Any thread puts, one thread takes."""

    def __init__(self) -> None:
        self._events: deque[Any] = deque()
        self._changed = threading.Condition()
        self._messages = 0
        self._bytes = 0
        self._dropped = 0

    def put(self, event: Any) -> None:
        """Put an event at the end, or drop a message from outside that finds no room."""
        with self._changed:
            if isinstance(event, Received):
                size = len(event.payload)
                if self._messages >= MESSAGES_MAX or self._bytes + size > MESSAGE_BYTES_MAX:
                    self._dropped += 1
                    return
                self._messages += 1
                self._bytes += size
            self._events.append(event)
            self._changed.notify()

    def take(self, within_s: float) -> Any | None:
        """Return the oldest event, or None where none came within that time."""
        with self._changed:
            if not self._changed.wait_for(lambda: bool(self._events), max(0.0, within_s)):
                return None
            event = self._events.popleft()
            if isinstance(event, Received):
                self._messages -= 1
                self._bytes -= len(event.payload)
            return event

    def taken_dropped(self) -> int:
        """Return how many messages were dropped since the last call."""
        with self._changed:
            dropped, self._dropped = self._dropped, 0
            return dropped
