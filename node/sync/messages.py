"""What travels: topics and payloads, built and taken apart. The signed beacon is in `beacon`.

Not the blocks inside (`ledger.block`). Every payload is hostile until it has passed here: one exact layout each,
nothing left over, every count bounded before anything is made of it.

A topic is `larder/1/GROUP/KIND/PUBLISHER[/TO]`: the group in 32 hex digits, publisher and addressee as node ids, or the
addressee `any`. Only pulls and gives have an addressee. All numbers are little-endian:

| first byte | name | after it |
|---|---|---|
| 1 | frames | request u32 (0: nobody asked), flags u8 (1: last of this answer, 2: there is more), then whole frames |
| 2 | heads | buckets u64 (bit b: bucket b is listed in full), count u16, then stream 8, u32: blocks; bit 31: a roster,
      bit 30: forked, and the rest is no count but a number made of the ends of all branches |
| 3 | ranges | request u32, count u8, then stream 8, first u32, end u32 |
| 4 | bucket digests | 64 times 8 bytes, bucket 0 first |
| 5 | block hashes | request u32, stream 8, count u8, then that many hashes of 32: what is here of a forked stream |
| 6 | beacon | see `beacon` |
"""

from __future__ import annotations

import re
import struct
from base64 import b32decode
from collections.abc import Iterable, Sequence
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

from node.ledger.block import HASH_BYTES, HEADER_BYTES, SIGNATURE_BYTES
from node.ledger.heads import BlockRange
from node.ledger.names import GROUP_BYTES, ORIGIN_BYTES, STREAM_BYTES, node_id
from node.sync.effects import Kind

ANY = "any"
PAYLOAD_BYTES_MAX = 32 * 1024
BUCKETS = 64
BUCKET_DIGEST_BYTES = 8
ROSTER_BIT = 1 << 31
FORKED_BIT = 1 << 30
BLOCKS_MAX = FORKED_BIT - 1
HASHES_MAX = 255
RANGES_PER_PULL_MAX = 64
REQUEST_MAX = (1 << 32) - 1
# larder/1/ + 32 + / + 4 + / + 26 + / + 26: anything longer is not ours and is not looked at.
TOPIC_CHARACTERS_MAX = 100

_TOPIC = re.compile(
    r"larder/1/([0-9a-f]{32})/(head|blk|pull|give|bye)/([a-z2-7]{26})(?:/([a-z2-7]{26}|any))?", re.ASCII
)
_ADDRESSED = (Kind.PULL, Kind.GIVE)
_FRAMES = struct.Struct("<BIB")
_HEADS = struct.Struct("<BQH")
_RANGES = struct.Struct("<BIB")
_HEAD = struct.Struct("<8sI")
_HASHES = struct.Struct("<BI8sB")
_RANGE = struct.Struct("<8sII")
_FRAME_LENGTH = struct.Struct("<H")
_LAST, _MORE = 1, 2
# The same few names and topics come with every message.
_ORIGINS_KEPT = 1_024
_TOPICS_KEPT = 4_096

HEADS_PER_MESSAGE_MAX = (PAYLOAD_BYTES_MAX - _HEADS.size) // _HEAD.size
FRAMES_BYTES_MAX = PAYLOAD_BYTES_MAX - _FRAMES.size


class PayloadKind(IntEnum):
    """The first byte of a payload."""

    FRAMES = 1
    HEADS = 2
    RANGES = 3
    BUCKET_DIGESTS = 4
    BLOCK_HASHES = 5
    BEACON = 6


_KINDS = {bytes([kind]): kind for kind in PayloadKind}


class Garbage(Exception):
    """A topic or payload is not what this version writes. `reason` is a fixed word for the count of drops."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Topic(NamedTuple):
    """Who publishes what to whom; `to` is a node id, ANY, or None where the kind has no addressee."""

    group: bytes
    kind: Kind
    publisher: bytes
    to: str | None


class Frames(NamedTuple):
    """Blocks as they are stored. `is_cut` says that more was asked for than fits one answer."""

    request: int
    is_last: bool
    is_cut: bool
    frames: tuple[bytes, ...]


class Claim(NamedTuple):
    """How many blocks of a stream somebody says they have; of a forked one `tips` in place of the blocks."""

    stream: bytes
    blocks: int
    is_roster: bool
    tips: int = 0


class ListedHeads(NamedTuple):
    """The heads of some buckets; `buckets` names those that are listed in full."""

    buckets: frozenset[int]
    claims: tuple[Claim, ...]


class Ranges(NamedTuple):
    """Blocks that somebody asks for."""

    request: int
    ranges: tuple[BlockRange, ...]


class BlockHashes(NamedTuple):
    """What somebody has of a forked stream; they ask for what lies beyond."""

    request: int
    stream: bytes
    hashes: tuple[bytes, ...]


def build_topic(group: bytes, kind: Kind, publisher: bytes, to: str | None = None) -> str:
    """Return the topic of a message."""
    topic = f"larder/1/{group.hex()}/{kind.value}/{node_id(publisher)}"
    return topic if to is None else f"{topic}/{to}"


@lru_cache(maxsize=_TOPICS_KEPT)
def parse_topic(text: str) -> Topic:
    """Take a topic apart. Raises Garbage("topic") where it is not one of ours to the letter."""
    match = _TOPIC.fullmatch(text) if len(text) <= TOPIC_CHARACTERS_MAX else None
    if match is None:
        raise Garbage("topic")
    group, kind, publisher, to = match.groups()
    topic = Topic(bytes.fromhex(group), Kind(kind), _origin_from(publisher), to)
    if (to is not None) != (topic.kind in _ADDRESSED):
        raise Garbage("topic")
    if to is not None and to != ANY:
        _origin_from(to)
    return topic


def kind_of(payload: bytes) -> PayloadKind:
    """Return the kind of a payload. Raises Garbage("too long") and Garbage("kind")."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise Garbage("too long")
    kind = _KINDS.get(payload[:1])
    if kind is None:
        raise Garbage("kind")
    return kind


def encode_frames(frames: Sequence[bytes], *, request: int = 0, is_last: bool = True, is_cut: bool = False) -> bytes:
    """Return a payload of whole frames, which the caller has made to fit."""
    flags = (_LAST if is_last else 0) | (_MORE if is_cut else 0)
    return _fitting(_FRAMES.pack(PayloadKind.FRAMES, request, flags) + b"".join(frames))


def decode_frames(payload: bytes) -> Frames:
    """Cut a payload into frames. Raises Garbage; whether a frame is a block is judged later."""
    _check_kind(payload, PayloadKind.FRAMES, _FRAMES.size)
    _kind, request, flags = _FRAMES.unpack_from(payload)
    if flags & ~(_LAST | _MORE):
        raise Garbage("frames")
    frames: list[bytes] = []
    at = _FRAMES.size
    while at < len(payload):
        if at + _FRAME_LENGTH.size > len(payload):
            raise Garbage("frames")
        end = at + _FRAME_LENGTH.size + _FRAME_LENGTH.unpack_from(payload, at)[0]
        if end > len(payload) or end - at < _FRAME_LENGTH.size + HEADER_BYTES + SIGNATURE_BYTES:
            raise Garbage("frames")
        frames.append(payload[at:end])
        at = end
    return Frames(request, bool(flags & _LAST), bool(flags & _MORE), tuple(frames))


def pack_frames(frames: Iterable[bytes]) -> list[list[bytes]]:
    """Share frames out over messages, in order, as many to each as fit."""
    messages: list[list[bytes]] = []
    room = 0
    for frame in frames:
        if not messages or len(frame) > room:
            messages.append([])
            room = FRAMES_BYTES_MAX
        messages[-1].append(frame)
        room -= len(frame)
    return messages


def pack_claim(claim: Claim) -> bytes:
    """Return the 12 bytes by which a head is listed in a vector."""
    value = claim.tips | FORKED_BIT if claim.tips else claim.blocks
    return _HEAD.pack(claim.stream, value | (ROSTER_BIT if claim.is_roster else 0))


def unpack_claims(listed: bytes) -> tuple[Claim, ...]:
    """Read listed heads. Raises Garbage where one is listed twice, has no block, or half of one is left over."""
    if len(listed) % _HEAD.size:
        raise Garbage("heads")
    claims = tuple(
        Claim(stream, 0, bool(value & ROSTER_BIT), value & BLOCKS_MAX)
        if value & FORKED_BIT
        else Claim(stream, value & BLOCKS_MAX, bool(value & ROSTER_BIT))
        for stream, value in _HEAD.iter_unpack(listed)
    )
    if any(claim.blocks == claim.tips == 0 for claim in claims) or len({claim.stream for claim in claims}) != len(
        claims
    ):
        raise Garbage("heads")
    return claims


def encode_heads(heads: ListedHeads) -> bytes:
    """Return a payload that lists heads, at most HEADS_PER_MESSAGE_MAX."""
    buckets = sum(1 << bucket for bucket in heads.buckets)
    listed = b"".join(pack_claim(claim) for claim in heads.claims)
    return _fitting(_HEADS.pack(PayloadKind.HEADS, buckets, len(heads.claims)) + listed)


def decode_heads(payload: bytes) -> ListedHeads:
    """Read a list of heads. Raises Garbage."""
    _check_kind(payload, PayloadKind.HEADS, _HEADS.size)
    _kind, bits, count = _HEADS.unpack_from(payload)
    if len(payload) != _HEADS.size + count * _HEAD.size:
        raise Garbage("heads")
    buckets = frozenset(bucket for bucket in range(BUCKETS) if bits >> bucket & 1)
    return ListedHeads(buckets, unpack_claims(payload[_HEADS.size :]))


def encode_ranges(ranges: Ranges) -> bytes:
    """Return a payload that asks for blocks, at most RANGES_PER_PULL_MAX ranges."""
    head = _RANGES.pack(PayloadKind.RANGES, ranges.request, len(ranges.ranges))
    return _fitting(head + b"".join(_RANGE.pack(*one) for one in ranges.ranges))


def decode_ranges(payload: bytes) -> Ranges:
    """Read what is asked for. Raises Garbage where a range is empty, doubled or beyond any stream."""
    _check_kind(payload, PayloadKind.RANGES, _RANGES.size)
    _kind, request, count = _RANGES.unpack_from(payload)
    if not 1 <= count <= RANGES_PER_PULL_MAX or len(payload) != _RANGES.size + count * _RANGE.size:
        raise Garbage("ranges")
    ranges = tuple(BlockRange(*one) for one in _RANGE.iter_unpack(payload[_RANGES.size :]))
    if any(not one.first < one.end <= BLOCKS_MAX for one in ranges):
        raise Garbage("ranges")
    if len({one.stream for one in ranges}) != count:
        raise Garbage("ranges")
    return Ranges(request, ranges)


def encode_block_hashes(hashes: BlockHashes) -> bytes:
    """Return a payload that asks for what lies beyond these blocks of a stream, at most HASHES_MAX."""
    head = _HASHES.pack(PayloadKind.BLOCK_HASHES, hashes.request, hashes.stream, len(hashes.hashes))
    return _fitting(head + b"".join(hashes.hashes))


def decode_block_hashes(payload: bytes) -> BlockHashes:
    """Read which blocks of a forked stream somebody has. Raises Garbage."""
    _check_kind(payload, PayloadKind.BLOCK_HASHES, _HASHES.size)
    _kind, request, stream, count = _HASHES.unpack_from(payload)
    if len(payload) != _HASHES.size + count * HASH_BYTES:
        raise Garbage("block hashes")
    places = range(_HASHES.size, len(payload), HASH_BYTES)
    return BlockHashes(request, stream, tuple(payload[at : at + HASH_BYTES] for at in places))


def encode_bucket_digests(digests: Sequence[bytes]) -> bytes:
    """Return a payload with one digest for each of the 64 buckets."""
    return _fitting(bytes([PayloadKind.BUCKET_DIGESTS]) + b"".join(digests))


def decode_bucket_digests(payload: bytes) -> tuple[bytes, ...]:
    """Read the 64 digests. Raises Garbage."""
    if payload[:1] != bytes([PayloadKind.BUCKET_DIGESTS]) or len(payload) != 1 + BUCKETS * BUCKET_DIGEST_BYTES:
        raise Garbage("bucket digests")
    return tuple(payload[at : at + BUCKET_DIGEST_BYTES] for at in range(1, len(payload), BUCKET_DIGEST_BYTES))


@lru_cache(maxsize=_ORIGINS_KEPT)
def _origin_from(text: str) -> bytes:
    origin = b32decode(text.upper() + "=" * 6)
    # Base32 of 16 bytes has two spare bits; only one spelling of a name is a name.
    if len(origin) != ORIGIN_BYTES or node_id(origin) != text:
        raise Garbage("topic")
    return origin


def _check_kind(payload: bytes, kind: PayloadKind, size_min: int) -> None:
    if not size_min <= len(payload) <= PAYLOAD_BYTES_MAX or payload[0] != kind:
        raise Garbage(kind.name.lower())


def _fitting(payload: bytes) -> bytes:
    assert len(payload) <= PAYLOAD_BYTES_MAX, "a payload is made to fit by its caller"
    return payload


assert _HEAD.size == STREAM_BYTES + 4 and GROUP_BYTES * 2 == 32
