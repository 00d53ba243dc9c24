"""The sync driver: one thread that tells the engine what happens and carries out what it answers, in order.

Not the protocol (`engine`), not a connection (`mqtt`) and not a writer: what is to be stored goes to the keeper's
thread as a job and comes back as an event. Owns the rule that an absent network is a line on a screen, never an end.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from functools import partial
from random import Random
from typing import NamedTuple

from node import VERSION, clock
from node.actions.forks import note_forks
from node.language import _
from node.ledger.fork_exchange import frames_beyond, locator
from node.ledger.heads import BlockRange, StreamState, load_frames, stream_states
from node.ledger.jobs import Jobs, Outcome
from node.ledger.keys import is_signed, load_key
from node.ledger.names import node_id
from node.ledger.partings import Partings
from node.ledger.read import data_version, open_reader
from node.ledger.read.members import member_keys
from node.ledger.receive import receive_blocks
from node.ledger.roster import retired_members
from node.ledger.store import Transaction
from node.places import Places
from node.settings import load_settings
from node.sync import effects as fx
from node.sync.asked import Asked
from node.sync.audience import Audience
from node.sync.broker import write_rights
from node.sync.certificates import ensure_certificate
from node.sync.counts import Counts
from node.sync.engine import Engine
from node.sync.farewell import FAREWELL_BYTES_MAX, Farewell
from node.sync.health import write_sync
from node.sync.here import current_stream, free_space, identity, keep_addresses, leave_stream
from node.sync.inbox import Inbox
from node.sync.links import OWN, Links, paired_rows
from node.sync.messages import build_topic, encode_frames, pack_frames
from node.sync.seen import Seen

# How often the database is looked at for what others wrote, the connections are looked after, and the file is replaced.
LOOK_EVERY_S = 0.25
TEND_EVERY_S = 1.0
# Looked at often, written where something changed or before readers take it for stale: each write wears a card.
SAY_EVERY_S, SAY_AGAIN_S = 3.0, 20.0
CONDITIONS_EVERY_S = 30.0
# Own blocks published as such after one look; the others are asked for by whoever lacks them.
PUBLISHED_BYTES_MAX = 256 * 1024
# Counted by the engine and no refusal: our own words, coming back from a broker that we read ourselves.
_ECHO = "own"


class _Stored(NamedTuple):
    """What became of a Persist, in the keeper's words."""

    token: int
    publisher: bytes | None
    outcome: Outcome


class SyncDriver:
    """Works until told to stop. `beat` is called at each round with a line of trouble, or with nothing."""

    def __init__(
        self,
        places: Places,
        *,
        jobs: Jobs,
        audience: Audience,
        stop: threading.Event,
        beat: Callable[[str], None],
    ) -> None:
        self._places = places
        self._jobs = jobs
        self._audience = audience
        self._stop = stop
        self._beat = beat

    def run(self) -> None:
        """Sync until stopped. Raises LarderError or OSError where it cannot go on; being alone is no reason."""
        while not self._stop.is_set():
            session = _Session(self._places, self._jobs, self._audience, self._stop, self._beat)
            try:
                session.run()
            finally:
                session.close()


class _Session:
    """One run of the engine for one group, from Started until told to stop or until the market joined another."""

    def __init__(
        self, places: Places, jobs: Jobs, audience: Audience, stop: threading.Event, beat: Callable[[str], None]
    ) -> None:
        self._places = places
        self._jobs = jobs
        self._audience = audience
        self._stop = stop
        self._beat = beat
        self._reader = open_reader(places)
        self._inbox = Inbox()
        self._timers: dict[str, float] = {}
        self._counts = Counts()
        self._links: Links | None = None
        self._version = -1
        self._peer_rows: list[object] | None = None
        self._asked = Asked(jobs)
        self._partings = Partings()
        self._storing = 0
        self._is_rolled_back = False
        self._tended_s = self._said_s = self._conditions_s = 0.0
        self._written: tuple[object, float] = (None, 0.0)

    def run(self) -> None:
        """Work until stopped or until the group is another one. Raises LarderError."""
        rng = Random(os.urandom(16))
        settings = load_settings(self._places.settings)
        key = load_key(self._places.node_key)
        self._identity = identity(self._reader)
        me, group = self._identity
        ensure_certificate(self._places, node_id=node_id(me))
        self._seen = Seen(self._jobs)
        self._farewell = Farewell(group)
        self._engine = Engine(me=me, group=group, sign=key.sign, is_signed=is_signed, rng=rng)
        self._links = Links(self._places, settings.sync, me=me, group=group, on_event=self._inbox.put, rng=rng)
        self._heads = stream_states(self._reader)
        self._members = member_keys(self._reader)
        self._conditions = (int(clock.now().quality), free_space(self._places))
        self._feed(
            fx.Started(
                dict(self._heads),
                self._members,
                current_stream(self._reader),
                self._conditions[0],
                self._conditions[1],
                VERSION,
            )
        )
        while not self._stop.is_set() and self._round(self._links):
            self._beat(self._trouble(self._links))

    def close(self) -> None:
        """Leave every broker, keep what was counted, close what is open."""
        if self._links is not None:
            self._links.close()
        self._counts.keep(self._jobs)
        self._reader.close()

    def _round(self, links: Links) -> bool:
        """Do everything that is due once; return False where the market is in another group now."""
        now_s = clock.monotonic_s()
        version = data_version(self._reader)
        if version != self._version:
            self._version = version
            if identity(self._reader) != self._identity:
                return False
            self._look(links)
        if now_s - self._tended_s >= TEND_EVERY_S:
            self._tended_s = now_s
            links.tend()
            self._seen.keep(now_s)
            self._counts.add_dropped("in queue full", None, self._inbox.taken_dropped())
            self._counts.keep_if_due(self._jobs, now_s)
            self._asked.answer(links.rows(), self._seen.heard_count(now_s), now_s)
        if now_s - self._conditions_s >= CONDITIONS_EVERY_S:
            self._conditions_s = now_s
            self._look_at_conditions()
        if now_s - self._said_s >= SAY_EVERY_S:
            self._said_s = now_s
            self._say(links, now_s)
        self._work_until(now_s + LOOK_EVERY_S)
        return True

    def _work_until(self, end_s: float) -> None:
        """Feed the engine what comes and what falls due until that time."""
        while not self._stop.is_set():
            now_s = clock.monotonic_s()
            due = [name for name, at_s in self._timers.items() if at_s <= now_s]
            for name in due:
                del self._timers[name]
                self._feed(fx.TimerDue(name))
            if now_s >= end_s:
                return
            until_s = min([end_s, *self._timers.values()])
            event = self._inbox.take(until_s - now_s)
            if isinstance(event, _Stored):
                self._stored(event)
            elif event is not None:
                if isinstance(event, fx.LinkUp):
                    self._keep_address(event.broker)
                retired = self._farewell.asker(event) if isinstance(event, fx.Received) else None
                if retired is None:
                    self._feed(event)
                else:
                    self._say_farewell(retired)

    def _say_farewell(self, origin: bytes) -> None:
        """Let a retired market have the roster, and with it the block that says so."""
        wanted = self._farewell.due(origin, self._heads, clock.monotonic_s())
        topic = build_topic(self._identity.group, fx.Kind.GIVE, self._identity.me, node_id(origin))
        for frames in pack_frames(load_frames(self._reader, wanted, FAREWELL_BYTES_MAX)):
            if self._links is not None:
                self._links.publish(topic, encode_frames(frames), qos=1, is_retained=False)

    # What the engine wants.

    def _feed(self, event: fx.Event) -> None:
        """Tell the engine and carry out what it answers, and what it answers to that."""
        events = [event]
        while events:
            moment = clock.now()
            for effect in self._engine.handle(events.pop(0), clock.monotonic_s(), moment.wall_ms):
                following = self._carry_out(effect)
                if following is not None:
                    events.append(following)

    def _carry_out(self, effect: fx.Effect) -> fx.Event | None:
        """Do one effect; return the event that follows from it at once, if one does."""
        match effect:
            case fx.Persist():
                return self._persist(effect)
            case fx.Load():
                frames = load_frames(self._reader, list(effect.ranges), effect.bytes_max)
                return fx.Loaded(effect.token, tuple(frames))
            case fx.LoadBeyond():
                frames, is_cut = frames_beyond(self._reader, effect.stream, effect.known, effect.bytes_max)
                return fx.Loaded(effect.token, tuple(frames), is_cut)
            case fx.Locate():
                return fx.Located(effect.request, locator(self._reader, effect.stream))
            case fx.Publish():
                topic = build_topic(self._identity.group, effect.kind, self._identity.me, effect.to)
                if self._links is not None:
                    self._links.publish(topic, effect.payload, qos=effect.qos, is_retained=effect.is_retained)
            case fx.SetTimer():
                self._timers[effect.name] = effect.at_s
            case fx.PeerHeard():
                self._heard(effect)
            case fx.CaughtUp():
                self._seen.caught_up(effect.origin)
            case fx.PeerLeft():
                self._seen.left(effect.origin)
            case fx.Dropped():
                if effect.reason != _ECHO:
                    publisher = effect.publisher if effect.publisher in self._members else None
                    self._counts.add_dropped(effect.reason, publisher, 1)
        return None

    def _persist(self, effect: fx.Persist) -> fx.Event | None:
        """Hand frames to the writing thread."""

        def work(tx: Transaction) -> object:
            intake = receive_blocks(tx, effect.frames, partings=self._partings)
            note_forks(tx, intake.forked)
            return intake

        def done(outcome: Outcome) -> None:
            self._inbox.put(_Stored(effect.token, effect.publisher, outcome))

        if not self._jobs.submit("sync", work, done):
            return fx.PersistFailed(effect.token, "the queue of the writing thread is full")
        self._storing += 1
        return None

    def _stored(self, stored: _Stored) -> None:
        self._storing -= 1
        intake, error = stored.outcome
        if error is not None:
            self._feed(fx.PersistFailed(stored.token, str(error)))
            return
        for reason, count in intake.refused.items():
            if reason != "pending replaced":
                self._counts.add_refused(reason, stored.publisher, count)
        self._heads.update(intake.heads)
        if intake.is_roster_changed:
            self._look_at_members()
        self._feed(
            fx.Persisted(
                stored.token,
                intake.heads,
                intake.new_blocks,
                intake.known_blocks,
                intake.early_blocks,
                intake.refused,
                intake.diverged,
            )
        )

    def _heard(self, heard: fx.PeerHeard) -> None:
        now_s = clock.monotonic_s()
        self._seen.heard(heard, clock.boottime_ms(), now_s)
        ours = self._heads.get(heard.our_stream)
        if heard.is_ahead_of_us and heard.our_blocks > (0 if ours is None else ours.blocks):
            # The proof of a roll-back: numbers we may not use again. The next act opens a new stream; what is pending
            # waits until our own blocks have come back, or they would be sealed beside them.
            if not self._is_rolled_back:
                self._is_rolled_back = True
                self._audience.hold(now_s)
                self._jobs.submit("roll-back", partial(leave_stream, stream=heard.our_stream), _ignore)
        elif self._is_rolled_back and not heard.is_ahead_of_us:
            self._is_rolled_back = False
            self._audience.release()
        # Last, since whoever is heard makes the keeper seal at once: what is held by then is not sealed.
        self._audience.heard(now_s)

    # What happened here.

    def _look(self, links: Links) -> None:
        """Find what others wrote: new blocks, members, paired markets, requests."""
        self._look_at_members()
        self._look_at_heads()
        rows: list[object] = self._reader.execute("SELECT * FROM peer ORDER BY origin").fetchall()
        self._farewell.retired = retired_members(self._reader) - {self._identity.me}
        rows += sorted(self._farewell.retired)
        if rows != self._peer_rows:
            self._peer_rows = rows
            write_rights(self._places, self._reader)
            links.follow(paired_rows(self._reader), is_expecting=bool(self._farewell.retired))
        if self._asked.look(self._reader, clock.monotonic_s()):
            links.retry_now()
            self._feed(fx.SyncAsked())

    def _look_at_members(self) -> None:
        members = member_keys(self._reader)
        if members != self._members:
            self._members = members
            self._feed(fx.MembersChanged(members))

    def _look_at_heads(self) -> None:
        """Tell of blocks that were sealed by whoever sealed them, or brought by a stick."""
        heads = stream_states(self._reader)
        moved = {stream: state for stream, state in heads.items() if state != self._heads.get(stream)}
        if self._storing:
            # What we stored ourselves comes as Persisted; only our own streams can have grown beside that.
            moved = {stream: state for stream, state in moved.items() if state.origin == self._identity.me}
        if not moved:
            return
        wanted = [
            BlockRange(stream, self._blocks_of(stream), state.blocks)
            for stream, state in moved.items()
            if state.origin == self._identity.me
        ]
        frames = load_frames(self._reader, wanted, PUBLISHED_BYTES_MAX)
        self._heads.update(moved)
        self._feed(fx.Appended(tuple(frames), moved, current_stream(self._reader)))

    def _blocks_of(self, stream: bytes) -> int:
        known: StreamState | None = self._heads.get(stream)
        return 0 if known is None else known.blocks

    def _look_at_conditions(self) -> None:
        conditions = (int(clock.now().quality), free_space(self._places))
        if conditions != self._conditions:
            self._conditions = conditions
            self._feed(fx.ConditionsChanged(*conditions))

    def _keep_address(self, name: str) -> None:
        """Note which address of a market worked, so that it is tried first after a restart."""
        address = None if self._links is None or name == OWN else self._links.address_of(name)
        row = next((row for row in paired_rows(self._reader) if node_id(row.origin) == name), None)
        if address is None or row is None or row.in_order[:1] == (address,):
            return
        texts = json.dumps([str(address), *(str(one) for one in row.in_order if one != address)])
        self._jobs.submit("address", partial(keep_addresses, origin=row.origin, texts=texts), _ignore)

    # What is said.

    def _trouble(self, links: Links) -> str:
        """Return one line where nobody can be reached at all, nothing where somebody can or nobody is paired."""
        rows = links.rows()
        if not rows or any(row.is_up for row in rows):
            return ""
        first = rows[0]
        return _("No other market can be reached now ({address}: {reason}).").format(
            address=first.address or first.name, reason=_(first.reason)
        )

    def _say(self, links: Links, now_s: float) -> None:
        rows, heard = links.rows(), self._seen.rows()
        dropped, refused = dict(self._counts.dropped), dict(self._counts.refused)
        content = (rows, heard, dropped, refused, self._is_rolled_back)
        before, written_s = self._written
        if content == before and now_s - written_s < SAY_AGAIN_S:
            return
        try:
            write_sync(
                self._places,
                clock.now(),
                group=self._identity.group,
                links=rows,
                heard=heard,
                dropped=dropped,
                refused=refused,
                is_rolled_back=self._is_rolled_back,
            )
        except OSError as error:
            self._beat(_("The file about sync cannot be written ({reason}).").format(reason=error.strerror or ""))
            return
        self._written = (content, now_s)


def _ignore(_outcome: Outcome) -> None:
    """Do nothing where a job was not done: the next beacon or look brings it again."""
