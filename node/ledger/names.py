"""Names made from keys: origin, node id, group id, stream. Pure hashing, no key files and no signatures."""

from __future__ import annotations

from base64 import b32encode
from hashlib import blake2b

ORIGIN_BYTES = 16
GROUP_BYTES = 16
STREAM_BYTES = 8
NONCE_BYTES = 16
PUBLIC_KEY_BYTES = 32


def origin_of(public_key: bytes) -> bytes:
    """Return the 16 bytes by which a key is named everywhere."""
    return blake2b(public_key, digest_size=ORIGIN_BYTES).digest()


def node_id(origin: bytes) -> str:
    """Return an origin as people and topics write it: 26 characters, lower case, unpadded base32."""
    return b32encode(origin).decode("ascii").rstrip("=").lower()


def group_of(founder_public_key: bytes, nonce: bytes) -> bytes:
    """Return the id of the group that a key founded; anyone who knows the id can check who founded it."""
    return blake2b(founder_public_key + nonce, digest_size=GROUP_BYTES).digest()


def stream_of(origin: bytes, nonce: bytes) -> bytes:
    """Return the name of a member's stream: nobody else can open a stream of that name, however early it is known."""
    return blake2b(origin + nonce, digest_size=STREAM_BYTES).digest()
