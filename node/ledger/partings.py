"""How often a member's blocks may part its streams at everybody's cost: by another choice, or by a branch too many.

Not the choice of a branch (`forks`). Another choice folds everything again, a branch too many looks at all the others,
and whoever signs a stream can sign such blocks without end. Owns the bound on that: beyond it no block that parts a
stream of this member is judged; it is asked for again later.
"""

from __future__ import annotations

# A cloned card parts once. Even eight branches that arrive in the worst order change the choice eight times.
PARTINGS_PER_MEMBER_MAX = 8
PARTINGS_WINDOW_MS = 3_600_000


class Partings:
    """When a member's blocks had that cost, since this process started."""

    def __init__(self) -> None:
        self._at_ms: dict[bytes, list[int]] = {}

    def left(self, origin: bytes, now_ms: int) -> int:
        """Return how many more a member has now. `now_ms`: milliseconds since the computer started."""
        return PARTINGS_PER_MEMBER_MAX - len(self._lately(origin, now_ms))

    def note(self, origin: bytes, now_ms: int) -> None:
        """Keep that a block of this member had that cost."""
        self._at_ms[origin] = [*self._lately(origin, now_ms), now_ms][-PARTINGS_PER_MEMBER_MAX:]

    def _lately(self, origin: bytes, now_ms: int) -> list[int]:
        return [at_ms for at_ms in self._at_ms.get(origin, ()) if now_ms - at_ms < PARTINGS_WINDOW_MS]
