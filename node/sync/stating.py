"""Our own beacon: when it is sent, and what number it carries.

Not what it claims (`vector`) and not the beacons of others (`hearing`). Sent every 15 s give or take 30 %, and soon
after a change, but never twice within a second.
"""

from __future__ import annotations

from random import Random

from node.sync.beacon import COUNTER_MAX

BEACON_EVERY_S = 15.0
BEACON_JITTER = 0.3
BEACON_GAP_S = 1.0
# In a large group changes are so frequent that all beacons together are held to about 20 a second.
BEACON_GAP_PER_PRESENT_PEER_S = 0.05


class Stating:
    """The schedule and the counter of our beacon."""

    def __init__(self, rng: Random, *, wall_ms: int) -> None:
        self._rng = rng
        # Probably higher than any number used before; where it is not, a peer or a broker shows us our older beacon.
        self._counter = max(0, min(wall_ms, COUNTER_MAX // 2))
        self._sent_s = -float("inf")
        self.due_s = 0.0
        self.is_news = True

    @property
    def counter(self) -> int:
        """Return the number of the last beacon."""
        return self._counter

    def tell(self, present: int, now_s: float) -> None:
        """Send the beacon soon: something in it changed."""
        self.is_news = True
        gap_s = max(BEACON_GAP_S, BEACON_GAP_PER_PRESENT_PEER_S * present)
        self.due_s = min(self.due_s, max(now_s, self._sent_s + gap_s))

    def catch_up(self, counter: int) -> bool:
        """Go on counting where an earlier run of ours stopped, and tell whether that was further than here."""
        if not self._counter < counter < COUNTER_MAX // 2:
            return False
        self._counter = counter
        return True

    def next_counter(self, now_s: float) -> int:
        """Return the number of the beacon that is sent now, and set when the next one is."""
        self._counter += 1
        self.is_news = False
        self._sent_s = now_s
        self.due_s = now_s + BEACON_EVERY_S * self._rng.uniform(1 - BEACON_JITTER, 1 + BEACON_JITTER)
        return self._counter
