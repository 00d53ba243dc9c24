"""The one transaction of received frames that is out: when the next begins, and what follows where one fails.

Not the in-queue (`intake`), not the disk. Owns the pause after a failure, and the gathering of what comes one by one.
"""

from __future__ import annotations

from node.sync.effects import Persist
from node.sync.intake import Intake, Waiting
from node.sync.peers import Peers
from node.sync.pulls import LARGE_GROUP

PERSIST_WITHIN_S = 60.0
PERSIST_PAUSE_S, PERSIST_PAUSE_S_MAX = 1.0, 60.0
# In a large group blocks come one by one without end. Each transaction waits for the card, so what comes within this
# time after the last one is gathered, by each member present beyond LARGE_GROUP; a full batch never waits.
PERSIST_GAP_PER_PRESENT_PEER_S = 0.002
_NEVER = float("inf")


class Storing:
    """At most one transaction at a time. `paused_until_s` is when a disk that failed is tried again."""

    def __init__(self, intake: Intake, peers: Peers) -> None:
        self._intake = intake
        self._peers = peers
        self._token = 0
        self._deadline_s = _NEVER
        self._pause_s = 0.0
        self._gather_until_s = -_NEVER
        self.batch: list[Waiting] = []
        self.paused_until_s = -_NEVER

    def begin(self, token: int, now_s: float) -> Persist | None:
        """Begin the next transaction if one is due, else return None."""
        if self.batch or self._intake.is_empty or now_s < self.paused_until_s:
            return None
        if now_s < self._gather_until_s and not self._intake.is_batch_full:
            return None
        self.batch = self._intake.next_batch()
        self._token, self._deadline_s = token, now_s + PERSIST_WITHIN_S
        crowd = max(0, self._peers.present_count(now_s) - LARGE_GROUP)
        self._gather_until_s = now_s + PERSIST_GAP_PER_PRESENT_PEER_S * crowd
        publishers = {waiting.publisher for waiting in self.batch}
        publisher = publishers.pop() if len(publishers) == 1 else None
        return Persist(token, tuple(waiting.frame for waiting in self.batch), publisher)

    def stored(self, token: int) -> list[Waiting]:
        """Return what the transaction stored, or nothing where it was given up before."""
        batch = self._end(token)
        if batch:
            self._pause_s = 0.0
        return batch

    def failed(self, token: int, now_s: float) -> list[Waiting]:
        """Pause, longer each time, and return what the transaction did not store."""
        batch = self._end(token)
        if batch:
            self._pause_s = min(max(PERSIST_PAUSE_S, 2 * self._pause_s), PERSIST_PAUSE_S_MAX)
            self.paused_until_s = now_s + self._pause_s
        return batch

    def overdue(self, now_s: float) -> int | None:
        """Return the transaction that nobody has told the end of for too long."""
        return self._token if self._deadline_s <= now_s else None

    def due_s(self, now_s: float) -> float:
        """Return when there is something to do by itself."""
        if self.batch:
            return self._deadline_s
        if self.paused_until_s > now_s:
            return self.paused_until_s
        return _NEVER if self._intake.is_empty else self._gather_until_s

    def _end(self, token: int) -> list[Waiting]:
        if not self.batch or token != self._token:
            return []
        batch, self.batch, self._deadline_s = self.batch, [], _NEVER
        return batch
