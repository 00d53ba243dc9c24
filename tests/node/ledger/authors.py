"""Builders of signed blocks by markets that need no database, and of a node that takes them in."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from hashlib import blake2b

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from node.domain.lots import Dot
from node.domain.words import Basis, MoveKind, StreamPurpose, StreamReason
from node.ledger.block import NO_BLOCK_BEFORE, make_block, read_frame
from node.ledger.events import (
    ROLE_MARKET,
    ROLE_STEWARD,
    Event,
    Fact,
    LotReceived,
    MemberEnrolled,
    Moved,
    StreamHead,
    StreamOpened,
)
from node.ledger.items import insert_starter_items
from node.ledger.keys import NodeKey
from node.ledger.names import NONCE_BYTES, group_of, origin_of, stream_of
from node.ledger.receive import BLOCKS_PER_BATCH_MAX, Intake, receive_blocks
from node.ledger.schema import DERIVED_TABLES, DERIVED_VIEWS, migrate
from node.ledger.seal import sealed_block
from node.ledger.store import Transaction
from tests.node.builders import NOON_MS, a_moment

NONCE = b"a nonce of 16 b."


class Author:
    """A market's key. The same name gives the same key, so that a failing example can be run again."""

    def __init__(self, name: str) -> None:
        self.name = name
        seed = blake2b(name.encode(), digest_size=32).digest()
        self.key = NodeKey(Ed25519PrivateKey.from_private_bytes(seed))
        self.public_key = self.key.public_key
        self.origin = origin_of(self.public_key)

    def enrolment(self, roles: int = ROLE_MARKET, nonce: bytes | None = None) -> MemberEnrolled:
        """The fact that lets this market in."""
        return MemberEnrolled(self.public_key, self.name, roles, nonce, None, [])


FOUNDER, BAKERY, DAIRY, STRANGER = Author("Founder"), Author("Bakery"), Author("Dairy"), Author("Stranger")
OBSERVER = Author("Observer")
GROUP = group_of(FOUNDER.public_key, NONCE)
FOUNDING = FOUNDER.enrolment(ROLE_MARKET | ROLE_STEWARD, NONCE)


def nonce_of(label: bytes) -> bytes:
    """What a test's word for a stream adds to its writer's name."""
    return label.ljust(NONCE_BYTES, b".")


def stream_named(author: Author, label: bytes) -> bytes:
    """The stream that an author opens under a test's word for it."""
    return stream_of(author.origin, nonce_of(label))


class Chain:
    """One stream of one author, block by block. `frames` are the blocks written so far."""

    def __init__(
        self, author: Author, stream: bytes, purpose: StreamPurpose = StreamPurpose.MARKET, group: bytes = GROUP
    ) -> None:
        self.author, self.stream, self.group = author, stream_named(author, stream), group
        self.nonce = nonce_of(stream)
        self.purpose = purpose
        self.frames: list[bytes] = []
        self.seq = 0
        self.head_hash = NO_BLOCK_BEFORE

    @property
    def next_dot(self) -> Dot:
        """The name of the next fact; the opening of a stream comes first."""
        return Dot(self.stream, self.seq or 1)

    @property
    def head(self) -> StreamHead:
        """Where the stream stands."""
        return StreamHead(self.stream, len(self.frames), self.head_hash)

    def write(self, *facts: Fact, hlc: int | None = None) -> bytes:
        """Write one block of these facts and return its frame."""
        opening = StreamOpened(int(self.purpose), int(StreamReason.FIRST_START), "1", [], self.nonce)
        return self.write_raw(*([opening] if not self.frames else []), *facts, hlc=hlc)

    def write_raw(self, *facts: Fact, hlc: int | None = None) -> bytes:
        """Write one block of exactly these facts, whether the stream was opened or not."""
        first = NOON_MS + self.seq if hlc is None else hlc
        events = [Event(Dot(self.stream, self.seq + place), first + place, 0, fact) for place, fact in enumerate(facts)]
        head = (self.author.origin, len(self.frames), self.seq, self.head_hash)
        block = sealed_block(head, events, 2, self.group, self.author.key)
        self.frames.append(block.frame)
        self.seq += len(events)
        self.head_hash = block.block_hash
        return block.frame


def a_roster(*members: Author) -> Chain:
    """The founder's roster with these members let in, one block each."""
    roster = Chain(FOUNDER, b"roster-1", StreamPurpose.ROSTER)
    roster.write(FOUNDING)
    for member in members:
        roster.write(member.enrolment())
    return roster


def a_lot_fact(quantity_milli: int = 10_000, item_id: str = "food/apples") -> LotReceived:
    """A delivery line."""
    return LotReceived(item_id, 0, quantity_milli, None, None, None, None, None, None, [])


def a_sale_fact(lot: Dot, quantity_milli: int = 1_000) -> Moved:
    """A sale out of a lot."""
    return Moved(lot, int(MoveKind.SELL), -quantity_milli, None, int(Basis.CHOSEN), 0)


def resigned(frame: bytes, author: Author, **changes: object) -> bytes:
    """The same block with another header, signed by this author."""
    block = read_frame(frame)
    return make_block(block.header._replace(**changes), block.body, GROUP, author.key).frame  # type: ignore[arg-type]


@contextmanager
def an_observer(author: Author = OBSERVER, stream: bytes = b"our-own.") -> Iterator[Transaction]:
    """A node of the group that has nothing yet and writes as `author`, inside one open transaction."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.deserialize(_empty_market())
    connection.execute("BEGIN")
    settings = {"name": author.name, "group_id": GROUP, "founder": FOUNDER.origin, "public_key": author.public_key}
    connection.executemany("INSERT INTO setting VALUES (?, ?)", settings.items())
    connection.execute("INSERT INTO writer VALUES (1, ?, ?, 'here')", (author.origin, stream_named(author, stream)))
    try:
        yield Transaction(connection, a_moment(), "here")
    finally:
        connection.close()


@lru_cache(maxsize=1)
def _empty_market() -> bytes:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    insert_starter_items(connection)
    try:
        return connection.serialize()
    finally:
        connection.close()


def take(tx: Transaction, *frames: bytes) -> Intake:
    """Receive frames as a node that was told by a card who the founder is."""
    return receive_blocks(tx, frames, founder_key=FOUNDER.public_key)


def take_until_still(tx: Transaction, frames: Sequence[bytes], batch: int = BLOCKS_PER_BATCH_MAX) -> None:
    """Receive the frames in this order, again and again, as long as any of them is new."""
    while sum(take(tx, *frames[at : at + batch]).new_blocks for at in range(0, len(frames), batch)):
        pass


def derived_rows(connection: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every derived table, with names in place of the numbers that each database gives by itself."""
    tables = (*DERIVED_VIEWS, *DERIVED_TABLES)
    return {
        table: sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)
        for table in tables
        if table != "name_number" and not table.endswith("_row")
    }


def everything(tx: Transaction) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every derived table, of the heads and of the log. What was kept aside is evidence, not state."""
    columns = {"head": "stream, origin, purpose, blocks, events, hash", "block": "stream, n, hash, frame"}
    kept = {
        table: sorted(tx.connection.execute(f"SELECT {found} FROM {table}").fetchall(), key=repr)
        for table, found in columns.items()
    }
    return {**derived_rows(tx.connection), **kept}
