"""Walk the sealed blocks of a market: every signature, every chain, every body; then the fold.

Not a repair. Owns the promise that an altered, missing or swapped event is found and the first one is named.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import NamedTuple

from node.errors import N_, LarderError, LocalFault
from node.ledger import forks
from node.ledger.block import NO_BLOCK_BEFORE, Block, BlockRefused, check_block, check_place, read_frame
from node.ledger.bulk import Bulk
from node.ledger.codec import Body, BodyRefused, decode_body
from node.ledger.digest import state_digest
from node.ledger.fold import fold, fold_history, fold_unknown
from node.ledger.items import insert_starter_items
from node.ledger.keys import is_signed
from node.ledger.names import group_of, origin_of
from node.ledger.numbers import take_numbers
from node.ledger.roster import Roster, cutoffs, load_roster, no_market_row, retired_members
from node.ledger.schema import make_derived_tables_again, migrate
from node.ledger.seal import pending_event
from node.ledger.streams import check_own_opening, opening_of
from node.ledger.tables import check_derived, check_file, check_schema

Progress = Callable[[int, int], None]
"""Told how many of how many blocks are done."""

# Blocks are read in pages, so that no cursor stays open while they are checked.
_BLOCKS_PER_PAGE = 64


class Verified(NamedTuple):
    """What a clean check covered."""

    streams: int
    blocks: int
    sealed_events: int
    pending_events: int
    digest: str


class _Place(NamedTuple):
    stream: bytes
    n: int


def verify(connection: sqlite3.Connection, *, progress: Progress | None = None) -> Verified:
    """Check the whole ledger of an open market. Raises LocalFault that names the first thing that is not right."""
    check_file(connection)
    blocks = sealed = 0
    (us,) = connection.execute("SELECT origin FROM writer WHERE id = 1").fetchone() or (b"",)
    (total,) = connection.execute("SELECT count(*) FROM block").fetchone()
    roster = _checked_roster(connection)
    home = _home_streams(connection)
    streams = connection.execute("SELECT stream, origin, blocks, events, hash FROM head ORDER BY stream").fetchall()
    for stream, origin, head_blocks, head_events, head_hash in streams:
        events, last_hash, count = 0, NO_BLOCK_BEFORE, 0
        for place, frame in _frames(connection, stream):
            # A stream of a group that this market left was signed for that group.
            block = _checked(place, frame, home.get(stream, roster.group), roster.keys, (count, events, last_hash))
            if block.header.origin != origin or block.header.stream != stream:
                raise _bad_block(place, "owner")
            _check_summary(connection, place, block)
            if place.n == 0:
                _check_opening(place, block, us)
            count, events, last_hash = count + 1, events + block.header.event_count, block.block_hash
            blocks += 1
            if progress is not None:
                progress(blocks, total)
        if (count, events, last_hash) != (head_blocks, head_events, head_hash):
            raise _bad_block(_Place(stream, min(count, head_blocks)), "head")
        _check_branches(connection, stream, origin, home.get(stream, roster.group), roster)
        _check_pending(connection, stream, events)
        sealed += events
    stray = connection.execute(
        "SELECT stream, min(n) FROM block WHERE stream NOT IN (SELECT stream FROM head) GROUP BY stream LIMIT 1"
    ).fetchone()
    if stray is not None:
        raise _bad_block(_Place(*stray), "stream")
    _check_no_stray_pending(connection)
    _check_retired(connection)
    (pending,) = connection.execute("SELECT count(*) FROM pending").fetchone()
    return Verified(len(streams), blocks, sealed, pending, _check_fold(connection))


def refold(source: sqlite3.Connection, target: sqlite3.Connection, *, progress: Progress | None = None) -> str:
    """Make every derived table of `target` again from the blocks and pending events of `source`.

    Both may be the same connection, inside the caller's transaction. Returns the state digest. Raises LocalFault at the
    first damaged block, and then the caller rolls back.
    """
    make_derived_tables_again(target)
    if target is not source:
        take_numbers(source, target)
    insert_starter_items(target)
    (total,) = source.execute("SELECT count(*) FROM block").fetchone()
    done = 0
    home = _home_streams(source)
    # The roster first: whoever wrote a block must be known before what they wrote is folded.
    streams = source.execute("SELECT stream, origin FROM head ORDER BY purpose DESC, stream").fetchall()
    bulk = Bulk(target)
    for stream, origin in streams:
        for place, frame in _frames(source, stream):
            block, body = _read(place, frame)
            if stream in home:
                for event in body.events:
                    fold_history(target, event, member=origin, clock=block.header.clock)
            else:
                bulk.fold(body, member=origin, clock=block.header.clock)
            for unknown in body.unknown:
                fold_unknown(target, unknown)
            done += 1
            if done % _BLOCKS_PER_PAGE == 0:
                bulk.write()
            if progress is not None:
                progress(done, total)
    bulk.write()
    rows = source.execute(
        "SELECT p.clock, h.origin, p.stream, p.seq, p.type, p.version, p.hlc, p.who, p.fact"
        " FROM pending p JOIN head h ON h.stream = p.stream ORDER BY p.stream, p.seq"
    )
    for clock, origin, *row in rows.fetchall():
        fold(target, pending_event(tuple(row)), member=origin, clock=clock)
    return state_digest(target)


def _frames(connection: sqlite3.Connection, stream: bytes) -> Iterator[tuple[_Place, bytes]]:
    after = -1
    while True:
        page = connection.execute(
            "SELECT n, frame FROM block WHERE stream = ? AND n > ? ORDER BY n LIMIT ?",
            (stream, after, _BLOCKS_PER_PAGE),
        ).fetchall()
        for n, frame in page:
            yield _Place(stream, n), frame
            after = n
        if not page:
            return


def _read(place: _Place, frame: bytes) -> tuple[Block, Body]:
    try:
        block = read_frame(frame)
        header = block.header
        body = decode_body(
            block.body,
            stream=header.stream,
            first_seq=header.first_seq,
            count=header.event_count,
            hlc_base=header.hlc_base,
        )
    except BlockRefused as error:
        raise _bad_block(place, error.check) from error
    except BodyRefused as error:
        raise _bad_block(place, "body") from error
    return block, body


def _checked(
    place: _Place, frame: bytes, group: bytes, roster: dict[bytes, bytes], head: tuple[int, int, bytes]
) -> Block:
    try:
        block = read_frame(frame)
        check_block(block, group=group, roster=roster, is_signed=is_signed)
        check_place(block, blocks=head[0], events=head[1], head_hash=head[2])
    except BlockRefused as error:
        raise _bad_block(place, error.check) from error
    _read(place, frame)
    return block


def _check_branches(connection: sqlite3.Connection, stream: bytes, origin: bytes, group: bytes, roster: Roster) -> None:
    """Check the branches of a forked stream that are not folded, and that the right one is."""
    if not forks.is_forked(connection, stream):
        return
    rows = connection.execute(
        "SELECT n, hash, frame FROM quarantine WHERE stream = ? AND reason = 'branch' ORDER BY n", (stream,)
    ).fetchall()
    for n, block_hash, frame in rows:
        place = _Place(stream, n)
        try:
            block = read_frame(frame)
            check_block(block, group=group, roster=roster.keys, is_signed=is_signed)
        except BlockRefused as error:
            raise _bad_block(place, error.check) from error
        header = block.header
        if (header.origin, header.stream, header.n, block.block_hash) != (origin, stream, n, block_hash):
            raise _bad_block(place, "summary")
        if forks.end_of(connection, stream, n - 1, header.prev) != header.first_seq:
            raise _bad_block(place, "chain")
        if n == 0:
            _check_opening(place, block, b"")
    if not forks.is_settled(connection, stream):
        raise _bad_block(_Place(stream, rows[0][0]), "branch")


def _check_opening(place: _Place, block: Block, us: bytes) -> None:
    _block, body = _read(place, block.frame)
    check = check_own_opening if block.header.origin == us else opening_of
    try:
        check(body, block.header.origin, place.stream)
    except BlockRefused as error:
        raise _bad_block(place, error.check) from error


def _home_streams(connection: sqlite3.Connection) -> dict[bytes, bytes]:
    """Return the streams of groups that this market left, each with the group it was written in."""
    return dict(connection.execute("SELECT stream, group_id FROM home_stream").fetchall())


def _checked_roster(connection: sqlite3.Connection) -> Roster:
    """Return the roster, after checking that its founder founded this group and that every key makes its origin."""
    roster = load_roster(connection)
    row = connection.execute("SELECT public_key, nonce FROM member WHERE origin = ?", (roster.founder,)).fetchone()
    is_founded = row is not None and row[1] is not None and group_of(*row) == roster.group
    if not is_founded or any(origin_of(key) != origin for origin, key in roster.keys.items()):
        raise LocalFault(
            "verify.roster",
            N_("The list of members does not belong to this group."),
            N_("Run larder rebuild; if it stays, put back the last backup beside this folder."),
        )
    return roster


def _check_summary(connection: sqlite3.Connection, place: _Place, block: Block) -> None:
    """Compare the columns beside a frame, by which blocks are looked up, with what its signed header says."""
    row = connection.execute(
        "SELECT first_seq, event_count, origin, hash FROM block WHERE stream = ? AND n = ?", place
    ).fetchone()
    header = block.header
    if row != (header.first_seq, header.event_count, header.origin, block.block_hash):
        raise _bad_block(place, "summary")


def _check_pending(connection: sqlite3.Connection, stream: bytes, events: int) -> None:
    rows = connection.execute("SELECT seq FROM pending WHERE stream = ? ORDER BY seq", (stream,)).fetchall()
    for expected, (seq,) in enumerate(rows, start=events):
        if seq != expected:
            raise _bad_pending(stream, expected)


def _check_no_stray_pending(connection: sqlite3.Connection) -> None:
    stray = connection.execute(
        "SELECT stream, min(seq) FROM pending WHERE stream NOT IN (SELECT stream FROM head) GROUP BY stream LIMIT 1"
    ).fetchone()
    if stray is not None:
        raise _bad_pending(*stray)


def _check_retired(connection: sqlite3.Connection) -> None:
    """Check that no block of another market counts beyond the position at which that market was retired."""
    (us,) = connection.execute("SELECT origin FROM writer WHERE id = 1").fetchone() or (b"",)
    for member in sorted(retired_members(connection) - {us}):
        allowed = cutoffs(connection, member) or {}
        for stream, blocks in connection.execute(
            "SELECT stream, blocks FROM head WHERE origin = ?", (member,)
        ).fetchall():
            if blocks > allowed.get(stream, 0):
                raise _bad_block(_Place(stream, allowed.get(stream, 0)), "retirement")


def _bad_pending(stream: bytes, seq: int) -> LocalFault:
    return LocalFault(
        "verify.pending",
        N_("Event {seq} of stream {stream} is missing among those that wait for their signature."),
        N_("Put back the last backup beside this folder, and tell who looks after this market."),
        seq=seq,
        stream=stream.hex(),
    )


def _check_fold(connection: sqlite3.Connection) -> str:
    """Refold into a temporary database, compare every table, index and trigger with it, and return the digest."""
    again = sqlite3.connect("", isolation_level=None)
    try:
        migrate(again)
        check_schema(connection, again)
        writer = connection.execute("SELECT * FROM writer").fetchone()
        if writer is None or not _is_of_our_log(connection):
            raise no_market_row()
        again.execute("INSERT INTO writer VALUES (?, ?, ?, ?)", writer)
        group = connection.execute("SELECT key, value FROM setting WHERE key IN ('group_id', 'founder')").fetchall()
        again.executemany("INSERT INTO setting VALUES (?, ?)", group)
        digest = refold(connection, again)
        check_derived(connection, again)
        return digest
    finally:
        again.close()


def _is_of_our_log(connection: sqlite3.Connection) -> bool:
    """Tell whether the row that says where we write names a stream of this node."""
    row = connection.execute(
        "SELECT 1 FROM writer JOIN head ON head.stream = writer.stream AND head.origin = writer.origin"
    ).fetchone()
    return row is not None


def _bad_block(place: _Place, check: str) -> LarderError:
    return LocalFault(
        "block.damaged",
        N_("Block {n} of stream {stream} is damaged: its {check} is not right."),
        N_("Put back the last backup beside this folder; nothing after that block can be trusted here."),
        n=place.n,
        stream=place.stream.hex(),
        check=check,
    )
