"""Requests for sync: seen once, answered in words a little later, when the others had time to say something.

Not the requests of other kinds. Belongs to the driver's thread.
"""

from __future__ import annotations

import sqlite3
from functools import partial

from node.actions.requests import answer, open_requests
from node.language import _, ngettext
from node.ledger.jobs import Jobs, Outcome
from node.ledger.store import Transaction
from node.sync.health import LinkRow

KIND = "sync"
ANSWER_AFTER_S = 2.0
_ANSWERED = float("inf")


class Asked:
    """The requests for sync that are open, each with the time at which it is answered."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._due_s: dict[int, float] = {}

    def look(self, connection: sqlite3.Connection, now_s: float) -> bool:
        """Note new requests; return whether there is one."""
        waiting = [request.id for request in open_requests(connection) if request.kind == KIND]
        new = [number for number in waiting if number not in self._due_s]
        self._due_s = {number: self._due_s.get(number, now_s + ANSWER_AFTER_S) for number in waiting}
        return bool(new)

    def answer(self, links: list[LinkRow], heard: int, now_s: float) -> None:
        """Answer what is due, in one sentence about the connections and the markets heard."""
        for number in [number for number, due_s in self._due_s.items() if due_s <= now_s]:
            connections = _("{up} of {all} connections are up").format(
                up=sum(row.is_up for row in links), all=len(links)
            )
            markets = ngettext(
                "{count} market was heard in the last minute", "{count} markets were heard in the last minute", heard
            ).format(count=heard)
            sentence = _("{connections}; {markets}.").format(connections=connections, markets=markets)
            if self._jobs.submit("request", partial(_write, number=number, sentence=sentence), _ignore):
                self._due_s[number] = _ANSWERED


def _write(tx: Transaction, *, number: int, sentence: str) -> None:
    answer(tx, number, sentence)


def _ignore(_outcome: Outcome) -> None:
    """Leave a request open where its answer could not be written: it is answered after the next start."""
