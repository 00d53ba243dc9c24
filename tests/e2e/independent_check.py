"""Opens a market's folder without any code of Larder and says whether it holds what was promised.

Written from the description of the formats alone: SQLite, Ed25519, BLAKE2b and zlib from other hands. It is the second
opinion, so it imports nothing of ours and repeats on purpose what ours does. Run: independent_check.py FOLDER
"""

from __future__ import annotations

import json
import sqlite3
import struct
import sys
import zlib
from collections import Counter
from hashlib import blake2b
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

# A frame: length, header, signature, body; little-endian, the length counts what follows it.
HEADER = struct.Struct("<2s16s8sIIHBQ32s32s")
SIGNATURE_BYTES = 64
BODY_BYTES_MAX = 16 * 1024
INFLATED_BYTES_MAX = 64 * 1024
EVENTS_MAX = 256


class Wrong(Exception):
    """What does not hold."""


def require(holds: bool, what: str) -> None:
    """Raise Wrong with `what` unless it holds."""
    if not holds:
        raise Wrong(what)


def opened(path: Path) -> sqlite3.Connection:
    """Open a database for reading and check it through."""
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    require(connection.execute("PRAGMA integrity_check").fetchone() == ("ok",), f"{path.name} is damaged")
    return connection


def readings_by_uid(folder: Path) -> Counter[str]:
    """Return how many readings of each device are stored, each counted once."""
    connection = opened(folder / "telemetry" / "telemetry.db")
    rows = connection.execute(
        "SELECT d.uid, r.boot, r.seq FROM readings AS r JOIN device AS d ON d.device = r.device"
    ).fetchall()
    connection.close()
    require(len(rows) == len(set(rows)), "a reading is stored twice")
    return Counter(uid for uid, _boot, _seq in rows)


def members(connection: sqlite3.Connection) -> tuple[bytes, dict[bytes, Ed25519PublicKey]]:
    """Return the group's id and each member's key by origin; both are hashes of keys, so they prove themselves."""
    keys, groups = {}, []
    for origin, public_key, nonce in connection.execute("SELECT origin, public_key, nonce FROM member"):
        require(blake2b(public_key, digest_size=16).digest() == origin, "an origin is not the hash of its key")
        keys[origin] = Ed25519PublicKey.from_public_bytes(public_key)
        if nonce is not None:
            groups.append(blake2b(public_key + nonce, digest_size=16).digest())
    require(len(groups) == 1, f"{len(groups)} members say they founded the group")
    return groups[0], keys


def check_block(frame: bytes, group: bytes, keys: dict[bytes, Ed25519PublicKey]) -> tuple[Any, ...]:
    """Check one block by itself; return its header fields and, last, its own hash."""
    require(struct.unpack_from("<H", frame)[0] == len(frame) - 2, "a frame's length is wrong")
    header = frame[2 : 2 + HEADER.size]
    signature = frame[2 + HEADER.size : 2 + HEADER.size + SIGNATURE_BYTES]
    body = frame[2 + HEADER.size + SIGNATURE_BYTES :]
    magic, origin, stream, n, first_seq, count, flags, _hlc, prev, body_hash = HEADER.unpack(header)
    require(magic == b"L\x01", "the magic is wrong")
    require(flags in (0, 1, 2), "the flags are wrong")
    require(1 <= count <= EVENTS_MAX and len(body) <= BODY_BYTES_MAX, "a block is too large")
    require(origin in keys, "a block comes from nobody known")
    try:
        keys[origin].verify(signature, b"larder/1/block\0" + group + header)
    except InvalidSignature:
        raise Wrong(f"block {n} of stream {stream.hex()} has a wrong signature") from None
    require(blake2b(body, digest_size=32).digest() == body_hash, "a body is not the one that was signed")
    inflate = zlib.decompressobj()
    content = inflate.decompress(body, INFLATED_BYTES_MAX + 1)
    require(len(content) <= INFLATED_BYTES_MAX and inflate.eof and not inflate.unused_data, "a body does not inflate")
    # MessagePack: an array of two, the other streams and the groups of events.
    require(content[:1] == b"\x92", "a body is not the array of two that it should be")
    return stream, n, first_seq, count, prev, blake2b(header + signature, digest_size=32).digest()


def blocks_checked(folder: Path) -> tuple[int, int]:
    """Check every sealed block and every chain; return how many blocks and events there are."""
    connection = opened(folder / "market" / "market.db")
    group, keys = members(connection)
    heads: dict[bytes, tuple[int, int, bytes]] = {}
    frames = [frame for (frame,) in connection.execute("SELECT frame FROM block ORDER BY stream, n")]
    for frame in frames:
        stream, n, first_seq, count, prev, own_hash = check_block(frame, group, keys)
        expected = heads.get(stream, (0, 0, bytes(32)))
        require((n, first_seq, prev) == expected, f"block {n} of stream {stream.hex()} does not follow the one before")
        heads[stream] = (n + 1, first_seq + count, own_hash)
    for stream, seq in connection.execute("SELECT stream, min(seq) FROM pending GROUP BY stream"):
        require(seq == heads.get(stream, (0, 0, b""))[1], "the events not yet sealed do not follow the sealed ones")
    connection.close()
    return len(frames), sum(events for _n, events, _hash in heads.values())


def main() -> int:
    """Print what was found as one JSON object; exit 1 with a sentence where something does not hold."""
    folder = Path(sys.argv[1])
    try:
        counts = readings_by_uid(folder)
        blocks, events = blocks_checked(folder)
    except (Wrong, sqlite3.Error, OSError) as problem:
        print(f"does not hold: {problem}", file=sys.stderr)
        return 1
    print(json.dumps({"readings": dict(sorted(counts.items())), "sealed_blocks": blocks, "sealed_events": events}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
