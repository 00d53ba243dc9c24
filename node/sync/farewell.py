"""Telling a market that it was retired: whoever is retired still hears the roster, and nothing else.

Not the engine, which knows members only. A retired market may say at our broker that it is there and may read what is
addressed to it (`rights`); it is answered with the roster, whose last words are about itself.
"""

from __future__ import annotations

from collections.abc import Mapping

from node.ledger.heads import BlockRange, StreamState
from node.sync.effects import Kind, Received
from node.sync.messages import Garbage, parse_topic

# The roster of a thousand members has about 100 KiB.
FAREWELL_BYTES_MAX = 256 * 1024
# The same roster is not said again for so long: what was lost on the way comes with the next.
SAY_AGAIN_S = 600.0
# However fast a roster grows and whoever may ask, by each retired market.
SAY_GAP_S = 5.0


class Farewell:
    """Who is retired, and what each of them was told when. Belongs to the driver's thread."""

    def __init__(self, group: bytes) -> None:
        self._group = group
        self._said: dict[bytes, tuple[list[BlockRange], float]] = {}
        self.retired: frozenset[bytes] = frozenset()

    def asker(self, received: Received) -> bytes | None:
        """Return the retired market that says with this message that it is there, None where it is another message."""
        if not self.retired or received.is_retained:
            return None
        try:
            topic = parse_topic(received.topic)
        except Garbage:
            return None
        is_there = topic.group == self._group and topic.kind is Kind.HEAD and topic.publisher in self.retired
        return topic.publisher if is_there else None

    def due(self, origin: bytes, heads: Mapping[bytes, StreamState], now_s: float) -> list[BlockRange]:
        """Return what to tell a retired market now: all of the roster, or nothing where it was told lately."""
        roster = [BlockRange(stream, 0, state.blocks) for stream, state in sorted(heads.items()) if state.is_roster]
        said, said_s = self._said.get(origin, ([], -SAY_AGAIN_S))
        if now_s - said_s < (SAY_AGAIN_S if said == roster else SAY_GAP_S):
            return []
        self._said[origin] = (roster, now_s)
        return roster
