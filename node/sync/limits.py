"""A budget that refills with time: how often, or how many bytes, somebody may.

Not a queue. Owns no clock: the time is an argument.
"""

from __future__ import annotations


class Budget:
    """At most `burst` at once and `per_second` in the long run. It may be overdrawn by one spending, then it waits."""

    __slots__ = ("_burst", "_left", "_per_second", "_seen_s")

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = burst
        self._left = burst
        self._seen_s: float | None = None

    def has(self, amount: float, now_s: float) -> bool:
        """Tell whether `amount` may be spent now, without spending it."""
        self._refill(now_s)
        return self._left >= amount

    def take(self, amount: float, now_s: float) -> bool:
        """Spend `amount` if it is there, and tell whether it was."""
        self._refill(now_s)
        if self._left < amount:
            return False
        self._left -= amount
        return True

    def spend(self, amount: float, now_s: float) -> None:
        """Spend `amount` that is known only afterwards; what is overdrawn is waited for."""
        self._refill(now_s)
        self._left -= amount

    def wait_s(self, amount: float, now_s: float) -> float:
        """Return how many seconds from now `amount` will be there."""
        self._refill(now_s)
        return max(0.0, (amount - self._left) / self._per_second)

    def _refill(self, now_s: float) -> None:
        seen_s = self._seen_s
        if seen_s is None:
            self._seen_s = now_s
        elif now_s > seen_s:
            self._left = min(self._burst, self._left + (now_s - seen_s) * self._per_second)
            self._seen_s = now_s
