"""Verify finds what was altered and names the first; rebuild makes the same tables from the blocks."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from node.actions.keeping import open_market, rebuild, verify
from node.errors import LocalFault
from node.ledger.keys import load_key
from node.ledger.read import digest, open_reader
from node.ledger.seal import seal
from node.places import Places
from tests.node.builders import a_received_lot, a_sale, an_item, an_open_market


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """A market with four sealed blocks and two pending events."""
    with an_open_market(tmp_path) as store:
        found = Places(tmp_path)
        key = load_key(found.node_key)
        item = an_item(store)
        a_received_lot(store, item)
        store.batch("seal", lambda tx: seal(tx, key, blocks_max=9))
        a_sale(store, item)
        store.batch("seal", lambda tx: seal(tx, key, blocks_max=9))
        a_sale(store, item)
        a_sale(store, item, 2_000)
    return found


def alter(places: Places, *statements: str) -> None:
    """Change the database behind the ledger's back."""
    connection = sqlite3.connect(places.market_db)
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def verify_places(places: Places) -> str:
    """Verify, and return the id of the first thing that is wrong with its values, or the digest."""
    reader = open_reader(places)
    try:
        return verify(reader, places).digest
    finally:
        reader.close()


def test_a_good_ledger_verifies_with_what_it_covers(places: Places) -> None:
    reader = open_reader(places)
    told: list[tuple[int, int]] = []
    verified = verify(reader, places, progress=lambda done, total: told.append((done, total)))
    assert (verified.streams, verified.blocks, verified.sealed_events, verified.pending_events) == (2, 4, 7, 2)
    assert verified.digest == digest(reader)
    assert told[-1] == (4, 4)
    reader.close()


LAST_BLOCK = "(SELECT rowid FROM block ORDER BY rowid DESC LIMIT 1)"
DAMAGE: dict[str, tuple[list[str], str, str]] = {
    "a flipped byte in a body": (
        [
            f"UPDATE block SET frame = CAST(substr(frame, 1, 190) || X'00' || substr(frame, 192) AS BLOB)"
            f" WHERE rowid = {LAST_BLOCK}"
        ],
        "block.damaged",
        "body hash",
    ),
    "a flipped byte in a signature": (
        [
            f"UPDATE block SET frame = CAST(substr(frame, 1, 150) || X'00' || substr(frame, 152) AS BLOB)"
            f" WHERE rowid = {LAST_BLOCK}"
        ],
        "block.damaged",
        "signature",
    ),
    "a missing block": ([f"DELETE FROM block WHERE rowid = {LAST_BLOCK}"], "block.damaged", "head"),
    "a missing block in the middle": (["DELETE FROM block WHERE n = 1"], "block.damaged", "number"),
    "two blocks swapped": (
        [
            "UPDATE block SET n = 100 WHERE n = 1",
            "UPDATE block SET n = 1 WHERE n = 2",
            "UPDATE block SET n = 2 WHERE n = 100",
        ],
        "block.damaged",
        "number",
    ),
    "a block of no known stream": (
        ["INSERT INTO block SELECT X'0000000000000000', 0, 0, 1, origin, hash, frame FROM block LIMIT 1"],
        "block.damaged",
        "stream",
    ),
    "a pending event that is gone": (
        ["DELETE FROM pending WHERE seq = (SELECT min(seq) FROM pending)"],
        "verify.pending",
        "",
    ),
    "a pending event that was altered": (
        ["UPDATE pending SET fact = (SELECT fact FROM pending ORDER BY seq LIMIT 1)"],
        "verify.fold",
        "",
    ),
    "stock that was altered": (["UPDATE lot SET on_hand_milli = 1, quantity_milli = 1"], "verify.fold", ""),
    "a movement's sum that was altered": (["UPDATE contrib_row SET quantity_milli = 5"], "verify.fold", ""),
    "stock on hand alone that was altered": (["UPDATE lot SET on_hand_milli = 1"], "verify.fold", ""),
    "a lot that was shut": (["UPDATE lot SET is_open = 0"], "verify.fold", ""),
    "a movement's reason that was altered": (["UPDATE movement_row SET reason = 3"], "verify.fold", ""),
    "streams whose numbers were swapped": (
        [
            "UPDATE name_number SET name = zeroblob(8) WHERE number = (SELECT max(stream_number) FROM movement_row)",
        ],
        "verify.fold",
        "",
    ),
    "a movement that is gone": (["DELETE FROM movement_row WHERE kind = 2"], "verify.fold", ""),
    "allergens of the item that were taken off": (["UPDATE item SET allergens = '[]'"], "verify.fold", ""),
    "a name that is no text any more": (["UPDATE item SET name = CAST(X'FF' AS TEXT)"], "verify.fold", ""),
    "a number beside a frame that was altered": (["UPDATE block SET first_seq = 77"], "block.damaged", "summary"),
    "a hash beside a frame that was altered": (["UPDATE block SET hash = X'00'"], "block.damaged", "summary"),
    "an index that is gone": (["DROP INDEX lot_open"], "verify.file", ""),
    "a trigger of somebody else": (
        ["CREATE TRIGGER gone AFTER INSERT ON movement_row BEGIN DELETE FROM lot; END"],
        "verify.file",
        "",
    ),
    "a pending event that cannot be read": (["UPDATE pending SET fact = X'00'"], "pending.damaged", ""),
    "a pending event of no known type": (["UPDATE pending SET type = 9999"], "pending.damaged", ""),
    "a pending event of no known stream": (
        ["INSERT INTO pending SELECT zeroblob(16), 0, type, version, hlc, clock, who, fact FROM pending LIMIT 1"],
        "verify.pending",
        "",
    ),
    "a market without its group": (["DELETE FROM setting WHERE key = 'group_id'"], "market.nameless", ""),
    "a market without its writer": (["DELETE FROM writer"], "market.nameless", ""),
    "a writer of no known stream": (["UPDATE writer SET stream = zeroblob(8)"], "market.nameless", ""),
    "a founder whose proof is gone": (["UPDATE member SET nonce = NULL"], "verify.roster", ""),
    "a member's key that was altered": (["UPDATE member SET public_key = zeroblob(32)"], "verify.roster", ""),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_what_was_altered_is_found_and_named(places: Places, name: str) -> None:
    statements, error_id, check = DAMAGE[name]
    alter(places, *statements)
    with pytest.raises(LocalFault) as fault:
        verify_places(places)
    assert error_id == fault.value.error_id
    assert check == fault.value.values.get("check", "")


def test_an_index_whose_pages_say_something_else_is_found(places: Places) -> None:
    # Its words are right, its content is made for another column: only a look at every page finds that.
    said = "UPDATE sqlite_schema SET sql = 'CREATE INDEX lot_by_hlc ON lot ({column})' WHERE name = 'lot_by_hlc'"
    alter(places, "PRAGMA writable_schema = ON", said.format(column="quantity_milli"))
    alter(places, "REINDEX lot_by_hlc")
    alter(places, "PRAGMA writable_schema = ON", said.format(column="hlc"))
    with pytest.raises(LocalFault) as fault:
        verify_places(places)
    assert fault.value.error_id == "verify.file"


def test_the_first_bad_block_is_the_one_that_is_named(places: Places) -> None:
    alter(
        places,
        "UPDATE block SET frame = CAST(substr(frame, 1, 190) || X'00' || substr(frame, 192) AS BLOB) WHERE n > 0",
    )
    with pytest.raises(LocalFault) as fault:
        verify_places(places)
    assert (fault.value.values["n"], fault.value.values["check"]) == (1, "body hash")
    assert "Block 1 of stream" in str(fault.value)


def test_altered_tables_are_made_again_from_the_blocks(places: Places) -> None:
    before = verify_places(places)
    alter(places, "UPDATE contrib_row SET quantity_milli = 5", "DELETE FROM movement_row", "UPDATE item SET name = 'x'")
    store = open_market(places)
    told: list[tuple[int, int]] = []
    assert before == rebuild(store, progress=lambda done, total: told.append((done, total)))
    store.close()
    assert before == verify_places(places)
    assert told[-1] == (4, 4)


def test_a_rebuild_over_a_damaged_block_changes_nothing(places: Places) -> None:
    alter(places, "UPDATE block SET frame = zeroblob(300) WHERE n = 2")
    before = [list(row) for row in sqlite3.connect(places.market_db).execute("SELECT * FROM contrib")]
    store = open_market(places)
    with pytest.raises(LocalFault) as fault:
        rebuild(store)
    assert fault.value.error_id == "block.damaged"
    assert before == [list(row) for row in store.reader.execute("SELECT * FROM contrib")]
    store.close()


def test_tables_of_another_fold_version_are_made_again_on_opening(places: Places) -> None:
    before = verify_places(places)
    alter(places, "UPDATE setting SET value = 'older' WHERE key = 'fold_version'", "DELETE FROM contrib_row")
    open_market(places).close()
    assert before == verify_places(places)


def test_local_tables_survive_a_rebuild(places: Places) -> None:
    alter(places, "INSERT INTO person (name) VALUES ('Ana')")
    store = open_market(places)
    actions = store.reader.execute("SELECT count(*) FROM action").fetchone()
    rebuild(store)
    assert actions == store.reader.execute("SELECT count(*) FROM action").fetchone()
    assert store.reader.execute("SELECT name FROM person").fetchall() == [("Ana",)]
    store.close()
