"""The keeper: one thread that seals what is pending, does the others' jobs and keeps the database small.

Not the supervisor. The only writer of this process: it owns the one `MarketStore`, and what another thread wants
written comes as a job. What it does can be killed anywhere and done again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from node import clock
from node.actions.keeping import open_market
from node.errors import N_, NotSavedNow
from node.ledger.ballast import make_ballast
from node.ledger.jobs import Jobs
from node.ledger.keys import NodeKey, load_key
from node.ledger.read import data_version
from node.ledger.seal import backlog, seal
from node.ledger.store import MarketStore, Transaction
from node.places import Places
from node.sync.audience import Audience

# When to seal: with somebody to hear it soon, else in larger blocks. Bounds of the block format's pages.
EVENTS_SOON, AGE_SOON_S = 64, 2.0
EVENTS_ALONE, AGE_ALONE_S = 256, 60.0
# So long after the start it counts as proven that nobody is heard; a fresh market has signed facts at once.
ALONE_AFTER_S = 60.0
# Jobs of others done in one round, so that a flood of them never keeps our own facts from being sealed.
JOBS_PER_ROUND = 16
# A batch of bulk work ends after about 20 ms; a block of 256 events takes about 5.
BLOCKS_PER_BATCH = 4
POLL_S = 0.5
IDLE_CHECKPOINT_AFTER_S = 5.0
BALLAST_EVERY_S = 60.0


@dataclass(slots=True)
class _Seen:
    """What the keeper noticed, on the monotonic clock."""

    version: int = -1
    changed_s: float = 0.0
    pending_since_s: float | None = None
    ballast_s: float = 0.0


class Keeper:
    """Seals and keeps until told to stop. `beat` is called at each round, for the supervisor."""

    def __init__(
        self, places: Places, *, jobs: Jobs, audience: Audience, stop: threading.Event, beat: Callable[[str], None]
    ) -> None:
        self._places = places
        self._jobs = jobs
        self._audience = audience
        self._stop = stop
        self._beat = beat
        self._started_s = clock.monotonic_s()
        self._seen = _Seen()

    def run(self) -> None:
        """Work until stopped, then seal what is left. Raises LarderError where it cannot go on."""
        try:
            self._run()
        except Exception as error:
            self._jobs.refuse_all(error)  # whoever waits is told; the next run takes what comes then
            raise
        self._jobs.refuse_all(NotSavedNow("node.stopping", N_("larder-node is ending; this was not saved.")))

    def _run(self) -> None:
        store = open_market(self._places)
        try:
            key = load_key(self._places.node_key)
            self._beat("")
            while not self._stop.is_set():
                if self._jobs.wait(POLL_S):
                    self._do_jobs(store)
                self._round(store, key)
                self._beat("")
            self._do_jobs(store)
            if not self._audience.is_held(clock.monotonic_s()):
                self._seal_all(store, key)
            store.checkpoint_if_due(is_idle=True)
        finally:
            store.close()

    def _do_jobs(self, store: MarketStore) -> None:
        for _job in range(JOBS_PER_ROUND):
            if not self._jobs.do_next(store):
                return

    def _round(self, store: MarketStore, key: NodeKey) -> None:
        now_s = clock.monotonic_s()
        version = data_version(store.reader)
        if version != self._seen.version:
            self._seen.version, self._seen.changed_s = version, now_s
        if self._is_due(store, now_s):
            self._seal_all(store, key)
        store.checkpoint_if_due(is_idle=now_s - self._seen.changed_s >= IDLE_CHECKPOINT_AFTER_S)
        if now_s - self._seen.ballast_s >= BALLAST_EVERY_S:
            self._seen.ballast_s = now_s
            make_ballast(self._places)

    def _is_due(self, store: MarketStore, now_s: float) -> bool:
        waiting = backlog(store.reader).event_count
        if waiting == 0 or self._audience.is_held(now_s):
            self._seen.pending_since_s = None
            return False
        if self._seen.pending_since_s is None:
            self._seen.pending_since_s = now_s
        is_alone = now_s - self._started_s >= ALONE_AFTER_S and not self._audience.is_heard(now_s)
        events, age_s = (EVENTS_ALONE, AGE_ALONE_S) if is_alone else (EVENTS_SOON, AGE_SOON_S)
        return waiting >= events or now_s - self._seen.pending_since_s >= age_s

    def _seal_all(self, store: MarketStore, key: NodeKey) -> None:
        def work(tx: Transaction) -> int:
            return len(seal(tx, key, blocks_max=BLOCKS_PER_BATCH))

        while store.batch("seal", work) == BLOCKS_PER_BATCH:
            self._beat("")
        self._seen.pending_since_s = None
