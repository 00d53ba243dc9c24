"""Append facts to our own log: the next name, a pending row, the fold, in the caller's transaction.

Not the commit (`store`) and not the seal. Owns the names: every event gets the next number of the stream we may write.
"""

from __future__ import annotations

import msgspec

from node.clock import ClockQuality, Moment
from node.domain.lots import Dot
from node.domain.words import StreamPurpose, StreamReason
from node.ledger.events import BY_VALUE, Event, Fact
from node.ledger.fold import fold
from node.ledger.store import Transaction
from node.ledger.streams import Writer, keep_roster_writer, load_roster_writer, load_writer, opened

# As far as a clock value may be ahead of the wall clock and still be a time.
AHEAD_MS_MAX = 60_000
_ENCODER = msgspec.msgpack.Encoder()


class Appender:
    """Appends within one transaction. Where the log stands is read from the log itself, so no counter can differ."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        writer = load_writer(tx.connection)
        if writer.witness == tx.witness:
            self._writer = writer
        else:
            self._writer = self._new_stream(writer)

    @property
    def next_dot(self) -> Dot:
        """Return the name that the next fact will have."""
        return Dot(self._writer.stream, self._writer.next_seq)

    @property
    def hlc(self) -> int:
        """Return the clock value of the last fact appended."""
        return self._writer.hlc

    def append(self, fact: Fact, who: int) -> Event:
        """Give a fact its name, keep it as pending and fold it."""
        writer = self._writer
        hlc = max(self._tx.moment.wall_ms, writer.hlc + 1)
        event = Event(Dot(writer.stream, writer.next_seq), hlc, who, fact)
        self._writer = writer._replace(next_seq=writer.next_seq + 1, hlc=hlc)
        self._write(event)
        return event

    def _new_stream(self, old: Writer) -> Writer:
        writer, event = opened(
            self._tx.connection,
            origin=old.origin,
            hlc=max(self._tx.moment.wall_ms, old.hlc + 1),
            witness=self._tx.witness,
            purpose=StreamPurpose.MARKET,
            reason=StreamReason.HEAD_NOT_CONFIRMED,
        )
        self._tx.connection.execute(
            "UPDATE writer SET stream = ?, witness = ? WHERE id = 1", (writer.stream, writer.witness)
        )
        self._writer = writer
        self._write(event)
        return writer

    def _write(self, event: Event) -> None:
        write_pending(self._tx, event)
        fold(self._tx.connection, event, member=self._writer.origin, clock=clock_of(self._tx.moment, event.hlc))


def append_to_roster(tx: Transaction, fact: Fact, who: int) -> Event:
    """Append a fact to the roster stream of this node, a new one where the last may not go on."""
    writer = load_roster_writer(tx.connection)
    (origin,) = tx.connection.execute("SELECT origin FROM writer WHERE id = 1").fetchone()
    if writer is None or writer.witness != tx.witness:
        writer, opening = opened(
            tx.connection,
            origin=origin,
            hlc=max(tx.moment.wall_ms, writer.hlc + 1 if writer else 0),
            witness=tx.witness,
            purpose=StreamPurpose.ROSTER,
            reason=StreamReason.HEAD_NOT_CONFIRMED,
        )
        keep_roster_writer(tx.connection, writer.stream, tx.witness)
        write_pending(tx, opening)
        fold(tx.connection, opening, member=origin, clock=clock_of(tx.moment, opening.hlc))
    event = Event(Dot(writer.stream, writer.next_seq), max(tx.moment.wall_ms, writer.hlc + 1), who, fact)
    write_pending(tx, event)
    fold(tx.connection, event, member=origin, clock=clock_of(tx.moment, event.hlc))
    return event


def clock_of(moment: Moment, hlc: int) -> int:
    """Return how good a fact's time is: as our clock, and not at all where its order has run ahead of that clock.

    Order never goes back, so a clock that was once far ahead goes on dating facts after it was set right. A block has
    room for one time; it keeps the order, and the flag says that it is no time.
    """
    is_ahead = hlc - moment.wall_ms > AHEAD_MS_MAX
    return int(ClockQuality.NOT_SET if is_ahead else moment.quality)


def write_pending(tx: Transaction, event: Event) -> None:
    """Keep an event until it is sealed, under the name it will always have."""
    known = BY_VALUE[type(event.fact)]
    tx.connection.execute(
        "INSERT INTO pending (stream, seq, type, version, hlc, clock, who, fact) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *event.dot,
            known.type_id,
            known.version,
            event.hlc,
            clock_of(tx.moment, event.hlc),
            event.who,
            _ENCODER.encode(event.fact),
        ),
    )
