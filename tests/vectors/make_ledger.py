"""Make the golden blocks and the database of the first schema: `python -m tests.vectors.make_ledger`.

Run once for each version of the format; what it made is never made again, since it must stay readable for ever.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from datetime import date
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from node.actions import goods, undo
from node.actions.keeping import open_market
from node.domain.lots import Dot
from node.domain.words import DiscardReason
from node.ledger.block import NO_BLOCK_BEFORE, Header, body_hash, make_block
from node.ledger.codec import encode_body
from node.ledger.events import (
    BY_VALUE,
    Event,
    LotCounted,
    LotReceived,
    MemberEnrolled,
    Moved,
    RegisterSet,
    StreamHead,
    StreamOpenedUnbound,
)
from node.ledger.keys import NodeKey, load_key
from node.ledger.names import group_of, origin_of
from node.ledger.read import digest
from node.ledger.seal import seal
from tests.node.builders import a_market_folder, a_received_lot, a_sale, an_item

HERE = Path(__file__).parent
BLOCKS = HERE / "blocks_1.json"
DATABASE = HERE / "market_schema_1.db"
DATABASE_FACTS = HERE / "market_schema_1.json"

STREAM, OTHER = bytes.fromhex("0102030405060708"), bytes.fromhex("1112131415161718")


def golden_events() -> list[list[Event]]:
    """Two blocks: one of every event type and shape, then a run of sales."""
    lot = Dot(STREAM, 3)
    facts = [
        StreamOpenedUnbound(0, 2, "0.1.0", [StreamHead(OTHER, 3, bytes(range(32)))]),
        MemberEnrolled(bytes(range(32)), "Hafenstraße", 3, b"0123456789abcdef", None, []),
        RegisterSet("item/gtin/04006381333931/allergens", ["gluten", "milk"], [Dot(OTHER, 9), Dot(STREAM, 1)]),
        LotReceived("gtin/04006381333931", 0, 24_000, 20_786, None, None, None, "M-2291", "Green Dairy", []),
        LotReceived("food/lentils", 1, 25_000_500, None, 20_880, None, 20_700, None, None, [Dot(OTHER, 4)]),
        Moved(lot, 2, -2_000, None, 3, 0),
        Moved(lot, 2, 2_000, Dot(STREAM, 5), 3, 0),
        Moved(Dot(OTHER, 4), 4, -750, None, 2, 4),
        LotCounted(lot, 21_000, -1_000),
        RegisterSet("item/gtin/04006381333931/name", "Milk 1 L", []),
        RegisterSet("par/food/lentils/aaaaaaaaaaaaaaaaaaaaaaaaaa", None, []),
    ]
    first = [Event(Dot(STREAM, seq), 1_795_348_800_000 + seq * 7, seq % 3, fact) for seq, fact in enumerate(facts)]
    second = [
        Event(Dot(STREAM, len(facts) + seq), 1_795_349_000_000 + seq * 1000, 1, Moved(lot, 2, -1_000, None, 3, 0))
        for seq in range(20)
    ]
    return [first, second]


def as_json(event: Event) -> dict[str, object]:
    """One event as the golden file names it."""
    known = BY_VALUE[type(event.fact)]
    return {
        "seq": event.dot.seq,
        "hlc": event.hlc,
        "who": event.who,
        "type": known.type_id,
        "version": known.version,
        "fact": json.loads(msgspec.json.encode(event.fact)),
    }


def make_blocks() -> None:
    """Write the golden blocks, signed by a key that everybody knows."""
    key = NodeKey(Ed25519PrivateKey.from_private_bytes(bytes(range(100, 132))))
    nonce = b"golden nonce 16b"
    group, origin = group_of(key.public_key, nonce), origin_of(key.public_key)
    blocks = []
    head = NO_BLOCK_BEFORE
    for n, events in enumerate(golden_events()):
        body = encode_body(events)
        header = Header(origin, STREAM, n, events[0].dot.seq, len(events), 2 - n, events[0].hlc, head, body_hash(body))
        block = make_block(header, body, group, key)
        head = block.block_hash
        blocks.append({"frame": block.frame.hex(), "hash": head.hex(), "events": [as_json(event) for event in events]})
    content = {
        "format": "larder-blocks/1",
        "public_key": key.public_key.hex(),
        "nonce": nonce.hex(),
        "group": group.hex(),
        "origin": origin.hex(),
        "blocks": blocks,
    }
    BLOCKS.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def make_database() -> None:
    """Write a small market of the first schema, part sealed and part pending, and what it must still say."""
    with tempfile.TemporaryDirectory() as folder:
        places = a_market_folder(Path(folder), "First Market")
        store = open_market(places)
        milk = an_item(store)
        a_received_lot(store, milk, 24_000, best_before=date(2026, 12, 24), batch="M-1")
        a_sale(store, milk, 5_000)
        key = load_key(places.node_key)
        store.batch("seal", lambda tx: seal(tx, key, blocks_max=9))
        bread = an_item(store, "Bread", "00000096385074")
        lot = a_received_lot(store, bread, 10_000).lot
        a_sale(store, bread, 3_000)
        store.act("undo", lambda tx: undo.undo(tx, action_id=b"u" * 16, who=0))
        store.act(
            "discard",
            lambda tx: goods.discard(
                tx, action_id=b"d" * 16, who=0, lot_id=lot.lot_id, reason=DiscardReason.DAMAGED, quantity_milli=2_000
            ),
        )
        facts = {
            "digest": digest(store.reader),
            "on_hand_milli": {"gtin/04006381333931": 19_000, "gtin/00000096385074": 8_000},
        }
        store.checkpoint_if_due(is_idle=True)
        copy = sqlite3.connect(DATABASE)
        store.reader.backup(copy)
        copy.close()
        store.close()
    DATABASE_FACTS.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    make_blocks()
    make_database()
