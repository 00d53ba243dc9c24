"""A block's frame: length, header, signature, body. Made by the node that owns the stream, checked by everybody.

Not the body's content (`codec`) and not storage. Owns the order of the checks: a frame is judged from cheap to dear,
nothing is inflated before its signature and its hash hold, and a refused block changes nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import NamedTuple, Protocol

from node.errors import N_, RemoteFault
from node.ledger.codec import BODY_STORED_BYTES_MAX, EVENTS_PER_BLOCK_MAX, Body, decode_body
from node.ledger.names import GROUP_BYTES

MAGIC = b"L\x01"
SIGNED_CONTEXT = b"larder/1/block\0"
HASH_BYTES = 32
SIGNATURE_BYTES = 64
NO_BLOCK_BEFORE = bytes(HASH_BYTES)
_HEADER = struct.Struct("<2s16s8sIIHBQ32s32s")
HEADER_BYTES = _HEADER.size  # 109
_LENGTH = struct.Struct("<H")
_CLOCK_MASK = 0b11


class Header(NamedTuple):
    """What a block says of itself. `prev` is the hash of the block before, zero for the first."""

    origin: bytes
    stream: bytes
    n: int
    first_seq: int
    event_count: int
    clock: int
    hlc_base: int
    prev: bytes
    body_hash: bytes


class Block(NamedTuple):
    """One block with the bytes it is stored and relayed as."""

    header: Header
    signature: bytes
    body: bytes
    frame: bytes

    @property
    def block_hash(self) -> bytes:
        """Return the hash that the next block names."""
        return blake2b(self.frame[2 : 2 + HEADER_BYTES + SIGNATURE_BYTES], digest_size=HASH_BYTES).digest()


class Signer(Protocol):
    """Anything that signs as this node."""

    def sign(self, message: bytes) -> bytes: ...


class BlockRefused(RemoteFault):
    """A block failed a check. `values['check']` names the first one, in the order of the module."""

    def __init__(self, check: str) -> None:
        super().__init__("block.refused", N_("A block was refused: its {check} is not right."), check=check)
        self.check = check


def body_hash(body: bytes) -> bytes:
    """Return the hash of a stored (deflated) body."""
    return blake2b(body, digest_size=HASH_BYTES).digest()


def make_block(header: Header, body: bytes, group: bytes, signer: Signer) -> Block:
    """Sign a header over its body and return the block with its frame."""
    packed = _HEADER.pack(
        MAGIC,
        header.origin,
        header.stream,
        header.n,
        header.first_seq,
        header.event_count,
        header.clock,
        header.hlc_base,
        header.prev,
        header.body_hash,
    )
    signature = signer.sign(SIGNED_CONTEXT + group + packed)
    content = packed + signature + body
    return Block(header, signature, body, _LENGTH.pack(len(content)) + content)


def read_frame(frame: bytes) -> Block:
    """Take a frame apart: length, magic and version, flags, count. Raises BlockRefused. Nothing is verified yet."""
    if len(frame) < 2 + HEADER_BYTES + SIGNATURE_BYTES or _LENGTH.unpack_from(frame)[0] != len(frame) - 2:
        raise BlockRefused("length")
    if len(frame) - 2 - HEADER_BYTES - SIGNATURE_BYTES > BODY_STORED_BYTES_MAX:
        raise BlockRefused("length")
    magic, *fields = _HEADER.unpack_from(frame, 2)
    header = Header(*fields)
    if magic != MAGIC:
        raise BlockRefused("version")
    if header.clock & ~_CLOCK_MASK or header.clock == _CLOCK_MASK:
        raise BlockRefused("flags")
    if not 1 <= header.event_count <= EVENTS_PER_BLOCK_MAX:
        raise BlockRefused("count")
    body_at = 2 + HEADER_BYTES + SIGNATURE_BYTES
    return Block(header, frame[2 + HEADER_BYTES : body_at], frame[body_at:], frame)


def check_block(
    block: Block, *, group: bytes, roster: Mapping[bytes, bytes], is_signed: Callable[[bytes, bytes, bytes], bool]
) -> None:
    """Check that a known member signed this block for this group and that its body is the one it signed.

    `roster` maps origin to public key. Raises BlockRefused. Whether it fits its chain is `check_place`.
    """
    if len(group) != GROUP_BYTES:
        raise ValueError("a group id has 16 bytes")
    public_key = roster.get(block.header.origin)
    if public_key is None:
        raise BlockRefused("origin")
    if not is_signed(public_key, block.signature, SIGNED_CONTEXT + group + block.frame[2 : 2 + HEADER_BYTES]):
        raise BlockRefused("signature")
    if body_hash(block.body) != block.header.body_hash:
        raise BlockRefused("body hash")


def check_place(block: Block, *, blocks: int, events: int, head_hash: bytes) -> None:
    """Check that a block follows the head of its stream: its number, its first event, the hash before it."""
    if block.header.n != blocks:
        raise BlockRefused("number")
    if block.header.first_seq != events:
        raise BlockRefused("first event number")
    if block.header.prev != head_hash:
        raise BlockRefused("chain")


def body_of(block: Block) -> Body:
    """Return what stands in a block whose signature and hash were checked. Raises BodyRefused."""
    header = block.header
    return decode_body(
        block.body,
        stream=header.stream,
        first_seq=header.first_seq,
        count=header.event_count,
        hlc_base=header.hlc_base,
    )
