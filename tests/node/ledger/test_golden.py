"""What was once written is readable for ever: golden blocks, and a database of the first schema."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from node.actions.keeping import open_market, rebuild, verify
from node.ledger.block import NO_BLOCK_BEFORE, check_block, check_place, read_frame
from node.ledger.codec import decode_body
from node.ledger.keys import is_signed
from node.ledger.names import group_of, origin_of
from node.ledger.read import digest, open_reader, stock
from node.places import Places
from tests.vectors.make_ledger import BLOCKS, DATABASE, DATABASE_FACTS, as_json, golden_events


@pytest.fixture(scope="module")
def golden() -> Any:
    """The committed file."""
    return json.loads(BLOCKS.read_text(encoding="utf-8"))


def test_the_golden_blocks_are_signed_chained_and_read_as_they_were_meant(golden: Any) -> None:
    key, group = bytes.fromhex(golden["public_key"]), bytes.fromhex(golden["group"])
    assert group == group_of(key, bytes.fromhex(golden["nonce"]))
    assert golden["origin"] == origin_of(key).hex()
    head, events = NO_BLOCK_BEFORE, 0
    for n, expected in enumerate(golden["blocks"]):
        block = read_frame(bytes.fromhex(expected["frame"]))
        check_block(block, group=group, roster={origin_of(key): key}, is_signed=is_signed)
        check_place(block, blocks=n, events=events, head_hash=head)
        body = decode_body(
            block.body,
            stream=block.header.stream,
            first_seq=events,
            count=block.header.event_count,
            hlc_base=block.header.hlc_base,
        )
        assert expected["events"] == [as_json(event) for event in body.events]
        assert expected["hash"] == block.block_hash.hex()
        head, events = block.block_hash, events + block.header.event_count


def test_the_golden_blocks_say_what_this_software_means_by_them(golden: Any) -> None:
    expected = [[as_json(event) for event in events] for events in golden_events()]
    assert expected == [block["events"] for block in golden["blocks"]]


def test_a_market_of_the_first_schema_opens_and_still_says_the_same(tmp_path: Path) -> None:
    places = Places(tmp_path)
    places.market_db.parent.mkdir()
    shutil.copy(DATABASE, places.market_db)
    facts = json.loads(DATABASE_FACTS.read_text(encoding="utf-8"))
    store = open_market(places)
    assert facts["digest"] == digest(store.reader)
    assert facts["digest"] == rebuild(store)
    store.close()
    reader = open_reader(places)
    verified = verify(reader, places)
    assert (facts["digest"], 3, 6) == (verified.digest, verified.blocks, verified.pending_events)
    rows = {row.item.item_id: row.on_hand_milli for row in stock(reader, today=None)}
    assert facts["on_hand_milli"] == rows
    reader.close()
