"""How a question that is hard to take back is answered: by letters, with pauses, never by accident.

Not a dialog: a small machine without any terminal. Owns the rule that no scan and no stray key confirms anything,
which holds even if the scan router is wrong about every key.

    CHOOSING   a reason letter -> SURE; everything else stays
    SURE       `y`, at least 200 ms after the letter before it -> PENDING; every other key -> CHOOSING
    PENDING    200 ms without any key -> CONFIRMED; any key -> CHOOSING
    CONFIRMED  the end

A question without reasons begins in SURE, and what sends it back sends it to SURE with a new pause. Enter, Space and
digits are never an answer.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum

PAUSE_S = 0.200  # before and after `y`: a scanner's characters come closer together than that
YES = "y"


class Step(Enum):
    """Where the question stands."""

    CHOOSING = "choosing"
    SURE = "sure"
    PENDING = "pending"
    CONFIRMED = "confirmed"


class Letters:
    """Take keys with their times and say when the question is answered yes. `reasons` are single letters, never `y`."""

    def __init__(self, reasons: Collection[str], opened_at_s: float) -> None:
        assert YES not in reasons
        self._reasons = frozenset(reasons)
        self._first = Step.CHOOSING if reasons else Step.SURE
        self._last_at_s = opened_at_s
        self.step = self._first
        self.reason: str | None = None

    @property
    def deadline_s(self) -> float | None:
        """The time at which silence confirms, or None."""
        return self._last_at_s + PAUSE_S if self.step is Step.PENDING else None

    def key(self, character: str | None, at_s: float) -> Step:
        """Take one key (`character` is None for a key that types nothing) and return the step after it."""
        paused = at_s - self._last_at_s >= PAUSE_S
        self._last_at_s = at_s
        if self.step is Step.CONFIRMED:
            return self.step
        if self.step is Step.SURE and character == YES and paused:
            self.step = Step.PENDING
        elif self.step is Step.CHOOSING and character in self._reasons:
            self.step, self.reason = Step.SURE, character
        else:
            self.step, self.reason = self._first, None
        return self.step

    def tick(self, now_s: float) -> Step:
        """Return the step now; a pending yes is confirmed by silence."""
        if self.deadline_s is not None and now_s >= self.deadline_s:
            self.step = Step.CONFIRMED
        return self.step
