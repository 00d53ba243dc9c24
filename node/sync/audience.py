"""What the thread that seals must know of the other markets: whether somebody listens, and whether to hold back.

Not the engine's knowledge. Two numbers between two threads, on the monotonic clock.
"""

from __future__ import annotations

# With a peer heard within this time, facts are sealed soon; else in larger blocks.
HEARD_WITHIN_S = 60.0
# A peer that shows more of our stream than we have gives it back within this time, or nobody does.
HOLD_S = 60.0


class Audience:
    """Written by the sync driver, read by the keeper."""

    def __init__(self) -> None:
        self._heard_s: float | None = None
        self._hold_until_s = 0.0

    def heard(self, now_s: float) -> None:
        """A live beacon of a peer came now."""
        self._heard_s = now_s

    def is_heard(self, now_s: float) -> bool:
        """Tell whether some peer was heard a short while ago."""
        return self._heard_s is not None and now_s - self._heard_s < HEARD_WITHIN_S

    def hold(self, now_s: float) -> None:
        """We were rolled back: what is pending must not be sealed into a stream of which others have more."""
        self._hold_until_s = now_s + HOLD_S

    def release(self) -> None:
        """Our own blocks are back."""
        self._hold_until_s = 0.0

    def is_held(self, now_s: float) -> bool:
        """Tell whether sealing waits for our own blocks to come back."""
        return now_s < self._hold_until_s
