"""The beacon: its bytes, its signature, its bounds."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from node.ledger.keys import NodeKey, is_signed
from node.sync.beacon import (
    BEACON_BYTES_MAX,
    SIGNED_CONTEXT,
    VECTOR_STREAMS_MAX,
    Beacon,
    decode_beacon,
    encode_beacon,
)
from node.sync.effects import FreeSpace
from node.sync.messages import Claim, Garbage

GROUP = bytes(range(16))
KEY = NodeKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def a_beacon(*, streams: int = 2, version: str = "0.1.0") -> Beacon:
    vector = tuple(Claim(bytes([n] * 8), n + 1, is_roster=n == 0) for n in range(streams))
    return Beacon(5, 2, FreeSpace.PLENTY, version, bytes([1] * 8), 2, bytes([7] * 32), bytes([9] * 16), vector)


def encoded(beacon: Beacon) -> bytes:
    return encode_beacon(beacon, group=GROUP, sign=KEY.sign)


def decoded(payload: bytes, *, group: bytes = GROUP, public_key: bytes = KEY.public_key) -> Beacon:
    return decode_beacon(payload, group=group, public_key=public_key, is_signed=is_signed)


def test_a_beacon_has_these_bytes() -> None:
    body = (
        "06" "01" "0500000000000000" "02" "03" + "01" * 8 + "02000000" + "07" * 32 + "09" * 16 + "05" "02" "302e312e30"
        "0000000000000000" "01000080" "0101010101010101" "02000000"
    )  # fmt: skip
    payload = encoded(a_beacon())
    assert body == payload[:-64].hex()
    assert payload[-64:] == KEY.sign(b"larder/1/head\0" + GROUP + bytes.fromhex(body))


def test_the_longest_beacon_fits() -> None:
    payload = encoded(a_beacon(streams=VECTOR_STREAMS_MAX, version="v" * 100))
    assert len(payload) <= BEACON_BYTES_MAX
    assert len(decoded(payload).vector) == VECTOR_STREAMS_MAX


def test_a_beacon_reads_back() -> None:
    assert a_beacon() == decoded(encoded(a_beacon()))


@settings(max_examples=200)
@given(st.integers(0, 8 * len(encoded(a_beacon())) - 1))
def test_a_bit_flipped_anywhere_is_refused(bit: int) -> None:
    payload = bytearray(encoded(a_beacon()))
    payload[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Garbage):
        decoded(bytes(payload))


@given(st.binary(max_size=1100))
def test_random_bytes_are_refused(payload: bytes) -> None:
    with pytest.raises(Garbage):
        decoded(payload)


def test_a_beacon_of_another_group_or_another_key_is_refused() -> None:
    other = NodeKey(Ed25519PrivateKey.from_private_bytes(bytes(32)))
    with pytest.raises(Garbage, match="signature"):
        decoded(encoded(a_beacon()), group=bytes(16))
    with pytest.raises(Garbage, match="signature"):
        decoded(encoded(a_beacon()), public_key=other.public_key)


def test_a_block_signature_is_no_beacon_signature() -> None:
    payload = encoded(a_beacon())
    signed_as_block = payload[:-64] + KEY.sign(b"larder/1/block\0" + GROUP + payload[:-64])
    with pytest.raises(Garbage, match="signature"):
        decoded(signed_as_block)


@dataclass(frozen=True)
class _Change:
    name: str
    at: int
    value: bytes


@pytest.mark.parametrize(
    "change",
    [
        _Change("layout", 1, b"\x02"),
        _Change("clock", 10, b"\x03"),
        _Change("free space", 11, b"\x09"),
        _Change("blocks beyond any stream", 20, b"\xff\xff\xff\xff"),
        _Change("version length", 72, b"\x21"),
        _Change("stream count", 73, b"\x41"),
        _Change("control character in the version", 74, b"\x1b"),
        _Change("a stream without blocks", 87, b"\x00\x00\x00\x00"),
    ],
    ids=lambda change: change.name,
)
def test_impossible_fields_are_refused_even_when_signed(change: _Change) -> None:
    body = bytearray(encoded(a_beacon())[:-64])
    body[change.at : change.at + len(change.value)] = change.value
    payload = bytes(body) + KEY.sign(SIGNED_CONTEXT + GROUP + bytes(body))
    with pytest.raises(Garbage):
        decoded(payload)
