"""The beacon: where a node says, signed, how far its log and its knowledge reach. Pure bytes.

Not a proof of anything but who said it. The layout, little-endian, at most 1,024 bytes:

| bytes | field |
|---|---|
| 1, 1 | 6, layout 1 |
| 8 | counter, higher in every beacon of this node |
| 1, 1 | clock (0 not set, 1 RTC, 2 NTP or staff), free space (class) |
| 8, 4, 32 | current stream, its blocks, the hash of its last one (zeros for none) |
| 16 | digest of all heads |
| 1, 1 | length of the software version, count of listed streams |
| to 32 | software version, ASCII |
| 12 each | stream 8, u32 as in a list of heads; at most 64, or none at all where there are more |
| 64 | Ed25519 signature of `larder/1/head\\0` + group + all that is before it |
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from node.ledger.block import HASH_BYTES, SIGNATURE_BYTES
from node.sync.effects import FreeSpace
from node.sync.messages import BLOCKS_MAX, Claim, Garbage, PayloadKind, pack_claim, unpack_claims

SIGNED_CONTEXT = b"larder/1/head\0"
BEACON_BYTES_MAX = 1024
VECTOR_STREAMS_MAX = 64
VERSION_CHARACTERS_MAX = 32
COUNTER_MAX = (1 << 64) - 1
HEADS_DIGEST_BYTES = 16
_LAYOUT = 1
_CLOCK_MAX = 2
_FIXED = struct.Struct(f"<BBQBB8sI{HASH_BYTES}s{HEADS_DIGEST_BYTES}sBB")
_CLAIM_BYTES = 12


class Beacon(NamedTuple):
    """What a node says of itself. An empty `vector` with streams present means that they were too many to list."""

    counter: int
    clock: int
    free_space: FreeSpace
    version: str
    current_stream: bytes
    blocks: int
    block_hash: bytes
    digest: bytes
    vector: tuple[Claim, ...]


def encode_beacon(beacon: Beacon, *, group: bytes, sign: Callable[[bytes], bytes]) -> bytes:
    """Return a signed beacon."""
    version = _plain(beacon.version)
    body = _FIXED.pack(
        PayloadKind.BEACON,
        _LAYOUT,
        beacon.counter,
        beacon.clock,
        beacon.free_space,
        beacon.current_stream,
        beacon.blocks,
        beacon.block_hash,
        beacon.digest,
        len(version),
        len(beacon.vector),
    )
    body += version + b"".join(pack_claim(claim) for claim in beacon.vector)
    payload = body + sign(SIGNED_CONTEXT + group + body)
    assert len(payload) <= BEACON_BYTES_MAX and len(beacon.vector) <= VECTOR_STREAMS_MAX
    return payload


def decode_beacon(
    payload: bytes, *, group: bytes, public_key: bytes, is_signed: Callable[[bytes, bytes, bytes], bool]
) -> Beacon:
    """Check a beacon of the holder of `public_key` and read it. Raises Garbage("beacon") or Garbage("signature")."""
    beacon = _read(payload)
    body, signature = payload[:-SIGNATURE_BYTES], payload[-SIGNATURE_BYTES:]
    if not is_signed(public_key, signature, SIGNED_CONTEXT + group + body):
        raise Garbage("signature")
    return beacon


def _read(payload: bytes) -> Beacon:
    if not _FIXED.size + SIGNATURE_BYTES <= len(payload) <= BEACON_BYTES_MAX:
        raise Garbage("beacon")
    kind, layout, counter, clock, space, stream, blocks, last, digest, version_length, count = _FIXED.unpack_from(
        payload
    )
    version_end = _FIXED.size + version_length
    end = version_end + count * _CLAIM_BYTES
    if (kind, layout) != (PayloadKind.BEACON, _LAYOUT) or len(payload) != end + SIGNATURE_BYTES:
        raise Garbage("beacon")
    if clock > _CLOCK_MAX or version_length > VERSION_CHARACTERS_MAX or count > VECTOR_STREAMS_MAX:
        raise Garbage("beacon")
    version = payload[_FIXED.size : version_end]
    if not version.isascii() or not version.decode("ascii").isprintable() or blocks > BLOCKS_MAX:
        raise Garbage("beacon")
    try:
        free_space = FreeSpace(space)
    except ValueError:
        raise Garbage("beacon") from None
    claims = unpack_claims(payload[version_end:end])
    return Beacon(counter, clock, free_space, version.decode("ascii"), stream, blocks, last, digest, claims)


def _plain(text: str) -> bytes:
    """Return the printable ASCII of a version: it ends up on other people's screens."""
    return "".join(c for c in text if " " <= c <= "~")[:VERSION_CHARACTERS_MAX].encode("ascii")
