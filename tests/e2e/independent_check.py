"""Opens the folders of two markets without any code of Larder and says whether they hold what was promised.

Written from the description of the formats alone: SQLite, Ed25519, BLAKE2b, zlib and MessagePack from other hands. It
is the second opinion, so it imports nothing of ours and repeats on purpose what ours does. Who belongs to the group,
what every lot holds and what was handed over is worked out from the signed blocks alone; only then is it compared with
the tables.

    independent_check.py FOLDER [FACTS.json]     FOLDER holds harbour and mill-road, FACTS is what the demo said last
"""

from __future__ import annotations

import json
import sqlite3
import struct
import sys
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MARKETS = ("harbour", "mill-road")
# A frame: length, header, signature, body; little-endian, the length counts what follows it.
HEADER = struct.Struct("<2s16s8sIIHBQ32s32s")
SIGNATURE_BYTES = 64
BODY_BYTES_MAX = 16 * 1024
INFLATED_BYTES_MAX = 64 * 1024
EVENTS_MAX = 256

# The fact types that matter here, and how their columns stand: r a reference (two columns), q a quantity, else one.
COLUMNS = {2: "rvqrvv", 3: "vvqvvvvvvv", 4: "rqq", 10: "rqvv", 14: "rqvv", 16: "rqqvvvvvvv", 18: "rq", 19: "rq"}
COLUMNS |= {50: "vvvvvv", 62: "rvvqvvvvvvv"}
SELL = 2

Name = tuple[bytes, int]  # a stream and a number in it: the name of an event


class Wrong(Exception):
    """What does not hold."""


class Block(NamedTuple):
    """A block as it was signed."""

    origin: bytes
    stream: bytes
    n: int
    first_seq: int
    count: int
    prev: bytes
    own_hash: bytes
    header: bytes
    signature: bytes
    content: list[Any]


class Fact(NamedTuple):
    """One event: its name, who signed it, its type, its fields."""

    name: Name
    origin: bytes
    type_id: int
    fields: tuple[Any, ...]


class Known(NamedTuple):
    """What the blocks of one folder say."""

    blocks: int
    facts: dict[Name, Fact]
    stock: dict[Name, int]  # of each lot, in thousandths
    items: dict[Name, tuple[str, bytes]]  # of each lot: what it is, whose it is


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


def taken_apart(frame: bytes) -> Block:
    """Return a frame's parts; who signed it is not known yet."""
    require(struct.unpack_from("<H", frame)[0] == len(frame) - 2, "a frame's length is wrong")
    header = frame[2 : 2 + HEADER.size]
    signature = frame[2 + HEADER.size : 2 + HEADER.size + SIGNATURE_BYTES]
    body = frame[2 + HEADER.size + SIGNATURE_BYTES :]
    magic, origin, stream, n, first_seq, count, flags, _hlc, prev, body_hash = HEADER.unpack(header)
    require(magic == b"L\x01", "the magic is wrong")
    require(flags in (0, 1, 2), "the flags are wrong")
    require(1 <= count <= EVENTS_MAX and len(body) <= BODY_BYTES_MAX, "a block is too large")
    require(blake2b(body, digest_size=32).digest() == body_hash, "a body is not the one that was signed")
    inflate = zlib.decompressobj()
    content = inflate.decompress(body, INFLATED_BYTES_MAX + 1)
    require(len(content) <= INFLATED_BYTES_MAX and inflate.eof and not inflate.unused_data, "a body does not inflate")
    own_hash = blake2b(header + signature, digest_size=32).digest()
    decoded = msgspec.msgpack.decode(content)
    return Block(origin, stream, n, first_seq, count, prev, own_hash, header, signature, decoded)


def facts_of(block: Block) -> Iterator[Fact]:
    """Yield the facts of a block that matter here."""
    streams = [block.stream, *block.content[0]]
    for type_id, version, offsets, _hlcs, _who, *columns in block.content[1]:
        places = range(block.count) if offsets is None else offsets
        if type_id not in COLUMNS or version != 1:
            continue
        fields, rest = [], iter(columns)
        for kind in COLUMNS[type_id]:
            column = next(rest)
            if kind == "q":
                divisor, values = column
                fields.append([value * divisor for value in spread(values, len(places))])
            elif kind == "r":
                both = zip(spread(column, len(places)), spread(next(rest), len(places)), strict=True)
                fields.append([None if seq is None else (streams[index], seq) for index, seq in both])
            else:
                fields.append(spread(column, len(places)))
        for place, *row in zip(places, *fields, strict=True):
            yield Fact((block.stream, block.first_seq + place), block.origin, type_id, tuple(row))


def spread(column: Any, count: int) -> list[Any]:
    """Return a column with one value for each row; one value alone stands for all of them."""
    values = column if isinstance(column, list) else [column] * count
    require(len(values) == count, "a column is too short or too long")
    return values


def members(facts: dict[Name, Fact]) -> tuple[dict[bytes, Ed25519PublicKey], set[bytes]]:
    """Return each member's key by origin and the groups that were founded; hashes of keys, so they prove themselves."""
    keys, groups = {}, set()
    for fact in facts.values():
        if fact.type_id == 50:
            public_key, _name, _roles, nonce, _recovery, _seen = fact.fields
            keys[blake2b(public_key, digest_size=16).digest()] = Ed25519PublicKey.from_public_bytes(public_key)
            if nonce is not None:
                require(blake2b(public_key, digest_size=16).digest() == fact.origin, "a group was founded by another")
                groups.add(blake2b(public_key + nonce, digest_size=16).digest())
    return keys, groups


def check_signature(block: Block, group: bytes, keys: dict[bytes, Ed25519PublicKey]) -> None:
    """Raise Wrong unless a member of the group signed this block."""
    require(block.origin in keys, "a block comes from nobody known")
    try:
        keys[block.origin].verify(block.signature, b"larder/1/block\0" + group + block.header)
    except InvalidSignature:
        raise Wrong(f"block {block.n} of stream {block.stream.hex()} has a wrong signature") from None


def blocks_checked(folder: Path) -> tuple[int, dict[Name, Fact]]:
    """Check every sealed block and every chain; return how many blocks there are, and the facts of this group."""
    connection = opened(folder / "market" / "market.db")
    left = dict(connection.execute("SELECT stream, group_id FROM home_stream").fetchall())
    frames = [frame for (frame,) in connection.execute("SELECT frame FROM block ORDER BY stream, n")]
    blocks = [taken_apart(frame) for frame in frames]
    everything = {fact.name: fact for block in blocks for fact in facts_of(block)}
    keys, groups = members(everything)
    (group,) = groups - set(left.values())
    heads: dict[bytes, tuple[int, int, bytes]] = {}
    for block in blocks:
        check_signature(block, left.get(block.stream, group), keys)
        expected = heads.get(block.stream, (0, 0, bytes(32)))
        is_next = (block.n, block.first_seq, block.prev) == expected
        require(is_next, f"block {block.n} of stream {block.stream.hex()} does not follow the one before")
        heads[block.stream] = (block.n + 1, block.first_seq + block.count, block.own_hash)
    for stream, seq in connection.execute("SELECT stream, min(seq) FROM pending GROUP BY stream"):
        require(seq == heads.get(stream, (0, 0, b""))[1], "the events not yet sealed do not follow the sealed ones")
    connection.close()
    return len(blocks), {name: fact for name, fact in everything.items() if name[0] not in left}


def what_blocks_say(folder: Path) -> Known:
    """Check a folder's blocks and add up what they say of every lot. Only whose a lot is may take from it."""
    blocks, facts = blocks_checked(folder)
    stock: dict[Name, int] = defaultdict(int)
    items: dict[Name, tuple[str, bytes]] = {}
    for name, fact in facts.items():
        if fact.type_id == 3:
            items[name], stock[name] = (fact.fields[0], fact.origin), fact.fields[2]
        elif fact.type_id == 62:
            items[name], stock[name] = (fact.fields[1], fact.origin), fact.fields[3]
        elif fact.type_id == 16:
            transfer, good = fact.fields[:2]
            if transfer in facts and facts[transfer].fields[2] == fact.origin:
                items[name], stock[name] = (fact.fields[4], fact.origin), good
    for fact in facts.values():
        lot, change = None, 0
        if fact.type_id in {2, 4}:
            lot, change = fact.fields[0], fact.fields[2]
        elif fact.type_id == 14 and fact.fields[0] in facts:
            lot, change = facts[fact.fields[0]].fields[0], -fact.fields[1]
        if lot in items and items[lot][1] == fact.origin:
            stock[lot] += change
    return Known(blocks, facts, dict(stock), items)


def on_the_way(known: Known) -> dict[Name, int]:
    """Return what of each hand-over has left one market and come to none; never less than nothing."""
    left = {name: 0 for name, fact in known.facts.items() if fact.type_id == 10}
    for fact in known.facts.values():
        sign = {14: 1, 16: -1, 18: -1, 19: -1}.get(fact.type_id)
        if sign is not None:
            damaged = fact.fields[2] if fact.type_id == 16 else 0
            left[fact.fields[0]] += sign * (fact.fields[1] + damaged)
    require(min(left.values(), default=0) >= 0, "more came out of a hand-over than went in")
    return left


def check_tables(folder: Path, known: Known) -> None:
    """Raise Wrong unless the table of lots says what the blocks say."""
    connection = opened(folder / "market" / "market.db")
    (waiting,) = connection.execute("SELECT count(*) FROM pending").fetchone()
    rows = connection.execute("SELECT stream, seq, on_hand_milli FROM lot").fetchall()
    connection.close()
    require(waiting == 0, f"{folder.name}: {waiting} facts were never signed")
    require({(stream, seq): milli for stream, seq, milli in rows} == known.stock, f"{folder.name}: a lot is wrong")


def totals(known: Known) -> dict[str, dict[str, int]]:
    """Return what each market has of each item, in thousandths, worked out from the blocks."""
    names = {
        blake2b(fact.fields[0], digest_size=16).digest(): fact.fields[1]
        for fact in known.facts.values()
        if fact.type_id == 50
    }
    found: dict[str, dict[str, int]] = {name: {} for name in names.values()}
    for lot, (item, owner) in sorted(known.items.items(), key=lambda row: row[1][0]):
        found[names[owner]][item] = found[names[owner]].get(item, 0) + known.stock[lot]
    return found


def find_sale(folder: Path, action_id: str, quantity_milli: int, elsewhere: Known) -> None:
    """Raise Wrong unless what one action sold here is in the other market's blocks."""
    connection = opened(folder / "market" / "market.db")
    row = connection.execute(
        "SELECT stream, first_seq, event_count FROM action WHERE action_id = ?", (bytes.fromhex(action_id),)
    ).fetchone()
    connection.close()
    require(row is not None, f"{folder.name}: a sale that was called saved is not there")
    stream, first, count = row
    sold = [elsewhere.facts.get((stream, seq)) for seq in range(first, first + count)]
    require(None not in sold, f"{folder.name}: a sale of the outage never reached the other market")
    found = [-fact.fields[2] for fact in sold if fact is not None and fact.type_id == 2 and fact.fields[1] == SELL]
    require(sum(found) == quantity_milli, f"{folder.name}: a sale arrived with another quantity")


def checked(folder: Path, facts: dict[str, Any]) -> dict[str, Any]:
    """Check both folders against themselves, each other and what the demo said. Raises Wrong."""
    known = {market: what_blocks_say(folder / market) for market in MARKETS}
    here, there = (known[market] for market in MARKETS)
    for market in MARKETS:
        check_tables(folder / market, known[market])
    require(totals(here) == totals(there), "the markets' blocks give different totals")
    require(on_the_way(here) == on_the_way(there), "the markets' blocks give different hand-overs")
    sales = facts.get("outage_sales", {})
    for market, elsewhere in zip(MARKETS, (there, here), strict=True):
        if market in sales:
            find_sale(folder / market, sales[market]["action_id"], sales[market]["quantity_milli"], elsewhere)
    return {
        "readings": dict(sorted(readings_by_uid(folder / MARKETS[0]).items())),
        "sealed_blocks": {market: known[market].blocks for market in MARKETS},
        "totals": totals(here),
        "handed_over": len(on_the_way(here)),
        "outage_sales_found": len(sales),
    }


def main() -> int:
    """Print what was found as one JSON object; exit 1 with a sentence where something does not hold."""
    facts = json.loads(Path(sys.argv[2]).read_bytes()) if len(sys.argv) > 2 else {}
    try:
        found = checked(Path(sys.argv[1]), facts)
    except (Wrong, sqlite3.Error, OSError) as problem:
        print(f"does not hold: {problem}", file=sys.stderr)
        return 1
    print(json.dumps(found, sort_keys=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
