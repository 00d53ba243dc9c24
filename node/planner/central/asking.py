"""One question and its end: what is asked for which local draft, how the answer is judged, what one transaction keeps.

Not the worker, which decides when, and not the transport. A second, different answer to one question is dropped here.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

import msgspec

from node.actions.requests import Request, answer
from node.clock import ClockQuality, Moment
from node.errors import N_, Refused
from node.language import _
from node.ledger.refusals import count_refused
from node.ledger.store import Transaction
from node.planner.central.breaker import CONTENT, TRANSPORT, BreakerStorage, keep_breaker
from node.planner.central.cache import CachedReply, cache_key, cached_reply, keep_reply
from node.planner.central.judge import Judged, judge
from node.planner.central.record import is_unanswered, is_wanted, keep_judged
from node.planner.central.request import REQUEST_BYTES_MAX, Asked, make_request
from node.planner.drafts import CENTRAL, Draft, newest_draft
from node.planner.naming import named_snapshot
from node.planner.plan import Plan, snapshot_id

REQUEST_KIND = "plan"
SECOND_REPLY = "planner: second reply"


class BadPlan(Exception):
    """The answer was no valid plan; tells the content breaker."""


@dataclass(frozen=True, slots=True)
class Asking:
    """One question about to be asked, and everything its answer is judged by. `local` is the plan made here."""

    request: Request
    draft: Draft
    local: Plan
    asked: Asked
    url: str

    @property
    def key(self) -> str:
        """Return the Idempotency-Key."""
        return self.asked.key(self.request.id)

    @property
    def cache_key(self) -> bytes:
        """Return under which key an answer is kept."""
        return cache_key(self.asked, self.url)

    @property
    def is_fresh_wanted(self) -> bool:
        """Tell whether a person wants a new answer, not the one of earlier today."""
        return self.request.body.get("again") is True


def ask_for(connection: sqlite3.Connection, request: Request, url: str) -> Asking:
    """Return the question that a request leads to, about the newest plan made here. Raises Refused."""
    if not url:
        raise Refused("planner.none", N_("No central planner is set; plans are made here."))
    draft = newest_draft(connection)
    if draft is None or draft.plan is None:
        raise Refused("planner.nothing_to_ask", N_("There is no plan yet that a better one could be asked for."))
    asked = make_request(draft.snapshot)
    if asked is None:
        raise Refused("planner.too_few", N_("Too few people to ask anybody outside; the plan is made here."))
    if len(asked.body) > REQUEST_BYTES_MAX:
        raise Refused("planner.too_much", N_("There is too much to ask in one question; the plan is made here."))
    return Asking(request, draft, draft.plan, asked, url)


def is_worth_asking(connection: sqlite3.Connection, moment: Moment) -> bool:
    """Tell whether the newest plan made here still waits for a better one: not accepted, and not of another day."""
    draft = newest_draft(connection)
    if draft is None or (moment.quality is not ClockQuality.NOT_SET and draft.snapshot.day < moment.today.isoformat()):
        return False
    row = connection.execute(
        "SELECT 1 FROM plan WHERE snapshot_id = ? LIMIT 1", (named_snapshot(connection, snapshot_id(draft.snapshot)),)
    ).fetchone()
    return row is None


def last_unanswered(connection: sqlite3.Connection) -> Request | None:
    """Return the question that was open when larder-node ended: the newest plan made here still has no answer."""
    local, central = newest_draft(connection), newest_draft(connection, CENTRAL)
    if local is None or central is None or not is_unanswered(central):
        return None
    row = connection.execute(
        "SELECT id, kind, body, asked_ms FROM request WHERE kind = ? ORDER BY id DESC LIMIT 1", (REQUEST_KIND,)
    ).fetchone()
    if row is None or snapshot_id(central.snapshot) != snapshot_id(local.snapshot):
        return None
    return Request(row[0], row[1], msgspec.json.decode(row[2], type=dict[str, Any]), row[3])


def judge_answer(asking: Asking, raw: bytes, moment: Moment) -> Judged:
    """Judge an answer; the day counts only where the clock is set."""
    today = None if moment.quality is ClockQuality.NOT_SET else moment.today.isoformat()
    return judge(raw, asking.asked, asking.draft.snapshot, asking.local, today=today)


def conclude(
    tx: Transaction,
    asking: Asking,
    judged: Judged,
    raw: bytes,
    content: BreakerStorage,
    transport: BreakerStorage | None,
) -> str:
    """Keep everything about an answer and tell whoever asked; return that sentence.

    `transport` is None where the answer was at hand and nobody was asked.
    """
    if transport is not None:
        keep_breaker(tx, TRANSPORT, transport.record)
        first = cached_reply(tx.connection, asking.cache_key, tx.moment.wall_ms)
        if first is not None and first.idempotency_key == asking.key and first.body != raw:
            count_refused(tx, SECOND_REPLY, None, 1)
            sentence = _("The central planner gave two different answers to one question; the first one counts.")
            answer(tx, asking.request.id, sentence)
            return sentence
    keep_breaker(tx, CONTENT, content.record)
    keep_judged(tx, judged, asking.draft.snapshot)
    if judged.is_sound and is_wanted(tx, asking.draft.snapshot):
        keep_reply(tx, asking.cache_key, CachedReply(asking.key, raw))
    sentence = judged.reason or _("The central planner offers a better plan; look at it and accept it.")
    answer(tx, asking.request.id, sentence)
    return sentence
