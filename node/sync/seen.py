"""What each market's last live beacon said: in memory for screens, and in the database as often as a card can bear.

Not the row (`ledger.seen`). Owns the rule of when one is written: something changed, but at most every KEEP_GAP_S, and
once a minute in any case.
"""

from __future__ import annotations

from dataclasses import dataclass

from node.ledger.jobs import Jobs, Outcome
from node.ledger.names import node_id
from node.ledger.seen import keep_seen
from node.ledger.store import Transaction
from node.sync.audience import HEARD_WITHIN_S
from node.sync.effects import PeerHeard
from node.sync.health import HeardRow

# Two markets that sell all day seal every 2 s, and each seal changes what the other has: a row each time would be
# 200 MB a day on the card, with this gap it is about 30.
KEEP_GAP_S = 10.0
KEEP_EVERY_S = 60.0
_NEVER = -float("inf")


@dataclass(slots=True)
class _Peer:
    """The last word of one market and when it came; what of it is in the database, and since when."""

    said: PeerHeard
    boottime_ms: int
    heard_s: float
    has_left: bool = False
    kept: tuple[object, ...] = ()
    kept_s: float = _NEVER


class Seen:
    """All markets heard since the start. Belongs to the driver's thread."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._peers: dict[bytes, _Peer] = {}

    def heard(self, said: PeerHeard, boottime_ms: int, now_s: float) -> None:
        """Note what a market said of itself now."""
        peer = self._peers.setdefault(said.origin, _Peer(said, boottime_ms, now_s))
        peer.said, peer.boottime_ms, peer.heard_s, peer.has_left = said, boottime_ms, now_s, False

    def caught_up(self, origin: bytes) -> None:
        """Note that nothing of what a market had is missing here any more."""
        if origin in self._peers:
            peer = self._peers[origin]
            peer.said = peer.said._replace(missing_here=0)

    def left(self, origin: bytes) -> None:
        """Note that a broker says a market is gone. Display only."""
        if origin in self._peers:
            self._peers[origin].has_left = True

    def heard_count(self, now_s: float) -> int:
        """Return how many markets were heard within the last minute."""
        return sum(now_s - peer.heard_s < HEARD_WITHIN_S for peer in self._peers.values())

    def keep(self, now_s: float) -> None:
        """Store what is due, all in one transaction."""
        due = [peer for peer in self._peers.values() if _is_due(peer, now_s)]
        if not due:
            return
        facts = [(peer.said, peer.boottime_ms) for peer in due]

        def work(tx: Transaction) -> None:
            for said, heard_boottime_ms in facts:
                keep_seen(
                    tx,
                    origin=said.origin,
                    counter=said.counter,
                    clock=said.clock,
                    version=said.version,
                    our_stream=said.our_stream,
                    our_blocks=said.our_blocks,
                    missing_here=said.missing_here,
                    missing_there=said.missing_there,
                    age_ms=max(0, tx.moment.boottime_ms - heard_boottime_ms),
                )

        if self._jobs.submit("heard", work, _ignore):
            for peer in due:
                peer.kept, peer.kept_s = _facts(peer.said), now_s

    def rows(self) -> list[HeardRow]:
        """Return every market heard, the last heard first."""
        peers = sorted(self._peers.values(), key=lambda peer: -peer.boottime_ms)
        return [
            HeardRow(
                node_id=node_id(peer.said.origin),
                heard_boottime_ms=peer.boottime_ms,
                has_left=peer.has_left,
                clock=peer.said.clock,
                version=peer.said.version,
                our_stream=peer.said.our_stream.hex(),
                our_blocks=peer.said.our_blocks,
                missing_here=peer.said.missing_here,
                missing_there=peer.said.missing_there,
            )
            for peer in peers
        ]


def _is_due(peer: _Peer, now_s: float) -> bool:
    """Tell whether to write: something else than the time changed a while after the last, or a minute passed."""
    if peer.heard_s <= peer.kept_s:
        return False
    return now_s - peer.kept_s >= (KEEP_GAP_S if _facts(peer.said) != peer.kept else KEEP_EVERY_S)


def _facts(said: PeerHeard) -> tuple[object, ...]:
    return said._replace(counter=0)


def _ignore(_outcome: Outcome) -> None:
    """Do nothing where a row could not be written: the next beacon brings it again."""
