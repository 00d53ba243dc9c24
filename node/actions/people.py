"""The people who work here: a number for events, a name that stays in this market."""

from __future__ import annotations

from node.actions.checks import checked_words
from node.errors import N_, Refused
from node.ledger.read import Person
from node.ledger.read.market import PEOPLE_MAX
from node.ledger.store import Transaction

PERSON_CHARACTERS_MAX = 30


def person_named(tx: Transaction, name: str) -> Person:
    """Return the person of that name, added where they are new. Raises Refused for an empty or too long name."""
    words = checked_words(name, field="name", characters_max=PERSON_CHARACTERS_MAX)
    row = tx.connection.execute("SELECT number FROM person WHERE name = ?", (words,)).fetchone()
    if row is not None:
        return Person(int(row[0]), words)
    (count,) = tx.connection.execute("SELECT count(*) FROM person").fetchone()
    if count >= PEOPLE_MAX:
        raise Refused("person.too_many", N_("There are {most} people already."), most=PEOPLE_MAX)
    cursor = tx.connection.execute("INSERT INTO person (name) VALUES (?)", (words,))
    assert cursor.lastrowid is not None
    return Person(cursor.lastrowid, words)
