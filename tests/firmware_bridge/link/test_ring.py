"""The board's memory: what survives a reset, and what an outage of any length still shows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.link.ring import CONTROL_BYTES, NEWEST_KEPT, Ring, buffer_bytes
from firmware_bridge.link.thinning import (
    KEEP_FARTHEST,
    KEEP_HIGHEST,
    KEEP_LATEST,
    KEEP_LOWEST,
    RingRecord,
    thin,
)
from tests.firmware_bridge.link.simulated import a_door_desc, a_ring, a_temperature_desc, a_world

MERGED, FAULT = 0x04, 0x01
DESCS = {0: a_temperature_desc(), 1: a_door_desc()}


def a_record(ms: int, value: int, *, channel: int = 0, boot: int = 9, status: int = 0) -> RingRecord:
    return RingRecord(ms, value, boot, channel, status)


def kept(ring: Ring) -> list[RingRecord]:
    return [ring.get(seq) for seq in range(ring.tail, ring.head)]


def test_a_ring_outlives_a_reset_in_its_buffer() -> None:
    buffer = bytearray(buffer_bytes(64))
    ring = Ring(buffer, boot=9)
    for ms in range(10):
        ring.put(a_record(ms, ms * 3), DESCS)
    ring.mark_sent(4)
    ring.free_before(2)
    again = Ring(bytearray(buffer), boot=500)
    assert again.was_kept
    assert (again.boot, again.tail, again.sent, again.head) == (10, 2, 4, 10)
    assert kept(again) == kept(ring)


@given(position=st.integers(0, CONTROL_BYTES - 1), flip=st.integers(1, 255))
def test_a_control_block_with_any_wrong_byte_means_an_empty_ring(position: int, flip: int) -> None:
    buffer = bytearray(buffer_bytes(16))
    Ring(buffer, boot=9).put(a_record(1, 2), DESCS)
    buffer[position] ^= flip
    ring = Ring(buffer, boot=77)
    assert (ring.was_kept, ring.boot, ring.tail, ring.head) == (False, 77, 0, 0)


def test_a_ring_has_a_smallest_and_a_largest_size() -> None:
    for records in (15, 65_536):
        with pytest.raises(ValueError, match="16 to 65535"):
            Ring(bytearray(buffer_bytes(records)))


@pytest.mark.parametrize(
    ("keep", "expected"), [(KEEP_HIGHEST, 9), (KEEP_LOWEST, 1), (KEEP_LATEST, 5), (KEEP_FARTHEST, 1)]
)
def test_a_merge_keeps_what_the_channel_asks_for_with_its_own_time(keep: int, expected: int) -> None:
    desc = a_temperature_desc(flags=keep << 2)
    values = [1, 9] if keep != KEEP_LATEST else [9, 5]
    records = [a_record(100 + index, value) for index, value in enumerate(values)]
    wide = type(desc)(0, 1, -3, keep << 2, 0, 14, 10, 0, "Cel", "x")
    (survivor,) = thin(records, {0: wide}, 16)
    assert (survivor.value, survivor.ms) == (expected, 100 + values.index(expected))
    assert survivor.status & MERGED


def test_a_fault_never_merges_with_a_value() -> None:
    records = [a_record(1, 5), a_record(2, 0, status=FAULT), a_record(3, 6)]
    assert thin(records, DESCS, 16) == records


def test_records_of_two_boots_or_two_channels_never_merge() -> None:
    records = [a_record(1, 5), a_record(2, 5, boot=10), a_record(3, 5, channel=3)]
    assert thin(records, DESCS, 16) == records


def test_door_edges_merge_only_when_little_else_does() -> None:
    edges = [a_record(ms, ms % 2, channel=1) for ms in range(8)]
    values = [a_record(ms, 5) for ms in range(8, 40)]
    thinned = thin(edges + values, DESCS, 64)
    assert [record for record in thinned if record.channel == 1] == edges
    assert len(thin(edges, DESCS, 64)) == 4


def test_uptime_never_runs_back_in_a_thinned_ring() -> None:
    ring = a_ring(32)
    for ms in range(1000):
        ring.put(a_record(ms, (ms * 7919) % 100, channel=ms % 3), DESCS | {2: a_temperature_desc(2)})
    times = [record.ms for record in kept(ring)]
    assert times == sorted(times)


def test_what_was_sent_is_never_merged_or_renumbered() -> None:
    ring = a_ring(32)
    for ms in range(20):
        ring.put(a_record(ms, ms), DESCS)
    ring.mark_sent(10)
    before = [ring.get(seq) for seq in range(10)]
    for ms in range(20, 200):
        ring.put(a_record(ms, ms), DESCS)
    assert [ring.get(seq) for seq in range(10)] == before
    assert ring.dropped_total == 0


def test_the_newest_eight_are_never_merged() -> None:
    ring = a_ring(32)
    for ms in range(33):
        ring.put(a_record(ms, ms), DESCS)
    assert [record.ms for record in kept(ring)[-NEWEST_KEPT - 1 :]] == list(range(24, 33))


def test_only_what_cannot_merge_is_lost_and_then_it_is_counted() -> None:
    ring = a_ring(16)
    for ms in range(20):
        ring.put(a_record(ms, ms, boot=ms), DESCS)
    assert (ring.dropped_total, ring.tail, ring.head) == (4, 4, 20)


@given(values=st.lists(st.integers(-20_000, 20_000), min_size=40, max_size=400))
def test_an_outage_of_any_length_still_shows_its_highest_value(values: list[int]) -> None:
    ring = a_ring(32)
    for ms, value in enumerate(values):
        ring.put(a_record(ms, value), DESCS)
    assert max(record.value for record in kept(ring)) == max(values)
    assert ring.dropped_total == 0


def test_an_outage_longer_than_the_ring_is_covered_when_the_host_comes_back() -> None:
    world = a_world(ring_records=64)
    world.run(2000, produce_every_ms=100)
    before = len(world.host.rows)
    for step in range(400):
        world.now_ms += 100
        world.produce(50_000 if step == 111 else step)
        world.device.poll(world.now_ms)
        world.device.take_output()
    world.run(20_000, produce_every_ms=500)
    assert 50_000 in [value for _, _, value in world.host.rows[before:]]
    assert world.host.gaps == []
