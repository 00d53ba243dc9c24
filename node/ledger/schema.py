"""The tables of `market.db`: what is the log, what is derived from it, what is local. Made and migrated here.

Not a fold. Derived tables can be dropped and made again from blocks and pending events; a changed FOLD_VERSION does so
by itself. Local tables are no part of the fold: a rebuild leaves them as they are. A migration only adds.
"""

from __future__ import annotations

import sqlite3

# Raised by one with each migration; a database with a higher number was made by newer software.
SCHEMA_VERSION = 1
# Raised whenever folding the same blocks would give other rows. The starter catalogue's version is kept beside it.
FOLD_VERSION = 1
# A database page; it cannot change later. On a card, bytes written are what wears out.
PAGE_BYTES = 1024

_LOG = """
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

_DERIVED = """
CREATE TABLE movement (
  stream BLOB NOT NULL, seq INTEGER NOT NULL, lot_stream BLOB NOT NULL, lot_seq INTEGER NOT NULL,
  kind INTEGER NOT NULL, quantity_milli INTEGER NOT NULL, about_stream BLOB, about_seq INTEGER,
  basis INTEGER NOT NULL, reason INTEGER NOT NULL, member BLOB NOT NULL, hlc INTEGER NOT NULL,
  clock INTEGER NOT NULL, who INTEGER NOT NULL, PRIMARY KEY (hlc, stream, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX movement_by_lot ON movement (lot_stream, lot_seq);
CREATE TABLE contrib (
  lot_stream BLOB NOT NULL, lot_seq INTEGER NOT NULL, member BLOB NOT NULL, kind INTEGER NOT NULL,
  quantity_milli INTEGER NOT NULL, PRIMARY KEY (lot_stream, lot_seq, member, kind)
) STRICT, WITHOUT ROWID;
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
CREATE TABLE member (
  origin BLOB NOT NULL PRIMARY KEY, public_key BLOB NOT NULL, name TEXT NOT NULL, roles INTEGER NOT NULL,
  nonce BLOB, stream BLOB NOT NULL, seq INTEGER NOT NULL
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

_LOCAL = """
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

DERIVED_TABLES = ("movement", "contrib", "lot", "reg_head", "reg_dead", "member", "unknown_event", "item")
DIGEST_TABLES = {
    "contrib": "lot_stream, lot_seq, member, kind, quantity_milli",
    "lot": "stream, seq, item_id, unit, quantity_milli, use_by, best_before, sell_by, produced, batch, supplier,"
    " member",
    "reg_head": "key, stream, seq, value, member, hlc, who",
    "member": "origin, public_key, name, roles, nonce, stream, seq",
}
"""The tables of the state digest with the columns that every node agrees on."""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring an open database to SCHEMA_VERSION, in one transaction for each step. Safe to kill anywhere."""
    # Loaded only here: a verb that finds its schema in place must not pay for it.
    from sqlite_utils import Database

    database = Database(connection)
    if schema_version(connection) == 0:
        with database.atomic():
            for script in (_LOG, _DERIVED, _LOCAL):
                for statement in filter(str.strip, script.split(";")):
                    database.execute(statement)
            database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def schema_version(connection: sqlite3.Connection) -> int:
    """Return the schema number of an open database; 0 for an empty one."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def make_derived_tables_again(connection: sqlite3.Connection) -> None:
    """Drop every derived table and make it empty, inside the caller's transaction."""
    for table in DERIVED_TABLES:
        connection.execute(f"DROP TABLE {table}")
    for statement in filter(str.strip, _DERIVED.split(";")):
        connection.execute(statement)
