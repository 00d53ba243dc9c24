"""Say our waiting facts again where blocks of our own stream came back and hold other facts under the same names.

That happens where `market.db` was put back to an older state in place: the node goes on under names it gave away
before. Not the judge of those blocks (`receive`). Owns invariant 1 there: what staff saw saved is in the log, under
names of a new stream; what still waited behind it moves along, since it may refer to what moved.
"""

from __future__ import annotations

import sqlite3
from typing import Any, NamedTuple

import msgspec

from node.domain.lots import Dot
from node.ledger.append import Appender, append_to_roster
from node.ledger.block import Block
from node.ledger.codec import Body
from node.ledger.events import BY_NUMBER, BY_VALUE, Event, Fact, StreamOpened, StreamOpenedUnbound
from node.ledger.store import Transaction

_ENCODER = msgspec.msgpack.Encoder()
# Beyond every number of an event.
_END = 2**62
# Fields whose words are paths that may hold the name of the event that made an item.
_NAMING_FIELDS = frozenset({"key", "item_id", "items"})


class Displaced(NamedTuple):
    """Facts that lost their names, oldest first, all of one stream. `is_roster`: they belong in the roster's stream."""

    is_roster: bool
    events: list[Event]


def take_displaced(
    connection: sqlite3.Connection, block: Block, body: Body, *, is_roster: bool
) -> tuple[int, Displaced]:
    """Drop the pending events that a block of ours says itself; take out those whose names it uses for others.

    Returns how many pending events are gone because of it in all, and the ones to be said again.
    """
    header = block.header
    end = header.first_seq + header.event_count
    rows = connection.execute(
        "SELECT seq, type, version, hlc, who, fact FROM pending WHERE stream = ? ORDER BY seq", (header.stream,)
    ).fetchall()
    said = {event.dot.seq: _row(event) for event in body.events}
    is_other = (row[0] for row in rows if row[0] < end and said.get(row[0]) != row)
    first_other = next(is_other, None)
    last = end if first_other is None else _END
    gone = connection.execute("DELETE FROM pending WHERE stream = ? AND seq < ?", (header.stream, last)).rowcount
    moved = [] if first_other is None else [row for row in rows if row[0] >= first_other]
    return gone, Displaced(is_roster, [_event(header.stream, *row) for row in moved])


def take_lost(connection: sqlite3.Connection, stream: bytes, lost: list[Event], *, is_roster: bool) -> Displaced:
    """Take out what waits behind a branch of ours that is folded no more; return it behind that branch's facts."""
    rows = connection.execute(
        "SELECT seq, type, version, hlc, who, fact FROM pending WHERE stream = ? ORDER BY seq", (stream,)
    ).fetchall()
    connection.execute("DELETE FROM pending WHERE stream = ?", (stream,))
    return Displaced(is_roster, [*lost, *(_event(stream, *row) for row in rows)])


def say_again(tx: Transaction, displaced: list[Displaced], *, is_done_here: bool = True) -> int:
    """Append displaced facts anew, with the names among them replaced; return how many. The tables must be made before.

    Actions and label checks, which name events of this node, follow; not where these facts were written in another file
    (`is_done_here` false), since then the same names are those of other facts here.
    """
    names: dict[Dot, Dot] = {}
    words: dict[str, str] = {}
    for one in sorted(displaced, key=lambda part: not part.is_roster):
        appender = None if one.is_roster else Appender(tx)
        for event in one.events:
            if isinstance(event.fact, StreamOpened | StreamOpenedUnbound):
                continue
            if appender is None:
                names[event.dot] = append_to_roster(tx, _renamed(event.fact, names, words), event.who).dot
                words[str(event.dot)] = str(names[event.dot])
            else:
                # Before it is said: what makes an item names itself.
                names[event.dot] = appender.next_dot
                words[str(event.dot)] = str(appender.next_dot)
                appender.append(_renamed(event.fact, names, words), event.who)
    if is_done_here:
        _rename_local(tx.connection, names)
    return len(names)


def refers_to(fact: Fact, stream: bytes, seqs: range) -> bool:
    """Tell whether a fact names an event of a stream with one of these numbers."""
    for field in fact.__struct_fields__:
        value = getattr(fact, field)
        dots = [value] if isinstance(value, Dot) else value if isinstance(value, list) else []
        if any(isinstance(dot, Dot) and dot.stream == stream and dot.seq in seqs for dot in dots):
            return True
        if field in _NAMING_FIELDS:
            paths = [value] if isinstance(value, str) else value
            named = [word.removeprefix(f"{stream.hex()}:") for path in paths for word in path.split("/")]
            if any(word.isdecimal() and int(word) in seqs for word in named):
                return True
    return False


def _row(event: Event) -> tuple[int, int, int, int, int, bytes]:
    known = BY_VALUE[type(event.fact)]
    return event.dot.seq, known.type_id, known.version, event.hlc, event.who, _ENCODER.encode(event.fact)


def _event(stream: bytes, seq: int, type_id: int, version: int, hlc: int, who: int, fact: bytes) -> Event:
    return Event(Dot(stream, seq), hlc, who, msgspec.msgpack.decode(fact, type=BY_NUMBER[type_id, version].value))


def _renamed(fact: Fact, names: dict[Dot, Dot], words: dict[str, str]) -> Fact:
    """Return the fact with every name of an event that moved replaced by its new one; `words` are the names as text."""
    changes: dict[str, Any] = {}
    for field in fact.__struct_fields__:
        value = getattr(fact, field)
        if isinstance(value, Dot):
            changes[field] = names.get(value, value)
        elif isinstance(value, list) and value and isinstance(value[0], Dot):
            changes[field] = [names.get(dot, dot) for dot in value]
        elif field in _NAMING_FIELDS and isinstance(value, str):
            changes[field] = _renamed_path(value, words)
        elif field in _NAMING_FIELDS and isinstance(value, list):
            changes[field] = [_renamed_path(word, words) for word in value]
    return msgspec.structs.replace(fact, **changes) if changes else fact


def _renamed_path(path: str, words: dict[str, str]) -> str:
    return "/".join(words.get(part, part) for part in path.split("/"))


def _rename_local(connection: sqlite3.Connection, names: dict[Dot, Dot]) -> None:
    for old, new in names.items():
        connection.execute(
            "UPDATE action SET stream = ?, first_seq = ? WHERE stream = ? AND first_seq = ?", (*new, *old)
        )
        connection.execute(
            "UPDATE OR REPLACE label_check SET lot_stream = ?, lot_seq = ? WHERE lot_stream = ? AND lot_seq = ?",
            (*new, *old),
        )
