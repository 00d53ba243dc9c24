"""Bodies of blocks: what is written can be read, and nothing hostile is believed."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.domain.lots import Dot
from node.ledger.codec import BODY_RAW_BYTES_MAX, BodyRefused, decode_body, encode_body
from node.ledger.events import Event, Moved
from tests.node.ledger.strategies import OWN, runs_of_events

LOT = Dot(b"stream-2", 7)


def decoded(stored: bytes, *, count: int, first_seq: int = 0, hlc_base: int = 0) -> Any:
    """Decode a body of the stream OWN."""
    return decode_body(stored, stream=OWN, first_seq=first_seq, count=count, hlc_base=hlc_base)


def movements(count: int) -> list[Event]:
    """Some sales of one lot."""
    return [Event(Dot(OWN, seq), 1_000 + seq, 1, Moved(LOT, 2, -1000 * (seq + 1), None, 3, 0)) for seq in range(count)]


def packed(body: object) -> bytes:
    """Store any value as a body would be."""
    return zlib.compress(msgspec.msgpack.encode(body))


@given(events=runs_of_events())
def test_what_is_written_is_read_again(events: list[Event]) -> None:
    body = decoded(encode_body(events), count=len(events), first_seq=events[0].dot.seq, hlc_base=events[0].hlc)
    assert events == body.events
    assert body.unknown == []


def test_256_movements_cost_less_than_six_bytes_each() -> None:
    rng = random.Random(1000)
    events = []
    hlc = 1_795_000_000_000
    for seq in range(256):
        hlc += rng.randint(50, 5000)
        lot = Dot(OWN, rng.randrange(500))
        kind = rng.choice([2, 2, 2, 4, 1, 4])
        events.append(
            Event(Dot(OWN, 500 + seq), hlc, 1, Moved(lot, kind, 1000 * rng.choice([-1, -1, -2, 4]), None, 3, 0))
        )
    # The header and the signature are 173 bytes and two of length, which the format's own arithmetic counts too.
    assert (len(encode_body(events)) + 175) / 256 < 6.0


def test_an_event_of_newer_software_is_kept_apart_and_the_rest_is_read() -> None:
    groups = [
        [2, 1, [0, 2], [0, 1], 1, 1, 7, 2, [1, [-1000, -2000]], None, None, 3, 0],
        [2, 9, [1], 5, 0, "columns nobody knows", [1, 2, 3]],
        [77, 1, [3], 6, 0],
    ]
    body = decoded(packed([[b"stream-2"], groups]), count=4)
    assert [(event.dot.seq, event.fact.quantity_milli) for event in body.events] == [(0, -1000), (2, -2000)]
    assert [(found.dot.seq, found.type_id, found.version) for found in body.unknown] == [(1, 2, 9), (3, 77, 1)]


MOVE = [2, 1, None, 0, 1, 1, 7, 2, [1, -1000], None, None, 3, 0]


def changed(place: int, value: object) -> list[object]:
    """A good body of one movement with one part replaced."""
    group = list(MOVE)
    group[place] = value
    return [[b"stream-2"], [group]]


def test_the_body_that_the_hostile_ones_are_made_from_is_good() -> None:
    assert len(decoded(packed(changed(4, 1)), count=1).events) == 1


HOSTILE: dict[str, Callable[[], bytes]] = {
    "not deflated": lambda: b"plain bytes",
    "cut": lambda: encode_body(movements(9))[:-3],
    "something behind it": lambda: encode_body(movements(1)) + b"x",
    "a zip bomb": lambda: zlib.compress(bytes(50 * 1024 * 1024)),
    "one byte too large": lambda: zlib.compress(bytes(BODY_RAW_BYTES_MAX + 1)),
    "not MessagePack": lambda: zlib.compress(b"\xc1\xc1"),
    "an array that says it is huge": lambda: zlib.compress(b"\xdd\xff\xff\xff\xff"),
    "deep": lambda: zlib.compress(b"\x91" * 60_000 + b"\x01"),
    "a map": lambda: packed({"streams": [], "groups": []}),
    "a float": lambda: packed(changed(8, [1, -1000.5])),
    "no groups": lambda: packed([[], []]),
    "an empty group": lambda: packed([[], [[]]]),
    "a stream name of 7 bytes": lambda: packed([[b"stream2"], [MOVE]]),
    "65 streams": lambda: packed([[b"stream-2"] * 65, [MOVE]]),
    "a reference to no stream": lambda: packed(changed(5, 2)),
    "a reference without a number": lambda: packed(changed(6, None)),
    "an offset twice": lambda: packed([[b"stream-2"], [MOVE, MOVE]]),
    "an offset outside": lambda: packed(changed(2, [1])),
    "an offset that is true": lambda: packed(changed(2, [False])),
    "no offset": lambda: packed(changed(2, [])),
    "a clock that runs back": lambda: packed(changed(3, -1)),
    "a clock beyond all bounds": lambda: packed(changed(3, 2**63)),
    "a person that is a text": lambda: packed(changed(4, "Ana")),
    "a divisor of zero": lambda: packed(changed(8, [0, -1000])),
    "a quantity beyond all bounds": lambda: packed(changed(8, [1_000_000_000, 2**60])),
    "two quantities for one row": lambda: packed(changed(8, [1, [1, 2]])),
    "a kind that is a text": lambda: packed(changed(7, "sell")),
    "a column too few": lambda: packed([[b"stream-2"], [MOVE[:-1]]]),
    "a column too many": lambda: packed([[b"stream-2"], [[*MOVE, 0]]]),
    "a text of 5 KiB": lambda: packed([[], [[5, 1, None, 0, 0, "k" * 5000, 1, [[]]]]]),
    "65 references": lambda: packed([[], [[5, 1, None, 0, 0, "key", 1, [[0, 1] * 65]]]]),
    "a register with a list of lists": lambda: packed([[], [[5, 1, None, 0, 0, "key", [[["deep"]]], [[]]]]]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body_is_refused(name: str) -> None:
    with pytest.raises(BodyRefused):
        decoded(HOSTILE[name](), count=1)


def test_a_body_that_covers_only_a_part_of_its_block_is_refused() -> None:
    with pytest.raises(BodyRefused):
        decoded(packed([[b"stream-2"], [[*MOVE[:2], [0], *MOVE[3:]]]]), count=2)


@given(raw=st.binary(max_size=300), count=st.integers(1, 256))
def test_random_bytes_are_refused_and_never_raise_anything_else(raw: bytes, count: int) -> None:
    for stored in (raw, zlib.compress(raw)):
        with pytest.raises(BodyRefused):
            decoded(stored, count=count)


@given(events=runs_of_events(), data=st.data())
def test_a_mutated_body_is_refused_or_stays_within_its_bounds(events: list[Event], data: st.DataObject) -> None:
    raw = bytearray(zlib.decompress(encode_body(events)))
    for _change in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        body = decoded(zlib.compress(bytes(raw)), count=len(events))
    except BodyRefused:
        return
    assert len(body.events) + len(body.unknown) == len(events)
    assert all(0 <= event.hlc <= 2**62 for event in body.events)
