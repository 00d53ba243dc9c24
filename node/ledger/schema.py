"""The tables of `market.db`: what is the log, what is derived from it, what is local. Made and migrated here.

Not a fold. Derived tables can be dropped and made again from blocks and pending events; a changed FOLD_VERSION does so
by itself. Local tables are no part of the fold: a rebuild leaves them as they are. A migration only adds.
"""

from __future__ import annotations

import sqlite3

# Raised by one with each migration; a database with a higher number was made by newer software.
SCHEMA_VERSION = 3
# Raised whenever folding the same blocks would give other rows. The starter catalogue's version is kept beside it.
FOLD_VERSION = 7
# A database page; it cannot change later. On a card, bytes written are what wears out.
PAGE_BYTES = 1024

_LOG_1 = """
CREATE TABLE block (
  stream BLOB NOT NULL, n INTEGER NOT NULL, first_seq INTEGER NOT NULL, event_count INTEGER NOT NULL,
  origin BLOB NOT NULL, hash BLOB NOT NULL, frame BLOB NOT NULL, UNIQUE (stream, n)
) STRICT;
CREATE TABLE pending (
  stream BLOB NOT NULL, seq INTEGER NOT NULL, type INTEGER NOT NULL, version INTEGER NOT NULL,
  hlc INTEGER NOT NULL, clock INTEGER NOT NULL, who INTEGER NOT NULL, fact BLOB NOT NULL, PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE head (
  stream BLOB NOT NULL PRIMARY KEY, origin BLOB NOT NULL, purpose INTEGER NOT NULL, blocks INTEGER NOT NULL,
  events INTEGER NOT NULL, hash BLOB NOT NULL, hlc INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""

# Streams of a group that this market has left, and blocks that are kept but not folded (beyond a retirement).
_LOG_2 = """
CREATE TABLE home_stream (stream BLOB NOT NULL PRIMARY KEY, group_id BLOB NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE quarantine (
  stream BLOB NOT NULL, n INTEGER NOT NULL, hash BLOB NOT NULL, origin BLOB NOT NULL, reason TEXT NOT NULL,
  frame BLOB NOT NULL, UNIQUE (stream, n, hash)
) STRICT;
"""

_DERIVED = """
CREATE TABLE name_number (
  number INTEGER NOT NULL PRIMARY KEY, name BLOB NOT NULL UNIQUE
) STRICT;
CREATE TABLE movement_row (
  stream_number INTEGER NOT NULL, seq INTEGER NOT NULL, lot_number INTEGER NOT NULL, lot_seq INTEGER NOT NULL,
  kind INTEGER NOT NULL, quantity_milli INTEGER NOT NULL, about_number INTEGER, about_seq INTEGER,
  basis INTEGER NOT NULL, reason INTEGER NOT NULL, hlc INTEGER NOT NULL, clock INTEGER NOT NULL, who INTEGER NOT NULL,
  is_ours INTEGER NOT NULL, PRIMARY KEY (stream_number, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX movement_by_lot ON movement_row (lot_number, lot_seq) WHERE is_ours = 1;
CREATE INDEX movement_by_about ON movement_row (about_number, about_seq) WHERE about_number IS NOT NULL;
CREATE VIEW movement AS SELECT s.name AS stream, r.seq AS seq, l.name AS lot_stream, r.lot_seq AS lot_seq,
  r.kind AS kind, r.quantity_milli AS quantity_milli,
  (SELECT a.name FROM name_number a WHERE a.number = r.about_number) AS about_stream, r.about_seq AS about_seq,
  r.basis AS basis, r.reason AS reason, (SELECT h.origin FROM head h WHERE h.stream = s.name) AS member,
  r.hlc AS hlc, r.clock AS clock, r.who AS who
FROM movement_row r JOIN name_number s ON s.number = r.stream_number JOIN name_number l ON l.number = r.lot_number;
CREATE TABLE contrib_row (
  lot_number INTEGER NOT NULL, lot_seq INTEGER NOT NULL, member_number INTEGER NOT NULL, kind INTEGER NOT NULL,
  quantity_milli INTEGER NOT NULL, PRIMARY KEY (lot_number, lot_seq, member_number, kind)
) STRICT, WITHOUT ROWID;
CREATE VIEW contrib AS SELECT l.name AS lot_stream, r.lot_seq AS lot_seq, m.name AS member, r.kind AS kind,
  r.quantity_milli AS quantity_milli
FROM contrib_row r JOIN name_number l ON l.number = r.lot_number JOIN name_number m ON m.number = r.member_number;
CREATE TABLE lot (
  stream BLOB NOT NULL, seq INTEGER NOT NULL, item_id TEXT NOT NULL, unit INTEGER NOT NULL,
  quantity_milli INTEGER NOT NULL, use_by INTEGER, best_before INTEGER, sell_by INTEGER, produced INTEGER,
  batch TEXT, supplier TEXT, member BLOB NOT NULL, hlc INTEGER NOT NULL, clock INTEGER NOT NULL, who INTEGER NOT NULL,
  on_hand_milli INTEGER NOT NULL, is_open INTEGER NOT NULL, PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX lot_open ON lot (item_id) WHERE is_open = 1;
CREATE INDEX lot_by_item ON lot (item_id);
CREATE INDEX lot_by_hlc ON lot (hlc);
CREATE TABLE reg_head (
  key TEXT NOT NULL, stream BLOB NOT NULL, seq INTEGER NOT NULL, value BLOB NOT NULL, member BLOB NOT NULL,
  hlc INTEGER NOT NULL, who INTEGER NOT NULL, PRIMARY KEY (key, stream, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE reg_dead (
  key TEXT NOT NULL, stream BLOB NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (key, stream, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE declared (
  key TEXT NOT NULL, stream BLOB NOT NULL, seq INTEGER NOT NULL, member BLOB NOT NULL, value BLOB NOT NULL,
  over BLOB NOT NULL, PRIMARY KEY (key, stream, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE member (
  origin BLOB NOT NULL PRIMARY KEY, public_key BLOB NOT NULL, name TEXT NOT NULL, roles INTEGER NOT NULL,
  nonce BLOB, stream BLOB NOT NULL, seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE lot_parent (
  stream BLOB NOT NULL, seq INTEGER NOT NULL, parent_stream BLOB NOT NULL, parent_seq INTEGER NOT NULL,
  PRIMARY KEY (stream, seq, parent_stream, parent_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX lot_child ON lot_parent (parent_stream, parent_seq);
CREATE TABLE transfer_event (
  stream BLOB NOT NULL, seq INTEGER NOT NULL, transfer_stream BLOB NOT NULL, transfer_seq INTEGER NOT NULL,
  type INTEGER NOT NULL, member BLOB NOT NULL, fact BLOB NOT NULL, hlc INTEGER NOT NULL, clock INTEGER NOT NULL,
  who INTEGER NOT NULL, PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX transfer_event_of ON transfer_event (transfer_stream, transfer_seq);
CREATE TABLE transfer (
  stream BLOB NOT NULL, seq INTEGER NOT NULL, lot_stream BLOB NOT NULL, lot_seq INTEGER NOT NULL,
  sender BLOB NOT NULL, recipient BLOB NOT NULL, state TEXT NOT NULL, offered_milli INTEGER NOT NULL,
  accepted_milli INTEGER, reserved_milli INTEGER NOT NULL, sent_milli INTEGER NOT NULL, good_milli INTEGER NOT NULL,
  damaged_milli INTEGER NOT NULL, returned_milli INTEGER NOT NULL, lost_milli INTEGER NOT NULL,
  on_way_milli INTEGER NOT NULL, flags TEXT NOT NULL, limit_milli_c INTEGER, hlc INTEGER NOT NULL,
  last_hlc INTEGER NOT NULL, PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX transfer_of_lot ON transfer (lot_stream, lot_seq);
CREATE TABLE lot_hold (
  stream BLOB NOT NULL, seq INTEGER NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (stream, seq, reason)
) STRICT, WITHOUT ROWID;
CREATE TABLE retirement (
  stream BLOB NOT NULL, seq INTEGER NOT NULL, member BLOB NOT NULL, cut_stream BLOB NOT NULL, blocks INTEGER NOT NULL,
  hash BLOB NOT NULL, PRIMARY KEY (stream, seq, cut_stream)
) STRICT, WITHOUT ROWID;
CREATE TABLE plan (
  stream BLOB NOT NULL, seq INTEGER NOT NULL, snapshot_id BLOB NOT NULL, planner TEXT NOT NULL, rules TEXT NOT NULL,
  day INTEGER NOT NULL, seed INTEGER NOT NULL, verdict TEXT NOT NULL, score BLOB NOT NULL, member BLOB NOT NULL,
  hlc INTEGER NOT NULL, clock INTEGER NOT NULL, who INTEGER NOT NULL, PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX plan_by_day ON plan (day);
CREATE TABLE plan_withdrawn (
  stream BLOB NOT NULL, seq INTEGER NOT NULL, plan_stream BLOB NOT NULL, plan_seq INTEGER NOT NULL,
  member BLOB NOT NULL, reason TEXT, PRIMARY KEY (plan_stream, plan_seq, stream, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE dish (
  stream BLOB NOT NULL, seq INTEGER NOT NULL, plan_stream BLOB NOT NULL, plan_seq INTEGER NOT NULL,
  recipe_id TEXT NOT NULL, meal TEXT NOT NULL, portions INTEGER NOT NULL, member BLOB NOT NULL,
  PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX dish_of_plan ON dish (plan_stream, plan_seq);
CREATE TABLE dish_use (
  stream BLOB NOT NULL, seq INTEGER NOT NULL, item_id TEXT NOT NULL, amount_milli INTEGER NOT NULL,
  PRIMARY KEY (stream, seq, item_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE dish_cooked (
  stream BLOB NOT NULL, seq INTEGER NOT NULL, dish_stream BLOB NOT NULL, dish_seq INTEGER NOT NULL,
  portions INTEGER NOT NULL, member BLOB NOT NULL, PRIMARY KEY (dish_stream, dish_seq, stream, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE verdict (
  stream BLOB NOT NULL, seq INTEGER NOT NULL, snapshot_id BLOB NOT NULL, planner TEXT NOT NULL, rules TEXT NOT NULL,
  verdict TEXT NOT NULL, codes TEXT NOT NULL, member BLOB NOT NULL, hlc INTEGER NOT NULL, PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX verdict_by_hlc ON verdict (hlc);
CREATE TABLE decision (
  hlc INTEGER NOT NULL, stream BLOB NOT NULL, seq INTEGER NOT NULL, type INTEGER NOT NULL, version INTEGER NOT NULL,
  fact BLOB NOT NULL, member BLOB NOT NULL, clock INTEGER NOT NULL, who INTEGER NOT NULL, PRIMARY KEY (hlc, stream, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE fork_seen (
  forked BLOB NOT NULL, stream BLOB NOT NULL, seq INTEGER NOT NULL, n INTEGER NOT NULL, one BLOB NOT NULL,
  other BLOB NOT NULL, member BLOB NOT NULL, hlc INTEGER NOT NULL, PRIMARY KEY (forked, stream, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE fork_settled (
  forked BLOB NOT NULL, tip BLOB NOT NULL, stream BLOB NOT NULL, seq INTEGER NOT NULL, is_taken INTEGER NOT NULL,
  reason TEXT, member BLOB NOT NULL, hlc INTEGER NOT NULL, who INTEGER NOT NULL,
  PRIMARY KEY (forked, tip, stream, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE unknown_event (
  stream BLOB NOT NULL, seq INTEGER NOT NULL, type INTEGER NOT NULL, version INTEGER NOT NULL,
  PRIMARY KEY (stream, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE item (
  item_id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, unit INTEGER NOT NULL, storage TEXT, allergens TEXT,
  shelf_life_days INTEGER, par_milli INTEGER, like TEXT, is_starter INTEGER NOT NULL, search TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""

_LOCAL_1 = """
CREATE TABLE setting (key TEXT NOT NULL PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE writer (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), origin BLOB NOT NULL, stream BLOB NOT NULL, witness TEXT NOT NULL
) STRICT;
CREATE TABLE action (
  action_id BLOB NOT NULL PRIMARY KEY, verb TEXT NOT NULL, stream BLOB NOT NULL, first_seq INTEGER NOT NULL,
  event_count INTEGER NOT NULL, hlc INTEGER NOT NULL, who INTEGER NOT NULL, undone_by BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX action_by_hlc ON action (hlc);
CREATE TABLE person (number INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE draft (
  form TEXT NOT NULL PRIMARY KEY, body BLOB NOT NULL, saved_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE label_check (
  lot_stream BLOB NOT NULL, lot_seq INTEGER NOT NULL, boot_id TEXT NOT NULL, boottime_ms INTEGER NOT NULL,
  PRIMARY KEY (lot_stream, lot_seq)
) STRICT, WITHOUT ROWID;
"""

# `card` is the one card that waits to be answered, `request` what staff ask of larder-node, `diet_class` sizes and
# edible recipes without a word of why; `peer` and `card` hold secrets for brokers, which are never replicated.
_LOCAL_2 = """
CREATE TABLE peer (
  origin BLOB NOT NULL PRIMARY KEY, public_key BLOB NOT NULL, name TEXT NOT NULL, addresses TEXT NOT NULL,
  certificate BLOB, secret TEXT, password_hash TEXT, paired_ms INTEGER NOT NULL, is_active INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE card (
  id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1), nonce BLOB NOT NULL, secret TEXT NOT NULL, text TEXT NOT NULL,
  made_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE peer_seen (
  origin BLOB NOT NULL PRIMARY KEY, heard_ms INTEGER NOT NULL, boot_id TEXT NOT NULL,
  heard_boottime_ms INTEGER NOT NULL, counter INTEGER NOT NULL, clock INTEGER NOT NULL, version TEXT NOT NULL,
  our_stream BLOB NOT NULL, our_blocks INTEGER NOT NULL, missing_here INTEGER NOT NULL, missing_there INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE refused (
  reason TEXT NOT NULL, origin BLOB NOT NULL, count INTEGER NOT NULL, last_ms INTEGER NOT NULL,
  PRIMARY KEY (reason, origin)
) STRICT, WITHOUT ROWID;
CREATE TABLE request (
  id INTEGER NOT NULL PRIMARY KEY, kind TEXT NOT NULL, body BLOB NOT NULL, asked_ms INTEGER NOT NULL,
  state TEXT NOT NULL, answer TEXT NOT NULL
) STRICT;
CREATE TABLE diet_class (
  label TEXT NOT NULL PRIMARY KEY, people INTEGER NOT NULL, recipes TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE plan_draft (
  id INTEGER NOT NULL PRIMARY KEY, snapshot_id BLOB NOT NULL, source TEXT NOT NULL, planner TEXT NOT NULL,
  snapshot BLOB NOT NULL, plan BLOB NOT NULL, verdict TEXT NOT NULL, faults TEXT NOT NULL, score BLOB NOT NULL,
  reason TEXT NOT NULL, made_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE plan_cache (key BLOB NOT NULL PRIMARY KEY, body BLOB NOT NULL, made_ms INTEGER NOT NULL)
STRICT, WITHOUT ROWID;
CREATE TABLE breaker (name TEXT NOT NULL PRIMARY KEY, body BLOB NOT NULL) STRICT, WITHOUT ROWID;
"""

# Shelves on scales: how far each scale was read, and the steps that wait for a person or were decided. `place` and
# `state` are JSON; a step is named by the sensor and the place of the weight that settled it.
_LOCAL_3 = """
CREATE TABLE shelf_mark (
  shelf TEXT NOT NULL PRIMARY KEY, sensor TEXT NOT NULL, place BLOB NOT NULL, state BLOB NOT NULL,
  zero_mg INTEGER NOT NULL, tared BLOB, tared_ms INTEGER, hold_boot_id TEXT, hold_boottime_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE TABLE shelf_step (
  id INTEGER NOT NULL PRIMARY KEY, shelf TEXT NOT NULL, sensor TEXT NOT NULL, boot INTEGER NOT NULL,
  seq INTEGER NOT NULL, at_ms INTEGER, before_mg INTEGER NOT NULL, after_mg INTEGER NOT NULL,
  reason TEXT NOT NULL, candidates BLOB NOT NULL, state TEXT NOT NULL, item_id TEXT, units INTEGER,
  back_milli INTEGER NOT NULL, action_id BLOB, noticed_ms INTEGER NOT NULL, decided_ms INTEGER,
  UNIQUE (sensor, boot, seq)
) STRICT;
CREATE INDEX shelf_step_by_state ON shelf_step (state, shelf);
"""

DERIVED_VIEWS = ("movement", "contrib")
DERIVED_TABLES = (
    "name_number",
    "movement_row",
    "contrib_row",
    "lot",
    "lot_parent",
    "lot_hold",
    "transfer_event",
    "transfer",
    "reg_head",
    "reg_dead",
    "declared",
    "member",
    "retirement",
    "plan",
    "plan_withdrawn",
    "dish",
    "dish_use",
    "dish_cooked",
    "verdict",
    "decision",
    "fork_seen",
    "fork_settled",
    "unknown_event",
    "item",
)
_SCRIPTS = (_LOG_1 + _LOCAL_1, _LOG_2 + _LOCAL_2, _LOCAL_3)
"""What each version adds; a database of version n has run the first n."""
DIGEST_TABLES = {
    "contrib": "lot_stream, lot_seq, member, kind, quantity_milli",
    "lot": "stream, seq, item_id, unit, quantity_milli, use_by, best_before, sell_by, produced, batch, supplier,"
    " member",
    "transfer": "stream, seq, lot_stream, lot_seq, sender, recipient, state, offered_milli, accepted_milli,"
    " reserved_milli, sent_milli, good_milli, damaged_milli, returned_milli, lost_milli, on_way_milli, flags,"
    " limit_milli_c",
    "reg_head": "key, stream, seq, value, member, hlc, who",
    "member": "origin, public_key, name, roles, nonce, stream, seq",
}
"""The tables of the state digest with the columns that every node agrees on."""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring an open database to SCHEMA_VERSION, in one transaction or as a part of the caller's. Safe to kill.

    Derived tables come out empty: their fold version is then another one, and whoever opens the market refolds.
    """
    version = schema_version(connection)
    if version == SCHEMA_VERSION:
        return
    # Loaded only here: a verb that finds its schema in place must not pay for it.
    from sqlite_utils import Database

    database = Database(connection)
    with database.atomic():
        for script in [script for since, script in enumerate(_SCRIPTS) if since >= version]:
            for statement in _statements(script):
                database.execute(statement)
        make_derived_tables_again(connection)
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def schema_version(connection: sqlite3.Connection) -> int:
    """Return the schema number of an open database; 0 for an empty one."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def make_derived_tables_again(connection: sqlite3.Connection) -> None:
    """Drop every derived table and make it empty, inside the caller's transaction."""
    # Looked up, since `movement` and `contrib` were tables once and are views.
    found = connection.execute("SELECT name, type FROM sqlite_schema WHERE type IN ('table', 'view')").fetchall()
    for name, kind in found:
        if name in DERIVED_TABLES or name in DERIVED_VIEWS:
            connection.execute(f"DROP {kind} {name}")
    for statement in _statements(_DERIVED):
        connection.execute(statement)


def _statements(script: str) -> list[str]:
    return [statement for statement in script.split(";") if statement.strip()]
