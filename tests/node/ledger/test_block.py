"""Frames: signed, chained, and refused for the first thing that is wrong."""

from __future__ import annotations

import struct

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from node.domain.lots import Dot
from node.ledger.block import (
    HEADER_BYTES,
    NO_BLOCK_BEFORE,
    Block,
    BlockRefused,
    Header,
    body_hash,
    check_block,
    check_place,
    make_block,
    read_frame,
)
from node.ledger.codec import encode_body
from node.ledger.events import Event, Moved
from node.ledger.keys import NodeKey, is_signed
from node.ledger.names import group_of, node_id, origin_of

KEY = NodeKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER = NodeKey(Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
GROUP = group_of(KEY.public_key, b"n" * 16)
ORIGIN = origin_of(KEY.public_key)
ROSTER = {ORIGIN: KEY.public_key}
STREAM = b"own-strm"


def a_block(signer: NodeKey = KEY, group: bytes = GROUP, n: int = 0, clock: int = 2) -> Block:
    """A block of two movements."""
    events = [Event(Dot(STREAM, seq), 1_000 + seq, 1, Moved(Dot(STREAM, 9), 2, -1000, None, 3, 0)) for seq in (0, 1)]
    body = encode_body(events)
    header = Header(ORIGIN, STREAM, n, 0, 2, clock, 1_000, NO_BLOCK_BEFORE, body_hash(body))
    return make_block(header, body, group, signer)


def check(block: Block, group: bytes = GROUP, roster: dict[bytes, bytes] = ROSTER) -> None:
    """Run all checks on a frame as if it came from outside."""
    read = read_frame(block.frame)
    check_block(read, group=group, roster=roster, is_signed=is_signed)
    check_place(read, blocks=0, events=0, head_hash=NO_BLOCK_BEFORE)


def test_the_header_is_109_bytes_and_a_node_id_26_characters() -> None:
    assert HEADER_BYTES == 109
    assert len(node_id(ORIGIN)) == 26


def test_a_good_block_passes_and_is_read_as_it_was_made() -> None:
    block = a_block()
    check(block)
    assert block == read_frame(block.frame)


@pytest.mark.parametrize(
    ("block", "check_name"),
    [
        (a_block(signer=OTHER), "signature"),
        (a_block(group=b"another group..."), "signature"),
        (a_block(n=1), "number"),
        (a_block(clock=3), "flags"),
        (a_block(clock=4), "flags"),
    ],
)
def test_a_wrong_block_is_refused_by_the_first_check_it_fails(block: Block, check_name: str) -> None:
    with pytest.raises(BlockRefused) as refused:
        check(block)
    assert check_name == refused.value.check


def test_a_block_of_somebody_unknown_is_refused() -> None:
    with pytest.raises(BlockRefused) as refused:
        check(a_block(), roster={})
    assert refused.value.check == "origin"


def test_a_frame_of_the_wrong_length_or_version_is_refused() -> None:
    frame = a_block().frame
    for wrong, name in (
        (frame[:-1], "length"),
        (frame + b"x", "length"),
        (b"", "length"),
        (struct.pack("<H", 20_000) + bytes(20_000), "length"),
        (frame[:2] + b"L\x02" + frame[4:], "version"),
    ):
        with pytest.raises(BlockRefused) as refused:
            read_frame(wrong)
        assert name == refused.value.check


@given(bit=st.integers(0, len(a_block().frame) * 8 - 1))
def test_one_flipped_bit_anywhere_is_found(bit: int) -> None:
    frame = bytearray(a_block().frame)
    frame[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BlockRefused):
        block = read_frame(bytes(frame))
        check_block(block, group=GROUP, roster=ROSTER, is_signed=is_signed)


def test_a_swapped_body_is_found_by_its_hash() -> None:
    block = a_block()
    other = encode_body([Event(Dot(STREAM, 0), 1, 1, Moved(Dot(STREAM, 9), 2, -9000, None, 3, 0))])
    content = block.frame[2 : 2 + HEADER_BYTES + 64] + other
    with pytest.raises(BlockRefused) as refused:
        check_block(
            read_frame(struct.pack("<H", len(content)) + content), group=GROUP, roster=ROSTER, is_signed=is_signed
        )
    assert refused.value.check == "body hash"
