"""Board, line, session and the real store together, with kills and resets at any moment; time is a number.

What the store says afterwards is held against what the board made: nothing twice, nothing wrong, nothing missing
without a gap that says so.
"""

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from firmware_bridge.clock import HostNow
from firmware_bridge.link.device import DeviceSession
from firmware_bridge.link.events import (
    DescriptionsHeard,
    HelloHeard,
    RecordsArrived,
    SessionEvent,
    StatHeard,
    UptimeHeard,
)
from firmware_bridge.link.ring import Ring, buffer_bytes
from firmware_bridge.link.session import HostSession
from firmware_bridge.store import moves
from firmware_bridge.store.store import Store
from tests.firmware_bridge.link.simulated import UID, Line, a_temperature_desc

STEP_MS = 10
BOOT_ID = "a" * 32


class Market:
    """One board, one line, one bridge on a real file."""

    def __init__(self, path: Path, seed: int, *, ring_records: int = 4096, noise: float = 0.0) -> None:
        self.path = path
        self.random = random.Random(seed)
        self.up = Line(self.random, noise, noise, noise)
        self.down = Line(self.random, noise, noise, noise)
        self.now_ms = 100_000
        self.booted_ms = self.now_ms
        self.ring_records = ring_records
        self.memory = bytearray(buffer_bytes(ring_records))
        self.boot = 8
        self.produced: list[int] = []
        self.lost: set[int] = set()
        self.losses = self.losses_after_contact = 0
        self.commit_at_ms = 0
        self.reset_board(does_keep_ring=True)
        self.start_bridge()

    @property
    def now(self) -> HostNow:
        return HostNow(BOOT_ID, self.now_ms, 1_700_000_000_000_000 + self.now_ms * 1000, True)

    def reset_board(self, *, does_keep_ring: bool) -> None:
        self.boot += 1
        if not does_keep_ring:
            ring = self.device.ring
            self.lost |= {ring.get(seq).value for seq in range(ring.tail, ring.head)}
            self.losses += 1
            self.losses_after_contact += bool(self.stored())
            self.memory = bytearray(buffer_bytes(self.ring_records))
        ring = Ring(self.memory, boot=self.boot)
        self.device = DeviceSession(ring, uid=UID, descriptions=(a_temperature_desc(),))
        self.booted_ms = self.now_ms

    def start_bridge(self) -> None:
        self.store = Store(self.path, self.now)
        self.session = HostSession(first_cmd_id=self.random.randrange(1000))
        self.handle(self.session.opened(self.now_ms))

    def kill_bridge(self) -> None:
        """Drop everything that is not on disk; closing the connection is all that a dead process's system does too."""
        self.store.conn.close()
        self.start_bridge()

    def run(self, duration_ms: int, *, produce_every_ms: int = 0) -> None:
        end_ms = self.now_ms + duration_ms
        while self.now_ms < end_ms:
            self.now_ms += STEP_MS
            uptime_ms = self.now_ms - self.booted_ms
            if produce_every_ms and self.now_ms % produce_every_ms == 0:
                self.produced.append(len(self.produced))
                self.device.put(0, self.produced[-1], uptime_ms)
            self.device.poll(uptime_ms)
            sent = self.up.carry(self.device.take_output())
            if sent:
                self.handle(self.session.receive(sent, self.now_ms))
            self.handle(self.session.tick(self.now_ms))
            if self.now_ms >= self.commit_at_ms:
                self.commit()
            answer = self.down.carry(self.session.take_output())
            if answer:
                self.device.receive(answer, uptime_ms)

    def commit(self) -> None:
        self.commit_at_ms = self.now_ms + self.random.randrange(50, 3000)
        for next_seq in self.store.commit().values():
            self.session.committed(next_seq, self.now_ms)
        if self.random.random() < 0.2:
            moves.move_some(self.store.conn)

    def handle(self, events: list[SessionEvent]) -> None:
        for event in events:
            if isinstance(event, HelloHeard):
                self.commit()
                linked = self.store.hello(event.hello, "/dev/a", self.now)
                self.handle(
                    self.session.reconciled(linked.hello, linked.next_seq, linked.desc_crc, self.now_ms),
                )
            elif isinstance(event, RecordsArrived):
                self.store.records(UID, event, self.now)
            elif isinstance(event, DescriptionsHeard):
                self.store.descriptions(UID, event)
            elif isinstance(event, UptimeHeard):
                self.store.uptime(UID, event, self.now)
            elif isinstance(event, StatHeard):
                self.store.stat(UID, event.stat, "/dev/a", self.now)

    def settle(self) -> None:
        """Let a good line finish what was begun."""
        for line in (self.up, self.down):
            line.loss = line.duplicate = line.flip = 0.0
        self.run(30_000)
        self.commit()

    def stored(self) -> list[int]:
        sql = "select value from readings join boot using (boot) order by boot, seq"
        return [value for (value,) in self.store.conn.execute(sql)]

    def gaps(self) -> list[tuple[int | None, str]]:
        return list(self.store.conn.execute("select count, cause from gap order by gap"))


# Shrinking a run of simulated minutes takes longer than reading it.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)
ACTIONS = st.lists(
    st.tuples(st.sampled_from(["run", "kill", "reset", "power"]), st.integers(50, 4000)), min_size=1, max_size=10
)


@settings(max_examples=60, phases=PHASES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS, seed=st.integers(0, 1 << 32), noise=st.sampled_from([0.0, 0.0005, 0.003]))
def test_after_any_kills_and_resets_stored_is_produced_minus_declared_gaps(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, int]], seed: int, noise: float
) -> None:
    market = Market(tmp_path_factory.mktemp("chaos") / "telemetry.db", seed, noise=noise)
    for action, duration_ms in actions:
        market.run(duration_ms, produce_every_ms=50)
        if action == "kill":
            market.kill_bridge()
        elif action in ("reset", "power"):
            market.reset_board(does_keep_ring=action == "reset")
    market.run(1000, produce_every_ms=50)
    market.settle()
    stored = market.stored()
    assert len(stored) == len(set(stored)), "nothing is stored twice"
    missing = set(market.produced) - set(stored)
    assert missing <= market.lost, "only what a board forgot without power is missing"
    assert stored == sorted(stored), "the board's order is kept"
    causes = {cause for _, cause in market.gaps()}
    # Two resets between two HELLOs can look like a board that went back: that is said as what it looks like.
    assert causes <= {"power", "device_forgot"}
    # A board that lost its power before anything of it was ever stored leaves nothing to compare with.
    assert causes or not market.losses_after_contact, "what is missing is said"
    assert not causes or market.losses, "nothing is called lost that a board kept"
    market.store.conn.close()


@settings(max_examples=25, phases=PHASES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(outages_ms=st.lists(st.integers(1000, 20_000), min_size=1, max_size=4), seed=st.integers(0, 1 << 32))
def test_after_outages_longer_than_the_ring_gaps_count_what_was_dropped(
    tmp_path_factory: pytest.TempPathFactory, outages_ms: list[int], seed: int
) -> None:
    market = Market(tmp_path_factory.mktemp("chaos") / "telemetry.db", seed, ring_records=32)
    for outage_ms in outages_ms:
        market.run(2000, produce_every_ms=50)
        end_ms = market.now_ms + outage_ms
        while market.now_ms < end_ms:
            market.now_ms += 50
            market.produced.append(len(market.produced))
            market.device.put(0, market.produced[-1], market.now_ms - market.booted_ms)
            market.device.poll(market.now_ms - market.booted_ms)
            market.device.take_output()
        market.kill_bridge()
    market.run(1000, produce_every_ms=50)
    market.settle()
    stored = market.stored()
    assert stored == sorted(set(stored))
    assert stored[-1] == market.produced[-1]
    assert sum(count or 0 for count, _ in market.gaps()) == market.device.ring.dropped_total
    merged = market.store.conn.execute("select count(*) from readings where status & 4").fetchone()[0]
    assert len(stored) == len(market.produced) or merged > 0 or market.gaps()
    market.store.conn.close()
