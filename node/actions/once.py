"""Do an action once, whatever its id is sent with again, and keep it as one step that can be undone.

Not an action itself. The table it writes is local: it names events, it is no fact.
"""

from __future__ import annotations

import sqlite3

from node.domain.lots import Dot
from node.errors import N_, Refused
from node.ledger.events import Event
from node.ledger.read import DoneAction
from node.ledger.store import Transaction


def done_before(tx: Transaction, action_id: bytes) -> DoneAction | None:
    """Return the action already done under this id, None where it is new.

    Raises Refused for one from before this market joined its group: it was saved, and its lots have other names now.
    """
    action = find_action(tx.connection, action_id)
    if action is not None and is_of_home(tx.connection, action):
        raise Refused(
            "action.before_joining",
            N_("This was saved before this market joined its group."),
            N_("Look at the stock before doing it again."),
        )
    return action


def is_of_home(connection: sqlite3.Connection, action: DoneAction) -> bool:
    """Tell whether an action was done in a group that this market has left."""
    row = connection.execute("SELECT 1 FROM home_stream WHERE stream = ?", (action.first.stream,)).fetchone()
    return row is not None


def find_action(connection: sqlite3.Connection, action_id: bytes) -> DoneAction | None:
    """Return a done action by its id."""
    row = connection.execute(
        "SELECT verb, stream, first_seq, event_count, hlc, who, undone_by IS NOT NULL FROM action WHERE action_id = ?",
        (action_id,),
    ).fetchone()
    if row is None:
        return None
    verb, stream, first_seq, event_count, hlc, who, is_undone = row
    return DoneAction(action_id, verb, Dot(stream, first_seq), event_count, hlc, who, bool(is_undone))


def finish(tx: Transaction, events: list[Event], *, action_id: bytes, verb: str, who: int) -> None:
    """Keep that these consecutive events were this action."""
    tx.connection.execute(
        "INSERT INTO action (action_id, verb, stream, first_seq, event_count, hlc, who) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (action_id, verb, events[0].dot.stream, events[0].dot.seq, len(events), events[-1].hlc, who),
    )
